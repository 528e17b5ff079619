"""What the checks find in a day's landed rows, as a report says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.quality import rules as quality
from sonnys_pipeline.quality.result import Finding
from sonnys_pipeline.quality.volume import Volume, unusual_volume
from sonnys_pipeline.report.caveats import Caveat, Severity
from sonnys_pipeline.runtime.text import first_few

#: Ids that a sentence names; the asset checks name more.
_NAMED = 3
#: What mends a day whose rows are not what they should be.
_AGAIN = ". Load the day again"
_DAY = timedelta(days=1)
#: Weeks that a day's volume is compared with.
_WEEKS = 8


def findings_of(
    lake: Lake, business_date: date, partitions: Iterable[date], *, timezone: str, now: datetime
) -> Iterator[Caveat]:
    """What is found in the rows that a business day is counted from.

    Args:
        lake: where they lie.
        business_date: the day; its volume is compared with that of its weekday.
        partitions: landed ones that have a part of it; their rows are looked at as a whole.
        timezone: IANA name of the zone of the partitions.
        now: aware.

    Raises:
        LakeError: when a file cannot be read.
        duckdb.Error: the same, where DuckDB says it.
    """
    days = sorted(partitions)
    if not days:
        return
    rows = landed_rows(lake, [day.isoformat() for day in days])
    yield from _said(quality.duplicate_ids(rows), "error", "landed more than once, and counted as often", _AGAIN)
    for day in days:
        span = Day.of(day.isoformat(), timezone)
        strays = quality.outside_the_day(lake.files(TRANSACTIONS, [day.isoformat()]), span.start, span.end)
        yield from _said(strays, "error", f"landed with a day that {_they(strays)} not lie in", _AGAIN)
    yield from _said(quality.unsettled_rows(rows, now), "warning", "still not settled, a week later", _AGAIN)
    yield from _volume(lake, business_date)
    yield from _said(quality.tender_differences(rows), "info", "paid with tenders that do not add up to the total")
    yield from _said(quality.line_item_differences(rows), "info", "made of items that do not add up to the total")
    # Its sentences name what is new ("unknown tender 'Crypto'"), and that is what a reader wants to know.
    for problem in quality.unknown_values(rows).problems:
        what, _, ids = problem.partition(": ")
        yield Caveat("info", f"The API sent something that it does not document, {what}: {ids.partition(':')[0]}.")


def _said(found: Finding, severity: Severity, what: str, remedy: str = "") -> Iterator[Caveat]:
    if not found.count:  # what a check could not look at, and what is left out, the marts' own reasons tell
        return
    who = "1 transaction is" if found.count == 1 else f"{found.count:,} transactions are"
    yield Caveat(severity, f"{who} {what}{remedy}: {first_few(found.ids, _NAMED, total=found.count)}.")


def _they(found: Finding) -> str:
    return "it does" if found.count == 1 else "they do"


def _volume(lake: Lake, day: date) -> Iterator[Caveat]:
    found = volumes(lake, [day]).get(day)
    if found is not None and found.expected and not found.passed:
        low, high = found.expected
        yield Caveat(
            "warning",
            f"{found.rows:,} transactions on this day, where {low:,} to {high:,} are usual on a {day:%A}. Load the day "
            "again, or look at what happened.",
        )


def volumes(lake: Lake, days: Iterable[date]) -> dict[date, Volume]:
    """Partitions beside the same weekday of the last weeks; those that are not landed, or in part, tell nothing.

    Raises:
        LakeError: when a file cannot be read.
    """
    asked = set(days)
    earlier = {day - weeks * 7 * _DAY for day in asked for weeks in range(1, _WEEKS + 1)}
    landed = {day for day in asked | earlier if lake.has(TRANSACTIONS, day.isoformat())}
    whole = [day for day in sorted(landed) if landed_sites(lake, day.isoformat()) is None]
    rows = {day: lake.rows(TRANSACTIONS, day.isoformat()) for day in whole}
    return {day: unusual_volume(day, rows, weeks=_WEEKS) for day in sorted(asked & rows.keys())}
