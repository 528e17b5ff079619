"""BM-05, JS-01, JS-06 on a real PostgreSQL server: a ledger whose server is away, and what became of a COMMIT.

That a server's ledger says what a file's says is asked in the modules that `conftest.py` names.
"""

import inspect
import logging
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.ledger import engine as ledger_engines
from sonnys_pipeline.ledger.knowledge import ApiKnowledge
from sonnys_pipeline.ledger.leases import Leases
from sonnys_pipeline.ledger.load_jobs import LoadJobs
from sonnys_pipeline.ledger.models import (
    InvalidStateTransition,
    JobLeasedError,
    JobStatus,
    LedgerUnavailableError,
    LedgerVersionError,
    RowFigures,
    RowStatus,
)
from sonnys_pipeline.ledger.plans import Plans
from sonnys_pipeline.ledger.rows import Rows
from sonnys_pipeline.ledger.schema import VERSION_TABLE, metadata
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.runtime.outage import HURRIED_DEADLINE
from sonnys_pipeline_tests.support.servers import PASSWORD, PostgresServer
from sonnys_pipeline_tests.unit.conftest import specs
from sonnys_pipeline_tests.unit.ledger.test_engine import OPENER

pytestmark = pytest.mark.postgres
WINDOW = Day.of("2026-01-01").windows[0]


@pytest.fixture
def server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server; running again after the test."""
    with postgres_server.to_be_killed() as server:
        yield server


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[JobService]:
    with open_ledger(postgres_url) as opened:
        yield opened


class Outage:
    """Kills the server, and starts it again after some seconds."""

    def __init__(self, server: PostgresServer, seconds: float) -> None:
        server.kill()
        self._timer = threading.Timer(seconds, server.start)
        self._timer.start()

    def over(self) -> None:
        """Wait for its end."""
        self._timer.join(60)


def test_tables_and_migrations_agree(ledger: JobService) -> None:
    """What the revisions make on PostgreSQL is what `ledger/schema.py` says."""
    with ledger._store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_processes_may_come_first_at_once(postgres_url: str) -> None:
    """Three start on nothing at the same moment: one makes the schema, all go on, none fails."""
    names = ["a", "b", "c"]
    command = [sys.executable, "-W", "error", "-c", OPENER, postgres_url]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    processes = [subprocess.Popen([*command, name], **pipes, text=True) for name in names]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    ended = [process.communicate("go\n", timeout=90) for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, ended, strict=True)] == [(0, "")] * 3
    with open_ledger(postgres_url) as ledger:
        assert sorted(job.name for job in ledger.list_jobs()) == names


def test_a_newer_ledger_is_refused(postgres_url: str, ledger: JobService) -> None:
    """The message names both versions, and no password."""
    with ledger._store.writing() as connection:
        connection.exec_driver_sql("UPDATE sonnys_ledger_version SET version_num = '0042'")
    with pytest.raises(LedgerVersionError, match=r"has schema 0042") as caught:
        open_ledger(postgres_url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_every_transaction_is_asked_again() -> None:
    """No method that talks to the database is without it."""
    talking = [
        method
        for part in (JobService, Rows, Leases, LoadJobs, Plans, ApiKnowledge)
        for _, method in inspect.getmembers(part, inspect.isfunction)
        if any(f"with self._store.{kind}() as" in inspect.getsource(method) for kind in ("reading", "writing"))
    ]
    assert len(talking) > 25
    assert [method.__name__ for method in talking if not hasattr(method, "__wrapped__")] == []


def test_a_server_that_comes_back(ledger: JobService, server: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    """Reads and writes wait for it, with one warning; what was acknowledged before is there."""
    job = ledger.create_job("x", rows=specs(1))
    (row,) = ledger.get_rows(job.id)
    ledger.leases.acquire(job.id, "me", 30)
    outage = Outage(server, 1.5)
    started = ledger.start_row(row.id, owner="me")
    outage.over()
    assert (started.status, started.attempts) == (RowStatus.RUNNING, 1)
    assert ledger.get_rows(job.id) == [started]
    ledger.leases.renew(job.id, "me", 30)
    (record,) = [record for record in caplog.records if record.name.startswith("sonnys_pipeline")]
    assert record.levelno == logging.WARNING
    assert PASSWORD not in caplog.text


def test_a_connection_that_breaks_in_mid_transaction(ledger: JobService, server: PostgresServer) -> None:
    """Nothing of it is kept; the whole method runs again, so that each change happens once."""
    job = ledger.create_job("x", rows=specs(1))
    (row,) = ledger.get_rows(job.id)
    ledger.start_row(row.id)
    outages: list[Outage] = []

    def break_off(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if statement.startswith("UPDATE sonnys_jobs") and not outages:  # the row is completed, its count is not
            outages.append(Outage(server, 1.0))

    event.listen(ledger._store.engine, "before_cursor_execute", break_off)
    completed = ledger.complete_row(row.id, RowFigures(["h"], "p", 7, 3, 1.0))
    outages[0].over()
    assert (completed.status, completed.requests) == (RowStatus.COMPLETED, 3)
    summary = ledger.get_job_summary(job.id)
    assert (summary.successful_days, summary.requests, summary.job.successful_days) == (1, 3, 1)


def test_calls_together_run_again_together(ledger: JobService, server: PostgresServer) -> None:
    """The server goes between the first call and the second one: both are done again, and each counts once."""
    job = ledger.create_job("x", rows=specs(2))
    first, second = ledger.get_rows(job.id)
    outages: list[Outage] = []

    def start_both() -> None:
        ledger.start_row(first.id)
        if not outages:
            outages.append(Outage(server, 1.0))
        ledger.start_row(second.id)

    ledger.together(start_both)
    outages[0].over()
    assert [(row.status, row.attempts) for row in ledger.get_rows(job.id)] == [(RowStatus.RUNNING, 1)] * 2


@pytest.mark.parametrize("arrives", [True, False])
def test_a_commit_whose_answer_is_lost(ledger: JobService, arrives: bool) -> None:
    """Whether it arrived is asked of the server: what was done is not done again, what was not done is."""
    job = ledger.create_job("x", rows=specs(1))
    broken: list[str] = []

    def cut(connection: Any) -> None:
        if broken:
            return
        broken.append("cut")
        raw = connection.connection.dbapi_connection
        if arrives:
            raw.commit()
        raw.close()  # as the network would: the driver's commit fails from here on

    event.listen(ledger._store.engine, "commit", cut)
    ledger.update_status(job.id, JobStatus.RUNNING, by="me")
    assert broken
    (entry,) = ledger.transitions(job.id)
    assert entry.to_status is JobStatus.RUNNING
    with pytest.raises(InvalidStateTransition):
        ledger.update_status(job.id, JobStatus.RUNNING, by="me")
    (row,) = ledger.get_rows(job.id)
    broken.clear()
    ledger.start_row(row.id)
    assert ledger.get_row(row.id).attempts == 1
    broken.clear()
    ledger.load_jobs.note_submitting(row.id, WINDOW, 1)
    broken.clear()
    ledger.load_jobs.note_submitted(row.id, WINDOW, 1, "h")
    assert [known.job_hash for known in ledger.load_jobs.of(row.id)] == ["h"]
    broken.clear()
    created = ledger.create_job("y", rows=specs(3))
    assert [other.id for other in ledger.list_jobs()] == [created.id, job.id]
    broken.clear()
    ledger.delete_job(created.id)
    assert [other.id for other in ledger.list_jobs()] == [job.id]


def test_a_server_that_dies_at_commit(ledger: JobService, server: PostgresServer) -> None:
    """What had not reached its disk has not happened, whoever got the transaction's number since: it is done again."""
    job = ledger.create_job("x", rows=specs(1))
    (row,) = ledger.get_rows(job.id)
    outages: list[Outage] = []

    def die(connection: Any) -> None:
        if not outages:
            outages.append(Outage(server, 1.0))

    event.listen(ledger._store.engine, "commit", die)
    ledger.start_row(row.id)
    outages[0].over()
    assert ledger.get_row(row.id).attempts == 1


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
def test_a_commit_that_is_under_way_is_waited_for(ledger: JobService, ends: str) -> None:
    """Its connection is lost to us, but not to the server: what becomes of it is known only when it ends."""
    with ledger._store.engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO sonnys_commits VALUES ('mine', now())")
        threading.Timer(0.5, lambda: connection.exec_driver_sql(ends)).start()
        began = time.monotonic()
        assert ledger._store.was_committed("mine") is (ends == "COMMIT")
        assert time.monotonic() - began > 0.4


def test_marks_do_not_pile_up(ledger: JobService, postgres_url: str) -> None:
    """A writer leaves one at most; those of writers that were killed go after a day."""
    for number in range(20):
        ledger.create_job(str(number))
    with ledger._store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sonnys_commits").scalar() == 1
    with ledger._store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sonnys_commits SET at = at - interval '25 hours'")
    with open_ledger(postgres_url) as another, another._store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sonnys_commits").scalar() == 0


def test_a_server_that_stays_away(ledger: JobService, server: PostgresServer) -> None:
    """It is an error after the deadline, which is near for a run that is to stop."""
    job = ledger.create_job("x")
    server.kill()
    ledger.hurry()
    started = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match=r"postgresql://127\.0\.0\.1:\d+/.*SONNYS_LEDGER_URL") as caught:
        ledger.get_job(job.id)
    assert HURRIED_DEADLINE <= time.monotonic() - started < HURRIED_DEADLINE + 5
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    again = time.monotonic()
    with pytest.raises(LedgerUnavailableError):
        ledger.leases.renew(job.id, "me", 30)
    assert time.monotonic() - again < 1  # it is known to be away
    server.start()
    assert ledger.get_job(job.id) == job


def test_a_lease_outlives_its_servers_outage(postgres_url: str, server: PostgresServer) -> None:
    """It may run out meanwhile: whoever held it renews it when the server is back, and another is refused."""
    instant = [datetime(2026, 11, 10, tzinfo=UTC)]
    with open_ledger(postgres_url, now=lambda: instant[0]) as ledger:
        job = ledger.create_job("x")
        ledger.leases.acquire(job.id, "me", 30)
        outage = Outage(server, 1.0)
        instant[0] = datetime(2026, 11, 10, 0, 0, 31, tzinfo=UTC)
        ledger.leases.renew(job.id, "me", 30)
        outage.over()
        with pytest.raises(JobLeasedError, match="me"):
            ledger.leases.acquire(job.id, "another", 30)


def test_nobody_waits_for_ever_for_a_writer_that_hangs(
    ledger: JobService, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stopped in its transaction: others are told after a while, as with a file."""
    monkeypatch.setattr(ledger_engines, "BUSY_TIMEOUT", 0.5)
    job = ledger.create_job("x")
    with open_ledger(postgres_url) as hanging, hanging._store.writing() as connection:
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        hanging._store.job(connection, job.id, lock=True)
        with pytest.raises(LedgerUnavailableError, match="timeout"):
            ledger.set_error(job.id, "E", "no")
    assert ledger.set_error(job.id, "E", "no").error_code == "E"


def test_defaults_do_not_override_the_url(postgres_url: str) -> None:
    """Parameters of the URL, TLS among them, reach the driver."""
    with open_ledger(f"{postgres_url}?sslmode=disable&application_name=wash") as ledger:
        with ledger._store.reading() as connection:
            parameters = connection.connection.dbapi_connection.info.get_parameters()  # type: ignore[union-attr]
        assert (parameters["application_name"], parameters["sslmode"]) == ("wash", "disable")
        assert parameters["connect_timeout"] == "3"
        assert PASSWORD not in f"{ledger!r} {ledger._store.engine!r}"


def test_workers_that_learn_the_same_at_once_do_not_stop_each_other(ledger: JobService, postgres_url: str) -> None:
    """The first of two has written the sites and not committed yet; the second waits for it, and the newest stands."""
    insert = "INSERT INTO sonnys_api_knowledge VALUES ('digest', 'sites', '[]', now())"
    engine = ledger_engines.open_engine(postgres_url)
    second = threading.Thread(target=ledger.knowledge.remember, args=("digest", "sites", ["B"]))
    with engine.begin() as first:
        first.exec_driver_sql(insert)
        second.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'"
        )
        deadline = time.monotonic() + 30
        while not first.exec_driver_sql(waiting).scalar_one():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    second.join(30)
    engine.dispose()
    known = ledger.knowledge.recall("digest", "sites")
    assert known is not None
    assert known.content == ["B"]
