"""Report days landed by a command to Dagster, or print what to do if there is no Dagster instance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sonnys_pipeline.cli.account import to_type
from sonnys_pipeline.cli.output import messages
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.dataset import Lake

if TYPE_CHECKING:
    from sonnys_pipeline.orchestration.events.runless import RunlessDays


@contextmanager
def report_to_dagster(lake: Lake, source: str, settings: Settings) -> Iterator[RunlessDays | None]:
    """Recorder that reports landed days of an account to Dagster, naming `source`; None if there is no instance."""
    if not os.environ.get("DAGSTER_HOME"):  # checked first: importing Dagster takes seconds
        messages.print(
            "DAGSTER_HOME is not set, so these days are not reported to Dagster. Set it, then run: "
            + to_type("sonnys backfill reconcile")
        )
        yield None
        return
    from sonnys_pipeline.orchestration.account import Account
    from sonnys_pipeline.orchestration.events.runless import RunlessDays
    from sonnys_pipeline.orchestration.instance import InstanceError, configured_instance

    try:
        instance = configured_instance()
    except InstanceError as error:
        messages.print(
            f"These days are not reported to Dagster: {error}. Then run: {to_type('sonnys backfill reconcile')}"
        )
        instance = None
    if instance is None:
        yield None
        return
    account = Account(settings.account_name)
    with instance:
        yield RunlessDays(instance, lake, source=source, rate=settings.rate_limit, account=account)


def dagster_document(dagster: RunlessDays | None) -> dict[str, Any]:
    """The days reported to Dagster, for `--json`."""
    if dagster is None:
        return {"reported": [], "observed": [], "lists": [], "problems": ["no instance"]}
    return {
        "reported": dagster.reported,
        "observed": dagster.observed,
        "lists": dagster.lists,
        "problems": dagster.problems,
    }
