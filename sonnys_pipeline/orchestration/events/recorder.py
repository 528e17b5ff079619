"""Which landed days are reported to Dagster, and when: one materialization per day, at the end of its run.

A run that succeeds returns its days, and Dagster records every partition of the run, landed by this attempt or an
earlier one. A run that ends early logs the landed days not yet recorded; one that a retry policy continues logs
nothing, since the last attempt will.
"""

import dagster as dg

from sonnys_pipeline.backfill.audit import Measures
from sonnys_pipeline.backfill.executor import ExecutionResult
from sonnys_pipeline.backfill.listener import LandedDay, RunListener
from sonnys_pipeline.backfill.progress import Progress
from sonnys_pipeline.client.rate_limit.limiter import RequestRate
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.ledger.models import Job, JobRow, RowStatus
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.orchestration.events.budget import REQUESTS, minutes_of_budget, requests_plot, share_of_budget
from sonnys_pipeline.orchestration.events.metadata import (
    Metadata,
    day_metadata,
    earlier_day_metadata,
    landed_metadata,
    run_metadata,
    states_metadata,
)
from sonnys_pipeline.orchestration.runs import continued_runs

#: Tag of a run: its job in the ledger, as `sonnys backfill status` takes it.
JOB_TAG = "sonnys/job"
#: Days in the table at the end of a run's log.
_MOST_LINES = 31


class MaterializationRecorder(RunListener):
    """The landed days of one run's job, of this attempt or an earlier one."""

    def __init__(self, context: dg.AssetExecutionContext, lake: Lake, states: dg.AssetKey, rate: RequestRate) -> None:
        self._context = context
        self._lake = lake
        self._states = states
        self._rate = rate
        self._records_states = states not in context.job_def.asset_layer.selected_asset_keys
        self._job_id: str | None = None
        self._fresh: dict[str, Metadata] = {}
        self._figures: dict[str, tuple[int, int, int]] = {}
        self._earlier: dict[str, JobRow] = {}

    def job_began(self, job: Job) -> None:
        """Tag the run with its job."""
        self._job_id = job.id
        self._context.instance.add_run_tags(self._context.run.run_id, {JOB_TAG: job.id})

    def progressed(self, progress: Progress) -> None:
        """Log a line."""
        self._context.log.info("%s", progress)

    def day_landed(self, day: LandedDay) -> None:
        """Keep what is recorded about it."""
        loaded, now = day.loaded, self._lake.snapshot()
        if day.extra:  # not a partition of this run, which could not return it
            if landed_sites(now, loaded.day.key) is None:
                told = landed_metadata(now, loaded.day.key)
                self._context.log_event(
                    dg.AssetMaterialization(self._context.asset_key, partition=loaded.day.key, metadata=told)
                )
        else:
            self._fresh[loaded.day.key] = day_metadata(now, day)
        if day.states is not None and self._records_states:
            told = states_metadata(now, loaded.day.key, day.states)
            self._context.log_event(
                dg.AssetMaterialization(self._states, partition=loaded.day.key, metadata=told)
            )  # fmt: skip
        figures = day.file.rows, len(loaded.job_hashes), loaded.requests
        self._figures[loaded.day.key] = figures
        self._context.log.info("%s: %d rows on %d pages, %d requests", loaded.day.key, *figures)

    def add_earlier(self, jobs: JobService) -> None:
        """Add landed days of the ledger: of earlier attempts, and a day during whose landing this one was stopped."""
        if self._job_id is not None and not self._fresh.keys() >= set(self._context.partition_keys):
            completed = jobs.get_rows(self._job_id, RowStatus.COMPLETED)
            self._earlier = {row.day: row for row in completed if row.day not in self._fresh}

    def to_return(self, result: ExecutionResult) -> None:
        """Set each day's metadata, its own before the run's; the asset's `MaterializeResult` then records it."""
        share = dg.MetadataValue.float(share_of_budget(result.measures, self._rate))
        of_run = {**run_metadata(result), "run/share_of_budget": share}
        requests = {}
        for day in [*self._fresh, *self._earlier]:
            told = self._metadata(day) or {}
            self._context.add_asset_metadata({**told, **of_run}, partition_key=day)
            if isinstance(cost := told.get(REQUESTS), dg.IntMetadataValue) and cost.value is not None:
                requests[day] = cost.value
        if requests:
            plot = requests_plot(self._context.instance, self._context.asset_key, requests, self._rate)
            self._context.add_asset_metadata(plot, partition_key=max(requests))

    def summary(self, measures: Measures) -> str:
        """A table for the log: the days landed by this attempt, and the run's costs."""
        days = sorted(self._figures.items())
        lines = [f"{'day':10} {'rows':>9} {'pages':>7} {'requests':>9}"]
        if len(days) > _MOST_LINES:
            lines.append(f"({len(days) - _MOST_LINES} earlier days)")
        lines += [f"{day:10} {row:9,} {page:7,} {request:9,}" for day, (row, page, request) in days[-_MOST_LINES:]]
        rows, pages, requests = (sum(each[place] for each in self._figures.values()) for place in range(3))
        lines.append(f"{'all':10} {rows:9,} {pages:7,} {requests:9,}")
        lines.append(
            f"{measures.succeeded} of {measures.days} days landed in {measures.seconds:,.0f} s, "
            f"{measures.budget_wait:,.0f} s of it waiting for the request budget; "
            f"{measures.requests_per_page:.1f} requests a page"
        )
        return "\n".join(lines)

    def log(self) -> None:
        """Log a materialization for each landed day that has none yet, before a run ends early."""
        recorded = self._recorded() if self._earlier else set()
        for day in [*self._fresh, *(day for day in self._earlier if day not in recorded)]:
            if metadata := self._metadata(day):
                self._context.log_event(
                    dg.AssetMaterialization(self._context.asset_key, partition=day, metadata=metadata)
                )

    def _metadata(self, day: str) -> Metadata | None:
        """Its metadata; `None` if its file is missing or damaged, so that it is no longer landed."""
        if day in self._fresh:
            return self._with_cost(self._fresh[day])
        try:
            row = self._earlier[day]
            return self._with_cost(earlier_day_metadata(self._lake, row))
        except LakeError as error:
            self._context.log.warning("%s", error)
            return None

    def _with_cost(self, told: Metadata) -> Metadata:
        return {**told, **minutes_of_budget(told, self._rate)}

    def _recorded(self) -> set[str | None]:
        instance, key = self._context.instance, self._context.asset_key
        events = (
            entry.dagster_event
            for run_id in continued_runs(self._context)
            for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        )
        return {event.partition for event in events if event is not None and event.asset_key == key}
