"""KPIS, BM-09: the morning report from landed files: what goes into it, what is missing, what cannot be read."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.report.build import Report
from sonnys_pipeline.report.daily import has_figures, land_report, last_complete_day, make_report, partitions_lacking
from sonnys_pipeline_tests.support.small_lake import rows_of
from sonnys_pipeline_tests.support.tickets import states_of, without_v2

LAST = date(2026, 3, 20)
NOW = datetime(2026, 3, 22, 15, tzinfo=UTC)
Land = Callable[..., Lake]


def report(lake: Lake, day: date = LAST, timezone: str = "UTC") -> Report:
    return make_report(lake, day, timezone=timezone, made_at=NOW)


def said(found: Report, severity: str) -> str:
    return "\n".join(caveat.text for caveat in found.caveats if caveat.severity == severity)


def test_a_whole_history(land: Land):
    """Every site with its figures, a trend of 30 known days, and each comparison; hours, tenders and discounts."""
    found = report(land())

    assert has_figures(found)
    assert [site.name for site in found.sites if site.gap] == []
    assert len(found.sites) == 4
    assert [day.missing_sites for day in found.trends["sales"]] == [0] * 30
    figure = found.figures["cars"]
    assert (figure.last_week.sites, figure.four_weeks.days) == (4, 4)
    assert found.tenders
    assert sum(sum(line.cars or ()) for line in found.hour_lines) == figure.value
    assert said(found, "error") == ""


def test_sales_are_those_of_the_rows_on_the_sites_own_clocks(land: Land):
    """A second count in plain Python: rows whose local day it is, from both partitions that it lies in."""
    lake = land(3)
    zones = {row["code"]: row["timezone"] for row in lake.read("sites").to_pylist() if row["code"]}
    expected, from_two = Decimal(0), set()
    for row in lake.read("transactions", lake.partitions("transactions")).to_pylist():
        local = row["complete_date"].astimezone(ZoneInfo(zones.get(row["location_code"], "UTC"))).date()
        redeemed = row["is_recurring_plan_redemption"]
        if local == LAST:
            from_two.add(row["date"])
            if not (row["is_recurring_redemption"] if redeemed is None else redeemed):
                expected += Decimal(str(row["total"]))

    assert len(from_two) == 2
    assert report(lake).figures["sales"].value == expected


def test_a_page_lies_beside_the_data(land: Land):
    """`daily_report/date=YYYY-MM-DD/report.html`, for owner and group."""
    lake = land(10)

    page = land_report(lake, report(lake))

    assert page.path == lake.root / "daily_report" / "date=2026-03-20" / "report.html"
    assert page.path.stat().st_mode & 0o777 == 0o640
    assert page.size == page.path.stat().st_size > 10_000
    assert "Friday, March 20, 2026" in page.path.read_text(encoding="utf-8")


def test_the_last_complete_day(land: Land):
    """Of sites west of UTC the last landed day lacks its evening, so it is the day before; in the west it is whole."""
    lake = land(3)

    assert last_complete_day(lake, "UTC") == LAST
    assert last_complete_day(lake, "Pacific/Honolulu") == date(2026, 3, 21)
    assert partitions_lacking(lake, date(2026, 3, 21), "UTC") == [date(2026, 3, 22)]
    assert partitions_lacking(lake, LAST, "UTC") == []


def test_a_day_over_a_gap_is_not_complete(land: Land):
    """One partition in between is gone: the last complete day lies before it."""
    lake = land(6)
    lake.path("transactions", "2026-03-20").unlink()

    assert last_complete_day(lake, "UTC") == date(2026, 3, 18)


def test_a_day_landed_for_some_sites_is_not_complete(land: Land):
    """It lacks the others, however many rows it has."""
    lake = land(4)
    lake.land("transactions", rows_of(LAST), partition=LAST.isoformat(), metadata={"sites": '["MAIN"]'})

    assert last_complete_day(lake, "UTC") == date(2026, 3, 18)


def test_nothing_landed_has_no_complete_day(land: Land):
    """An empty lake."""
    assert last_complete_day(land(0), "UTC") is None
    assert last_complete_day(land(0, listed=False), "UTC") is None


def test_a_day_that_lacks_its_evening(land: Land):
    """No physical site is counted by half; the report names the partition that is missing."""
    found = report(land(10), date(2026, 3, 21))

    assert [site.gap for site in found.sites if site.code] == ["transactions of 2026-03-22 are not landed"] * 3
    assert "transactions of 2026-03-22 are not landed" in said(found, "error")


def test_a_missing_day_in_the_history_is_no_day_of_zeros(land: Land):
    """A partition of last week is gone: the comparison is over what is known, and the gap is named."""
    lake = land()
    lake.path("transactions", "2026-03-13").unlink()
    found = report(lake)

    assert found.figures["sales"].last_week.base is None
    assert found.figures["sales"].four_weeks.days == 3
    assert "2 earlier days are missing or incomplete: Mar 12, Mar 13." in said(found, "info")


def test_a_day_that_was_read_for_one_site_only(land: Land):
    """Other sites' rows are not in the file, which is not the same as none: they are missing, the one site is not."""
    lake = land(10)
    for day in ("2026-03-20", "2026-03-21"):
        table = lake.read("transactions", [day])
        table = table.filter(pc.field("location_code") == "MAIN")
        lake.land("transactions", table, partition=day, metadata={"sites": json.dumps(["MAIN"])})
    found = report(lake)

    gaps = {site.code: site.gap for site in found.sites}
    assert gaps["MAIN"] is None
    assert gaps["HARBOR"] == "its transactions of 2026-03-20, 2026-03-21 are not landed"
    assert found.figures["cars"].value == found.sites[[*gaps].index("MAIN")].figures["cars"].value > 0


def test_without_a_list_of_sites(land: Land):
    """Codes for names, the pipeline's days, and a warning that says so."""
    found = report(land(10, listed=False))

    assert {site.name for site in found.sites} >= {"MAIN", "HARBOR", "SUNSET"}
    assert "The list of sites is not landed" in said(found, "warning")
    assert "dagster asset materialize -m sonnys_pipeline.definitions --select sites" in said(found, "warning")
    of_account = make_report(land(10, listed=False), LAST, timezone="UTC", made_at=NOW, account="north")
    assert "--select north/sites" in said(of_account, "warning")


def live(lake: Lake) -> dict[str, pa.Table]:
    """The landed days without v2 fields, as they come live; and their rows as they were."""
    found = {}
    for day in lake.partitions("transactions"):
        found[day] = lake.read("transactions", [day]).drop_columns("date")
        lake.land("transactions", without_v2(found[day]), partition=day)
    return found


def test_no_zero_where_nothing_is_known(land: Land):
    """Live rows and no states: the report says what it does not know, and why."""
    lake = land(10)
    live(lake)
    found = report(lake)

    for figure in (found.figures["net_cars"], found.figures["net_sales"], found.voids["voided_transactions"]):
        assert figure.value is None
        assert figure.unknown is not None
        assert figure.unknown.startswith("transaction_status: no row of this day has it")
    assert found.figures["cars"].value
    assert "Materialize transaction_states for this day to get it." in said(found, "warning")


def test_states_fill_in_what_rows_lack(land: Land):
    """Landed beside the rows, they give the figures that rows with the fields give."""
    lake = land(10)
    whole = report(lake)
    for day, rows in live(lake).items():
        lake.land(STATES, states_of(rows), partition=day)
    found = report(lake)

    assert {key: figure.value for key, figure in found.figures.items()} == {
        key: figure.value for key, figure in whole.figures.items()
    }
    assert [figure.value for figure in found.voids.values()] == [figure.value for figure in whole.voids.values()]


def test_an_absurd_amount_of_an_older_lake_is_no_end_of_reports(land: Land):
    """1e16 in one row of the history, and in one of the day: reports are made; the day's names its row as an error."""
    lake = land(10)
    for day in ("2026-03-15", "2026-03-20"):
        rows = lake.read("transactions", [day]).drop_columns("date")
        place = next(number for number, at in enumerate(rows["complete_date"].to_pylist()) if 15 <= at.hour < 22)
        totals = rows["total"].to_pylist()
        totals[place], row_id = 1e16, rows["id"][place].as_py()
        lake.land("transactions", rows.set_column(rows.schema.get_field_index("total"), "total", pa.array(totals)),
                  partition=day)  # fmt: skip
    found = report(lake)

    assert 0 < found.figures["sales"].value < 100_000
    assert f"left out of every figure, having an amount beyond 10,000,000 dollars: {row_id}" in said(found, "error")


def test_a_day_without_any_rows_is_refused(land: Land):
    """Neither of its partitions is landed."""
    with pytest.raises(NotLandedError, match="transactions: not landed: 2026-03-25; materialize it first"):
        report(land(5), date(2026, 3, 25))


def test_a_damaged_file_is_an_error_of_the_lake(land: Land):
    """What DuckDB says of it comes with the remedy."""
    lake = land(10)
    path = lake.path("transactions", "2026-03-15")
    content = bytearray(path.read_bytes())
    content[4:2000] = bytes(1996)
    path.write_bytes(content)

    with pytest.raises(LakeError, match="materialize the damaged days again"):
        report(lake)


def test_a_first_day_has_a_report(land: Land):
    """Two partitions and nothing before them: figures, and nothing to compare them with."""
    found = report(land(2))

    assert has_figures(found)
    assert found.figures["cars"].last_week.base is None
    assert [day.value for day in found.trends["cars"]][:-1] == [None] * 29
    assert report(land(2), LAST + timedelta(days=1)).sites
