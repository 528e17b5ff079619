"""LV-01 to LV-04: the main job lands whole days whichever answer the live API gives to what nobody knows of it.

The contract marks with ? what is unknown; the simulator has a switch for each, and here each is tried in every
position, on two sites and two days, through the product's own executor over HTTP.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.simulator import Faults, Simulator
from sonnys_pipeline_tests.support.pipelines.sites import DAYS, Chain, is_midnight

#: 230 rows a day over both sites: two pages each.
ROWS = {"sites": 2, "rows_per_day": 230, "midnight_row": True}
#: The API's own budget, thirty times faster than life; elsewhere the budget is wide, so that nothing waits.
NARROW: dict[str, Any] = {"rate_limit": 20, "speed": 30}

POSITIONS: dict[str, dict[str, Any]] = {
    "as users found the API": {},
    "as the document describes it": {"api": "documented"},
    "one budget for each API id": {**NARROW, "budget_per": "api_id"},
    "one budget for each endpoint": {**NARROW, "budget_per": "endpoint"},
    "lists need a site": {"lists_need_site": True},
    "both ends are included": {"ends": "both"},
    "only the start is included": {"ends": "start"},
    "a fail has a body": {"fail_body": True, "faults": Faults(fail_jobs=2)},
    "a fail has no body": {"fail_body": False, "faults": Faults(fail_jobs=2)},
    "a fail stays in the cache": {"fail_body": False, "faults": Faults(sticky_fail_jobs=2)},
    "a renewed job has its old hash": {"stable_hashes": True, "faults": Faults(fail_jobs=1, expire_hashes_early=1)},
    "a renewed job has a new hash": {"stable_hashes": False, "faults": Faults(fail_jobs=1, expire_hashes_early=1)},
    "the list spells a site in two ways": {"site_spellings": True},
    "the list writes codes in another case": {"list_in_other_case": True},
    "jobs are pending first": {"pending_status": True},
    "the online site has rows": {"virtual_rows": True},
    "no online site": {"virtual_site": False},
    "no site without a code": {"codeless_site": False},
    "an empty window is a 404": {"faults": Faults(empty_as_404=True, empty_list_as_404=True)},
}


@pytest.fixture
def open_chain(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Callable[..., Chain]:
    return lambda **config: Chain(start_simulator(**{**ROWS, **config}), tmp_path)


@pytest.mark.parametrize("position", POSITIONS)
def test_whatever_the_api_does_whole_days_land(open_chain: Callable[..., Chain], position: str) -> None:
    """Every row once, each day whole by both proofs, each row's state beside it, and nothing refused with 429."""
    chain = open_chain(**POSITIONS[position])
    result = chain.run(states="on")
    assert result.success, result.failures
    assert chain.landed() == chain.expected() == chain.with_states()
    assert [landed_sites(chain.lake, day) for day in DAYS] == [None, None]
    assert '"missing": 0' in chain.lake.metadata("transactions", DAYS[0])["proof"]
    assert chain.simulator.stats().rate_limited == 0


def test_rows_on_midnight_cannot_be_seen_where_neither_end_is_included(open_chain: Callable[..., Chain]) -> None:
    """All other rows land. Job, count and list leave the row on midnight out alike, so that no proof can miss it.

    This is the one answer to what is unknown under which a row is not landed; `sonnys first-contact` tells whether it
    is the live API's.
    """
    chain = open_chain(ends="neither")
    assert chain.run(states="on").success
    seen = Counter(row["id"] for day in DAYS for row in chain.rows_of(day) if not is_midnight(row))
    assert chain.landed() == seen == chain.with_states()
    assert (chain.expected() - seen).total() == len(DAYS)


@pytest.mark.parametrize("lengthens", [False, True], ids=["fixed block", "lengthened block"])
@pytest.mark.parametrize("counts", [False, True], ids=["429s are free", "429s count"])
def test_few_requests_are_refused_where_another_program_spends(
    open_chain: Callable[..., Chain], counts: bool, lengthens: bool
) -> None:
    """Of the nine requests that we take for ours in each block, three are refused: the run waits for the next block.

    Whether a 429 counts or lengthens the block, no storm of them follows: the 29 requests meet fewer than they are.
    """
    chain = open_chain(rate_limit=6, speed=15, count_refused=counts, refused_lengthens=lengthens)
    result = chain.run(states="on", rate_limit="9/1")
    assert result.success, result.failures
    assert chain.landed() == chain.expected() == chain.with_states()
    assert [landed_sites(chain.lake, day) for day in DAYS] == [None, None]
    stats = chain.simulator.stats()
    assert 1 <= stats.rate_limited <= 20 < stats.requests - stats.rate_limited
