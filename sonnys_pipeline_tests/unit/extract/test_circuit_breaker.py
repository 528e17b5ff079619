"""BM-06: the circuit breaker opens, probes with growing pauses, closes again, or breaks; requests stay bounded."""

import pytest

from sonnys_pipeline.extract.circuit_breaker import CircuitBreaker
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline_tests.support.loader_scene import Scene, keys


def opened(at: float = 100.0, **options: float) -> CircuitBreaker:
    """A breaker whose 20th failure came at this clock reading."""
    breaker = CircuitBreaker(15.0, **options)  # type: ignore[arg-type]
    for _ in range(20):
        breaker.sent()
        breaker.failed(at)
    return breaker


def test_it_stays_closed_while_requests_succeed() -> None:
    """Up to four failures in five are a bad day, not an outage, if they are not the last twenty."""
    breaker = CircuitBreaker(15.0)
    for number in range(200):
        breaker.sent()
        breaker.failed(float(number)) if number % 4 else breaker.succeeded()
        assert breaker.is_closed
        assert breaker.pause(float(number)) == 0.0


def test_it_needs_a_whole_sample_to_open() -> None:
    """Nineteen failures at the start are too few to judge by; the twentieth opens it."""
    breaker = CircuitBreaker(15.0)
    for _ in range(19):
        breaker.failed(100.0)
    assert breaker.pause(100.0) == 0.0
    breaker.failed(100.0)
    assert not breaker.is_closed
    assert breaker.pause(100.0) == 15.0
    assert breaker.pause(112.0) == 3.0


def test_success_before_the_sample_is_full_of_failures_keeps_it_closed() -> None:
    """Five successes among twenty are above the threshold; four are on it, and open it."""
    for successes, closed in ((5, True), (4, False)):
        breaker = CircuitBreaker(15.0)
        for number in range(20):
            breaker.succeeded() if number < successes else breaker.failed(0.0)
        assert breaker.is_closed is closed


def test_one_probe_at_a_time_with_doubling_pauses() -> None:
    """After 15, 30, 60, 120 and 240 s; while one is under way nothing else is sent."""
    breaker, now, pauses = opened(), 100.0, []
    while not breaker.is_broken:
        pause = breaker.pause(now)
        assert pause is not None
        pauses.append(pause)
        now += pause
        assert breaker.pause(now) == 0.0
        breaker.sent()
        assert breaker.pause(now) is None
        breaker.failed(now)
    assert pauses == [15.0, 30.0, 60.0, 120.0, 240.0]


def test_answers_from_before_it_opened_are_no_probes() -> None:
    """Requests that were under way when it opened may fail as they like: they neither break nor prolong it."""
    breaker = opened()
    for _ in range(30):
        breaker.failed(101.0)
    assert not breaker.is_broken
    assert breaker.pause(100.0) == 15.0


def test_a_probe_that_succeeds_closes_it() -> None:
    """And what was before is forgotten: it takes a whole sample to open it again, and five new probes to break it."""
    breaker = opened()
    for _ in range(4):
        breaker.sent()
        breaker.failed(200.0)
    breaker.sent()
    breaker.succeeded()
    assert breaker.is_closed
    assert breaker.pause(1000.0) == 0.0
    for _ in range(18):
        breaker.failed(1000.0)
    assert breaker.is_closed
    breaker.failed(1000.0)
    assert not breaker.is_closed
    assert breaker.pause(1000.0) == 15.0
    breaker.sent()
    breaker.failed(1015.0)
    assert not breaker.is_broken


@pytest.mark.parametrize(("sample", "probes"), [(20, 5), (5, 1), (1, 3)])
def test_requests_are_bounded(sample: int, probes: int) -> None:
    """An API that fails every request is asked `sample` + `probes` times, and those in flight."""
    breaker, now, asked = CircuitBreaker(15.0, sample=sample, probes=probes), 0.0, 0
    while not breaker.is_broken:
        now += breaker.pause(now) or 0.0
        breaker.sent()
        asked += 1
        breaker.failed(now)
    assert asked == sample + probes


@pytest.mark.parametrize("days", [5, 10])
@pytest.mark.parametrize("outage", [60, 200, 400])
def test_a_probe_is_not_held_against_the_job_that_makes_it(days: int, outage: float) -> None:
    """Minutes without an API cost no day: the retries of a job are for its own failures."""
    scene = Scene(fault_shares={"500": 1.0}, rows_per_day=150)
    honest = scene.api.arrive

    def arrive(operation: str) -> None:
        if scene.clock() > outage:
            scene.api.fault_shares = {}
        honest(operation)

    scene.api.arrive = arrive
    outcomes = scene.load(keys(days))
    assert [type(outcome) for outcome in outcomes] == [LoadedDay] * days
    assert scene.clock() > outage
