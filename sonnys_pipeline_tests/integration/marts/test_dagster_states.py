"""LV-04, DG-02: rows as they come live, their states a day later or never: marts, checks and the UI, through Dagster.

The states are landed here as their own asset lands them; the API's `version-2` is simulated elsewhere.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs
from sonnys_pipeline_tests.support.pipelines.snapshots import Beginning
from sonnys_pipeline_tests.support.tickets import states_of, without_v2

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
TABLES = ("line_items", "tenders", "discounts")
MARTS = ("site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix")
NULLS = ("voided_transactions", "unsettled_transactions", "net_cars", "net_sales")


def transactions(lake: Lake, day: str) -> pa.Table:
    return lake.read("transactions", [day]).drop_columns("date")


def tick(pipeline: Any, cursor: Any = None) -> tuple[dict[str, list[str]], Any]:
    """What the conditions ask for, and what they remember."""
    result = dg.evaluate_automation_conditions(
        built_defs(),
        pipeline.instance,
        asset_selection=dg.AssetSelection.assets(*TABLES, *MARTS),
        cursor=cursor,
        evaluation_time=datetime(2026, 3, 20, 12, tzinfo=UTC),
    )
    asked = {name: result.get_requested_partitions(dg.AssetKey(name)) for name in (*TABLES, *MARTS)}
    return {name: sorted(days) for name, days in asked.items() if days}, result.cursor


def metadata_of(pipeline: Any, asset: str, day: str) -> dict[str, Any]:
    """Of a partition's latest materialization."""
    record = next(one for one in pipeline.materializations(asset) if one.partition_key == day)
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


@pytest.fixture
def whole(
    open_pipeline: Callable[..., Any], beginning: Beginning, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, dict[str, pa.Table]]:  # fmt: skip
    """A chain of one site in Chicago whose landed rows lack the v2 fields, with all marts; and the rows that have them.

    No row of the days is without them, so that their states say everything.
    """
    monkeypatch.setenv("SONNYS_STATES", "off")
    pipeline = open_pipeline(sites=1)
    return pipeline, beginning.of(pipeline, lambda: landed_without_states(pipeline))


def landed_without_states(pipeline: Any) -> dict[str, pa.Table]:
    """Lands rows without the v2 fields, and the marts of them; returns each day's rows with the fields."""
    landing = dg.AssetSelection.assets("transactions", "sites").without_checks()
    assert pipeline.run(selection=landing, days=DAYS).success
    rows = {}
    for day in EACH:
        table = transactions(pipeline.lake, day)
        # Live rows carry neither: every tenth ticket is voided, and what is sold as a membership is one of a plan.
        statuses = ["Completed" if number % 10 else "Voided" for number in range(table.num_rows)]
        known = {"is_recurring_plan_sale": table["is_recurring_sale"], "transaction_status": pa.array(statuses)}
        for name, value in known.items():
            filled = pc.coalesce(table[name], value)
            table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), filled)
        rows[day] = table
        metadata = pipeline.lake.metadata("transactions", day)
        pipeline.lake.land("transactions", without_v2(table), partition=day, metadata=metadata)
    assert pipeline.run(*TABLES, *MARTS, days=DAYS).success
    return rows


def test_no_zero_where_nothing_is_known(whole: tuple[Any, Any]) -> None:
    """No states are landed: null in the marts with the reason, words in the UI's totals, checks that do not pass."""
    pipeline, _ = whole
    day = "2026-03-11"
    [row] = pipeline.lake.read("site_day_kpis", [day]).to_pylist()
    assert [row[name] for name in NULLS] == [None] * 4
    assert row["unknown"].startswith(f"transaction_status: no row of this day has it ({', '.join(NULLS)})")
    assert row["total_cars"] > 0
    [sold] = pipeline.lake.read("membership_daily", [day]).to_pylist()
    assert (sold["plan_upgrades"], sold["recharges"] >= 0) == (None, True)

    shown = metadata_of(pipeline, "site_day_kpis", day)
    for name in ("net_cars", "net_sales", "voided_transactions", "unsettled_transactions"):
        assert shown[name] == "not known of 1 of 1 sites, see `unknown`"
    assert shown["unknown"] == [f"MAIN {day}: {row['unknown']}"]
    assert "| not known |" in shown["sites"]
    assert metadata_of(pipeline, "membership_daily", day)["plan_upgrades"].startswith("not known")

    selection = dg.AssetSelection.checks_for_assets("transactions", "site_day_kpis")
    result = pipeline.run(selection=selection, days=DAYS)
    found = {one.check_name: one for one in result.get_asset_check_evaluations() if one.partition is None}
    for name in ("known_values", "every_figure_known"):
        assert not found[name].passed
        assert found[name].severity is dg.AssetCheckSeverity.WARN
    assert "transaction_status could not be checked" in found["known_values"].description
    assert "no row of this day has it" in found["every_figure_known"].description
    assert found["tenders_add_up"].passed


def test_one_day_without_statuses_does_not_hide_behind_the_others(whole: tuple[Any, Any]) -> None:
    """Two of three days have states: the check of the third says that it could not look."""
    pipeline, rows = whole
    for day in (EACH[0], EACH[2]):
        pipeline.lake.land(STATES, states_of(rows[day]), partition=day)
    result = pipeline.run(
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("transactions"), "known_values")), days=DAYS
    )
    by_day = {one.partition: one.passed for one in result.get_asset_check_evaluations() if one.partition}
    assert by_day == {EACH[0]: True, EACH[1]: False, EACH[2]: True}


def test_states_that_arrive_are_followed_once_and_spend_no_request(whole: tuple[Any, Any]) -> None:
    """The marts of the days that they say something of, and no flat table; the same words again are no news."""
    pipeline, rows = whole
    before = pipeline.simulator.stats().requests
    asked, cursor = tick(pipeline)
    assert asked == {}

    pipeline.lake.land(STATES, states_of(rows["2026-03-11"]), partition="2026-03-11")

    # Chicago's 10th and 11th have rows in the UTC day; the 12th begins in the next one.
    two = ["2026-03-10", "2026-03-11"]
    asked, cursor = tick(pipeline, cursor)
    assert asked == dict.fromkeys(MARTS, two)
    assert tick(pipeline, cursor)[0] == {}
    assert pipeline.run(*MARTS, days=("2026-03-10", "2026-03-11")).success
    assert tick(pipeline, cursor)[0] == {}

    later = datetime(2026, 3, 21, tzinfo=UTC)
    pipeline.lake.land(STATES, states_of(rows["2026-03-11"], read_at=later), partition="2026-03-11")
    assert tick(pipeline, cursor)[0] == {}

    place = next(
        number for number, at in enumerate(rows["2026-03-11"]["complete_date"].to_pylist()) if 12 <= at.hour < 23
    )
    statuses = rows["2026-03-11"]["transaction_status"].to_pylist()
    statuses[place] = "Voided" if statuses[place] != "Voided" else "Completed"
    edited = rows["2026-03-11"].set_column(
        rows["2026-03-11"].schema.get_field_index("transaction_status"),
        rows["2026-03-11"].schema.field("transaction_status"),
        pa.array(statuses, pa.string()),
    )
    pipeline.lake.land(STATES, states_of(edited), partition="2026-03-11")
    assert tick(pipeline, cursor)[0] == {name: ["2026-03-11"] for name in MARTS}
    assert pipeline.simulator.stats().requests == before


def test_with_states_marts_are_those_of_rows_that_carry_the_fields(whole: tuple[Any, Any]) -> None:
    """The same tables, row by row, and every check passes that could not look before."""
    pipeline, rows = whole
    for day in EACH:
        pipeline.lake.land(STATES, states_of(rows[day]), partition=day)
    assert pipeline.run(*MARTS, days=DAYS).success
    joined = {name: pipeline.lake.read(name, EACH) for name in MARTS}
    for day in EACH:
        metadata = pipeline.lake.metadata("transactions", day)
        pipeline.lake.land("transactions", rows[day], partition=day, metadata=metadata)
        pipeline.lake.remove(STATES, day)
    assert pipeline.run(*MARTS, days=DAYS).success
    assert {name: pipeline.lake.read(name, EACH) for name in MARTS} == joined
    assert joined["site_day_kpis"]["unknown"].null_count == joined["site_day_kpis"].num_rows
    assert sum(joined["site_day_kpis"]["voided_transactions"].to_pylist()) > 0


def test_an_absurd_amount_of_an_older_lake_stops_no_day(whole: tuple[Any, Any]) -> None:
    """1e16 in a landed row: tables, marts and checks of all days are made, and name the row that is in no figure."""
    pipeline, rows = whole
    day = "2026-03-11"
    amounts = rows[day]["total"].to_pylist()
    place = next(number for number, at in enumerate(rows[day]["complete_date"].to_pylist()) if 12 <= at.hour < 23)
    amounts[place], row_id = 1e16, rows[day]["id"][place].as_py()
    absurd = rows[day].set_column(rows[day].schema.get_field_index("total"), "total", pa.array(amounts))
    pipeline.lake.land("transactions", absurd, partition=day, metadata=pipeline.lake.metadata("transactions", day))

    checks = dg.AssetSelection.checks_for_assets("transactions", "site_day_kpis")
    result = pipeline.run(selection=dg.AssetSelection.assets(*TABLES, *MARTS) | checks, days=DAYS)

    assert result.success
    [row] = pipeline.lake.read("site_day_kpis", [day]).to_pylist()
    assert f"left out of every figure, having an amount beyond 10,000,000 dollars: {row_id}" in row["unknown"]
    assert 0 < row["sales"] < 1_000_000
    found = {one.check_name: one for one in result.get_asset_check_evaluations() if one.partition is None}
    assert not found["plausible_amounts"].passed
    assert row_id in found["plausible_amounts"].description
    assert "load the day again" in found["plausible_amounts"].description
