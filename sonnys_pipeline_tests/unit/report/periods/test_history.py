"""KPIS: the figures of many days come from fresh marts, and from the rows where a mart is older, damaged or absent."""

from collections.abc import Callable
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.periods.history import History, read_history
from sonnys_pipeline_tests.support.landed_marts import land_marts
from sonnys_pipeline_tests.support.small_lake import rows_of

Land = Callable[..., Lake]
DAYS = [date(2026, 3, 15) + timedelta(days=shift) for shift in range(6)]


def read(lake: Lake) -> History:
    return read_history(lake, DAYS, lake.read("sites", columns=["code", "name", "timezone"]), "UTC")


def figures(found: History) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = found.site_days.to_pylist()
    return sorted(rows, key=lambda row: (str(row["business_date"]), str(row["site"])))


def test_marts_and_rows_give_the_same_figures(land: Land) -> None:
    """All from rows, then all from marts, then half of each."""
    lake = land(10)
    from_rows = read(lake)
    assert (from_rows.from_mart, from_rows.counted) == (0, 6)

    land_marts(lake, DAYS)

    from_marts = read(lake)
    assert (from_marts.from_mart, from_marts.counted) == (6, 0)
    assert figures(from_marts) == figures(from_rows)
    lake.remove("site_day_kpis", "2026-03-17")
    lake.path("site_day_kpis", "2026-03-18").write_bytes(b"not parquet at all")
    mixed = read(lake)
    assert (mixed.from_mart, mixed.counted) == (4, 2)
    assert figures(mixed) == figures(from_rows)


def test_no_figure_is_older_than_the_rows(land: Land) -> None:
    """Rows that were landed after the mart are counted, and the same rows landed again leave it fresh."""
    lake = land(10)
    land_marts(lake, DAYS)
    day = date(2026, 3, 17)
    lake.land("transactions", rows_of(day), partition=day.isoformat())
    assert read(lake).counted == 0

    halved = rows_of(day).filter(pa.array([at % 2 == 0 for at in range(rows_of(day).num_rows)]))
    lake.land("transactions", halved, partition=day.isoformat())

    found = read(lake)
    assert found.counted == 2  # the day, and the one before, whose evening is in its partition
    of_day = found.site_days.filter(pc.equal(found.site_days["business_date"], pa.scalar(day)))
    mart = lake.read("site_day_kpis", [day.isoformat()])
    assert sum(of_day["transactions"].to_pylist()) < sum(mart["transactions"].to_pylist())


def test_gaps_do_not_depend_on_where_figures_come_from(land: Land) -> None:
    """A day without its partition is a gap of the chain, its neighbour one of each site in another zone."""
    lake = land(10)
    land_marts(lake, DAYS)
    lake.remove("transactions", "2026-03-18")

    found = read(lake)

    gaps = {(gap.business_date.day, gap.site): gap.reason for gap in found.gaps}
    assert gaps[18, None] == "transactions of 2026-03-18 are not landed"
    assert gaps[17, "MAIN"] == "transactions of 2026-03-18 are not landed"
    assert (19, "MAIN") not in gaps


def test_nothing_landed_is_nothing_but_gaps(land: Land) -> None:
    """An empty table, with a gap for each day."""
    found = read_history(land(0), DAYS, pa.table({"code": ["MAIN"], "timezone": ["America/Chicago"]}), "UTC")

    assert found.site_days.num_rows == 0
    assert {gap.business_date for gap in found.gaps if gap.site is None} == set(DAYS)
