"""The life of a load job: hash, running time, page, failure, expiry.

Covers the contract, "Batch jobs"; the ground under LJ-02 to LJ-05, LJ-10 and BM-02.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from sonnys_pipeline.simulator import Faults, SimulatorClock, World
from sonnys_pipeline.simulator.api.criteria import Criteria
from sonnys_pipeline.simulator.api.jobs import Job, JobBoard
from sonnys_pipeline.simulator.api.lists import detail
from sonnys_pipeline.simulator.faults import FaultInjector
from sonnys_pipeline.simulator.world.chain import epoch_ms

DAY = datetime(2026, 11, 3, tzinfo=UTC)
ALL_SITES = frozenset(site.code for site in World().sites)
ROWS_PER_DAY = 250


class Bench:
    """A job board on a hand clock, 250 rows a day, jobs of 2 to 4 s."""

    def __init__(self, hand_clock, faults: Faults | None = None, **settings) -> None:
        self.time = hand_clock
        self.world = World(rows_per_day=ROWS_PER_DAY)
        self.injector = FaultInjector(faults or Faults())
        clock = SimulatorClock(DAY + timedelta(days=2), monotonic=hand_clock)
        self.board = JobBoard(self.world, clock, self.injector, job_seconds=(2.0, 4.0), **settings)

    def submit(self, page: int = 1, api_id: str = "id", **changes) -> Job:
        return self.submission(page, api_id, **changes)[0]

    def submission(self, page: int = 1, api_id: str = "id", **changes) -> tuple[Job, bool]:
        day = Criteria(epoch_ms(DAY), epoch_ms(DAY + timedelta(days=1)) - 1, ALL_SITES, 100, page)
        return self.board.submit(api_id, replace(day, **changes))

    def answer(self, job: Job) -> dict:
        """What a poll would answer now."""
        status = job.status(self.time() - 1000.0)
        return json.loads(job.passed_body() if status == "pass" else job.pending_body(status))["data"]

    def finished(self, job: Job) -> dict:
        self.time.pass_by(4.0)
        return self.answer(job)


@pytest.fixture
def bench(hand_clock):
    return Bench(hand_clock)


def test_a_job_works_for_a_while_and_then_passes(bench):
    job = bench.submit()
    assert bench.answer(job) == {
        "hash": job.hash, "status": "working", "data": [], "offset": 1, "limit": 100, "total": 0,
    }  # fmt: skip
    bench.time.pass_by(1.9)
    assert bench.answer(job)["status"] == "working", "no job is faster than job_seconds allows"
    bench.time.pass_by(2.2)
    passed = bench.answer(job)
    assert passed["status"] == "pass"
    assert (len(passed["data"]), passed["offset"], passed["limit"], passed["total"]) == (100, 1, 100, ROWS_PER_DAY)
    assert bench.answer(job) == passed, "a second poll finds the same"


def test_pages_together_are_the_window_and_nothing_else(bench):
    pages = [bench.finished(bench.submit(page)) for page in (1, 2, 3, 4)]
    assert [len(page["data"]) for page in pages] == [100, 100, 50, 0]
    assert {page["total"] for page in pages} == {ROWS_PER_DAY}
    rows = [row for page in pages for row in page["data"]]
    expected = bench.world.rows(DAY, DAY + timedelta(days=1) - timedelta(milliseconds=1))
    assert rows == [detail(row) for row in expected], "job rows lack the newer fields (L4)"


def test_job_rows_of_the_document_have_the_newer_fields(hand_clock):
    bench = Bench(hand_clock, live=False)
    rows = bench.finished(bench.submit())["data"]
    assert rows == list(bench.world.rows(DAY, DAY + timedelta(days=1)))[:100]
    assert all("transactionStatus" in row for row in rows)


@pytest.mark.parametrize(("live", "nothing"), [(True, (None, None, None)), (False, (1, 100, 0))])
def test_a_window_without_rows_has_no_total_either(hand_clock, live, nothing):
    bench = Bench(hand_clock, live=live)
    passed = bench.finished(bench.submit(start_ms=0, end_ms=1))
    assert (passed["offset"], passed["limit"], passed["total"]) == nothing
    assert (passed["status"], passed["data"]) == ("pass", [])


def test_a_page_past_the_end_still_tells_the_total(bench):
    past = bench.finished(bench.submit(page=4))
    assert (past["data"], past["total"]) == ([], ROWS_PER_DAY)


def test_a_job_can_be_pending_before_it_works(hand_clock):
    bench = Bench(hand_clock, pending_status=True)
    job = bench.submit()
    seen = []
    while not seen or seen[-1] != "pass":
        seen.append(bench.answer(job)["status"])
        bench.time.pass_by(0.5)
    assert list(dict.fromkeys(seen)) == ["pending", "working", "pass"]
    assert json.loads(job.bare_body("fail")) == {"data": {"hash": job.hash, "status": "fail"}}


def test_running_times_differ_between_jobs_and_not_between_runs(hand_clock):
    def running_times() -> list[float]:
        bench = Bench(hand_clock)
        return [bench.submit(page).ready_at for page in range(1, 9)]

    first = running_times()
    assert len(set(first)) == 8
    assert running_times() == first
    assert all(2.0 <= seconds <= 4.0 for seconds in first)


def test_equal_criteria_share_a_hash_for_twenty_minutes(bench):
    first, created = bench.submission()
    assert created
    bench.time.pass_by(1199)
    assert bench.submission() == (first, False)
    bench.time.pass_by(1)
    renewed, created = bench.submission()
    assert created
    assert renewed.hash != first.hash


def test_a_renewed_job_can_have_the_same_hash(hand_clock):
    bench = Bench(hand_clock, stable_hashes=True)
    first = bench.submit()
    bench.time.pass_by(1200)
    renewed, created = bench.submission()
    assert created
    assert renewed.hash == first.hash


@pytest.mark.parametrize(
    "changes", [{"page": 2}, {"limit": 99}, {"sites": frozenset({"MAIN"})}, {"end_ms": epoch_ms(DAY) + 5}]
)
def test_other_criteria_are_another_job(bench, changes):
    assert bench.submit().hash != bench.submit(**changes).hash


def test_a_hash_belongs_to_its_api_id(bench):
    job = bench.submit()
    assert bench.submit(api_id="other").hash != job.hash
    assert bench.board.poll("other", job.hash) is None
    assert bench.board.poll("id", job.hash) is job


def test_a_hash_is_forgotten_after_twenty_minutes(bench):
    job = bench.submit()
    bench.time.pass_by(1199.9)
    assert bench.board.poll("id", job.hash) is job
    bench.time.pass_by(0.1)
    assert bench.board.poll("id", job.hash) is None
    assert bench.board.poll("id", "never seen") is None


def test_rows_are_captured_when_the_job_starts(bench):
    job = bench.submit()
    bench.world.add_late_rows(DAY + timedelta(hours=12), 5)
    assert bench.finished(job)["total"] == ROWS_PER_DAY
    bench.time.pass_by(1200)
    assert bench.finished(bench.submit())["total"] == ROWS_PER_DAY + 5


def test_a_job_fails_once_and_passes_when_submitted_again(hand_clock):
    bench = Bench(hand_clock, Faults(fail_jobs=1))
    job = bench.submit()
    assert bench.answer(job)["status"] == "working"
    assert bench.submission() == (job, False), "while it runs it is the job of its criteria"
    failed = bench.finished(job)
    assert (failed["status"], failed["data"], failed["total"]) == ("fail", [], 0)
    again, created = bench.submission()
    assert created
    assert bench.finished(again)["status"] == "pass"


def test_a_sticky_failure_stays_with_its_criteria_and_not_with_smaller_windows(hand_clock):
    bench = Bench(hand_clock, Faults(sticky_fail_jobs=1))
    job = bench.submit()
    assert bench.finished(job)["status"] == "fail"
    assert bench.submission() == (job, False)
    half = bench.submit(end_ms=epoch_ms(DAY + timedelta(hours=12)))
    assert bench.finished(half)["status"] == "pass"
    bench.time.pass_by(1200)
    assert bench.finished(bench.submit())["status"] == "pass"


def test_an_endless_job_works_until_it_is_forgotten(hand_clock):
    bench = Bench(hand_clock, Faults(endless_jobs=1))
    job = bench.submit()
    bench.time.pass_by(1199)
    assert bench.answer(job)["status"] == "working"
    assert bench.submission() == (job, False)
    bench.time.pass_by(1)
    assert bench.board.poll("id", job.hash) is None
    assert bench.finished(bench.submit())["status"] == "pass"


def test_jobs_of_a_named_date_fail_until_it_is_taken_back(hand_clock):
    bench = Bench(hand_clock, Faults(fail_dates=[date(2026, 11, 3)]))
    next_day = DAY + timedelta(days=1)
    other = bench.submit(start_ms=epoch_ms(next_day), end_ms=epoch_ms(next_day) + 1)
    jobs = [bench.submit(page) for page in (1, 2)]
    assert [bench.finished(job)["status"] for job in [*jobs, other]] == ["fail", "fail", "pass"]
    assert bench.submission() == (jobs[0], False)
    bench.injector.set(Faults())
    again, created = bench.submission()
    assert created
    assert bench.finished(again)["status"] == "pass"


def test_an_early_expiry_forgets_the_hash_at_its_next_poll(hand_clock):
    bench = Bench(hand_clock, Faults(expire_hashes_early=1))
    job = bench.submit()
    assert bench.board.poll("id", job.hash) is None
    again, created = bench.submission()
    assert created
    assert bench.board.poll("id", again.hash) is again


def test_a_short_page_lacks_a_row_that_total_promises(hand_clock):
    bench = Bench(hand_clock, Faults(short_page=1))
    short, full = bench.finished(bench.submit(1)), bench.finished(bench.submit(2))
    assert (len(short["data"]), short["total"]) == (99, ROWS_PER_DAY)
    assert len(full["data"]) == 100


def test_a_repeated_row_stands_on_two_pages(hand_clock):
    bench = Bench(hand_clock, Faults(duplicate_rows=1))
    pages = [bench.finished(bench.submit(page))["data"] for page in (1, 2, 3)]
    assert pages[1][0] == pages[0][-1]
    assert [len(page) for page in pages] == [100, 100, 50]
    ids = [row["id"] for page in pages for row in page]
    assert len(ids) - len(set(ids)) == 1, "the row that was pushed out is on no page"


def test_a_malformed_row_cannot_be_parsed_and_leaves_the_world_alone(hand_clock):
    bench = Bench(hand_clock, Faults(malformed_rows=1))
    rows = bench.finished(bench.submit())["data"]
    assert [row["total"] for row in rows].count("abc") == 1
    assert all(row["total"] != "abc" for row in bench.world.rows(DAY, DAY + timedelta(days=1)))


def test_an_unknown_field_stands_in_every_row_of_a_page(hand_clock):
    bench = Bench(hand_clock, Faults(unknown_field=1))
    assert all(row["loyaltyTier"] == "gold" for row in bench.finished(bench.submit(1))["data"])
    assert not any("loyaltyTier" in row for row in bench.finished(bench.submit(2))["data"])


def test_a_moving_total_moves_between_pages_and_shifts_rows(hand_clock):
    bench = Bench(hand_clock, Faults(moving_total=1))
    pages = [bench.finished(bench.submit(page)) for page in (1, 2, 3)]
    assert [page["total"] for page in pages] == [ROWS_PER_DAY, ROWS_PER_DAY + 1, ROWS_PER_DAY + 1]
    assert pages[1]["data"][0] == pages[0]["data"][-1], "page 2 begins with what was the end of page 1"


def test_faults_of_pages_are_not_used_up_by_empty_ones(hand_clock):
    bench = Bench(hand_clock, Faults(malformed_rows=1, short_page=1))
    bench.submit(page=9)
    assert set(bench.injector.remaining()) == {"malformed_rows", "short_page"}
