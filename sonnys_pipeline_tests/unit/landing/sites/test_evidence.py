"""LV-01: what landed rows say of sites."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.client import TransactionJobItem
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.landing.sites.evidence import LandedEvidence


@pytest.fixture
def lake(tmp_path: Path, make_item: Callable[..., TransactionJobItem]) -> Lake:
    """Three days: OLD and EAST in the first two, NEW and EAST in the last; NEW has a terminal of OLD."""
    landed = Lake(tmp_path)
    for day, rows in {
        "2026-03-09": [("1:7", "OLD"), ("2:8", "EAST")],
        "2026-03-10": [("3:7", "old"), ("4:8", "EAST")],
        "2026-03-11": [("5:7", "NEW"), ("6:8", "EAST"), ("7:9", "WEST"), ("8:8", "WEST")],
    }.items():
        items = [make_item(id_, locationCode=code, completeDate=f"{day}T12:00:00Z") for id_, code in rows]
        windows = [{"site": code, "total": 1, "cut_off": 0} for _, code in rows]
        table = to_table(items, TRANSACTIONS)
        landed.land("transactions", table, partition=day, metadata={"windows": json.dumps(windows)})
    return landed


def test_the_first_row_of_a_site_in_any_spelling(lake: Lake) -> None:
    found = LandedEvidence(lake)
    assert found.first_row({"new"}, date(2026, 3, 12)) == datetime(2026, 3, 11, 12, tzinfo=UTC)
    assert found.first_row({"new"}, date(2026, 3, 10)) is None
    assert found.first_row({"old"}, date(2026, 3, 10)) == datetime(2026, 3, 9, 12, tzinfo=UTC)


def test_a_site_was_read_until_a_day_names_it_no_more(lake: Lake) -> None:
    """Also if that day is yesterday: it was landed without the site."""
    found = LandedEvidence(lake)
    assert found.unread_since({"old"}, date(2026, 3, 12)) == date(2026, 3, 11)
    assert found.unread_since({"east"}, date(2026, 3, 12)) == date(2026, 3, 12)
    assert found.unread_since({"nowhere"}, date(2026, 3, 12)) == date(2026, 3, 12)


def test_codes_with_a_terminal_that_no_other_site_has_are_one_site(lake: Lake) -> None:
    """A terminal that a third site has too, such as an online one, tells nothing."""
    found = LandedEvidence(lake)
    assert found.is_one_site({"old"}, {"new"})
    assert not found.is_one_site({"old"}, {"west"})
    assert found.is_one_site({"east"}, {"west"})
    lake.path("transactions", "2026-03-09").write_bytes(b"PAR1 half a file")
    assert LandedEvidence(lake).is_one_site({"old"}, {"new"})
