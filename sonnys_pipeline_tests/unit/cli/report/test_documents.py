"""RS-03: members in the JSON of `sonnys report --json`."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sonnys_pipeline.cli.report.documents import daily_document
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.daily import Page
from sonnys_pipeline.report.sections.members import members_of
from sonnys_pipeline_tests.support.landed_members import land_movement, movement
from sonnys_pipeline_tests.support.report_marts import NAMES, SATURDAY, report


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
