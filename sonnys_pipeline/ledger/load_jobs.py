"""Load jobs in flight, kept so that a resume continues their hashes instead of submitting again (BM-05).

Called once or twice per HTTP request, so each method is one short transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.ledger.errors import LedgerError, UnknownRowError
from sonnys_pipeline.ledger.schema import load_jobs
from sonnys_pipeline.ledger.store import LedgerPart, as_record, retried

# Built once: building the statement takes longer than executing it.
_THIS_ONE = [
    load_jobs.c.row_id == bindparam("of_row"),
    load_jobs.c.site == bindparam("of_site"),
    load_jobs.c.window_start == bindparam("from_start"),
    load_jobs.c.window_end == bindparam("to_end"),
    load_jobs.c.page == bindparam("of_page"),
]
_INTEND_AGAIN = (
    update(load_jobs)
    .where(*_THIS_ONE)
    .values(submitting_at=bindparam("instant"), submitted_at=None, job_hash=None)
)  # fmt: skip
_INTEND = insert(load_jobs).values(
    row_id=bindparam("of_row"),
    site=bindparam("of_site"),
    window_start=bindparam("from_start"),
    window_end=bindparam("to_end"),
    page=bindparam("of_page"),
    submitting_at=bindparam("instant"),
)
_OF_ROW = (
    select(load_jobs)
    .where(load_jobs.c.row_id == bindparam("of_row"))
    .order_by(load_jobs.c.site, load_jobs.c.window_start, load_jobs.c.window_end, load_jobs.c.page)
)
_SUBMITTED = update(load_jobs).where(*_THIS_ONE).values(job_hash=bindparam("hash"), submitted_at=bindparam("instant"))


@dataclass(frozen=True)
class LoadJobRecord:
    """A load job that was, or was about to be, submitted for a row (BM-05).

    Attributes:
        site: `None` where it names none.
        window_start, window_end: half-open `[start, end)`.
        page: from 1.
        job_hash: the API's hash; `None` when it is not known whether the POST arrived.
        submitting_at: just before the POST; the hash is at most this old.
        submitted_at: just after the hash came back.
    """

    row_id: int
    site: str | None
    window_start: datetime
    window_end: datetime
    page: int
    job_hash: str | None
    submitting_at: datetime
    submitted_at: datetime | None

    @property
    def window(self) -> Window:
        """The requested window."""
        return Window(self.window_start, self.window_end)

    def age(self, now: datetime) -> timedelta:
        """Time since just before the POST."""
        return now - self.submitting_at


class LoadJobs(LedgerPart):
    """Load jobs in flight, at most one per row, site, window and page: `JobService.load_jobs`."""

    @retried
    def note_submitting(self, row_id: int, window: Window, page: int, site: str | None = None) -> None:
        """Record the intent to POST; an earlier hash of the same page is forgotten, as the loader gave it up."""
        intent = {**_key(row_id, window, page, site), "instant": self._store.now()}
        with self._store.writing() as connection:
            if not connection.execute(_INTEND_AGAIN, intent).rowcount:
                try:
                    connection.execute(_INTEND, intent)
                except IntegrityError as error:
                    raise UnknownRowError(row_id) from error

    @retried
    def note_submitted(self, row_id: int, window: Window, page: int, job_hash: str, site: str | None = None) -> None:
        """Record the hash from the answer. Raises LedgerError without an intent, ValueError for an empty hash."""
        if not job_hash:
            raise ValueError("an empty hash names no load job")
        values = {**_key(row_id, window, page, site), "hash": job_hash, "instant": self._store.now()}
        with self._store.writing() as connection:
            if not connection.execute(_SUBMITTED, values).rowcount:
                raise LedgerError(
                    f"row {row_id}, {window}, page {page}: a hash was recorded without the intent to submit it"
                )

    def live(self, row_id: int, *, younger_than: timedelta) -> list[LoadJobRecord]:
        """Load jobs with a known hash, by window and page; their age counts from before the POST."""
        born_after = self._store.now() - younger_than
        return [record for record in self.of(row_id) if record.job_hash and record.submitting_at > born_after]

    @retried
    def of(self, row_id: int) -> list[LoadJobRecord]:
        """All load jobs of a row, by window and page. Without a hash, the POST may or may not have arrived."""
        with self._store.reading() as connection:
            lines = connection.execute(_OF_ROW, {"of_row": row_id}).mappings()
            found = [as_record(LoadJobRecord, load_jobs.c, line) for line in lines]
        return [replace(one, site=one.site or None) for one in found]


def _key(row_id: int, window: Window, page: int, site: str | None) -> dict[str, Any]:
    return {"of_row": row_id, "of_site": site or "", "from_start": window.start, "to_end": window.end, "of_page": page}
