"""RS-03, DG-02: `membership_movement` in Dagster: made when its inputs are new, and only the days that they reach."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline_tests.support.members import Club, account, change, days
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs

MOVEMENT, COHORTS = "membership_movement", "membership_cohorts"
MARCH = days(date(2026, 3, 1), date(2026, 3, 10))
CLUB = Club(
    [(day, [account(1), account(2)]) for day in MARCH],
    days(date(2026, 2, 27), date(2026, 3, 9)),
    read_at=datetime(2026, 3, 10, 12, tzinfo=UTC),
)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake with the tables of a club, and the environment of its pipeline."""
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))
    monkeypatch.setenv("SONNYS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")
    monkeypatch.setenv("SONNYS_START_DATE", "2026-03-01")
    found = Lake(tmp_path / "data")
    CLUB.land(found)
    return found


class Daemon:
    """Evaluates the condition, and makes what it asks for."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self._cursor: Any = None

    def tick(self) -> list[str]:
        """Days of movement that are asked for."""
        return sorted(self._evaluate().get_requested_partitions(dg.AssetKey(MOVEMENT)) or ())

    def cohorts_due(self) -> bool:
        """Whether cohorts are asked for."""
        return any(one.key == dg.AssetKey(COHORTS) and one.true_subset.size for one in self._evaluate().results)

    def _evaluate(self) -> Any:
        result = dg.evaluate_automation_conditions(
            built_defs(),
            self.instance,
            asset_selection=dg.AssetSelection.assets(MOVEMENT, COHORTS),
            cursor=self._cursor,
            evaluation_time=datetime(2026, 3, 10, 13, tzinfo=UTC),
        )
        self._cursor = result.cursor
        return result

    def make(self, day: str | None, asset: str = MOVEMENT) -> dict[str, Any]:
        """Materialize an asset, of a day or as a whole; its metadata."""
        done = dg.materialize(
            [one for one in built_defs().assets or () if one.key == dg.AssetKey(asset)],
            instance=self.instance,
            partition_key=day,
            resources=built_defs().resources,
        )
        [event] = done.asset_materializations_for_node(asset)
        return {name: value.value for name, value in event.metadata.items()}


def test_days_are_made_when_their_inputs_are_new(lake: Lake) -> None:
    """Each day that is over once; after a late change those that it reaches; nothing for a reading without news."""
    daemon = Daemon()
    asked = daemon.tick()
    assert asked == [f"2026-03-{day:02d}" for day in range(1, 10)]
    for day in asked:
        daemon.make(day)
    assert daemon.tick() == []
    replace(CLUB, read_at=datetime(2026, 3, 10, 15, tzinfo=UTC)).land(lake)
    assert daemon.tick() == []
    late = change(2, "2026-03-08T18:00:00Z", "Active", "Suspended")
    replace(CLUB, changed=[late]).land(lake)
    assert daemon.tick() == ["2026-03-08", "2026-03-09"]


def test_what_the_ui_shows_of_a_day(lake: Lake) -> None:
    """Sums, and how many accounts are known by their changes only."""
    changed = [
        change(1, "2026-03-05T18:00:00Z", "Active", "Declined"),
        change(7, "2026-03-05T18:00:00Z", "Active", "Expired"),
    ]
    replace(CLUB, changed=changed).land(lake)
    metadata = Daemon().make("2026-03-05")
    assert (metadata["active"], metadata["left_involuntary"], metadata["mrr"]) == (1, 1, 20.0)
    assert (metadata["unlisted_accounts"], metadata["left_voluntary"]) == (1, 1)
    rows = lake.read(MOVEMENT, ["2026-03-05"]).to_pylist()
    assert [(row["plan"], row["net"], row["mrr"]) for row in rows] == [
        ("Basic Monthly", -1, Decimal("20.00")), (None, -1, Decimal(0)),
    ]  # fmt: skip


def test_without_accounts_nothing_is_asked_for_and_a_run_says_what_to_do(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake without lists is no error for the daemon; a person who makes the mart is told the remedy."""
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "other"))
    daemon = Daemon()
    assert daemon.tick() == []
    with pytest.raises(dg.Failure, match="recurring_accounts: not landed; materialize it first"):
        daemon.make("2026-03-05")
    assert lake.has("recurring_accounts")


def test_a_day_that_does_not_add_up_is_named(lake: Lake) -> None:
    """A list without an account whose leaving no change says: the check of that day warns, and of the others passes."""
    readings = [(day, listed if day.day < 6 else listed[:1]) for day, listed in CLUB.readings]
    replace(CLUB, readings=readings).land(lake)
    defs = built_defs()
    done = dg.materialize(
        [*(defs.assets or ()), *(defs.asset_checks or ())],
        selection=[dg.AssetKey(MOVEMENT)],
        resources=defs.resources,
        tags={
            "dagster/asset_partition_range_start": "2026-03-05",
            "dagster/asset_partition_range_end": "2026-03-07",
        },
    )
    assert done.success
    [found] = [one for one in done.get_asset_check_evaluations() if one.partition is None]
    assert not found.passed
    said = str(found.description) + str(found.metadata)
    assert "MAIN, Basic Monthly: 1 active, but 2 by the day before and its changes" in said
    assert "can no longer be found in the list" in said
    assert "2026-03-07" not in str(found.description)


def test_cohorts_follow_the_movement(lake: Lake) -> None:
    """Made when a day of movement is made; a run without a landed day says what to do."""
    paid = [(date(2026, 3, 3), "1", 20.0), (date(2026, 3, 4), "2", 19.99), (date(2026, 3, 5), "7", 5.0)]
    replace(CLUB, charged=paid).land(lake)
    daemon = Daemon()
    daemon.tick()
    daemon.make("2026-03-05")
    assert daemon.cohorts_due()
    metadata = daemon.make(None, COHORTS)
    assert (metadata["through"], metadata["charges_without_cohort"]) == ("2026-03-09", 1)
    rows = lake.read(COHORTS).to_pylist()
    assert [(row["cohort"].month, row["months_since"], row["still_active"]) for row in rows] == [(1, 1, 2), (1, 2, 2)]
    assert rows[1]["revenue"] == Decimal("39.99")
    assert not daemon.cohorts_due()
    for day in CLUB.landed:
        lake.remove("recurring_status_changes", day.isoformat())
    with pytest.raises(dg.Failure, match="recurring_status_changes: no day before the last reading is landed"):
        daemon.make(None, COHORTS)


def test_members_of_all_accounts(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """`all_accounts/membership_movement`: the rows of each account, with its name; one whose day is absent is named."""
    monkeypatch.setenv("SONNYS_ACCOUNTS", "north,south")
    CLUB.land(Lake(tmp_path / "data" / "north"))
    replace(CLUB, readings=[(day, [account(9)]) for day in MARCH]).land(Lake(tmp_path / "data" / "south"))
    defs = built_defs()

    def members(*keys: str) -> dict[str, int]:
        for key in keys:
            assert dg.materialize(
                list(defs.assets or ()),
                selection=[dg.AssetKey([key, MOVEMENT])],
                partition_key="2026-03-05",
                resources=defs.resources,
            ).success
        rows = Lake(tmp_path / "data" / "all_accounts").read(MOVEMENT, ["2026-03-05"]).to_pylist()
        return {row["account"]: row["active"] for row in rows}

    assert members("north", "all_accounts") == {"north": 2}
    assert members("south", "all_accounts") == {"north": 2, "south": 1}
    assert not lake.has(MOVEMENT, "2026-03-05")
