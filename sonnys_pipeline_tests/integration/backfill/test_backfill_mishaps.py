"""BX-06, BX-07: what goes wrong around a backfill and must not cost more than a line: refusals, names, storages."""

import getpass
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.backfill import run as job_run
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.landing import transactions as landing
from sonnys_pipeline.ledger.models import DAGSTER_PREFIX, JobMode, JobStatus, RowSpec
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days
from sonnys_pipeline_tests.support.workspaces import ledger_of

THREE = last_days(3)
#: The executor of a process that nobody has heard of for long.
GONE = "elsewhere:1:abc"


def interrupt(jobs: JobService, job_id: str) -> None:
    """Leave a job as a process does that was killed: running, its lease run out."""
    jobs.update_status(job_id, JobStatus.RUNNING, by=GONE)


@pytest.fixture
def ledger(desk: Desk) -> JobService:
    with ledger_of(Settings.load()) as opened:
        yield opened


def half_done(desk: Desk, ledger: JobService) -> str:
    """A job of three days, one of them landed, whose process is gone."""
    desk.fail_days(THREE[1])
    job = desk.approved(THREE)
    desk.asks("run", job, exit_code=1)
    desk.fail_days()
    interrupt(ledger, job)
    return job


@pytest.mark.parametrize("choice", ["restart", "resume"])
def test_a_refused_recovery_changes_nothing(
    desk: Desk, ledger: JobService, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    """With another time zone it is refused with exit code 3, and what was landed still counts as landed."""
    job = half_done(desk, ledger)
    before = ledger.get_rows(job)

    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")
    said = desk.types("run", job, "--recover", choice, exit_code=3).stderr

    assert "SONNYS_TIMEZONE was 'UTC'" in said
    assert ledger.get_rows(job) == before
    assert ledger.get_job(job).status is JobStatus.RUNNING


def test_jobs_of_dagster_are_left_to_dagster(desk: Desk, ledger: JobService) -> None:
    """`--recover` without a job passes them over, and the notice names Dagster's own remedy."""
    job = ledger.create_job(f"{DAGSTER_PREFIX}0123456789", mode=JobMode.AUTO, rows=[RowSpec(THREE[0])])
    interrupt(ledger, job.id)

    assert desk.asks("run", "--recover", "cancel") == {"jobs": []}

    assert ledger.get_job(job.id).status is JobStatus.RUNNING
    said = desk.types("preview", "--start", THREE[0], "--end", THREE[0]).stderr
    assert 'Re-execute run 01234567 "from failure" in Dagster' in said


def test_a_job_at_work_is_refused_before_anything_is_said(desk: Desk, ledger: JobService) -> None:
    """One line, exit code 1; `write-back` leaves the file to the process that writes it, too."""
    csv = desk.folder / "days.csv"
    csv.write_text(f"date\n{THREE[0]}\n")
    job = desk.asks("preview", "--from-csv", csv)["job_id"]
    desk.types("approve", job)
    ledger.leases.acquire(job, GONE, 60)

    (line,) = desk.types("run", job, exit_code=1).stderr.splitlines()
    (later,) = desk.types("write-back", job, exit_code=1).stderr.splitlines()

    assert "is executed by" in line
    assert "wait until it has ended" in later
    assert csv.read_text() == f"date\n{THREE[0]}\n"


@pytest.mark.parametrize("name", ["a[/b].csv", "a[link]b.csv"])
def test_brackets_in_names_are_letters(desk: Desk, name: str) -> None:
    """A path is shown as it is: what looks like markup neither vanishes nor ends the command."""
    csv = desk.folder / name.replace("/", "")
    csv.write_text(f"date\n{THREE[0]}\n")
    csv.chmod(0o444)
    job = desk.asks("preview", "--from-csv", csv)["job_id"]

    said = desk.types("run", job, "--mode", "auto").stderr

    assert f"{csv} cannot be written (it is read-only)" in " ".join(said.split())


def test_dagsters_storage_breaking_does_not_cost_the_bill(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The days are landed and the job is completed; what Dagster was not told is a problem with its remedy."""
    import dagster as dg

    def broken(*_: object) -> set[str]:
        raise RuntimeError("file is not a database")

    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setattr(dg.DagsterInstance, "get_materialized_partitions", broken)

    document = desk.asks("run", desk.approved(THREE[:1]))

    assert document["success"]
    (problem,) = document["dagster"]["problems"]
    assert "file is not a database" in problem
    assert problem.endswith("run: sonnys backfill reconcile")


def test_an_empty_site_is_no_site(desk: Desk) -> None:
    """`--site ''` is a slip of a script, and would read every site."""
    said = desk.types("preview", "--start", THREE[0], "--end", THREE[0], "--site", "", exit_code=2).stderr

    assert said == "Error: --site is empty; leave it out to load all sites\n"


def test_an_unreadable_env_file_is_named(desk: Desk) -> None:
    """Bytes that are no text: one line with the remedy."""
    (desk.folder / ".env").write_bytes(b"SONNYS_SITE_CODE=\xff\n")

    said = desk.types("list", exit_code=2).stderr

    assert said == "Error: .env cannot be read: it is not UTF-8 text; fix or remove the file\n"


def test_a_user_without_a_name_approves_by_number(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number that no account has."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nameless)

    assert desk.asks("approve", desk.preview(THREE[:1]))["approved_by"].startswith("uid ")


def test_sites_that_were_not_sized_are_named(open_desk: Callable[..., Desk]) -> None:
    """Twenty rows are sized; a site that stands behind them only may be unknown to the API, and the preview says so."""
    desk = open_desk(sites=25)
    codes = [site.code for site in desk.simulator.world.sites if site.code]
    csv = desk.folder / "days.csv"
    csv.write_text("date,site\n" + "".join(f"{THREE[0]},{code}\n" for code in codes))

    said = desk.types("preview", "--from-csv", csv).stdout

    assert re.search("unchecked .*: no request was sent for these sites", " ".join(said.split()))


def test_a_site_that_the_api_does_not_know_is_told_with_its_line(desk: Desk) -> None:
    """However many lines there are before it: exit code 2, no job."""
    csv = desk.folder / "days.csv"
    csv.write_text("date,site\n" + "".join(f"{day},MAIN\n" for day in last_days(21)[:20]) + f"{THREE[0]},NOPE\n")

    said = desk.types("preview", "--from-csv", csv, exit_code=2).stderr

    assert "days.csv, line 22: the API does not know site 'NOPE'" in said
    assert desk.asks("list") == {"jobs": []}


def test_a_ledger_that_is_deleted_in_mid_run_ends_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would ever read what is written into a file without a name: exit code 1, and what became of it."""
    job = desk.approved(THREE)
    land = landing.land_day

    def land_and_lose(*args: Any, **options: Any) -> Any:
        for path in (desk.folder / "state").glob("ledger.sqlite*"):
            path.unlink()
        return land(*args, **options)

    monkeypatch.setattr(job_run, "land_day", land_and_lose)
    ended = desk.types("run", job, exit_code=1)

    assert "was deleted or replaced while it was in use" in ended.stderr
    assert "Traceback" not in ended.stderr
