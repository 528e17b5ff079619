"""KT-03: a missed or failed morning is asked for again, one run at a time, until nothing is missing."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.automation.missed_mornings import PAUSES, missed_mornings_sensor
from sonnys_pipeline.orchestration.automation.mornings import MORNING, Morning
from sonnys_pipeline.orchestration.automation.schedules import daily_job
from sonnys_pipeline.orchestration.partitions import daily_partitions
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline_tests.integration.conftest import range_tags

#: Runs are created at the real present, so the tests' morning is the last real one.
TODAY = (datetime.now(UTC) - timedelta(hours=6)).date()
YESTERDAY = TODAY - timedelta(days=1)
DUE = datetime(TODAY.year, TODAY.month, TODAY.day, 6, tzinfo=UTC)
DAILY = "daily_transactions"
REPOSITORY = RemoteRepositoryOrigin(
    ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="sonnys_pipeline.definitions"), "sonnys_pipeline.definitions"
    ),
    "__repository__",
)


@dg.op
def nothing() -> None:
    """Never executed."""


@dg.job(name=DAILY)
def daily() -> None:
    """Stands in for the daily job."""
    nothing()


class Mornings:
    """The sensor, look after look, on an instance on disk and a lake in a folder."""

    def __init__(self, instance: dg.DagsterInstance, lake: Lake, account: Account | None = None) -> None:
        self.instance, self.lake = instance, lake
        self.now = DUE + timedelta(seconds=30)
        self.keys: list[str] = []
        self._cursor: str | None = None
        self._account = account or Account()
        partitions = daily_partitions(Settings(start_date=TODAY - timedelta(days=100), timezone="UTC"))
        self._sensor = missed_mornings_sensor(
            partitions,
            daily_job([], self._account),
            LakeResource(data_url=str(lake.root)),
            self._account,
            lambda: self.now,
        )

    def land(self, *ages: int) -> None:
        """Days of all sites, of which 1 is yesterday, as read just now."""
        for age in ages:
            metadata = {"sites": "null", "loaded_at": self.now.isoformat()}
            day = (TODAY - timedelta(days=age)).isoformat()
            self.lake.land("transactions", pa.table({"id": ["1"]}), partition=day, metadata=metadata)

    def look(self, later: float = 0) -> tuple[int, int] | str:
        """Ages of the first and last day asked for, or why none; after so many seconds."""
        self.now += timedelta(seconds=later)
        with dg.build_sensor_context(self.instance, cursor=self._cursor) as context:
            result = self._sensor.evaluate_tick(context)
        self._cursor = result.cursor
        if not result.run_requests:
            return result.skip_message or ""
        (request,) = result.run_requests
        self.keys.append(request.run_key)
        first, last = (date.fromisoformat(day) for day in list(request.tags.values())[:2])
        return (TODAY - first).days, (TODAY - last).days

    def run(self, first: int, last: int, status: dg.DagsterRunStatus, **more: str) -> dg.DagsterRun:
        """A run of the daily job over days of these ages."""
        days = [(TODAY - timedelta(days=age)).isoformat() for age in (first, last)]
        origin = RemoteJobOrigin(REPOSITORY, DAILY)
        tags = {**range_tags(*days), **more}
        return self.instance.create_run_for_job(daily, status=status, tags=tags, remote_job_origin=origin)

    def switch_on(self, status: TickStatus | None = TickStatus.SUCCESS, due: datetime = DUE) -> None:
        """The schedule is on, and has had a turn."""
        origin = RemoteInstigatorOrigin(REPOSITORY, self._account.named(MORNING))
        state = InstigatorState(
            origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("0 6 * * *", 0.0)
        )
        if state.name not in {one.name for one in self.instance.all_instigator_state()}:
            self.instance.add_instigator_state(state)
        if status is not None:
            tick = TickData(
                state.instigator_origin_id, state.name, InstigatorType.SCHEDULE, status, due.timestamp(),
                run_ids=["0"] if status is TickStatus.SUCCESS else [], selector_id=state.selector_id,
            )  # fmt: skip
            self.instance.create_tick(tick)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance on disk: one in memory keeps no schedules."""
    with dg.instance_for_test() as on_disk:
        yield on_disk


@pytest.fixture
def mornings(instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mornings:
    """Six days are landed, yesterday is not; the schedule is on and has had its turn."""
    monkeypatch.chdir(tmp_path)
    found = Mornings(instance, Lake(tmp_path / "data"))
    found.land(2, 3, 4, 5, 6, 7)
    found.switch_on()
    return found


def waited_for(mornings: Mornings) -> int:
    """Seconds from the next look to the one that asks for a run: it is announced, and none asks before, or later."""
    said = mornings.look(30)
    assert isinstance(said, str)
    announced = int((datetime.fromisoformat(said.rpartition(" at ")[2]) - mornings.now).total_seconds())
    for later in (1, announced // 2 - 1, announced - announced // 2 - 1):
        assert mornings.look(later) == said
    waited = announced - 1
    while isinstance(mornings.look(1), str):
        waited += 1
    assert waited + 1 - announced in {0, 1}  # the announcement is rounded down to a second
    return waited + 1


def test_it_does_nothing_while_the_schedule_is_off(instance, tmp_path, monkeypatch):
    """Nobody has agreed to spend requests."""
    monkeypatch.chdir(tmp_path)
    mornings = Mornings(instance, Lake(tmp_path / "data"))

    assert mornings.look() == "daily_transactions_schedule is off"


@pytest.mark.parametrize("status", [None, TickStatus.STARTED])
def test_the_schedule_comes_first(instance, tmp_path, monkeypatch, status):
    """A daemon that was away at six first evaluates the schedule: two runs would be asked for otherwise."""
    monkeypatch.chdir(tmp_path)
    mornings = Mornings(instance, Lake(tmp_path / "data"))
    mornings.switch_on(status)
    assert "has not run since" in mornings.look()

    mornings.switch_on(TickStatus.SUCCESS, DUE - timedelta(days=1))
    assert "has not run since" in mornings.look()


def test_it_asks_with_growing_pauses_until_the_day_is_landed(mornings):
    """Runs that land nothing: 2, 4, 8, 16, 30, 30 minutes; keys differ; then the day is there, and it is quiet."""
    assert [waited_for(mornings) // 60 for _ in range(6)] == [2, 4, 8, 16, 30, 30]
    assert len(set(mornings.keys)) == 6

    mornings.land(1)
    assert mornings.look(30) == "nothing is missing"
    assert mornings.look(30) == "nothing is missing since this morning"


def test_a_failed_morning_reads_all_of_its_days(mornings):
    """The days that were to be read again were not: the run has them. When they were, it has yesterday alone."""
    for age in (2, 3, 4):
        day = (TODAY - timedelta(days=age)).isoformat()
        metadata = {"sites": "null", "loaded_at": (DUE - timedelta(hours=24)).isoformat()}
        mornings.lake.land("transactions", pa.table({"id": ["1"]}), partition=day, metadata=metadata)
    mornings.look()
    assert mornings.look(PAUSES[0]) == (4, 1)

    mornings.land(2, 3, 4)
    mornings.look(30)
    assert mornings.look(PAUSES[1]) == (1, 1)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
def test_one_run_at_a_time(mornings, status):
    """While a run of the job waits or works, whatever its days, nothing is asked for; afterwards the pause begins."""
    run = mornings.run(9, 9, status)
    mornings.look()
    assert mornings.look(3600) == f"run {run.run_id[:8]} is on its way"

    mornings.instance.report_run_failed(run)
    assert "asks for a run at" in mornings.look(30)
    assert mornings.look(PAUSES[0]) == (1, 1)


def test_a_backfill_of_other_days_is_not_waited_for(mornings):
    """It may take days. One that has yesterday is."""
    mornings.run(60, 20, dg.DagsterRunStatus.STARTED, **{"dagster/backfill": "a"})
    mornings.look()
    assert mornings.look(PAUSES[0]) == (1, 1)

    run = mornings.run(60, 1, dg.DagsterRunStatus.STARTED, **{"dagster/backfill": "a"})
    assert mornings.look(30) == f"run {run.run_id[:8]} is on its way"


def test_a_retry_that_dagster_has_announced_is_waited_for(mornings):
    """Dagster starts it within seconds; a second run beside it would read the same days twice."""
    mornings.look()
    run = mornings.run(4, 1, dg.DagsterRunStatus.FAILURE, **{"dagster/will_retry": "true"})
    mornings.instance.run_storage.handle_run_event(
        run.run_id, dg.DagsterEvent(dg.DagsterEventType.PIPELINE_FAILURE.value, DAILY), datetime.now(UTC)
    )
    assert mornings.look(PAUSES[0]) == f"run {run.run_id[:8]} is on its way"

    mornings.instance.add_run_tags(run.run_id, {"dagster/auto_retry_run_id": "b"})
    mornings.look(30)
    assert mornings.look(PAUSES[0]) == (1, 1)


def test_a_person_who_terminates_the_run_stops_it(mornings):
    """Until the next morning; the message says so."""
    mornings.look()
    mornings.run(4, 1, dg.DagsterRunStatus.CANCELED)
    for _ in range(3):
        assert "terminated by a person" in mornings.look(PAUSES[-1])


def test_holes_are_landed_one_span_after_the_other(mornings):
    """Oldest first; a span that a run has landed makes room for the next at once, one that fails does not block it."""
    mornings.land(9, 12)
    mornings.look()
    assert mornings.look(PAUSES[0]) == (11, 10)
    mornings.land(10, 11)
    assert mornings.look(30) == (8, 8)
    mornings.look(30)
    assert mornings.look(PAUSES[0]) == (8, 8)
    mornings.look(30)
    assert mornings.look(PAUSES[1]) == (1, 1)
    mornings.land(1, 8)
    assert mornings.look(30) == "nothing is missing"


def test_a_run_that_took_long_is_not_repeated_soon(mornings):
    """The pause is as long as the run, so that retries never take more than half of the request budget."""
    mornings.look()
    assert mornings.look(PAUSES[0]) == (1, 1)
    run = mornings.run(1, 1, dg.DagsterRunStatus.STARTED)
    mornings.look(3600)
    mornings.instance.report_run_failed(run)
    mornings.look(30)
    assert isinstance(mornings.look(3600), str)
    assert mornings.look(60) == (1, 1)


def test_accounts_do_not_ask_at_the_same_moment(instance, tmp_path, monkeypatch):
    """Pauses of accounts differ, by up to a quarter."""
    monkeypatch.chdir(tmp_path)
    pauses = set()
    for name in ("north", "south", "east"):
        monkeypatch.setenv(f"SONNYS_{name.upper()}__DATA_URL", str(tmp_path / "data" / name))
        monkeypatch.setenv("SONNYS_ACCOUNTS", name)
        mornings = Mornings(instance, Lake(tmp_path / "data"), Account(name))
        mornings.switch_on()
        pauses.add(pause := waited_for(mornings))
        assert PAUSES[0] <= pause <= PAUSES[0] * 1.25 + 1
    assert len(pauses) == 3


def test_the_next_morning_begins_anew(mornings):
    """Tries and pauses are counted for each morning."""
    mornings.look()
    assert mornings.look(PAUSES[0]) == (1, 1)
    mornings.now += timedelta(days=1)
    assert "has not run since" in mornings.look()
    assert json.loads(mornings._cursor)["tries"] == 0


def test_a_lake_that_cannot_be_read_is_said(mornings, monkeypatch):
    """No run is asked for, and the reason is in the sensor's log of looks."""
    monkeypatch.setenv("SONNYS_TIMEZONE", "Nowhere/At_All")
    assert "cannot be read" in mornings.look()


@pytest.mark.parametrize(
    ("landed", "missing", "span"),
    [
        ([2, 3, 4, 5], [1], (4, 1)),  # an ordinary morning
        ([10, 11], [1, 2, 3, 4, 5, 6, 7, 8, 9], (9, 1)),  # nine days without a daemon
        ([30], list(range(1, 15)), (14, 1)),  # as far as it catches up
        ([2, 3, 4, 5, 7], [1, 6], (4, 1)),  # a hole apart: the sensor asks for it afterwards
        ([], [1, 2, 3, 4], (4, 1)),  # the first morning
    ],
)
def test_what_a_morning_has_to_land(tmp_path, landed, missing, span):
    """By the ages of landed and missing days; what directly precedes the days to read again is in the same run."""
    lake = Lake(tmp_path / "data")
    for age in landed:
        lake.land("transactions", pa.table({"id": ["1"]}), partition=str(TODAY - timedelta(days=age)))
    start = TODAY - timedelta(days=100)

    morning = Morning.of(lake, YESTERDAY, start=start, kept_from=start)

    assert [(TODAY - day).days for day in morning.missing] == sorted(missing, reverse=True)
    assert tuple((TODAY - day).days for day in morning.span) == span


def test_days_that_the_api_has_forgotten_are_not_asked_for(tmp_path):
    """Nor those before the first partition."""
    lake = Lake(tmp_path / "data")
    lake.land("transactions", pa.table({"id": ["1"]}), partition=str(TODAY - timedelta(days=12)))
    start = TODAY - timedelta(days=100)

    for limits in ({"start": start, "kept_from": TODAY - timedelta(days=6)},
                   {"start": TODAY - timedelta(days=6), "kept_from": start}):  # fmt: skip
        assert len(Morning.of(lake, YESTERDAY, **limits).missing) in {4, 6}
