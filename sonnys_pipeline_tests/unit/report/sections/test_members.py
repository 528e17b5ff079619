"""RS-03, KPIS "Members": the section on members in the daily report, from the landed mart."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.build import Report
from sonnys_pipeline.report.daily import make_report
from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.inputs import ShownMarts
from sonnys_pipeline.report.markdown import report_as_markdown
from sonnys_pipeline.report.sections.members import Members, members_of
from sonnys_pipeline_tests.support.landed_members import land_movement, movement
from sonnys_pipeline_tests.support.small_lake import LAST, NOW, land  # noqa: F401 - a fixture

NAMES = {"A": "Site 10", "B": "Site 2"}
WEEK = timedelta(weeks=1)
REASON = "recurring_status_changes: not landed: 2026-03-19 (active, on_trial, mrr, trial_mrr)"
#: The same in terms of the page.
TOLD = "recurring_status_changes: not landed: 2026-03-19 (active, MRR)"
Land = Callable[..., Lake]


def unknown(site: str) -> dict[str, object]:
    return movement(site, active=None, on_trial=None, mrr=None, trial_mrr=None, unknown=REASON)


def members(lake: Lake) -> Members:
    found = members_of(lake, LAST, NAMES)
    assert found is not None
    return found


def report(lake: Lake) -> Report:
    return make_report(lake, LAST, timezone="UTC", made_at=NOW)


def test_sums_by_site_plan_and_all(tmp_path) -> None:
    """Each site over its plans, each plan over its sites; churn is a quotient of sums."""
    lake = Lake(tmp_path)
    land_movement(lake, LAST, movement("A"), movement("A", "Gold", active=7, mrr=Decimal("99.99")), movement("B", None))
    found = members(lake)
    assert [(line.name, line.figures["active"], line.figures["mrr"]) for line in found.sites] == [
        ("Site 10", 107, Decimal("2099.99")), ("Site 2", 100, Decimal("2000.00")),
    ]  # fmt: skip
    assert [(line.name, line.figures["active"]) for line in found.plans] == [
        ("No plan", 100),
        ("Basic", 100),
        ("Gold", 7),
    ]
    assert (found.total.figures["active"], found.total.figures["net"]) == (207, 3)
    assert found.churn == Decimal(12) / 240
    assert (found.active.base, found.caveats) == (None, ())


def test_against_the_week_before(tmp_path) -> None:
    """Where both totals are known."""
    lake = Lake(tmp_path)
    land_movement(lake, LAST, movement("A"), movement("B"))
    land_movement(lake, LAST - WEEK, movement("A", active=90), movement("B", active=95))
    assert members(lake).active.difference == 15
    land_movement(lake, LAST - WEEK, movement("A"), unknown("B"))
    assert members(lake).active.difference is None


def test_what_is_not_known_is_said_once(tmp_path) -> None:
    """A total of an unknown part is not known; each reason stands once, with its sites unless it is all of them."""
    lake = Lake(tmp_path)
    land_movement(
        lake, LAST, unknown("A"), {**unknown("A"), "plan": "Gold"}, movement("B", unknown="1 account has no status")
    )
    found = members(lake)
    assert [line.figures["active"] for line in found.sites] == [None, 100]
    assert (found.total.figures["active"], found.total.figures["joined"]) == (None, 6)
    assert [(one.severity, one.text) for one in found.caveats] == [
        ("warning", f"Members, not known: Site 10: {TOLD}."),
        ("info", "Members: 1 account has no status; see the column unknown of membership_movement."),
    ]
    land_movement(lake, LAST, unknown("A"), unknown("B"))
    assert [one.text for one in members(lake).caveats] == [f"Members, not known: {TOLD}."]


def test_the_page_and_its_markdown(land: Land) -> None:  # noqa: F811 - the fixture
    """A sentence, a line for each site, plans folded away; names are escaped."""
    lake = land(10)
    land_movement(lake, LAST, movement("MAIN", "<Gold>", on_trial=3, trial_mrr=Decimal("60.00")), movement("MAIN"))
    land_movement(lake, LAST - WEEK, movement("MAIN", active=190))
    made = report(lake)
    page = report_as_html(made)
    sentence = (
        "200 active members at the end of the day, 10 more than on Fri, Mar 13, with $4,000 of monthly recurring "
        "revenue (3 on trial, $60 of it). 8 left since the first of the month: churn of 5.0% so far."
    )
    assert f'<p class="note">{sentence}</p>' in page
    assert '<td data-label="MRR">$4,000</td>' in page
    assert '<td data-label="Left">4 <small class="part">2 by payment</small></td>' in page
    assert "&lt;Gold&gt;" in page
    assert "Members by plan" in page
    assert "200 active members" in report_as_markdown(made)


def test_not_known_is_written_and_warned_of(land: Land) -> None:  # noqa: F811 - the fixture
    """Never 0: `not known` in the cells, and the reason under data quality."""
    lake = land(10)
    land_movement(lake, LAST, unknown("MAIN"))
    page = report_as_html(report(lake))
    assert '<td data-label="Active"><span class="unknown">not known</span></td>' in page
    assert "How many members are active is not known" in page
    assert f"{TOLD}." in page


def test_without_landed_members_a_sentence_stands_there(land: Land) -> None:  # noqa: F811 - the fixture
    """No table, no caveat: a chain may do without the lists."""
    made = report(land(10))
    assert made.members is None
    assert "No members: membership_movement of this day is not landed, or has no account." in report_as_html(made)
    assert "active members" not in report_as_markdown(made)
    assert not [one for one in made.caveats if "Members" in one.text]


def test_members_that_change_make_the_page_outdated(land: Land) -> None:  # noqa: F811 - the fixture
    """Those of the day and of the week before; other days are not shown."""
    lake = land(1)
    lake.land("site_day_kpis", lake.read("sites"), partition=LAST.isoformat(), metadata={"input_digest": "rows"})

    def digest() -> str:
        return ShownMarts(lake).digest(LAST)

    seen = [digest()]
    for day, active in ((LAST, 1), (LAST, 2), (LAST - WEEK, 3)):
        land_movement(lake, day, movement("MAIN", active=active))
        assert digest() not in seen
        seen.append(digest())
    land_movement(lake, LAST - timedelta(days=1), movement("MAIN"))
    assert digest() == seen[-1]
