"""BM-01, BM-03: requests beside the thread that decides; nothing that hangs keeps the process."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from sonnys_pipeline.client import APIConnectionError
from sonnys_pipeline.extract.worker_pool import CallResult, ThreadWorkerPool

#: Seconds after which a test that would hang fails instead.
PATIENCE = 30.0


@pytest.fixture
def pool() -> Iterator[ThreadWorkerPool]:
    opened = ThreadWorkerPool(3)
    yield opened
    opened.close()


def answers(pool: ThreadWorkerPool, count: int) -> list[CallResult[object]]:
    """So many of them; they may come in several handfuls."""
    found: list[CallResult[object]] = []
    while len(found) < count:
        handful = pool.wait(PATIENCE)
        assert handful, f"{len(found)} of {count} answers came"
        found += handful
    return found


def test_answers_carry_their_keys(pool: ThreadWorkerPool) -> None:
    """Far more calls than threads: each is made once, and answered under its own key."""
    for number in range(50):
        pool.start(number, lambda number=number: number * number)  # type: ignore[misc]
    found = answers(pool, 50)
    assert sorted((answer.key, answer.value, answer.error) for answer in found) == [(n, n * n, None) for n in range(50)]


def test_calls_run_at_once_up_to_the_limit(pool: ThreadWorkerPool) -> None:
    """Three threads meet, so three calls are under way together; a fourth one waits for a place."""
    meeting, under_way, most = threading.Barrier(3), [], []

    def call() -> None:
        under_way.append(1)
        most.append(len(under_way))
        meeting.wait(PATIENCE)
        under_way.pop()

    for number in range(6):
        pool.start(number, call)
    assert [answer.error for answer in answers(pool, 6)] == [None] * 6
    assert max(most) <= 3


def test_errors_are_answers(pool: ThreadWorkerPool) -> None:
    """Whatever a call raises comes back as it is, and its thread goes on to the next call."""
    dropped, defect = APIConnectionError("dropped"), ZeroDivisionError("a defect")

    def fail(error: Exception) -> None:
        raise error

    for round_trip in range(4):
        pool.start("dropped", lambda: fail(dropped))
        pool.start("defect", lambda: fail(defect))
        found = {answer.key: (answer.value, answer.error) for answer in answers(pool, 2)}
        assert found == {"dropped": (None, dropped), "defect": (None, defect)}, round_trip


def test_a_wait_without_answers_ends_in_time(pool: ThreadWorkerPool) -> None:
    """Nothing comes: no answers, after the seconds that were given and not at once."""
    before = time.monotonic()
    assert pool.wait(0.05) == []
    assert time.monotonic() - before >= 0.04
    assert pool.wait(0) == []


@pytest.mark.parametrize("seconds", [None, PATIENCE])
def test_wake_ends_a_wait(pool: ThreadWorkerPool, seconds: float | None) -> None:
    """From another thread, or from a signal handler in this one; a wake that comes first is not lost."""
    threading.Timer(0.05, pool.wake).start()
    assert pool.wait(seconds) == []
    pool.wake()
    assert pool.wait(seconds) == []


def test_close_starts_nothing_more() -> None:
    """What is under way may end; calls that wait for a thread are not made, and none can be added."""
    pool, begun, go_on, made = ThreadWorkerPool(1), threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        go_on.wait(PATIENCE)

    pool.start("first", first)
    for number in range(5):
        pool.start(number, lambda number=number: made.append(number))  # type: ignore[misc]
    assert begun.wait(PATIENCE)
    pool.close()
    go_on.set()
    assert [answer.key for answer in answers(pool, 1)] == ["first"]
    for thread in pool._threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert made == []
    with pytest.raises(RuntimeError, match="closed"):
        pool.start("late", list)


def test_a_hanging_call_does_not_keep_the_process() -> None:
    """A request that never returns ends with the process that leaves."""
    code = """
import threading
from sonnys_pipeline.extract.worker_pool import ThreadWorkerPool
pool, begun = ThreadWorkerPool(2), threading.Event()
def hang():
    begun.set()
    threading.Event().wait()
pool.start("hangs", hang)
assert begun.wait(20)
pool.close()
print("left")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "left", "")
