"""What tests of executors share: a ledger on the real clock, and executors that follow a script."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.support.scripted_executor import MakeExecutor, scripted_executors


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    """A ledger on the real clock."""
    with open_ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}") as opened:
        yield opened


@pytest.fixture
def make(jobs: JobService, tmp_path: Path) -> Iterator[MakeExecutor]:
    """Executors that follow a script; the API is never asked."""
    with scripted_executors(jobs, tmp_path) as make_one:
        yield make_one
