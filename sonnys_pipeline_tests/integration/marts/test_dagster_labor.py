"""RS-03, DG-02: `labor_daily` and `giftcard_liability` in Dagster: computed where the lists are landed."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.marts.people.liability import CARD_INPUT
from sonnys_pipeline.marts.people.liability_inputs import LiabilityInputs
from sonnys_pipeline_tests.support.clock_entries import entry, file_of
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs
from sonnys_pipeline_tests.support.pipelines.snapshots import Beginning

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
READ_AT = datetime(2026, 3, 12, 12, tzinfo=UTC)
SHIFT = entry(1, "2026-03-10T13:00:00.000Z", "2026-03-10T22:00:00.000Z")


@pytest.fixture
def pipeline(open_pipeline: Callable[..., Any], beginning: Beginning):
    """Three days of one site in Chicago, their `site_day_kpis`, and the clock entries of the first two."""
    pipeline = open_pipeline(sites=1, codeless_site=False)
    assets = dg.AssetSelection.assets("transactions", "sites", "site_day_kpis").without_checks()
    assert beginning.of(pipeline, lambda: pipeline.run(selection=assets, days=DAYS).success)
    pipeline.lake.land("clock_entries", file_of([SHIFT], READ_AT), partition=EACH[0])
    pipeline.lake.land("clock_entries", file_of([], READ_AT), partition=EACH[1])
    return pipeline


def asked_for(pipeline: Any, asset: str = "labor_daily") -> list[str]:
    """Days that the conditions ask for, as the daemon evaluates them."""
    result = dg.evaluate_automation_conditions(
        built_defs(),
        pipeline.instance,
        asset_selection=dg.AssetSelection.assets(asset),
        evaluation_time=datetime(2026, 3, 20, 12, tzinfo=UTC),
    )
    return sorted(result.get_requested_partitions(dg.AssetKey(asset)))


def test_labor_follows_its_inputs(pipeline: Any) -> None:
    """Days with entries are asked for, then nothing; a correction asks for its day alone."""
    assert asked_for(pipeline) == EACH[:2]
    assert pipeline.run("labor_daily", days=(EACH[0], EACH[1])).success
    assert asked_for(pipeline) == []

    pipeline.lake.land("clock_entries", file_of([{**SHIFT, "regularHours": 8.5}], READ_AT), partition=EACH[0])
    assert asked_for(pipeline) == EACH[:1]


def test_a_day_in_dagster(pipeline: Any) -> None:
    """Figures, sums and reasons are with the materialization; cars are those of `site_day_kpis`."""
    assert pipeline.run("labor_daily", days=(EACH[0], EACH[1])).success

    [cars] = pipeline.lake.read("site_day_kpis", EACH[:1], ["total_cars"])["total_cars"].to_pylist()
    [first, second] = pipeline.lake.read("labor_daily", EACH[:2]).to_pylist()
    assert (first["labor_hours"], first["labor_cost"], first["total_cars"]) == (Decimal(9), Decimal("135.00"), cars)
    assert (second["shifts"], second["labor_hours"], second["unknown"]) == (0, Decimal(0), None)
    newest = {one.partition_key: one.asset_materialization.metadata for one in pipeline.materializations("labor_daily")}
    shown = {name: value.value for name, value in newest[EACH[0]].items()}
    assert (shown["labor_hours"], shown["labor_cost"]) == (9.0, 135.0)
    assert "| MAIN | 9.00 | 135.00 |" in shown["sites"]
    sources = shown["dagster/column_lineage"].deps_by_column["labor_cost"]
    assert "clock_entries" in {source.asset_key.to_user_string() for source in sources}


def test_hours_follow_entries_of_their_day_and_the_one_before(pipeline: Any) -> None:
    """Without entries labor is null; entries make the day and the next one stale, and no other mart."""
    for day in EACH[:2]:
        pipeline.lake.remove("clock_entries", day)
    assert pipeline.run("site_hour_kpis", "membership_daily", days=DAYS).success
    assert asked_for(pipeline, "site_hour_kpis") == []
    found = pipeline.lake.read("site_hour_kpis", EACH[:1]).to_pylist()
    assert {(row["labor_hours"], row["labor_cost"], row["cars_per_labor_hour"]) for row in found} == {
        (None, None, None)
    }
    assert {row["labor_unknown"] for row in found} == {"clock_entries: not landed: 2026-03-09, 2026-03-10"}

    pipeline.lake.land("clock_entries", file_of([], READ_AT), partition="2026-03-09")
    pipeline.lake.land("clock_entries", file_of([SHIFT], READ_AT), partition=EACH[0])
    assert asked_for(pipeline, "site_hour_kpis") == EACH[:2]
    assert asked_for(pipeline, "membership_daily") == []
    assert pipeline.run("site_hour_kpis", days=DAYS).success
    assert asked_for(pipeline, "site_hour_kpis") == []

    [eight] = [row for row in pipeline.lake.read("site_hour_kpis", EACH[:1]).to_pylist() if row["hour"] == 8]
    assert (eight["labor_hours"], eight["labor_cost"]) == (Decimal(1), Decimal("15.00"))
    assert eight["cars_per_labor_hour"] == eight["cars"]
    pipeline.lake.land("clock_entries", file_of([SHIFT], datetime(2026, 3, 13, 12, tzinfo=UTC)), partition=EACH[0])
    assert asked_for(pipeline, "site_hour_kpis") == []  # read again, and nothing is other than before


def test_liability_follows_the_readings(pipeline: Any) -> None:
    """From the first to the last reading; the sums are with the materialization."""
    assert asked_for(pipeline, "giftcard_liability") == []
    card = {
        "site_code": "MAIN",
        "complete_date": None,
        "value": 50.0,
        "amount_used": 12.35,
        "valid_from": date(2026, 3, 10),
        "valid_to": None,
    }
    history = pa.Table.from_pylist([card], CARD_INPUT)
    pipeline.lake.land("giftcards", history, metadata={"read_at": datetime(2026, 3, 11, 12, tzinfo=UTC).isoformat()})
    assert asked_for(pipeline, "giftcard_liability") == EACH[:2]

    assert pipeline.run("giftcard_liability", days=(EACH[0], EACH[1])).success
    assert asked_for(pipeline, "giftcard_liability") == []
    rows = pipeline.lake.read("giftcard_liability", EACH[:2]).to_pylist()
    assert [(row["site"], row["liability"], row["undated_cards"]) for row in rows] == [
        ("MAIN", Decimal("37.65"), 1)
    ] * 2
    newest = pipeline.materializations("giftcard_liability")[0].asset_materialization.metadata
    assert (newest["liability"].value, newest["washbooks"].value) == (
        37.65, "not known of 1 of 1 sites, see `unknown`",
    )  # fmt: skip


def test_liability_of_the_lists_as_they_are_landed(open_pipeline: Callable[..., Any]) -> None:
    """What Dagster lands from the API today, against sums of its rows in plain Python."""
    pipeline = open_pipeline(sites=2, codeless_site=False)
    lists = dg.AssetSelection.assets("giftcards", "washbooks", "sites").without_checks()
    assert pipeline.run(selection=lists).success
    inputs = LiabilityInputs(pipeline.lake, "UTC")
    [today] = inputs.landed

    rows = inputs.count([today]).to_pylist()

    cards, books = (pipeline.lake.read(asset).to_pylist() for asset in ("giftcards", "washbooks"))
    assert cards
    assert books
    owed = sum(Decimal(str(card["value"])) - Decimal(str(card["amount_used"])) for card in cards)
    assert sum(row["liability"] for row in rows) == owed > 0
    assert sum(row["cards"] for row in rows) == len(cards)
    assert sum(row["washes_outstanding"] for row in rows) == sum(book["balance"] for book in books) > 0
    codes = {row["site_id"]: row["code"] for row in pipeline.lake.read("sites").to_pylist()}
    for row in rows:
        own = [book for book in books if codes[int(book["billing_site_id"])] == row["site"]]
        assert row["washbooks"] == len(own)
        assert row["cards"] == sum(card["site_code"] == row["site"] for card in cards)


@pytest.mark.parametrize("pay", ["keep", "drop"])
def test_labor_of_entries_as_they_are_landed(
    open_pipeline: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, pay: str
) -> None:
    """What Dagster lands from the API, against sums of its rows; RS-04: without pay rates there is no cost."""
    monkeypatch.setenv("SONNYS_PAY", pay)
    pipeline = open_pipeline(sites=2, codeless_site=False)
    assert pipeline.run(
        selection=dg.AssetSelection.assets("sites", "clock_entries").without_checks(), days=DAYS
    ).success
    assert asked_for(pipeline) == EACH

    assert pipeline.run("labor_daily", days=DAYS).success

    entries = pipeline.lake.read("clock_entries", EACH).to_pylist()
    rows = pipeline.lake.read("labor_daily", EACH).to_pylist()
    assert len(rows) == len(EACH) * 2
    assert len(entries) == sum(row["shifts"] for row in rows) > 10
    worked = [(Decimal(str(one["regular_hours"])), Decimal(str(one["overtime_hours"]))) for one in entries]
    assert sum(row["labor_hours"] for row in rows) == sum(map(sum, worked))
    if pay == "drop":
        assert {row["labor_cost"] for row in rows if row["shifts"]} == {None}
        return
    for row in rows:
        costs = [
            regular * Decimal(str(one["regular_rate"])) + overtime * Decimal(str(one["overtime_rate"]))
            for one, (regular, overtime) in zip(entries, worked, strict=True)
            if (one["site_code"], one["date"]) == (row["site"], row["business_date"])
        ]
        cost = sum(costs, Decimal(0))
        assert row["labor_cost"] == cost.quantize(Decimal("0.01"), ROUND_HALF_UP)


def test_a_day_without_entries_is_refused_and_the_mornings_run_leaves_labor_alone(pipeline: Any) -> None:
    """The error names the list and the day; where the lists are not landed, the morning computes nothing."""
    result = pipeline.run("labor_daily", days=EACH[2])
    assert "clock_entries: not landed: 2026-03-12" in pipeline.failure(result)
    job = built_defs().resolve_job_def("daily_transactions")
    assert dg.AssetKey("labor_daily") not in job.asset_layer.executable_asset_keys
