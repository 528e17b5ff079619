"""BM-05, BM-07: how long a store may be away, how often it is asked meanwhile, and what is said in the end."""

import pytest

from sonnys_pipeline.runtime.outage import DEADLINE, HURRIED_DEADLINE, OutageDeadline
from sonnys_pipeline_tests.unit.conftest import SleepClock


class Away(Exception):  # noqa: N818 - a state, not an error, in these tests
    """The store is away."""


class GivenUp(Exception):  # noqa: N818 - the same
    """It has been away for too long."""


@pytest.fixture
def clock() -> SleepClock:
    return SleepClock()


@pytest.fixture
def deadline(clock: SleepClock) -> OutageDeadline:
    return OutageDeadline(3.0, clock=clock, sleep=clock.sleep)


def outage(error: Exception) -> Exception | None:
    return GivenUp(str(error)) if isinstance(error, Away) else None


def test_backoff_doubles_until_the_deadline(clock: SleepClock, deadline: OutageDeadline) -> None:
    """From a tenth of a second to one; once the store has answered, the deadline counts from the next failure."""
    assert not deadline.is_away
    pauses = []
    while (pause := deadline.next_backoff()) is not None:
        pauses.append(pause)
        clock.sleep(pause)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert deadline.is_away
    assert deadline.next_backoff() is None
    deadline.answered()
    assert not deadline.is_away
    assert deadline.next_backoff() == 0.1


def test_a_store_that_comes_back_is_asked_until_then(clock: SleepClock, deadline: OutageDeadline) -> None:
    """The answer is handed on, and the outage is over."""

    def ask() -> str:
        if clock.now < 101:
            raise Away
        return "answer"

    assert deadline.retry(ask, outage) == "answer"
    assert 101 <= clock.now < 102
    assert not deadline.is_away


def test_a_store_that_stays_away_is_an_error(clock: SleepClock, deadline: OutageDeadline) -> None:
    """The one that `outage` gave, with the last failure as its cause; the next question is not waited for again."""

    def ask() -> None:
        raise Away("no route")

    for expected in (3.0, 0.0):
        started = clock.now
        with pytest.raises(GivenUp, match="no route") as caught:
            deadline.retry(ask, outage)
        assert expected <= clock.now - started < expected + 1
        assert isinstance(caught.value.__cause__, Away)


def test_an_error_that_is_no_outage_is_raised_at_once(clock: SleepClock, deadline: OutageDeadline) -> None:
    """As it is."""

    def ask() -> None:
        raise KeyError("defect")

    with pytest.raises(KeyError, match="defect") as caught:
        deadline.retry(ask, outage)
    assert caught.value.__cause__ is None
    assert clock.now == 100.0


def test_whoever_hurries_waits_less(clock: SleepClock) -> None:
    """BM-04: two seconds instead of a minute, once the run is to end."""
    deadline = OutageDeadline(clock=clock, sleep=clock.sleep)
    assert deadline.seconds == DEADLINE == 60

    def ask() -> None:
        raise Away

    deadline.hurry()
    with pytest.raises(GivenUp):
        deadline.retry(ask, outage)
    assert HURRIED_DEADLINE <= clock.now - 100 < HURRIED_DEADLINE + 1
