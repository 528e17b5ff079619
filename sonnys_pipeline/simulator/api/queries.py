"""Parses query parameters of the endpoints besides transactions (contract, "Lists", L14; vendor's document)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta

from sonnys_pipeline.simulator.api.criteria import DEFAULT_LIMIT, MAX_PAGE_SIZE, MONTHS_KEPT, months_later
from sonnys_pipeline.simulator.api.errors import ApiError

_UNIX_TIME = re.compile(r"[0-9]{1,11}(\.[0-9]{1,6})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INTEGER = re.compile(r"-?[0-9]{1,9}")


class Query:
    """Parameters of one request; errors are collected until `check`."""

    def __init__(self, parameters: Mapping[str, str], now: datetime) -> None:
        self._parameters = parameters
        self._problems: list[str] = []
        self.now = now

    def check(self) -> None:
        """Raise `ApiError` 422 with all errors, if there are any."""
        if self._problems:
            raise ApiError("PayloadValidationError", messages=self._problems)

    def refuse(self, problem: str) -> None:
        """Collect an error that is not about one parameter's form."""
        self._problems.append(problem)

    def text(self, name: str) -> str:
        """The raw parameter, or ""."""
        return self._parameters.get(name, "")

    def choice(self, name: str, allowed: Collection[str]) -> str:
        """One of several values, or ""."""
        text = self.text(name)
        if text and text not in allowed:
            self._problems.append(f"{name}: must be one of {', '.join(sorted(allowed))}.")
        return text

    def page(self, *, least: int = 1, most: int = MAX_PAGE_SIZE, default: int = DEFAULT_LIMIT) -> tuple[int, int]:
        """(page number from 1, rows per page)."""
        limit, page = self._integer("limit", default), self._integer("offset", 1)
        if not least <= limit <= most:
            self._problems.append(f"limit: must be between {least} and {most}.")
        if page < 1:
            self._problems.append("offset: is a page number and must be 1 or more.")
        return page, limit

    def period(
        self, months: int | None, *, default_start: datetime, any_age: bool = False
    ) -> tuple[datetime, datetime]:
        """Unix times `startDate` and `endDate`, both included; a missing end means now.

        `months` is the longest period (None: any); `any_age`: the start may be more than six months ago.
        """
        start, end = self._unix_time("startDate", default_start), self._unix_time("endDate", self.now)
        if end < start:
            self._problems.append("endDate: must not be before startDate.")
        if months is not None and end > months_later(start, months):
            self._problems.append(f"endDate: the period must not be longer than {months} month{'s' * (months > 1)}.")
        if not any_age and start.date() < months_later(self.now, -MONTHS_KEPT).date():
            self._problems.append(f"startDate: must not be more than {MONTHS_KEPT} months ago.")
        return start, end

    def day(self, name: str, *, unix: bool = False) -> date | None:
        """A date as YYYY-MM-DD, with `unix` also as Unix time; None if missing."""
        text = self.text(name)
        if not text:
            return None
        if unix and _UNIX_TIME.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC).date()
        try:
            if _DAY.fullmatch(text):
                return date.fromisoformat(text)
        except ValueError:
            pass  # such as April 31
        self._problems.append(f"{name}: must be a date, YYYY-MM-DD.")
        return None

    def days(self, most: int | None, *, unix: bool = False) -> tuple[date | None, date | None]:
        """`startDate` and `endDate` as dates, both included; at most `most` days (None: any number)."""
        first, last = self.day("startDate", unix=unix), self.day("endDate", unix=unix)
        if first and last and last < first:
            self._problems.append("endDate: must not be before startDate.")
        if first and last and most is not None and last - first >= timedelta(days=most):
            self._problems.append(f"endDate: the period must not be longer than {most} days.")
        return first, last

    def _integer(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not _INTEGER.fullmatch(text):
            self._problems.append(f"{name}: must be a whole number.")
            return default
        return int(text)

    def _unix_time(self, name: str, default: datetime) -> datetime:
        text = self.text(name)
        if not text:
            return default
        if not _UNIX_TIME.fullmatch(text):
            self._problems.append(f"{name}: must be a Unix timestamp in seconds.")
            return default
        return datetime.fromtimestamp(float(text), UTC)


def first_of_last_month(now: datetime) -> datetime:
    """Default start of the lists of accounts."""
    return months_later(now.replace(day=1, hour=0, minute=0, second=0, microsecond=0), -1)
