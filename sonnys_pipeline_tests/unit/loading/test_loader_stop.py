"""BM-04, BM-05: a run that is told to stop hears of what it has just submitted, and leaves."""

import pytest

from sonnys_pipeline.loading.outcomes import LoadObserver
from sonnys_pipeline_tests.unit.loading.scene import Scene, keys


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
    assert scene.load(keys(30)) == []
    assert told == ["submitting"] * 10 + ["submitted"] * 10 * heard
    assert scene.api.counts["requests"] == 10
    assert scene.clock() <= 2.5
    assert scene.exchange.closed
