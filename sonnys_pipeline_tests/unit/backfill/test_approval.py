"""BX-03, BX-04: a session's mode: switched at will, but not while a job executes."""

import threading

import pytest

from sonnys_pipeline.backfill.approval import SessionModeManager
from sonnys_pipeline.ledger.models import JobMode


def test_confirm_is_the_default() -> None:
    """Nobody runs anything unasked without having said so."""
    assert SessionModeManager().mode is JobMode.CONFIRM


def test_it_is_switched_at_will() -> None:
    """There and back, as often as one likes, by name too; to the same is no matter."""
    session = SessionModeManager()
    for mode in (JobMode.AUTO, JobMode.AUTO, JobMode.CONFIRM, JobMode("auto")):
        session.set_mode(mode)
        assert session.mode is mode


def test_an_unknown_mode_is_refused() -> None:
    """At the beginning and later; the mode stays."""
    with pytest.raises(ValueError, match="yolo"):
        SessionModeManager("yolo")  # type: ignore[arg-type]
    session = SessionModeManager()
    with pytest.raises(ValueError, match="yolo"):
        session.set_mode("yolo")  # type: ignore[arg-type]
    assert session.mode is JobMode.CONFIRM


def test_a_locked_mode_is_not_switched() -> None:
    """The message says why, and when it can be; unlocked, it can."""
    session = SessionModeManager()
    session.lock()
    assert session.is_locked
    with pytest.raises(
        ValueError,
        match="the mode cannot change to auto while a job executes in mode confirm; try again when it has ended",
    ):
        session.set_mode(JobMode.AUTO)
    assert session.mode is JobMode.CONFIRM
    session.unlock()
    session.set_mode(JobMode.AUTO)
    assert session.mode is JobMode.AUTO


def test_two_jobs_have_to_end() -> None:
    """Each holds its own lock; one too many unlocks does no harm to the next."""
    session = SessionModeManager()
    session.lock()
    session.lock()
    session.unlock()
    with pytest.raises(ValueError, match="a job executes"):
        session.set_mode(JobMode.AUTO)
    session.unlock()
    session.unlock()
    assert not session.is_locked
    session.lock()
    assert session.is_locked


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_whatever_ends_the_job_unlocks(kind: type[BaseException]) -> None:
    """A job that fails does not leave the session locked; inside, the mode is handed out."""
    session = SessionModeManager(JobMode.AUTO)

    def execute() -> None:
        with session.locked() as mode:
            assert (mode, session.is_locked) == (JobMode.AUTO, True)
            raise kind

    with pytest.raises(kind):
        execute()
    assert not session.is_locked


def test_threads_do_not_lose_a_lock() -> None:
    """A thousand locks and unlocks of four threads end unlocked; while any thread has one, switching is refused."""
    session = SessionModeManager()
    refused = []

    def work() -> None:
        for _ in range(250):
            with session.locked():
                try:
                    session.set_mode(JobMode.AUTO)
                except ValueError:
                    refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1000
    assert (session.mode, session.is_locked) == (JobMode.CONFIRM, False)
