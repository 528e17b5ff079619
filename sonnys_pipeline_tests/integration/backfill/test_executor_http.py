"""BX-01, BX-05, BM-06, BM-08, JS-04, JS-07 over real HTTP: whole jobs, failing days, and what a run leaves behind."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.lake.storage.folder import UNFINISHED
from sonnys_pipeline.ledger.models import JobStatus
from sonnys_pipeline.runtime.processes import file_writer
from sonnys_pipeline.simulator import Faults, Simulator
from sonnys_pipeline_tests.support.pipelines.executors import API_ID, API_KEY, Bench, bench_in, keys

WRONG_KEY = "wrong-key-that-must-not-show-1234"


@pytest.fixture
def bench(
    start_simulator: Callable[..., Simulator], connect: Callable[..., SonnysClient], tmp_path: Path
) -> Iterator[Bench]:
    with bench_in(tmp_path, start_simulator, connect, midnight_row=True) as opened:
        yield opened


def fail(bench: Bench, *days: str) -> None:
    bench.simulator.set_faults(Faults(fail_dates=frozenset(date.fromisoformat(day) for day in days)))


def test_a_job_of_five_days_is_landed(bench: Bench) -> None:
    """Every row once; counts, hashes, paths and costs are those that the server saw; job and audit tell of it."""
    job_id, executor = bench.job(5), bench.executor()
    result = executor.execute(job_id)
    stats = bench.simulator.stats()
    assert (result.success, result.processed, result.successful, result.failed, result.pending) == (True, 5, 5, 0, 0)
    assert bench.landed_ids(keys(5)) == bench.expected_ids(keys(5))
    assert sorted(bench.landed) == keys(5)

    rows = bench.jobs.get_rows(job_id)
    assert [row.rows for row in rows] == [230] * 5
    assert [len(row.job_hashes) for row in rows] == [3] * 5
    assert len({job_hash for row in rows for job_hash in row.job_hashes}) == stats.jobs_created == 15
    assert [row.path for row in rows] == [str(bench.lake.path("transactions", day)) for day in keys(5)]
    assert all(row.path and Path(row.path).exists() and row.seconds > 0 for row in rows)
    assert sum(row.requests for row in rows) == stats.requests == result.measures.requests
    assert (stats.submissions, stats.rate_limited) == (15, 0)
    assert [bench.jobs.load_jobs.of(row.id) for row in rows] == [[]] * 5

    job = bench.jobs.get_job(job_id)
    assert (job.status, job.successful_days, job.processed_days, job.failed_days) == (JobStatus.COMPLETED, 5, 5, 0)
    assert job.lease_owner is None
    assert bench.log(job_id) == ["running", "completed"]
    assert {entry.by for entry in bench.jobs.transitions(job_id)} == {executor.owner}


def test_the_audit_has_a_line_for_each_request(bench: Bench) -> None:
    """In the state folder: attempts that agree with the server's own log, and the summary with the figures."""
    result = bench.executor().execute(bench.job(3))
    kept = (bench.state / "audit" / f"{result.run_id}.ndjson").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in kept.splitlines()]
    assert len(lines) == bench.simulator.stats().requests
    assert {(line["operation"], line["outcome"]) for line in lines} >= {("submit", "submitted"), ("poll", "pass")}
    assert {line["status"] for line in lines} == {200}
    served = {record.operation: 0 for record in bench.simulator.log}
    for record in bench.simulator.log:
        served[record.operation] += 1
    assert {name: sum(line["operation"] == name for line in lines) for name in served} == served
    assert all(datetime.fromisoformat(line["sent_at"]).tzinfo is UTC for line in lines)
    passed = {line["job_hash"] for line in lines if line["outcome"] == "pass"}
    assert passed == {hash_ for row in bench.jobs.get_rows(result.job_id) for hash_ in row.job_hashes}
    summary = json.loads((bench.state / "audit" / f"{result.run_id}.json").read_text())
    assert (summary["status"], summary["measures"]["pages"], summary["measures"]["rows"]) == ("completed", 9, 690)
    assert summary["measures"]["requests"] == len(lines)
    assert [day["outcome"] for day in summary["days"]] == ["success"] * 3


def test_fail_fast_stops_at_the_failing_day(bench: Bench) -> None:
    """The third of five, read one after the other: three processed, two landed, one failed, two not begun."""
    job_id = bench.job(5)
    fail(bench, keys(5)[2])
    result = bench.executor(open_days=1).execute(job_id)
    assert (result.success, result.processed, result.successful, result.failed, result.pending) == (False, 3, 2, 1, 2)
    assert bench.states(job_id) == "ccfpp"
    assert [failure.day for failure in result.failures] == [keys(5)[2]]
    assert bench.jobs.get_job(job_id).status is JobStatus.FAILED
    assert bench.lake.partitions("transactions") == keys(2)
    assert not {day for day, _ in bench.submissions()} & set(keys(5)[3:])

    bench.simulator.set_faults()
    again = bench.executor().execute(job_id)
    assert (again.success, again.processed, again.successful, again.failed) == (True, 3, 3, 0)
    job = bench.jobs.get_job(job_id)
    assert (job.status, job.successful_days, job.failed_days, job.error_code) == (JobStatus.COMPLETED, 5, 0, None)
    assert bench.log(job_id) == ["running", "failed", "running", "completed"]
    assert bench.landed_ids(keys(5)) == bench.expected_ids(keys(5))


def test_fail_fast_with_many_days_in_flight(bench: Bench) -> None:
    """A failing day takes its retries, and others complete meanwhile: they are landed, counted, and not read again.

    So `processed` is what came out before the failing day did, whatever its place; exactly one day has failed.
    """
    job_id = bench.job(5)
    fail(bench, keys(5)[2])
    result = bench.executor().execute(job_id)
    assert (result.success, result.failed, bench.states(job_id)[2]) == (False, 1, "f")
    assert set(bench.states(job_id)[:2] + bench.states(job_id)[3:]) <= {"c", "p"}
    assert result.successful == bench.states(job_id).count("c") == len(bench.landed)
    assert (result.processed, result.pending) == (result.successful + 1, 4 - result.successful)

    first = list(bench.landed)
    bench.simulator.set_faults()
    again = bench.executor().execute(job_id)
    assert (again.success, again.processed) == (True, 5 - len(first))
    assert sorted(bench.landed) == keys(5)
    assert bench.landed_ids(keys(5)) == bench.expected_ids(keys(5))


def test_continue_lands_the_others(bench: Bench) -> None:
    """The failed days are named, with what they cost; nothing of them is landed."""
    job_id = bench.job(5)
    bad = [keys(5)[1], keys(5)[3]]
    fail(bench, *bad)
    result = bench.executor(OnError.CONTINUE).execute(job_id)
    assert (result.success, result.processed, result.successful, result.failed, result.pending) == (False, 5, 3, 2, 0)
    assert (sorted(failure.day for failure in result.failures), result.stopped) == (bad, "")
    assert bench.states(job_id) == "cfcfc"
    assert [row.error_code for row in bench.jobs.get_failed_rows(job_id)] == ["JobFailedError"] * 2
    assert all(row.requests > 0 for row in bench.jobs.get_failed_rows(job_id))
    assert bench.jobs.get_job(job_id).status is JobStatus.FAILED
    assert bench.lake.partitions("transactions") == [day for day in keys(5) if day not in bad]


def test_continue_stops_itself_when_most_days_fail(bench: Bench) -> None:
    """After ten days, of which none has landed, rather than after all thirty."""
    job_id = bench.job(15)
    fail(bench, *keys(15))
    result = bench.executor(OnError.CONTINUE, open_days=1, max_retries=0).execute(job_id)
    assert (result.processed, result.failed, result.pending) == (10, 10, 5)
    assert "10 of 10 days failed: the run stops itself" in result.stopped
    assert bench.states(job_id) == "f" * 10 + "p" * 5


def test_an_api_that_is_down_pauses_the_job(bench: Bench) -> None:
    """Every answer a 500: no day is blamed, the requests are few, and it goes on when the API works again."""
    job_id = bench.job(10)
    bench.simulator.set_faults(Faults(server_errors=-1))
    result = bench.executor(max_retries=10).execute(job_id)
    assert "the API fails every request" in result.stopped
    assert (result.processed, result.pending, bench.states(job_id)) == (0, 10, "p" * 10)
    assert bench.simulator.stats().requests <= 20 + 10 + 5  # a sample, those in flight, and the probes
    assert bench.jobs.get_job(job_id).status is JobStatus.PAUSED
    bench.simulator.set_faults()
    assert bench.executor().execute(job_id).success


@pytest.mark.parametrize("on_error", OnError)
def test_refused_credentials_stop_at_once(bench: Bench, on_error: OnError) -> None:
    """One day has failed, no second one is blamed, and no page was asked for twice."""
    wrong = SonnysClient(API_ID, WRONG_KEY, base_url=bench.simulator.base_url, budget=bench.client.budget)
    job_id = bench.job(5)
    with wrong:
        result = bench.executor(on_error, client=wrong).execute(job_id)
    assert (result.processed, result.failed, result.pending) == (1, 1, 4)
    assert "refuses the credentials" in result.stopped
    assert bench.jobs.get_failed_rows(job_id)[0].error_code == "AuthError"
    assert max(bench.submissions().values()) == 1


def test_a_lake_that_cannot_be_written_stops_the_run(bench: Bench) -> None:
    """The day has failed with the reason; once the disk is mended the job goes on."""
    bench.lake.root.mkdir()
    in_the_way = bench.lake.root / "transactions"
    in_the_way.write_text("a file where the folder should be")
    job_id = bench.job(3)
    result = bench.executor(OnError.CONTINUE).execute(job_id)
    assert (result.processed, result.failed, result.pending) == (1, 1, 2)
    assert bench.jobs.get_failed_rows(job_id)[0].error_code == "UnwritableLakeError"
    assert "cannot write" in result.stopped
    in_the_way.unlink()
    assert bench.executor().execute(job_id).success
    assert bench.landed_ids(keys(3)) == bench.expected_ids(keys(3))


def test_an_unparsable_row_is_set_aside(bench: Bench) -> None:
    """The page is kept in the state folder, and the row of the ledger says where; the other days land."""
    bench.simulator.set_faults(Faults(malformed_rows=1))
    job_id = bench.job(3)
    result = bench.executor(OnError.CONTINUE).execute(job_id)
    assert (result.successful, result.failed) == (2, 1)
    (row,) = bench.jobs.get_failed_rows(job_id)
    (kept,) = (bench.state / "quarantine").iterdir()
    assert row.error_code == "UnparsableRowError"
    assert row.error_message is not None
    assert row.error_message.endswith(f"the raw page is kept in {kept}")
    page = json.loads(kept.read_text())
    assert (page["day"], page["field"], page["rows"][0]["total"]) == (row.day, "total", "abc")


def test_what_a_killed_writer_left_is_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every day, and from where files are written now; what a living process writes stays."""
    monkeypatch.setattr("sonnys_pipeline.runtime.processes.socket.gethostname", lambda: "node-1")
    here = file_writer().rpartition("-")[0]
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folders = [bench.lake.root / UNFINISHED, *(bench.lake.path("transactions", day).parent for day in keys(2))]
    alive, dead = (f".part-0.parquet.{here}-{process}.{'0a1b' * 8}.tmp" for process in (os.getpid(), gone.pid))
    for folder in folders:
        folder.mkdir(parents=True)
        for name in (alive, dead):
            (folder / name).write_bytes(b"PAR1")
    assert bench.executor().execute(bench.job(1)).success
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names == [[alive], [alive, "part-0.parquet"], [alive]]


def test_no_credential_is_written_down(bench: Bench) -> None:
    """Neither id nor key in any byte of ledger, audit, budget and quarantine, after runs that went well and badly."""
    bench.simulator.set_faults(Faults(malformed_rows=1, server_errors=2))
    job_id = bench.job(3)
    bench.executor(OnError.CONTINUE).execute(job_id)
    wrong = SonnysClient(API_ID, WRONG_KEY, base_url=bench.simulator.base_url, budget=bench.client.budget)
    with wrong:
        bench.executor(client=wrong).execute(bench.job(1))
    written = bench.state_bytes()
    for word in (job_id, "AuthError", "UnparsableRowError", "ServerError", keys(1)[0]):
        assert word.encode() in written  # what is searched is what was written
    for secret in (API_ID, API_KEY, WRONG_KEY):
        assert secret.encode() not in written
