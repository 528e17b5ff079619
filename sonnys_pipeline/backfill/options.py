"""How a run behaves: what the settings and the caller say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sonnys_pipeline.backfill.progress import LOG_INTERVAL
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.landing.account_sites import LoadBy
from sonnys_pipeline.landing.transactions import Source


class OnError(StrEnum):
    """What a failing day does to the run."""

    FAIL_FAST = "fail-fast"  # it ends the run; days that are landed stay landed
    CONTINUE = "continue"  # the others go on, until most of them fail, too


@dataclass(frozen=True)
class ExecutorOptions:
    """How a run behaves.

    Attributes:
        timezone: zone of the days.
        state_dir: where audit and quarantine are kept.
        loader: durations and bounds of the loader.
        source: whose rows are asked for; kept in each file.
        on_error: what a failing day does.
        lease_seconds: how long an executor that says nothing counts as alive.
        progress_seconds: how long nothing may be told of where the run stands.
        privacy: what is kept of personal data.
        keeps_pages: whether the pages of each day go into its archive.
        archive_days: how many days back archives are kept; `None` for ever.
        load_by: whether load jobs name a site.
        lands_sites: whether the list of sites is landed, too, where it is missing or old.
        states_only: read what `version-2` knows of landed rows, and not the rows.
    """

    timezone: str
    state_dir: Path
    loader: LoaderOptions
    source: Source
    on_error: OnError = OnError.FAIL_FAST
    lease_seconds: float = 30.0
    progress_seconds: float = LOG_INTERVAL
    privacy: Privacy = field(default_factory=Privacy)
    keeps_pages: bool = False
    archive_days: int | None = None
    load_by: LoadBy = LoadBy.ALL
    lands_sites: bool = False
    states_only: bool = False
