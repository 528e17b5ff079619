"""Recurring accounts: sign-ups, status changes and charges.

Every member of a site signs up anew every 400 days, after the account before has ended. So every day has sign-ups and
endings, and the past of an account never changes.

Sources: the vendor's RecurringWashbookListItemObject, RecurringAccountDetailObject,
RecurringWashbookStatusListItemObject and RecurringWashbookListModificationItemObject; L12 and L15.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sonnys_pipeline.simulator.world.catalog import EMPLOYEES, PLANS, Plan, SiteSpec
from sonnys_pipeline.simulator.world.chance import number, plain_timestamp, timestamp
from sonnys_pipeline.simulator.world.history import FIRST_DAY
from sonnys_pipeline.simulator.world.row_parts import Row, member_name, member_plate
from sonnys_pipeline.simulator.world.transactions import MEMBERS_PER_SITE

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
_FIRST = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
_BETWEEN_SIGN_UPS = timedelta(days=400)
_MONTH = timedelta(days=30)
_FIRST_MS = int(_FIRST.timestamp()) * 1000
_BETWEEN_SIGN_UPS_MS = int(_BETWEEN_SIGN_UPS.total_seconds()) * 1000
_CACHED_LISTS = 16


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of an account's status."""

    at: datetime
    old: str
    new: str
    employee: str


@dataclass(frozen=True, slots=True)
class Membership:
    """One account; `changes` are past and future ones without the sign-up, the last one ends it."""

    site: SiteSpec
    member: int
    sign_up_number: int
    signed_up: datetime
    plan: Plan
    changes: tuple[StatusChange, ...]

    @property
    def id(self) -> str:
        """The account's id."""
        return f"{self.sign_up_number * MEMBERS_PER_SITE + self.member + 1}:{self.site.site_id}"

    @property
    def customer_id(self) -> str:
        """The id of its member."""
        return f"{self.member + 1}:{self.site.site_id}"

    @property
    def ended(self) -> datetime:
        """Time of the last change."""
        return self.changes[-1].at

    def status(self, now: datetime) -> str:
        """The status at a time."""
        return next((change.new for change in reversed(self.changes) if change.at <= now), "Active")

    def bills(self, now: datetime) -> Sequence[datetime]:
        """Monthly charges until a time."""
        last = min(now, self.ended)
        return [self.signed_up + _MONTH * month for month in range(14) if self.signed_up + _MONTH * month <= last]


class Memberships:
    """All accounts of the physical sites; `live` selects the forms of L12 and L15."""

    def __init__(self, seed: int, sites: Sequence[SiteSpec], *, live: bool) -> None:
        self._seed = seed
        self._sites = {site.site_id: site for site in sites}
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
                for account in self._all(codes, start - _BETWEEN_SIGN_UPS, end)
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
        site = self._sites.get(int(site_id))
        if site is None or int(sequence) < 1:
            return None
        sign_up_number, member = divmod(int(sequence) - 1, MEMBERS_PER_SITE)
        if sign_up_number > (now - _FIRST) // _BETWEEN_SIGN_UPS:
            return None
        account = _account(self._seed, site, member, sign_up_number)
        return account if account.signed_up <= now and account.id == account_id else None

    def listed(self, account: Membership, now: datetime) -> Row:
        """A row of `/recurring/account/list`."""
        status = account.status(now)
        return {
            "id": account.id,
            "name": account.plan.name,
            "balance": None,
            "signUpDate": plain_timestamp(account.signed_up),
            "cancelDate": plain_timestamp(account.ended) if account.ended <= now else None,
            "billingSiteId": account.site.site_id,
            "customerId": account.customer_id,
            "status": STATUSES.index(status) + 1,
            "statusName": self._status_name(account, status),
            "billingSiteCode": account.site.code,
        }

    def detail(self, account: Membership, now: datetime) -> Row:
        """A row of `/recurring/account/{id}/detail` and `/recurring/account/details/list`."""
        chance = number(self._seed, account.id, "detail")
        status, bills = account.status(now), account.bills(now)
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
            "nextBillDate": f"{bills[-1] + _MONTH:%Y-%m-%d}",
            "tags": [{"id": account.id, "number": f"{chance % 10**13:013d}", "enabled": status == "Active"}],
            "vehicles": [{"id": account.id, "plate": member_plate(account.member)}],
            "lastBillDate": f"{bills[-1]:%Y-%m-%d}",
            "billingAmount": account.plan.price / 100,
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
                    "amountCharged": account.plan.price / 100,
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
        first = max((start - _FIRST) // _BETWEEN_SIGN_UPS - 1, 0)
        last = max((end - _FIRST) // _BETWEEN_SIGN_UPS, -1)
        for site in self._sites.values():
            if site.code in codes:
                for member in range(MEMBERS_PER_SITE):
                    for sign_up_number in range(first, last + 1):
                        yield _account(self._seed, site, member, sign_up_number)

    def _status_name(self, account: Membership, status: str) -> str:
        """Live names have two spellings (L15)."""
        return status.upper() if self._live and account.member % 10 == 0 else status


class ActiveMembers:
    """Which members of a physical site have an active account; times in epoch milliseconds."""

    def __init__(self, seed: int, site: SiteSpec) -> None:
        self._seed, self._site = seed, site
        self._spans: dict[int, Sequence[tuple[int, int]]] = {}

    def __call__(self, member: int, at_ms: int) -> bool:
        """Whether a member's account is active at an instant."""
        newest = (at_ms - _FIRST_MS) // _BETWEEN_SIGN_UPS_MS
        key = newest * MEMBERS_PER_SITE + member
        spans = self._spans.get(key)
        if spans is None:
            # The newest account may begin later; the one before has ended then.
            spans = self._spans[key] = [
                span
                for sign_up_number in (newest, newest - 1)
                for span in _active_spans(_account(self._seed, self._site, member, sign_up_number))
            ]
        for begin, end in spans:  # noqa: SIM110 - a plain loop is faster, and this is asked for each row
            if begin <= at_ms < end:
                return True
        return False


def _active_spans(account: Membership) -> Sequence[tuple[int, int]]:
    statuses = [("Active", account.signed_up), *((change.new, change.at) for change in account.changes)]
    ends = [at for _, at in statuses[1:]]
    # Statuses last until the next one; an account that has ended is not active again.
    return [(_ms(at), _ms(end)) for (status, at), end in zip(statuses, ends, strict=False) if status == "Active"]


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@lru_cache(maxsize=200_000)
def _account(seed: int, site: SiteSpec, member: int, sign_up_number: int) -> Membership:
    phase = number(seed, site.site_id, member, "phase") % int(_BETWEEN_SIGN_UPS.total_seconds())
    signed_up = _FIRST + _BETWEEN_SIGN_UPS * sign_up_number + timedelta(seconds=phase)
    chance = number(seed, site.site_id, member, sign_up_number, "account")
    days = 35 + chance % 360
    events = []
    if chance // 7 % 4 == 0 and days > 45:
        events += [(30, "Payment Failed"), (32, "Active")]
    if chance // 11 % 10 == 0 and days > 110:
        events += [(60, "Suspended"), (90, "Active")]
    endings = ("Cancelled", "Cancelled", "Cancelled", "Expired", "Payment Retries Exceeded", "Declined")
    events.append((days, endings[chance // 13 % len(endings)]))
    changes, old = [], "Active"
    for day, new in events:
        by = "Billing Service" if new.startswith(("Payment", "Declined")) else EMPLOYEES[chance // 17 % len(EMPLOYEES)]
        changes.append(StatusChange(signed_up + timedelta(days=day, hours=day % 7), old, new, by))
        old = new
    return Membership(site, member, sign_up_number, signed_up, PLANS[member % len(PLANS)], tuple(changes))
