"""docs/report.md: pages of a week and a month: safe, readable by machines, and honest about what is missing."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.periods.html import period_as_html
from sonnys_pipeline.report.periods.lists import Chain, Section
from sonnys_pipeline.report.periods.members import period_members
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline_tests.support.landed_members import land_movement, movement
from sonnys_pipeline_tests.support.report_marts import SATURDAY, before, period_report

HOSTILE = "<script>alert('&')</script>"


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of style sheets, with single spaces."""

    def __init__(self, kind: Kind, **names: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self.html = period_as_html(period_report(kind, names or {"MAIN": "Main Street", "MESA": "Mesa Verde"}))
        self.feed(re.sub(r"<style>.*?</style>", "", self.html, flags=re.DOTALL))
        self.text = re.sub(r"\s+", " ", " ".join(self._texts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._texts.append(data)


@pytest.mark.parametrize("kind", list(Kind))
def test_names_are_escaped_and_nothing_is_loaded(kind: Kind) -> None:
    """No script, no address outside, and a policy that forbids them."""
    page = Page(kind, MAIN=HOSTILE, MESA="Mesa Verde")
    assert "<script" not in page.html
    assert HOSTILE in page.text
    assert "default-src 'none'" in page.html
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?:""", page.html)


@pytest.mark.parametrize("kind", list(Kind))
def test_structure_is_readable_by_machines(kind: Kind) -> None:
    """One h1, table headers with a scope, charts with a name, sections with a heading that exists."""
    tags = Page(kind).tags
    assert [name for name, _ in tags].count("h1") == 1
    assert all(found.get("scope") in {"col", "row"} for name, found in tags if name == "th")
    assert all(found.get("role") == "img" and found.get("aria-label") for name, found in tags if name == "svg")
    ids = [found["id"] for _, found in tags if "id" in found]
    assert len(ids) == len(set(ids))
    assert all(found["aria-labelledby"] in ids for name, found in tags if name == "section")


def test_a_month_names_what_it_lacks() -> None:
    """A site without one of its days has no figures, and no part in the total; its other days are shown."""
    page = Page(Kind.MONTH)
    assert "October 2026" in page.text
    assert "Mesa Verde 1 of 31 days missing: Oct 27 (its transactions of 2026-10-27 are not landed)" in page.text
    assert "38,254 cars and $727,160 in sales at 1 of 2 sites; sales are up 3.3% from the month before." in page.text
    assert "Tue, Oct 27 (1 site missing)" in page.text
    assert "$23,457 per day in the four weeks before" in page.text
    assert "Jul 2026 24 of 31 days missing" in page.text
    assert "compared as of Nov 22, 2026, 2:00 pm UTC" in page.text


def test_a_week_up_to_its_saturday() -> None:
    """Compared with the same days; of the four weeks before, the one with the gap is left out of the mean."""
    page = Page(Kind.WEEK)
    assert "Week of November 16, 2026" in page.text
    assert "8,004 cars and $146,741 in sales; sales are level with the same days of the week before." in page.text
    assert "mean of 3 of 4 weeks" in page.text
    assert "This week is counted up to Sat, Nov 21" in page.text


def test_equal_reports_give_equal_pages() -> None:
    """No clock and no chance in it."""
    assert Page(Kind.MONTH).html == Page(Kind.MONTH).html


def test_sections_of_lists(tmp_path: Path) -> None:
    """A table with changes, plans folded away, names escaped; what is not known is never a 0; else a sentence."""
    lake = Lake(tmp_path)
    for day in (SATURDAY, before(7)):
        land_movement(lake, day, movement("MAIN", active=90 if day == SATURDAY else 100), movement("MESA", HOSTILE))
    chain = Chain({"MAIN": "Main Street", "MESA": HOSTILE}, {})
    sections = {
        "members": period_members(lake, Span.of(Kind.WEEK, SATURDAY, SATURDAY), chain),
        "labor": Section("None."),
    }
    html = period_as_html(replace(period_report(Kind.WEEK), **sections))
    page = Page(Kind.WEEK)
    page.feed(re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))
    assert HOSTILE not in html
    assert re.search(
        r'data-label="Active">90\s*<span class="change bad"><span aria-hidden="true">▼</span>\s*.10\.0%', html
    )
    assert re.search(
        r'<td data-label="Joined"><span class="unknown" title="[^"]*not landed: Nov 16, Nov 17, Nov 18', html
    )
    assert "<summary>Members by plan</summary>" in html
    assert '<p class="note">None.</p>' in html
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert {"members", "labor"} <= set(ids)


def test_without_sections_there_is_no_heading() -> None:
    """A report that was built without a lake has none."""
    assert '<h2 id="members">' not in Page(Kind.WEEK).html
