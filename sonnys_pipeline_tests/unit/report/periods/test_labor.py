"""RS-03, KPIS "Labor": labor in a week and a month, beside a second count in plain Python."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.kpi_columns import SITE_DAY_KPIS
from sonnys_pipeline.report.periods.figures import Period
from sonnys_pipeline.report.periods.history import History
from sonnys_pipeline.report.periods.labor import period_labor
from sonnys_pipeline.report.periods.lists import Chain, Section
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline_tests.support.clock_entries import entry, file_of
from sonnys_pipeline_tests.support.report_marts import site_day

DAY = timedelta(days=1)
MONDAY, SUNDAY = date(2026, 3, 16), date(2026, 3, 22)
BEFORE = date(2026, 3, 9)
WEEK = Span.of(Kind.WEEK, MONDAY)
NAMES = {"A": "Site 10", "B": "Site 2"}
READ_AT = datetime(2026, 4, 2, 12, tzinfo=UTC)
SITES = pa.table({"code": list(NAMES), "name": list(NAMES.values()), "timezone": ["UTC", "UTC"]})
Shift = tuple[str | None, float | None, float, float]
Shifts = dict[date, list[Shift]]
Cars = Mapping[tuple[str, date], tuple[int, Decimal]]


def between(first: date, last: date) -> list[date]:
    return [first + shift * DAY for shift in range((last - first).days + 1)]


def shifts_of(first: date, last: date) -> Shifts:
    """Site, hourly rate, regular hours, overtime (paid one and a half times)."""
    random = Random(7)
    return {
        day: [
            (site, random.randrange(1200, 2400) / 100, random.randrange(200, 900) / 100, random.randrange(3) / 2)
            for site in NAMES
            for _ in range(random.randrange(1, 4))
        ]
        for day in between(first, last)
    }


def cars_of(days: Collection[date]) -> Cars:
    random = Random(8)
    return {
        (site, day): (random.randrange(50, 300), Decimal(random.randrange(10**6)).scaleb(-2))
        for day in sorted(days)
        for site in NAMES
    }


def landed(folder: Path, shifts: Shifts, read_at: Mapping[date, datetime] | None = None) -> Lake:
    lake = Lake(folder)
    for day, found in shifts.items():
        rows = [
            entry(
                number,
                f"{day}T08:00:00Z",
                f"{day}T18:00:00Z",
                siteCode=site,
                regularRate=rate,
                regularHours=hours,
                overtimeRate=None if rate is None else rate * 1.5,
                overtimeHours=overtime,
            )
            for number, (site, rate, hours, overtime) in enumerate(found)
        ]
        at = (read_at or {}).get(day, READ_AT)
        metadata = {"read_at": at.isoformat()}
        lake.land("clock_entries", file_of(rows, at), partition=day.isoformat(), metadata=metadata)
    return lake


def section(lake: Lake, cars: Cars, span: Span = WEEK) -> Section:
    rows = [site_day(site, day, total_cars=count, sales=sales) for (site, day), (count, sales) in cars.items()]
    days = tuple(span.days_shown)
    table = pa.Table.from_pylist(rows, SITE_DAY_KPIS)
    history = History(table, (), len(days), 0, SiteHistory(SITES, "UTC"), days)
    return period_labor(lake, span, history, SITES, Chain(NAMES, {}))


def period_of(found: Section) -> Period:
    assert found.period is not None, found.note
    return found.period


def hundredth(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal("0.01"))


def second_count(
    shifts: Shifts, cars: Cars, days: Sequence[date], sites: Collection[str]
) -> dict[str, Decimal]:  # fmt: skip
    """Cost is rounded to the cent for each site's day; rates are quotients of sums."""
    hours = cost = washed = sales = Decimal(0)
    for day in days:
        for site in sites:
            mine = [one for one in shifts[day] if one[0] == site]
            hours += sum((hundredth(regular) + hundredth(extra) for _, _, regular, extra in mine), Decimal(0))
            paid = Decimal(0)
            for _, rate, regular, extra in mine:
                assert rate is not None
                paid += Decimal(repr(rate)) * hundredth(regular) + Decimal(repr(rate * 1.5)) * hundredth(extra)
            cost += paid.quantize(Decimal("0.01"), "ROUND_HALF_UP")
            washed += cars[site, day][0]
            sales += cars[site, day][1]
    return {
        "labor_hours": hours,
        "labor_cost": cost,
        "cars_per_labor_hour": washed / hours,
        "labor_cost_per_car": cost / washed,
        "labor_share": cost / sales,
    }


@pytest.mark.parametrize(
    ("span", "own", "before"),
    [
        (WEEK, between(MONDAY, SUNDAY), between(BEFORE, date(2026, 3, 15))),
        (
            Span.of(Kind.MONTH, MONDAY, date(2026, 3, 22)),
            between(date(2026, 3, 1), SUNDAY),
            between(date(2026, 2, 1), date(2026, 2, 22)),
        ),
    ],
)
def test_sums_and_rates_equal_a_second_count(
    tmp_path: Path, span: Span, own: list[date], before: list[date]
) -> None:  # fmt: skip
    """Each site and all, to the cent, against the week before and the same days of the month before."""
    days = between(date(2026, 2, 1), SUNDAY)
    shifts, cars = shifts_of(days[0], days[-1]), cars_of(days)
    found = section(landed(tmp_path, shifts), cars, span)
    period = period_of(found)
    assert [site.name for site in period.sites] == ["Site 2", "Site 10"]
    for figures, sites in ((period.figures, list(NAMES)), *((one.figures, [one.code]) for one in period.sites)):
        for name, value in second_count(shifts, cars, own, sites).items():
            assert figures[name].value == value, name
            assert figures[name].before.base == second_count(shifts, cars, before, sites)[name]
    assert found.caveats == ()


def test_a_day_that_is_not_landed_is_a_sentence(tmp_path: Path) -> None:
    """Not the sum of six days: nothing is known of the week."""
    shifts = shifts_of(BEFORE, SUNDAY)
    del shifts[date(2026, 3, 18)]
    found = section(landed(tmp_path, shifts), cars_of(between(BEFORE, SUNDAY)))
    assert found == Section("Labor is not known: 1 of 7 days missing: Mar 18 (clock_entries are not landed).")


def test_a_day_that_was_read_too_early_at_one_site(tmp_path: Path) -> None:
    """The other site is shown, and the total does not include this one."""
    shifts, cars = shifts_of(BEFORE, SUNDAY), cars_of(between(BEFORE, SUNDAY))
    sites = SITES.set_column(2, "timezone", pa.array(["America/Chicago", "UTC"]))
    lake = landed(tmp_path, shifts, {SUNDAY: datetime(2026, 3, 23, 2, tzinfo=UTC)})
    rows = [site_day(site, day, total_cars=count, sales=sales) for (site, day), (count, sales) in cars.items()]
    history = History(
        pa.Table.from_pylist(rows, SITE_DAY_KPIS), (), 14, 0, SiteHistory(sites, "UTC"), tuple(WEEK.days_shown)
    )
    found = period_labor(lake, WEEK, history, sites, Chain(NAMES, {}))
    period = period_of(found)
    why = "1 of 7 days missing: Mar 22 (clock_entries: read before the day was over at this site)"
    assert {site.name: site.gap for site in period.sites} == {"Site 2": None, "Site 10": why}
    expected = second_count(shifts, cars, between(MONDAY, SUNDAY), ["B"])
    assert {name: figure.value for name, figure in period.figures.items()} == expected
    assert [one.text for one in found.caveats] == [
        f"Labor is not known at Site 10: {why}. The total does not include it."
    ]


def test_rates_need_cars_of_all_days(tmp_path: Path) -> None:
    """A site without them has hours and cost; the rates of all are those of the other site."""
    shifts, cars = shifts_of(BEFORE, SUNDAY), cars_of(between(BEFORE, SUNDAY))
    found = section(landed(tmp_path, shifts), {key: one for key, one in cars.items() if key != ("A", MONDAY)})
    period = period_of(found)
    own = between(MONDAY, SUNDAY)
    both, other = second_count(shifts, cars, own, list(NAMES)), second_count(shifts, cars, own, ["B"])
    mine = period.sites[1].figures
    rates = ("cars_per_labor_hour", "labor_cost_per_car", "labor_share")
    assert mine["labor_cost"].value == second_count(shifts, cars, own, ["A"])["labor_cost"]
    for rate in rates:
        assert mine[rate].value is None
        assert mine[rate].unknown == "transactions of this site are not landed for all days (total_cars, sales)"
        assert period.figures[rate].value == other[rate]
    assert period.figures["labor_hours"].value == both["labor_hours"]


def test_without_rates_of_pay_there_are_hours_and_no_cost(tmp_path: Path) -> None:
    """Not a cost of 0, at the site or in the total; where only some lack them, the rest is counted, and said."""
    shifts, cars = shifts_of(BEFORE, SUNDAY), cars_of(between(BEFORE, SUNDAY))
    shifts[MONDAY] = [("A", None, 8.0, 0.0), ("B", 15.0, 8.0, 0.0), ("B", None, 4.0, 0.0)]
    found = section(landed(tmp_path, shifts), cars)
    period = period_of(found)
    by_name = {site.name: site.figures for site in period.sites}
    assert by_name["Site 10"]["labor_cost"].value is None
    assert by_name["Site 2"]["labor_cost"].value is not None
    assert (period.figures["labor_cost"].value, period.figures["labor_share"].value) == (None, None)
    assert period.figures["labor_hours"].value is not None
    texts = [one.text for one in found.caveats]
    assert texts[0].startswith("Labor, not known: Cost, Cost per car, Share of sales: regular_rate, overtime_rate: no ")
    [partly] = texts[1:]
    assert partly == (
        "Labor is known in part: Site 2: regular_rate, overtime_rate: 1 of 2 shifts lack them, left out of labor_cost; "
        "see labor_daily."
    )


def test_open_shifts_are_named_once(tmp_path: Path) -> None:
    """With the hours up to the reading that the figures have of them."""
    shifts = shifts_of(MONDAY, SUNDAY)
    lake = landed(tmp_path, shifts)
    rows = [entry(1, f"{SUNDAY}T17:00:00Z", None, siteCode="A")]
    at = datetime(2026, 3, 23, 12, tzinfo=UTC)
    lake.land(
        "clock_entries", file_of(rows, at), partition=SUNDAY.isoformat(), metadata={"read_at": at.isoformat()}
    )  # fmt: skip
    found = section(lake, cars_of(between(MONDAY, SUNDAY)))
    assert found.caveats[0].text.startswith("1 shift is not clocked out (Site 10): labor has 19.0 hours of it up to")


def test_the_first_week_is_compared_with_nothing(tmp_path: Path) -> None:
    """Nothing is known of the days before the first clock entries, which is not that nobody worked."""
    shifts = shifts_of(MONDAY, SUNDAY)
    shifts[MONDAY].append((None, 15.0, 4.0, 0.0))
    found = section(landed(tmp_path, shifts), cars_of(between(BEFORE, SUNDAY)))
    period = period_of(found)
    assert [site.name for site in period.sites] == ["Shifts without a site", "Site 2", "Site 10"]
    assert {figure.before.base for figure in period.figures.values()} == {None}
    assert found.note.endswith("Nothing is compared: Mar 9 to Mar 15 is not known.")


def test_without_lists_there_is_a_sentence(tmp_path: Path) -> None:
    """No table and no caveat: a chain may do without them."""
    found = section(Lake(tmp_path), cars_of(between(MONDAY, SUNDAY)))
    assert found == Section("Labor is not shown: no clock entries of this week are landed.")
