"""The simulated staff: some forget to clock out, and the entry is corrected days later."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.staff import Staff

FIRST, LAST = date(2026, 3, 2), date(2026, 3, 15)
LONG_AFTER = datetime(2026, 3, 25, tzinfo=UTC)


def entries(now: datetime) -> dict[tuple[int, str], dict[str, Any]]:
    """All entries of a fortnight, as they are at a time, by employee and beginning."""
    sites = [site for site in World(seed=7, sites=3).sites if site.timezone]
    staff = Staff(7, sites, live=True, own_per_site=5)
    return {
        (employee.employee_id, entry["clockIn"]): entry
        for employee in staff.employees
        for week in staff.weeks(employee, FIRST, LAST, now)
        for entry in week["clockEntries"]
    }


def test_a_forgotten_clock_out_is_entered_within_three_days() -> None:
    """Until then the entry is open and has no hours; afterwards it says that and when it was corrected."""
    later = entries(LONG_AFTER)
    assert all(entry["clockOut"] for entry in later.values())
    ends = {key: datetime.fromisoformat(entry["clockOut"]) for key, entry in later.items()}
    corrected = {
        key
        for key, entry in later.items()
        if entry["wasModified"] and datetime.fromisoformat(entry["modificationTimestamp"]) > ends[key]
    }
    assert 3 <= len(corrected) <= len(later) / 10
    for key in corrected:
        at = datetime.fromisoformat(later[key]["modificationTimestamp"])
        assert timedelta(hours=20) <= at - ends[key] <= timedelta(days=3)
        before, after = entries(at - timedelta(seconds=1))[key], entries(at)[key]
        assert (before["clockOut"], before["regularHours"], before["overtimeHours"]) == (None, 0.0, 0.0)
        assert (after["clockOut"], after["wasModified"]) == (later[key]["clockOut"], True)
    assert not [key for key in corrected if later[key]["regularHours"] + later[key]["overtimeHours"] == 0]


def test_staff_are_there_when_cars_come_and_some_work_overnight() -> None:
    """At most in the afternoon, some until the last hour; one shift in forty lasts from evening to morning."""
    zones = {site.code: ZoneInfo(site.timezone) for site in World(seed=7, sites=3).sites if site.timezone}
    at_work, overnight, shifts = Counter[int](), 0, entries(LONG_AFTER).values()
    for entry in shifts:
        zone = zones[entry["siteCode"]]
        begin, end = (datetime.fromisoformat(entry[name]).astimezone(zone) for name in ("clockIn", "clockOut"))
        if begin.date() != end.date() and end.hour >= 5:
            overnight += 1
            assert begin.hour >= 21
            assert end - begin == timedelta(hours=8)
        else:
            at_work.update(range(begin.hour, begin.hour + (end - begin) // timedelta(hours=1)))
    assert 1 <= overnight < len(shifts) / 15
    assert at_work[13] > at_work[8] * 1.3
    assert at_work[19] > at_work[13] / 8
    assert at_work[3] == 0


def test_an_offer_is_listed_from_its_time_on() -> None:
    """However often the list was asked for before: at noon none yet, in the evening more than in the afternoon."""
    sites = [site for site in World(seed=7, sites=3).sites if site.timezone]
    staff, codes = Staff(7, sites, live=True), frozenset(site.code for site in sites)
    counts = []
    for hour in (18, 12, 20, 18):
        now = datetime(LAST.year, LAST.month, LAST.day, hour, tzinfo=UTC)
        found = staff.outcomes(codes, LAST, LAST, now)
        assert all(int(row["timestamp"]) <= now.timestamp() for row in found)
        counts.append(len(found))
    evening, noon, later, again = counts
    assert (noon, again) == (0, evening)
    assert 0 < evening < later
