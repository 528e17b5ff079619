"""Reads query parameters the way the API does: which window, which page, and what is refused.

Sources: CONTRACT.md, "Batch jobs" and "Other endpoints this project uses".
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Literal

from sonnys_pipeline.simulator.api.errors import ApiError
from sonnys_pipeline.simulator.world.chain import epoch_ms

MOST_PER_PAGE = 100
DEFAULT_LIMIT = 10
MONTHS_KEPT = 6
_UNIX_TIME = re.compile(r"[0-9]{1,11}(\.[0-9]{1,6})?")
_INTEGER = re.compile(r"-?[0-9]{1,9}")


class Span(Enum):
    """The longest window that an endpoint takes."""

    ONE_DAY = "24 hours"
    ONE_MONTH = "one month"
    DAYS_31 = "31 days"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What a list or a load job is asked for.

    Both ends (epoch milliseconds) are included, whatever the API includes of the period that it was asked for; `sites`
    are codes; `page` counts from 1, as `offset` does on the wire.
    """

    start_ms: int
    end_ms: int
    sites: frozenset[str]
    limit: int
    page: int

    @property
    def start(self) -> datetime:
        """The window's start, aware UTC."""
        return datetime.fromtimestamp(self.start_ms / 1000, UTC)


def read_criteria(
    query: Mapping[str, str],
    sites: frozenset[str],
    now: datetime,
    longest: Span,
    *,
    ends: Literal["both", "start", "neither"] = "both",
    also_wrong: Sequence[str] = (),
) -> Criteria:
    """The criteria in a query string. Dates left out mean today: from midnight UTC, until now.

    Args:
        query: the parameters.
        sites: codes that the request reads.
        now: the simulated present.
        longest: what the endpoint takes at most.
        ends: which ends of the period are included.
        also_wrong: what has been found wrong before.

    Raises:
        ApiError: 422 `PayloadValidationError` with a message for each thing that is wrong.
    """
    wrong: list[str] = [*also_wrong]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = _unix_time(query, "startDate", midnight, wrong)
    end = _unix_time(query, "endDate", now, wrong)
    limit = _integer(query, "limit", DEFAULT_LIMIT, wrong)
    page = _integer(query, "offset", 1, wrong)
    if len(wrong) == len(also_wrong):
        wrong += _window_faults(start, end, now, longest)
    if not 1 <= limit <= MOST_PER_PAGE:
        wrong.append(f"limit: must be between 1 and {MOST_PER_PAGE}.")
    if page < 1:
        wrong.append("offset: is a page number and must be 1 or more.")
    if region := query.get("region"):
        wrong.append(f"region: no region has the code {region!r}.")
    if wrong:
        raise ApiError("PayloadValidationError", messages=wrong)
    first_ms = epoch_ms(start) + (ends == "neither")
    return Criteria(first_ms, epoch_ms(end) - (ends != "both"), sites, limit, page)


def _window_faults(start: datetime, end: datetime, now: datetime, longest: Span) -> list[str]:
    wrong = []
    if end < start:
        wrong.append("endDate: must not be before startDate.")
    if end > _latest_end(start, longest):
        wrong.append(f"endDate: the period must not be longer than {longest.value}.")
    if end > now:
        wrong.append("endDate: must not be in the future.")
    # By whole days: the vendor's document counts the six months from the "present day".
    if start.date() < months_later(now, -MONTHS_KEPT).date():
        wrong.append(f"startDate: must not be more than {MONTHS_KEPT} months ago.")
    return wrong


def _latest_end(start: datetime, longest: Span) -> datetime:
    if longest is Span.ONE_MONTH:
        return months_later(start, 1)
    return start + (timedelta(hours=24) if longest is Span.ONE_DAY else timedelta(days=31))


def _unix_time(query: Mapping[str, str], name: str, default: datetime, wrong: list[str]) -> datetime:
    text = query.get(name, "")
    if not text:
        return default
    if not _UNIX_TIME.fullmatch(text):
        wrong.append(f"{name}: must be a Unix timestamp in seconds.")
        return default
    return datetime.fromtimestamp(float(text), UTC)


def _integer(query: Mapping[str, str], name: str, default: int, wrong: list[str]) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not _INTEGER.fullmatch(text):
        wrong.append(f"{name}: must be a whole number.")
        return default
    return int(text)


def months_later(moment: datetime, months: int) -> datetime:
    """The same day of another month, or that month's last day if it is shorter; `months` may be negative."""
    month_index = moment.year * 12 + moment.month - 1 + months
    year, month = month_index // 12, month_index % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)
