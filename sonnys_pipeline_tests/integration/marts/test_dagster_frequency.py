"""RS-03, RS-04: `wash_frequency` in Dagster: it follows 30 days of landed rows, and shows no customer."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs
from sonnys_pipeline_tests.support.tickets import rows, sites, ticket

MART = "wash_frequency"
CUSTOMER = "40017733:1"
FIRST = date(2026, 2, 1)
EACH = [FIRST + timedelta(days=number) for number in range(32)]
LAST = str(EACH[-1])


def land(lake: Lake, day: date, customer: str) -> None:
    """A partition with one member wash."""
    member = {"isRecurringRedemption": True, "isRecurringPlanRedemption": True, "customerId": customer}
    washed = ticket(day.toordinal(), f"{day}T18:00:00Z", total=0.0, tenders=[], **member)
    promised = {"windows": json.dumps([{"site": None, "total": 1, "cut_off": 0}]), "timezone": "UTC"}
    lake.land("transactions", rows(washed), partition=str(day), metadata=promised)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """32 days with a wash each, and the environment of the pipeline."""
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))
    monkeypatch.setenv("SONNYS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SONNYS_TIMEZONE", "UTC")
    monkeypatch.setenv("SONNYS_START_DATE", str(FIRST))
    found = Lake(tmp_path / "data")
    found.land("sites", sites(MAIN="UTC"))
    for day in EACH:
        land(found, day, CUSTOMER)
    return found


class Daemon:
    """Evaluates the condition, and makes what it asks for."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self._cursor: Any = None

    def tick(self) -> list[str]:
        """Days that are asked for."""
        result = dg.evaluate_automation_conditions(
            built_defs(),
            self.instance,
            asset_selection=dg.AssetSelection.assets(MART),
            cursor=self._cursor,
            evaluation_time=datetime(2026, 3, 6, 13, tzinfo=UTC),
        )
        self._cursor = result.cursor
        return sorted(result.get_requested_partitions(dg.AssetKey(MART)) or ())

    def make(self, first: str, last: str) -> tuple[dg.ExecuteInProcessResult, dict[str, Any]]:
        """Materialize a range; the result, and the metadata of its last day."""
        done = dg.materialize(
            [one for one in built_defs().assets or () if one.key == dg.AssetKey(MART)],
            instance=self.instance,
            tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
            resources=built_defs().resources,
        )
        events = {event.partition: event for event in done.asset_materializations_for_node(MART)}
        return done, {name: value.value for name, value in events[last].metadata.items()}


def test_it_is_made_and_follows(lake: Lake) -> None:
    """Every landed day once; after a changed day those that look back on it. Dagster hears counts, and no customer."""
    daemon = Daemon()
    assert daemon.tick() == [str(day) for day in EACH]
    done, metadata = daemon.make(str(FIRST), LAST)
    assert (metadata["members"], metadata["member_washes"], metadata["washes_without_customer"]) == (1, 30, 0)
    assert metadata["missing"] == []
    said = daemon.instance.all_logs(done.run_id)
    assert len(said) > len(EACH)
    assert not any(CUSTOMER in str(one) for one in said)
    assert lake.read(MART, [LAST])["customer_id"].to_pylist() == [CUSTOMER]
    assert daemon.tick() == []

    land(lake, EACH[1], "2:1")

    assert daemon.tick() == [str(day) for day in EACH[1:31]]


def test_a_day_waits_for_nothing_that_cannot_land(lake: Lake) -> None:
    """Days before the first partition are missing in the figures, and no reason not to be made."""
    _, metadata = Daemon().make(str(FIRST), str(FIRST))
    assert "member_washes" not in metadata
    assert len(metadata["missing"]) == 29
    [row] = lake.read(MART, [str(FIRST)]).to_pylist()
    assert (row["member_washes"], row["last_wash"]) == (None, FIRST)


def test_its_partitions_look_back_thirty_days() -> None:
    """And one ahead: where clocks are behind the pipeline's, a business day ends in the next partition."""
    [asset] = [one for one in built_defs().assets or () if one.key == dg.AssetKey(MART)]
    mapping = asset.get_partition_mapping(dg.AssetKey("transactions"))
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (-30, 1)
