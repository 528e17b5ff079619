"""What tests of the ledger share: a clock that is set by hand, and a ledger of the test's own.

It is a file, except in the modules that ask everything of PostgreSQL, too.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from sonnys_pipeline.ledger.models import RowSpec
from sonnys_pipeline.ledger.schema import metadata
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.support.servers import PostgresServer

#: What these say of the ledger holds for a file and for a server alike.
ON_BOTH_STORES = {"ledger.test_service", "ledger.test_rows", "ledger.test_leases", "ledger.test_service_state_machine"}


class ManualClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 10, 6, 30, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.instant

    def advance(self, seconds: float) -> datetime:
        """Move on; the new instant."""
        self.instant += timedelta(seconds=seconds)
        return self.instant


class SleepClock:
    """Monotonic seconds that pass when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def specs(count: int, first: str = "2026-01-01") -> list[RowSpec]:
    """So many days in a row."""
    start = date.fromisoformat(first)
    return [RowSpec((start + timedelta(days=number)).isoformat()) for number in range(count)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask the tests of some modules twice."""
    if "ledger_url" in metafunc.fixturenames and ".".join(metafunc.module.__name__.split(".")[-2:]) in ON_BOTH_STORES:
        stores = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
        metafunc.parametrize("ledger_url", stores, indirect=True)


@pytest.fixture(scope="session")
def _postgres_ledger(postgres_server: PostgresServer) -> str:
    """A database with the ledger's tables: to empty them is a hundred times faster than to make them."""
    url = postgres_server.new_database()
    open_ledger(url).close()
    return url


@pytest.fixture
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}"
    url: str = request.getfixturevalue("_postgres_ledger")
    with create_engine(url.replace("postgresql:", "postgresql+psycopg:")).begin() as connection:
        connection.exec_driver_sql(f"TRUNCATE {', '.join(metadata.tables)} RESTART IDENTITY")
    connection.engine.dispose()
    return url


@pytest.fixture
def ledger(ledger_url: str, clock: ManualClock) -> Iterator[JobService]:
    with open_ledger(ledger_url, now=clock) as opened:
        yield opened
