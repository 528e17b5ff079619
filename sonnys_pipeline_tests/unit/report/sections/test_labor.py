"""RS-03, KPIS "Labor": the report's section on labor: by site and in total, against a week before, with its caveats."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.cli.report.documents import daily_document
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.build import Report
from sonnys_pipeline.report.daily import Page, make_report
from sonnys_pipeline.report.export.files import write_tables
from sonnys_pipeline.report.export.tables import daily_tables
from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.markdown import report_as_markdown
from sonnys_pipeline.report.measures import Unit
from sonnys_pipeline.report.sections.labor_figures import Labor
from sonnys_pipeline_tests.support.clock_entries import entry, file_of
from sonnys_pipeline_tests.support.small_lake import LAST, NOW

Land = Callable[..., Lake]
Entry = dict[str, Any]
WEEK_BEFORE = LAST - timedelta(weeks=1)
READ_AT = datetime(2026, 3, 21, 12, tzinfo=UTC)


def shift(site: str | None, hours: float | None, day: date = LAST, **fields: Any) -> Entry:
    """A shift from five in the afternoon, UTC."""
    begin = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
    end = None if hours is None else (begin + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return entry(1, begin.strftime("%Y-%m-%dT%H:%M:%SZ"), end, siteCode=site, **fields)


def made(lake: Lake, entries: Mapping[date, Sequence[Entry]]) -> Report:
    """The report of a lake with these clock entries."""
    for day, rows in entries.items():
        lake.land("clock_entries", file_of(rows, READ_AT), partition=day.isoformat())
    return make_report(lake, LAST, timezone="UTC", made_at=NOW)


def labor_of(report: Report) -> Labor:
    """What has to be there."""
    assert report.labor is not None
    return report.labor


def codes(lake: Lake) -> list[str]:
    """Codes of the physical sites in the order of their names."""
    rows = [row for row in lake.read("sites").to_pylist() if row["code"]]
    return [row["code"] for row in sorted(rows, key=lambda row: row["name"])]


def said(report: Report, word: str) -> list[str]:
    """Caveats with a word, after their severity."""
    return [f"{one.severity}: {one.text}" for one in report.caveats if word in one.text]


def test_hours_and_cost_by_site_and_in_total(land: Land) -> None:
    """Two sites worked, one had cars alone; rates divide sums, and the week before is compared site by site."""
    lake = land()
    first, second, third = codes(lake)
    found = made(
        lake,
        {
            LAST: [shift(first, 8), shift(first, 7.5), shift(second, 10, overtimeHours=1, regularHours=9)],
            WEEK_BEFORE: [shift(first, 10, WEEK_BEFORE), shift(third, 5, WEEK_BEFORE)],
        },
    )
    labor = labor_of(found)
    cars = {site.code: site.figures["cars"].value for site in found.sites}
    lines = {line.name: line for line in labor.lines}
    names = {site.code: site.name for site in found.sites}
    assert [line.name for line in labor.lines] == [site.name for site in found.sites if site.name in lines]
    one, two, three = (lines[names[code]] for code in (first, second, third))
    assert (one.hours, one.cost, one.shifts) == (Decimal("15.5"), Decimal("232.50"), 2)
    assert one.cars_per_hour == cars[first] / Decimal("15.5")
    assert one.cost_per_car == Decimal("232.50") / cars[first]
    assert (two.hours, two.overtime, two.cost) == (Decimal(10), Decimal(1), Decimal("157.50"))
    assert (three.hours, three.cost, three.cars_per_hour) == (Decimal(0), Decimal(0), None)
    assert labor.total.hours == Decimal("25.5")
    assert labor.total.cost_per_car == Decimal(390) / sum(figure for figure in cars.values() if figure)
    # At the first and the third site, both of which have clock entries of that day.
    assert (one.hours_change.base, one.hours_change.difference) == (Decimal(10), Decimal("5.5"))
    assert (labor.total.hours_change.value, labor.total.hours_change.base) == (Decimal("25.5"), Decimal(15))
    assert f"info: Cars, but nobody clocked in: {names[third]}" in said(found, "nobody")[0]


def test_open_shifts_and_missing_pay_are_caveats(land: Land) -> None:
    """LV-04: a shift that is open counts up to the reading; without rates the cost is not known, not 0."""
    lake = land(3)
    first, second, _ = codes(lake)
    no_pay = {"regularRate": None, "overtimeRate": None}
    found = made(lake, {LAST: [shift(first, None), shift(second, 6, **no_pay)]})
    labor = labor_of(found)
    assert (labor.total.open_shifts, labor.total.hours, labor.total.cost) == (1, Decimal(25), None)
    assert labor.total.cost_per_car is None
    names = {site.code: site.name for site in found.sites}
    [still_open] = said(found, "clocked out")
    assert still_open.startswith(
        f"warning: 1 shift is not clocked out ({names[first]}): labor has 19.0 hours of it up to the reading."
    )
    [pay] = said(found, "regular_rate")
    assert pay.startswith(f"info: Labor is known in part: {names[second]}: ")
    page = report_as_html(found)
    assert '<span class="unknown">not known</span>' in page
    assert "1 open</small>" in page
    assert "Labor: 25.0 hours, cost not known;" in report_as_markdown(found)


def test_the_page_and_the_document_have_it(land: Land, tmp_path: Path) -> None:
    """What a reader sees is what the record has; the JSON likewise."""
    lake = land(3)
    first, *_ = codes(lake)
    found = made(lake, {LAST: [shift(first, 8)]})
    cars = found.figures["cars"].value
    assert cars is not None
    page = report_as_html(found)
    assert '<h2 id="labor">Labor</h2>' in page
    assert '<td data-label="Hours">8.0 ' in page
    assert "$120 " in page
    document = daily_document(found, Page(tmp_path, 1))["labor"]
    assert (document["total"]["hours"], document["total"]["cost"]) == (8.0, 120.0)
    assert document["total"]["cost_per_car"] == pytest.approx(120 / float(cars))
    assert document["total"]["last_week"] == {"hours": None, "cost": None}


def test_the_export_has_a_table(land: Land, tmp_path: Path) -> None:
    """Hours, cost and rates with their units; the last row is all sites, and a cost that is not known has a reason."""
    lake = land(3)
    first, second, _ = codes(lake)
    found = made(lake, {LAST: [shift(first, 8.25), shift(second, 2, regularRate=None)]})
    [table] = [table for table in daily_tables(found) if table.name == "Labor"]
    units = dict(table.values)
    assert (units["Hours"], units["Cost"], units["Share of sales"]) == (Unit.NUMBER, Unit.PRICE, Unit.SHARE)
    rows = {row.labels[0]: dict(zip(units, row.values, strict=True)) | {"reason": row.reason} for row in table.rows}
    names = {site.code: site.name for site in found.sites}
    one, two, everyone = rows[names[first]], rows[names[second]], rows["All sites"]
    assert (one["Hours"], one["Cost"], one["Shifts"], one["reason"]) == (Decimal("8.25"), Decimal("123.75"), 1, "")
    assert (two["Cost"], two["reason"], everyone["Hours"]) == (None, "pay rates are missing", Decimal("10.25"))
    write_tables([table], tmp_path / "labor.csv")
    assert "8.25" in (tmp_path / "labor.csv").read_text(encoding="utf-8-sig")


def test_without_clock_entries_there_is_a_sentence(land: Land) -> None:
    """The section is left out, and no caveat added: many accounts do not read these lists."""
    found = made(land(3), {LAST - timedelta(days=1): []})
    assert found.labor is None
    page = report_as_html(found)
    assert '<h2 id="labor">' not in page
    assert "Labor is not shown: no clock entries of this whole day are landed." in page
    assert "Labor:" not in report_as_markdown(found)
    assert said(found, "abor") == []


def test_a_day_that_was_read_too_early_is_a_caveat(land: Land) -> None:
    """It was not over at any site; a figure of half a day is not shown."""
    lake = land(3)
    first, *_ = codes(lake)
    evening = datetime(2026, 3, 20, 20, tzinfo=UTC)
    rows = file_of([shift(first, 2)], evening)
    lake.land("clock_entries", rows, partition=LAST.isoformat(), metadata={"read_at": evening.isoformat()})
    found = make_report(lake, LAST, timezone="UTC", made_at=NOW)
    assert found.labor is None
    [caveat] = said(found, "before the day was over")
    assert caveat.startswith("warning: Labor is not known at ")


def test_damaged_clock_entries_do_not_prevent_the_report(land: Land) -> None:
    """They are named, with the remedy; the other figures are shown."""
    lake = land(3)
    path = Path(str(lake.path("clock_entries", LAST.isoformat())))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no Parquet")
    found = make_report(lake, LAST, timezone="UTC", made_at=NOW)
    assert found.figures["cars"].value
    [caveat] = said(found, "Labor")
    assert caveat.startswith(f"warning: Labor is not shown: {path} cannot be read")


def test_shifts_without_a_site_have_a_line(land: Land) -> None:
    """Their hours are in the total, and no cars are divided by them."""
    lake = land(3)
    first, *_ = codes(lake)
    found = made(lake, {LAST: [shift(first, 8), shift(None, 4)]})
    labor = labor_of(found)
    [line] = [line for line in labor.lines if line.name == "Shifts without a site"]
    assert (line.hours, line.cars_per_hour, labor.total.hours) == (Decimal(4), None, Decimal(12))
    assert labor.total.cars_per_hour == (found.figures["cars"].value or 0) / Decimal(8)
    assert said(found, "name no site")
