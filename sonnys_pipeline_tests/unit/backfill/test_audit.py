"""BM-08, BM-09: a line an attempt, a summary a run, and the figures that an operator asks for."""

import json
import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pytest

from sonnys_pipeline.backfill.audit import Audit, DayOutcome, Measures
from sonnys_pipeline.extract.events import Attempt
from sonnys_pipeline.runtime.private_folder import StateUnwritableError

SENT_AT = datetime(2026, 11, 10, 6, 30, 0, 250_000, tzinfo=UTC)
NOTHING = Measures.of([], requests=0, seconds=0.0, budget_wait=0.0)


def attempt(page: int = 1, **fields: object) -> Attempt:
    values: dict[str, object] = {
        "day": "2026-03-10", "site": None, "window": "2026-03-10T00:00:00Z/2026-03-11T00:00:00Z", "page": page,
        "operation": "poll", "job_hash": "h1", "attempt": 2, "outcome": "working", "status": 200,
        "sent_at": SENT_AT, "seconds": 0.123456,
    }  # fmt: skip
    return Attempt(**{**values, **fields})  # type: ignore[arg-type]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def day(seconds: float = 1.0, outcome: str = "success", rows: int = 100, pages: int = 1) -> DayOutcome:
    return DayOutcome("2026-03-10", None, outcome, rows=rows, pages=pages, requests=2 * pages, seconds=seconds)


def test_an_attempt_is_a_line(tmp_path: Path) -> None:
    """Day, window, page, hash, attempt, outcome, status and times, under the names of run and job; in order."""
    with Audit(tmp_path / "audit", "run-7", "job-3") as audit:
        audit.attempted(attempt())
        audit.attempted(attempt(2, status=None, outcome="APIConnectionError", site="MAIN"))
        lines = audit.attempts_path.read_text(encoding="utf-8").splitlines()  # written as they come, not at the end
    first, second = [json.loads(line) for line in lines]
    assert first == {
        "run_id": "run-7", "job_id": "job-3", "day": "2026-03-10", "site": None,
        "window": "2026-03-10T00:00:00Z/2026-03-11T00:00:00Z", "page": 1, "operation": "poll", "job_hash": "h1",
        "attempt": 2, "outcome": "working", "status": 200, "sent_at": "2026-11-10T06:30:00.250000+00:00",
        "seconds": 0.1235,
    }  # fmt: skip
    assert (second["page"], second["status"], second["outcome"], second["site"]) == (
        2, None, "APIConnectionError", "MAIN"
    )  # fmt: skip


def pages(path: Path) -> list[int]:
    """Page numbers of the attempts in a file."""
    return [json.loads(line)["page"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_only_its_owner_reads_the_audit(tmp_path: Path) -> None:
    """It names hashes, which are keys to customers' rows."""
    with Audit(tmp_path / "audit", "run", "job") as audit:
        audit.attempted(attempt())
        audit.summarize(NOTHING, status="completed", started_at=SENT_AT)
    assert (mode(audit.folder), mode(audit.attempts_path), mode(audit.summary_path)) == (0o700, 0o600, 0o600)


def test_runs_do_not_mix(tmp_path: Path) -> None:
    """Each has files of its own; two at once disturb nothing."""
    with Audit(tmp_path, "one", "job") as one, Audit(tmp_path, "other", "job") as other:
        one.attempted(attempt(1))
        other.attempted(attempt(2))
        one.attempted(attempt(3))
    assert pages(one.attempts_path) == [1, 3]
    assert pages(other.attempts_path) == [2]


def test_the_summary_tells_of_the_run(tmp_path: Path) -> None:
    """Status, reason, times, measures and what became of each day."""
    with Audit(tmp_path, "run", "job") as audit:
        failed = DayOutcome("2026-03-11", "MAIN", "failed", requests=6, error="JobFailedError", message="Zoë")
        days = [day(2.0), failed]
        measures = Measures.of(days, requests=9, seconds=3.0, budget_wait=0.5)
        told = audit.summarize(measures, days, status="failed", started_at=SENT_AT, reason="fails fast")
    kept = json.loads(audit.summary_path.read_text(encoding="utf-8"))
    assert kept == told
    assert (kept["run_id"], kept["job_id"], kept["status"], kept["reason"]) == ("run", "job", "failed", "fails fast")
    assert datetime.fromisoformat(kept["started_at"]) == SENT_AT
    assert datetime.fromisoformat(kept["ended_at"]).utcoffset() is not None
    assert (kept["measures"]["requests"], kept["measures"]["success_rate"]) == (9, 0.5)
    assert [(one["day"], one["outcome"], one["message"]) for one in kept["days"]] == [
        ("2026-03-10", "success", ""), ("2026-03-11", "failed", "Zoë")
    ]  # fmt: skip
    assert list(tmp_path.glob("*.tmp")) == []


def test_a_summary_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the rename, readers see the one before; a disk that fails in the middle takes nothing away."""
    with Audit(tmp_path, "run", "job") as audit:
        audit.summarize(NOTHING, status="paused", started_at=SENT_AT)
        before = audit.summary_path.read_bytes()

        def fail(_descriptor: int) -> None:
            assert audit.summary_path.read_bytes() == before
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(StateUnwritableError, match="No space"):
            audit.summarize(NOTHING, status="completed", started_at=SENT_AT)
    assert audit.summary_path.read_bytes() == before


def test_a_killed_process_keeps_its_attempts(tmp_path: Path) -> None:
    """Nothing waits in a buffer: what was answered is in the file when `kill -9` comes."""
    code = f"""
import os, signal
from pathlib import Path
from sonnys_pipeline_tests.unit.backfill.test_audit import attempt
from sonnys_pipeline.backfill.audit import Audit
with Audit(Path({str(tmp_path)!r}), "run", "job") as audit:
    for page in range(1, 6):
        audit.attempted(attempt(page))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert pages(tmp_path / "run.ndjson") == [1, 2, 3, 4, 5]


def test_measures_of_days() -> None:
    """Rates and times over the days that came to an end; requests over all of the run."""
    outcomes = [day(float(number), pages=8, rows=799) for number in range(1, 20)]
    outcomes += [day(0.5, "no-record", rows=0), day(900.0, "failed", rows=0, pages=0)]
    measures = Measures.of(outcomes, requests=321, seconds=60.00049, budget_wait=12.34567)
    assert (measures.days, measures.succeeded, measures.failed) == (21, 20, 1)
    assert measures.success_rate == pytest.approx(20 / 21)
    assert (measures.rows, measures.pages, measures.requests) == (19 * 799, 19 * 8 + 1, 321)
    assert measures.requests_per_page == round(321 / 153, 3)
    times = [0.5, *range(1, 20)]
    assert measures.p50_seconds == median(times)
    assert measures.p95_seconds == pytest.approx(18.05)  # place 0.95 of 19, counted from 0: a bit past 18
    assert (measures.seconds, measures.budget_wait) == (60.0, 12.346)


@pytest.mark.parametrize(("times", "p50", "p95"), [([], 0.0, 0.0), ([7.5], 7.5, 7.5), ([1.0, 3.0], 2.0, 2.9)])
def test_measures_of_few_days(times: list[float], p50: float, p95: float) -> None:
    """None, one, two: figures all the same."""
    measures = Measures.of([day(seconds) for seconds in times], requests=2, seconds=1.0, budget_wait=0.0)
    assert (measures.p50_seconds, measures.p95_seconds, measures.success_rate) == (p50, pytest.approx(p95), 1.0)


def test_measures_of_nothing_landed() -> None:
    """Requests that made no page have no price a page; the rate is that of the days that ended."""
    measures = Measures.of([day(outcome="failed", pages=0, rows=0)], requests=6, seconds=1.0, budget_wait=0.0)
    assert (measures.requests_per_page, measures.success_rate, measures.p95_seconds) == (0.0, 0.0, 0.0)
    assert NOTHING.success_rate == 1.0


def test_an_audit_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: which path, and which variable to set."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StateUnwritableError, match=r"run-7\.ndjson .*SONNYS_STATE_DIR") as caught:
        Audit(tmp_path / "state" / "audit", "run-7", "job-3").__enter__()
    assert isinstance(caught.value.__cause__, OSError)


def test_an_audit_that_cannot_be_ended_is_named(tmp_path: Path) -> None:
    """The folder goes away while the run works: the summary's path is named, and no plain `OSError` comes out."""
    with Audit(tmp_path / "audit", "run-7", "job-3") as audit:
        shutil.rmtree(tmp_path / "audit")
        with pytest.raises(StateUnwritableError, match=r"run-7\.json "):
            audit.summarize(NOTHING, status="completed", started_at=SENT_AT)


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A link in the place of a run's lines is refused, one in the place of its summary is replaced."""
    (tmp_path / "outside").write_text("mine")
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "run-1.ndjson").symlink_to(tmp_path / "outside")
    with pytest.raises(StateUnwritableError, match=r"run-1\.ndjson"), Audit(folder, "run-1", "job-1"):
        pass
    (folder / "run-2.json").symlink_to(tmp_path / "outside")
    with Audit(folder, "run-2", "job-1") as audit:
        audit.summarize(
            Measures.of([], requests=0, seconds=0, budget_wait=0), status="completed", started_at=datetime.now(UTC)
        )
    assert json.loads((folder / "run-2.json").read_text())["run_id"] == "run-2"
    assert (tmp_path / "outside").read_text() == "mine"
