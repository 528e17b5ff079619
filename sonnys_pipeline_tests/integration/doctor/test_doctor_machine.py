"""DG-03, BM-05, BX-06: what `sonnys doctor` says of this machine: ledger, folders, `.env`, Dagster, landed days."""

import json
import os
import sqlite3
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster_postgres import utils as postgres_utils

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.ledger.models import JobStatus
from sonnys_pipeline.ledger.schema import VERSION_TABLE
from sonnys_pipeline.ledger.service import open_ledger
from sonnys_pipeline_tests.support.pipelines.doctor import API_ID, API_KEY


def test_a_ledger_of_a_newer_version_is_not_touched(healthy, diagnose, tmp_path, monkeypatch):
    """It says which schema was found, and to upgrade."""
    healthy()
    monkeypatch.setenv("SONNYS_LEDGER_URL", f"sqlite:///{tmp_path / 'newer.sqlite'}")
    open_ledger(f"sqlite:///{tmp_path / 'newer.sqlite'}").close()
    database = sqlite3.connect(tmp_path / "newer.sqlite")
    database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - our own name
    database.commit()
    database.close()

    report = diagnose("--offline")

    assert report.in_state("problem") == {"ledger"}
    assert "9999" in report.of("ledger")[1]
    assert "Upgrade" in report.of("ledger")[2]


def test_interrupted_jobs_are_counted_and_can_be_resumed(healthy, diagnose, tmp_path):
    """A job that says running and is held by nobody: a warning with the command; Dagster's own name their run."""
    healthy()
    (tmp_path / "state").mkdir(mode=0o700)
    with open_ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}") as ledger:
        made = [ledger.create_job(name) for name in ("March", "dagster:0123456789abcdef")]
        for job in made:
            ledger.update_status(job.id, JobStatus.RUNNING, by="an executor that was killed")

    report = diagnose("--offline")

    state, detail, remedy = report.of("ledger")
    assert (report.exit_code, state) == (0, "warning")
    assert "2 jobs are marked as running" in detail
    assert f"sonnys backfill resume {made[0].id}" in remedy
    assert "run 01234567 from failure" in remedy


def test_a_first_day_that_the_api_has_no_more_is_told_with_the_value_to_set(healthy, diagnose, monkeypatch):
    """A warning, not a problem; set to the value, the next report has none."""
    healthy()
    monkeypatch.setenv("SONNYS_START_DATE", "2020-01-01")

    state, _, remedy = diagnose("--offline").of("first partition")
    assert state == "warning"
    monkeypatch.setenv(*remedy.removeprefix("set ").split("="))

    assert date.fromisoformat(os.environ["SONNYS_START_DATE"]) > datetime.now(UTC).date() - timedelta(days=190)
    assert diagnose("--offline").of("first partition")[0] == "ok"


def test_an_open_state_folder_is_closed_and_told(healthy, diagnose, tmp_path):
    """One that everybody may enter: it is closed, and the report says so once."""
    healthy()
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)

    first, second = (diagnose("--offline").of("state folder") for _ in range(2))

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert (first[0], second[0]) == ("ok", "ok")
    assert "was open to other users, and is private now" in first[1]
    assert "open to others" not in second[1]


def test_an_env_file_beside_it_is_read_and_compared(healthy, diagnose, tmp_path, monkeypatch):
    """Settings come from it where the environment has none; where both differ the variable is named, not the value."""
    simulator = healthy()
    for name in ("SONNYS_API_ID", "SONNYS_API_KEY"):
        monkeypatch.delenv(name)
    lines = f"SONNYS_API_ID={API_ID}\nSONNYS_API_KEY={API_KEY}\n"
    (tmp_path / ".env").write_text(lines)
    (tmp_path / ".env").chmod(0o600)
    assert diagnose().of(".env")[0] == "ok"
    assert simulator.stats().requests == 1

    (tmp_path / ".env").write_text(f"{lines}SONNYS_TIMEZONE=\nSONNYS_DATA_URL=./other-lake\n")
    state, detail, _ = diagnose("--offline").of(".env")

    assert state == "warning"
    assert "SONNYS_DATA_URL, SONNYS_TIMEZONE" in detail
    assert "other-lake" not in detail


@pytest.mark.parametrize(
    ("home", "said", "remedy"),
    [
        ("relative", "relative path", "{tmp}/relative"),
        ("{tmp}/nowhere", "is not a directory", "mkdir -p {tmp}/nowhere"),
        ("{tmp}/file", "is not a directory", "another directory"),
        ("{tmp}/broken", "cannot be opened (ParserError", "dagster.yaml"),
        ("{tmp}/unknown", 'unexpected config entry "nonsense"', "dagster.yaml"),
        ("{tmp}/elsewhere", "cannot be opened", "install the package"),
        ("{tmp}/damaged", "file is not a database", "fix the storage"),
    ],
)
def test_an_instance_that_cannot_be_opened_says_why(healthy, diagnose, tmp_path, monkeypatch, home, said, remedy):
    """What `DAGSTER_HOME` names is a problem; what would have been asked of it is skipped."""
    healthy()
    (tmp_path / "file").touch()
    postgres = "storage:\n  postgres:\n    postgres_url: postgresql://me:hunter2@127.0.0.1:9/x\n"
    for name, yaml in (("broken", "storage: ["), ("unknown", "nonsense: 1"), ("elsewhere", postgres), ("damaged", "")):
        (tmp_path / name / "history").mkdir(parents=True)
        (tmp_path / name / "dagster.yaml").write_text(yaml)
    (tmp_path / "damaged" / "history" / "runs.db").write_text("no database " * 1000)
    monkeypatch.setenv("DAGSTER_HOME", home.format(tmp=tmp_path))
    # Dagster asks a server that is away some fifty times, 0.2 s apart.
    monkeypatch.setattr(postgres_utils, "time", SimpleNamespace(sleep=lambda _: None))

    report = diagnose("--offline")

    assert report.in_state("problem") == {"Dagster instance"}
    assert {"Dagster daemon", "recorded days"} <= report.in_state("skipped")
    assert said in report.of("Dagster instance")[1]
    assert remedy.format(tmp=tmp_path) in report.of("Dagster instance")[2]
    assert "hunter2" not in json.dumps(report.findings)


def test_landed_days_that_dagster_does_not_know_are_counted(healthy, diagnose, tmp_path):
    """Three days are landed, one has a materialization: two are told, the first and the last of them by name."""
    healthy()
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        Lake(tmp_path / "data").land("transactions", TRANSACTIONS.empty_table(), partition=day)
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("transactions", partition="2026-03-02"))

    state, detail, remedy = diagnose("--offline").of("recorded days")

    assert state == "warning"
    assert "2 of 3 landed days" in detail
    assert "2026-03-01 … 2026-03-03" in detail
    assert remedy
