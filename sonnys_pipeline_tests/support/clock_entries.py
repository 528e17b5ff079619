"""Clock entries as the lake hands them out: rows on the wire with few fields said, by the day of their clock-in."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from sonnys_pipeline.client.lists.models import ClockEntry
from sonnys_pipeline.client.models import parse_rows
from sonnys_pipeline.lake.schema import arrow_schema, to_table

READ_AT = pa.field("read_at", pa.timestamp("us", tz="UTC"), nullable=False)
#: Columns of a landed file.
CLOCK_ENTRIES = pa.schema([*arrow_schema(ClockEntry), READ_AT])


def entry(employee: int, clock_in: str, clock_out: str | None, **fields: Any) -> dict[str, Any]:
    """A shift at MAIN for 15 dollars an hour (22.50 overtime), whose hours the API does not say, but for the fields."""
    return {
        "employeeId": str(employee),
        "clockIn": clock_in,
        "clockOut": clock_out,
        "regularRate": 15.0,
        "regularHours": None,
        "overtimeEligible": True,
        "overtimeRate": 22.5,
        "overtimeHours": None,
        "wasModified": False,
        "modificationTimestamp": None,
        "wasCreatedInBackOffice": False,
        "siteCode": "MAIN",
        **fields,
    }


def file_of(entries: Iterable[Mapping[str, Any]], read_at: datetime) -> pa.Table:
    """The rows of one day's file."""
    rows = to_table(parse_rows(ClockEntry, [dict(one) for one in entries]), arrow_schema(ClockEntry))
    return rows.append_column(READ_AT, pa.repeat(pa.scalar(read_at, READ_AT.type), rows.num_rows))


def landed(files: Mapping[date, pa.Table]) -> pa.Table:
    """Files together, with the day in the column `date`, as the lake reads them."""
    tables = [
        file.add_column(0, pa.field("date", pa.date32()), pa.repeat(pa.scalar(day, pa.date32()), file.num_rows))
        for day, file in sorted(files.items())
    ]
    empty = pa.schema([pa.field("date", pa.date32()), *CLOCK_ENTRIES]).empty_table()
    return pa.concat_tables([empty, *tables], promote_options="permissive")


def by_day(
    entries: Sequence[Mapping[str, Any]], zones: Mapping[str, str], days: Iterable[date]
) -> dict[date, list[Mapping[str, Any]]]:  # fmt: skip
    """Entries by the local day of their clock-in; each of `days` has a list, if only an empty one."""
    found: dict[date, list[Mapping[str, Any]]] = {day: [] for day in days}
    for one in entries:
        at = datetime.fromisoformat(one["clockIn"]).astimezone(ZoneInfo(zones[one["siteCode"]]))
        found.setdefault(at.date(), []).append(one)
    return found


def utc(at: datetime) -> str:
    """A time as the API writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
