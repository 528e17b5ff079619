"""Assign rows to site-local business days, and run a query over the complete days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa

from sonnys_pipeline.calendar.business_days import (
    MissingDay,
    OffsetSpan,
    SiteDay,
    complete_days,
    local_hours,
    offset_spans,
    partitions_needed,
)
from sonnys_pipeline.lake.sql import Rows, open_judged
from sonnys_pipeline.marts.unknown import NAMED_IDS

_TICK = timedelta(microseconds=1)

# `landed_rows` has all rows; those with an amount out of range are in no figure (`unknown.py`).
# The offsets are joined in, so that DuckDB needs no zone data; rows stream through two hash joins with small tables.
_PLACED = """
    CREATE TEMP VIEW landed_rows AS
    SELECT
        judged.*,
        location_code AS site,
        CAST(make_timestamp(epoch_us(complete_date) + offset_us) AS DATE) AS business_date,
        CAST(hour(make_timestamp(epoch_us(complete_date) + offset_us)) AS INTEGER) AS local_hour
    FROM judged
    CROSS JOIN pipeline
    LEFT JOIN listed ON listed.site = location_code
    JOIN offsets
        ON offsets.timezone = coalesce(listed.timezone, pipeline.timezone)
        AND epoch_us(complete_date) >= offsets.start_us
        AND epoch_us(complete_date) < offsets.end_us
"""

_LEFT_OUT = f"""
    CREATE TEMP TABLE left_out AS
    SELECT
        site,
        business_date,
        count(*) AS left_out,
        array_to_string(list_sort(list(id))[:{NAMED_IDS}], ', ') AS left_out_ids
    FROM landed_rows
    WHERE beyond
    GROUP BY site, business_date
"""  # noqa: S608 - a number of this house

# Physical sites have a row on each complete day, with zeros if closed; others only with transactions. Sites that are
# not listed follow the pipeline's days.
_SHOWN = """
    CREATE TEMP VIEW shown AS
    WITH with_rows AS (
        SELECT site, business_date FROM counted UNION SELECT site, business_date FROM left_out
    )
    SELECT site, business_date FROM complete WHERE is_physical
    UNION
    SELECT site, business_date FROM with_rows SEMI JOIN complete USING (site, business_date)
    UNION
    SELECT site, business_date
    FROM with_rows ANTI JOIN listed USING (site) SEMI JOIN pipeline_days USING (business_date)
"""

_COMPLETE = pa.schema([("site", pa.string()), ("business_date", pa.date32()), ("is_physical", pa.bool_())])
_LISTED = pa.schema([("site", pa.string()), ("timezone", pa.string())])
_OFFSETS = pa.schema(
    [("timezone", pa.string()), ("start_us", pa.int64()), ("end_us", pa.int64()), ("offset_us", pa.int64())]
)
_HOURS = pa.schema(
    [("timezone", pa.string()), ("business_date", pa.date32()), ("hour", pa.int32()), ("minutes", pa.int32())]
)


@dataclass(frozen=True)
class Mart:
    """A computed mart: `table` has complete business days only; `missing` names site days that lack partitions."""

    table: pa.Table
    missing: tuple[MissingDay, ...]


@dataclass(frozen=True)
class DaysWanted:
    """Requested business days, and the landed days to count them from; see `kpis.site_day_kpis`."""

    business_dates: Collection[date]
    landed: Collection[date]
    sites: pa.Table
    timezone: str = "UTC"


def count_days(
    transactions: Rows,
    days: DaysWanted,
    counted: str,
    result: str,
    schema: pa.Schema,
    tables: Mapping[str, pa.Table] | None = None,
) -> Mart:
    """Run a mart's two queries over the complete days.

    Args:
        transactions: rows of the landed partitions.
        days: the days to count.
        counted: query that groups the view `placed`, at least by `site` and `business_date`.
        result: query that makes the mart from `counted`, `shown` (its site days), `left_out` (rows in no figure) and
            `hours`.
        schema: of the result.
        tables: other tables that the queries use, by name.
    """
    needed = partitions_needed(days.business_dates, days.sites, days.timezone)
    complete, missing = complete_days(needed, days.landed)
    # For sites that are not listed, the business day is the partition itself.
    pipeline_days = sorted(set(days.business_dates) & set(days.landed))
    if not complete and not pipeline_days:
        return Mart(schema.empty_table(), tuple(missing))
    with open_judged(transactions) as connection:
        _register_days(connection, days, needed, complete, pipeline_days)
        for name, table in (tables or {}).items():
            connection.register(name, table)
        connection.execute(_PLACED)
        connection.execute("CREATE TEMP VIEW placed AS SELECT * EXCLUDE (beyond) FROM landed_rows WHERE NOT beyond")
        connection.execute(_LEFT_OUT)
        connection.execute("CREATE TEMP TABLE counted AS " + counted)
        connection.execute(_SHOWN)
        table = connection.sql(result).to_arrow_table().select(schema.names).cast(schema)
    return Mart(table, tuple(missing))


def _register_days(
    connection: duckdb.DuckDBPyConnection,
    days: DaysWanted,
    needed: Sequence[SiteDay],
    complete: Sequence[SiteDay],
    pipeline_days: Sequence[date],
) -> None:
    own_days = partitions_needed(pipeline_days, _LONE_SITE, days.timezone)
    listed = {day.site: day.timezone for day in needed}
    spans = offset_spans(
        {days.timezone, *listed.values()},
        min(day.start for day in [*needed, *own_days]),
        max(day.end for day in [*needed, *own_days]),
    )
    tables = {
        "complete": _table(_COMPLETE, ((day.site, day.business_date, day.is_physical) for day in complete)),
        "listed": _table(_LISTED, listed.items()),
        "pipeline": _table(pa.schema([("timezone", pa.string())]), [(days.timezone,)]),
        "pipeline_days": _table(pa.schema([("business_date", pa.date32())]), ((day,) for day in pipeline_days)),
        "offsets": _table(_OFFSETS, (_offset_row(span) for span in spans)),
        "hours": _table(_HOURS, _hour_rows([*complete, *own_days])),
    }
    for name, table in tables.items():
        connection.register(name, table)


#: Stands for any site without a zone of its own.
_LONE_SITE = pa.table({"code": pa.array([""]), "timezone": pa.nulls(1, pa.string())})


def _hour_rows(days: Iterable[SiteDay]) -> Iterable[tuple[str, date, int, int]]:
    of_zone = {(day.timezone, day.business_date): day for day in days}
    for (timezone, business_date), day in of_zone.items():
        for hour, minutes in local_hours(day).items():
            yield timezone, business_date, hour, minutes


def _offset_row(span: OffsetSpan) -> tuple[str, int, int, int]:
    return span.timezone, _epoch_us(span.start), _epoch_us(span.end), span.offset // _TICK


def _epoch_us(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000


def _table(schema: pa.Schema, rows: Iterable[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
