"""All recurring accounts of a site, by sign-up and by day."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from sonnys_pipeline.simulator.world.accounts.days import LONGEST_CLOSING, SiteDays
from sonnys_pipeline.simulator.world.accounts.life import DAYS_BETWEEN_SIGN_UPS, Life, Membership
from sonnys_pipeline.simulator.world.catalog import PLANS
from sonnys_pipeline.simulator.world.chance import number
from sonnys_pipeline.simulator.world.demand import FIRST_DAY

_FIRST = FIRST_DAY.toordinal()
_LONGEST = DAYS_BETWEEN_SIGN_UPS + LONGEST_CLOSING
_SEASON = 10
"""Days; accounts are worked out a season at a time."""
_SEASONS = DAYS_BETWEEN_SIGN_UPS // _SEASON


class Agenda(NamedTuple):
    """A site's day: accounts that are opened and charged, by time, and the members of each plan who may wash.

    Times are in milliseconds since the epoch.
    """

    sign_ups: Sequence[tuple[int, Membership]]
    charges: Sequence[tuple[int, Membership]]
    active: Sequence[Sequence[int]]


class _Season(NamedTuple):
    """The accounts that are opened in the same ten days, and on which days which member is active."""

    accounts: Sequence[Membership]
    active: Sequence[tuple[int, int, int]]


class AccountBook:
    """Accounts of the `members` of a site. Every member signs up anew every 400 days, after the account before ended.

    So every day has sign-ups and endings, and the past of an account never changes. Thread-safe.
    """

    def __init__(self, seed: int, days: SiteDays, members: int) -> None:
        self.site, self.members = days.site, members
        self._seed, self._days = seed, days
        self._lock = threading.Lock()
        self._seasons: dict[int, _Season] = {}
        # By day: times and places in `_accounts`. Few lists of plain numbers, which cost the garbage collector little.
        self._accounts: list[Membership] = []
        self._sign_ups: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._charges: dict[int, list[tuple[int, int]]] = defaultdict(list)
        site_id = days.site.site_id
        self._phases = [number(seed, site_id, member, "phase") % DAYS_BETWEEN_SIGN_UPS for member in range(members)]
        self._members_of: list[list[int]] = [[] for _ in range(_SEASONS)]
        for member, phase in enumerate(self._phases):
            self._members_of[phase // _SEASON].append(member)

    def agenda(self, day: date) -> Agenda:
        """What is agreed for a day of the site."""
        on = day.toordinal()
        # A sign-up that falls on a closed day moves, perhaps out of its season.
        seasons = self._opened(on - _LONGEST, on)
        active: list[list[int]] = [[] for _ in PLANS]
        for season in seasons:
            for begin, end, member in season.active:
                if begin <= on <= end:
                    active[member % len(PLANS)].append(member)
        found = self._accounts
        return Agenda(
            sorted(((ms, found[place]) for ms, place in self._sign_ups.get(on, ())), key=_by_time),
            sorted(((ms, found[place]) for ms, place in self._charges.get(on, ())), key=_by_time),
            active,
        )

    def between(self, first: date, last: date) -> Iterator[Membership]:
        """The accounts opened between two days, and others that were opened shortly before or after."""
        for season in self._opened(first.toordinal() - LONGEST_CLOSING, last.toordinal() + 1):
            yield from season.accounts

    def account(self, sequence: int) -> Membership:
        """The account of a number, which counts from 1."""
        sign_up_number, member = divmod(sequence - 1, self.members)
        season = self._season(sign_up_number * _SEASONS + self._phases[member] // _SEASON)
        return next(account for account in season.accounts if account.member == member)

    def _opened(self, first: int, last: int) -> list[_Season]:
        """The seasons of the days from `first` to `last`."""
        return [self._season(one) for one in range(max((first - _FIRST) // _SEASON, 0), (last - _FIRST) // _SEASON + 1)]

    def _season(self, index: int) -> _Season:
        if (known := self._seasons.get(index)) is not None:
            return known
        with self._lock:
            if (known := self._seasons.get(index)) is None:
                sign_up_number, season = divmod(index, _SEASONS)
                rng = random.Random(number(self._seed, self.site.site_id, index, "accounts"))
                accounts = [self._account(sign_up_number, member, rng) for member in self._members_of[season]]
                known = _Season(accounts, [(*days, one.member) for one in accounts for days in one.active_days()])
                for account in accounts:
                    self._enter(account)
                self._seasons[index] = known
        return known

    def _enter(self, account: Membership) -> None:
        place, (first, *later) = len(self._accounts), account.charges
        self._accounts.append(account)
        self._sign_ups[first[0]].append((first[1], place))
        for day, ms in later:
            self._charges[day].append((ms, place))

    def _account(self, sign_up_number: int, member: int, rng: random.Random) -> Membership:
        days = self._days
        day = days.next_open(_FIRST + DAYS_BETWEEN_SIGN_UPS * sign_up_number + self._phases[member])
        life = Life(days, rng, days.by_day(day, rng.random()))
        sequence = sign_up_number * self.members + member + 1
        return Membership(self.site, member, sequence, tuple(life.charges), tuple(life.attempts), tuple(life.turns))


def _by_time(found: tuple[int, Membership]) -> tuple[int, int]:
    return found[0], found[1].member


@lru_cache(maxsize=64)
def account_book(seed: int, days: SiteDays, members: int) -> AccountBook:
    """The book of a site; those of equal worlds are one."""
    return AccountBook(seed, days, members)
