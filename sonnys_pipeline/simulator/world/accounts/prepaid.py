"""Washbooks and gift cards of a site: when each is sold and used, by day.

A washbook is good for washes of one kind, a gift card for any while its balance suffices. All sales and uses fall on
days with rows.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from sonnys_pipeline.simulator.world.accounts.days import LONGEST_CLOSING, Moment, SiteDays, utc, whole_ms
from sonnys_pipeline.simulator.world.catalog import PREPAID, WASHES, Product, SiteSpec, Wash
from sonnys_pipeline.simulator.world.chance import number
from sonnys_pipeline.simulator.world.demand import FIRST_DAY

SOLD_PER_DAY = {"WashBook": 2, "GiftCard": 3}
"""By department."""
_PRODUCTS = {kind: [product for product in PREPAID if product.department == kind] for kind in SOLD_PER_DAY}
_WASHES = {"Washbook 5 Gold": (5, WASHES[3]), "Washbook 10 Bronze": (10, WASHES[1])}
_FIRST = FIRST_DAY.toordinal()
_SEASON = 10
"""Days; items are worked out a season of sales at a time."""
_LONGEST = 130
"""More days than there are from a sale to the last use."""


@dataclass(frozen=True, slots=True)
class PrepaidItem:
    """The `sequence`-th item of its kind at the site, with its past and future uses; `chance` decides the rest."""

    site: SiteSpec
    sequence: int
    product: Product
    sold: Moment
    uses: Sequence[tuple[Moment, Wash]]
    chance: int

    @property
    def at(self) -> datetime:
        """Time of the sale."""
        return utc(self.sold[1])

    @property
    def washes(self) -> int:
        """How many washes a washbook is good for."""
        return _WASHES[self.product.name][0]

    @property
    def reference(self) -> str:
        """What a tender names: the number of a gift card, the id of a washbook."""
        if self.product.department == "GiftCard":
            return f"GC{self.site.site_id:03d}{self.sequence:08d}"
        return f"{10_000_000 + self.sequence}:{self.site.site_id}"

    def used(self, now: datetime) -> Sequence[Wash]:
        """What it was used for until a time."""
        until = whole_ms(now)
        return [wash for (_, ms), wash in self.uses if ms <= until]

    def holder(self, members: int) -> int | None:
        """The member who holds it, if it is known; nobody knows who has a gift card."""
        if self.product.department == "GiftCard" or self.chance % 3 == 0:
            return None
        return self.chance % members


class PrepaidDay(NamedTuple):
    """What is sold and used on a day of a site, by time in milliseconds since the epoch."""

    sold: Sequence[tuple[int, PrepaidItem]]
    used: Sequence[tuple[int, PrepaidItem, Wash]]


class PrepaidBook:
    """Prepaid items of a site. Thread-safe."""

    def __init__(self, seed: int, days: SiteDays) -> None:
        self.site = days.site
        self._seed, self._days = seed, days
        self._lock = threading.Lock()
        self._seasons: dict[int, Sequence[PrepaidItem]] = {}
        # By day: time, place in `_items` and number of the use.
        self._items: list[PrepaidItem] = []
        self._sales: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._uses: dict[int, list[tuple[int, int, int]]] = defaultdict(list)

    def day(self, day: date) -> PrepaidDay:
        """What is sold and used on a day of the site."""
        on = day.toordinal()
        self._sold(on - _LONGEST, on)
        items = self._items
        sold = [(ms, items[place]) for ms, place in self._sales.get(on, ())]
        used = [(ms, items[place], items[place].uses[use][1]) for ms, place, use in self._uses.get(on, ())]
        return PrepaidDay(sorted(sold, key=_by_time), sorted(used, key=_by_time))

    def between(self, department: str, first: date, last: date) -> Iterator[PrepaidItem]:
        """The items of a department sold between two days, and others that were sold shortly before or after."""
        for season in self._sold(first.toordinal() - LONGEST_CLOSING, last.toordinal() + 1):
            yield from (item for item in season if item.product.department == department)

    def item(self, department: str, sequence: int) -> PrepaidItem:
        """The item of a number, which counts from 0."""
        chance = number(self._seed, self.site.site_id, sequence, department)
        products = _PRODUCTS[department]
        product = products[chance % len(products)]
        days, chance = self._days, chance // 4
        first = days.next_open(_FIRST + sequence // SOLD_PER_DAY[department])
        sold = days.by_day(first, chance % 9973 / 9973)
        every, uses, left = 3 + chance % 7, [], product.price
        count, only = _WASHES.get(product.name, (5, None))
        for use in range(count):
            wash = only or WASHES[(chance >> use) % len(WASHES)]
            left -= 0 if only else wash.price
            if left < 0:
                break
            day = days.next_open(first + every * (use + 1))
            uses.append((days.by_day(day, (chance >> use) % 9967 / 9967), wash))
        return PrepaidItem(self.site, sequence, product, sold, tuple(uses), chance)

    def _sold(self, first: int, last: int) -> list[Sequence[PrepaidItem]]:
        """The seasons of the days from `first` to `last`."""
        indices = range(max((first - _FIRST) // _SEASON, 0), (last - _FIRST) // _SEASON + 1)
        return [self._seasons[one] if one in self._seasons else self._season(one) for one in indices]

    def _season(self, index: int) -> Sequence[PrepaidItem]:
        with self._lock:
            if (known := self._seasons.get(index)) is None:
                known = [
                    self.item(kind, sequence)
                    for kind, a_day in SOLD_PER_DAY.items()
                    for sequence in range(index * _SEASON * a_day, (index + 1) * _SEASON * a_day)
                ]
                for item in known:
                    self._enter(item)
                self._seasons[index] = known
        return known

    def _enter(self, item: PrepaidItem) -> None:
        place = len(self._items)
        self._items.append(item)
        self._sales[item.sold[0]].append((item.sold[1], place))
        for use, ((day, ms), _) in enumerate(item.uses):
            self._uses[day].append((ms, place, use))


def _by_time(found: tuple[int, PrepaidItem] | tuple[int, PrepaidItem, Wash]) -> tuple[int, str]:
    return found[0], found[1].reference


@lru_cache(maxsize=64)
def prepaid_book(seed: int, days: SiteDays) -> PrepaidBook:
    """The book of a site; those of equal worlds are one."""
    return PrepaidBook(seed, days)
