"""DG-01, BX-06, BM-05: each of the doctor's checks alone: what it takes for fine, for a warning, for a problem."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.doctor.machine import (
    Finding,
    State,
    check_budget,
    check_env_file,
    check_first_partition,
    check_lake,
    check_lake_format,
    check_landed_days,
    check_ledger,
    check_state_folder,
    check_versions,
    guarded,
    is_healthy,
    read_settings,
)
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.iceberg.options import Iceberg
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.lake.storage import folder as storage
from sonnys_pipeline.ledger.models import JobStatus
from sonnys_pipeline.ledger.service import open_ledger
from sonnys_pipeline.runtime.processes import this_machine

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` from outside, and a state folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def days(first: str, count: int) -> list[str]:
    """Keys of so many days in a row."""
    return [(date.fromisoformat(first) + timedelta(days=step)).isoformat() for step in range(count)]


def test_health_is_the_absence_of_problems() -> None:
    """Warnings and skipped checks do not make a machine unfit."""
    fine = [Finding("a", state, "") for state in (State.OK, State.WARNING, State.SKIPPED)]
    assert is_healthy(fine)
    assert not is_healthy([*fine, Finding("b", State.PROBLEM, "")])


def test_versions_are_those_of_package_python_and_dagster() -> None:
    """The first line of a report that somebody pastes into an issue."""
    found = check_versions()
    assert found.state is State.OK
    assert all(name in found.detail for name in ("sonnys-pipeline ", "Python 3.", "Dagster 1."))


def test_a_check_that_breaks_is_a_finding_without_the_errors_words() -> None:
    """Nobody knows what the message of an unexpected error quotes: the kind alone is told."""

    def broken() -> Finding:
        raise RuntimeError("key-4711")

    found = guarded("lake", broken)
    assert (found.subject, found.state) == ("lake", State.PROBLEM)
    assert "RuntimeError" in found.detail
    assert "4711" not in found.detail + found.remedy
    assert found.remedy


def test_a_check_that_lacks_something_is_skipped_with_the_reason() -> None:
    """It is not called at all."""
    found = guarded("lake", lambda: pytest.fail("called"), "SONNYS_DATA_URL cannot be used")
    assert found == Finding("lake", State.SKIPPED, "SONNYS_DATA_URL cannot be used")


def test_bad_variables_are_all_named_and_stand_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that cannot be used: both are named once each, have their defaults, and the good ones keep their values."""
    for name, value in (("TIMEZONE", "Chicago"), ("SITE_CODE", "A\n"), ("START_DATE", "2026-06-01")):
        monkeypatch.setenv(f"SONNYS_{name}", value)
    read = read_settings()
    assert read.finding.state is State.PROBLEM
    assert read.finding.detail.count("SONNYS_TIMEZONE") == read.finding.detail.count("SONNYS_SITE_CODE") == 1
    assert read.unreadable == {"timezone", "site_code"}
    assert (read.settings.timezone, read.settings.site_code) == ("UTC", None)
    assert read.settings.start_date == date(2026, 6, 1)
    assert read.lacking("timezone", "data_url") == "SONNYS_TIMEZONE cannot be used"
    assert read.lacking("data_url") == ""


def test_an_env_file_that_cannot_be_read_leaves_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no text: a problem; what the environment says is still looked at, bad variables included."""
    Path(".env").write_bytes(b"SONNYS_API_ID=\xff\xfe\n")
    monkeypatch.setenv("SONNYS_DATA_URL", "lake-of-the-environment")
    monkeypatch.setenv("SONNYS_TIMEZONE", "Chicago")
    read = read_settings()
    assert read.finding.state is State.PROBLEM
    assert ".env cannot be read: it is not UTF-8 text; SONNYS_TIMEZONE: 'Chicago'" in read.finding.detail
    assert read.settings.data_url == "lake-of-the-environment"
    assert read.unreadable == {"timezone"}
    assert check_env_file(environment={}).state is State.SKIPPED


@pytest.mark.parametrize(
    ("text", "mode", "environment", "state", "said"),
    [
        (None, 0, {"SONNYS_TIMEZONE": "UTC"}, State.OK, "none"),
        ("SONNYS_TIMEZONE=UTC\n", 0o644, {"SONNYS_TIMEZONE": "UTC", "HOME": "x"}, State.OK, "agrees"),
        ("SONNYS_TIMEZONE=UTC\n", 0o600, {"SONNYS_SITE_CODE": "MAIN"}, State.OK, "agrees"),
        ("SONNYS_TIMEZONE=\n", 0o600, {"SONNYS_TIMEZONE": "UTC"}, State.WARNING, "SONNYS_TIMEZONE"),
        ("SONNYS_API_KEY=old\n", 0o600, {"SONNYS_API_KEY": "new"}, State.WARNING, "SONNYS_API_KEY"),
        ("HOME=y\n", 0o644, {"HOME": "x"}, State.OK, "agrees"),
        ("SONNYS_API_KEY=k\n", 0o644, {}, State.WARNING, "every user may read it"),
        ("SONNYS_API_KEY=k\n", 0o640, {}, State.OK, "agrees"),
        ("SONNYS_API_KEY=\n", 0o644, {}, State.OK, "agrees"),
    ],
)
def test_an_env_file_should_say_what_the_environment_says(
    tmp_path: Path, text: str | None, mode: int, environment: dict[str, str], state: State, said: str
) -> None:
    """`sonnys` and Dagster prefer different ones of the two; and a key is for its owner's eyes."""
    path = tmp_path / ".env"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    found = check_env_file(path, environment)
    assert found.state is state
    assert said in found.detail
    assert bool(found.remedy) == (state is State.WARNING)


def test_a_budget_tells_what_others_have_taken(tmp_path: Path) -> None:
    """Another one on the same file has acquired two permits: they are counted, and looking needs none."""
    settings = Settings(api_id="id", state_dir=tmp_path / "state")
    with settings.open_budget() as other:
        other.acquire()
        other.acquire()
        assert "20 requests in 15 s; 2 of them used now" in check_budget(settings).detail
        assert check_budget(settings) == check_budget(settings)


def test_a_budget_in_memory_is_a_warning() -> None:
    """Each process would have one of its own."""
    found = check_budget(Settings(api_id="id", budget_url="memory://"))
    assert (found.state, bool(found.remedy)) == (State.WARNING, True)


def test_a_damaged_budget_is_a_problem(tmp_path: Path) -> None:
    """A file that is no database; the remedy says that it may be deleted."""
    (tmp_path / "budget.sqlite").write_text("no database " * 1000)
    found = check_budget(Settings(api_id="id", state_dir=tmp_path))
    assert found.state is State.PROBLEM
    assert "may be deleted" in found.remedy


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@127.0.0.1:9/db", "redis://:hunter2@127.0.0.1:9/0"])
def test_a_budget_whose_server_is_away_is_a_problem(url: str) -> None:
    """Which server, why, and where to look; without the password."""
    found = check_budget(Settings(api_id="id", budget_url=url))
    assert found.state is State.PROBLEM
    assert "127.0.0.1:9" in found.detail
    assert "refused" in f"{found.detail} {found.remedy}"
    assert "SONNYS_BUDGET_URL" in found.remedy
    assert "hunter2" not in f"{found}"


def test_jobs_of_living_executors_are_not_interrupted(tmp_path: Path) -> None:
    """Held by this very process: fine. Held by a process of this machine that is gone: interrupted at once."""
    settings = Settings(state_dir=tmp_path)
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        held = ledger.create_job("held")
        ledger.leases.acquire(held.id, "somebody elsewhere", 60)
        ledger.update_status(held.id, JobStatus.RUNNING, by="test")
        assert check_ledger(settings).state is State.OK
        dead = ledger.create_job("dead")
        ledger.leases.acquire(dead.id, f"{this_machine()}:{2**30}:x", 60)
        ledger.update_status(dead.id, JobStatus.RUNNING, by="test")
    found = check_ledger(settings)
    assert found.state is State.WARNING
    assert "1 job is marked as running, but its process is gone" in found.detail
    assert found.remedy == f"sonnys backfill resume {dead.id}"


@pytest.mark.parametrize("mode", [0o700, 0o750, 0o755, 0o701, 0o777])
def test_a_state_folder_that_is_open_is_closed(tmp_path: Path, mode: int) -> None:
    """To the group as well: rows in quarantine hold personal data. The doctor says that it was open."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)
    found = check_state_folder(Settings(state_dir=folder))
    assert (found.state, folder.stat().st_mode & 0o777) == (State.OK, 0o700)
    assert ("private now" in found.detail) == (mode != 0o700)


def test_a_state_folder_of_somebody_else_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has prepared it can read what is written there, and change it."""
    (tmp_path / "state").mkdir(mode=0o777)
    os.chown(tmp_path / "state", 4711, 4711)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    found = check_state_folder(Settings(state_dir=tmp_path / "state"))
    assert found.state is State.PROBLEM
    assert "belongs to user 4711, and this is user 1000" in found.detail
    assert "of your own" in found.remedy


def test_a_state_folder_is_made_where_there_is_none(tmp_path: Path) -> None:
    """With the mode that it should have."""
    assert check_state_folder(Settings(state_dir=tmp_path / "new")).detail.endswith("mode 700")


def test_every_landed_day_is_compared_with_the_zone(tmp_path: Path) -> None:
    """j: a zone that was set for three mornings and put back left days between two others, and all was green."""
    settings, lake = Settings(api_id="id", timezone="UTC"), Lake(tmp_path / "data")
    for number in range(1, 6):
        zone = "America/Chicago" if number in {2, 3, 4} else "UTC"
        day = f"2026-11-0{number}"
        lake.land("transactions", TRANSACTIONS.empty_table(), partition=day, metadata={"timezone": zone})
    found = check_landed_days(settings, lake, lake.partitions("transactions"))
    assert found.state is State.PROBLEM
    assert "3 landed days (2026-11-02 … 2026-11-04) begin at midnight in America/Chicago" in found.detail
    assert "sonnys replay --rezone" in found.remedy


@pytest.mark.parametrize(
    ("landed_with", "said", "remedy"),
    [
        ({"timezone": "UTC"}, "begins at midnight in UTC, but SONNYS_TIMEZONE is America/Denver", "--rezone"),
        ({"account": "another"}, "was landed with another SONNYS_API_ID", "set another SONNYS_DATA_URL"),
        ({}, "2 landed days, 2026-11-01 … 2026-11-02, of this account and time zone", ""),
    ],
    ids=["zone", "account", "the same"],
)
def test_landed_days_should_be_of_these_settings(
    tmp_path: Path, landed_with: dict[str, str], said: str, remedy: str
) -> None:
    """Told before a run is refused."""
    settings, lake = Settings(api_id="id", timezone="America/Denver"), Lake(tmp_path / "data")
    ours = {"account": settings.api_id_digest, "site_code": "", "timezone": "America/Denver"}
    for day, metadata in (("2026-11-01", ours), ("2026-11-02", {**ours, **landed_with})):
        lake.land("transactions", TRANSACTIONS.empty_table(), partition=day, metadata=metadata)
    found = check_landed_days(settings, lake, lake.partitions("transactions"))
    assert found.state is (State.PROBLEM if remedy else State.OK)
    assert said in found.detail
    assert remedy in found.remedy
    assert check_landed_days(settings, lake, []).state is State.OK
    without_credentials = settings.model_copy(update={"api_id": SecretStr("")})
    found = check_landed_days(without_credentials, lake, lake.partitions("transactions"))
    assert (found.state is State.OK) == (landed_with.keys() <= {"account"})


def test_the_lake_is_written_and_left_as_it_was(tmp_path: Path) -> None:
    """A file is put in its place and taken away again; what is landed stays."""
    (tmp_path / "transactions").mkdir()
    found = check_lake(tmp_path, free_bytes=lambda _: 12_340_000_000)
    assert found == Finding("lake", State.OK, f"{tmp_path} is writable; 12.3 GB free")
    assert (tmp_path / "transactions").is_dir()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_lake_of_another_format_is_a_problem(tmp_path: Path) -> None:
    """EC-02: with the setting that fits; so is a catalog that is gone."""
    plain, tables = Settings(data_url=str(tmp_path)), Settings(data_url=str(tmp_path), lake_format="iceberg")
    assert check_lake_format(plain) is check_lake_format(tables) is None
    lake = Lake(tmp_path, lake_format=Iceberg())
    lake.land("sites", TRANSACTIONS.empty_table())
    assert check_lake_format(tables) is None
    found = check_lake_format(plain)
    assert found is not None
    assert (found.state, found.detail) == (State.PROBLEM, f"{tmp_path} is a lake of Iceberg tables")
    assert found.remedy == "set SONNYS_LAKE_FORMAT=iceberg, or name another SONNYS_DATA_URL"


def test_little_space_is_a_warning_before_it_is_a_problem(tmp_path: Path) -> None:
    """Less than 1 GB."""
    assert check_lake(tmp_path, free_bytes=lambda _: 10**9).state is State.OK
    found = check_lake(tmp_path, free_bytes=lambda _: 10**9 - 1)
    assert (found.state, bool(found.remedy)) == (State.WARNING, True)


def test_a_disk_that_does_not_take_the_file_is_a_problem_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails while the file is synced, as a full disk does; the probe is removed."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    found = check_lake(tmp_path)
    assert found.state is State.PROBLEM
    assert "No space left on device" in found.detail
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("start", "landed", "state", "remedy"),
    [
        # At noon of 2026-11-22 the API keeps days from 2026-05-23 on: the 22nd has lost its first half.
        ("2026-05-23", [], State.OK, ""),
        ("2026-11-21", [], State.OK, ""),
        ("2026-11-22", [], State.WARNING, "set SONNYS_START_DATE to a day from 2026-05-23 on"),
        ("2026-05-22", [], State.WARNING, "set SONNYS_START_DATE=2026-05-23"),
        ("2026-05-22", ["2026-05-22"], State.OK, ""),
        ("2026-05-01", days("2026-05-01", 22), State.OK, ""),
        ("2026-05-01", days("2026-05-10", 13), State.WARNING, "set SONNYS_START_DATE=2026-05-10"),
        ("2026-05-01", days("2026-05-01", 21), State.WARNING, "set SONNYS_START_DATE=2026-05-23"),
    ],
)
def test_the_first_partition_lies_within_reach(start: str, landed: list[str], state: State, remedy: str) -> None:
    """Days that are landed need no API: the value to set is the first from which on all is there or can be had."""
    found = check_first_partition(date.fromisoformat(start), "UTC", landed, NOON)
    assert (found.state, found.remedy) == (state, remedy)


def test_reach_is_counted_in_the_zone_of_the_partitions() -> None:
    """At 02:00 UTC it is still the day before in Chicago."""
    early = NOON.replace(hour=2)
    assert check_first_partition(date(2026, 11, 21), "UTC", [], early).state is State.OK
    assert check_first_partition(date(2026, 11, 21), "America/Chicago", [], early).state is State.WARNING


def test_a_misspelt_variable_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """RB-02: the doctor names it with what was meant, and goes on with the settings that can be read."""
    monkeypatch.setenv("SONNYS_PII_POLICY", "drop")
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")

    read = read_settings()

    assert read.finding.state is State.PROBLEM
    assert "SONNYS_PII_POLICY: no such setting; did you mean SONNYS_PII?" in read.finding.detail
    assert (read.settings.timezone, read.unreadable) == ("America/Chicago", frozenset())
