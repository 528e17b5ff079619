"""Who hears of a run while it works: Dagster, a progress bar, the CSV that asked for the days."""

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
        loaded: what was loaded.
        file: the file that it became; of a run that reads states only, their file.
        states: the file of its states; `None` where they were not read.
        budget_wait: seconds that the run has waited for its budget since the day before it was landed.
    """

    loaded: LoadedDay
    file: LandedFile
    budget_wait: float
    states: LandedFile | None = None


class RunListener:
    """Is called in the run's own thread, one event at a time; a subclass overrides what it wants to hear."""

    def job_began(self, job: Job) -> None:
        """The job is leased, and nothing has been requested yet."""

    def day_landed(self, day: LandedDay) -> None:
        """A day's file is in its place, and the ledger knows."""

    def row_ended(self, row: JobRow) -> None:
        """A row of the job is completed or has failed, as the ledger has it now."""

    def progressed(self, progress: Progress) -> None:
        """Where the run stands; not more often than the options say."""


class Listeners(list[RunListener], RunListener):
    """Several who hear of the same run, in this order; one may join while it works."""

    def job_began(self, job: Job) -> None:
        """Pass it on."""
        for one in self:
            one.job_began(job)

    def day_landed(self, day: LandedDay) -> None:
        """Pass it on."""
        for one in self:
            one.day_landed(day)

    def row_ended(self, row: JobRow) -> None:
        """Pass it on."""
        for one in self:
            one.row_ended(row)

    def progressed(self, progress: Progress) -> None:
        """Pass it on."""
        for one in self:
            one.progressed(progress)
