"""decision 1; BM-01: how long load jobs take is learned from answers that only bound it; how many to keep."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.extract.job_timing import JobTimes, in_flight_target


def test_the_first_guess_is_the_poll_interval() -> None:
    """And never more than a job may take."""
    assert JobTimes(2.0, 300.0).expected_ready_age == 2.0
    assert JobTimes(2.0, 0.5).expected_ready_age == 0.5
    assert not JobTimes(2.0, 300.0).proven


@given(ages=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=50))
def test_a_pass_never_lengthens(ages: list[float]) -> None:
    """It took *at most* so long: a learner that took it for the job's time would wait longer and longer."""
    times = JobTimes(2.0, 300.0)
    for age in ages:
        before = times.expected_ready_age
        times.record_passed(age)
        assert times.expected_ready_age <= before
    assert times.proven


def test_a_late_pass_says_nothing_and_a_timely_one_shortens() -> None:
    """Seen long after the job was ready, a pass is no news."""
    times = JobTimes(2.0, 300.0)
    times.record_passed(200.0)
    assert times.expected_ready_age == 2.0
    times.record_passed(2.0)
    assert 1.9 < times.expected_ready_age < 2.0


def test_passes_shorten_to_a_floor() -> None:
    """Jobs that are always ready are asked for soon, but not at once."""
    times = JobTimes(2.0, 300.0)
    for _ in range(10_000):
        times.record_passed(0.0)
    assert times.expected_ready_age == pytest.approx(0.1)


def test_working_lengthens() -> None:
    """Past the age at which it was asked; an answer from long before that age says nothing new."""
    times = JobTimes(2.0, 300.0)
    times.record_working(0.5)
    assert times.expected_ready_age == 2.0
    times.record_working(2.0)
    assert 2.0 < times.expected_ready_age < 4.0
    times.record_working(40.0)
    assert 40.0 < times.expected_ready_age < 80.0


def test_it_grows_faster_until_a_job_has_passed() -> None:
    """With nothing known, few polls should be enough to find out."""
    guessing, knowing = JobTimes(2.0, 300.0), JobTimes(2.0, 300.0)
    knowing.record_passed(2.0)
    guessing.record_working(2.0)
    knowing.record_working(2.0)
    assert guessing.expected_ready_age > knowing.expected_ready_age


@given(ages=st.lists(st.floats(0.0, 1e6), max_size=60))
def test_no_job_is_given_more_than_its_timeout(ages: list[float]) -> None:
    """However long jobs work, they are asked by then."""
    times = JobTimes(2.0, 300.0)
    for age in ages:
        times.record_working(age)
        assert 2.0 <= times.expected_ready_age <= 300.0


@pytest.mark.parametrize("longest", [4.0, 20.0, 120.0])
def test_at_rest_few_polls_come_too_early(longest: float) -> None:
    """Of jobs of 1 to `longest` seconds, one poll in ten at most is in vain, and none waits for twice the longest."""
    drawn = random.Random(1)
    times = JobTimes(2.0, 300.0)
    vain = 0
    for number in range(3000):
        seconds = drawn.uniform(1.0, longest)
        age = times.expected_ready_age
        while age < seconds:
            times.record_working(age)
            vain += number >= 500
            age = max(times.expected_ready_age, age * 1.25)
        times.record_passed(age)
    assert vain <= 0.1 * 2500
    assert longest / 2 < times.expected_ready_age < 2 * longest


@given(
    requests=st.integers(1, 200),
    seconds=st.floats(0.01, 600.0),
    expected_ready_age=st.floats(0.01, 1000.0),
    lifetime=st.floats(0.1, 5000.0),
    most=st.integers(1, 500),
)
def test_jobs_in_flight_are_bounded(
    requests: int, seconds: float, expected_ready_age: float, lifetime: float, most: int
) -> None:
    """At least one; never more than `most`, nor than half a hash's life has polls for when half of them submit."""
    rate = RequestRate(requests, seconds)
    target = in_flight_target(rate, expected_ready_age, lifetime, most)
    assert 1 <= target <= most
    assert target <= max(1.0, lifetime / 2 * (requests / seconds) / 2)


def test_slow_jobs_are_kept_in_flight_in_greater_number() -> None:
    """The real rate: two blocks of them while jobs are quick; with jobs of minutes, enough to submit meanwhile."""
    rate = RequestRate(20, 15.0)
    assert in_flight_target(rate, 2.0, 1200.0, 200) == 40
    # While one job runs its 120 s, 80 others can be submitted with half of the budget; half as many again in reserve.
    assert in_flight_target(rate, 120.0, 1200.0, 200) == 120
    assert in_flight_target(rate, 300.0, 1200.0, 200) == 200
    assert in_flight_target(rate, 300.0, 60.0, 200) == 20
