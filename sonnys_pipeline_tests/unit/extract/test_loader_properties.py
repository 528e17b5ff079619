"""Whatever goes wrong, every row once or a named failure: BM-02, BM-03, LJ-05, LJ-10 under random faults."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.events import FailedDay, LoadingStoppedError
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline_tests.support.loader_scene import Scene, keys

FAULTS = ["500", "429", "drop_before", "drop_after", "fail", "endless", "early_404", "moved_total"]


@pytest.mark.no_cover
@settings(max_examples=60, deadline=None)
@given(
    shares=st.dictionaries(st.sampled_from(FAULTS), st.floats(0.0, 0.35)),
    days=st.integers(1, 6),
    rows_per_day=st.integers(0, 260),
    job_seconds=st.tuples(st.floats(0.0, 5.0), st.floats(5.0, 90.0)),
    latency=st.floats(0.0, 5.0),
    seed=st.integers(0, 2**16),
)
def test_every_row_once_or_a_named_failure(shares, days, rows_per_day, job_seconds, latency, seed):
    """A day comes out whole, fails with a reason, or the run says that it stopped; no row is lost, none doubled."""
    options = LoaderOptions(job_timeout=100.0)
    scene = Scene(
        fault_shares=shares,
        rows_per_day=rows_per_day,
        job_seconds=job_seconds,
        latency=latency,
        seed=seed,
        options=options,
    )
    outcomes = []
    stopped = False
    try:
        outcomes.extend(scene.load_lazily(keys(days)))
    except LoadingStoppedError:
        stopped = True
    ended = [outcome.request.day.key if isinstance(outcome, FailedDay) else outcome.day.key for outcome in outcomes]
    assert len(ended) == len(set(ended))
    assert stopped or sorted(ended) == keys(days)
    for outcome in outcomes:
        if isinstance(outcome, FailedDay):
            assert str(outcome.error)
            continue
        ids = Counter(outcome.table["id"].to_pylist())
        span = Day.of(outcome.day.key)
        expected = [
            f"{round(instant * 1000)}:1"
            for instant, _ in scene.api.instants(int(span.start.timestamp()), int(span.end.timestamp()) - 1)
        ]
        assert ids == Counter(expected)
    assert scene.pool.closed


@pytest.mark.no_cover
@settings(max_examples=30, deadline=None)
@given(
    days=st.integers(1, 12), rows_per_day=st.integers(1, 900), latency=st.floats(0.0, 3.0), seed=st.integers(0, 2**16)
)
def test_without_faults_nothing_is_refused_or_wasted_for_long(days, rows_per_day, latency, seed):
    """No 429, no failed day, and at most two requests a page beside the polls that ask too early."""
    scene = Scene(rows_per_day=rows_per_day, latency=latency, seed=seed)
    outcomes = scene.load(keys(days))
    pages = sum(len(outcome.job_hashes) for outcome in outcomes)
    assert scene.api.counts["429"] == 0
    assert scene.api.counts["requests"] == 2 * pages + scene.api.counts["working"]
