"""RS-02, DG-02, DG-03: the lists by day as Dagster reads them each morning, and what it shows of each day."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.client.lists.people import Employees
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.scans import landed_assets
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, FACTS, READ_FACTS
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs

#: A day of this zone ends in the American evening, while people still work.
LONDON = ZoneInfo("Europe/London")
PEOPLE = "daily_people"
TODAY = date(2026, 3, 21)
#: The last twelve days that are over.
DAYS = [(TODAY - timedelta(days=number)).isoformat() for number in range(12, 0, -1)]


class Mornings:
    """A pipeline whose clock is the simulator's."""

    def __init__(self, simulator: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.simulator = simulator
        self.lake = Lake(str(folder / "data"))
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        environment = {
            **simulator.config.environment(simulator.base_url),
            "SONNYS_DATA_URL": str(folder / "data"),
            "SONNYS_STATE_DIR": str(folder / "state"),
            "SONNYS_TIMEZONE": LONDON.key,
            "SONNYS_START_DATE": "2026-03-01",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sonnys_pipeline.backfill.workspace.datetime", self)

    def now(self, _zone: object = None) -> datetime:
        """Stands in for `datetime.now` where the workspace asks for the time."""
        return self.simulator.state.clock.now()

    def wait_until(self, day: date, at: time) -> None:
        self.simulator.advance((datetime.combine(day, at, LONDON) - self.now()).total_seconds())

    def run(self, days: list[str], *assets: str, **config: Any) -> dg.ExecuteInProcessResult:
        """The job over a range of days, of some of its assets or of all."""
        return (
            built_defs()
            .resolve_job_def(PEOPLE)
            .execute_in_process(
                instance=self.instance,
                tags={"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]},
                run_config={"ops": {asset: {"config": config} for asset in assets}} if config else None,
                asset_selection=[dg.AssetKey(asset) for asset in assets] or None,
                raise_on_error=False,
            )
        )


@pytest.fixture
def mornings(start_simulator: Callable[..., Simulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mornings:
    found = Mornings(start_simulator(sites=4, rate_limit=100_000), tmp_path, monkeypatch)
    found.wait_until(TODAY, time(0, 30))
    return found


def land_memberships(mornings: Mornings) -> None:
    """A history without charges, read just now: to read that of the API would take hundreds of requests."""
    now = mornings.now()
    row = dict.fromkeys(ACCOUNTS.schema.names) | {
        "id": "1", "valid_from": now.date(), "is_current": True, "recurring_billings": [], "read_at": now,
    }  # fmt: skip
    mornings.lake.land(
        ACCOUNTS.asset, pa.Table.from_pylist([row], ACCOUNTS.schema), metadata={"read_at": now.isoformat()}
    )


def recorded(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dict[str, Any]]:
    """Metadata of each materialized day."""
    landed = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {
        str(one.partition): {name: value.value for name, value in one.metadata.items()}
        for one in landed
        if one.asset_key.path == [asset]
    }


def test_a_morning_reads_the_last_days_in_one_run(mornings: Mornings) -> None:
    """The schedule's own range: twelve days of each list, checks included; what it cost is with the first of them."""
    land_memberships(mornings)
    (schedule,) = [one for one in build_defs().schedules or () if one.name == f"{PEOPLE}_schedule"]
    assert isinstance(schedule, dg.ScheduleDefinition)
    due = datetime.combine(TODAY, time(8), LONDON)
    with dg.instance_for_test() as asked, dg.build_schedule_context(asked, scheduled_execution_time=due) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.tags["dagster/asset_partition_range_start"] == DAYS[0]
    assert request.tags["dagster/asset_partition_range_end"] == DAYS[-1]
    before = mornings.simulator.stats().requests
    result = mornings.run(DAYS)
    assert result.success
    sent = 0
    for fact in FACTS:
        days = recorded(result, fact.asset)
        assert sorted(days) == mornings.lake.partitions(fact.asset) == DAYS
        assert {key: one["dagster/partition_row_count"] for key, one in days.items()} == {
            key: mornings.lake.rows(fact.asset, key) for key in DAYS
        }
        assert all((one["added"], one["changed"], one["gone"]) == (mornings.lake.rows(fact.asset, key), 0, 0)
                   for key, one in days.items())  # fmt: skip
        assert [key for key, one in days.items() if one["requests"]] == ([DAYS[0]] if fact in READ_FACTS else [])
        sent += sum(one["requests"] for one in days.values())
    assert sent == mornings.simulator.stats().requests - before
    assert {one.check_name for one in result.get_asset_check_evaluations()} == {
        "plausible_shifts", "known_sites", "agreed_amounts",
    }  # fmt: skip
    assert {fact.asset for fact in FACTS} <= set(landed_assets(mornings.lake))


def test_shifts_that_were_open_are_closed_by_the_next_morning(mornings: Mornings) -> None:
    """In London the day is over, and at the sites people still work; the day before is as it was."""
    asset = CLOCK_ENTRIES.asset
    assert mornings.run(DAYS[-2:], asset).success
    still_open = [row for row in mornings.lake.read(asset, DAYS[-1:]).to_pylist() if row["clock_out"] is None]
    assert still_open
    mornings.wait_until(TODAY + timedelta(days=1), time(0, 30))
    result = mornings.run([*DAYS[-2:], TODAY.isoformat()], asset)
    assert result.success
    counted = {key: (one["added"], one["changed"], one["gone"]) for key, one in recorded(result, asset).items()}
    assert counted[DAYS[-2]] == (0, 0, 0)
    assert counted[DAYS[-1]] == (0, len(still_open), 0)
    assert counted[TODAY.isoformat()][0] == mornings.lake.rows(asset, TODAY.isoformat())
    assert None not in mornings.lake.read(asset, DAYS[-1:])["clock_out"].to_pylist()


def test_a_day_that_would_be_emptied_fails_the_run_and_the_others_are_recorded(
    mornings: Mornings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says which day and what to do; with `accept_empty` it is landed, too."""
    asset, days = CLOCK_ENTRIES.asset, DAYS[-3:]
    assert mornings.run(days[:1], asset).success
    rows = mornings.lake.rows(asset, days[0])
    entries, lost = Employees.clock_entries, date.fromisoformat(days[0])

    def without(self: Employees, employee_id: str, **span: Any) -> Any:
        return [one for one in entries(self, employee_id, **span) if one.clock_in.date() > lost]

    monkeypatch.setattr(Employees, "clock_entries", without)
    result = mornings.run(days, asset)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure and event.step_key == asset]
    error = failed.step_failure_data.error
    assert error is not None
    assert f"{asset} {days[0]}: {rows} rows are landed and none were read" in error.message + str(error.cause)
    assert mornings.instance.get_materialized_partitions(dg.AssetKey(asset)) == set(days)
    (newest,) = mornings.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    assert newest.asset_materialization is not None
    assert newest.asset_materialization.metadata["added"].value == mornings.lake.rows(asset, days[-1])
    assert mornings.lake.rows(asset, days[0]) == rows
    result = mornings.run(days, asset, accept_empty=True)
    assert result.success
    assert recorded(result, asset)[days[0]]["gone"] == rows


def test_a_day_that_is_not_over_is_not_read(mornings: Mornings) -> None:
    """Dagster's calendar is ahead of the simulated one; the run says which day and where."""
    before = mornings.simulator.stats().requests
    result = mornings.run([*DAYS[-1:], TODAY.isoformat()], CLOCK_ENTRIES.asset)
    assert not result.success
    assert recorded(result, CLOCK_ENTRIES.asset) == {}
    assert mornings.simulator.stats().requests == before
