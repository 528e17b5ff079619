"""The loader on a virtual clock: BM-01, BM-02, BM-03, BM-06, BM-07, LJ-05, LJ-10; decision 1."""

import pickle
import re
from collections import Counter
from datetime import timedelta

import pytest
from pydantic_core import from_json, to_json

from sonnys_pipeline.calendar.windows import Day, Window
from sonnys_pipeline.client import (
    APIConnectionError,
    AuthError,
    IncompleteResultError,
    RateLimitError,
    ResponseFormatError,
    ValidationError,
)
from sonnys_pipeline.extract.events import FailedDay, LoadingStoppedError, LoadObserver
from sonnys_pipeline.extract.pages.assemble import ImplausibleTotalError, LoadedDay
from sonnys_pipeline.extract.protocols import DayRequest, LiveJob
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline_tests.support.loader_scene import Scene, keys
from sonnys_pipeline_tests.support.virtual_clock import VirtualApi


def floor_seconds(pages):
    """Two requests a page, 20 a block of 15 s, from the first request to the last."""
    return (-(-2 * pages // 20) - 1) * 15


def assert_whole(outcomes, days, rows_per_day):
    """Each day came out once, with each of its rows once."""
    assert sorted(outcome.day.key for outcome in outcomes) == sorted(days)
    ids = Counter(row_id for outcome in outcomes for row_id in outcome.table["id"].to_pylist())
    assert len(ids) == len(days) * rows_per_day
    assert set(ids.values()) == {1}


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("job_seconds", "latency", "most_over_floor", "most_per_page"),
    [((1, 4), 0.05, 1.06, 2.05), ((2, 20), 0.05, 1.12, 2.15), ((1, 4), 2.0, 1.10, 2.05)],
)
@pytest.mark.parametrize("seed", range(2))
def test_thirty_days_spend_the_budget_to_the_last_request(job_seconds, latency, most_over_floor, most_per_page, seed):
    """Near the arithmetic floor in time and in requests, without a single 429."""
    scene = Scene(job_seconds=job_seconds, latency=latency, seed=seed, rows_per_day=799)
    outcomes = scene.load(keys(30))
    assert_whole(outcomes, keys(30), 799)
    pages = sum(len(outcome.job_hashes) for outcome in outcomes)
    assert pages == 240
    assert job_seconds[0] / 2 <= scene.loader.job_seconds <= 1.5 * job_seconds[1]
    assert scene.api.counts["429"] == 0
    assert scene.elapsed <= most_over_floor * floor_seconds(pages)
    assert scene.api.counts["requests"] <= most_per_page * pages


@pytest.mark.no_cover
def test_days_come_out_in_order_and_few_are_open():
    """Earliest first, so that memory stays flat however many days there are."""
    scene = Scene(rows_per_day=1500)
    seen_open = 0
    order = []
    for outcome in scene.loader.load(DayRequest(Day.of(key)) for key in keys(60)):
        order.append(outcome.day.key)
        seen_open = max(seen_open, sum(len(work.rows) for day in scene.loader._schedule.days for work in day.windows))
    assert order == sorted(order)
    assert seen_open <= 120  # pages held: less than a tenth of the 900 that there are


@pytest.mark.no_cover
def test_slow_jobs_are_learned():
    """Jobs of minutes do not cost a storm of polls: one scout at a time until the first one has passed."""
    scene = Scene(job_seconds=(60, 240), rows_per_day=799)
    outcomes = scene.load(keys(30))
    assert_whole(outcomes, keys(30), 799)
    assert scene.api.counts["working"] <= 0.35 * 240


def test_an_empty_day_is_a_day_without_rows():
    """No rows is an answer, not a failure."""
    outcomes = Scene(rows_per_day=0).load(keys(2))
    assert [outcome.table.num_rows for outcome in outcomes] == [0, 0]


@pytest.mark.parametrize(
    "fault", ["500", "429", "drop_before", "drop_after", "fail", "endless", "early_404", "moved_total"]
)
def test_each_fault_heals(fault):
    """Three of one kind among ten days: every row once, and the price is bounded."""
    scene = Scene(fault_shares={fault: 0.2}, most_faults=3, rows_per_day=799)
    outcomes = scene.load(keys(10))
    assert scene.api.counts[f"fault:{fault}"] == 3
    assert_whole(outcomes, keys(10), 799)
    # The dearest one reads a window of eight pages again in halves, three times.
    assert scene.api.counts["requests"] <= 2 * 80 + 3 * 2 * 10 + 10


def test_a_failure_that_the_api_has_cached_does_not_hold_a_day_up():
    """A window whose job stays failed under its criteria is read in halves."""

    class Sticky(VirtualApi):
        def submit_job(self, **params):
            job_hash = super().submit_job(**params)
            whole_day = params["endDate"] - params["startDate"] == 86400
            self.jobs[job_hash].fails = whole_day and params["offset"] == 2
            return job_hash

    scene = Scene(rows_per_day=799)
    scene.api = scene.loader._api = Sticky(scene.clock, rows_per_day=799)
    outcomes = scene.load(keys(1))
    assert_whole(outcomes, keys(1), 799)
    assert len(outcomes[0].windows) == 2


def test_an_expired_hash_is_submitted_again():
    """A job whose hash has outlived its 20 minutes costs a new submission, not the day."""
    scene = Scene(rows_per_day=50)
    day = Day.of(keys(1)[0])
    scene.api.submit_job(**day.windows[0].params, limit=100, offset=1)
    scene.api.jobs["h0"].submitted = -1300.0
    outcomes = scene.load([DayRequest(day, live_jobs=[LiveJob(day.windows[0], 1, "h0", 1300.0)])])
    assert_whole(outcomes, keys(1), 50)
    assert scene.api.counts["submit"] == 2


def test_live_hashes_are_taken_up_again():
    """What a run before has submitted is polled, not submitted again (BM-05)."""
    scene = Scene(rows_per_day=799)
    day = Day.of(keys(1)[0])
    live = [
        LiveJob(day.windows[0], page, scene.api.submit_job(**day.windows[0].params, limit=100, offset=page), 0.0)
        for page in range(1, 9)
    ]
    before = scene.api.counts["submit"]
    outcomes = scene.load([DayRequest(day, live_jobs=live)])
    assert_whole(outcomes, keys(1), 799)
    assert scene.api.counts["submit"] == before


def test_live_jobs_of_other_windows_are_left_alone():
    """A hash of a window that the day does not have is not mistaken for one of its pages."""
    scene = Scene(rows_per_day=50)
    day = Day.of(keys(1)[0])
    half = Window(day.start, day.start + timedelta(hours=12))
    outcomes = scene.load([DayRequest(day, live_jobs=[LiveJob(half, 1, "somebody's", 1.0)])])
    assert_whole(outcomes, keys(1), 50)


@pytest.mark.parametrize(
    "error",
    [
        AuthError(403, "BadClientCredentialsError", ("no",)),
        ValidationError(422, "PayloadValidationError", ("too old",)),
    ],
)
def test_what_cannot_heal_ends_the_day_at_once(error):
    """403 and 422 cost one request and no repetition (BM-02)."""
    scene = Scene()

    def refuse(**params):
        scene.api.arrive("submit")
        raise error

    scene.api.submit_job = refuse
    (outcome,) = scene.load(keys(1))
    assert isinstance(outcome, FailedDay)
    assert outcome.error is error
    assert scene.api.counts["requests"] == 1


def test_a_day_gives_up_within_its_retries():
    """A page that never works costs its first try and `max_retries` more; the other day is not touched by it."""
    scene = Scene(rows_per_day=50, options=LoaderOptions(max_retries=3))
    bad, good = keys(2)
    bad_start = Day.of(bad).windows[0].params["startDate"]
    honest = scene.api.submit_job

    def submit(**params):
        if params["startDate"] != bad_start:
            return honest(**params)
        scene.api.arrive("bad")
        raise APIConnectionError("dropped")

    scene.api.submit_job = submit
    outcomes = {
        outcome.request.day.key if isinstance(outcome, FailedDay) else outcome.day.key: outcome
        for outcome in scene.load([bad, good])
    }
    assert isinstance(outcomes[bad], FailedDay)
    assert isinstance(outcomes[good], LoadedDay)
    assert scene.api.counts["bad"] == 4


def test_rows_that_never_add_up_fail_the_day():
    """`total` that promises a row more than there ever is: an error that says by how much, never a short day."""
    scene = Scene(rows_per_day=50)
    honest = scene.api.get_job_body
    scene.api.get_job_body = lambda job_hash: re.sub(
        rb'"total":(\d+)}', lambda found: b'"total":%d}' % (int(found[1]) + 1), honest(job_hash)
    )
    (outcome,) = scene.load(keys(1))
    assert isinstance(outcome.error, IncompleteResultError)
    assert outcome.error.received - outcome.error.promised == -1


def test_an_api_that_always_fails_is_left_alone():
    """With every answer a 500 the run stops itself after a bounded number of requests, and says why (BM-06)."""
    scene = Scene(fault_shares={"500": 1.0})
    with pytest.raises(LoadingStoppedError, match="fails every request"):
        scene.load(keys(30))
    assert scene.api.counts["requests"] <= 20 + 20 + 5
    assert scene.pool.closed


def test_an_outage_of_minutes_is_waited_out():
    """A breaker that opened closes again when a probe succeeds; no day is lost to it."""
    scene = Scene(rows_per_day=799)
    honest = scene.api.arrive
    scene.api.fault_shares = {"500": 1.0}

    def arrive(operation):
        if scene.clock() > 100:
            scene.api.fault_shares = {}
        honest(operation)

    scene.api.arrive = arrive
    outcomes = scene.load(keys(10))
    assert_whole(outcomes, keys(10), 799)


def test_a_budget_that_others_spend_is_waited_for_but_not_for_ever():
    """429 is nobody's failure, so no day fails of it; refused without end, the run stops."""
    scene = Scene()

    def refuse(**params):
        scene.api.arrive("submit")
        raise RateLimitError(429, "RequestRateExceedError", ("too many",))

    scene.api.submit_job = refuse
    with pytest.raises(LoadingStoppedError, match="429"):
        scene.load(keys(3))
    assert scene.api.counts["requests"] <= 201


def test_closing_the_iterator_drops_what_is_in_flight():
    """Whoever leaves early leaves nothing running (BM-03)."""
    scene = Scene(rows_per_day=799)
    outcomes = scene.loader.load(DayRequest(Day.of(key)) for key in keys(10))
    next(outcomes)
    outcomes.close()
    assert scene.pool.closed


def test_stop_ends_the_run_without_finishing_open_days():
    """`stop` sends nothing more."""
    scene = Scene(rows_per_day=799)
    outcomes = scene.loader.load(DayRequest(Day.of(key)) for key in keys(10))
    next(outcomes)
    scene.loader.stop()
    sent = scene.loader.requests
    assert len(list(outcomes)) <= 1
    assert scene.loader.requests == sent


def test_the_intent_is_told_before_the_post_and_the_hash_after_it():
    """The ledger can know of every job that the API may know of (decision 4)."""
    told = []

    class Ledger(LoadObserver):
        def submitting(self, job):
            told.append(("submitting", job.page, scene.api.counts["submit"]))

        def submitted(self, job):
            told.append(("submitted", job.page, job.job_hash))

        def attempted(self, attempt):
            told.append((attempt.operation, attempt.page, attempt.outcome))

    scene = Scene(rows_per_day=150, observer=Ledger())
    scene.load(keys(1))
    first = [entry for entry in told if entry[1] == 1][:3]
    assert first == [("submitting", 1, 0), ("submit", 1, "submitted"), ("submitted", 1, "h0")]
    assert sum(entry[0] in {"submit", "poll", "count"} for entry in told) == scene.api.counts["requests"]


def test_a_defect_is_not_taken_for_an_answer():
    """An error that is not the API's comes out as it is."""
    scene = Scene()

    def broken(**params):
        raise ZeroDivisionError

    scene.api.submit_job = broken
    with pytest.raises(ZeroDivisionError):
        scene.load(keys(1))


class Promising(VirtualApi):
    """Answers the job of one day with a total of its own choice, and with so many rows a page."""

    promised, brings = 10**12, 100

    def get_job_body(self, job_hash):
        body = super().get_job_body(job_hash)
        data = from_json(body)["data"]
        if data["status"] == "pass" and self.jobs[job_hash].params["startDate"] // 86400 % 2:
            data |= {"total": self.promised, "data": data["data"][: self.brings]}
        return to_json({"data": data})


@pytest.mark.parametrize(
    ("promised", "brings", "error", "said"),
    [
        (10**7, 100, ImplausibleTotalError, "promises 10,000,000 rows, more than the limit of 1,000,000"),
        (10**5, 2, IncompleteResultError, "page 1 is not full"),
        (10**5, 0, IncompleteResultError, "page 1 is not full"),
        (10**12, 100, ResponseFormatError, "`total` should be a number from 0 to"),
    ],
)
def test_a_total_that_cannot_be_costs_its_day_and_little_else(promised, brings, error, said):
    """Neither memory nor requests for rows that do not come; the days beside it land."""
    scene = Scene(rows_per_day=300)
    scene.api.__class__ = type("Promising", (Promising,), {"promised": promised, "brings": brings})
    outcomes = scene.load(keys(4))
    failed = [outcome for outcome in outcomes if isinstance(outcome, FailedDay)]
    assert len(failed) == 2
    assert sum(outcome.table.num_rows for outcome in outcomes if isinstance(outcome, LoadedDay)) == 600
    for day in failed:
        assert isinstance(day.error, error)
        assert said in str(day.error)
        assert day.requests < 60


def test_a_total_is_bounded_for_each_site():
    """What one site cannot have, all of them together may; the setting is named."""
    scene = Scene(rows_per_day=250, options=LoaderOptions(most_rows=200))
    assert isinstance(scene.load(keys(1))[0], LoadedDay)
    scene = Scene(rows_per_day=250, options=LoaderOptions(most_rows=200))
    (day,) = scene.load([DayRequest(Day.of(keys(1)[0]), sites=("MAIN",))])
    assert isinstance(day.error, ImplausibleTotalError)
    assert "of site MAIN: the API promises 251 rows" in str(day.error)
    assert "raise SONNYS_MOST_ROWS" in str(day.error)
    assert pickle.loads(pickle.dumps(day.error)).args == day.error.args  # noqa: S301 - our own bytes


def test_days_whose_states_alone_are_wanted_are_read_by_lists_alone():
    """They have no load job whose answer could bring them on: their lists are asked for from the start."""
    scene = Scene(rows_per_day=250, options=LoaderOptions(states="auto"))
    outcomes = scene.load(DayRequest(Day.of(key), reads="states") for key in keys(3))
    assert [outcome.states.table.num_rows for outcome in outcomes] == [250, 250, 250]
    assert scene.api.counts["states"] == scene.api.counts["requests"] == 3 * 3
