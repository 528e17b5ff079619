"""LV-05: what was learned of an API id is kept with the ledger, the newest value of each name."""

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from sonnys_pipeline.ledger.models import RowSpec
from sonnys_pipeline.ledger.service import JobService, open_ledger


def test_the_newest_value_of_each_name_is_kept(ledger: JobService) -> None:
    assert ledger.knowledge.recall("digest", "sites") is None
    ledger.knowledge.remember("digest", "sites", [{"code": "A"}])
    ledger.knowledge.remember("digest", "sites", [{"code": "B"}])
    ledger.knowledge.remember("digest", "answer", None)
    ledger.knowledge.remember("other", "sites", [])
    known = ledger.knowledge.recall("digest", "sites")
    assert known is not None
    assert known.content == [{"code": "B"}]
    assert {name: one.content for name, one in ledger.knowledge.recall_all("digest").items()} == {
        "answer": None,
        "sites": [{"code": "B"}],
    }


def test_a_ledger_of_before_keeps_its_live_load_jobs(tmp_path: Path) -> None:
    """Revision 0005 gives load jobs a site: that of their row, or none."""
    url = f"sqlite:///{tmp_path / 'old' / 'ledger.sqlite'}"
    with open_ledger(url) as ledger:
        job = ledger.create_job("x", rows=[RowSpec("2026-01-01"), RowSpec("2026-01-01", "EAST")])
        first, second = ledger.get_rows(job.id)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE sonnys_api_knowledge"))
        connection.execute(sa.text("DROP TABLE sonnys_load_jobs"))
        connection.execute(
            sa.text(
                "CREATE TABLE sonnys_load_jobs (row_id INTEGER NOT NULL, window_start DATETIME NOT NULL, "
                "window_end DATETIME NOT NULL, page INTEGER NOT NULL, job_hash TEXT, submitting_at DATETIME NOT NULL, "
                "submitted_at DATETIME, PRIMARY KEY (row_id, window_start, window_end, page))"
            )
        )
        for row in (first, second):
            connection.execute(
                sa.text("INSERT INTO sonnys_load_jobs VALUES (:row, :start, :end, 1, :hash, :at, :at)"),
                {"row": row.id, "start": "2026-01-01 00:00:00.000000", "end": "2026-01-02 00:00:00.000000",
                 "hash": f"h{row.id}", "at": "2026-01-03 00:00:00.000000"},
            )  # fmt: skip
        connection.execute(sa.text("UPDATE sonnys_ledger_version SET version_num = '0004'"))
    engine.dispose()
    with open_ledger(url) as ledger:
        found = [ledger.load_jobs.of(row.id) for row in (first, second)]
    assert [[(job.job_hash, job.site) for job in jobs] for jobs in found] == [
        [(f"h{first.id}", None)],
        [(f"h{second.id}", "EAST")],
    ]
    assert found[0][0].window_start == datetime(2026, 1, 1, tzinfo=UTC)
