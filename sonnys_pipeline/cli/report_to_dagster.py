"""Dagster, told of days that a verb has landed: its instance is opened, or what to do is said where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sonnys_pipeline.cli.account import to_type
from sonnys_pipeline.cli.output import messages
from sonnys_pipeline.lake.dataset import Lake

if TYPE_CHECKING:
    from sonnys_pipeline.orchestration.events.runless import RunlessDays


@contextmanager
def report_to_dagster(lake: Lake, source: str, account: str | None = None) -> Iterator[RunlessDays | None]:
    """What tells Dagster of landed days, of an account, naming `source`; nothing where there is no instance to tell."""
    if not os.environ.get("DAGSTER_HOME"):  # asked here already: importing Dagster takes seconds
        messages.print(
            "DAGSTER_HOME is not set: Dagster is not told of these days. Set it and type: "
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
        messages.print(f"Dagster is not told of these days: {error}. Then type: {to_type('sonnys backfill reconcile')}")
        instance = None
    if instance is None:
        yield None
        return
    with instance:
        yield RunlessDays(instance, lake, source=source, account=Account(account))


def dagster_document(dagster: RunlessDays | None) -> dict[str, Any]:
    """What it was told, for `--json`."""
    if dagster is None:
        return {"reported": [], "observed": [], "problems": ["no instance"]}
    return {"reported": dagster.reported, "observed": dagster.observed, "problems": dagster.problems}
