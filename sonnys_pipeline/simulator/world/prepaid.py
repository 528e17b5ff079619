"""Washbooks and gift cards, sold at every site every day and used up gradually.

Sources: the vendor's WashbookListItemObject, WashbookAccountDetailObject and GiftcardListItemObject; L11.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sonnys_pipeline.simulator.world.catalog import SiteSpec
from sonnys_pipeline.simulator.world.chance import number, plain_timestamp
from sonnys_pipeline.simulator.world.demand import FIRST_DAY
from sonnys_pipeline.simulator.world.row_parts import Row, member_name, member_plate

_FIRST = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
WASHBOOKS_PER_DAY = 2
GIFTCARDS_PER_DAY = 3
_FIRST_WASHBOOK = 10_000_000
_KINDS = (("Washbook 5 Gold", 5), ("Washbook 10 Bronze", 10))
_VALUES = (25.0, 50.0, 100.0)


@dataclass(frozen=True, slots=True)
class PrepaidItem:
    """A prepaid item, the `sequence`-th of its kind at the site; `chance` determines the rest."""

    site: SiteSpec
    sequence: int
    at: datetime
    chance: int

    def used(self, now: datetime, of: int) -> int:
        """How many of `of` equal parts are used at a time; a part takes 10 to 40 days."""
        return min(of, (now - self.at).days // (10 + self.chance % 31))


class Prepaid:
    """Washbooks and gift cards of the physical sites; `live` determines what is null (L11)."""

    def __init__(self, seed: int, sites: Sequence[SiteSpec], *, live: bool, members: int = 1500) -> None:
        self._seed = seed
        self._members = members
        self._sites = {site.site_id: site for site in sites}
        self._live = live

    def washbooks(self, codes: Collection[str], start: datetime, end: datetime) -> list[PrepaidItem]:
        """Washbooks sold at some sites between two times, both included, by time."""
        return self._sold_between("washbook", WASHBOOKS_PER_DAY, codes, start, end)

    def giftcards(self, codes: Collection[str], start: datetime, end: datetime) -> list[PrepaidItem]:
        """Gift cards sold at some sites between two times, both included, by time."""
        return self._sold_between("giftcard", GIFTCARDS_PER_DAY, codes, start, end)

    def find_washbook(self, account_id: str, now: datetime) -> PrepaidItem | None:
        """The washbook of that id, or None."""
        text, _, site_id = account_id.partition(":")
        if not (text.isdecimal() and site_id.isdecimal() and len(text) < 10 and len(site_id) < 5):
            return None
        site, sequence = self._sites.get(int(site_id)), int(text) - _FIRST_WASHBOOK
        if site is None or not 0 <= sequence // WASHBOOKS_PER_DAY <= (now - _FIRST).days:
            return None
        found = self._one("washbook", WASHBOOKS_PER_DAY, site, sequence)
        return found if found.at <= now and _washbook_id(found) == account_id else None

    def washbook_status(self, washbook: PrepaidItem, now: datetime) -> str:
        """`Active` until it is used up, then `Inactive`."""
        return "Active" if self._left(washbook, now) else "Inactive"

    def listed_washbook(self, washbook: PrepaidItem, now: datetime) -> Row:
        """The list form."""
        return {
            "id": _washbook_id(washbook),
            "name": _kind(washbook)[0],
            "balance": str(self._left(washbook, now)),
            "signUpDate": plain_timestamp(washbook.at),
            "cancelDate": None,
            "billingSiteId": washbook.site.site_id,
            "customerId": self._customer_id(washbook),
            "status": self.washbook_status(washbook, now),
        }

    def washbook_detail(self, washbook: PrepaidItem, now: datetime) -> Row:
        """The detail form; live balances are text."""
        left = self._left(washbook, now)
        customer_id = self._customer_id(washbook)
        member = washbook.chance % self._members
        first, _, last = member_name(member).partition(" ")
        customer: Row = dict.fromkeys(("id", "number", "firstName", "lastName"))
        if customer_id:
            number_ = f"{washbook.site.site_id:02d}{member:07d}"
            customer = {"id": customer_id, "number": number_, "firstName": first, "lastName": last}
        return {
            "id": _washbook_id(washbook),
            "name": _kind(washbook)[0],
            "balance": str(left) if self._live else float(left),
            "customer": customer,
            "status": self.washbook_status(washbook, now),
            "recurringInfo": {
                "currentBillableAmount": 0.0,
                "nextBillDate": None,
                "lastBillDate": None,
                "isOnTrial": False,
                "remainingTrialPeriods": 0,
            },
            "tags": [],
            "vehicles": [{"id": _washbook_id(washbook), "plate": member_plate(member)}] if customer_id else [],
        }

    def giftcard(self, card: PrepaidItem, now: datetime) -> Row:
        """A row of `/giftcard-liablilty`; live cards may have no date (L11)."""
        value = _VALUES[card.chance % len(_VALUES)]
        return {
            "siteCode": card.site.code,
            "completeDate": None if self._live and card.chance % 20 == 0 else plain_timestamp(card.at),
            "number": giftcard_number(card),
            "value": value,
            "amountUsed": value * card.used(now, 5) / 5,
            "giftcardId": f"{card.sequence + 1}:{card.site.site_id}",
        }

    def _sold_between(
        self, kind: str, per_day: int, codes: Collection[str], start: datetime, end: datetime
    ) -> list[PrepaidItem]:
        first, last = max((start - _FIRST).days, 0), (end - _FIRST).days
        found: Iterator[PrepaidItem] = (
            self._one(kind, per_day, site, sequence)
            for site in self._sites.values()
            if site.code in codes
            for sequence in range(first * per_day, (last + 1) * per_day)
        )
        return sorted(
            (one for one in found if start <= one.at <= end), key=lambda one: (one.at, one.site.site_id, one.sequence)
        )

    def _one(self, kind: str, per_day: int, site: SiteSpec, sequence: int) -> PrepaidItem:
        chance = number(self._seed, site.site_id, sequence, kind)
        at = _FIRST + timedelta(days=sequence // per_day, seconds=13 * 3600 + chance % (10 * 3600))
        return PrepaidItem(site, sequence, at, chance // 36_000)

    def _customer_id(self, washbook: PrepaidItem) -> str | None:
        if washbook.chance % 3 == 0:
            return None
        return f"{washbook.chance % self._members + 1}:{washbook.site.site_id}"

    def _left(self, washbook: PrepaidItem, now: datetime) -> int:
        washes = _kind(washbook)[1]
        return washes - washbook.used(now, washes)


def giftcard_number(card: PrepaidItem) -> str:
    """The number printed on a gift card."""
    return f"GC{card.site.site_id:03d}{card.sequence:08d}"


def _kind(washbook: PrepaidItem) -> tuple[str, int]:
    return _KINDS[washbook.chance % len(_KINDS)]


def _washbook_id(washbook: PrepaidItem) -> str:
    return f"{_FIRST_WASHBOOK + washbook.sequence}:{washbook.site.site_id}"
