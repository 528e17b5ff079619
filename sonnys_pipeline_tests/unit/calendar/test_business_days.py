"""KPIS, "Business days": which partitions a business day lies in, and when it is complete."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.calendar.business_days import (
    MissingDay,
    complete_days,
    local_hours,
    offset_spans,
    partitions_needed,
    site_days_at,
    site_zones,
    sites_without_zone,
)
from sonnys_pipeline_tests.support.tickets import sites, with_online_store

CHICAGO, NEW_YORK, PHOENIX = "America/Chicago", "America/New_York", "America/Phoenix"
TUESDAY = date(2026, 3, 10)
ZONES = ("UTC", CHICAGO, NEW_YORK, PHOENIX, "Asia/Tokyo", "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/Havana")


def days(*numbers: int) -> tuple[date, ...]:
    return tuple(date(2026, 3, number) for number in numbers)


def test_a_day_of_the_pipelines_own_zone_is_one_partition() -> None:
    """Also on the days when clocks change."""
    for day in (*days(7, 8, 9), date(2026, 11, 1)):
        [needed] = partitions_needed([day], sites(MAIN=CHICAGO), CHICAGO)
        assert needed.partitions == (day,)


def test_a_chicago_day_lies_in_two_days_of_utc() -> None:
    """05:00 to 05:00 UTC in summer: the partition of the date, and the next one."""
    [needed] = partitions_needed([TUESDAY], sites(MAIN=CHICAGO), "UTC")
    assert (needed.start, needed.end) == (datetime(2026, 3, 10, 5, tzinfo=UTC), datetime(2026, 3, 11, 5, tzinfo=UTC))
    assert needed.partitions == days(10, 11)


def test_a_day_east_of_the_pipeline_needs_the_partition_before() -> None:
    """New York's midnight comes an hour before Chicago's."""
    [needed] = partitions_needed([TUESDAY], sites(HARBOR=NEW_YORK), CHICAGO)
    assert needed.partitions == days(9, 10)


def test_days_come_by_date_and_site_whatever_their_order() -> None:
    """Each date once, each site once, in order."""
    needed = partitions_needed(days(11, 10, 11), sites(MESA=PHOENIX, MAIN=CHICAGO), "UTC")
    assert [(day.business_date.day, day.site) for day in needed] == [
        (10, "MAIN"),
        (10, "MESA"),
        (11, "MAIN"),
        (11, "MESA"),
    ]


def test_a_site_without_a_zone_follows_the_pipeline() -> None:
    """Null, empty and unknown zones; only a code and a zone of its own make a site physical."""
    listed = with_online_store(sites(MAIN=CHICAGO, BARE=None, EMPTY="", ODD="Mars/Olympus", FOLDER="America"))
    zones = {zone.site: (zone.timezone, zone.is_physical) for zone in site_zones(listed, PHOENIX)}
    assert zones == {
        "": (PHOENIX, False),
        "BARE": (PHOENIX, False),
        "EMPTY": (PHOENIX, False),
        "FOLDER": (PHOENIX, False),
        "MAIN": (CHICAGO, True),
        "ODD": (PHOENIX, False),
    }
    assert sites_without_zone(listed) == ["FOLDER", "ODD"]


def test_the_day_of_each_site_at_an_instant() -> None:
    """KT-04: it changes at the site's own midnight, also where that is a day ahead of UTC."""
    chain = sites(MAIN="America/Chicago", APIA="Pacific/Apia", NONE=None)
    before = datetime(2026, 3, 20, 4, 59, 59, tzinfo=UTC)
    assert {code: str(day.business_date) for code, day in site_days_at(before, chain).items()} == {
        "MAIN": "2026-03-19",
        "APIA": "2026-03-20",
        "NONE": "2026-03-20",
    }
    after = site_days_at(before + timedelta(seconds=1), chain)
    assert (str(after["MAIN"].business_date), after["MAIN"].start) == ("2026-03-20", before + timedelta(seconds=1))


def test_a_day_is_complete_when_all_its_partitions_are_landed() -> None:
    """Half a night is not counted: it is named, with what it lacks and the remedy."""
    needed = partitions_needed(days(10, 11), sites(MAIN=CHICAGO), "UTC")
    complete, missing = complete_days(needed, days(9, 10, 11))
    assert [day.business_date for day in complete] == [TUESDAY]
    assert missing == [MissingDay("MAIN", date(2026, 3, 11), days(12))]
    assert str(missing[0]) == "MAIN 2026-03-11: transactions not landed: 2026-03-12; materialize first"


@given(day=st.dates(date(2024, 1, 1), date(2027, 12, 31)), site=st.sampled_from(ZONES), own=st.sampled_from(ZONES))
def test_partitions_hold_the_business_day_and_no_more(day: date, site: str, own: str) -> None:
    """Every instant of the day, looked at hour by hour, lies in a needed partition; every one of those is used."""
    [needed] = partitions_needed([day], sites(SITE=site), own)
    assert needed.start.astimezone(ZoneInfo(site)).date() == day
    instants = [needed.start + timedelta(hours=number) for number in range(26)]
    inside = [at for at in instants if at < needed.end] + [needed.end - timedelta(microseconds=1)]
    assert {at.astimezone(ZoneInfo(own)).date() for at in inside} == set(needed.partitions)


@given(
    zone=st.sampled_from((*ZONES, "Australia/Lord_Howe", "America/St_Johns")),
    start=st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 1)),  # noqa: DTZ001 - the zone is added below
    length=st.integers(1, 400),
)
def test_offsets_are_those_of_the_zone(zone: str, start: datetime, length: int) -> None:
    """Spans follow each other without a gap, and each second at their edges has the offset that the zone says."""
    begin = start.replace(tzinfo=UTC, microsecond=0)
    end = begin + timedelta(days=length)
    spans = offset_spans([zone], begin, end)
    assert (spans[0].start, spans[-1].end) == (begin, end)
    assert [span.end for span in spans[:-1]] == [span.start for span in spans[1:]]
    for span in spans:
        for at in (span.start, span.start + (span.end - span.start) / 2, span.end - timedelta(seconds=1)):
            assert at.astimezone(ZoneInfo(zone)).utcoffset() == span.offset


def test_an_ordinary_day_has_24_hours_of_60_minutes() -> None:
    """No clock is changed."""
    [day] = partitions_needed([TUESDAY], sites(MAIN=CHICAGO))
    assert local_hours(day) == dict.fromkeys(range(24), 60)


@pytest.mark.parametrize(
    ("zone", "day", "odd"),
    [
        (CHICAGO, date(2026, 3, 8), {2: 0}),
        (CHICAGO, date(2026, 11, 1), {1: 120}),
        ("America/Havana", date(2026, 3, 8), {0: 0}),
        ("Australia/Lord_Howe", date(2026, 4, 5), {1: 90}),
    ],
)
def test_hours_where_clocks_are_changed(zone: str, day: date, odd: dict[int, int]) -> None:
    """The hour that is skipped lasts no minute, the hour that comes twice lasts two; half hours too."""
    [site_day] = partitions_needed([day], sites(SITE=zone))
    assert local_hours(site_day) == dict.fromkeys(range(24), 60) | odd
