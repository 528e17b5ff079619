"""Parse and land: page bodies already in memory → validated rows → one Parquet file, in rows per second.

Beside it, in the same run: the way that is written first (`json.loads`, models one by one, pandas, Parquet), and two
bare parsers that do less than is needed: `orjson.loads`, which checks nothing, and pydantic's `validate_json`, which
makes models and leaves them there.
"""

from __future__ import annotations

import gc
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pandas as pd
from pydantic import BaseModel, TypeAdapter

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import TransactionJobItem
from sonnys_pipeline.extract.pages.assemble import LoadedDay, complete_window, join_windows
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.simulator import World

ROWS = 50_000
ROUNDS = 3
DAY = Day.of("2026-03-10")


class _Page(BaseModel):
    data: list[TransactionJobItem]
    total: int


class _Envelope(BaseModel):
    data: _Page


@dataclass(frozen=True)
class PageBodies:
    """An API that has its answers already; a hash is a place among them."""

    answers: Sequence[bytes]

    def submit_job(self, **params: object) -> str:
        """Never asked."""
        raise AssertionError(params)

    def get_job_body(self, job_hash: str) -> bytes:
        """The answer."""
        return self.answers[int(job_hash)]

    def count(self, **params: object) -> int:
        """Never asked."""
        raise AssertionError(params)


def page_bodies() -> list[bytes]:
    """500 pages of a lifelike chain, as the API sends them."""
    rows = World(seed=7, sites=20, rows_per_day=ROWS).rows(DAY.start, DAY.end - timedelta(milliseconds=1))
    pages = [list(rows[start : start + 100]) for start in range(0, len(rows), 100)]
    return [
        orjson.dumps({"data": {"hash": f"h{number}", "status": "pass", "data": page, "limit": 100, "total": len(rows)}})
        for number, page in enumerate(pages)
    ]


def ours(bodies: list[bytes], folder: Path) -> None:
    """The pipeline's own way, from the body of an answer to the file in its place, and to its archive."""
    _landed(bodies, folder, PageReader(keeps_pages=True))


def ours_without_archive(bodies: list[bytes], folder: Path) -> None:
    """The same with `SONNYS_ARCHIVE=off`."""
    _landed(bodies, folder, PageReader())


def ours_hashed(bodies: list[bytes], folder: Path) -> None:
    """The same, archive included, with `SONNYS_PII=hash`."""
    _landed(bodies, folder, PageReader(Privacy(Policy.HASH, b"a key of sixteen bytes or more"), keeps_pages=True))


def _landed(bodies: list[bytes], folder: Path, reader: PageReader) -> None:
    read = [reader.read(PageBodies(bodies), str(number), {}) for number in range(len(bodies))]
    window = complete_window(DAY.windows[0], [page for page in read if isinstance(page, PageRows)])
    loaded = LoadedDay(
        DAY, (window,), join_windows([window]), datetime.now(UTC), 0, 0.0, has_raw_pages=reader.keeps_pages
    )
    land_day(Lake(folder), loaded, source=Source("0" * 16), privacy=reader.privacy)


def one_by_one_and_pandas(bodies: list[bytes], folder: Path) -> None:
    """`json.loads`, a model for each row, a DataFrame of dumps, `to_parquet`."""
    rows = []
    for body in bodies:
        for row in json.loads(body)["data"]["data"]:
            rows.append(TransactionJobItem.model_validate(row).model_dump())  # noqa: PERF401 - as it is written first
    frame = pd.DataFrame(rows)
    frame.to_parquet(folder / "plain.parquet", compression="zstd")


def bare_validate_json(bodies: list[bytes], _: Path) -> None:
    """Models, and nothing done with them."""
    adapter = TypeAdapter(_Envelope)
    kept = [adapter.validate_json(body) for body in bodies]
    del kept


def bare_orjson(bodies: list[bytes], _: Path) -> None:
    """Dicts, unchecked."""
    kept = [orjson.loads(body) for body in bodies]
    del kept


def run() -> dict[str, float]:
    """Rows per second of each way: the best of three rounds, the ways taking turns."""
    bodies = page_bodies()
    ways: list[Callable[[list[bytes], Path], None]] = [
        ours, ours_without_archive, ours_hashed, one_by_one_and_pandas, bare_validate_json, bare_orjson,
    ]  # fmt: skip
    best = dict.fromkeys((way.__name__ for way in ways), 0.0)
    for _ in range(ROUNDS):
        for way in ways:
            with tempfile.TemporaryDirectory() as folder:
                gc.collect()
                started = time.perf_counter()
                way(bodies, Path(folder))
                best[way.__name__] = max(best[way.__name__], ROWS / (time.perf_counter() - started))
    return best
