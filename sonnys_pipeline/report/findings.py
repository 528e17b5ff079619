"""Results of the checks on a day's landed rows, as caveats of a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.lake.changes import Change, landed_changes
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import open_rows
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.transactions import is_whole
from sonnys_pipeline.quality import rules as quality
from sonnys_pipeline.quality.invariants import completions
from sonnys_pipeline.quality.result import Finding
from sonnys_pipeline.quality.volume import Volume, unusual_volume
from sonnys_pipeline.report.caveats import Caveat, Severity
from sonnys_pipeline.report.formatting import dollars
from sonnys_pipeline.runtime.text import first_few

#: Ids named in one sentence; the asset checks name more.
_NAMED = 3
#: Remedy for a day with wrong rows.
_AGAIN = " Load the day again."
_DAY = timedelta(days=1)
#: Weeks that a day's volume is compared with.
_WEEKS = 8


def findings_of(
    lake: Lake, business_date: date, partitions: Iterable[date], *, timezone: str, now: datetime
) -> Iterator[Caveat]:
    """Check the rows that a business day is counted from.

    Args:
        lake: the lake with the rows.
        business_date: the day; its volume is compared with earlier ones of its weekday.
        partitions: landed partitions that hold a part of it; all their rows are checked.
        timezone: IANA name of the zone of the partitions.
        now: aware instant.

    Raises:
        LakeError: a file cannot be read.
        duckdb.Error: likewise, noticed by DuckDB.
    """
    days = sorted(partitions)
    if not days:
        return
    landed = landed_rows(lake, [day.isoformat() for day in days])
    with open_rows(landed) as rows:
        yield from _said(quality.duplicate_ids(landed), "error", "landed more than once and counted each time", _AGAIN)
        for day in days:
            span = Day.of(day.isoformat(), timezone)
            strays = quality.outside_the_day(completions(lake, day.isoformat()), span.start, span.end)
            yield from _said(strays, "error", "landed in the wrong day", _AGAIN)
        yield from _said(quality.unsettled_rows(rows, now), "warning", "still not settled after a week", _AGAIN)
        yield from _volume(lake, business_date)
        yield from _removed(lake, days)
        yield from _said(quality.tender_differences(rows), "info", "paid with tenders that do not add up to the total")
        yield from _said(quality.line_item_differences(rows), "info", "made of items that do not add up to the total")
        # These problems name the new value ("unknown tender 'Crypto'").
        for problem in quality.unknown_values(rows).problems:
            what, _, ids = problem.partition(": ")
            yield Caveat("info", f"The API sent a value that it does not document: {what} ({ids.partition(':')[0]}).")


def _removed(lake: Lake, days: Sequence[date]) -> Iterator[Caveat]:
    """Transactions that were landed before and that the API has no longer."""
    changes = landed_changes(lake, since=days[0].isoformat())
    newest = {row["transaction_id"]: row for row in changes.sort_by("first_seen").to_pylist() if row["day"] in days}
    gone = {row_id: row for row_id, row in newest.items() if row["change"] == Change.REMOVED}
    if gone:
        total = dollars(sum((Decimal(row["old"] or 0) for row in gone.values()), Decimal(0)), 2)
        who = "1 transaction was" if len(gone) == 1 else f"{len(gone):,} transactions were"
        ids = first_few(sorted(gone), _NAMED, total=len(gone))
        yield Caveat("info", f"{who} deleted from the API after being landed: {ids}; {total} in total.")


def _said(found: Finding, severity: Severity, what: str, remedy: str = "") -> Iterator[Caveat]:
    if not found.count:  # the marts' own reasons cover rows that a check could not read
        return
    who = "1 transaction is" if found.count == 1 else f"{found.count:,} transactions are"
    yield Caveat(severity, f"{who} {what} ({first_few(found.ids, _NAMED, total=found.count)}).{remedy}")


def _volume(lake: Lake, day: date) -> Iterator[Caveat]:
    found = volumes(lake, [day]).get(day)
    if found is not None and found.expected and not found.passed:
        low, high = found.expected
        yield Caveat(
            "warning",
            f"{found.rows:,} transactions on this day; {low:,} to {high:,} are usual on a {day:%A}. Load the day "
            "again, or find out what happened.",
        )


def volumes(lake: Lake, days: Iterable[date]) -> dict[date, Volume]:
    """Row counts of partitions, compared with the same weekday of the last weeks; partial days are left out.

    Raises:
        LakeError: a file cannot be read.
    """
    asked = set(days)
    earlier = {day - weeks * 7 * _DAY for day in asked for weeks in range(1, _WEEKS + 1)}
    landed = {day for day in asked | earlier if lake.has(TRANSACTIONS, day.isoformat())}
    whole = [day for day in sorted(landed) if is_whole(lake, day.isoformat())]
    rows = {day: lake.rows(TRANSACTIONS, day.isoformat()) for day in whole}
    return {day: unusual_volume(day, rows, weeks=_WEEKS) for day in sorted(asked & rows.keys())}
