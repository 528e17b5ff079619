"""The pages that a landed day was made of, as they came: `transactions_raw`, one Parquet file a day (docs/replay.md).

The API forgets after six months; the archive does not, unless it is told to. A row of it is a page: what was asked for,
the load job, when it came, and the API's JSON in `body`, treated as `SONNYS_PII` demanded. Its metadata is that of the
day that was made of it.

A day and its archive are two files, written under one lock, the archive first. A process that is killed in between
leaves an archive that is newer than its day: a complete read, which a replay lands. An archive that is older than its
day is none of its pages any more; a replay refuses it (`replay.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.page import RawPage
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError

logger = logging.getLogger(__name__)

#: Its folder in the lake.
ARCHIVE = "transactions_raw"
#: The folder of the pages of `version-2`, kept alike.
STATES_ARCHIVE = "transaction_states_raw"
#: The lock that a day and its archive share; the name of the days' asset.
LOCK = "transactions"
#: Metadata of a day that say nothing of its archive.
_OF_THE_DAY_ALONE = frozenset({"rows"})
#: Metadata without which no day can be made of an archive.
_NEEDED_FACTS = frozenset({"account", "site_code", "timezone", "partition", "windows", "loaded_at", "pii", "pii_key"})

SCHEMA = pa.schema(
    [
        pa.field("window_start", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("window_end", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("site", pa.string()),  # null where all sites were asked for
        pa.field("page", pa.int32(), nullable=False),
        pa.field("job_hash", pa.string(), nullable=False),
        pa.field("received_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("body", pa.binary(), nullable=False),
    ]
)


def keep_pages(lake: Lake, loaded: LoadedDay, metadata: Mapping[str, str], landed: Mapping[str, str] | None) -> None:
    """Put the pages of a day that is about to be landed into its archive; of one site beside those of the others.

    Where the others' pages are not there, because nobody kept them, none are kept: half of a day's pages make no day.

    Args:
        lake: where.
        loaded: the read, with its pages.
        metadata: of the day's file as it is about to be.
        landed: metadata of the file that one site's rows join; `None` where the read makes the file alone.

    Raises:
        UnwritableLakeError: when the disk does not take it.
    """
    day, pages = loaded.day.key, _table(loaded)
    if landed is not None:
        others = _other_sites(lake, loaded, landed)
        if others is None:
            logger.warning("%s: the pages of its other sites are not archived, so that it cannot be replayed", day)
            lake.remove(ARCHIVE, day)
            return
        pages = pa.concat_tables([others, pages])
    write(lake, day, pages, metadata)


def write(lake: Lake, day: str, pages: pa.Table, metadata: Mapping[str, str], archive: str = ARCHIVE) -> None:
    """Replace a day's archive.

    Raises:
        UnwritableLakeError: when the disk does not take it.
    """
    of_the_pages = {name: value for name, value in metadata.items() if name not in _OF_THE_DAY_ALONE}
    lake.land(archive, pages, partition=day, metadata=of_the_pages)


def read(lake: Lake, day: str, archive: str = ARCHIVE) -> tuple[pa.Table, dict[str, str]]:
    """A day's archive: its pages, in the order in which they were read, and its metadata.

    Raises:
        NotLandedError: when the day has none.
        LakeError: when it cannot be read.
    """
    path, metadata = lake.path(archive, day), lake.metadata(archive, day)
    if lacking := sorted(_NEEDED_FACTS - metadata.keys()):
        raise LakeError(f"{path} does not say how it was made ({', '.join(lacking)}); read the day again")
    try:
        return lake.read(archive, [day]).drop_columns("date").cast(SCHEMA), metadata
    except (ValueError, pa.ArrowException) as error:
        raise LakeError(f"{path} is no archive of this version ({error}); read the day again") from error


def forget_pages(lake: Lake, day: str) -> None:
    """Remove the archive of a day that has been landed without keeping its pages: it is of an earlier read.

    Raises:
        UnwritableLakeError: when it cannot be removed.
    """
    lake.remove(ARCHIVE, day)


def remove_expired(lake: Lake, keep_days: int, today: date) -> list[str]:
    """Remove archives of days that lie more than so many days back; landed days stay.

    Returns:
        The days whose archives were removed. One that cannot be is named in the log, and tried again by the next run.
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
            logger.warning("the archive of %s has expired and stays: %s", day, error)
        else:
            if name == ARCHIVE:
                removed.append(day)
    if removed:
        logger.info("archives older than %d days are removed: %s … %s", keep_days, removed[0], removed[-1])
    return removed


def _table(loaded: LoadedDay) -> pa.Table:
    """The pages of a read, in the order of windows and pages."""
    return table_of((window.window, window.site or loaded.site, window.raw_pages) for window in loaded.windows)


def table_of(windows: Iterable[tuple[Window, str | None, Sequence[RawPage]]]) -> pa.Table:
    """Pages, a row each, with the window and the site that they were asked for."""
    rows = [
        (window.start, window.end, site, number, raw.job_hash, raw.received_at, raw.body)
        for window, site, pages in windows
        for number, raw in enumerate(pages, start=1)
    ]
    columns = zip(*rows, strict=True) if rows else [()] * len(SCHEMA)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA)


def _other_sites(lake: Lake, loaded: LoadedDay, landed: Mapping[str, str]) -> pa.Table | None:
    """The archived pages but those of this site's earlier read; `None` where they are not the landed file's."""
    try:
        pages, metadata = read(lake, loaded.day.key)
    except UnreachableLakeError:
        raise
    except LakeError:
        return None
    if metadata["windows"] != landed["windows"]:
        return None
    return pages.filter(pc.fill_null(pc.not_equal(pc.utf8_lower(pages["site"]), fold(loaded.site)), True))
