"""RS-03: members in the JSON of `sonnys report --json`."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sonnys_pipeline.cli.report.documents import daily_document, period_document
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.daily import Page
from sonnys_pipeline.report.periods.lists import Chain, Section
from sonnys_pipeline.report.periods.members import period_members
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.report.sections.members import members_of
from sonnys_pipeline_tests.support.landed_members import land_movement, movement
from sonnys_pipeline_tests.support.report_marts import NAMES, SATURDAY, period_report, report


def test_members_of_a_day(tmp_path: Path) -> None:
    """Numbers by site and plan, null where not known; null as a whole where nothing is landed."""
    lake, page = Lake(tmp_path), Page(tmp_path / "report.html", 1)
    land_movement(lake, SATURDAY, movement("MAIN"), movement("MESA", "Gold", active=None))
    land_movement(lake, SATURDAY - timedelta(weeks=1), movement("MAIN"))
    found = daily_document(replace(report(), members=members_of(lake, SATURDAY, NAMES)), page)["members"]
    assert (found["figures"]["active"], found["figures"]["mrr"], found["figures"]["churn"]) == (None, 4000.0, 0.05)
    assert found["active_last_week"] is None
    assert [(one["name"], one["figures"]["active"]) for one in found["sites"]] == [
        ("Main Street", 100.0), ("Mesa Verde", None),
    ]  # fmt: skip
    assert [(one["name"], one["figures"]["left"]) for one in found["plans"]] == [("Basic", 2.0), ("Gold", 2.0)]
    assert daily_document(report(), page)["members"] is None


def test_members_and_labor_of_a_week(tmp_path: Path) -> None:
    """As figures by site and plan, with the reason where one is null; a section that is missing says why."""
    lake, page = Lake(tmp_path), Page(tmp_path / "report.html", 1)
    land_movement(lake, SATURDAY, movement("MAIN"), movement("MESA", "Gold"))
    span = Span.of(Kind.WEEK, SATURDAY, SATURDAY)
    members = period_members(lake, span, Chain(NAMES, {}))
    found = period_document(replace(period_report(Kind.WEEK), members=members, labor=Section("No labor.")), page)
    assert found["labor"] == {"missing": "No labor."}
    figures = found["members"]["figures"]
    assert (figures["mrr"]["value"], figures["mrr"]["before"], figures["joined"]["value"]) == (4000.0, None, None)
    assert figures["joined"]["unknown"].startswith(
        "membership_movement: not landed: Nov 16, Nov 17, Nov 18 and 2 more ("
    )
    assert [(one["name"], one["figures"]["active"]["value"]) for one in found["members"]["plans"]] == [
        ("Basic", 100.0), ("Gold", 100.0),
    ]  # fmt: skip
    assert found["members"]["missing"] is None
    assert "members" not in period_document(period_report(Kind.WEEK), page)
