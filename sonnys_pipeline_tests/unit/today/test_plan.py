"""KT-04: what a look reads of each site, in which order, for how many requests; and the price of it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sonnys_pipeline.calendar.business_days import SiteDay, site_days_at
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.today.plan import SiteSpan, allowance, price, spans, within
from sonnys_pipeline.today.state import ALL_SITES, SiteRead, TodayState
from sonnys_pipeline_tests.support.tickets import sites

NOW = datetime(2026, 3, 20, 18, 0, 0, 400_000, tzinfo=UTC)
DAYS = {
    code.lower(): day
    for code, day in site_days_at(NOW, sites(MAIN="America/Chicago", SUNSET="America/Los_Angeles")).items()
}
MAIN, SUNSET = DAYS["main"], DAYS["sunset"]


def planned(state: TodayState | None = None, held=None, codes=("MAIN", "SUNSET"), now: datetime = NOW):
    return spans(codes, DAYS, MAIN, state or TodayState(), held or {}, now)


def read(as_of: datetime, *, quiet: bool = False) -> SiteRead:
    return SiteRead(since=as_of - timedelta(days=1), as_of=as_of, quiet=quiet)


def every(seconds: float, count: int, until: datetime) -> list[datetime]:
    """So many instants up to one."""
    return [until - timedelta(seconds=seconds * back) for back in range(count, 0, -1)]


def test_the_first_look_begins_at_each_sites_midnight() -> None:
    """And ends half a minute ago, since an end in the API's future would be refused."""
    found = {span.site: (span.start, span.end) for span in planned()}
    end = datetime(2026, 3, 20, 17, 59, 30, tzinfo=UTC)
    assert found == {
        "MAIN": (datetime(2026, 3, 20, 5, tzinfo=UTC), end),
        "SUNSET": (datetime(2026, 3, 20, 7, tzinfo=UTC), end),
    }


def test_a_later_look_reaches_back_as_far_as_a_page_has_room() -> None:
    """70 known rows at 30 s: 35 minutes; with few rows the whole day, at the same price of two requests."""
    as_of = NOW.replace(microsecond=0) - timedelta(minutes=10)
    state = TodayState(sites={"main": read(as_of), "sunset": read(as_of)})
    held = {"main": every(30, 500, as_of), "sunset": every(600, 20, as_of)}
    main, sunset = planned(state, held)
    assert main.start == as_of - timedelta(minutes=35)
    assert (main.held, main.cost) == (70, 2)
    assert (sunset.start, sunset.held, sunset.cost) == (SUNSET.start, 20, 2)


def test_at_least_a_quarter_of_an_hour_is_read_again() -> None:
    """Also where that takes more pages: late rows come within it."""
    as_of = NOW.replace(microsecond=0) - timedelta(minutes=10)
    state = TodayState(sites={"main": read(as_of)})
    (main,) = planned(state, {"main": every(5, 900, as_of)}, ["MAIN"])
    assert main.start == as_of - timedelta(minutes=15)
    assert (main.held, main.cost) == (180, 4)


def test_a_missed_look_is_made_good() -> None:
    """The span begins where the last look that worked has ended, however long ago, within the business day."""
    as_of = NOW.replace(microsecond=0) - timedelta(hours=5)
    state = TodayState(sites={"main": read(as_of)})
    (main,) = planned(state, {"main": every(60, 100, as_of)}, ["MAIN"])
    assert (main.start, main.cost) == (as_of - timedelta(minutes=70), 8)  # 70 rows, and 285 expected ones


def test_another_business_day_begins_anew() -> None:
    """What was read of the day before says nothing of this one."""
    state = TodayState(sites={"main": read(MAIN.start - timedelta(hours=2), quiet=True)})
    (main,) = planned(state, codes=["MAIN"])
    assert (main.start, main.as_of, main.quiet) == (MAIN.start, None, False)


def test_nothing_is_read_in_the_first_half_minute_of_a_day() -> None:
    """There is no span yet."""
    assert [span.site for span in planned(codes=["MAIN"], now=MAIN.start + timedelta(seconds=20))] == []


@pytest.mark.parametrize(
    ("zone", "day", "hours"), [("America/Chicago", "2026-03-08", 23), ("America/Chicago", "2026-11-01", 25)]
)
def test_a_day_of_a_clock_change_has_all_its_hours(zone: str, day: str, hours: int) -> None:
    """23 or 25, in windows of 24 hours at most, to the last second before midnight."""
    noon = datetime.fromisoformat(f"{day}T18:00:00+00:00")
    days = {code.lower(): one for code, one in site_days_at(noon, sites(MAIN=zone)).items()}
    now = days["main"].end - timedelta(seconds=1)
    (main,) = spans(["MAIN"], days, days["main"], TodayState(), {}, now)
    windows = main.request.day.windows
    assert (main.day.end - main.day.start) == timedelta(hours=hours)
    assert (windows[0].start, windows[-1].end) == (main.day.start, now.replace(microsecond=0) - timedelta(seconds=30))
    assert len(windows) == (1 if hours == 23 else 2)


def test_one_load_job_for_all_sites_where_it_names_none() -> None:
    """Its span begins with the day that began first; one key for all."""
    (span,) = spans([None], DAYS, MAIN, TodayState(), {ALL_SITES: []}, NOW)
    assert (span.key, span.start, span.request.sites) == (ALL_SITES, MAIN.start, ())


def test_sites_that_were_read_longest_ago_come_first() -> None:
    """As many as the allowance pays for, and one at least; a quiet one costs one request."""
    ago = [NOW.replace(microsecond=0) - timedelta(minutes=minutes) for minutes in (10, 40)]
    state = TodayState(sites={"main": read(ago[0]), "sunset": read(ago[1], quiet=True)})
    both = planned(state)
    assert [span.site for span in both] == ["SUNSET", "MAIN"]
    assert [span.site for span in within(both, 3)] == ["SUNSET", "MAIN"]
    assert [span.site for span in within(both, 2)] == ["SUNSET"]
    assert [span.site for span in within(both, 0)] == ["SUNSET"]
    assert list(within([], 40)) == []


def span_of(number: int) -> SiteSpan:
    day = SiteDay(f"S{number}", MAIN.business_date, "UTC", True, MAIN.start, MAIN.end, ())
    return SiteSpan(f"S{number}", day, NOW - timedelta(minutes=70), NOW, 60, NOW - timedelta(minutes=10), False)


def test_the_share_of_ten_minutes_is_twenty_sites() -> None:
    """5 % of 800 requests are 40, which is a load job of two requests for each of 20 sites."""
    most = allowance(RequestRate(), 0.05, 600)
    assert most == pytest.approx(40)
    assert len(list(within([span_of(number) for number in range(150)], most))) == 20


def test_the_price_for_chains_of_all_sizes() -> None:
    """As docs/today.md states it: requests of a look and a day, share of the budget, minutes between two reads."""
    found = {sites: price(sites) for sites in (1, 20, 150, 500)}
    assert {sites: (one.a_look, one.a_day, one.minutes) for sites, one in found.items()} == {
        1: (2, 228, 10),
        20: (40, 3420, 10),
        150: (38, 3252, 80),
        500: (40, 3420, None),
    }
    assert [round(one.of_budget * 100, 1) for one in found.values()] == [0.2, 3.0, 2.8, 3.0]
    assert (price(500, share=0.14).a_look, price(500, share=0.14).minutes) == (112, 90)


def test_the_guide_states_the_price() -> None:
    """Each row of the table in docs/today.md is what the function computes."""
    guide = (Path(__file__).parents[3] / "docs" / "today.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)(?:, `SONNYS_TODAY_SHARE=([\d.]+)`)? \| (.*) \|$", guide, re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "20", "150", "500", "500"]
    for count, share, stated in rows:
        one = price(int(count), share=float(share or 0.05))
        often = "cannot keep up" if one.minutes is None else f"{one.minutes:g} minutes"
        assert stated == f"{one.a_look} | {one.a_day:,} | {one.of_budget * 100:.1f} % | {often}"
