"""Which days a morning has to land (KT-03)."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

import dagster as dg

from sonnys_pipeline.doctor.coverage import not_landed
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.orchestration.checks.evaluations import RANGE

#: The schedule that lands yesterday, and the sensor that tries again.
MORNING, MISSED = "daily_transactions_schedule", "missed_mornings"
#: Tag of a morning's runs: yesterday, as the morning saw it.
MORNING_TAG = "sonnys/morning"
#: Tag of those runs after whose success nothing is missing any more.
LANDS_ALL_TAG = "sonnys/lands_all_missing"
#: Days read again each morning, yesterday included: rows are edited late, and a row has no modified time (KPIS).
REREAD_DAYS = 4
#: Days up to yesterday of which the missing ones are landed without a person. The checks name older ones.
CATCH_UP_DAYS = 14
_DAY = timedelta(days=1)

#: First and last of consecutive days.
Span = tuple[date, date]


@dataclass(frozen=True)
class Morning:
    """What one morning has to land.

    Attributes:
        yesterday: the last day that is over.
        first_again: first of the days that are read in full each morning, up to yesterday.
        missing: days that are not landed for all sites, in order: of the last 14, from the first landed one on.
    """

    yesterday: date
    first_again: date
    missing: tuple[date, ...]

    @classmethod
    def of(cls, lake: Lake, yesterday: date, *, start: date, kept_from: date) -> Self:
        """Find what is missing; `start` is the first partition, `kept_from` the first day that the API still has.

        Raises:
            LakeError: the lake cannot be read.
        """
        again = first_again(yesterday, start)
        landed = [date.fromisoformat(day) for day in lake.partitions(ASSET) if day >= start.isoformat()]
        first = max(min([*landed, again]), yesterday - (CATCH_UP_DAYS - 1) * _DAY, kept_from)
        return cls(yesterday, again, tuple(map(date.fromisoformat, not_landed(lake, first, yesterday + _DAY))))

    @property
    def span(self) -> Span:
        """The schedule's days: those to read in full, and the missing ones that directly precede them."""
        first = self.first_again
        while first - _DAY in self.missing:
            first -= _DAY
        return first, self.yesterday

    def missing_spans(self) -> list[Span]:
        """Missing days as spans of consecutive ones, oldest first."""
        found: list[Span] = []
        for day in self.missing:
            if found and day - found[-1][1] == _DAY:
                found[-1] = (found[-1][0], day)
            else:
                found.append((day, day))
        return found

    def request(self, span: Span, key: str) -> dg.RunRequest:
        """One run over consecutive days."""
        tags = {**dict(zip(RANGE, map(str, span), strict=True)), MORNING_TAG: str(self.yesterday)}
        if all(span[0] <= day <= span[1] for day in self.missing):
            tags[LANDS_ALL_TAG] = "true"
        return dg.RunRequest(run_key=key, tags=tags)

    def with_reread(self, span: Span, lake: Lake, due: datetime) -> Span:
        """A missing span; one with yesterday is extended to the days that were to be read again and were not.

        Raises:
            UnreachableLakeError: an object store does not answer.
        """
        first, last = span
        days = [self.first_again + number * _DAY for number in range((self.yesterday - self.first_again).days)]
        if last == self.yesterday and not all(_is_read_since(lake, day, due) for day in days):
            return min(first, self.first_again), last
        return span


def first_again(yesterday: date, start: date) -> date:
    """First of the days that are read in full each morning."""
    return max(yesterday - (REREAD_DAYS - 1) * _DAY, start)


def _is_read_since(lake: Lake, day: date, due: datetime) -> bool:
    try:
        return datetime.fromisoformat(lake.metadata(ASSET, day.isoformat())["loaded_at"]) >= due
    except UnreachableLakeError:
        raise
    except (LakeError, KeyError, ValueError):
        return False
