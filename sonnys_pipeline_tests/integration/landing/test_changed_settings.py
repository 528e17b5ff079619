"""KT-02, DG-02: a site code or a time zone that is set after days have landed."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from sonnys_pipeline.lake.errors import OtherSourceError
from sonnys_pipeline.lake.transactions import is_landed, landed_sites
from sonnys_pipeline.marts.incremental.inputs import MartInputs
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.quality.invariants import violations
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.sites import Chain

FIRST, LATER = ["2026-03-09", "2026-03-10"], ["2026-03-11", "2026-03-12"]


@pytest.fixture
def chain(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Chain:
    return Chain(start_simulator(sites=2, rows_per_day=120, virtual_site=False, codeless_site=False), tmp_path)


def test_days_read_under_a_site_code_that_was_set_later_hold_that_site_only(chain: Chain) -> None:
    """c: new days held one site and said all: the other counted 0, and all checks were green."""
    assert chain.run(FIRST).success
    assert chain.run(LATER, site_code="MAIN").success
    assert [landed_sites(chain.lake, day) for day in [*FIRST, *LATER]] == [None, None, {"MAIN"}, {"MAIN"}]
    assert [is_landed(chain.lake, day, None) for day in LATER] == [False, False]
    mart = MartInputs(chain.lake, "UTC").count(site_day_kpis, [FIRST[0], FIRST[1], LATER[0]])
    shown = set(zip(mart.table["site"].to_pylist(), mart.table["business_date"].to_pylist(), strict=True))
    assert ("MAIN", date(2026, 3, 11)) in shown
    assert ("Harbor", date(2026, 3, 9)) in shown
    assert ("Harbor", date(2026, 3, 11)) not in shown
    lacking = {(one.site, one.business_date) for one in mart.missing}
    assert ("Harbor", date(2026, 3, 11)) in lacking
    assert sorted(chain.lake.read("sites")["code"].to_pylist()) == ["Harbor", "MAIN"]
    # Without the code the same days are read for all sites, and are whole.
    assert chain.run(LATER).success
    assert chain.landed([*FIRST, *LATER]) == chain.expected([*FIRST, *LATER])
    assert [landed_sites(chain.lake, day) for day in LATER] == [None, None]


def test_days_of_another_zone_are_refused_until_all_are_cut_anew(chain: Chain) -> None:
    """j: they landed beside each other, two hours lost or doubled. Now no request is made, and nothing is computed."""
    assert chain.run(FIRST, archive="keep").success
    requests = len(chain.simulator.log)
    with pytest.raises(OtherSourceError, match=r"UTC, and SONNYS_TIMEZONE is America/Chicago.*replay --rezone"):
        chain.run(LATER, timezone="America/Chicago")
    assert len(chain.simulator.log) == requests
    assert chain.lake.partitions("transactions") == FIRST
    assert list(violations(chain.lake, FIRST, "America/Chicago")) == FIRST
    assert chain.run(LATER).success
