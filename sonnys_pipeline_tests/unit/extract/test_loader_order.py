"""BX-05, BM-01: with `in_order` days come out as if read one by one, and that costs no request and no time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonnys_pipeline.client import RateLimitError, ValidationError
from sonnys_pipeline.extract.events import FailedDay, LoadingStoppedError, LoadObserver
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline_tests.support.loader_scene import Scene, keys
from sonnys_pipeline_tests.support.virtual_clock import EPOCH

_FIRST = int(EPOCH.timestamp()) // 86400


class Watched(Scene, LoadObserver):
    """A scene in which some days fail and some are slow, that notes what happens; days go by their numbers, from 0."""

    def __init__(self, bad=(), slow=(), max_open_days=60, **more):
        options = LoaderOptions(in_order=True, max_open_days=max_open_days)
        super().__init__(options=options, observer=self, **more)
        self.bad, self.slow, self.refused_from = set(bad), set(slow), float("inf")
        self.events = []  # ("sent", day) and ("failed", day), as they happen
        self.most_kept = 0
        self._submit, self._poll = self.api.submit_job, self.api.get_job_body
        self.api.submit_job, self.api.get_job_body = self._submit_job, self._get_job_body

    def _submit_job(self, **params):
        self._sent(params)
        job_hash = self._submit(**params)
        if self._number(params) in self.slow:
            self.api.jobs[job_hash].ready = self.clock() + 250.0
        return job_hash

    def _get_job_body(self, job_hash):
        params = self.api.jobs[job_hash].params
        self._sent(params)
        body = self._poll(job_hash)
        if self._number(params) in self.bad and b'"working"' not in body:
            raise ValidationError(422, "PayloadValidationError", ("refused",))
        return body

    def _sent(self, params):
        if self.clock() >= self.refused_from:
            raise RateLimitError(429, "RequestRateExceedError", ("somebody else spends it all",))
        self.events.append(("sent", self._number(params)))
        self.most_kept = max(self.most_kept, len(self.loader._schedule.days) + len(self.loader._finished))

    @staticmethod
    def _number(params):
        return params["startDate"] // 86400 - _FIRST

    def attempted(self, attempt):
        if attempt.outcome == "ValidationError":
            self.events.append(("failed", keys(40).index(attempt.day)))

    def numbers(self, days):
        """What comes out, as numbers of days; failed ones are negative, from -1."""
        for outcome in self.load_lazily(keys(days)):
            yield (
                -1 - keys(days).index(outcome.request.day.key)
                if isinstance(outcome, FailedDay)
                else keys(days).index(outcome.day.key)
            )


SCENES = {
    "days": st.integers(1, 12),
    "rows_per_day": st.integers(1, 250),
    "job_seconds": st.tuples(st.floats(0.0, 5.0), st.floats(5.0, 90.0)),
    "latency": st.floats(0.0, 4.0),
    "seed": st.integers(0, 2**16),
}


@pytest.mark.no_cover
@settings(max_examples=30)
@given(**SCENES, slow=st.sets(st.integers(0, 11)))
def test_days_come_out_in_order_whatever_the_answers_order(days, slow, **scene):
    """Each of them once; none before those before it."""
    assert list(Watched(slow=slow, **scene).numbers(days)) == list(range(days))


@settings(max_examples=40)
@given(**SCENES, bad=st.sets(st.integers(0, 11), min_size=1), slow=st.sets(st.integers(0, 11)))
def test_the_first_failing_day_is_the_last_that_comes_out(days, bad, slow, **scene):
    """Whichever fails first: every day before it is complete, none behind it comes out.

    Once a day is known to have failed, nothing is asked for any day behind it.
    """
    watched = Watched(bad=bad, slow=slow, **scene)
    first = min(bad)
    expected = list(range(days)) if first >= days else [*range(first), -1 - first]
    assert list(watched.numbers(days)) == expected
    last = days
    for kind, number in watched.events:
        if kind == "failed":
            last = min(last, number)
        else:
            assert number <= last


def test_the_days_of_a_slow_one_do_not_come_out_of_turn():
    """The premise of all this: without `in_order` they do."""
    watched = Watched(slow={0}, seed=3)
    watched.loader._options = LoaderOptions()
    assert next(watched.numbers(5)) != 0


@pytest.mark.parametrize("max_open_days", [1, 4])
def test_no_more_days_are_kept_than_may_be_open(max_open_days):
    """Days that wait for their turn take room like open ones: memory stays flat behind a day that does not end."""
    watched = Watched(slow={0, 7}, max_open_days=max_open_days, rows_per_day=150)
    assert list(watched.numbers(12)) == list(range(12))
    assert watched.most_kept == max_open_days
    before_day_0_ended = watched.events[: max(at for at, event in enumerate(watched.events) if event == ("sent", 0))]
    assert {number for _, number in before_day_0_ended} <= set(range(max_open_days))


def test_a_stop_releases_what_is_complete():
    """At once and in order: these days are read and paid for; the open ones are not waited for."""
    watched = Watched(slow={0, 3}, rows_per_day=50)
    found = []

    def attempted(attempt):
        if watched.clock() > 60 and not watched.loader._stopping:
            watched.loader.stop()
            found.append(len(watched.events))

    watched.attempted = attempted
    assert list(watched.numbers(6)) == [1, 2, 4, 5]
    assert len(watched.events) == found[0]
    assert watched.pool.closed


@pytest.mark.parametrize(("landing_takes", "landed"), [(0.2, [1, 2, 4, 5]), (0.6, [1, 2]), (3.0, [1])])
def test_a_slow_store_does_not_hold_up_a_stop(landing_takes, landed):
    """Landing complete days takes a second and the last one's landing (BM-04); a resume polls what did not come out."""
    watched = Watched(slow={0, 3}, rows_per_day=50)

    def attempted(attempt):
        if watched.clock() > 60:
            watched.loader.stop()

    watched.attempted = attempted
    found = []
    for number in watched.numbers(6):
        found.append(number)
        watched.clock.seconds += landing_takes
    assert found == landed


def test_a_run_that_stops_itself_does_not_take_complete_days_with_it():
    """They come out before the error does, which here is that of a budget that somebody else spends."""
    watched = Watched(slow={0}, rows_per_day=50)
    watched.refused_from = 60.0
    coming = watched.numbers(6)
    assert [next(coming) for _ in range(5)] == [1, 2, 3, 4, 5]
    with pytest.raises(LoadingStoppedError):
        next(coming)


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(2))
def test_order_costs_nothing(seed):
    """Two requests a page, and the same requests at the same moments as without it."""
    ordered, free = Watched(rows_per_day=799, seed=seed), Scene(rows_per_day=799, seed=seed)
    pages = sum(len(outcome.job_hashes) for outcome in ordered.load(keys(30)))
    free.load(keys(30))
    assert pages == 240
    assert ordered.api.counts["requests"] <= 2.05 * pages
    assert ordered.api.arrivals == free.api.arrivals
    assert ordered.api.counts["429"] == 0
