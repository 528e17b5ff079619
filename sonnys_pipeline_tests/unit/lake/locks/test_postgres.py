"""decision 5 and JS-06 for lakes on object stores: one writer at a time, on one machine or on several."""

import threading
import time
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.lake.locks.files import Locks
from sonnys_pipeline.lake.locks.postgres import PostgresLocks
from sonnys_pipeline.runtime.outage import OutageDeadline
from sonnys_pipeline_tests.support.servers import PASSWORD, PostgresServer

LAKE = "s3://bucket/lake"


@pytest.fixture(params=["files", pytest.param("postgres", marks=pytest.mark.postgres)])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Locks, Locks]:
    """The locks of two writers of one lake, as the settings make them."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else None
    lakes = [Workspace(Settings(data_url=LAKE, state_dir=tmp_path / "state", ledger_url=url)).lake for _ in range(2)]
    return lakes[0]._locks, lakes[1]._locks


def test_one_writer_at_a_time(pair: tuple[Locks, Locks]) -> None:
    """The second waits until the first has left; another asset's writer does not."""
    first, second = pair
    entered = threading.Event()

    def enter() -> None:
        with second.holding("transactions"):
            entered.set()

    with first.holding("transactions"):
        waiting = threading.Thread(target=enter)
        waiting.start()
        with second.holding("sites"):
            assert not entered.wait(0.5)
    assert entered.wait(30)
    waiting.join(30)


def test_a_failure_inside_frees_the_lock(pair: tuple[Locks, Locks]) -> None:
    """And passes through as it is."""
    first, second = pair
    with pytest.raises(ZeroDivisionError), first.holding("transactions"):
        _ = 1 / 0
    with second.holding("transactions"):
        pass


@pytest.mark.postgres
def test_another_lake_has_other_locks(postgres_url: str) -> None:
    """One database holds those of many."""
    with PostgresLocks(postgres_url, LAKE).holding("a"), PostgresLocks(postgres_url, "s3://other").holding("a"):
        pass


@pytest.mark.postgres
def test_a_lock_that_stays_taken_is_an_error(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that a file takes, and more; with what to do, and without the password."""
    monkeypatch.setattr("sonnys_pipeline.lake.locks.postgres.LOCK_TIMEOUT", 0.2)
    with PostgresLocks(postgres_url, LAKE).holding("a"), pytest.raises(UnwritableLakeError) as caught:
        PostgresLocks(postgres_url, LAKE).holding("a").__enter__()
    assert "end the program that holds the lock" in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.postgres
def test_a_server_that_comes_back_is_waited_for(postgres_server: PostgresServer) -> None:
    """A lock is asked for again; whoever held one when the server went leaves without an error."""
    locks = PostgresLocks(postgres_server.new_database(), LAKE)
    with postgres_server.to_be_killed():
        with locks.holding("a"):
            postgres_server.kill()
        threading.Timer(1.5, postgres_server.start).start()
        started = time.monotonic()
        with locks.holding("a"):
            pass
        assert time.monotonic() - started > 1


@pytest.mark.postgres
def test_a_server_that_stays_away_is_an_error(postgres_server: PostgresServer) -> None:
    """With the ledger's place, and without the password."""
    url = postgres_server.url("nobody").replace(f":{postgres_server.port}/", ":1/")
    with pytest.raises(UnwritableLakeError, match=r"cannot lock a of s3://.*SONNYS_LEDGER_URL") as caught:
        PostgresLocks(url, LAKE, deadline=OutageDeadline(0.3)).holding("a").__enter__()
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(PostgresLocks(url, LAKE))


def test_a_ledger_url_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """As everywhere, without its text."""
    with pytest.raises(SettingsError, match="SONNYS_LEDGER_URL") as caught:
        _ = Workspace(Settings(data_url=LAKE, state_dir=tmp_path, ledger_url="postgresql://u:hunter2@h:port/d")).lake
    assert "hunter2" not in str(caught.value)
