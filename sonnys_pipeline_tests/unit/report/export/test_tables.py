"""RS-03: members as a table of a day's export."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.export.tables import daily_tables
from sonnys_pipeline.report.sections.members import members_of
from sonnys_pipeline_tests.support.landed_members import land_movement, movement
from sonnys_pipeline_tests.support.report_marts import NAMES, SATURDAY, report


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
