"""BM-05, BM-07: a budget whose store is away, slow, forgetful or broken: nothing is sent, nothing fails at once.

And LJ-09's secrecy: no password of a store's URL stands in an error, a rendering or a log.
"""

import builtins
import logging
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.client import BudgetUnavailableError, RequestBudget, RequestRate
from sonnys_pipeline_tests.support.servers import PASSWORD, PostgresServer, RedisServer
from sonnys_pipeline_tests.unit.conftest import SleepClock

SERVERS = [pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("redis", marks=pytest.mark.redis)]
DRIVERS = {"postgres": "psycopg", "redis": "redis"}
NOWHERE = {
    "postgres": f"postgresql://me:{PASSWORD}@127.0.0.1:9/budget",
    "redis": f"redis://me:{PASSWORD}@127.0.0.1:9/0",
}


@pytest.fixture
def clock() -> SleepClock:
    return SleepClock()


@pytest.fixture
def url(request: pytest.FixtureRequest, store: str, tmp_path: Path) -> str:
    if store == "sqlite":
        return f"sqlite:///{tmp_path / 'budget.sqlite'}"
    return str(request.getfixturevalue(f"{store}_url"))


@pytest.fixture
def server(request: pytest.FixtureRequest, store: str) -> Iterator[PostgresServer | RedisServer]:
    """The store's server; running again after the test."""
    with request.getfixturevalue(f"{store}_server").to_be_killed() as server:
        yield server


@pytest.fixture
def budget(url: str, clock: SleepClock) -> Iterator[RequestBudget]:
    with RequestBudget("id-1", RequestRate(3, 15), url, sleep=clock.sleep, clock=clock) as opened:
        yield opened


@pytest.mark.parametrize("store", SERVERS)
def test_a_server_that_comes_back(
    budget: RequestBudget, server: PostgresServer, clock: SleepClock, caplog: pytest.LogCaptureFixture, store: str
) -> None:
    """While it is away each try is told to wait for a second at most, and one warning says why; then it goes on."""
    assert budget.try_acquire() == 0.0
    server.kill()
    pauses = []
    while clock.now < 120:
        pauses.append(budget.try_acquire())
        clock.sleep(pauses[-1])
    assert 0 < min(pauses) <= max(pauses) == 1.0
    assert len(pauses) < 30
    server.start()
    # This Redis has forgotten what was sent: it waits for a block.
    assert (budget.try_acquire() == 0.0) == (store == "postgres")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "127.0.0.1" in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("store", SERVERS)
def test_a_server_that_stays_away(budget: RequestBudget, server: PostgresServer, clock: SleepClock, store: str) -> None:
    """After a minute it is an error that names the place and the variable, and no password; a server back heals it."""
    server.kill()
    started = clock.now
    with pytest.raises(BudgetUnavailableError, match=r"127\.0\.0\.1:\d+/.*SONNYS_BUDGET_URL") as caught:
        budget.acquire()
    assert 60 <= clock.now - started <= 62
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(BudgetUnavailableError):
        budget.try_acquire()
    with pytest.raises(BudgetUnavailableError):
        budget.permits_in_use()
    server.start()
    assert budget.try_acquire() == 0.0


@pytest.mark.parametrize("store", SERVERS)
def test_a_429_is_not_forgotten_while_the_store_is_away(
    budget: RequestBudget, server: PostgresServer, url: str, store: str
) -> None:
    """It is told to the store before the next permit is asked for: all sharers wait then."""
    server.kill()
    budget.cool_down()
    server.start()
    assert budget.try_acquire() > 15
    with RequestBudget("id-1", RequestRate(3, 15), url) as other:
        assert other.try_acquire() > 14


@pytest.mark.redis
def test_a_redis_that_has_forgotten_gives_nothing_for_a_block(redis_url: str, redis_server: RedisServer) -> None:
    """What was sent is not in it any more, but is in the API's block: one sharer that knows better holds all back."""
    knows, other = (RequestBudget("id-1", RequestRate(3, 0.4), redis_url) for _ in range(2))
    with knows, other:
        assert [knows.acquire() for _ in range(3)] == [0.0] * 3
        redis_server.flush()
        assert 0.3 < knows.try_acquire() <= 0.46
        assert 0.2 < other.try_acquire() <= 0.46
        assert knows.acquire() > 0.2
        assert other.acquire() == 0.0
        redis_server.flush()
        assert [other.acquire() > 0, knows.acquire()] == [True, 0.0]


@pytest.mark.parametrize("store", ["sqlite", *SERVERS])
def test_a_permit_that_comes_late_is_left_unused(url: str, store: str) -> None:
    """Given half a second ago, it counts from then: sent now, it would arrive among those of the next block."""
    times = iter([0.0, 0.5, 1.0, 1.0])
    with RequestBudget("id-1", RequestRate(3, 15), url, clock=lambda: next(times)) as budget:
        assert budget.try_acquire() == 0.001
        assert budget.try_acquire() == 0.0
        assert budget.permits_in_use() == 2


def test_a_file_that_breaks_is_the_budgets_error(tmp_path: Path, clock: SleepClock) -> None:
    """After it was opened, too: no permit, a pause, and after a minute an error that names the file."""
    path = tmp_path / "budget.sqlite"
    with RequestBudget("id-1", RequestRate(3, 15), f"sqlite:///{path}", sleep=clock.sleep, clock=clock) as budget:
        assert budget.try_acquire() == 0.0
        with sqlite3.connect(path) as other:
            for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                other.execute(f"DROP TABLE {name}")
        other.close()
        assert 0 < budget.try_acquire() <= 1
        with pytest.raises(BudgetUnavailableError, match=r"budget\.sqlite cannot be used: no such table") as caught:
            budget.acquire()
        assert isinstance(caught.value.__cause__, sqlite3.Error)


@pytest.mark.parametrize("store", ["postgres", "redis"])
def test_a_server_that_is_not_there(store: str) -> None:
    """On opening that is told at once, with place, reason and variable, and without the password."""
    with pytest.raises(BudgetUnavailableError, match=r"127\.0\.0\.1:9/.*refused.*SONNYS_BUDGET_URL") as caught:
        RequestBudget("id-1", RequestRate(), NOWHERE[store])
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("store", SERVERS)
def test_a_server_that_refuses_us(store: str, url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong password is told on opening, and neither it nor the right one is shown."""
    caplog.set_level(logging.DEBUG)
    wrong = PASSWORD[::-1]
    with pytest.raises(BudgetUnavailableError, match=r"(?i)password") as caught:
        RequestBudget("id-1", RequestRate(), url.replace(PASSWORD, wrong))
    text = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert PASSWORD not in text
    assert wrong not in text


@pytest.mark.parametrize("store", SERVERS)
def test_no_credential_is_shown(budget: RequestBudget, store: str) -> None:
    """Neither by the budget nor by its store: the place is."""
    text = f"{budget!r} {budget._store!r}"
    assert PASSWORD not in text
    assert "127.0.0.1" in text


@pytest.mark.parametrize("store", SERVERS)
def test_the_api_id_is_not_in_the_store(url: str, store: str) -> None:
    """Only a digest of it names table lines and keys."""
    with RequestBudget("verysecretid", RequestRate(3, 15), url) as budget:
        budget.acquire()
        budget.cool_down()
        held = held_by(store, url)
    assert len(held) >= 2
    assert "verysecretid" not in str(held)


def held_by(store: str, url: str) -> list[object]:
    """All that a server holds of budgets."""
    if store == "redis":
        import redis

        with redis.Redis.from_url(url) as client:
            return [(key, client.dump(key), client.pttl(key)) for key in client.scan_iter()]
    import psycopg

    with psycopg.connect(url) as connection:
        return list(connection.execute("SELECT * FROM sonnys_request_budget").fetchall())


@pytest.mark.redis
def test_redis_keys_end_by_themselves(redis_url: str) -> None:
    """A minute after the block in which they were last of use."""
    with RequestBudget("id-1", RequestRate(3, 15), redis_url) as budget:
        budget.acquire()
        budget.cool_down()
    lives = [entry[2] for entry in held_by("redis", redis_url)]  # type: ignore[index] # as held_by makes them
    assert len(lives) == 2
    assert all(60_000 < life <= 75_350 for life in lives)


@pytest.mark.postgres
def test_who_may_use_the_table_need_not_make_it(postgres_url: str) -> None:
    """A user without the right to create tables shares a budget that another user has set up."""
    import psycopg

    with RequestBudget("id-1", RequestRate(3, 15), postgres_url) as first:
        assert first.try_acquire() == 0.0
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        connection.execute("GRANT SELECT, INSERT, DELETE ON sonnys_request_budget TO guest")
        with RequestBudget(
            "id-1", RequestRate(3, 15), postgres_url.replace(f"postgres:{PASSWORD}", "guest:guest")
        ) as budget:
            assert [budget.try_acquire(), budget.try_acquire()] == [0.0, 0.0]
            assert budget.try_acquire() > 14
        connection.execute("DROP OWNED BY guest; DROP ROLE guest")


@pytest.mark.postgres
def test_other_defaults_of_a_database_change_nothing(postgres_url: str) -> None:
    """A database whose transactions are serializable or read-only by default: each decision says what it needs."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with RequestBudget("id-1", RequestRate(3, 15), postgres_url) as budget:
        assert [budget.try_acquire() for _ in range(3)] == [0.0] * 3
        assert budget.try_acquire() > 14


@pytest.mark.postgres
@pytest.mark.parametrize("scheme", ["postgres", "postgresql+psycopg"])
def test_the_ledgers_spellings_are_understood(postgres_url: str, scheme: str) -> None:
    """And parameters of the URL, TLS among them, reach the driver."""
    url = f"{scheme}{postgres_url.removeprefix('postgresql')}?sslmode=disable&application_name=wash"
    with RequestBudget("id-1", RequestRate(3, 15), url) as budget:
        store: Any = budget._store
        assert store._server._connection.info.get_parameters()["application_name"] == "wash"
        assert store._server._connection.info.get_parameters()["sslmode"] == "disable"


@pytest.mark.redis
def test_tls_is_asked_for_by_the_scheme(redis_url: str) -> None:
    """`rediss://` speaks TLS, so a server that does not is refused; nothing is said in the clear."""
    with pytest.raises(BudgetUnavailableError, match=r"redis://127\.0\.0\.1"):
        RequestBudget("id-1", RequestRate(), redis_url.replace("redis://", "rediss://"))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{PASSWORD}@db:port:{PASSWORD}/x?{PASSWORD}",
        f"postgresql://me@db/x?no_parameter={PASSWORD}",
        f"redis://:{PASSWORD}@db:port/0",
        f"redis://:{PASSWORD}@db/0?no_parameter={PASSWORD}",
        f"redis://:{PASSWORD}@db/0?socket_timeout={PASSWORD}",
    ],
)
def test_a_url_that_cannot_be_read_is_not_quoted(url: str) -> None:
    """The message shows how one is written."""
    with pytest.raises(ValueError, match=r"SONNYS_BUDGET_URL: .*write (postgresql|redis)://") as caught:
        RequestBudget("id-1", RequestRate(), url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("store", ["postgres", "redis"])
def test_a_missing_driver_is_named(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs the extra, in one line."""
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == DRIVERS[store]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=rf"pip install 'sonnys-pipeline\[{store}\]'") as caught:
        RequestBudget("id-1", RequestRate(), NOWHERE[store])
    assert "\n" not in str(caught.value)
