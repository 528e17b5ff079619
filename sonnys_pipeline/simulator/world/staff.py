"""Employees, their shifts, and the outcomes of their plan offers.

Sources: the vendor's EmployeeListItemObject, EmployeeDetailsObject, EmployeeClockEntryObject and sales outcomes; L11
and L14.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from zoneinfo import ZoneInfo

from sonnys_pipeline.simulator.world.catalog import DEVICES, EMPLOYEES, FIRST_NAMES, LAST_NAMES, PLANS, SiteSpec
from sonnys_pipeline.simulator.world.chance import number, timestamp
from sonnys_pipeline.simulator.world.demand import FIRST_DAY, OPENING_HOUR, hour_offset
from sonnys_pipeline.simulator.world.row_parts import Row

_OFFERS_PER_DAY = 25
_CACHED_LISTS = 16
_FORGETS = 30
"""One shift in so many is not clocked out, and corrected one to three days later."""
_OVERNIGHT = 40
"""One shift in so many begins at nine in the evening or later and ends in the morning."""
_WEEKLY_HOURS = 40.0
_FRIDAY = date(2021, 1, 8)
"""Weeks run from Friday to Thursday, as in the vendor's example."""


@dataclass(frozen=True, slots=True)
class Employee:
    """An employee and the indices of their sites."""

    employee_id: int
    first_name: str
    last_name: str
    site_indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """A day's work, in aware UTC; `corrected` is when a forgotten clock-out was entered, None if none was."""

    site: SiteSpec
    day: date
    begin: datetime
    end: datetime
    corrected: datetime | None = None

    def is_ended(self, now: datetime) -> bool:
        """Whether the entry has its clock-out."""
        return (self.corrected or self.end) <= now


class Staff:
    """The employees in transactions, who work at every physical site, and `own_per_site` more at each."""

    def __init__(self, seed: int, sites: Sequence[SiteSpec], *, live: bool, own_per_site: int = 2) -> None:
        self._seed = seed
        self._sites = sites
        self._live = live
        # A list is asked for page by page.
        self._offers = lru_cache(maxsize=_CACHED_LISTS)(self._made)
        names = [name.split(" ", 1) for name in EMPLOYEES]
        places: list[tuple[int, ...]] = [tuple(range(len(sites)))] * len(names)
        for index in range(len(sites) * own_per_site):
            chance = number(seed, index, "employee")
            names.append([FIRST_NAMES[chance % len(FIRST_NAMES)], LAST_NAMES[chance // 7 % len(LAST_NAMES)]])
            places.append((index // own_per_site,))
        self.employees = tuple(
            Employee(position, first, last, where)
            for position, ((first, last), where) in enumerate(zip(names, places, strict=True), start=1)
        )

    def find(self, employee_id: str) -> Employee | None:
        """The employee of that id, or None."""
        known = employee_id.isdecimal() and len(employee_id) < 6 and 1 <= int(employee_id) <= len(self.employees)
        return self.employees[int(employee_id) - 1] if known else None

    def listed(self, employee: Employee) -> Row:
        """The list form."""
        return {
            "firstName": employee.first_name,
            "lastName": employee.last_name,
            "employeeId": employee.employee_id,
        }

    def detail(self, employee: Employee) -> Row:
        """The detail form; in the live profile, most have no changed start date (L11)."""
        chance = number(self._seed, employee.employee_id, "detail")
        started = FIRST_DAY + timedelta(days=chance % 3000)
        changed = chance % 4 == 0 or not self._live
        return {
            "employeeId": employee.employee_id,
            "firstName": employee.first_name,
            "lastName": employee.last_name,
            "active": chance % 9 != 0,
            "startDate": started.isoformat(),
            "startDateChange": (started + timedelta(days=30)).isoformat() if changed else None,
            "phone": f"555{chance % 10_000_000:07d}" if chance % 3 else None,
            "email": f"employee{employee.employee_id}@example.com" if chance % 2 else None,
        }

    def weeks(self, employee: Employee, first: date, last: date, now: datetime) -> Sequence[Row]:
        """Clock entries of a period by week, without empty weeks; an open or forgotten shift has no `clockOut`."""
        shifts = self._shifts(employee, first, last, now)
        return [
            self._week(employee, friday, list(shifts_of_week), now)
            for friday, shifts_of_week in groupby(shifts, key=lambda shift: _friday(shift.day))
        ]

    def outcomes(self, codes: Collection[str], first: date, last: date, now: datetime) -> list[Row]:
        """Offers made at some sites on some UTC days, by time."""
        return [row for at, row in self._offers(frozenset(codes), first, last) if at <= now]

    def _made(self, codes: frozenset[str], first: date, last: date) -> list[tuple[datetime, Row]]:
        """Offers of whole days with their times, those of the future too."""
        found: list[tuple[datetime, Row]] = []
        for index, site in enumerate(self._sites):
            if site.code not in codes:
                continue
            there = [one for one in self.employees if index in one.site_indices]
            for offset in range((last - first).days + 1):
                day = first + timedelta(days=offset)
                found += [self._outcome(site, there, day, offer) for offer in range(_OFFERS_PER_DAY)]
        return sorted(found, key=lambda one: (one[0], one[1]["siteId"]))

    def _outcome(self, site: SiteSpec, there: Sequence[Employee], day: date, offer: int) -> tuple[datetime, Row]:
        chance = number(self._seed, site.site_id, day, offer, "offer")
        at = datetime.combine(day, time(14), UTC) + timedelta(seconds=chance % (9 * 3600))
        employee, plan = there[chance // 7 % len(there)], PLANS[chance // 11 % len(PLANS)]
        return at, {
            "timestamp": str(int(at.timestamp())),
            "employeeId": str(employee.employee_id),
            "adpId": f"ADP{employee.employee_id:06d}",
            "employeeName": f"{employee.first_name} {employee.last_name}",
            "siteId": str(site.site_id),
            "site": f"{site.site_id:03d} - {site.name}",
            "isConverted": "true" if chance // 13 % 100 < 12 else "false",
            "itemId": f"{plan.sku}:{site.site_id}",
            "itemName": plan.name,
            "itemPrice": f"{plan.price / 100:.2f}",
            "terminalName": DEVICES[chance // 17 % len(DEVICES)],
        }

    def _shifts(self, employee: Employee, first: date, last: date, now: datetime) -> Iterator[Shift]:
        for offset in range((last - first).days + 1):
            day = first + timedelta(days=offset)
            chance = number(self._seed, employee.employee_id, day, "shift")
            if chance % 10 < 3:
                continue
            site = self._sites[employee.site_indices[chance // 11 % len(employee.site_indices)]]
            zone = ZoneInfo(site.timezone or "UTC")
            length = timedelta(minutes=300 + chance // 17 % 300)
            if chance // 29 % _OVERNIGHT == 0:
                begin = datetime.combine(day, time(21), zone).astimezone(UTC) + timedelta(minutes=chance // 13 % 90)
                length = timedelta(hours=8)
            else:
                opening = datetime.combine(day, time(OPENING_HOUR), zone).astimezone(UTC)
                busiest = opening + timedelta(minutes=hour_offset(chance // 13 % 9973 / 9973) // 60_000)
                begin = max(busiest - length / 2, opening - timedelta(minutes=15))
            if begin <= now:
                end = begin + length
                forgot = chance // 19 % _FORGETS == 0
                corrected = end + timedelta(hours=20 + chance // 23 % 50) if forgot else None
                yield Shift(site, day, begin, end, corrected)

    def _week(self, employee: Employee, friday: date, shifts: Sequence[Shift], now: datetime) -> Row:
        eligible = employee.employee_id % 3 != 0
        # Earlier shifts of the week count towards overtime, even outside the period.
        before = self._shifts(employee, friday, shifts[0].day - timedelta(days=1), now)
        worked = sum(_hours(shift, now) for shift in before)
        entries = []
        for shift in shifts:
            hours = _hours(shift, now)
            overtime = min(hours, max(0.0, worked + hours - _WEEKLY_HOURS)) if eligible else 0.0
            worked += hours
            entries.append(self._entry(employee, shift, round(hours - overtime, 2), round(overtime, 2), now))
        return {
            "week": f"{friday} - {friday + timedelta(days=6)}",
            "weekTotalRegularHours": round(sum(entry["regularHours"] for entry in entries), 2),
            "weekTotalOverTimeHours": round(sum(entry["overtimeHours"] for entry in entries), 2),
            "clockEntries": entries,
        }

    def _entry(self, employee: Employee, shift: Shift, regular: float, overtime: float, now: datetime) -> Row:
        chance = number(self._seed, employee.employee_id, shift.day, "entry")
        rate = 12.5 + employee.employee_id % 7 * 0.75
        ended = shift.is_ended(now)
        modified = ended and (chance % 12 == 0 or shift.corrected is not None)
        return {
            "clockIn": timestamp(shift.begin),
            "clockOut": timestamp(shift.end) if ended else None,
            "regularRate": rate,
            "regularHours": regular,
            "overtimeEligible": employee.employee_id % 3 != 0,
            "overtimeRate": rate * 1.5,
            "overtimeHours": overtime,
            "wasModified": modified,
            "modificationTimestamp": timestamp(shift.corrected or shift.end) if modified else None,
            "wasCreatedInBackOffice": chance % (3 if shift.corrected else 30) == 0 and ended,
            "siteCode": shift.site.code,
        }


def _hours(shift: Shift, now: datetime) -> float:
    """Hours of a finished shift; an open one has none."""
    return (shift.end - shift.begin).total_seconds() / 3600 if shift.is_ended(now) else 0.0


def _friday(day: date) -> date:
    return day - (day - _FRIDAY) % timedelta(days=7)
