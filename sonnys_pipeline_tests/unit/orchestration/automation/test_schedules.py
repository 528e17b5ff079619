"""DG-03: the daily schedule: which days it asks for, by the clock of the partitions' zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.build import build_defs

CHICAGO = ZoneInfo("America/Chicago")


def daily(defs: dg.Definitions) -> dg.ScheduleDefinition:
    """The morning's schedule."""
    (found,) = [schedule for schedule in defs.schedules if schedule.name == "daily_transactions_schedule"]
    return found


def evaluate(moment: datetime, start_date: date = date(2026, 1, 1), timezone: str = "America/Chicago"):
    """What the schedule says when its tick is due at a moment: a run request, or why none."""
    defs = build_defs(settings=Settings(start_date=start_date, timezone=timezone))
    schedule = daily(defs)
    with (
        dg.instance_for_test() as instance,  # a schedule has none in memory
        dg.build_schedule_context(instance, scheduled_execution_time=moment) as context,
    ):
        found = schedule.evaluate_tick(context)
    return found.run_requests[0] if found.run_requests else found.skip_message


def days(request: dg.RunRequest) -> tuple[str, str]:
    """First and last day that a request asks for."""
    tags = request.tags
    return tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"]


def test_it_is_due_once_a_morning_when_the_day_before_is_over_everywhere():
    """Six o'clock by the partitions' clock: the day before is then over in Hawaii, too, whatever US zone is set."""
    for zone in ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "Pacific/Honolulu"):
        schedule = daily(build_defs(settings=Settings(timezone=zone)))
        assert schedule.cron_schedule == "0 6 * * *"
        assert schedule.execution_timezone == zone
        for day in (date(2026, 1, 15), date(2026, 7, 15)):
            due = datetime(day.year, day.month, day.day, 6, tzinfo=ZoneInfo(zone))
            over_in_hawaii = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Pacific/Honolulu"))
            assert due >= over_in_hawaii


def test_it_asks_for_yesterday_and_the_days_before_it():
    """Four days: yesterday, and three again, since rows are edited late; as one run over a range."""
    request = evaluate(datetime(2026, 3, 20, 6, tzinfo=CHICAGO))

    assert days(request) == ("2026-03-16", "2026-03-19")
    assert request.run_key == "2026-03-16...2026-03-19"


@pytest.mark.parametrize(
    ("moment", "last"),
    [
        (datetime(2026, 3, 8, 12, tzinfo=UTC), "2026-03-07"),  # 07:00 there, the morning that lost an hour
        (datetime(2026, 3, 9, 11, tzinfo=UTC), "2026-03-08"),
        (datetime(2026, 11, 1, 12, tzinfo=UTC), "2026-10-31"),
        (datetime(2026, 11, 2, 12, tzinfo=UTC), "2026-11-01"),  # the day of 25 hours
    ],
)
def test_clock_changes_move_no_day(moment, last):
    """The last day is yesterday by the wall there, on the days around both clock changes."""
    assert days(evaluate(moment))[1] == last


def test_yesterday_is_by_the_clock_of_the_partitions():
    """A late tick at 02:00 UTC is still the evening before in Chicago: it must not ask for a day that is not over."""
    assert days(evaluate(datetime(2026, 3, 20, 2, tzinfo=UTC)))[1] == "2026-03-18"
    assert days(evaluate(datetime(2026, 3, 20, 2, tzinfo=UTC), timezone="UTC"))[1] == "2026-03-19"


@pytest.mark.parametrize("moment", [datetime(2026, 3, 9, 6, tzinfo=CHICAGO), datetime(2026, 11, 2, 6, tzinfo=CHICAGO)])
def test_every_day_that_it_asks_for_is_a_partition_by_then(moment):
    """Both ends of the range are keys that Dagster accepts at that moment."""
    (transactions,) = (
        asset
        for asset in build_defs(settings=Settings(timezone="America/Chicago")).assets
        if asset.key == dg.AssetKey("transactions")
    )
    keys = transactions.partitions_def.get_partition_keys(current_time=moment)

    first, last = days(evaluate(moment))
    assert keys[-4:] == [(date.fromisoformat(first) + timedelta(days=step)).isoformat() for step in range(4)]
    assert keys[-1] == last


def test_nine_days_without_a_daemon_are_one_run(tmp_path, monkeypatch):
    """KT-03: the days after the last landed one, in one run with yesterday."""
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path))
    Lake(tmp_path).land("transactions", pa.table({"id": ["1"]}), partition="2026-03-10")

    assert days(evaluate(datetime(2026, 3, 20, 6, tzinfo=CHICAGO))) == ("2026-03-11", "2026-03-19")


def test_a_morning_does_not_begin_beside_another_run(tmp_path, monkeypatch):
    """KT-03: yesterday's run still works at six: the schedule says who asks afterwards."""
    monkeypatch.chdir(tmp_path)
    defs = build_defs()
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(
            defs.resolve_job_def("daily_transactions"), status=dg.DagsterRunStatus.STARTED
        )
        moment = datetime(2026, 3, 20, 6, tzinfo=UTC)
        with dg.build_schedule_context(instance, scheduled_execution_time=moment) as context:
            found = daily(defs).evaluate_tick(context)

    assert not found.run_requests
    assert f"run {run.run_id[:8]} is on its way; missed_mornings asks" in found.skip_message


def test_it_does_not_reach_before_the_first_day():
    """Two days after SONNYS_START_DATE there are two days to ask for, the day after it one."""
    start = date(2026, 3, 18)

    assert days(evaluate(datetime(2026, 3, 20, 6, tzinfo=CHICAGO), start)) == ("2026-03-18", "2026-03-19")
    assert days(evaluate(datetime(2026, 3, 19, 6, tzinfo=CHICAGO), start)) == ("2026-03-18", "2026-03-18")


def test_it_skips_with_a_reason_while_no_day_is_over():
    """On the first day, and before it: nothing to ask for, and the reason names the date."""
    for morning in (datetime(2026, 3, 18, 6, tzinfo=CHICAGO), datetime(2026, 3, 1, 6, tzinfo=CHICAGO)):
        assert "2026-03-18" in evaluate(morning, date(2026, 3, 18))
