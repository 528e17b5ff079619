"""RS-03, DG-02: `membership_movement` in Dagster: made when its inputs are new, and only the days that they reach."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline_tests.support.members import Club, account, change, days

MOVEMENT = "membership_movement"
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
        defs = build_defs()
        result = dg.evaluate_automation_conditions(
            defs,
            self.instance,
            asset_selection=dg.AssetSelection.assets(MOVEMENT),
            cursor=self._cursor,
            evaluation_time=datetime(2026, 3, 10, 13, tzinfo=UTC),
        )
        self._cursor = result.cursor
        return sorted(result.get_requested_partitions(dg.AssetKey(MOVEMENT)) or ())

    def make(self, day: str) -> dict[str, Any]:
        """Materialize a day; its metadata."""
        done = dg.materialize(
            [asset for asset in build_defs().assets or () if asset.key == dg.AssetKey(MOVEMENT)],
            instance=self.instance,
            partition_key=day,
            resources=build_defs().resources,
        )
        [event] = done.asset_materializations_for_node(MOVEMENT)
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
    """Sums, what is unknown, and changes of accounts that no list has."""
    changed = [
        change(1, "2026-03-05T18:00:00Z", "Active", "Declined"),
        change(7, "2026-03-05T18:00:00Z", "Active", "Expired"),
    ]
    replace(CLUB, changed=changed).land(lake)
    metadata = Daemon().make("2026-03-05")
    assert (metadata["active"], metadata["left_involuntary"], metadata["mrr"]) == (1, 1, 20.0)
    assert metadata["changes_of_unlisted_accounts"] == ["7"]
    [row] = lake.read(MOVEMENT, ["2026-03-05"]).to_pylist()
    assert (row["net"], row["mrr"]) == (-1, Decimal("20.00"))


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


def test_members_of_all_accounts(tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """`all_accounts/membership_movement`: the rows of each account, with its name; one whose day is absent is named."""
    monkeypatch.setenv("SONNYS_ACCOUNTS", "north,south")
    CLUB.land(Lake(tmp_path / "data" / "north"))
    replace(CLUB, readings=[(day, [account(9)]) for day in MARCH]).land(Lake(tmp_path / "data" / "south"))
    defs = build_defs()

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
