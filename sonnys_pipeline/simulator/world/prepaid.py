"""Washbooks and gift cards as the lists show them.

Sources: the vendor's WashbookListItemObject, WashbookAccountDetailObject and GiftcardListItemObject; L11.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

from sonnys_pipeline.simulator.world.accounts.prepaid import SOLD_PER_DAY, PrepaidBook, PrepaidItem
from sonnys_pipeline.simulator.world.chance import plain_timestamp
from sonnys_pipeline.simulator.world.demand import FIRST_DAY
from sonnys_pipeline.simulator.world.row_parts import Row, member_name, member_plate

_FIRST_WASHBOOK = 10_000_000
_CACHED_LISTS = 16


class Prepaid:
    """Washbooks and gift cards of sites with accounts; `live` determines what is null (L11)."""

    def __init__(self, books: Iterable[PrepaidBook], *, live: bool, members: int = 1500) -> None:
        self._books = {book.site.site_id: book for book in books}
        self._members = members
        self._live = live
        # A list is asked for page by page.
        self._sold_between = lru_cache(maxsize=_CACHED_LISTS)(self._sold)

    def washbooks(self, codes: frozenset[str], start: datetime, end: datetime) -> list[PrepaidItem]:
        """Washbooks sold at some sites between two times, both included, by time."""
        return self._sold_between("WashBook", codes, start, end)

    def giftcards(self, codes: frozenset[str], start: datetime, end: datetime) -> list[PrepaidItem]:
        """Gift cards sold at some sites between two times, both included, by time."""
        return self._sold_between("GiftCard", codes, start, end)

    def find_washbook(self, account_id: str, now: datetime) -> PrepaidItem | None:
        """The washbook of that id, or None."""
        text, _, site_id = account_id.partition(":")
        if not (text.isdecimal() and site_id.isdecimal() and len(text) < 10 and len(site_id) < 5):
            return None
        book, sequence = self._books.get(int(site_id)), int(text) - _FIRST_WASHBOOK
        if book is None or not 0 <= sequence // SOLD_PER_DAY["WashBook"] <= (now.date() - FIRST_DAY).days:
            return None
        found = book.item("WashBook", sequence)
        return found if found.at <= now and found.reference == account_id else None

    def washbook_status(self, washbook: PrepaidItem, now: datetime) -> str:
        """`Active` until it is used up, then `Inactive`."""
        return "Active" if self._left(washbook, now) else "Inactive"

    def customer_id(self, washbook: PrepaidItem) -> str | None:
        """The id of the member who holds it, if it is known."""
        member = washbook.holder(self._members)
        return None if member is None else f"{member + 1}:{washbook.site.site_id}"

    def listed_washbook(self, washbook: PrepaidItem, now: datetime) -> Row:
        """The list form."""
        return {
            "id": washbook.reference,
            "name": washbook.product.name,
            "balance": str(self._left(washbook, now)),
            "signUpDate": plain_timestamp(washbook.at),
            "cancelDate": None,
            "billingSiteId": washbook.site.site_id,
            "customerId": self.customer_id(washbook),
            "status": self.washbook_status(washbook, now),
        }

    def washbook_detail(self, washbook: PrepaidItem, now: datetime) -> Row:
        """The detail form; live balances are text."""
        left = self._left(washbook, now)
        customer_id = self.customer_id(washbook)
        member = washbook.holder(self._members)
        customer: Row = dict.fromkeys(("id", "number", "firstName", "lastName"))
        if member is not None:
            first, _, last = member_name(member).partition(" ")
            number_ = f"{washbook.site.site_id:02d}{member:07d}"
            customer = {"id": customer_id, "number": number_, "firstName": first, "lastName": last}
        return {
            "id": washbook.reference,
            "name": washbook.product.name,
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
            "vehicles": [{"id": washbook.reference, "plate": member_plate(member)}] if member is not None else [],
        }

    def giftcard(self, card: PrepaidItem, now: datetime) -> Row:
        """A row of `/giftcard-liablilty`; live cards may have no date (L11)."""
        return {
            "siteCode": card.site.code,
            "completeDate": None if self._live and card.chance % 20 == 0 else plain_timestamp(card.at),
            "number": card.reference,
            "value": card.product.price / 100,
            "amountUsed": sum(wash.price for wash in card.used(now)) / 100,
            "giftcardId": f"{card.sequence + 1}:{card.site.site_id}",
        }

    def _sold(self, department: str, codes: frozenset[str], start: datetime, end: datetime) -> list[PrepaidItem]:
        found = (
            item
            for book in self._books.values()
            if book.site.code in codes
            for item in book.between(department, start.date(), end.date())
        )
        return sorted(
            (one for one in found if start <= one.at <= end), key=lambda one: (one.at, one.site.site_id, one.sequence)
        )

    def _left(self, washbook: PrepaidItem, now: datetime) -> int:
        return washbook.washes - len(washbook.used(now))
