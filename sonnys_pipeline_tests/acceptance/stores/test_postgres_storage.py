"""DG-03, BM-07, JS-01 for several machines: one PostgreSQL database under Dagster, the ledger and the request budget.

The whole suite runs on it with `SONNYS_TEST_STORES=postgres`; this is the part that runs always.
"""

from collections.abc import Callable

import psycopg
import pytest

from sonnys_pipeline.ledger.models import JobStatus
from sonnys_pipeline.ledger.service import open_ledger
from sonnys_pipeline_tests.acceptance.conftest import Process, Site
from sonnys_pipeline_tests.support.servers import PASSWORD

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres]
DAY = "2026-11-10"


def test_one_database_holds_everything(open_site: Callable[..., Site], materialize: Callable[..., Process]) -> None:
    """A day lands through real Dagster; what is remembered of it lies in the database, nothing of it in files."""
    site = open_site(stores="postgres", rows_per_day=249, midnight_row=True, speed=30, now="2026-11-20T12:00:00Z")
    process = materialize(site, DAY)
    assert process.wait() == 0, process.output
    assert site.landed_ids(DAY) == site.expected_ids(DAY)
    ((partition, metadata),) = site.materializations()
    assert (partition, metadata["dagster/partition_row_count"]) == (DAY, len(site.expected_ids(DAY)))
    with open_ledger(site.ledger_url) as jobs:
        (job,) = jobs.list_jobs()
        assert (job.status, job.successful_days) == (JobStatus.COMPLETED, 1)
    with psycopg.connect(site.ledger_url) as connection:
        for table in ("event_logs", "runs", "sonnys_job_rows", "sonnys_request_budget"):
            count = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))
            assert connection.execute(count).fetchone() != (0,), table
        held = connection.execute("SELECT string_agg(event, ' ') FROM event_logs").fetchone()
    assert not list((site.folder / "state").rglob("*.sqlite*"))
    assert not list((site.folder / "dagster").rglob("*.db"))
    for secret in (PASSWORD, site.environment["SONNYS_API_KEY"]):
        assert secret not in process.output
        assert secret not in str(held)
