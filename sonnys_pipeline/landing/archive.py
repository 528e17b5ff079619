"""The original pages of a landed day: `transactions_raw`, one Parquet file a day (docs/replay.md).

The API keeps six months; the archive keeps everything unless told otherwise. Each row is a page: the request, the load
job, when it came, and the API's JSON in `body`, treated according to `SONNYS_PII`. The metadata is that of the day.

Day and archive are two files written under one lock, the archive first. A process killed in between leaves a newer
archive, a complete read that a replay lands. An archive older than its day is refused by a replay (`replay.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.page import RawPage
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.landing.unread_sites import unread_windows

logger = logging.getLogger(__name__)

ARCHIVE = "transactions_raw"
#: The same for pages of `version-2`.
STATES_ARCHIVE = "transaction_states_raw"
#: Lock shared by a day and its archive; the name of the days' asset.
LOCK = "transactions"
#: Metadata of a day that do not apply to its archive.
_OF_THE_DAY_ALONE = frozenset({"rows"})
#: Metadata needed to make a day from an archive.
_NEEDED_FACTS = frozenset({"account", "site_code", "timezone", "partition", "windows", "loaded_at", "pii", "pii_key"})

SCHEMA = pa.schema(
    [
        pa.field("window_start", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("window_end", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("site", pa.string()),  # null where all sites were requested
        pa.field("page", pa.int32(), nullable=False),
        pa.field("job_hash", pa.string(), nullable=False),
        pa.field("received_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("body", pa.binary(), nullable=False),
    ]
)


def keep_pages(lake: Lake, loaded: LoadedDay, metadata: Mapping[str, str], landed: Mapping[str, str] | None) -> None:
    """Archive the pages of a day that is about to be landed; those of one site join those of the others.

    If the pages of the other sites are missing, none are kept: a day cannot be made of half of its pages. `metadata` is
    of the file to be written; `landed` of the file that one site's rows join, if the read does not make the whole file.
    """
    day = loaded.day.key
    pages = table_of((window.window, window.site or loaded.site, window.raw_pages) for window in loaded.windows)
    if landed is not None:
        others, lacking = _other_sites(lake, loaded, landed), "the pages of its other sites are not archived, so it"
    elif unread := unread_windows(loaded, metadata):
        others, lacking = _pages_of(lake, day, unread), "the pages of sites that are no longer read are missing: it"
    else:
        write(lake, day, pages, metadata)
        return
    if others is None:
        logger.warning("%s: %s cannot be replayed", day, lacking)
        lake.remove(ARCHIVE, day)
        return
    write(lake, day, pa.concat_tables([others, pages]), metadata)


def write(lake: Lake, day: str, pages: pa.Table, metadata: Mapping[str, str], archive: str = ARCHIVE) -> None:
    """Replace a day's archive."""
    of_the_pages = {name: value for name, value in metadata.items() if name not in _OF_THE_DAY_ALONE}
    lake.land(archive, pages, partition=day, metadata=of_the_pages)


def read(lake: Lake, day: str, archive: str = ARCHIVE) -> tuple[pa.Table, dict[str, str]]:
    """A day's archived pages in reading order, and metadata. Raises NotLandedError, or LakeError if unreadable."""
    path, metadata = lake.path(archive, day), lake.metadata(archive, day)
    if lacking := sorted(_NEEDED_FACTS - metadata.keys()):
        raise LakeError(f"{path} does not say how it was made ({', '.join(lacking)}); read the day again")
    try:
        return lake.read(archive, [day]).drop_columns("date").cast(SCHEMA), metadata
    except (ValueError, pa.ArrowException) as error:
        raise LakeError(f"{path} is not an archive of this version ({error}); read the day again") from error


def forget_pages(lake: Lake, day: str) -> None:
    """Remove the archive of an earlier read after a day was landed without keeping its pages."""
    lake.remove(ARCHIVE, day)


def remove_expired(lake: Lake, keep_days: int, today: date) -> list[str]:
    """Remove archives older than `keep_days`; landed days stay. Returns the days whose archives were removed.

    A failure is logged, and the next run tries again.
    """
    first_kept = (today - timedelta(days=keep_days)).isoformat()
    removed = []
    expired = [(name, day) for name in (ARCHIVE, STATES_ARCHIVE) for day in lake.partitions(name)]
    for name, day in expired:
        if day >= first_kept:
            continue
        try:
            with lake.writing(LOCK):
                lake.remove(name, day)
        except LakeError as error:
            logger.warning("the expired archive of %s cannot be removed: %s", day, error)
        else:
            if name == ARCHIVE:
                removed.append(day)
    if removed:
        logger.info("removed archives older than %d days: %s … %s", keep_days, removed[0], removed[-1])
    return removed


def table_of(windows: Iterable[tuple[Window, str | None, Sequence[RawPage]]]) -> pa.Table:
    """Pages, one per row, with the window and site of their request."""
    rows = [
        (window.start, window.end, site, number, raw.job_hash, raw.received_at, raw.body)
        for window, site, pages in windows
        for number, raw in enumerate(pages, start=1)
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def _pages_of(lake: Lake, day: str, windows: Sequence[Mapping[str, Any]]) -> pa.Table | None:
    """The archived pages of windows; `None` if they are not there."""
    try:
        pages, metadata = read(lake, day)
    except UnreachableLakeError:
        raise
    except LakeError:
        return None
    if any(window not in json.loads(metadata["windows"]) for window in windows):
        return None
    return pages.filter(pc.is_in(pages["site"], value_set=pa.array([one["site"] for one in windows], pa.string())))


def _other_sites(lake: Lake, loaded: LoadedDay, landed: Mapping[str, str]) -> pa.Table | None:
    """The archived pages without this site's earlier ones; `None` if they are not those of the landed file."""
    try:
        pages, metadata = read(lake, loaded.day.key)
    except UnreachableLakeError:
        raise
    except LakeError:
        return None
    if metadata["windows"] != landed["windows"]:
        return None
    return pages.filter(pc.fill_null(pc.not_equal(pc.utf8_lower(pages["site"]), fold(loaded.site)), True))
