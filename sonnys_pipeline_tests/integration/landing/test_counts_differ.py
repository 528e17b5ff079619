"""LV-03: the API's own count of a day beside the rows of its sites; what explains a difference, and what does not."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.landing.account_sites import SITES
from sonnys_pipeline.simulator import Faults, Simulator
from sonnys_pipeline_tests.integration.conftest import Pipeline
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days
from sonnys_pipeline_tests.support.pipelines.sites import Chain, sites_of

DAY = "2026-03-10"
#: Rows of a site that no load job can name: `/site/list` does not have it, or has it without a code.
UNNAMED: dict[str, dict[str, Any]] = {
    "a site that the list does not name": {"unlisted_site_rows": 7},
    "a site without a code": {"codeless_rows": True},
}


@pytest.fixture
def open_chain(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Callable[..., Chain]:
    """Two sites with 230 rows a day between them."""
    return lambda **config: Chain(start_simulator(**{"sites": 2, "rows_per_day": 230, **config}), tmp_path)


def hidden(chain: Chain | Desk, day: str) -> int:
    """Rows of the day at sites that cannot be named."""
    rows = Chain(chain.simulator, chain.folder).rows_of(day)
    named = {site.code for site in chain.simulator.world.sites if site.code}
    return sum(row["locationCode"] not in named for row in rows)


@pytest.mark.parametrize("which", UNNAMED)
def test_rows_that_no_job_can_name_are_missed_and_told(open_desk: Callable[..., Desk], which: str) -> None:
    """The day is landed as its listed sites and not as whole; the run ends with 1 and says how many rows, and where."""
    desk = open_desk(sites=2, **UNNAMED[which])
    (day,) = last_days(1)
    missing = hidden(desk, day)
    assert missing > 0
    job = desk.approved([day])
    said = desk.types("run", job, exit_code=1)
    assert f"{missing} rows are missing" in said.output
    assert "a site that is missing from /site/list or has no code" in " ".join(said.output.split())
    assert "SONNYS_PROOF=off" in said.output
    named = {site.code for site in desk.simulator.world.sites if site.code}
    assert landed_sites(desk.lake, day) == named
    assert len(desk.landed_ids(day)) == len(desk.expected_ids(day)) - missing
    proof = json.loads(desk.lake.metadata("transactions", day)["proof"])
    assert (proof["missing"], proof["counted"]) == (missing, len(desk.expected_ids(day)))
    assert desk.asks("status", job)["status"] == "failed"


@pytest.mark.parametrize("which", UNNAMED)
def test_without_the_proof_the_same_day_is_whole(open_chain: Callable[..., Chain], which: str) -> None:
    """`SONNYS_PROOF=off` lands what came, and asks for no count: it is the user's word that the rest is not wanted."""
    chain = open_chain(**UNNAMED[which])
    assert chain.run([DAY], proof="off", states="off").success
    assert landed_sites(chain.lake, DAY) is None
    assert chain.landed([DAY]).total() == len(chain.rows_of(DAY)) - hidden(chain, DAY)
    assert chain.asked("list") == []


def test_dagster_does_not_materialize_a_day_with_missing_rows(open_pipeline: Callable[..., Pipeline]) -> None:
    """The run fails with the same words, and the partition stays missing, so that nothing downstream takes it."""
    pipeline = open_pipeline(sites=2, unlisted_site_rows=7)
    result = pipeline.run("transactions", days=DAY)
    failure = pipeline.failure(result)
    assert "7 rows are missing" in failure
    assert "missing from /site/list" in failure
    assert pipeline.times_materialized() == {}
    assert landed_sites(pipeline.lake, DAY) is not None


def test_a_whole_day_that_is_landed_stays(open_chain: Callable[..., Chain], start_simulator: Any) -> None:
    """A later read that misses rows takes nothing from it: bytes and metadata are those of the whole read."""
    chain = open_chain()
    assert chain.run([DAY]).success
    before = chain.lake.path("transactions", DAY).read_bytes()
    other = Chain(start_simulator(sites=2, rows_per_day=230, unlisted_site_rows=7), chain.folder)
    result = other.run([DAY])
    assert not result.success
    assert "nothing was landed; a day that is landed stays" in result.failures[0].message
    assert chain.lake.path("transactions", DAY).read_bytes() == before


def test_a_site_that_appears_between_plan_and_run_is_read_and_named(
    open_chain: Callable[..., Chain], caplog: pytest.LogCaptureFixture
) -> None:
    """The kept list is from before it opened: the count tells that rows are missing, a new list whose they are."""
    chain = open_chain()
    old, new, *_ = sites_of(chain)
    kept = [code for code in sites_of(chain) if code != new]
    with chain.ledger() as jobs:
        jobs.knowledge.remember(chain.settings().api_id_digest, SITES, [{"code": code, "name": code} for code in kept])
    assert chain.run([DAY]).success
    assert landed_sites(chain.lake, DAY) is None
    assert chain.landed([DAY]) == chain.expected([DAY])
    assert f"{DAY}: the API lists new sites, which are read too: {new}" in caplog.text
    with chain.ledger() as jobs:
        remembered = jobs.knowledge.recall(chain.settings().api_id_digest, SITES)
    assert remembered is not None
    assert {site["code"] for site in remembered.content} >= {old, new}


@pytest.mark.parametrize("is_counted", [True, False], ids=["before the count", "after the count"])
def test_a_row_that_comes_between_reading_and_counting_is_explained(
    open_chain: Callable[..., Chain], is_counted: bool
) -> None:
    """Its site is read again, only that, and the day is whole with it; what comes after the count is of a later read.

    The sites that are named are read once each before the count, which is the next reading.
    """
    chain = open_chain(rows_per_day=150)  # a page for each site, so that no page has an older total than another
    before, sites = Counter(row["id"] for row in chain.rows_of(DAY)), len(sites_of(chain))
    chain.simulator.set_faults(
        Faults(late_rows={date.fromisoformat(DAY): 2}, late_after_reads=sites + (not is_counted))
    )
    assert chain.run([DAY], states="off").success
    assert landed_sites(chain.lake, DAY) is None
    submitted = Counter(asked["site"] for asked in chain.asked("submit") if asked["offset"] == "1")
    if is_counted:
        assert (chain.landed([DAY]) - before).total() == 2
        assert chain.landed([DAY]) == chain.expected([DAY])
        # In halves: the API would give the old job for the old criteria.
        assert sorted(submitted.values()) == [*[1] * (sites - 1), 3]
    else:
        assert chain.landed([DAY]) == before
        assert sorted(submitted.values()) == [1] * sites
    assert json.loads(chain.lake.metadata("transactions", DAY)["proof"])["missing"] == 0


def test_a_day_that_is_counted_site_by_site_is_proven_all_the_same(open_chain: Callable[..., Chain]) -> None:
    """Where lists need a site the refusal is met once, remembered for the next run, and each site counted by itself."""
    chain = open_chain(lists_need_site=True)
    assert chain.run([DAY], states="off").success
    counts = [asked.get("site") for asked in chain.asked("list")]
    # Counts are sent side by side, so that they arrive in any order.
    assert (counts[0], sorted(counts[1:])) == (None, sorted(sites_of(chain)))
    assert chain.run(["2026-03-11"], states="off").success
    assert sorted(asked["site"] for asked in chain.asked("list")[len(counts) :]) == sorted(sites_of(chain))
