"""KT-04: what the page of the day so far says, and what it says when something is not known."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.formatting import count, dollars
from sonnys_pipeline.report.measures import CARS, SALES
from sonnys_pipeline.today.page import how_far_off, lead, today_as_html
from sonnys_pipeline_tests.support.day_so_far import OFF, day_so_far

Land = Callable[..., Lake]


def text_of(html: str) -> str:
    """The page without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_the_figures_and_the_change_since_last_week(land: Land) -> None:
    """In the lead, on the cards and at each site; the same numbers everywhere."""
    today = day_so_far(land(14))
    html = text_of(today_as_html(today, every=600))
    cars, sales = today.total.value(CARS), today.total.value(SALES)
    assert cars
    assert lead(today).startswith(f"{count(cars)} cars and {dollars(sales)} in sales; sales are ")
    assert lead(today).endswith(" last Sunday by this time.")
    assert lead(today) in html
    assert html.count("last Sunday by this time") >= 6
    for site in today.sites:
        assert f"{site.name} {count(site.line.value(CARS))} " in html
    assert "Looked at every 10 minutes; the last look cost 6 requests" in html


def test_without_last_week_there_is_nothing_to_compare(land: Land) -> None:
    """The reason stands at the site; no figure is 0 for that."""
    today = day_so_far(land(3))
    html = text_of(today_as_html(today, every=600))
    assert lead(today).endswith(" in sales.")
    assert html.count("nothing to compare") == 5
    assert "not compared: transactions of 2026-03-15, 2026-03-16 are not landed" in html


def test_a_site_that_was_not_read(land: Land) -> None:
    """It is named, and the sums say how many sites they cover."""
    today = day_so_far(land(14), without="SUNSET", problems=("SUNSET: no answer <b>",))
    html = today_as_html(today, every=600)
    assert "SUNSET: no answer &lt;b&gt;" in html
    assert "not read yet today" in html
    assert " at 2 of 3 sites; " in lead(today)


def test_how_far_off_it_was(land: Land) -> None:
    """In a sentence, and as a row of the page's table."""
    evening, close = OFF
    assert how_far_off(evening) == (
        "At 20:00 on Mar 20 it showed 61 cars (\N{MINUS SIGN}1.6%) and $991 (\N{MINUS SIGN}1.0%) of what was landed"
    )
    assert how_far_off(close).startswith("At the last look on Mar 20 it showed 65 cars (±0.0%)")
    assert "80 of 84" in text_of(today_as_html(day_so_far(land(3)), every=600))


def test_before_the_first_look(land: Land) -> None:
    """Nothing is 0 that is not known."""
    today = day_so_far(land(3))
    nothing = type(today)(
        None, today.business_date, None, (), type(today.total)(None, None, None, 0, 0), {}, today.state
    )
    html = text_of(today_as_html(nothing, every=90))
    assert "Nothing is read yet." in html
    assert "No transactions yet." in html
    assert "Looked at every 2 minutes" in html


def test_the_chart_has_a_bar_for_each_hour_with_cars(land: Land) -> None:
    """And a line for each of last week's."""
    today = day_so_far(land(14))
    html = today_as_html(today, every=600)
    busy = [hour for hour, line in today.hours.items() if line.value(CARS)]
    assert html.count('class="bar now"') == max(busy) - min(busy) + 1
    assert html.count('class="mean"') == max(busy) - min(busy) + 1


def test_around_midnight_sites_have_two_days(land: Land) -> None:
    """At 00:30 in Chicago Los Angeles is a day behind: the page has the date of most sites, and names no weekday."""
    today = day_so_far(land(14), now=datetime(2026, 3, 21, 5, 30, tzinfo=UTC))
    days = {site.code: str(site.business_date) for site in today.sites}
    assert days == {"HARBOR": "2026-03-21", "MAIN": "2026-03-21", "SUNSET": "2026-03-20"}
    assert str(today.business_date) == "2026-03-21"
    html = text_of(today_as_html(today, every=600))
    assert "Saturday, March 21, 2026" in html
    assert "Changes are relative to a week before by this time" in html
    assert "last Saturday" not in html
