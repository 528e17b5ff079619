"""The job that compares landed days with the API again, and its schedule (KT-01, KT-02).

It records a materialization of each day that it reads again, and an observation of each day that it looks at. Marts
follow the files, so a sweep without differences starts no run.
"""

from datetime import date, timedelta

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from pydantic import Field

from sonnys_pipeline.backfill.listener import LandedDay, RunListener
from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.components.renaming import op_with_resources
from sonnys_pipeline.orchestration.events.metadata import landed_metadata, states_metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure, run_failure
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.revisit.result import Looked, SweepResult
from sonnys_pipeline.revisit.sweep import plan_sweep
from sonnys_pipeline.revisit.verify import Sweep
from sonnys_pipeline.runtime.signals import graceful

VERIFY = "verify_landed_days"
VERIFY_SCHEDULE = "verify_landed_days_schedule"
#: Local hour of the sweep, when a morning's run has usually ended; while one has not, the sweep yields to it.
VERIFY_HOUR = 10
#: Days named in a failure.
_NAMED = 20


class Verify(dg.Config):
    """Which days to look at, and how."""

    start: str = Field(default="", description="First day, YYYY-MM-DD; default: the first that the API keeps.")
    end: str = Field(default="", description="Last day, included; default: yesterday.")
    by: str = Field(
        default="",
        description="full, states or count, for every day; default: days that are due by SONNYS_REVISIT.",
    )
    repair: bool = Field(default=True, description="Read again the days that differ.")


def verify_job(account: Account = ONLY) -> dg.JobDefinition:
    """The job of an account."""

    @dg.op(name=account.named("compare_landed_days_with_api"))
    def compare_landed_days_with_api(
        context: dg.OpExecutionContext, config: Verify, sonnys: SonnysResource, lake: LakeResource
    ) -> None:
        """Look at landed days, and read again those that differ."""
        try:
            by = Look(config.by) if config.by else None
            start, end = (date.fromisoformat(day) if day else None for day in (config.start, config.end))
        except ValueError as error:
            raise dg.Failure(f"the run's configuration: {error}", allow_retries=False) from error
        try:
            with account.workspace(lake, sonnys) as workspace:
                recorder = _Recorder(context, workspace.lake, account)
                plan = plan_sweep(workspace, start or date.min, end or date.max, by=by)
                context.log.info("%d days to look at, about %d requests", len(plan.looks), plan.requests)
                for day, why in plan.skipped.items():
                    context.log.warning("%s: not compared: %s", day, why)
                sweep = Sweep(workspace, listener=recorder)
                with graceful(sweep.stop) as signals:
                    found = sweep.run(plan, repair=config.repair)
        except EXPECTED as error:
            raise as_failure(error) from error
        recorder.observe(found)
        if signals and not found.success:
            raise run_failure(DagsterExecutionInterruptedError())
        _report(context, found)

    @dg.job(
        name=account.named(VERIFY),
        description="Compare landed days with the API again, as SONNYS_REVISIT says, and read again those that differ."
        + account.of,
    )
    def verify_landed_days() -> None:
        op_with_resources(compare_landed_days_with_api, account.resource_names)()

    return verify_landed_days


def verify_schedule(job: dg.JobDefinition, timezone: str, account: Account = ONLY) -> dg.ScheduleDefinition:
    """The daily sweep. It spends requests, so like the morning's run it is off until it is switched on."""
    return dg.ScheduleDefinition(
        name=account.named(VERIFY_SCHEDULE),
        job=job,
        cron_schedule=f"0 {VERIFY_HOUR} * * *",
        execution_timezone=timezone,
        description="Every day, after the morning's run: look again at landed days of the last six months, as "
        "SONNYS_REVISIT says, and read again those that differ.",
    )


class _Recorder(RunListener):
    """Records what a sweep has read again and looked at."""

    def __init__(self, context: dg.OpExecutionContext, lake: Lake, account: Account) -> None:
        self._context = context
        self._lake = lake
        self._rows = account.key("transactions")
        self._states = account.key(STATES)

    def day_landed(self, day: LandedDay) -> None:
        """Record it at once: a run that is killed keeps what it landed. Days of some sites only are not whole."""
        key = day.loaded.day.key
        if landed_sites(self._lake, key) is not None:
            return
        told = {**landed_metadata(self._lake, key), "landed_by": dg.MetadataValue.text(VERIFY)}
        self._context.log_event(dg.AssetMaterialization(self._rows, partition=key, metadata=told))
        if day.states is not None:
            told = dict(states_metadata(self._lake, key))
            self._context.log_event(dg.AssetMaterialization(self._states, partition=key, metadata=told))

    def observe(self, found: SweepResult) -> None:
        """Record when each day was verified, by what, and with which result."""
        for looked in found.looked:
            self._context.log_event(
                dg.AssetObservation(
                    self._rows, partition=looked.day, metadata=_metadata(looked), description=looked.note or None
                )
            )


def _metadata(looked: Looked) -> dict[str, dg.MetadataValue]:
    return {
        "verified_at": dg.MetadataValue.timestamp(looked.seen_at),
        "verified_by": dg.MetadataValue.text(looked.look.value),
        "verified_result": dg.MetadataValue.text(looked.result.value),
    }


def _report(context: dg.OpExecutionContext, found: SweepResult) -> None:
    """Log the sweep; a day that could not be verified, or differs unrepaired, is a failure."""
    context.add_output_metadata(
        {
            "checked": len(found.looked),
            "different": found.different,
            "repaired": list(found.repaired),
            "requests": found.requests,
            "repair_requests": found.repair_requests,
        }
    )
    for looked in found.looked:
        if looked.note:
            context.log.warning("%s %s: %s", looked.day, looked.result.value, looked.note)
    context.log.info("%d days looked at, %d requests", len(found.looked), found.requests)
    if found.success:
        return
    differing = {one.day: one.note for one in found.looked if not one.result.is_good}
    bad = [f"{day} was not verified: {why}" for day, why in found.failed.items()]
    bad += [f"{day} differs: {note}" for day, note in differing.items() if day not in found.failed]
    lines = [*bad[:_NAMED], *([f"and {len(bad) - _NAMED} more days"] if len(bad) > _NAMED else [])]
    if found.stopped:
        lines.append(f"the sweep stopped: {found.stopped}")
    raise dg.Failure(
        "\n".join([*lines, "Other days are done. The next sweep looks at these again, or: sonnys verify --repair"])
    )


def overdue_before(today: date) -> date:
    """The day as of which looks must be done: a sweep may fail once, and is made up for on the next day."""
    return today - timedelta(days=2)
