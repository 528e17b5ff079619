"""How far back a site's records go, within a budget of requests (BM-10).

Each look is one `GET /transaction` with `limit=1`, which returns the row count of a span of up to a month (contract,
"Lists"). Six months are about seven such spans, so nothing is assumed about closed days and gaps.

The API includes both ends of a span, so a window also counts a row exactly on the following midnight. Only the answer
must exclude it: it is looked at once more without its last second (`Looks.settle`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from sonnys_pipeline.backfill.probe.search import BudgetSpentError, Outcome, SearchResult, find_last
from sonnys_pipeline.calendar.windows import Day, first_kept_day, last_complete_day
from sonnys_pipeline.client import APIError, AuthError, RateLimitError, SonnysClient, ValidationError
from sonnys_pipeline.client.client import is_retryable
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.client.site_codes import named_codes

#: Days of one window: shorter than every month, even with an extra hour at the end of daylight saving time.
WINDOW_DAYS = 27
#: Repetitions of one look. Few, since the search can ask for another window instead.
MOST_REPETITIONS = 2
#: A 400 that says nothing about the request and may be temporary (contract, "Errors").
_PASSING_TROUBLE = "UnexpectedFailure"
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Look:
    """One request: its span of days (`first` the oldest), its outcome, and the row count, `None` where it failed."""

    first: date
    last: date
    outcome: Outcome
    rows: int | None = None
    error: str = ""


@dataclass(frozen=True)
class History:
    """Result of a probe.

    Attributes:
        earliest: the first day with records; if not proven, records go back at least to it, or to the midnight that
            ends it. `None`: none seen.
        latest: the last day with records; if not proven, records reach at least to it.
        proven: whether both are certain; `reason` says why not.
        oldest_kept: the first day that the API keeps; earlier records are unknown.
    """

    earliest: date | None
    latest: date | None
    proven: bool
    reason: str
    oldest_kept: date
    looks: Sequence[Look]

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """How many requests had each outcome."""
        counted = Counter(look.outcome for look in self.looks)
        return {outcome: counted[outcome] for outcome in Outcome}


def probe_history(  # options of the verb, clock and pause included
    client: SonnysClient,
    *,
    now: datetime,
    timezone: str = "UTC",
    site: str | None = None,
    budget: int = 200,
    on_look: Callable[[Look], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> History:
    """Find the first and the last day with records, among days that the API keeps and that are over (BM-10).

    About 15 requests: one for yesterday, about ten to find and prove the first day, one more look at it. If yesterday
    has no records, the last day is searched in the same way.
    `now` is an aware instant; `site` is the code of one site, `None` for all that the key may see; `budget` limits the
    requests, repeated ones included. `AuthError` and `ValidationError` end the search.
    """
    oldest, newest = first_kept_day(now, timezone), last_complete_day(now, timezone)
    looks = Looks(client, timezone, site, budget, on_look, sleep)
    yesterday = looks.settle(newest, newest)
    # A last day known to be empty is left out: no window then ends with a midnight that is not searched.
    top = newest - _ONE_DAY if yesterday is Outcome.NO_RECORD else newest
    found, earliest = _first_day(looks, top, oldest)
    if earliest is None:
        return History(None, None, not found, found, oldest, looks.made)
    if yesterday is Outcome.FAILED:
        yesterday = looks.settle(newest, newest)
    if yesterday is Outcome.SUCCESS:
        return History(earliest, newest, not found, found, oldest, looks.made)
    up_to, latest = _last_day(looks, earliest, newest - _ONE_DAY)
    if yesterday is Outcome.FAILED:
        up_to = up_to or f"{newest} could not be looked at"
    reason = "; ".join(dict.fromkeys(part for part in (found, up_to) if part))
    return History(earliest, latest, not reason, reason, oldest, looks.made)


def _first_day(looks: Looks, top: date, oldest: date) -> tuple[str, date | None]:
    """Search back from `top`: why the answer is not proven (empty if it is), and the first day with records."""
    keys = _Keys(looks, top, oldest)
    found = keys.search()
    if found.last is None:
        return found.reason, None
    exact = looks.settle(*keys.window(found.last))
    if exact is Outcome.FAILED:
        return found.reason or "the day found could not be looked at again", keys.day(found.last)
    # Only the row on the midnight that ends the window: records begin on the following day.
    last = found.last if exact is Outcome.SUCCESS else found.last - 1
    if last < 0:
        return found.reason, None
    if found.proven:
        looks.known.append((keys.day(last), keys.day(last), Outcome.SUCCESS))
    return found.reason, keys.day(last)


def _last_day(looks: Looks, earliest: date, top: date) -> tuple[str, date]:
    """Search from the newest window with records up to `top`: why not proven, and the last day with records."""
    with_records = [first for first, _, outcome in looks.known if outcome is Outcome.SUCCESS]
    keys = _Keys(looks, min(max([earliest, *with_records]), top), top)
    found = keys.search()
    return found.reason, earliest if found.last is None else max(earliest, keys.day(found.last))


@dataclass(frozen=True)
class _Keys:
    """Days as keys of a search: 0 is `start`, the limit is `end`; either may be the older one."""

    looks: Looks
    start: date
    end: date

    @property
    def limit(self) -> int:
        return abs((self.end - self.start).days)

    def day(self, key: int) -> date:
        return self.start + (key if self.end >= self.start else -key) * _ONE_DAY

    def window(self, key: int) -> tuple[date, date]:
        near, far = self.day(key), self.day(min(key + WINDOW_DAYS - 1, self.limit))
        return min(near, far), max(near, far)

    def search(self) -> SearchResult:
        """The furthest day with records; bounded by requests, not by keys, some of which cost none."""
        return find_last(
            lambda key: self.looks.outcome(*self.window(key)),
            limit=self.limit,
            width=WINDOW_DAYS,
            budget=self.limit + 1,
        )


@dataclass
class Looks:
    """Asks the API for spans of days, never for a known one and never above the budget.

    Attributes:
        sites: codes to ask for one by one, where the API refuses to count all sites at once.
        known: spans (first day, last day) with their counts, a row on the following midnight included.
    """

    client: SonnysClient
    timezone: str
    site: str | None
    budget: int
    on_look: Callable[[Look], None]
    sleep: Callable[[float], None]
    made: list[Look] = field(default_factory=list)
    sites: list[str] | None = None
    known: list[tuple[date, date, Outcome]] = field(default_factory=list)

    def outcome(self, first: date, last: date) -> Outcome:
        """Whether the span has records, or a row on its last midnight; `BudgetSpentError` when no request is left."""
        for start, end, said in self.known:
            if said is Outcome.SUCCESS and first <= start and end <= last:
                return said
            if said is Outcome.NO_RECORD and start <= first and last <= end:
                return said
        rows = self._count(first, last)
        if rows is None:
            return Outcome.FAILED
        self.known.append((first, last, Outcome.SUCCESS if rows else Outcome.NO_RECORD))
        return self.known[-1][2]

    def settle(self, first: date, last: date) -> Outcome:
        """Whether the span without the midnight that ends it has records; failed also where no request is left."""
        try:
            outcome = self._settled(first, last)
        except BudgetSpentError:
            return Outcome.FAILED
        if outcome is not Outcome.FAILED:
            self.known.append((first, last, outcome))
        return outcome

    def _settled(self, first: date, last: date) -> Outcome:
        rows = self._count(first, last, but_last_second=True)
        if rows:
            return Outcome.SUCCESS
        total = None if rows is None else self._count(first, last)
        if total is None:
            return Outcome.FAILED
        if not 0 < total <= PAGE_SIZE:  # more needs more than one request; an extra day does no harm
            return Outcome.SUCCESS if total else Outcome.NO_RECORD
        end = Day.of(last.isoformat(), self.timezone).end
        second = {"startDate": int(end.timestamp()) - 1, "endDate": int(end.timestamp())}

        def before_end(site: str | None) -> int:
            return sum(row.date < end for row in self.client.unthrottled().list(**second, site=site))

        inside = self._ask_sites(first, last, before_end)
        if inside is None:
            return Outcome.FAILED
        return Outcome.SUCCESS if inside else Outcome.NO_RECORD

    def _count(self, first: date, last: date, *, but_last_second: bool = False) -> int | None:
        start, end = Day.of(first.isoformat(), self.timezone).start, Day.of(last.isoformat(), self.timezone).end
        until = int(end.timestamp()) - (1 if but_last_second else 0)
        span = {"startDate": int(start.timestamp()), "endDate": until}
        return self._ask_sites(first, last, lambda site: self.client.unthrottled().count(**span, site=site))

    def _ask_sites(self, first: date, last: date, call: Callable[[str | None], int]) -> int | None:
        """One request; where lists must name a site ([?] of the contract), site by site until one has rows."""
        if self.sites is None:
            try:
                return self._ask(first, last, partial(call, self.site))
            except ValidationError as refused:
                if self.site is not None or not refused.concerns_site:
                    raise
                self.sites = named_codes(self.client.sites.list())
        rows: int | None = 0
        for code in self.sites:
            found = self._ask(first, last, partial(call, code))
            if found:
                return found
            rows = None if found is None else rows
        return rows

    def _ask(self, first: date, last: date, call: Callable[[], int]) -> int | None:
        """One request, repeated after a temporary error; `None` when that did not help."""
        repetitions = min(MOST_REPETITIONS, self.client.max_retries)
        for attempt in range(repetitions + 1):
            if len(self.made) >= self.budget:
                raise BudgetSpentError
            self.client.budget.acquire()
            try:
                rows = call()
            except APIError as error:
                self._note(Look(first, last, Outcome.FAILED, None, str(error)))
                if isinstance(error, AuthError | ValidationError) and error.type != _PASSING_TROUBLE:
                    raise
                if isinstance(error, RateLimitError):
                    self.client.budget.cool_down()
                if attempt == repetitions or not is_retryable(error, "GET", "/transaction"):
                    return None
                self.sleep(self.client.backoff_pause(attempt))
            else:
                self._note(Look(first, last, Outcome.SUCCESS if rows else Outcome.NO_RECORD, rows))
                return rows
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _note(self, look: Look) -> None:
        self.made.append(look)
        self.on_look(look)
