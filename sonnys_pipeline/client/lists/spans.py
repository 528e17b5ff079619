"""Spans of time, cut into what an endpoint accepts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta

#: Longest spans, never longer than the document's months; a second less, since parts are rounded to whole seconds.
SIX_MONTHS, ONE_MONTH = timedelta(days=180), timedelta(days=28, seconds=-1)
#: Days of clock entries in one request (contract, L14).
CLOCK_DAYS = 14
#: Days of sales outcomes in one request.
OUTCOME_DAYS = 180


def cut(start: datetime, end: datetime, longest: timedelta) -> Iterator[tuple[int, int]]:
    """Unix seconds of parts of a span, each at most `longest`; neighbours share a second, since both ends are included.

    The last part ends with the whole second that `end` is in, so that no row of it is missed (contract, "Batch jobs").

    Raises ValueError for times without zone, and for an end before the start.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end need a time zone, such as datetime.now(UTC)")
    if end < start:
        raise ValueError(f"the span ends at {end:%Y-%m-%d %H:%M}, before it begins at {start:%Y-%m-%d %H:%M}")
    while True:
        until = min(start + longest, end)
        yield int(start.timestamp()), math.ceil(until.timestamp())
        if until == end:
            return
        start = until


def cut_days(start: date, end: date, longest: int) -> Iterator[tuple[date, date]]:
    """Parts of at most `longest` days, `end` and the ends of the parts included. Raises ValueError as `cut`."""
    if end < start:
        raise ValueError(f"the span ends on {end}, before it begins on {start}")
    while start <= end:
        until = min(start + timedelta(days=longest - 1), end)
        yield start, until
        start = until + timedelta(days=1)
