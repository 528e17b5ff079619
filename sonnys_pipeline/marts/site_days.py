"""Assign rows to site-local business days, and run a query over the complete days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa

from sonnys_pipeline.calendar.business_days import (
    MissingDay,
    OffsetSpan,
    SiteDay,
    complete_days,
    local_hours,
    offset_spans,
    partitions_needed,
    site_day,
)
from sonnys_pipeline.calendar.site_history import SiteHistory, SiteSpan
from sonnys_pipeline.lake.engines.sessions import CountedRows, Session, open_session
from sonnys_pipeline.lake.sql import JUDGED
from sonnys_pipeline.marts.unknown import NAMED_IDS

_TICK = timedelta(microseconds=1)
_FOREVER = 2**62


def _placed(rows: str) -> str:
    """The rows of a query with their site, and their date and hour there.

    Spans and offsets are joined in, so that DuckDB needs no zone data; rows stream through two hash joins with small
    tables. A row's site and zone are those of its business day. Where the zone of a site changes, the new zone's
    midnight ends the day before, hence `last_date`.
    """
    return f"""
    SELECT
        unplaced.*,
        coalesce(spans.site, location_code) AS site,
        least(
            CAST(make_timestamp(epoch_us(complete_date) + offset_us) AS DATE),
            coalesce(spans.last_date, DATE '9999-12-31')
        ) AS business_date,
        CAST(hour(make_timestamp(epoch_us(complete_date) + offset_us)) AS INTEGER) AS local_hour
    FROM ({rows}) AS unplaced
    CROSS JOIN pipeline
    LEFT JOIN spans
        ON spans.name = lower(trim(location_code))
        AND epoch_us(complete_date) >= spans.start_us
        AND epoch_us(complete_date) < spans.end_us
    JOIN offsets
        ON offsets.timezone = coalesce(spans.timezone, pipeline.timezone)
        AND epoch_us(complete_date) >= offsets.start_us
        AND epoch_us(complete_date) < offsets.end_us
    """  # noqa: S608 - queries of this house


#: All landed rows, with what each counts as.
LANDED_ROWS = _placed(JUDGED)
_PLACED = f"SELECT * EXCLUDE (beyond) FROM ({LANDED_ROWS}) WHERE NOT beyond"  # noqa: S608 - likewise
# Rows with an amount out of range are in no figure (`unknown.py`). There are hardly ever any, so a cheap query asks.
_BEYOND = "FROM transactions WHERE is_beyond_anywhere(total, items, tenders, discounts)"
_ANY_BEYOND = f"SELECT id {_BEYOND} LIMIT 1"
_LEFT_OUT = f"""
    SELECT
        site,
        business_date,
        count(*) AS left_out,
        array_to_string(array_slice(list_sort(list(id)), 1, {NAMED_IDS}), ', ') AS left_out_ids
    FROM ({_placed(f"SELECT id, location_code, complete_date {_BEYOND}")}) AS beyond
    GROUP BY site, business_date
"""  # noqa: S608 - made of names and a number of this house

# `name` is folded as in the spans, by which a site is found.
_WITH_ROWS = """
    SELECT site, business_date, lower(trim(site)) AS name
    FROM (SELECT site, business_date FROM counted UNION SELECT site, business_date FROM left_out)
"""

_NONE_LEFT_OUT = pa.schema(
    [("site", pa.string()), ("business_date", pa.date32()), ("left_out", pa.int64()), ("left_out_ids", pa.string())]
).empty_table()
_SHOWN = pa.schema([("site", pa.string()), ("business_date", pa.date32()), ("clock", pa.string())])
_SPANS = pa.schema(
    [
        ("name", pa.string()),
        ("site", pa.string()),
        ("timezone", pa.string()),
        ("start_us", pa.int64()),
        ("end_us", pa.int64()),
        ("last_date", pa.date32()),
    ]
)
_OFFSETS = pa.schema(
    [("timezone", pa.string()), ("start_us", pa.int64()), ("end_us", pa.int64()), ("offset_us", pa.int64())]
)
_HOURS = pa.schema(
    [("clock", pa.string()), ("business_date", pa.date32()), ("hour", pa.int32()), ("minutes", pa.int32())]
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


@dataclass(frozen=True)
class MartQuery:
    """How a mart is made of rows.

    Attributes:
        counted: query that groups the rows `placed`, at least by `site` and `business_date`.
        result: query that makes the mart from `counted`, `shown` (its site days, each with its `clock`), `left_out`
            (rows in no figure) and `hours` (of a clock's day).
        schema: of the result.
        tables: other tables that the queries use, by name.
    """

    counted: str
    result: str
    schema: pa.Schema
    tables: Mapping[str, pa.Table] = field(default_factory=dict)


def count_days(transactions: CountedRows, days: DaysWanted, query: MartQuery) -> Mart:
    """Make a mart of the complete days; arguments as for `count_together`."""
    return count_together(transactions, days, [query])[0]


def count_together(transactions: CountedRows, days: DaysWanted, queries: Sequence[MartQuery]) -> list[Mart]:
    """Make several marts of the same complete days.

    The files are opened once and the days found once, which takes as long as the queries of a mart of a few days.

    Args:
        transactions: rows of the landed partitions; they say which engine runs the queries.
        days: the days to count.
        queries: of the marts, in the order of the result.
    """
    history = SiteHistory(days.sites, days.timezone)
    needed = partitions_needed(days.business_dates, history, days.timezone)
    complete, missing = complete_days(needed, days.landed)
    complete += _days_of_others(history, days)
    # Of rows without a site, the business day is the partition itself.
    pipeline_days = sorted(set(days.business_dates) & set(days.landed))
    if not complete and not pipeline_days:
        return [Mart(query.schema.empty_table(), tuple(missing)) for query in queries]
    counting = _Counting(complete, pipeline_days, history.names, has_list=days.sites.num_rows > 0)
    with open_session(transactions) as session:
        _register_days(session, history, days, [*needed, *complete], counting)
        if session.rows(_ANY_BEYOND):
            session.keep("left_out", _LEFT_OUT)
        else:
            session.register("left_out", _NONE_LEFT_OUT)
        return [_made(session, query, counting, missing) for query in queries]


@dataclass(frozen=True)
class _Counting:
    """The days that are counted.

    Attributes:
        complete: site days with all their partitions.
        pipeline_days: landed days of the pipeline, for rows without a site.
        names: of all sites, folded.
        has_list: whether `sites` is landed.
    """

    complete: Sequence[SiteDay]
    pipeline_days: Sequence[date]
    names: Collection[str]
    has_list: bool

    def shown(self, with_rows: Iterable[tuple[str, date, str]]) -> tuple[pa.Table, list[tuple[str, date]]]:
        """The site days of a mart, each with its clock, and those with rows that have no zone.

        Physical sites have a row on each complete day, with zeros if closed; others only with transactions. Rows that
        name no site, and those of all sites as long as no list is landed, follow the pipeline's days.
        """
        found = list(with_rows)
        counted = {(site, day) for site, day, _ in found}
        of_pipeline = frozenset(self.pipeline_days)
        unknown = [(site, day) for site, day, name in found if name not in self.names and day in of_pipeline]
        own = (
            (one.site, one.business_date, _clock(one))
            for one in self.complete
            if one.is_physical or (one.site, one.business_date) in counted
        )
        others = ((site, day, _PIPELINE_CLOCK) for site, day in unknown if not (site and self.has_list))
        without_zone = sorted(one for one in unknown if one[0] and self.has_list)
        return _table(_SHOWN, dict.fromkeys((*own, *others))), without_zone


def _made(session: Session, query: MartQuery, counting: _Counting, missing: Sequence[MissingDay]) -> Mart:
    """The mart of one query, of the rows and days that a session has; `missing` lack partitions."""
    for name, table in query.tables.items():
        session.register(name, table)
    # Within the query: to define a view, an engine plans it as well, which takes as long as to count a small day.
    session.keep("counted", f"WITH placed AS ({_PLACED}) SELECT * FROM ({query.counted})")  # noqa: S608 - our queries
    shown, without_zone = counting.shown(session.rows(_WITH_ROWS))
    session.register("shown", shown)
    table = session.fetch(query.result).select(query.schema.names).cast(query.schema)
    return Mart(table, (*missing, *(MissingDay(site, day, ()) for site, day in without_zone)))


def offsets_of(timezones: Collection[str], start: datetime, end: datetime) -> pa.Table:
    """Offsets of clocks from UTC: `timezone`, and in microseconds `start_us` to `end_us` (instants), `offset_us`."""
    return _table(_OFFSETS, map(_offset_row, offset_spans(timezones, start, end)))


def _days_of_others(history: SiteHistory, days: DaysWanted) -> list[SiteDay]:
    """Complete days of sites before they were listed, or after they have left: shown if there are rows."""
    others = [
        site_day(site, day, site.timezone, days.timezone)
        for day in days.business_dates
        for site in history.others_on(day)
    ]
    return complete_days(others, days.landed)[0]


def _register_days(
    session: Session, history: SiteHistory, days: DaysWanted, considered: Sequence[SiteDay], counting: _Counting
) -> None:
    own_days = partitions_needed(counting.pipeline_days, _LONE_SITE, days.timezone)
    site_spans = history.spans()
    offsets = offsets_of(
        {days.timezone, *(span.timezone for span in site_spans)},
        min(day.start for day in [*considered, *own_days]),
        max(day.end for day in [*considered, *own_days]),
    )
    tables = {
        "spans": _table(_SPANS, (_span_row(span) for span in site_spans)),
        "pipeline": pa.table({"timezone": [days.timezone]}),
        "offsets": offsets,
        "hours": _table(
            _HOURS,
            _hour_rows(
                [*((_clock(day), day) for day in counting.complete), *((_PIPELINE_CLOCK, day) for day in own_days)]
            ),
        ),
    }
    for name, table in tables.items():
        session.register(name, table)


#: Stands for any site without a zone of its own.
_LONE_SITE = pa.table({"code": pa.array([""]), "timezone": pa.nulls(1, pa.string())})
_PIPELINE_CLOCK = ""


def _clock(day: SiteDay) -> str:
    """The same for days whose hours are the same, beside the date: zone and length."""
    return f"{day.timezone} {(day.end - day.start) // timedelta(minutes=15)}"


def _hour_rows(days: Iterable[tuple[str, SiteDay]]) -> Iterable[tuple[str, date, int, int]]:
    of_clock = {(clock, day.business_date): day for clock, day in days}
    for (clock, business_date), day in of_clock.items():
        for hour, minutes in local_hours(day).items():
            yield clock, business_date, hour, minutes


def _span_row(span: SiteSpan) -> tuple[str, str, str, int, int, date]:
    start = -_FOREVER if span.start is None else _epoch_us(span.start)
    end = _FOREVER if span.end is None else _epoch_us(span.end)
    return span.name, span.site, span.timezone, start, end, span.last_date


def _offset_row(span: OffsetSpan) -> tuple[str, int, int, int]:
    return span.timezone, _epoch_us(span.start), _epoch_us(span.end), span.offset // _TICK


def _epoch_us(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000


def _table(schema: pa.Schema, rows: Iterable[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, of.type) for column, of in zip(columns, schema, strict=True)], schema=schema)
