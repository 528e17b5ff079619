"""How a run behaves, from settings and caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sonnys_pipeline.backfill.progress import LOG_INTERVAL
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.landing.account_sites import LoadBy
from sonnys_pipeline.landing.transactions import Source


class OnError(StrEnum):
    """What a failed day does to the run."""

    FAIL_FAST = "fail-fast"  # ends it; landed days stay
    CONTINUE = "continue"  # the other days continue, until most of them fail too


@dataclass(frozen=True)
class ExecutorOptions:
    """How a run behaves.

    Attributes:
        state_dir: holds audit and quarantine.
        source: account and site, kept in each file.
        lease_seconds: how long a silent executor counts as alive.
        progress_seconds: longest time without a progress report.
        keeps_pages: whether each day's pages are archived.
        archive_days: how many days back archives are kept; `None` for ever.
        lands_sites: whether a missing or old list of sites is landed too.
        states_only: read only what `version-2` has about landed rows.
        found_by: by which look each day (partition key) was found to need a read: `full`, `states`, `count`, `morning`
            and so on; kept with what it finds changed.
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
    found_by: Mapping[str, str] = field(default_factory=dict)
