"""JS-06, BX-06, BM-05: one executor to a job, a dead one noticed; load jobs noted before and after the POST."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.ledger.models import (
    JobLeasedError,
    JobStatus,
    LeaseLostError,
    LedgerError,
    RowFigures,
    UnknownRowError,
)
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.unit.conftest import ManualClock, specs

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
MORNING = Window(DAY.start, NOON)
LIFETIME = timedelta(minutes=20)


def test_a_lease_keeps_others_out_until_it_ends(ledger: JobService, clock: ManualClock) -> None:
    """The second executor is refused with who and until when (JS-06); after that time the job is free."""
    job = ledger.create_job("x")
    leased = ledger.leases.acquire(job.id, "host:1", 30)
    until = clock() + timedelta(seconds=30)
    assert (leased.lease_owner, leased.lease_until) == ("host:1", until)
    assert leased.is_leased(clock())
    with pytest.raises(
        JobLeasedError, match="is executed by host:1, whose lease ends at 2026-11-10T06:30:30Z"
    ) as caught:
        ledger.leases.acquire(job.id, "host:2", 30)
    assert (caught.value.job_id, caught.value.owner, caught.value.until) == (job.id, "host:1", until)
    assert leased.is_leased(clock.advance(30))
    with pytest.raises(JobLeasedError):
        ledger.leases.acquire(job.id, "host:2", 30)
    assert not leased.is_leased(clock.advance(0.001))
    assert ledger.leases.acquire(job.id, "host:2", 30).lease_owner == "host:2"


def test_the_owner_takes_its_lease_again(ledger: JobService, clock: ManualClock) -> None:
    """Asking twice is renewing."""
    job = ledger.create_job("x")
    ledger.leases.acquire(job.id, "host:1", 30)
    clock.advance(20)
    assert ledger.leases.acquire(job.id, "host:1", 30).lease_until == clock() + timedelta(seconds=30)


def test_the_heartbeat_prolongs_from_now(ledger: JobService, clock: ManualClock) -> None:
    """Even a lease that ran out, as long as nobody else took it."""
    job = ledger.create_job("x")
    ledger.leases.acquire(job.id, "host:1", 30)
    clock.advance(29)
    assert ledger.leases.renew(job.id, "host:1", 30) == clock() + timedelta(seconds=30)
    clock.advance(100)
    ledger.leases.renew(job.id, "host:1", 30)
    with pytest.raises(JobLeasedError):
        ledger.leases.acquire(job.id, "host:2", 30)


def test_a_beat_renews_and_tells_of_a_cancelled_job(ledger: JobService, clock: ManualClock) -> None:
    """One transaction instead of two; a lease that another took is refused as by `renew` (JS-06)."""
    job = ledger.create_job("x")
    ledger.leases.acquire(job.id, "host:1", 30)
    clock.advance(20)
    assert ledger.leases.beat(job.id, "host:1", 30) is False
    assert ledger.get_job(job.id).lease_until == clock() + timedelta(seconds=30)
    ledger.update_status(job.id, JobStatus.CANCELLED, by="a person")
    assert ledger.leases.beat(job.id, "host:1", 30) is True
    with pytest.raises(LeaseLostError):
        ledger.leases.beat(job.id, "host:2", 30)


def test_a_lost_lease_is_noticed(ledger: JobService, clock: ManualClock) -> None:
    """Taken over by another, or given back: the heartbeat says to whom, and releasing it takes nothing from him."""
    job = ledger.create_job("x")
    ledger.leases.acquire(job.id, "host:1", 30)
    clock.advance(31)
    taken = ledger.leases.acquire(job.id, "host:2", 30)
    with pytest.raises(LeaseLostError, match=r"host:1 has lost the lease .* to host:2"):
        ledger.leases.renew(job.id, "host:1", 30)
    assert ledger.leases.release(job.id, "host:1") is False
    assert ledger.get_job(job.id) == taken
    assert ledger.leases.release(job.id, "host:2") is True
    with pytest.raises(LeaseLostError, match="to nobody"):
        ledger.leases.renew(job.id, "host:2", 30)
    assert ledger.get_job(job.id).lease_until is None


@pytest.mark.parametrize(
    ("owner", "seconds"), [("", 30), ("me", 0), ("me", -1), ("me", float("nan")), ("me", float("inf"))]
)
def test_a_lease_has_an_owner_and_an_end(ledger: JobService, owner: str, seconds: float) -> None:
    """What never ends would have to be mended by hand."""
    job = ledger.create_job("x")
    for ask in (ledger.leases.acquire, ledger.leases.renew):
        with pytest.raises(ValueError, match="lease"):
            ask(job.id, owner, seconds)


def test_interrupted_jobs_are_those_whose_executor_is_gone(ledger: JobService, clock: ManualClock) -> None:
    """Running with a lease that ran out, or with none; oldest first; not those at work, nor those that ended."""
    alive, dead, released, paused, _ = (ledger.create_job(name) for name in ("a", "d", "r", "p", "pending"))
    for job in (alive, dead, released, paused):
        ledger.leases.acquire(job.id, job.name, 30)
        ledger.update_status(job.id, JobStatus.RUNNING, by=job.name)
    ledger.update_status(paused.id, JobStatus.PAUSED, by="p")
    ledger.leases.release(released.id, "r")
    assert [job.id for job in ledger.leases.interrupted_jobs()] == [released.id]
    clock.advance(25)
    ledger.leases.renew(alive.id, "a", 30)
    clock.advance(10)
    assert [job.id for job in ledger.leases.interrupted_jobs()] == [dead.id, released.id]


RACER = """
import sys
from sonnys_pipeline.ledger.models import JobLeasedError
from sonnys_pipeline.ledger.service import open_ledger

url, job_id, owner = sys.argv[1:]
with open_ledger(url) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        ledger.leases.acquire(job_id, owner, 60)
        print("won")
    except JobLeasedError as error:
        print("lost to", error.owner)
"""


def test_of_two_processes_one_gets_the_job(ledger_url: str) -> None:
    """Both ask at the same moment; the other is told who has it."""
    with open_ledger(ledger_url) as ledger:
        job = ledger.create_job("x")
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, ledger_url, job.id, owner],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for owner in ("one", "two")
        ]  # fmt: skip
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        answers = dict(zip(("one", "two"), [racer.communicate(timeout=60) for racer in racers], strict=True))
        winner = ledger.get_job(job.id).lease_owner
    assert winner in answers
    loser = {"one": "two", "two": "one"}[winner]
    assert answers[winner] == ("won\n", "")
    assert answers[loser] == (f"lost to {winner}\n", "")


def test_threads_share_a_ledger(ledger: JobService) -> None:
    """A heartbeat beside workers: no call fails, no count is lost."""
    job = ledger.create_job("x", rows=specs(40))
    rows = ledger.get_rows(job.id)
    ledger.leases.acquire(job.id, "me", 60)
    errors: list[BaseException] = []

    def run(work) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    def walk(part: int) -> None:
        for row in rows[part::4]:
            ledger.start_row(row.id, owner="me")
            ledger.load_jobs.note_submitting(row.id, DAY, 1)
            ledger.load_jobs.note_submitted(row.id, DAY, 1, "h")
            ledger.complete_row(row.id, RowFigures(["h"], "p", 1, 2, 1), owner="me")

    def beat() -> None:
        for _ in range(40):
            ledger.leases.renew(job.id, "me", 60)

    threads = [threading.Thread(target=run, args=(work,)) for work in (*[lambda n=n: walk(n) for n in range(4)], beat)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert ledger.get_job(job.id).successful_days == 40
    assert ledger.update_counts(job.id) == ledger.get_job(job.id)


@pytest.fixture
def row_id(ledger: JobService) -> int:
    return ledger.get_rows(ledger.create_job("x", rows=specs(1)).id)[0].id


def test_the_intent_is_known_before_the_hash(ledger: JobService, clock: ManualClock, row_id: int) -> None:
    """Killed in between, a POST is known to have been possible, but there is no hash to take up (BM-05)."""
    ledger.load_jobs.note_submitting(row_id, DAY, 1)
    assert ledger.load_jobs.live(row_id, younger_than=LIFETIME) == []
    (intent,) = ledger.load_jobs.of(row_id)
    assert (intent.window, intent.page, intent.job_hash, intent.submitted_at) == (DAY, 1, None, None)
    assert intent.submitting_at == clock()


def test_a_hash_is_live_by_the_moment_before_its_post(ledger: JobService, clock: ManualClock, row_id: int) -> None:
    """A slow answer does not make it younger."""
    before = clock()
    ledger.load_jobs.note_submitting(row_id, DAY, 2)
    after = clock.advance(100)
    ledger.load_jobs.note_submitted(row_id, DAY, 2, "abc")
    (live,) = ledger.load_jobs.live(row_id, younger_than=LIFETIME)
    assert (live.row_id, live.site, live.window, live.page, live.job_hash) == (row_id, None, DAY, 2, "abc")
    assert (live.submitting_at, live.submitted_at) == (before, after)
    clock.advance(20 * 60 - 100 - 1)
    assert ledger.load_jobs.live(row_id, younger_than=LIFETIME) == [live]
    clock.advance(1)
    assert ledger.load_jobs.live(row_id, younger_than=LIFETIME) == []
    assert ledger.load_jobs.of(row_id) == [live]


def test_windows_and_pages_are_apart_and_in_order(ledger: JobService, row_id: int) -> None:
    """A half of a window is another one; each page has its own hash; the row's site comes along."""
    for window, page in ((DAY, 2), (DAY, 1), (MORNING, 1)):
        ledger.load_jobs.note_submitting(row_id, window, page)
        ledger.load_jobs.note_submitted(row_id, window, page, f"{window.end:%d}-{page}")
    live = ledger.load_jobs.live(row_id, younger_than=LIFETIME)
    assert [(record.window, record.page, record.job_hash) for record in live] == [
        (MORNING, 1, "01-1"), (DAY, 1, "02-1"), (DAY, 2, "02-2")
    ]  # fmt: skip


def test_a_new_intent_forgets_the_old_hash(ledger: JobService, clock: ManualClock, row_id: int) -> None:
    """The loader submits again because the old job came to nothing: it must not be taken up after a crash."""
    ledger.load_jobs.note_submitting(row_id, DAY, 1)
    ledger.load_jobs.note_submitted(row_id, DAY, 1, "old")
    clock.advance(5)
    ledger.load_jobs.note_submitting(row_id, DAY, 1)
    (intent,) = ledger.load_jobs.of(row_id)
    assert (intent.job_hash, intent.submitted_at, intent.submitting_at) == (None, None, clock())
    ledger.load_jobs.note_submitted(row_id, DAY, 1, "new")
    assert [record.job_hash for record in ledger.load_jobs.of(row_id)] == ["new"]


def test_load_jobs_go_when_their_row_has_landed(ledger: JobService, row_id: int) -> None:
    """They stay through failure and reopening, to be taken up."""
    ledger.start_row(row_id)
    for page in (1, 2):
        ledger.load_jobs.note_submitting(row_id, DAY, page)
        ledger.load_jobs.note_submitted(row_id, DAY, page, f"h{page}")
    ledger.fail_row(row_id, code="E", message="m")
    ledger.reopen_row(row_id)
    ledger.start_row(row_id)
    assert len(ledger.load_jobs.live(row_id, younger_than=LIFETIME)) == 2
    done = ledger.complete_row(row_id, RowFigures(["h1", "h2"], "p", 1, 1, 1))
    assert ledger.load_jobs.of(row_id) == []
    assert done.job_hashes == ("h1", "h2")


def test_mistakes_of_the_caller_are_loud(ledger: JobService, row_id: int) -> None:
    """A hash without an intent, an empty hash, a row that there is not."""
    with pytest.raises(LedgerError, match="without the intent"):
        ledger.load_jobs.note_submitted(row_id, DAY, 1, "h")
    with pytest.raises(ValueError, match="empty hash"):
        ledger.load_jobs.note_submitted(row_id, DAY, 1, "")
    with pytest.raises(UnknownRowError):
        ledger.load_jobs.note_submitting(4711, DAY, 1)
    assert ledger.load_jobs.of(row_id) == []
