"""KPIS: weeks and months over landed days, beside a second count that shares no code with the product."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sonnys_pipeline.client.models import Site, TransactionJobItem, parse_rows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import NotLandedError
from sonnys_pipeline.lake.schema import TRANSACTIONS, arrow_schema, to_table
from sonnys_pipeline.report.daily import history_of, make_report
from sonnys_pipeline.report.periods.build import PeriodReport
from sonnys_pipeline.report.periods.figures import Period, PeriodFigure
from sonnys_pipeline.report.periods.page import land_period_report, make_period_report
from sonnys_pipeline.report.periods.spans import Kind
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline_tests.support.clock_entries import entry, file_of
from sonnys_pipeline_tests.support.landed_marts import land_marts
from sonnys_pipeline_tests.support.landed_members import land_movement, movement

FIRST, LAST = date(2025, 12, 29), date(2026, 3, 21)
#: Gaps in the middle of a month; clocks went forward on March 8.
NOT_LANDED = {date(2026, 1, 14), date(2026, 2, 20)}
DAY = timedelta(days=1)
NOW = datetime(2026, 3, 23, 15, tzinfo=UTC)
NAMES = ("cars", "sales", "member_washes", "new_memberships", "eligible")
Counts = Mapping[tuple[str, date], Sequence[Decimal] | None]


@dataclass(frozen=True)
class Account:
    """A chain in its own lake, whose partitions follow its own zone."""

    name: str
    lake: Lake
    timezone: str
    world: World

    @cached_property
    def counts(self) -> Counts:
        """The second count of the rows that are landed for all tests."""
        return counted(self)


def days_between(first: date, last: date) -> list[date]:
    return [first + shift * DAY for shift in range((last - first).days + 1)]


def midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def opened(folder: Path, name: str, timezone: str, seed: int) -> Account:
    world = World(seed=seed, sites=3, rows_per_day=40, api="documented", virtual_site=True)
    lake = Lake(folder / name)
    for day in days_between(FIRST, LAST):
        if day not in NOT_LANDED:
            end = midnight(day + DAY, timezone) - timedelta(milliseconds=1)
            rows = parse_rows(TransactionJobItem, world.rows(midnight(day, timezone), end))
            lake.land("transactions", to_table(rows, TRANSACTIONS), partition=day.isoformat())
    listed = [Site(code=spec.code or None, name=spec.name, timezone=spec.timezone) for spec in world.sites]
    lake.land("sites", to_table(listed, arrow_schema(Site)))
    return Account(name, lake, timezone, world)


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> list[Account]:
    """Two accounts; one has marts for most of its days, the other has none."""
    folder = tmp_path_factory.mktemp("accounts")
    found = [opened(folder, "north", "UTC", 5), opened(folder, "south", "America/New_York", 9)]
    counted_before = set(days_between(date(2026, 1, 20), date(2026, 3, 15))) - NOT_LANDED
    land_marts(found[1].lake, sorted(counted_before), found[1].timezone)
    return found


def counted(account: Account) -> Counts:
    """Each site's days in plain Python: numbers in the order of `NAMES`, or None where a partition is not landed."""
    lake = account.lake
    zones = {spec.code: spec.timezone or account.timezone for spec in account.world.sites}
    landed = {date.fromisoformat(key) for key in lake.partitions("transactions")}
    found: dict[tuple[str, date], list[Decimal] | None] = {}
    for site, zone in zones.items():
        for day in days_between(FIRST, LAST):
            begin, end = midnight(day, zone), midnight(day + DAY, zone) - timedelta(microseconds=1)
            touched = {moment.astimezone(ZoneInfo(account.timezone)).date() for moment in (begin, end)}
            found[site, day] = [Decimal(0)] * len(NAMES) if touched <= landed else None
    for row in lake.read("transactions", lake.partitions("transactions")).to_pylist():
        site = row["location_code"] or ""
        numbers = found.get((site, row["complete_date"].astimezone(ZoneInfo(zones[site])).date()))
        if numbers is None:
            continue
        redeemed, planned = row["is_recurring_plan_redemption"], row["is_recurring_plan_sale"]
        redeemed = row["is_recurring_redemption"] if redeemed is None else redeemed
        planned = row["is_recurring_sale"] if planned is None else planned
        washed = any(item["department"] == "Wash" and not item["is_voided"] for item in row["items"])
        total = Decimal(str(row["total"]))
        free = washed and not redeemed and not planned and total == 0
        car = redeemed or washed
        for at, number in enumerate(
            (
                car,
                0 if redeemed else total,
                redeemed,
                planned and row["is_recurring_sale"],
                car and not redeemed and not free,
            )
        ):
            numbers[at] += Decimal(number)
    return found


def total(counts: Counts, sites: Iterable[str], days: Sequence[date]) -> dict[str, Decimal | None] | None:
    """Over sites and days; None if a day is missing."""
    parts = [counts.get((site, day)) for site in sites for day in days]
    if not parts or None in parts:
        return None
    sums = dict(zip(NAMES, map(sum, zip(*parts, strict=True)), strict=True))  # type: ignore[arg-type]
    return rated(sums)


def rated(sums: dict[str, Decimal]) -> dict[str, Decimal | None]:
    rates = {
        "conversion": sums["new_memberships"] / sums["eligible"] if sums["eligible"] else None,
        "average_ticket": sums["sales"] / sums["cars"] if sums["cars"] else None,
        "member_share": sums["member_washes"] / sums["cars"] if sums["cars"] else None,
    }
    return {**{name: sums[name] for name in NAMES if name != "eligible"}, **rates}


def whole(counts: Counts, sites: Sequence[str], days: Sequence[date]) -> list[str]:
    return [site for site in sites if all(counts.get((site, day)) is not None for day in days)]


def agrees(
    figure: PeriodFigure, key: str, counts: Counts, sites: Sequence[str], days: Sequence[date], base: Sequence[date]
) -> int:
    """Compare a figure and what it is compared with; returns how many numbers were compared."""
    known = whole(counts, sites, days)
    expected = total(counts, known, days)
    assert figure.value == (expected[key] if expected else None)
    both = whole(counts, known, base)
    compared = total(counts, both, base)
    assert figure.before.base == (compared[key] if compared else None), (key, sites, days[0])
    assert figure.before.sites == len(both)
    return 2


def compare(period: Period, counts: Counts, days: Sequence[date], base: Sequence[date]) -> int:
    """Every figure of every site, and of all."""
    codes = [site.code for site in period.sites]
    assert set(codes) == {site for site, _ in counts}
    compared = 0
    for key in ("cars", "sales", "member_washes", "new_memberships", "conversion", "average_ticket", "member_share"):
        compared += agrees(period.figures[key], key, counts, codes, days, base)
        for site in period.sites:
            compared += agrees(site.figures[key], key, counts, [site.code], days, base)
            assert (site.gap is None) == bool(whole(counts, [site.code], days))
    return compared


@pytest.mark.no_cover
def test_weeks_and_months_equal_a_second_count(accounts: list[Account]) -> None:
    """Each week and month of two accounts, with gaps, over the night when clocks change, from marts and from rows."""
    compared = 0
    for account in accounts:
        counts = account.counts
        # Compared with a gap and with days before the first one; with a gap in it; on the night of the clocks.
        for monday in (date(2026, 1, 19), date(2026, 2, 16), date(2026, 3, 2)):
            report = make_period_report(
                account.lake, Kind.WEEK, monday + 3 * DAY, timezone=account.timezone, made_at=NOW, account=account.name
            )
            days = days_between(monday, monday + 6 * DAY)
            assert (report.span.first, report.span.through) == (days[0], days[-1])
            compared += compare(report.period, counts, days, [day - 7 * DAY for day in days])
            mean_of_weeks(report.period, counts, days)
        for first, last, base in (
            (date(2026, 2, 1), date(2026, 2, 28), days_between(date(2026, 1, 1), date(2026, 1, 31))),
            (date(2026, 3, 1), None, None),
        ):
            report = make_period_report(
                account.lake, Kind.MONTH, first + 5 * DAY, timezone=account.timezone, made_at=NOW
            )
            through = report.span.through
            assert through == (last or date(2026, 3, 20))
            days = days_between(first, through)
            same = base or days_between(date(2026, 2, 1), date(2026, 2, through.day))
            compared += compare(report.period, counts, days, same)
            per_day(report.period, counts, days)
    assert compared > 500


def mean_of_weeks(period: Period, counts: Counts, days: Sequence[date]) -> None:
    """The chain against the mean of those of the four weeks before that are whole at all its sites."""
    known = whole(counts, sorted({site for site, _ in counts}), days)
    weeks = [[day - back * 7 * DAY for day in days] for back in (1, 2, 3, 4)]
    found = [week for week in weeks if known and len(whole(counts, known, week)) == len(known)]
    figure = period.figures["sales"].four_weeks
    assert figure.days == len(found)
    sales = [total(counts, known, week) for week in found]
    expected = sum((one["sales"] for one in sales if one), Decimal(0)) / len(sales) if sales else None  # type: ignore[misc]
    assert figure.base == expected


def per_day(period: Period, counts: Counts, days: Sequence[date]) -> None:
    """The chain's mean per day against that of the 28 days before the month; a rate is not divided."""
    known = whole(counts, sorted({site for site, _ in counts}), days)
    before = [days[0] - back * DAY for back in range(28, 0, -1)]
    base = total(counts, whole(counts, known, before), before)
    sales, conversion = period.figures["sales"].four_weeks, period.figures["conversion"].four_weeks
    assert sales.base == (base["sales"] / 28 if base else None)  # type: ignore[operator]
    assert conversion.base == (base["conversion"] if base else None)


@pytest.mark.no_cover
def test_week_and_month_to_date_equal_a_second_count(accounts: list[Account]) -> None:
    """In the day's report: on a day of a month with a gap, on the day when clocks change, and on the last one.

    Of one account the history of all of these days is read once, as for a backfill of reports; of the other, each time.
    """
    compared = 0
    shown = (date(2026, 1, 28), date(2026, 2, 11), date(2026, 3, 8), date(2026, 3, 20))
    for account in accounts:
        counts = account.counts
        history = history_of(account.lake, shown, account.timezone) if account.name == "north" else None
        for day in shown:
            found = make_report(account.lake, day, history=history, timezone=account.timezone, made_at=NOW)
            week, month = found.to_date
            days = days_between(day - day.weekday() * DAY, day)
            compared += compare(week, counts, days, [one - 7 * DAY for one in days])
            days = days_between(day.replace(day=1), day)
            before = (days[0] - DAY).replace(day=1)
            compared += compare(month, counts, days, days_between(before, before + (day.day - 1) * DAY))
    assert compared > 500


def test_months_in_the_history(accounts: list[Account]) -> None:
    """From the first with a landed day: null with the reason where days are missing, else the sum of its days."""
    account = accounts[0]
    counts = account.counts
    report = make_period_report(account.lake, Kind.MONTH, date(2026, 3, 9), timezone="UTC", made_at=NOW)

    names = [line.span.first.isoformat()[:7] for line in report.months]
    assert names == ["2025-12", "2026-01", "2026-02", "2026-03"]
    assert [line.gap is None for line in report.months] == [False, False, False, True]
    assert "1 of 28 days missing: Feb 20 (transactions of 2026-02-20 are not landed)" in str(report.months[2].gap)
    expected = total(counts, sorted({site for site, _ in counts}), days_between(date(2026, 3, 1), date(2026, 3, 20)))
    assert expected is not None
    assert report.months[3].values["sales"] == expected["sales"]
    assert report.months[3].values["conversion"] == expected["conversion"]


def test_a_page_lies_beside_the_data(accounts: list[Account]) -> None:
    """By the period's first day, for owner and group; it names its account and says what it cannot show."""
    account = accounts[1]
    report = make_period_report(
        account.lake, Kind.MONTH, date(2026, 2, 9), timezone=account.timezone, made_at=NOW, account=account.name
    )

    page = land_period_report(account.lake, report)

    assert page.path == account.lake.root / "monthly_report" / "date=2026-02-01" / "report.html"
    assert page.path.stat().st_mode & 0o777 == 0o640
    text = page.path.read_text(encoding="utf-8")
    assert "February 2026 · south" in text
    assert "transactions of 2026-02-20 are not landed" in text
    assert "compared as of Mar 23, 2026, 3:00 pm UTC" in text


def test_a_week_that_is_not_over_is_counted_up_to_the_last_complete_day(accounts: list[Account]) -> None:
    """And compared with the same days of the weeks before; the page says so."""
    report = make_period_report(accounts[0].lake, Kind.WEEK, date(2026, 3, 17), timezone="UTC", made_at=NOW)

    assert [line.day.day for line in report.days] == [16, 17, 18, 19, 20]
    assert report.span.compared_before[1] == days_between(date(2026, 3, 9), date(2026, 3, 13))
    assert any("counted up to Fri, Mar 20" in caveat.text for caveat in report.caveats)


def test_a_period_without_a_landed_day_is_refused(accounts: list[Account]) -> None:
    """The error names the days; nothing is written."""
    with pytest.raises(NotLandedError, match="no day from 2026-04-06 to 2026-04-12 is landed"):
        make_period_report(accounts[0].lake, Kind.WEEK, date(2026, 4, 8), timezone="UTC", made_at=NOW)


def test_lists_are_sections_of_the_page(tmp_path: Path) -> None:
    """As far as they are landed; a list that cannot be read is a caveat, and the page is made without it."""
    world = World(seed=5, sites=2, rows_per_day=20, api="documented")
    lake = Lake(tmp_path)
    week = days_between(date(2026, 3, 9), date(2026, 3, 15))
    for day in (*week, date(2026, 3, 16)):
        rows = parse_rows(TransactionJobItem, world.rows(midnight(day, "UTC"), midnight(day + DAY, "UTC")))
        lake.land("transactions", to_table(rows, TRANSACTIONS), partition=day.isoformat())
    listed = [Site(code=spec.code, name=spec.name, timezone=spec.timezone) for spec in world.sites]
    lake.land("sites", to_table(listed, arrow_schema(Site)))
    code, name = listed[0].code or "", listed[0].name

    def made() -> PeriodReport:
        return make_period_report(lake, Kind.WEEK, week[0], timezone="UTC", made_at=NOW)

    assert {one.period for one in made().sections.values()} == {None}
    assert not any(word in one.text for one in made().caveats for word in ("ember", "abor"))
    for day in week:
        land_movement(lake, day, movement(code))
        at = f"{day}T17:00:00Z"
        lake.land("clock_entries", file_of([entry(1, at, f"{day}T21:00:00Z", siteCode=code)], NOW), partition=str(day))
    report = made()
    members, labor = report.members, report.labor
    assert members is not None
    assert members.period is not None
    assert (members.period.sites[0].name, members.period.figures["joined"].value) == (name, 14)
    assert labor is not None
    assert labor.period is not None
    assert (labor.period.figures["labor_hours"].value, labor.period.figures["labor_cost"].value) == (28, 420)
    cars = {site.code: site.figures["cars"].value for site in report.period.sites}
    rate = labor.period.sites[[site.code for site in labor.period.sites].index(code)].figures["cars_per_labor_hour"]
    assert rate.value == (cars[code] or 0) / Decimal(28)

    lake.path("membership_movement", str(week[3])).write_bytes(b"no Parquet")

    [caveat] = [one for one in made().caveats if "Members" in one.text]
    assert caveat.text.startswith("Members cannot be shown: ")
    assert land_period_report(lake, made()).size > 0
