"""All recurring accounts of a site, by sign-up and by day."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from sonnys_pipeline.simulator.world.accounts.days import SiteDays
from sonnys_pipeline.simulator.world.accounts.life import DAYS_BETWEEN_SIGN_UPS, Life, Membership
from sonnys_pipeline.simulator.world.catalog import PLANS
from sonnys_pipeline.simulator.world.chance import number
from sonnys_pipeline.simulator.world.demand import FIRST_DAY

_FIRST = FIRST_DAY.toordinal()
_SEASON = 40
"""Days; accounts are worked out a season at a time."""


class Agenda(NamedTuple):
    """A site's day: accounts that are opened and charged, by time, and the members of each plan who may wash.

    Times are in milliseconds since the epoch.
    """

    sign_ups: Sequence[tuple[int, Membership]]
    charges: Sequence[tuple[int, Membership]]
    active: Sequence[Sequence[int]]


class _Season:
    """The accounts that are opened in the same 40 days; places are those in `accounts`."""

    def __init__(self, accounts: Sequence[Membership]) -> None:
        self.accounts = accounts
        self.sign_ups: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.charges: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.active: list[tuple[int, int, int]] = []
        for place, account in enumerate(accounts):
            (day, ms), *later = account.charges
            self.sign_ups[day].append((ms, place))
            for day, ms in later:
                self.charges[day].append((ms, place))
            self.active += [(begin, end, account.member) for begin, end in account.active_days()]

    def found(self, days: dict[int, list[tuple[int, int]]], day: int) -> Iterator[tuple[int, Membership]]:
        """Times and accounts of a day."""
        return ((ms, self.accounts[place]) for ms, place in days.get(day, ()))


class AccountBook:
    """Accounts of the `members` of a site. Every member signs up anew every 400 days, after the account before ended.

    So every day has sign-ups and endings, and the past of an account never changes. Safe in threads: what two of them
    work out at once is equal.
    """

    def __init__(self, seed: int, days: SiteDays, members: int) -> None:
        self.site, self.members = days.site, members
        self._seed, self._days = seed, days
        self._seasons: dict[int, _Season] = {}
        self._by_season: list[list[int]] = [[] for _ in range(DAYS_BETWEEN_SIGN_UPS // _SEASON)]
        for member in range(members):
            self._by_season[self._phase(member) // _SEASON].append(member)

    def agenda(self, day: date) -> Agenda:
        """What is agreed for a day of the site."""
        on = day.toordinal()
        # A sign-up that falls on a closed day moves, perhaps out of its season.
        seasons = self._opened(on - DAYS_BETWEEN_SIGN_UPS - _SEASON, on)
        active: list[list[int]] = [[] for _ in PLANS]
        for season in seasons:
            for begin, end, member in season.active:
                if begin <= on <= end:
                    active[member % len(PLANS)].append(member)
        sign_ups = [found for season in seasons for found in season.found(season.sign_ups, on)]
        charges = [found for season in seasons for found in season.found(season.charges, on)]
        return Agenda(sorted(sign_ups, key=_by_time), sorted(charges, key=_by_time), active)

    def between(self, first: date, last: date) -> Iterator[Membership]:
        """The accounts opened between two days, and others that were opened shortly before or after."""
        for season in self._opened(first.toordinal() - _SEASON, last.toordinal() + 1):
            yield from season.accounts

    def account(self, sequence: int) -> Membership:
        """The account of a number, which counts from 1."""
        return self._account(*divmod(sequence - 1, self.members))

    def _opened(self, first: int, last: int) -> list[_Season]:
        """The seasons of the days from `first` to `last`."""
        return [self._season(one) for one in range(max((first - _FIRST) // _SEASON, 0), (last - _FIRST) // _SEASON + 1)]

    def _season(self, index: int) -> _Season:
        if (known := self._seasons.get(index)) is None:
            sign_up_number, season = divmod(index, len(self._by_season))
            known = _Season([self._account(sign_up_number, member) for member in self._by_season[season]])
            self._seasons[index] = known
        return known

    def _phase(self, member: int) -> int:
        return number(self._seed, self.site.site_id, member, "phase") % DAYS_BETWEEN_SIGN_UPS

    def _account(self, sign_up_number: int, member: int) -> Membership:
        days = self._days
        rng = random.Random(number(self._seed, self.site.site_id, member, sign_up_number, "account"))
        day = days.next_open(_FIRST + DAYS_BETWEEN_SIGN_UPS * sign_up_number + self._phase(member))
        life = Life(days, rng, days.by_day(day, rng.random()))
        sequence = sign_up_number * self.members + member + 1
        return Membership(self.site, member, sequence, tuple(life.charges), tuple(life.attempts), tuple(life.turns))


def _by_time(found: tuple[int, Membership]) -> tuple[int, int]:
    return found[0], found[1].member


@lru_cache(maxsize=64)
def account_book(seed: int, days: SiteDays, members: int) -> AccountBook:
    """The book of a site; those of equal worlds are one."""
    return AccountBook(seed, days, members)
