"""Replay: sixty days whose files are gone, made again of their archived pages, in rows per second; zero requests.

The days are read by the pipeline's own reader from bodies in memory, and landed with their archive; their files are
then removed and made again, and have to have the same bytes.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson

from benchmarks.parse_and_land import PageBodies
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.pages.assemble import LoadedDay, complete_window, join_windows
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.archive import ARCHIVE
from sonnys_pipeline.landing.replay import Outcome, replay
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.simulator import World

DAYS = 60
ROWS = 1_500
FIRST = date(2026, 3, 1)
SOURCE = Source("0" * 16)


@dataclass(frozen=True)
class ReplayFigures:
    """What a replay took.

    Attributes:
        case: which policy on personal data, and what was to be done.
        days, rows: made again.
        seconds: for all of them.
        rows_per_second: of both.
        archive_bytes_a_page: on disk.
        day_bytes_a_row: on disk, beside it.
    """

    case: str
    days: int
    rows: int
    seconds: float
    rows_per_second: float
    archive_bytes_a_page: float
    day_bytes_a_row: float


def _read(day: Day, world: World) -> LoadedDay:
    """A day as the loader would have read it."""
    rows = world.rows(day.start, day.end - timedelta(milliseconds=1))
    pages_of_rows = [rows[start : start + 100] for start in range(0, len(rows), 100)]
    bodies = [
        orjson.dumps({"data": {"hash": str(number), "status": "pass", "data": page, "limit": 100, "total": len(rows)}})
        for number, page in enumerate(pages_of_rows)
    ]
    reader = PageReader(keeps_pages=True)
    pages = [reader.read(PageBodies(bodies), str(number), {}) for number in range(len(bodies))]
    window = complete_window(day.windows[0], [page for page in pages if isinstance(page, PageRows)])
    return LoadedDay(day, (window,), join_windows([window]), datetime.now(UTC), 0, 0.0, has_raw_pages=True)


def run() -> list[ReplayFigures]:
    """Land, remove, replay: as it was landed, once more with nothing to do, and hashed."""
    world = World(seed=7, sites=20, rows_per_day=ROWS)
    keys = [(FIRST + timedelta(days=number)).isoformat() for number in range(DAYS)]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for key in keys:
            land_day(lake, _read(Day.of(key), world), source=SOURCE)
        before = {key: lake.path(ASSET, key).read_bytes() for key in keys}
        for key in keys:
            lake.remove(ASSET, key)
        found.append(_measured(lake, keys, "files gone", Privacy(), Outcome.LANDED))
        assert before == {key: lake.path(ASSET, key).read_bytes() for key in keys}
        found.append(_measured(lake, keys, "nothing to do", Privacy(), Outcome.UNCHANGED))
        hashing = Privacy(Policy.HASH, b"a key of sixteen bytes or more")
        found.append(_measured(lake, keys, "keep → hash", hashing, Outcome.LANDED))
    return found


def _measured(lake: Lake, keys: list[str], case: str, privacy: Privacy, expected: Outcome) -> ReplayFigures:
    started = time.perf_counter()
    done = list(replay(lake, keys, privacy))
    seconds = time.perf_counter() - started
    assert {day.outcome for day in done} == {expected}
    rows, pages = sum(day.rows for day in done), sum(day.pages for day in done)
    size = {asset: sum(lake.path(asset, key).stat().st_size for key in keys) for asset in (ASSET, ARCHIVE)}
    return ReplayFigures(case, len(done), rows, seconds, rows / seconds, size[ARCHIVE] / pages, size[ASSET] / rows)
