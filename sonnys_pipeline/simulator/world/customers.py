"""The customers of the chain: members and others (vendor's CustomerListItemObject and CustomerObject; L11)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sonnys_pipeline.simulator.world.catalog import FIRST_NAMES, LAST_NAMES, SiteSpec
from sonnys_pipeline.simulator.world.chance import number, plain_timestamp, timestamp
from sonnys_pipeline.simulator.world.demand import FIRST_DAY
from sonnys_pipeline.simulator.world.row_parts import Row, member_name

_FIRST = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC)
_DAYS_BETWEEN_OTHERS = 5
"""Days between new customers of a site who are not members."""


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer; times are aware UTC."""

    position: int
    site_id: int
    site_code: str
    first_name: str
    last_name: str
    created: datetime
    modified: datetime | None
    leaves: bool

    @property
    def id(self) -> str:
        """The id in transactions and accounts."""
        return f"{self.position + 1}:{self.site_id}"

    def is_modified(self, now: datetime) -> bool:
        """Whether the customer has been modified: another phone number, and some have left."""
        return self.modified is not None and self.modified <= now

    def phone(self, now: datetime) -> str:
        """Ten digits."""
        which = "new phone" if self.is_modified(now) else "phone"
        return f"555{number(self.id, which) % 10_000_000:07d}"

    def is_active(self, now: datetime) -> bool:
        """Whether the customer has not left."""
        return not (self.leaves and (self.modified is None or self.is_modified(now)))


class Customers:
    """All customers of the physical sites; `live` determines which fields are null (L11).

    Each site has had `members` and others, `at_first` together, since its first year, and one more every five days.
    """

    def __init__(
        self, seed: int, sites: Sequence[SiteSpec], *, live: bool, members: int = 1500, at_first: int = 1500
    ) -> None:
        self._seed = seed
        self._members, self._at_first = members, max(members, at_first)
        self._sites = {site.site_id: site for site in sites}
        self._live = live
        # By site and position, as far as they were asked for: each page of a list looks at all of them.
        self._known: dict[int, dict[int, Customer]] = {site_id: {} for site_id in self._sites}

    def all(self, codes: Collection[str], now: datetime) -> Iterator[Customer]:
        """Customers of some sites at a time, by site and id."""
        for site in self._sites.values():
            if site.code not in codes:
                continue
            known = self._known[site.site_id]
            count = self._at_first + (now - _FIRST).days // _DAYS_BETWEEN_OTHERS
            for position in range(len(known), count):
                known[position] = _customer(self._seed, site, position, self._members, self._at_first)
            for position in range(count):
                if (customer := known[position]).created <= now:
                    yield customer

    def find(self, customer_id: str, now: datetime) -> Customer | None:
        """The customer of that id, or None."""
        position, _, site_id = customer_id.partition(":")
        if not (position.isdecimal() and site_id.isdecimal() and len(position) < 8 and len(site_id) < 5):
            return None
        site = self._sites.get(int(site_id))
        newest = self._at_first + (now - _FIRST).days // _DAYS_BETWEEN_OTHERS
        if site is None or not 1 <= int(position) <= newest:
            return None
        customer = _customer(self._seed, site, int(position) - 1, self._members, self._at_first)
        return customer if customer.created <= now and customer.id == customer_id else None

    def listed(self, customer: Customer, now: datetime) -> Row:
        """The list form."""
        return {
            "customerId": customer.id,
            "firstName": customer.first_name,
            "lastName": customer.last_name,
            "phoneNumber": customer.phone(now) if number(customer.id, "has phone") % 8 else None,
            "customerNumber": f"{customer.site_id:02d}{customer.position:07d}",
            "isActive": customer.is_active(now),
            "createdDate": plain_timestamp(customer.created),
            "modifiedDate": self._modified(customer, now),
        }

    def detail(self, customer: Customer, now: datetime) -> Row:
        """The detail form."""
        chance = number(customer.id, "detail")
        unset = None if self._live else ""
        has_sms = chance % 3 == 0
        modified = customer.modified if customer.modified and customer.modified <= now else customer.created
        return {
            "id": customer.id,
            "number": f"{customer.site_id:02d}{customer.position:07d}",
            "firstName": customer.first_name,
            "lastName": customer.last_name,
            "companyName": "Acme Fleet" if chance % 11 == 0 else unset,
            "loyaltyNumber": f"{chance % 10**8:08d}" if chance % 4 == 0 else unset,
            "address": {
                "address1": f"{chance % 9000 + 100} Main Street",
                "address2": None,
                "city": "Springfield",
                "state": "IL",
                "country": "US",
                "postalCode": f"{62_700 + chance % 90}",
            },
            "phone": customer.phone(now),
            "email": f"customer{customer.position}@example.com" if chance % 5 else None,
            "birthDate": f"{1950 + chance % 55}-{chance % 12 + 1:02d}-{chance % 28 + 1:02d}" if chance % 2 else None,
            "isActive": customer.is_active(now),
            "allowSms": has_sms,
            "recurringSmsSignupDate": timestamp(customer.created) if has_sms else None,
            "loyaltySmsSignupDate": None,
            "modifyDate": timestamp(modified),
        }

    def _modified(self, customer: Customer, now: datetime) -> str | None:
        if customer.modified is not None and customer.is_modified(now):
            return plain_timestamp(customer.modified)
        return None if self._live else plain_timestamp(customer.created)


@lru_cache(maxsize=200_000)
def _customer(seed: int, site: SiteSpec, position: int, members: int, at_first: int) -> Customer:
    chance = number(seed, site.site_id, position, "customer")
    first_name, last_name = FIRST_NAMES[chance % len(FIRST_NAMES)], LAST_NAMES[chance // 7 % len(LAST_NAMES)]
    if position < members:
        first_name, _, last_name = member_name(position).partition(" ")
    if position < at_first:
        created = _FIRST + timedelta(seconds=chance % (300 * 86_400))
    else:
        days = (position - at_first) * _DAYS_BETWEEN_OTHERS
        created = _FIRST + timedelta(days=days, seconds=chance % (_DAYS_BETWEEN_OTHERS * 86_400))
    modified = created + timedelta(seconds=chance // 3 % (3000 * 86_400)) if chance % 5 < 3 else None
    return Customer(
        position,
        site.site_id,
        site.code,
        first_name,
        last_name,
        created,
        modified,
        leaves=chance % 17 == 0 and position >= members,
    )
