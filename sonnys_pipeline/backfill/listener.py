"""Receivers of a run's events: Dagster, a progress bar, the CSV that asked for the days."""

from __future__ import annotations

from dataclasses import dataclass

from sonnys_pipeline.backfill.progress import Progress
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.lake.dataset import LandedFile
from sonnys_pipeline.ledger.models import Job, JobRow


@dataclass(frozen=True)
class LandedDay:
    """A day that has just been landed.

    Attributes:
        file: of its rows; of its states when a run reads states only.
        budget_wait: seconds that the run waited for its budget since the previous landed day.
        extra: whether it is none of the run's days, and was read because a row moved between it and one of these.
    """

    loaded: LoadedDay
    file: LandedFile
    budget_wait: float
    states: LandedFile | None = None
    extra: bool = False


class RunListener:
    """Called in the run's own thread, one event at a time; a subclass overrides what it needs."""

    def job_began(self, job: Job) -> None:
        """The job is leased; nothing has been requested yet."""

    def day_landed(self, day: LandedDay) -> None:
        """A day's file is in place and the ledger knows."""

    def list_landed(self, asset: str, day: str | None, file: LandedFile) -> None:
        """A list's file is in place, of a day or of a whole history, and the ledger knows."""

    def row_ended(self, row: JobRow) -> None:
        """A row is completed or failed; `row` is its state in the ledger."""

    def progressed(self, progress: Progress) -> None:
        """Progress, at most as often as the options say."""


class Listeners(list[RunListener], RunListener):
    """Passes each event to several listeners, in order; one may be added during the run."""

    def job_began(self, job: Job) -> None:
        """Pass it on."""
        for one in self:
            one.job_began(job)

    def day_landed(self, day: LandedDay) -> None:
        """Pass it on."""
        for one in self:
            one.day_landed(day)

    def list_landed(self, asset: str, day: str | None, file: LandedFile) -> None:
        """Pass it on."""
        for one in self:
            one.list_landed(asset, day, file)

    def row_ended(self, row: JobRow) -> None:
        """Pass it on."""
        for one in self:
            one.row_ended(row)

    def progressed(self, progress: Progress) -> None:
        """Pass it on."""
        for one in self:
            one.progressed(progress)
