"""BM-04, BM-05: a run that is told to stop hears of what it has just submitted, and leaves."""

import random

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.events import LoadObserver
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline_tests.support.loader_scene import Scene, keys


@pytest.mark.parametrize(("latency", "heard"), [(0.5, True), (30.0, False)])
def test_stop_hears_of_the_jobs_that_are_being_submitted(latency, heard):
    """For two seconds at most: a hash that is known need not be submitted again; nothing more is sent."""
    told = []

    class Ledger(LoadObserver):
        def submitting(self, job):
            told.append("submitting")
            if len(told) == 10:
                scene.loader.stop()

        def submitted(self, job):
            told.append("submitted")

    scene = Scene(rows_per_day=799, latency=latency, observer=Ledger())
    # Of one site: the first load job that names none goes alone, to see whether the key allows it.
    assert scene.load([DayRequest(Day.of(key), sites=("MAIN",)) for key in keys(30)]) == []
    assert told == ["submitting"] * 10 + ["submitted"] * 10 * heard
    assert scene.api.counts["requests"] == 10
    assert scene.clock() <= 2.5
    assert scene.pool.closed


@pytest.mark.parametrize("in_order", [False, True])
def test_a_day_that_completes_in_the_last_moment_comes_out(in_order):
    """While the hashes of others are awaited: it is read and paid for, and is not read again."""

    class Stopping(LoadObserver):
        expected = None

        def submitting(self, job):
            answers = [answer for _, _, answer in scene.pool.under_way if isinstance(answer.value, PageRows)]
            if answers and self.expected is None:
                self.expected = {answer.key.job.work.day.request.day.key for answer in answers}
                scene.pool.latency = lambda: 1.9  # this submission is answered after every poll
                scene.loader.stop()

    observer = Stopping()
    options = LoaderOptions(in_order=in_order, max_open_days=4)
    scene = Scene(rows_per_day=50, job_seconds=(0.1, 0.2), observer=observer, options=options)
    latencies = random.Random(1)
    scene.pool.latency = lambda: latencies.uniform(0.1, 1.5)
    out = [outcome.day.key for outcome in scene.load_lazily(keys(60))]
    assert observer.expected
    assert observer.expected <= set(out)
    assert len(out) < 60
