"""LV-01: the doctor tells what a person has to answer of the sites."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.client import Site
from sonnys_pipeline.doctor.machine import State
from sonnys_pipeline.doctor.sites import check_sites
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.landing.sites.history import land_sites

A, B, C = (Site(code=code, name=code.lower(), timezone="America/Chicago") for code in "ABC")


def test_nothing_is_to_be_asked_of_a_list_that_stays(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert check_sites(lake).state is State.OK
    land_sites(lake, [A, B], datetime(2026, 3, 10, tzinfo=UTC))
    assert check_sites(lake).detail == "2 are listed, and nothing is to be asked"


def test_a_code_that_may_be_an_old_site_and_a_list_that_was_refused_are_told(tmp_path: Path) -> None:
    """Each with the command that answers."""
    lake = Lake(tmp_path)
    land_sites(lake, [A, B], datetime(2026, 3, 10, tzinfo=UTC))
    land_sites(lake, [A, C], datetime(2026, 3, 11, tzinfo=UTC))
    found = check_sites(lake)
    assert found.state is State.WARNING
    assert "sonnys sites same B C" in found.detail
    with pytest.raises(RowsWouldVanishError):
        land_sites(lake, [], datetime(2026, 3, 12, tzinfo=UTC))
    assert "--accept-shorter" in check_sites(lake).detail
    lake.path("sites").write_bytes(b"PAR1 half a file")
    assert check_sites(lake).state is State.PROBLEM
