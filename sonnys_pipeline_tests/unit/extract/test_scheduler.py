"""BM-01, LJ-11; decision 1: which request is the most useful one now, and how much is begun at once."""

from collections.abc import Callable, Iterator

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions, Schedule
from sonnys_pipeline.extract.state import JobState, PageJob
from sonnys_pipeline_tests.support.loader_scene import keys

MakePage = Callable[..., PageRows]
RATE = RequestRate(20, 15.0)
NOON = "2026-07-01T12:00:00.000Z"


def requests(count: int) -> Iterator[DayRequest]:
    return (DayRequest(Day.of(key)) for key in keys(count))


def schedule(days: int = 3, rate: RequestRate = RATE, **options: float) -> Schedule:
    return Schedule(requests(days), rate, LoaderOptions(**options))  # type: ignore[arg-type]


def submit(plan: Schedule, now: float) -> PageJob:
    """What the loader does with a submission: sent, and answered with a hash."""
    action = plan.next_action(now)
    assert action is not None
    job, operation = action
    assert operation == "submit"
    job.state, job.job_hash, job.submitted_at = JobState.RUNNING, f"{id(job)}", now
    return job


def day_of(job: PageJob) -> str:
    return job.work.day.request.day.key


def expand(job: PageJob, make_page: MakePage, total: int) -> None:
    """Page 1 of a window arrives."""
    noon = f"{job.work.window.start:%Y-%m-%d}T12:00:00.000Z"
    assert job.work.add_page(job, make_page([noon] * min(total, 100), total=total))


def test_submissions_come_first(make_page: MakePage) -> None:
    """While there are any, ready jobs wait: pages of the earliest day, then the first page of the next one."""
    plan = schedule(days=2)
    first = submit(plan, 0.0)
    expand(first, make_page, 250)
    asked = [submit(plan, 100.0) for _ in range(3)]
    assert [(day_of(job), job.page) for job in asked] == [(keys(2)[0], 2), (keys(2)[0], 3), (keys(2)[1], 1)]
    assert plan.next_action(101.0) is None  # none of them is ready, and there is no day more
    assert plan.next_action(102.0) is not None


def test_days_are_opened_only_when_there_is_nothing_else_to_submit() -> None:
    """Days to come are not even asked for before: their live jobs are looked up when they can be used."""
    taken = []

    def coming() -> Iterator[DayRequest]:
        for request in requests(3):
            taken.append(request.day.key)
            yield request

    plan = Schedule(coming(), RATE, LoaderOptions())
    assert taken == []
    plan.next_action(0.0)
    assert taken == keys(1)
    plan.next_action(0.0)  # nothing has been done about the first one
    assert taken == keys(1)


def test_polls_take_the_earliest_day_first(make_page: MakePage) -> None:
    """So that days complete one after the other; among pages of known windows."""
    plan = schedule(days=2)
    one, other = submit(plan, 0.0), submit(plan, 0.0)
    for job in (one, other):
        expand(job, make_page, 150)
    rest = [submit(plan, 1.0) for _ in range(2)]
    assert plan.next_action(1.5) is None
    assert plan.next_action(10.0) == (rest[0], "poll")
    rest[0].state = JobState.DONE
    assert plan.next_action(10.0) == (rest[1], "poll")


def test_among_jobs_that_are_barely_ripe_the_oldest_is_asked(make_page: MakePage) -> None:
    """It is the likeliest to be ready; a day goes before others once its jobs surely are."""
    plan = schedule(days=2)
    one, other = submit(plan, 0.0), submit(plan, 0.0)
    expand(other, make_page, 150)
    later_day = submit(plan, 1.0)
    expand(one, make_page, 150)
    earlier_day = submit(plan, 2.0)
    assert (day_of(earlier_day), day_of(later_day)) == (keys(2)[0], keys(2)[1])
    assert plan.next_action(4.5) == (later_day, "poll")
    assert plan.next_action(9.0) == (earlier_day, "poll")


def test_the_opener_of_a_window_comes_first_when_submissions_run_dry(make_page: MakePage) -> None:
    """Only page 1 tells of more pages: with nothing to submit it goes before an earlier day's last pages."""
    plan = schedule(days=2)
    one, other = submit(plan, 0.0), submit(plan, 0.0)
    expand(one, make_page, 150)
    last_page = submit(plan, 0.0)
    plan.times.record_passed(1.0)
    assert plan.next_action(50.0) == (other, "poll")
    expand(other, make_page, 50)
    assert plan.next_action(50.0) == (last_page, "poll")


def test_one_scout_until_a_job_has_passed() -> None:
    """With nothing known of how long jobs take, one poll at a time: a storm of `working` is requests thrown away."""
    plan = schedule(days=2)
    scout, other = submit(plan, 0.0), submit(plan, 0.0)
    assert plan.next_action(10.0) == (scout, "poll")
    scout.state = JobState.POLLING
    assert plan.next_action(10.0) is None
    plan.times.record_passed(10.0)
    assert plan.next_action(10.0) == (other, "poll")


def test_a_scout_that_was_not_ready_lets_the_others_go_first() -> None:
    """It may be the one job that never ends; once all have been asked in vain, or one has passed, it is asked again."""
    plan = schedule(days=2)
    scout, other = submit(plan, 0.0), submit(plan, 0.0)
    scout.was_working = True
    assert plan.next_action(10.0) == (other, "poll")
    other.not_before = 30.0
    assert plan.next_action(10.0) is None
    assert plan.until_next(10.0) == pytest.approx(20.0)
    other.was_working = True
    assert plan.next_action(10.0) == (scout, "poll")
    other.was_working = False
    plan.times.record_passed(10.0)
    assert plan.next_action(10.0) == (scout, "poll")


def test_a_job_is_not_polled_before_it_is_ripe() -> None:
    """By its age, and by the moment before which it is not to be asked again."""
    plan = schedule(days=1)
    job = submit(plan, 0.0)
    assert plan.next_action(1.9) is None
    assert plan.until_next(0.5) == pytest.approx(1.5)
    job.not_before = 7.0
    assert plan.next_action(6.9) is None
    assert plan.until_next(5.0) == pytest.approx(2.0)
    assert plan.next_action(7.0) == (job, "poll")


def test_half_way_to_its_end_a_hash_is_urgent(make_page: MakePage) -> None:
    """At 600 of its 1,200 s it is polled before anything is submitted."""
    plan = schedule(days=2)
    old = submit(plan, 0.0)
    assert plan.next_action(599.0) == (plan.days[1].windows[0].jobs[0], "submit")
    assert plan.next_action(601.0) == (old, "poll")


def test_counting_comes_before_everything(make_page: MakePage) -> None:
    """A window that may be empty is settled at once: it costs one request and may end a day."""
    plan = schedule(days=2)
    lost = submit(plan, 0.0)
    lost.state = JobState.TO_COUNT
    assert plan.next_action(700.0) == (lost, "count")
    lost.not_before = 800.0
    action = plan.next_action(700.0)
    assert action is not None
    assert action[1] == "submit"


@pytest.mark.parametrize(("most", "sent"), [(5, 5), (1, 1), (1000, 40)])
def test_jobs_in_flight_are_bounded(most: int, sent: int) -> None:
    """By `max_in_flight`; and by what the budget can poll: two blocks of quick jobs at the real rate."""
    plan = schedule(days=100, max_in_flight=most, max_open_days=100)
    for _ in range(sent):
        submit(plan, 0.0)
    assert plan.next_action(0.0) is None
    assert plan.until_next(0.0) == pytest.approx(2.0)


def test_open_days_are_bounded() -> None:
    """However many there are to do, and however few pages they have: rows of open days are in memory."""
    plan = schedule(days=100, max_open_days=4)
    jobs = [submit(plan, 0.0) for _ in range(4)]
    assert plan.next_action(0.0) is None
    assert [day.request.day.key for day in plan.days] == keys(4)
    plan.days.remove(jobs[0].work.day)
    assert day_of(submit(plan, 0.0)) == keys(5)[4]


def test_a_repetition_waits_for_its_time() -> None:
    """A page to be submitted again is not sent before its pause is over; others are."""
    plan = schedule(days=2)
    failed = submit(plan, 0.0)
    failed.state, failed.not_before = JobState.TO_SUBMIT, 30.0
    assert day_of(submit(plan, 0.0)) == keys(2)[1]
    plan.days.pop()
    assert plan.next_action(29.0) is None
    assert plan.until_next(29.0) == pytest.approx(1.0)
    assert plan.next_action(30.0) == (failed, "submit")


def test_with_everything_under_way_only_an_answer_can_change_anything() -> None:
    """Nothing is ready by itself, so there is no moment to wait for; and at the end there is no day."""
    plan = schedule(days=1)
    job = submit(plan, 0.0)
    job.state = JobState.POLLING
    assert plan.next_action(100.0) is None
    assert plan.until_next(100.0) is None
    plan.days.clear()
    assert plan.next_action(100.0) is None
    assert plan.days == []


def test_polls_behind_the_scout_wait_for_its_answer() -> None:
    """A ready job that may not be polled yet is no reason to look again and again; a repetition's time still is."""
    plan = schedule(days=3)
    scout, _, failed = submit(plan, 0.0), submit(plan, 0.0), submit(plan, 0.0)
    scout.state = JobState.POLLING
    assert plan.next_action(10.0) is None
    assert plan.until_next(10.0) is None
    failed.state, failed.not_before = JobState.TO_SUBMIT, 12.0
    assert plan.until_next(10.0) == pytest.approx(2.0)


def test_a_ripe_moment_that_has_just_passed_is_still_a_wait() -> None:
    """However the numbers round, the loader never waits for no time at all."""
    plan = schedule(days=1)
    submit(plan, 0.0)
    assert plan.until_next(2.0) == pytest.approx(0.001)
