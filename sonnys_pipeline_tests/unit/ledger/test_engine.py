"""JS-01, decision 7: the ledger's file, schema, migrations and URLs; no credential in any rendering (RB-02)."""

import builtins
import importlib
import sqlite3
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import create_engine, insert, select
from sqlalchemy.exc import StatementError

from sonnys_pipeline.ledger import engine as ledger_engines
from sonnys_pipeline.ledger.models import LedgerError, LedgerUnavailableError, LedgerVersionError
from sonnys_pipeline.ledger.schema import SCHEMA_REVISION, VERSION_TABLE, aware_utc, metadata, transitions
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.runtime import postgres
from sonnys_pipeline_tests.unit.conftest import specs

pytestmark = pytest.mark.usefixtures("migrated_by_alembic")

PASSWORD = "hunter2-4711"


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_tables_and_migrations_agree(ledger: JobService) -> None:
    """What the revisions make is what `ledger/schema.py` says, and its revision is their newest."""
    with ledger._store.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "target_metadata": metadata, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == SCHEMA_REVISION
    config = Config()
    config.set_main_option("script_location", str(ledger_engines.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


def test_a_schema_that_differs_would_be_noticed(ledger: JobService) -> None:
    """The comparison above is not empty by accident: a column less and another type both show."""
    with ledger._store.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE sonnys_job_transitions DROP COLUMN why")
        connection.exec_driver_sql("ALTER TABLE sonnys_jobs ADD COLUMN more VARCHAR")
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert len(compare_metadata(context, metadata)) == 2


def test_the_names_leave_room_for_others() -> None:
    """A PostgreSQL database may be Dagster's too, which has `jobs` and `alembic_version`."""
    assert all(name.startswith("sonnys_") for name in [*metadata.tables, VERSION_TABLE])


def test_the_ledger_is_its_owners_alone(ledger_url: str, ledger: JobService) -> None:
    """Folder 0700, file and what SQLite puts beside it 0600, whatever the umask."""
    ledger.create_job("x")
    file = file_of(ledger_url)
    assert mode(file.parent) == 0o700
    assert {mode(path) for path in file.parent.iterdir()} == {0o600}
    assert {path.name for path in file.parent.iterdir()} >= {"ledger.sqlite", "ledger.sqlite-wal"}


def test_sqlite_is_set_up_on_every_connection(ledger: JobService) -> None:
    """WAL, foreign keys, waiting for other writers, no fsync per commit."""
    for _ in range(2):
        with ledger._store.reading() as connection:
            settings = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            }
        assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000, "synchronous": 1}
        ledger.close()


def test_what_was_written_is_there_after_reopening(ledger_url: str) -> None:
    """Closed or not."""
    with open_ledger(ledger_url) as first:
        job = first.create_job("x", rows=specs(2))
        with open_ledger(ledger_url) as second:
            assert second.get_job(job.id) == job
    with open_ledger(ledger_url) as third:
        assert third.get_job(job.id) == job


@pytest.mark.parametrize("name", ["100% ours", "a?b#c", "a;b", "ümläut 🚗"])
def test_folders_may_have_any_name(tmp_path: Path, name: str) -> None:
    """The path is taken as it stands."""
    with open_ledger(f"sqlite:///{tmp_path / name / 'ledger.sqlite'}") as ledger:
        ledger.create_job("x")
    assert (tmp_path / name / "ledger.sqlite").stat().st_size > 0


def test_a_relative_path_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the working directory at the time of opening."""
    monkeypatch.chdir(tmp_path)
    with open_ledger("sqlite:///.sonnys/ledger.sqlite") as ledger:
        ledger.create_job("x")
    assert (tmp_path / ".sonnys" / "ledger.sqlite").exists()


OPENER = """
import sys
from sonnys_pipeline.ledger.service import open_ledger
print("ready", flush=True)
sys.stdin.readline()
with open_ledger(sys.argv[1]) as ledger:
    ledger.create_job(sys.argv[2])
"""


def test_processes_may_come_first_at_once(ledger_url: str) -> None:
    """Four start on nothing at the same moment: one makes the schema, all go on, none fails."""
    names = ["a", "b", "c", "d"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", OPENER, ledger_url, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for name in names
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=90) for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, ended, strict=True)] == [(0, "")] * 4
    with open_ledger(ledger_url) as ledger:
        assert sorted(job.name for job in ledger.list_jobs()) == names


def test_those_who_come_first_come_one_at_a_time(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switching a new file to WAL does not wait for others: of 160 openings without a lock, 4 failed."""
    monkeypatch.setattr(ledger_engines, "BUSY_TIMEOUT", 0.05)
    file = file_of(ledger_url)
    file.parent.mkdir()
    with FileLock(f"{file}.lock"), pytest.raises(LedgerUnavailableError, match=r"ledger\.sqlite\.lock"):
        open_ledger(ledger_url)
    open_ledger(ledger_url).close()


def test_a_migration_that_fails_leaves_nothing_half_done(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of making tables, there are none; the next one makes them all."""
    revision = importlib.import_module("alembic.op")
    real = revision.create_index

    def break_off(name: str, *rest: Any, **more: Any) -> None:
        if "transitions" in name:
            raise KeyboardInterrupt
        real(name, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(revision, "create_index", break_off)
        with pytest.raises(KeyboardInterrupt):
            open_ledger(ledger_url)
    connection = sqlite3.connect(file_of(ledger_url))
    assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    with open_ledger(ledger_url) as ledger:
        ledger.create_job("x")


def test_a_newer_ledger_is_refused_untouched(ledger_url: str) -> None:
    """The message names both versions and what to do."""
    open_ledger(ledger_url).close()
    connection = sqlite3.connect(file_of(ledger_url))
    connection.execute("UPDATE sonnys_ledger_version SET version_num = '0042'")
    connection.commit()
    with pytest.raises(LedgerVersionError, match=r"has schema 0042.*up to 0005.*Upgrade this installation") as caught:
        open_ledger(ledger_url)
    assert (caught.value.found, caught.value.known) == ("0042", SCHEMA_REVISION)
    assert connection.execute("SELECT version_num FROM sonnys_ledger_version").fetchall() == [("0042",)]
    connection.close()


def test_a_file_that_is_no_ledger_is_refused(ledger_url: str) -> None:
    """And keeps what it holds."""
    file = file_of(ledger_url)
    file.parent.mkdir()
    file.write_text("a shopping list\n" * 100)
    with pytest.raises(LedgerUnavailableError, match=r"ledger\.sqlite cannot be used: file is not a database"):
        open_ledger(ledger_url)
    assert file.read_text().startswith("a shopping list")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the reason, and the variable that says where the ledger is."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "ledger.sqlite").mkdir(parents=True)
    for path in (tmp_path / "file" / "ledger.sqlite", tmp_path / "folder" / "ledger.sqlite"):
        with pytest.raises(LedgerUnavailableError, match="SONNYS_LEDGER_URL"):
            open_ledger(f"sqlite:///{path}")


def test_a_failing_store_is_the_ledgers_error(ledger: JobService) -> None:
    """Not SQLAlchemy's: whoever uses the ledger needs to know one family of errors."""
    with ledger._store.writing() as connection:
        connection.exec_driver_sql("DROP TABLE sonnys_job_transitions")
    job = ledger.create_job("x")
    with pytest.raises(LedgerUnavailableError, match="no such table") as caught:
        ledger.transitions(job.id)
    assert isinstance(caught.value, LedgerError)
    assert isinstance(caught.value.__cause__, Exception)


def test_opening_does_not_load_alembic_when_there_is_nothing_to_do(ledger_url: str) -> None:
    """A ledger that is up to date opens in milliseconds."""
    open_ledger(ledger_url).close()
    code = f"import sys; from sonnys_pipeline.ledger.service import open_ledger; open_ledger({ledger_url!r}).close(); "
    code += "print('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


BAD_URLS = [
    "", "ledger.sqlite", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/ledger",
    f"mysql://me:{PASSWORD}@db/ledger", f"redis://:{PASSWORD}@db", f"postgresql://me:{PASSWORD}@db:{PASSWORD}/ledger",
    f"postgresql://me:x@{PASSWORD}:{PASSWORD}@db:port/ledger",
]  # fmt: skip


@pytest.mark.parametrize("url", BAD_URLS)
def test_a_url_that_cannot_be_used_is_refused_unquoted(url: str) -> None:
    """The message shows the forms there are, and nothing of what was given."""
    with pytest.raises(ValueError, match=r"SONNYS_LEDGER_URL.*postgresql://user:password@host/database") as caught:
        open_ledger(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@127.0.0.1:9/ledger",
        f"postgres://me:{PASSWORD}@127.0.0.1:9/ledger",
        f"postgresql://me@127.0.0.1:9/ledger?password={PASSWORD}&sslpassword={PASSWORD}",
    ],
)
def test_no_credential_is_shown(url: str, monkeypatch: pytest.MonkeyPatch, ledger: JobService) -> None:
    """Not when the server cannot be reached, nor when its driver is missing, nor by an open ledger's `repr`."""
    with pytest.raises(LedgerUnavailableError, match=r"postgresql://127\.0\.0\.1:9/ledger") as caught:
        open_ledger(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))

    engines = []

    def prepared(engine: Any, where: str) -> None:
        engines.append(engine)

    monkeypatch.setattr(ledger_engines, "_prepare", prepared)
    monkeypatch.setattr(postgres, "create_engine", without_driver)
    with open_ledger(url) as opened:
        assert repr(opened) == "JobService('postgresql://127.0.0.1:9/ledger')"
        assert PASSWORD not in f"{opened} {opened!r} {vars(opened)} {engines} {engines[0].url!r}"


def without_driver(url: Any, **more: Any) -> Any:
    """An engine that needs no PostgreSQL driver, because it is never connected."""
    driver = SimpleNamespace(paramstyle="pyformat", __version__="1.31.2")
    return create_engine(url.set(drivername="postgresql+pg8000"), module=driver, **more)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] in {"psycopg", "psycopg2"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LedgerUnavailableError, match=r"pip install 'sonnys-pipeline\[postgres\]'") as caught:
        open_ledger(f"postgresql://me:{PASSWORD}@db/ledger")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_instants_are_aware_on_the_way_in_and_out(ledger: JobService) -> None:
    """A naive one is refused by the column itself; another zone's is kept as the same instant, and sorts as text."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="no time zone"):
        aware_utc(naive)
    job = ledger.create_job("x")
    entry = {"job_id": job.id, "from_status": "pending", "to_status": "running", "by": "me", "why": ""}
    with pytest.raises(LedgerUnavailableError, match="no time zone") as caught, ledger._store.writing() as connection:
        connection.execute(insert(transitions).values({**entry, "at": naive}))
    assert isinstance(caught.value.__cause__, StatementError)
    instants = [
        datetime(2026, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=1))),
        datetime(2026, 1, 1, 18, 0, 1, tzinfo=timezone(timedelta(hours=-6))),
    ]
    with ledger._store.writing() as connection:
        connection.execute(insert(transitions), [{**entry, "at": instant} for instant in reversed(instants)])
        found = list(connection.execute(select(transitions.c.at).order_by(transitions.c.at)).scalars())
    assert found == instants
    assert {instant.tzinfo for instant in found} == {UTC}
