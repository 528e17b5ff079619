"""`client.transactions`: load jobs, lists and details (LJ-01 … LJ-08, LJ-10, LJ-11)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sonnys_pipeline.client.errors import (
    APITimeoutError,
    JobFailedError,
    NotFoundError,
    OversizeError,
    ResponseFormatError,
    UnknownJobStatusError,
)
from sonnys_pipeline.client.models import (
    Site,
    Transaction,
    TransactionJobItem,
    TransactionListItem,
    TransactionV2ListItem,
    parse_rows,
)
from sonnys_pipeline.client.resource import (
    NO_RESULTS,
    PAGE_SIZE,
    Resource,
    count_copies,
    parse_whole_number,
    read_rows,
    read_total,
    required,
)
from sonnys_pipeline.client.sites import Sites
from sonnys_pipeline.runtime.quoting import word

_LOAD_JOB = "/transaction/load-job"
_JOB_DATA = "/transaction/get-job-data"
_LIST = "/transaction"
#: Seen once in a log (contract, L18); treated as working.
_PENDING = "pending"
#: Characters; the API's hashes have 32.
_MAX_HASH_LENGTH = 200


class LoadJobStatus(StrEnum):
    """Status of a load job; exactly these three (contract, "Batch jobs"), with `pending` (L18) read as working."""

    WORKING = "working"
    PASS = "pass"  # noqa: S105 - the API's word; the rows are ready
    FAIL = "fail"


@dataclass(frozen=True)
class JobData:
    """A response of `get-job-data`.

    Attributes:
        rows: raw rows of this page; empty unless the status is pass.
        total: rows of the whole window, over all pages; 0 unless the status is pass.
        body: the whole `data` object.
    """

    job_hash: str
    status: LoadJobStatus
    rows: Sequence[Mapping[str, Any]]
    total: int
    body: Mapping[str, Any]

    @classmethod
    def read(cls, job_hash: str, data: Mapping[str, Any]) -> JobData:
        """Read a response's `data`; `UnknownJobStatusError` or another `ResponseFormatError` if it does not fit."""
        try:
            said = data.get("status", "")
            status = LoadJobStatus.WORKING if said == _PENDING else LoadJobStatus(said)
        except ValueError:
            raise UnknownJobStatusError(
                f"load job {job_hash}: status {word(data.get('status'))!r} is none of working, pass, fail; "
                "the API has changed, so nothing was read"
            ) from None
        if status is not LoadJobStatus.PASS:
            return cls(job_hash, status, (), 0, data)
        where = f"load job {job_hash}"
        rows = read_rows(data, "data", where)
        return cls(job_hash, status, rows, read_total(data, rows, where), data)

    def parse(self) -> list[TransactionJobItem]:
        """The rows as models; `UnparsableRowError` for the first that does not fit."""
        return parse_rows(TransactionJobItem, self.rows, page_hash=self.job_hash)


@dataclass(frozen=True)
class JobPage:
    """One loaded page of a window.

    Attributes:
        job_hash: its load job; empty if an empty window had none.
        page: page number from 1 (the API calls it `offset`).
        total: rows of the whole window, according to this page.
    """

    job_hash: str
    page: int
    total: int
    items: Sequence[TransactionJobItem]


class Transactions(Resource):
    """The transaction endpoints; parameters are the API's own (`startDate`, `endDate` in Unix seconds, `site`, …)."""

    def load_job(
        self, *, poll_interval: float = 2.0, timeout: float = 300.0, **params: object
    ) -> list[TransactionJobItem]:
        """Submit a span, wait, and return every row of it: one call (LJ-01).

        Each page of 100 rows is a load job; they are submitted one after the other, and each is polled until it is
        ready. The API takes spans of at most **24 hours**, and keeps a job's data for **20 minutes**: the same criteria
        within that time give the same job and rows. Every poll is counted in the request budget that all users of the
        API id share, so a short `poll_interval` starves the others without being faster.

        Args:
            poll_interval: seconds between polls.
            timeout: seconds that each page's job may take; checked after each poll, so 0 still polls once.
            **params: `startDate`, `endDate` (Unix seconds, not validated here), `site`; `limit` is 100 unless given;
                an `offset` (page number from 1) loads that page alone.

        Returns:
            All rows, in the API's order, each id once; of a row on two pages, the later one.

        Raises:
            JobFailedError: the API answered `fail` ("Batch job failed").
            APITimeoutError: a page's job was not ready in time.
            IncompleteResultError: there are fewer rows than `total` promised.
            UnparsableRowError: a row does not fit `TransactionJobItem`.
            ValidationError: the API refuses the criteria (LJ-06).
        """
        pages = self.load_pages(poll_interval=poll_interval, timeout=timeout, **params)
        return list({item.id: item for page in pages for item in page.items}.values())

    def load_pages(self, *, poll_interval: float = 2.0, timeout: float = 300.0, **params: object) -> Iterator[JobPage]:
        """As `load_job`, page by page, with hashes and totals; copies of a row are not removed.

        `IncompleteResultError` comes after the last page, if the rows are not as many as `total` promised (LJ-05).
        """
        alone = params.get("offset")
        number = 1 if alone is None else parse_whole_number(alone, "offset")
        limit = parse_whole_number(params.get("limit", PAGE_SIZE), "limit")
        where = f"load job for {_criteria(params)}"
        pages: list[Sequence[TransactionJobItem]] = []
        known: set[str] = set()
        while True:
            page = self._load_page(poll_interval, timeout, {**params, "limit": limit, "offset": number})
            yield page
            pages.append(page.items)
            before = len(known)
            known.update(item.id for item in page.items)
            expected = page.total if alone is None else max(0, min(limit, page.total - (number - 1) * limit))
            last = alone is not None or number * limit >= page.total
            # A page that is not full, or has no new rows, is the last one; otherwise the loop might not end.
            if last or len(known) >= expected or len(page.items) < limit or len(known) == before:
                items = [item for items in pages for item in items]
                count_copies([[item.id for item in items] for items in pages], expected, items.__getitem__, where)
                return
            number += 1

    def submit_job(self, **params: object) -> str:
        """Submit one page of one window (LJ-07), by one request; returns the load job's hash, valid for 20 minutes."""
        job_hash = str(required(self._data("POST", _LOAD_JOB, params=params), "hash", str, f"POST {_LOAD_JOB}"))
        if not 0 < len(job_hash) <= _MAX_HASH_LENGTH or not job_hash.isprintable():
            raise ResponseFormatError(
                f"POST {_LOAD_JOB}: the hash is empty, longer than {_MAX_HASH_LENGTH} characters, or not printable"
            )
        return job_hash

    def get_job_data(self, job_hash: str) -> JobData:
        """Poll a load job once (LJ-07), by one request.

        Raises:
            NotFoundError: the hash has expired or is unknown, or the window is empty (LJ-10 tells them apart).
            UnknownJobStatusError: for a status other than working, pass and fail.
        """
        return JobData.read(job_hash, self._data("GET", _JOB_DATA, params={"hash": job_hash}))

    def get_job_body(self, job_hash: str) -> bytes:
        """As `get_job_data`, but the raw body."""
        return self._client._request("GET", _JOB_DATA, params={"hash": job_hash}).content  # noqa: SLF001 - LJ-09

    def count(self, **params: object) -> int:
        """Rows of a span according to the list endpoint, independent of load jobs; one request."""
        return self._first_page(params, limit=1)[1]

    def list(self, **params: object) -> list[TransactionListItem]:
        """All transactions of a span of at most a month, in short; one request per 100 (LJ-08)."""
        return self._list_all(_LIST, "transactions", TransactionListItem, params, _id_of)

    def list_page(self, **params: object) -> tuple[Sequence[TransactionListItem], int]:
        """The first 100 transactions of a span in short, and how many there are; one request."""
        rows, total = self._first_page(params, limit=PAGE_SIZE)
        return parse_rows(TransactionListItem, rows), total

    def list_body(self, **params: object) -> bytes:
        """Raw body of one page of `list`; one request. An empty result is a `NotFoundError`."""
        return self._client._request("GET", _LIST, params=params).content  # noqa: SLF001 - LJ-09

    def list_by_type(self, item_type: str, **params: object) -> list[TransactionListItem]:  # type: ignore[valid-type]  # the method `list` hides the type
        """All transactions with an item of a type: wash, prepaid-wash, recurring, washbook, giftcard and so on."""
        return self._list_all(f"{_LIST}/type/{item_type}", "transactions", TransactionListItem, params, _id_of)

    def list_v2(self, **params: object) -> list[TransactionV2ListItem]:  # type: ignore[valid-type]  # the method `list` hides the type
        """All transactions with customer, plan flags and status; cached by the API for 10 minutes."""
        return self._list_all(f"{_LIST}/version-2", "transactions", TransactionV2ListItem, params, _id_of)

    def list_v2_body(self, **params: object) -> bytes:
        """Raw body of one page of `list_v2`; one request. An empty result is a `NotFoundError`."""
        return self._client._request("GET", f"{_LIST}/version-2", params=params).content  # noqa: SLF001 - LJ-09

    def list_sites(self) -> list[Site]:  # type: ignore[valid-type]  # the method `list` hides the type
        """`client.sites.list()`, also without throttling."""
        return Sites(self._client).list()

    def get(self, transaction_id: str) -> Transaction:
        """One transaction in detail; `NotFoundError` if the id is unknown."""
        return parse_rows(Transaction, [self._data("GET", f"{_LIST}/{transaction_id}")])[0]

    def _first_page(self, params: Mapping[str, object], limit: int) -> tuple[Sequence[Any], int]:
        """Rows of page 1 of the list as they came, and the total."""
        try:
            data = self._data("GET", _LIST, params={**params, "limit": limit, "offset": 1})
        except NotFoundError as nothing:
            if nothing.type == NO_RESULTS:
                return (), 0
            raise
        rows = read_rows(data, "transactions", f"GET {_LIST}")
        return rows, read_total(data, rows, f"GET {_LIST}", limit)

    def _load_page(self, poll_interval: float, timeout: float, params: Mapping[str, Any]) -> JobPage:
        """Submit and poll one page; LJ-10 tells apart what a 404 means.

        A hash past its lifetime is resubmitted. An earlier 404 means an empty window, if the list endpoint confirms it,
        or a lost job, which is resubmitted too.
        """
        for attempt in range(self._client.max_retries + 1):
            job_hash = self.submit_job(**params)
            deadline = time.monotonic() + timeout
            try:
                data = self._poll(job_hash, poll_interval, timeout, deadline, params)
                if len(data.rows) > (limit := params["limit"]):
                    raise OversizeError(
                        f"load job {job_hash}: the page has {len(data.rows)} rows, but {limit} were requested"
                    )
                return JobPage(job_hash, int(params["offset"]), data.total, data.parse())
            except NotFoundError:
                age = time.monotonic() - (deadline - timeout)
                if age < self._client.hash_lifetime and self.count(**_span(params)) == 0:
                    return JobPage(job_hash, int(params["offset"]), 0, ())
                if attempt == self._client.max_retries:
                    raise
                time.sleep(poll_interval)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _poll(
        self, job_hash: str, poll_interval: float, timeout: float, deadline: float, params: Mapping[str, Any]
    ) -> JobData:
        """Poll a job until it passes; the deadline is checked after each poll (LJ-03)."""
        while True:
            data = self.get_job_data(job_hash)
            if data.status is LoadJobStatus.PASS:
                return data
            if data.status is LoadJobStatus.FAIL:
                raise JobFailedError(job_hash, params, data.body)
            if time.monotonic() >= deadline:
                raise APITimeoutError(
                    f"load job {job_hash} was not ready within its timeout of {timeout:g} s; "
                    "raise SONNYS_JOB_TIMEOUT if the API is slow today"
                )
            time.sleep(poll_interval)


def _id_of(row: TransactionListItem) -> str:
    return row.trans_id


def _span(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in ("startDate", "endDate", "site") if params.get(name) is not None}


def _criteria(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in _span(params).items()) or "the API's default span"
