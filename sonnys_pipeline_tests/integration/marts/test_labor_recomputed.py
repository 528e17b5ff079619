"""RS-03: labor of 40 days, recomputed in plain Python from the entries on the wire; no code is shared with the marts.

Two sites in different zones, of which one changes its clocks within the 40 days; shifts over midnight and over the
night of the change, shifts that are still open, corrections by a second reading, breaks, and shifts without hours of
the API.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from sonnys_pipeline.marts.kpis import site_hour_kpis
from sonnys_pipeline.marts.people.labor import labor_daily
from sonnys_pipeline.marts.people.shifts import ClockedDays
from sonnys_pipeline_tests.support.clock_entries import by_day, entry, file_of, landed, utc
from sonnys_pipeline_tests.support.tickets import rows, sites, ticket

ZONES = {"EAST": "America/New_York", "DESERT": "America/Phoenix"}
FIRST, DAYS = date(2026, 2, 16), [date(2026, 2, 16) + timedelta(days=shift) for shift in range(40)]
#: Clocks of EAST go forward in the night to this day.
CHANGE = date(2026, 3, 8)
Entry = dict[str, Any]


def read_at(day: date) -> datetime:
    """A day is read on the next morning."""
    return datetime.combine(day + timedelta(days=1), time(11, 7), UTC)


@cache
def first_reading() -> Sequence[Entry]:
    """About nine shifts a day and site, as they are read on the next morning."""
    chance = random.Random(20260216)
    found = []
    for day in DAYS:
        for site, zone in ZONES.items():
            for number in range(chance.randint(7, 11)):
                begin = datetime.combine(day, time(6, 45), ZoneInfo(zone)) + timedelta(
                    seconds=chance.randint(0, 36_000)
                )
                end = begin.astimezone(UTC) + timedelta(seconds=chance.randint(3_600, 40_000))
                found.append(_shift(chance, 100 * (site == "EAST") + number, site, begin, end))
            # The night shift goes over midnight, and on one day through the hour that does not exist.
            begin = datetime.combine(day, time(22, 15, 30), ZoneInfo(zone))
            found.append(_shift(chance, 900, site, begin, begin.astimezone(UTC) + timedelta(hours=7, minutes=20)))
    return found


def _shift(chance: random.Random, employee: int, site: str, begin: datetime, end: datetime) -> Entry:
    rate = chance.choice([12.5, 13.37, 15.0, 16.85])
    fields: Entry = {"siteCode": site, "regularRate": rate, "overtimeRate": round(rate * 1.5, 2)}
    kind = chance.random()
    if kind < 0.06:  # forgot to clock out
        nothing = chance.choice([None, 0.0])
        return entry(employee, utc(begin), None, **fields, regularHours=nothing, overtimeHours=nothing)
    if kind > 0.2:  # else the clock counts
        pause = chance.choice([0, 0, 1_800])
        hours = round(max((end - begin.astimezone(UTC)).total_seconds() - pause, 0) / 3_600, 2)
        overtime = round(min(hours, chance.choice([0, 0, 0, 1.37])), 2)
        fields |= {"regularHours": round(hours - overtime, 2), "overtimeHours": overtime}
    return entry(employee, utc(begin), utc(end), **fields)


@cache
def second_reading() -> Sequence[Entry]:
    """Every third open shift of the first reading is closed by a person, and some hours are corrected."""
    found, opened = [], 0
    for number, one in enumerate(first_reading()):
        changed = dict(one)
        if one["clockOut"] is None:
            opened += 1
            if opened % 3 == 0:
                begin = datetime.fromisoformat(one["clockIn"])
                hours = {"regularHours": 6.5, "overtimeHours": 0.0}
                changed |= {"clockOut": utc(begin + timedelta(hours=6.5)), "wasModified": True, **hours}
        elif number % 50 == 0:
            changed |= {"regularHours": 5.25, "overtimeHours": 0.5, "wasModified": True}
        found.append(changed)
    return found


def cars_and_sales(site: str, day: date) -> tuple[int, Decimal]:
    """Cars and sales of a site; EAST was closed on one day."""
    if site == "EAST" and day == DAYS[5]:
        return 0, Decimal("0.00")
    cars = 150 + day.toordinal() * 37 % 61 + 20 * (site == "EAST")
    return cars, Decimal(cars * 1_237 + 45) / 100


def site_days() -> pa.Table:
    """The columns of `site_day_kpis` that labor needs."""
    rows = [(site, day, *cars_and_sales(site, day)) for site in ZONES for day in DAYS]
    names = ("site", "business_date", "total_cars", "sales")
    kinds = (pa.string(), pa.date32(), pa.int64(), pa.decimal128(18, 2))
    columns = zip(*rows, strict=True)
    return pa.table({name: pa.array(column, kind) for name, column, kind in zip(names, columns, kinds, strict=True)})


def clocked(entries: Sequence[Entry]) -> ClockedDays:
    """The entries as they are landed, every day in its file."""
    files = {day: file_of(rows, read_at(day)) for day, rows in by_day(entries, ZONES, DAYS).items()}
    return ClockedDays(landed(files), list(files))


def hundredths(amount: Fraction) -> Decimal:
    """Rounded to the cent, half a cent up."""
    exact = Decimal(amount.numerator) / Decimal(amount.denominator)
    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


def worked(one: Mapping[str, Any], read: datetime) -> tuple[Fraction, Fraction]:
    """Regular and overtime hours of an entry: those of the API, else of the clock to 1/10,000 hour."""
    said = [one["regularHours"], one["overtimeHours"]]
    is_open = one["clockOut"] is None
    if said == [None, None] or (is_open and not any(said)):
        begin = datetime.fromisoformat(one["clockIn"])
        end = read if is_open else datetime.fromisoformat(one["clockOut"])
        return Fraction(int((end - begin) / timedelta(seconds=1) / 0.36 + 0.5), 10_000), Fraction(0)
    return Fraction(str(said[0] or 0)), Fraction(str(said[1] or 0))


def expected(entries: Sequence[Entry]) -> dict[tuple[str, date], dict[str, Any]]:
    """The labor of each site and day, entry by entry."""
    found: dict[tuple[str, date], dict[str, Any]] = {
        (site, day): defaultdict(Fraction, people=set()) for site in ZONES for day in DAYS
    }
    for one in entries:
        day = datetime.fromisoformat(one["clockIn"]).astimezone(ZoneInfo(ZONES[one["siteCode"]])).date()
        total = found[one["siteCode"], day]
        regular, overtime = worked(one, read_at(day))
        total["people"].add(one["employeeId"])
        total["shifts"] += 1
        total["hours"] += regular + overtime
        total["overtime"] += overtime
        total["cost"] += regular * Fraction(str(one["regularRate"])) + overtime * Fraction(str(one["overtimeRate"]))
        if one["clockOut"] is None:
            total["open"] += 1
            total["open_hours"] += regular + overtime
    return found


def expected_by_hour(entries: Sequence[Entry]) -> dict[tuple[str, date, int], tuple[Fraction, Fraction]]:
    """Hours and cost of each hour by the clocks of the site: every shift is walked through minute by minute."""
    found: dict[tuple[str, date, int], list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for one in entries:
        zone = ZoneInfo(ZONES[one["siteCode"]])
        at = begin = datetime.fromisoformat(one["clockIn"])
        day = begin.astimezone(zone).date()
        end = datetime.fromisoformat(one["clockOut"]) if one["clockOut"] else read_at(day)
        regular, overtime = worked(one, read_at(day))
        cost = regular * Fraction(str(one["regularRate"])) + overtime * Fraction(str(one["overtimeRate"]))
        while at < end:
            until = min(at.replace(second=0) + timedelta(minutes=1), end)
            part = Fraction((until - at) // timedelta(seconds=1), (end - begin) // timedelta(seconds=1))
            local = at.astimezone(zone)
            total = found[one["siteCode"], local.date(), local.hour]
            total[0] += (regular + overtime) * part
            total[1] += cost * part
            at = until
    return {key: (hours, cost) for key, (hours, cost) in found.items()}


def test_every_hour_equals_the_recomputation() -> None:
    """By the clock: night shifts reach into the next day, and the hour that clocks skip has nothing."""
    entries = second_reading()
    tickets = rows(*(ticket(number, f"2026-03-{9 + number:02d}T15:30:00Z", "EAST") for number in range(6)))
    partitions = [DAYS[0] - timedelta(days=1), *DAYS, DAYS[-1] + timedelta(days=1)]
    mart = site_hour_kpis(tickets, sites(**ZONES), DAYS, landed=partitions, clocked=clocked(entries))
    wanted = expected_by_hour(entries)
    found = mart.table.to_pylist()
    assert len(found) == 24 * len(DAYS) * len(ZONES)
    for row in found:
        hours, cost = wanted.get((row["site"], row["business_date"], row["hour"]), (Fraction(0), Fraction(0)))
        if row["business_date"] == DAYS[0]:
            assert row["labor_unknown"] == f"clock_entries: not landed: {DAYS[0] - timedelta(days=1)}"
            assert (row["labor_hours"], row["labor_cost"], row["cars_per_labor_hour"]) == (None, None, None)
            continue
        assert row["labor_unknown"] is None
        assert abs(Fraction(row["labor_hours"]) - hours) <= Fraction(51, 1_000_000)
        assert abs(Fraction(row["labor_cost"]) - cost) <= Fraction(51, 10_000)
        each = row["cars"] / float(row["labor_hours"]) if row["labor_hours"] else None
        assert row["cars_per_labor_hour"] == each
    skipped = next(row for row in found if (row["site"], row["business_date"], row["hour"]) == ("EAST", CHANGE, 2))
    assert (skipped["minutes"], skipped["labor_hours"]) == (0, 0)
    night = next(row for row in found if (row["site"], row["business_date"], row["hour"]) == ("EAST", CHANGE, 1))
    assert night["labor_hours"] > 0
    assert sum(row["cars"] > 0 and row["cars_per_labor_hour"] > 0 for row in found) == 6


def test_forty_days_equal_the_recomputation() -> None:
    """Every figure of every site and day, after both readings; cents exactly."""
    for entries in (first_reading(), second_reading()):
        rows = labor_daily(clocked(entries), site_days(), sites(**ZONES), DAYS, "America/Chicago").to_pylist()
        wanted = expected(entries)
        assert [(row["site"], row["business_date"]) for row in rows] == sorted(wanted)
        for row in rows:
            total = wanted[row["site"], row["business_date"]]
            cars, sales = cars_and_sales(row["site"], row["business_date"])
            cost = hundredths(total["cost"])
            assert row == {
                "site": row["site"],
                "business_date": row["business_date"],
                "shifts": total["shifts"],
                "employees": len(total["people"]),
                "open_shifts": total["open"],
                "open_hours": total["open_hours"],
                "labor_hours": total["hours"],
                "overtime_hours": total["overtime"],
                "labor_cost": cost,
                "total_cars": cars,
                "sales": sales,
                "cars_per_labor_hour": cars / float(total["hours"]),
                "labor_cost_per_car": hundredths(Fraction(cost) / cars) if cars else None,
                "labor_share": float(cost) / float(sales) if sales else None,
                "unknown": None,
            }


def test_the_forty_days_hold_what_they_promise() -> None:
    """Open shifts, corrections, shifts over midnight and over the change of clocks: or the test above shows nothing."""
    before, after = first_reading(), second_reading()
    assert sum(one["clockOut"] is None for one in before) > sum(one["clockOut"] is None for one in after) > 10
    assert sum(one["wasModified"] for one in after) > 20
    night = [one for one in after if one["employeeId"] == "900" and one["siteCode"] == "EAST" and one["clockOut"]]
    starts = {datetime.fromisoformat(one["clockIn"]).astimezone(ZoneInfo(ZONES["EAST"])) for one in night}
    assert CHANGE - timedelta(days=1) in {start.date() for start in starts}
    assert {start.utcoffset() for start in starts} == {timedelta(hours=-5), timedelta(hours=-4)}
