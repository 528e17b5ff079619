"""RS-03: members as a table of a day's export."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.export.tables import daily_tables, period_tables
from sonnys_pipeline.report.periods.lists import Chain
from sonnys_pipeline.report.periods.members import period_members
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.report.sections.members import members_of
from sonnys_pipeline_tests.support.landed_members import land_movement, movement
from sonnys_pipeline_tests.support.report_marts import NAMES, SATURDAY, period_report, report


def test_members_are_a_table(tmp_path: Path) -> None:
    """Each site, each plan and all; a figure that is not known has its reason. Without members there is no table."""
    lake = Lake(tmp_path)
    gap = movement("MESA", active=None, unknown="recurring_status_changes: not landed: 2026-11-20 (active)")
    land_movement(lake, SATURDAY, movement("MAIN"), gap)
    [table] = [
        one
        for one in daily_tables(replace(report(), members=members_of(lake, SATURDAY, NAMES)))
        if one.name == "Members"
    ]
    assert [name for name, _ in table.values] == ["active", "joined", "came back", "left", "net", "mrr"]
    assert [(row.labels, row.values[0], row.values[-1]) for row in table.rows] == [
        (("site", "Main Street"), 100, Decimal("2000.00")),
        (("site", "Mesa Verde"), None, Decimal("2000.00")),
        (("plan", "Basic"), None, Decimal("4000.00")),
        (("", "All sites"), None, Decimal("4000.00")),
    ]
    assert table.rows[0].reason == ""
    assert "not landed: 2026-11-20" in table.rows[1].reason
    assert "Members" not in [one.name for one in daily_tables(report())]


def test_members_of_a_week_are_tables(tmp_path: Path) -> None:
    """By site with all sites last, and by plan without them; each figure beside that of the week before."""
    lake = Lake(tmp_path)
    land_movement(lake, SATURDAY, movement("MAIN"), movement("MESA", "Gold", active=7))
    span = Span.of(Kind.WEEK, SATURDAY, SATURDAY)
    made = replace(period_report(Kind.WEEK), members=period_members(lake, span, Chain(NAMES, {})))
    sites, plans = [one for one in period_tables(made) if one.name.startswith("Members")]
    names = [name for name, _ in sites.values]
    assert names[:3] == ["Active", "Active before", "Active mean of 4 weeks"]
    assert [(row.labels[2:], row.values[0]) for row in sites.rows] == [
        (("MAIN", "Main Street"), 100),
        (("MESA", "Mesa Verde"), 7),
        (("", "All sites"), 107),
    ]
    assert sites.rows[0].reason.startswith("Joined: membership_movement: not landed: Nov 16, ")
    assert (plans.name, plans.labels) == ("Members by plan", ("from", "to", "plan"))
    assert [row.labels[2] for row in plans.rows] == ["Basic", "Gold"]
