"""One page of a load job, raw and as rows (LJ-02)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from sonnys_pipeline.client import JobData, LoadJobStatus
from sonnys_pipeline.client.bodies import SanitizedBody, sanitize
from sonnys_pipeline.client.models import unknown_fields
from sonnys_pipeline.client.resource import PAGE_SIZE, unwrap_data
from sonnys_pipeline.client.transport import Response
from sonnys_pipeline.extract.pages.decode import decode_page
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table

#: Fast, and a seventh of the size; the archive on disk compresses again.
_PACKING = "lz4_raw"


@dataclass(frozen=True)
class RawPage:
    """A raw page after the policy on personal data; compressed, since whole days of them are in memory.

    `received_at` is aware UTC; `size` is in uncompressed bytes.
    """

    job_hash: str
    received_at: datetime
    packed: bytes = field(repr=False)
    size: int

    @classmethod
    def of(cls, job_hash: str, received_at: datetime, body: bytes) -> RawPage:
        """Compress a body."""
        return cls(job_hash, received_at, pa.compress(body, codec=_PACKING, asbytes=True), len(body))

    @property
    def body(self) -> bytes:
        """The uncompressed body."""
        unpacked: bytes = pa.decompress(self.packed, self.size, codec=_PACKING, asbytes=True)
        return unpacked


@dataclass(frozen=True)
class PageRows:
    """The rows of one page as columns, in a tenth of the models' memory.

    Attributes:
        total: rows of the whole window, according to this page.
        table: the rows, schema `TRANSACTIONS`; unset text may be `""` until `complete_window`.
        ids: their ids, in the same order.
        unknown_fields: fields that no model knows, counted.
        replaced_text: places where U+FFFD replaces an invalid character.
    """

    job_hash: str
    total: int
    table: pa.Table
    ids: Sequence[str]
    unknown_fields: Mapping[str, int] = field(default_factory=dict)
    raw: RawPage | None = None
    replaced_text: int = 0


def parse_page(job_hash: str, body: bytes | SanitizedBody) -> PageRows | JobData:
    """Validate a response of `get-job-data` and turn a passed job's rows into columns (LJ-02).

    Returns the unparsed response if the job has not passed. A `bytes` body is sanitized first. Raises
    UnparsableRowError for the first row that does not fit, ResponseFormatError for one that violates the contract.
    """
    where = f"load job {job_hash}"
    sanitized = body if isinstance(body, SanitizedBody) else sanitize(body, where)
    decoded = decode_page(sanitized.content)
    if decoded is not None and decoded[1].num_rows <= PAGE_SIZE:
        total, table = decoded
        return PageRows(job_hash, total, table, table["id"].to_pylist(), replaced_text=sanitized.replaced)
    data = JobData.read(job_hash, unwrap_data(Response(200, sanitized.content, where=where).json(), where))
    if data.status is not LoadJobStatus.PASS:
        return data
    items = data.parse()
    return PageRows(
        job_hash,
        data.total,
        to_table(items, TRANSACTIONS),
        [item.id for item in items],
        unknown_fields(items),
        replaced_text=sanitized.replaced,
    )
