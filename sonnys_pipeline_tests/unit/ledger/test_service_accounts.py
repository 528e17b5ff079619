"""JS-01, JS-05, JS-06, BX-06: one ledger of several accounts: to each, the jobs of the others are not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.backfill.recovery import check_interrupted_jobs
from sonnys_pipeline.ledger.models import JobStatus, RowSpec, UnknownJobError
from sonnys_pipeline.ledger.service import JobService, open_ledger

ACCOUNTS = ("north", "south", None)
ASKED: dict[str, Callable[[JobService, str], Any]] = {
    "get_job": lambda jobs, job: jobs.get_job(job),
    "get_job_summary": lambda jobs, job: jobs.get_job_summary(job),
    "get_plan": lambda jobs, job: jobs.plans.get(job),
    "transitions": lambda jobs, job: jobs.transitions(job),
    "acquire_lease": lambda jobs, job: jobs.leases.acquire(job, "host:1:x", 30.0),
    "update_status": lambda jobs, job: jobs.update_status(job, JobStatus.RUNNING, by="somebody"),
    "set_error": lambda jobs, job: jobs.set_error(job, "Code", "words"),
    "approve_plan": lambda jobs, job: jobs.plans.approve(job, "f", by="somebody"),
    "delete_job": lambda jobs, job: jobs.delete_job(job),
}


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[dict[str | None, JobService]]:
    """The same store, opened for two accounts, and for nobody in particular, as where there is one account."""
    with ExitStack() as opened:
        url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        yield {account: opened.enter_context(open_ledger(url, account=account)) for account in ACCOUNTS}


def test_each_account_has_its_jobs(ledgers: dict[str | None, JobService]) -> None:
    """By list and by name, though all have the same name."""
    made = {account: jobs.create_job("a name", rows=[RowSpec("2026-03-01")]) for account, jobs in ledgers.items()}

    for account, jobs in ledgers.items():
        assert made[account].account == account
        assert jobs.list_jobs() == [made[account]]
        assert jobs.find_job("a name") == made[account]
        assert jobs.get_job(made[account].id) == made[account]


@pytest.mark.parametrize("method", ASKED)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_job_of_another_is_unknown(ledgers: dict[str | None, JobService], account: str | None, method: str) -> None:
    """Whatever is asked of it, by its own id; and nothing of it changes."""
    others = [one for one in ACCOUNTS if one != account]
    for other in others:
        job = ledgers[other].create_job("a name", rows=[RowSpec("2026-03-01")])
        with pytest.raises(UnknownJobError):
            ASKED[method](ledgers[account], job.id)
        assert ledgers[other].get_job(job.id) == job


def test_an_interrupted_job_is_its_accounts_alone(ledgers: dict[str | None, JobService]) -> None:
    """Nobody is offered the recovery of somebody else's job."""
    job = ledgers["north"].create_job("a name", rows=[RowSpec("2026-03-01")])
    ledgers["north"].update_status(job.id, JobStatus.RUNNING, by="somebody")

    assert [one.id for one in check_interrupted_jobs(ledgers["north"]) or ()] == [job.id]
    assert check_interrupted_jobs(ledgers["south"]) is None
    assert check_interrupted_jobs(ledgers[None]) is None
