"""The sensor that tries again after a missed or failed morning (KT-03).

The schedule asks for one run at six. If that could not land yesterday, because the API or the machine was away, the
sensor asks again: one run at a time, with growing pauses, until nothing is missing. It does nothing while the schedule
is off, and stops until the next morning when a person terminates the run.
"""

import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickStatus

from sonnys_pipeline.calendar.mornings import last_due
from sonnys_pipeline.calendar.windows import first_kept_day
from sonnys_pipeline.doctor.coverage import spans
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.automation.in_progress import covers, run_on_its_way
from sonnys_pipeline.orchestration.automation.mornings import (
    CATCH_UP_DAYS,
    MISSED,
    MORNING,
    Morning,
    Span,
)
from sonnys_pipeline.orchestration.failures import EXPECTED
from sonnys_pipeline.orchestration.resources import LakeResource

#: Seconds between looks.
_INTERVAL = 30
#: Seconds between a run that landed nothing new and the next one; the last pause stays.
PAUSES = (120, 240, 480, 960, 1800)
#: Largest extension of a pause, as a share of it, so that several accounts do not ask at the same moment.
_JITTER = 0.25
#: Runs of a morning looked at.
_MOST_RUNS = 100


@dataclass(frozen=True)
class _Place:
    """The sensor's cursor; instants are seconds since 1970.

    Attributes:
        due: when the morning was due, in ISO 8601; empty before the first one.
        done: whether nothing is missing any more.
        missing: days that were missing at the last look, in ISO 8601.
        tries: runs asked for this morning.
        pauses: pauses since a run last landed something.
        progress: whether a run has landed something since it last asked.
        asked_at: when it last asked for a run.
        idle_since: when it first saw that no run is on its way; null while there is one.
    """

    due: str = ""
    done: bool = False
    missing: tuple[str, ...] = ()
    tries: int = 0
    pauses: int = 0
    progress: bool = False
    asked_at: float | None = None
    idle_since: float | None = None

    @classmethod
    def of(cls, cursor: str | None, due: datetime) -> Self:
        """The place in a morning; a new one for another morning."""
        found = cls(**json.loads(cursor)) if cursor else cls()
        return found if found.due == due.isoformat() else cls(due.isoformat())

    def looked_at(self, morning: Morning) -> Self:
        """The place after a look; pauses begin anew when one of its runs has landed some of the days."""
        missing = tuple(map(str, morning.missing))
        progress = self.progress or (self.tries > 0 and set(missing) < set(self.missing))
        return replace(self, missing=missing, progress=progress, pauses=0 if progress else self.pauses)

    def asked(self, moment: datetime) -> Self:
        """The place after asking for a run."""
        pauses = self.pauses + (not self.progress)
        asked = replace(self, tries=self.tries + 1, pauses=pauses, progress=False, idle_since=None)
        return replace(asked, asked_at=moment.timestamp())

    def next_at(self, account: Account) -> float:
        """When to ask again: at once after progress, else after a pause.

        A pause is at least as long as the last run, so that retries leave half of the budget to others.
        """
        assert self.idle_since is not None  # noqa: S101 - set by the caller
        if self.progress:
            return self.idle_since
        pause = float(PAUSES[min(self.pauses, len(PAUSES) - 1)])
        if account.name:
            chance = random.Random(f"{account.name} {self.due} {self.tries}").random()  # noqa: S311 - no secret
            pause *= 1 + _JITTER * chance
        took = 0.0 if self.asked_at is None else self.idle_since - self.asked_at
        return self.idle_since + max(pause, took)


def missed_mornings_sensor(
    partitions: dg.DailyPartitionsDefinition,
    job: UnresolvedAssetJobDefinition,
    looked_into: LakeResource,
    account: Account = ONLY,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """The sensor of an account, whose runs are of `job`; `now` gives an aware instant."""

    @dg.sensor(
        name=account.named(MISSED),
        job=job,
        minimum_interval_seconds=_INTERVAL,
        # On by itself, because it does nothing unless the morning's schedule is switched on.
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"While {account.named(MORNING)} is on: ask again for days of the last {CATCH_UP_DAYS} that it did "
        "not land, with growing pauses, until none is missing. Terminate the run to stop until the next morning; "
        f"switch this sensor off to stop for good.{account.of}",
    )
    def missed_mornings(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        moment = now()
        due = last_due(moment, partitions.timezone)
        place = _Place.of(context.cursor, due)
        if place.done:
            return _skip("nothing is missing since this morning", place)
        if reason := _why_not_yet(context, account.named(MORNING), due):
            return _skip(reason, place)
        try:
            lake = account.workspace(looked_into).lake.snapshot()
            kept_from = first_kept_day(moment, partitions.timezone)
            morning = Morning.of(
                lake, due.date() - timedelta(days=1), start=partitions.start.date(), kept_from=kept_from
            )
            if not morning.missing:
                return _skip("nothing is missing", replace(place, done=True))
            place = place.looked_at(morning)
            found = morning.missing_spans()
            # Another span after each failure: a day that the API refuses must not hold up the others.
            span = morning.with_reread(found[place.pauses % len(found)], lake, due)
        except EXPECTED as error:
            return _skip(f"the lake cannot be read: {error}", place)
        if busy := run_on_its_way(context.instance, account, job.name, span):
            return _skip(f"run {busy.run_id[:8]} is on its way", replace(place, idle_since=None))
        if _is_terminated(context.instance, job.name, due, span):
            return _skip("this morning's run was terminated by a person; the next morning asks again", place)
        place = replace(place, idle_since=place.idle_since or moment.timestamp())
        if moment.timestamp() < (then := place.next_at(account)):
            at = datetime.fromtimestamp(then, due.tzinfo).isoformat(timespec="seconds")
            return _skip(f"missing: {spans(place.missing)}; asks for a run at {at}", place)
        place = place.asked(moment)
        key = f"{span[0]}...{span[1]} after {morning.yesterday}, try {place.tries}"
        return dg.SensorResult([morning.request(span, key)], cursor=_cursor(place))

    return missed_mornings


def _why_not_yet(context: dg.SensorEvaluationContext, schedule: str, due: datetime) -> str:
    """Why there is nothing to do before the schedule has had its turn; empty once it has."""
    state = _switched_on(context, schedule)
    if state is None:
        return f"{schedule} is off"
    ticks = context.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    if not ticks or ticks[0].timestamp < due.timestamp() or ticks[0].status is TickStatus.STARTED:
        return f"{schedule} has not run since {due.isoformat(timespec='minutes')}"
    return ""


def _switched_on(context: dg.SensorEvaluationContext, schedule: str) -> InstigatorState | None:
    """The state of the schedule, if it is on in this code location."""
    here = context.code_location_origin
    for state in context.instance.all_instigator_state(
        instigator_type=InstigatorType.SCHEDULE, instigator_statuses={InstigatorStatus.RUNNING}
    ):
        location = state.origin.repository_origin.code_location_origin.location_name
        if state.name == schedule and (here is None or here.location_name == location):
            return state
    return None


def _is_terminated(instance: dg.DagsterInstance, job_name: str, due: datetime, span: Span) -> bool:
    """Whether the last run of these days since the morning was due was ended by a person.

    A run that is interrupted in another way, such as by a shutdown, counts as failed in Dagster.
    """
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name, created_after=due), limit=_MOST_RUNS)
    last = next((run for run in runs if covers(run, span)), None)
    return last is not None and last.status is dg.DagsterRunStatus.CANCELED


def _skip(reason: str, place: _Place) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=_cursor(place))


def _cursor(place: _Place) -> str:
    return json.dumps(asdict(place))
