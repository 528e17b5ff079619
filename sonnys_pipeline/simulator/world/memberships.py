"""Recurring accounts as the lists show them: sign-ups, status changes and charges.

Sources: the vendor's RecurringWashbookListItemObject, RecurringAccountDetailObject,
RecurringWashbookStatusListItemObject and RecurringWashbookListModificationItemObject; L12 and L15.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from sonnys_pipeline.simulator.world.accounts.book import AccountBook
from sonnys_pipeline.simulator.world.accounts.days import utc, whole_ms
from sonnys_pipeline.simulator.world.accounts.life import DAYS_BETWEEN_SIGN_UPS, MONTH, Membership, StatusChange
from sonnys_pipeline.simulator.world.chance import number, plain_timestamp, timestamp
from sonnys_pipeline.simulator.world.demand import FIRST_DAY
from sonnys_pipeline.simulator.world.row_parts import Row, member_name, member_plate

STATUSES = (
    "Active", "Payment Failed", "Payment CC Expired", "Payment Retries Exceeded", "Suspended", "Expired", "Cancelled",
    "Declined", "Authorizer Error", "Cleared Tokens", "Changed Authorizer", "Payment CC Update Started",
    "Payment CC Update Declined", "Authorizer communication error", "Unknown error error",
)  # fmt: skip
"""Numbered from 1 in the vendor's document."""
MODIFICATIONS = (
    "Tag Added", "Tags Removed", "Billing Amount Change", "Vehicle Plate Changed", "Tag Enabled", "Tag Disabled",
    "Account Status Changed", "Payment Date Changed", "Payment Card Number Updated",
)  # fmt: skip
_RECURRING_STATUSES = {"Active": "Active", "Cancelled": "Canceled", "Suspended": "Suspended"}
"""The only values of `recurringStatuses`, one spelt differently than in other lists (vendor's document)."""
_ENDED = frozenset(STATUSES) - {"Active", "Payment Failed", "Payment CC Expired", "Suspended"}
_CACHED_LISTS = 16


class Memberships:
    """All accounts of the physical sites; `live` selects the forms of L12 and L15."""

    def __init__(self, seed: int, books: Iterable[AccountBook], *, live: bool) -> None:
        self._seed = seed
        self._books = {book.site.site_id: book for book in books}
        self._live = live
        # A list is asked for page by page.
        self.signed_up = lru_cache(maxsize=_CACHED_LISTS)(self._signed_up)
        self.changed = lru_cache(maxsize=_CACHED_LISTS)(self._changed)

    def _signed_up(self, codes: frozenset[str], start: datetime, end: datetime) -> list[Membership]:
        """Accounts of some sites opened between two times, both included, by time and id."""
        return sorted(
            (account for account in self._all(codes, start, end) if start <= account.signed_up <= end),
            key=lambda account: (account.signed_up, account.id),
        )

    def _changed(self, codes: frozenset[str], start: datetime, end: datetime) -> list[tuple[Membership, StatusChange]]:
        """Status changes at some sites between two times, both included, by time and account."""
        return sorted(
            (
                (account, change)
                for account in self._all(codes, start - timedelta(days=DAYS_BETWEEN_SIGN_UPS), end)
                for change in account.changes
                if start <= change.at <= end
            ),
            key=lambda found: (found[1].at, found[0].id),
        )

    def find(self, account_id: str, now: datetime) -> Membership | None:
        """The account of that id, or None."""
        sequence, _, site_id = account_id.partition(":")
        if not (sequence.isdecimal() and site_id.isdecimal() and len(sequence) < 8 and len(site_id) < 5):
            return None
        book = self._books.get(int(site_id))
        if book is None or int(sequence) < 1:
            return None
        # Later accounts would fall into years that no calendar has.
        if (int(sequence) - 1) // book.members > (now.date() - FIRST_DAY).days // DAYS_BETWEEN_SIGN_UPS:
            return None
        account = book.account(int(sequence))
        return account if account.signed_up <= now and account.id == account_id else None

    def listed(self, account: Membership, now: datetime) -> Row:
        """A row of `/recurring/account/list`."""
        status = account.status(now)
        ended = max(one.at for one in account.changes if one.at <= now) if status in _ENDED else None
        return {
            "id": account.id,
            "name": account.plan.name,
            "balance": None,
            "signUpDate": plain_timestamp(account.signed_up),
            "cancelDate": plain_timestamp(ended) if ended else None,
            "billingSiteId": account.site.site_id,
            "customerId": account.customer_id,
            "status": STATUSES.index(status) + 1,
            "statusName": self._status_name(account, status),
            "billingSiteCode": account.site.code,
        }

    def detail(self, account: Membership, now: datetime) -> Row:
        """A row of `/recurring/account/{id}/detail` and `/recurring/account/details/list`.

        Charges and the billing amount include the site's tax; the first charge is the plan sale's.
        """
        chance = number(self._seed, account.id, "detail")
        status, bills = account.status(now), account.bills(now)
        until = whole_ms(now)
        following = next((utc(ms) for _, ms in account.attempts if ms > until), bills[-1] + timedelta(days=MONTH))
        name, _, surname = member_name(account.member).partition(" ")
        suspended = status == "Suspended"
        resumes = next((change.at for change in account.changes if suspended and change.at > now), None)
        history = [("Active", account.signed_up), *((change.new, change.at) for change in account.changes)]
        return {
            "id": account.id,
            "isOnTrial": False,
            "trialAmount": 0.0,
            "billingSiteCode": account.site.code,
            "creationSiteCode": account.site.code,
            "nextBillDate": f"{following:%Y-%m-%d}",
            "tags": [{"id": account.id, "number": f"{chance % 10**13:013d}", "enabled": status == "Active"}],
            "vehicles": [{"id": account.id, "plate": member_plate(account.member)}],
            "lastBillDate": f"{bills[-1]:%Y-%m-%d}",
            "billingAmount": account.charged / 100,
            "isSuspended": suspended,
            "suspendedUntil": f"{resumes:%Y-%m-%d}" if resumes else None,
            "currentRecurringStatusName": self._status_name(account, status),
            "planName": account.plan.name,
            "customer": {
                "id": account.customer_id,
                "number": f"{account.site.site_id:02d}{account.member:07d}",
                "firstName": name,
                "lastName": surname,
            },
            "recurringStatuses": [
                {"status": _RECURRING_STATUSES[new], "date": timestamp(at)}
                for new, at in history
                if at <= now and new in _RECURRING_STATUSES
            ],
            "recurringBillings": [
                {
                    "amountCharged": account.charged / 100,
                    "date": timestamp(at),
                    "lastFourCC": f"XXXXXXXXXXXX{chance % 10_000:04d}",
                    "creditCardExpirationDate": f"20{27 + chance % 5}-{1 + chance % 12:02d}",
                }
                for at in bills
            ],
            "additionalTagPrice": None,
        }

    def modified(self, account: Membership, changes: Sequence[StatusChange], now: datetime) -> Row:
        """A row of `/recurring/account/modifications`: the detail and its changes."""
        names = ("name", "date", "comment")
        if not self._live:
            names = ("modificationType", "modificationDate", "modificationComment")
        entries = [
            ("Account Status Changed", plain_timestamp(change.at), f"{change.old} to {change.new} by {change.employee}")
            for change in changes
        ]
        return {
            **self.detail(account, now),
            "modifications": [dict(zip(names, entry, strict=True)) for entry in entries],
        }

    def status_change(self, account: Membership, change: StatusChange) -> Row:
        """A row of `/recurring/account/status-list`."""
        return {
            "washbook_account_id": account.id,
            "recurring_id": account.id,
            "old_status": change.old,
            "new_status": change.new,
            "status_date": timestamp(change.at),
            "employee_name": change.employee,
            "site_code": account.site.code,
        }

    def _all(self, codes: Collection[str], start: datetime, end: datetime) -> Iterator[Membership]:
        """All accounts opened between two times, and possibly more."""
        for book in self._books.values():
            if book.site.code in codes:
                yield from book.between(start.date(), end.date())

    def _status_name(self, account: Membership, status: str) -> str:
        """Live names have two spellings (L15)."""
        return status.upper() if self._live and account.member % 10 == 0 else status
