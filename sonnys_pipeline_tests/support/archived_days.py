"""Days with their pages, read from bodies as the loader reads them: shared by the tests of archive and replay."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import JobData
from sonnys_pipeline.extract.pages.assemble import CountProof, LoadedDay, complete_window, join_windows
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.pii import Privacy

KEY = "2026-03-10"
PAGE_SIZE = 3
FIRST_READ = datetime(2026, 3, 12, 6, tzinfo=UTC)

Row = dict[str, Any]


class Bodies:
    """An API that has answers by hash."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}

    def get_job_body(self, job_hash: str) -> bytes:
        return self.answers[job_hash]


def read_day(
    rows: Sequence[Mapping[str, Any]],
    *,
    site: str | None = None,
    number: int = 0,
    privacy: Privacy | None = None,
    keeps_pages: bool = True,
    day: Day | None = None,
) -> LoadedDay:
    """The `number`-th read of a day, whose rows all lie in its first window; pages have three rows."""
    day = day or Day.of(KEY)
    loaded_at = FIRST_READ + timedelta(hours=number)
    reader = PageReader(privacy or Privacy(), keeps_pages, lambda: loaded_at)
    windows = []
    for place, window in enumerate(day.windows):
        inside = list(rows) if place == 0 else []
        api, pages = Bodies(), []
        for start in range(0, max(len(inside), 1), PAGE_SIZE):
            job_hash = f"hash-{number}-{site}-{place}-{start}"
            page = {"hash": job_hash, "status": "pass", "data": inside[start : start + PAGE_SIZE]}
            api.answers[job_hash] = to_json({"data": {**page, "limit": 3, "total": len(inside)}})
            read = reader.read(api, job_hash, {})
            assert not isinstance(read, JobData)
            pages.append(read)
        windows.append(complete_window(window, pages))
    table = join_windows(windows)
    proof = CountProof(table.num_rows, table.num_rows)
    return LoadedDay(day, tuple(windows), table, loaded_at, 4, 1.0, site=site, has_raw_pages=keeps_pages, proof=proof)
