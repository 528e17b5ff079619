"""Parses query parameters as the API does: window, page, and errors (contract, "Batch jobs", "Lists")."""

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

MAX_PAGE_SIZE = 100
DEFAULT_LIMIT = 10
MONTHS_KEPT = 6
_UNIX_TIME = re.compile(r"[0-9]{1,11}(\.[0-9]{1,6})?")
_INTEGER = re.compile(r"-?[0-9]{1,9}")


class Span(Enum):
    """The longest window of an endpoint."""

    ONE_DAY = "24 hours"
    ONE_MONTH = "one month"
    DAYS_31 = "31 days"


@dataclass(frozen=True, slots=True)
class Criteria:
    """Criteria of a list or load job.

    `start_ms` and `end_ms` (epoch milliseconds) are both included; `sites` are codes; `page` (`offset` on the wire)
    counts from 1.
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
    errors: Sequence[str] = (),
) -> Criteria:
    """The criteria in a query string; missing dates mean today, from midnight UTC until now.

    Args:
        query: the parameters.
        sites: codes that the request reads.
        now: the simulated present.
        longest: the longest period allowed.
        ends: which ends of the period are included.
        errors: errors found before.

    Raises:
        ApiError: 422 `PayloadValidationError` with all errors.
    """
    problems: list[str] = [*errors]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = _unix_time(query, "startDate", midnight, problems)
    end = _unix_time(query, "endDate", now, problems)
    limit = _integer(query, "limit", DEFAULT_LIMIT, problems)
    page = _integer(query, "offset", 1, problems)
    if len(problems) == len(errors):
        problems += _window_problems(start, end, now, longest)
    if not 1 <= limit <= MAX_PAGE_SIZE:
        problems.append(f"limit: must be between 1 and {MAX_PAGE_SIZE}.")
    if page < 1:
        problems.append("offset: is a page number and must be 1 or more.")
    if region := query.get("region"):
        problems.append(f"region: no region has the code {region!r}.")
    if problems:
        raise ApiError("PayloadValidationError", messages=problems)
    first_ms = epoch_ms(start) + (ends == "neither")
    return Criteria(first_ms, epoch_ms(end) - (ends != "both"), sites, limit, page)


def _window_problems(start: datetime, end: datetime, now: datetime, longest: Span) -> list[str]:
    problems = []
    if end < start:
        problems.append("endDate: must not be before startDate.")
    if end > _latest_end(start, longest):
        problems.append(f"endDate: the period must not be longer than {longest.value}.")
    if end > now:
        problems.append("endDate: must not be in the future.")
    # By whole days: the vendor's document says "present day".
    if start.date() < months_later(now, -MONTHS_KEPT).date():
        problems.append(f"startDate: must not be more than {MONTHS_KEPT} months ago.")
    return problems


def _latest_end(start: datetime, longest: Span) -> datetime:
    if longest is Span.ONE_MONTH:
        return months_later(start, 1)
    return start + (timedelta(hours=24) if longest is Span.ONE_DAY else timedelta(days=31))


def _unix_time(query: Mapping[str, str], name: str, default: datetime, problems: list[str]) -> datetime:
    text = query.get(name, "")
    if not text:
        return default
    if not _UNIX_TIME.fullmatch(text):
        problems.append(f"{name}: must be a Unix timestamp in seconds.")
        return default
    return datetime.fromtimestamp(float(text), UTC)


def _integer(query: Mapping[str, str], name: str, default: int, problems: list[str]) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not _INTEGER.fullmatch(text):
        problems.append(f"{name}: must be a whole number.")
        return default
    return int(text)


def months_later(moment: datetime, months: int) -> datetime:
    """The same day of another month, or its last day if shorter; `months` may be negative."""
    month_index = moment.year * 12 + moment.month - 1 + months
    year, month = month_index // 12, month_index % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)
