"""What tests of the ledger share: a clock that is set by hand, and a ledger file in the test's own folder."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from sonnys_pipeline.batch.jobs import RowSpec
from sonnys_pipeline.batch.ledger import JobService, open_ledger


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


def specs(count: int, first: str = "2026-01-01") -> list[RowSpec]:
    """So many days in a row."""
    start = date.fromisoformat(first)
    return [RowSpec((start + timedelta(days=number)).isoformat()) for number in range(count)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}"


@pytest.fixture
def ledger(ledger_url: str, clock: ManualClock) -> Iterator[JobService]:
    with open_ledger(ledger_url, now=clock) as opened:
        yield opened
