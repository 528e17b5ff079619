"""Sites, washes, plans, discounts and people of the simulated chain. Money is in cents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sonnys_pipeline.simulator.profile import Api


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """One site, as in `/site/list`, and its volume.

    `code` is as in rows and may be empty. `timezone` is an IANA name, or None for the virtual e-commerce site.
    `cars_per_day` is the mean on an ordinary dry day; `tax_basis_points` is sales tax, 825 = 8.25 %. `has_rows`:
    whether it sells anything. `is_listed`: whether it is in `/site/list`.
    """

    site_id: int
    code: str
    name: str
    timezone: str | None
    cars_per_day: int
    tax_basis_points: int
    has_rows: bool = True
    is_listed: bool = True

    @property
    def is_virtual(self) -> bool:
        """Whether the site exists online only; its business day is the UTC day."""
        return self.timezone is None


class Wash(NamedTuple):
    """A wash; `fee` is the environmental fee included in `price`."""

    name: str
    sku: str
    price: int
    fee: int


class Plan(NamedTuple):
    """A monthly membership and its wash."""

    name: str
    sku: str
    price: int
    wash: Wash


class Product(NamedTuple):
    """Any other item; departments are those of the vendor's document."""

    name: str
    sku: str
    price: int
    department: str


class Promotion(NamedTuple):
    """A discount of `off` cents, at most the item's price."""

    name: str
    sku: str
    code: str
    off: int


NAMED_SITES: tuple[tuple[str, str, str, int, int], ...] = (
    ("MAIN", "Main Street", "America/Chicago", 460, 825),
    ("HARBOR", "Harbor Road", "America/New_York", 380, 700),
    ("SUNSET", "Sunset Boulevard", "America/Los_Angeles", 420, 950),
    ("MESA", "Mesa Verde", "America/Phoenix", 340, 860),
    ("SUMMIT", "Summit Avenue", "America/Denver", 300, 881),
    ("LAKE", "Lakeshore Drive", "America/Detroit", 320, 600),
    ("PINE", "Pine Street", "America/Boise", 260, 600),
    ("BAYOU", "Bayou Parkway", "America/Chicago", 360, 945),
)
"""Code, name, time zone, cars per day, tax. A longer chain continues with numbered sites over the same zones."""

LIVE_CODES = {"HARBOR": "Harbor", "MESA": "Mesa", "LAKE": "Lake", "BAYOU": "Bayou"}
"""Codes that the live profile writes in mixed case (L7); of numbered sites, `S010` is `St010` there, `S011` is not."""
VIRTUAL_CODE = "ECOMM"
"""Code of the virtual site in the live profile. The documented profile's virtual site has none."""
UNLISTED_CODE = "Annex"
PROMOTION_DEPARTMENT = "Promotion/Coupon"

WASHES: tuple[Wash, ...] = (
    Wash("Express Wash", "100100", 1000, 0),
    Wash("Bronze Wash", "100200", 1400, 0),
    Wash("Silver Wash", "100300", 1800, 50),
    Wash("Gold Wash", "100400", 2400, 100),
    Wash("Platinum Ceramic", "100500", 3000, 150),
)
PLANS: tuple[Plan, ...] = (
    Plan("Unlimited Bronze", "200200", 2499, WASHES[1]),
    Plan("Unlimited Silver", "200300", 3299, WASHES[2]),
    Plan("Unlimited Gold", "200400", 3999, WASHES[3]),
    Plan("Unlimited Platinum", "200500", 4999, WASHES[4]),
)
PLAN_UPGRADE = Product("Plan Upgrade", "200900", 1000, "Recurring Plan")
ADD_ONS: tuple[Product, ...] = (
    Product("Tire Shine", "300100", 300, "Add On"),
    Product("Wheel Cleaner", "300200", 250, "Add On"),
    Product("Rain Repellent", "300300", 400, "Add On"),
)
MERCHANDISE: tuple[Product, ...] = (
    Product("Air Freshener", "400100", 199, "Merchandise"),
    Product("Microfiber Towel", "400200", 549, "Merchandise"),
    Product("Café Latte", "400300", 375, "Merchandise"),
    Product("Vacuum 10 min", "500100", 200, "Vacuum Sales"),
    Product("Interior Detail", "600100", 8900, "Detail"),
)
PREPAID: tuple[Product, ...] = (
    Product("Gift Card", "700100", 5000, "GiftCard"),
    Product("Gift Card", "700101", 2500, "GiftCard"),
    Product("Washbook 5 Gold", "710100", 9900, "WashBook"),
    Product("Washbook 10 Bronze", "710200", 11900, "WashBook"),
    Product("Prepaid Bronze Wash", "720100", 1250, "Prepaid Wash"),
)
PROMOTIONS: tuple[Promotion, ...] = (
    Promotion("Early Bird $3", "900100", "EARLY3", 300),
    Promotion("Military Appreciation", "900200", "HERO2", 200),
    Promotion("App Coupon $5", "900300", "91415818", 500),
)
FREE_WASH = Promotion("Free Wash Voucher", "900900", "FREEWASH", 1_000_000)

CREDIT_CARDS: tuple[str, ...] = ("Visa", "Visa", "Visa", "MasterCard", "MasterCard", "Amex", "Discover")
RECURRING_READERS: tuple[str, ...] = ("RFID Recurring", "RFID Recurring", "LPR", "Washbook Recurring")
DEVICES: tuple[str, ...] = ("POS1", "POS2", "XPT1", "XPT2", "XPT3")
ONLINE_DEVICES: tuple[str, ...] = ("E-Comm", "E-Comm App")
"""Online terminals, which every site has in the live profile (L8)."""

FIRST_NAMES: tuple[str, ...] = (
    "James", "Mary", "José", "Patricia", "Robert", "Zoë", "Michael", "Linda", "Łukasz", "Elizabeth", "David", "Núria",
    "Richard", "Søren", "Joseph", "Jessica", "Thomas", "Siân", "Charles", "Karen", "Đức", "Nancy", "Daniel", "娜",
)  # fmt: skip
LAST_NAMES: tuple[str, ...] = (
    "Smith", "Johnson", "Núñez", "Brown", "García", "Miller", "Davis", "Rodríguez", "Martínez", "O'Connor", "López",
    "Wilson", "Anderson", "Müller", "Taylor", "Nguyễn", "Jackson", "Åberg", "Lee", "李", "Thompson", "White", "Harris",
)  # fmt: skip
EMPLOYEES: tuple[str, ...] = ("Mary Jones", "Rick Johnson", "Renée Dubois", "Sam Ortiz", "Tomás Peña", "Ana Kovač")


def chain_sites(  # the keywords are arguments of `World`
    count: int,
    *,
    api: Api = "live",
    virtual_site: bool = False,
    virtual_rows: bool = True,
    codeless_site: bool = False,
    codeless_rows: bool = False,
    unlisted_site: bool = False,
) -> tuple[SiteSpec, ...]:
    """The first `count` physical sites, then the virtual, codeless and unlisted ones, if requested.

    Raises:
        ValueError: `count` is not between 1 and 900, or two sites would have an empty code.
    """
    if not 1 <= count <= 900:
        raise ValueError(f"a chain has between 1 and 900 sites, got {count!r}")
    live = api == "live"
    if virtual_site and codeless_site and not live:
        raise ValueError("the documented profile's virtual site has no code, so there cannot be codeless_site as well")
    sites = []
    for index in range(count):
        code, name, timezone, cars, tax = NAMED_SITES[index % len(NAMED_SITES)]
        if index >= len(NAMED_SITES):
            code, name = f"S{index + 1:03d}", f"{name} {index // len(NAMED_SITES) + 1}"
            code = code.replace("S", "St") if live and index % 2 else code
        sites.append(SiteSpec(index + 1, LIVE_CODES.get(code, code) if live else code, name, timezone, cars, tax))
    if virtual_site:
        code = VIRTUAL_CODE if live else ""
        sites.append(SiteSpec(len(sites) + 1, code, "Online Store", None, 40, 0, has_rows=virtual_rows))
    if codeless_site:
        sites.append(SiteSpec(len(sites) + 1, "", "Head Office", "America/Chicago", 25, 825, has_rows=codeless_rows))
    if unlisted_site:
        sites.append(SiteSpec(len(sites) + 1, UNLISTED_CODE, "Annex", "UTC", 0, 825, is_listed=False))
    return tuple(sites)
