"""Parts of a row in wire format: items, tenders, discounts, customers. Arguments are cents; the wire has dollars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from sonnys_pipeline.simulator.world.catalog import (
    CREDIT_CARDS,
    FIRST_NAMES,
    LAST_NAMES,
    Plan,
    Product,
    Promotion,
    Wash,
)

Row: TypeAlias = dict[str, Any]
"""A JSON object: a transaction or a part of one."""

_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


@dataclass(slots=True)
class Ticket:
    """What a kind of sale determines; the writer of the row adds identity, time and place."""

    total: int
    items: list[Row]
    tenders: list[Row]
    kind: str = "Sale"
    discounts: list[Row] = field(default_factory=list)
    member: int | None = None
    recurring_payment: bool = False
    recurring_redemption: bool = False
    recurring_sale: bool = False
    prepaid_redemption: bool = False
    prepaid_sale: bool = False
    plan_sale: bool = False
    status: str = "Completed"
    online: bool = False


@cache
def member_name(member: int) -> str:
    """The name of a member."""
    return f"{FIRST_NAMES[member % len(FIRST_NAMES)]} {LAST_NAMES[member // 3 % len(LAST_NAMES)]}"


@cache
def member_plate(member: int) -> str:
    """The licence plate of a member."""
    letters = f"{_LETTERS[member % 23]}{_LETTERS[member // 23 % 23]}{_LETTERS[member * 7 % 23]}"
    return f"{letters}{member * 37 % 10_000:04d}"


def item(  # the fields of an item
    name: str,
    sku: str,
    department: str,
    gross: int,
    *,
    discount: int = 0,
    tax: int = 0,
    fee: int = 0,
    quantity: int = 1,
) -> Row:
    """An item; `gross` is for all pieces, including `fee` but not `tax`."""
    return {
        "name": name,
        "sku": sku,
        "department": department,
        "quantity": quantity,
        "gross": gross / 100,
        "net": (gross - discount) / 100,
        "discount": discount / 100,
        "tax": tax / 100,
        "additionalFee": fee / 100,
        "isVoided": False,
    }


def tender(kind: str, sub_type: str | None, amount: int, *, change: int = 0, reference: str | None = None) -> Row:
    """A payment; `change` is 0 or negative."""
    return {
        "tender": kind,
        "tenderSubType": sub_type,
        "amount": amount / 100,
        "change": change / 100,
        "total": (amount + change) / 100,
        "referenceNumber": reference,
        "creditCardLastFour": None,
        "creditCardExpirationDate": None,
    }


def card_tender(cents: int, draw: Callable[[], float]) -> Row:
    """A payment by some card; `draw` gives numbers between 0 and 1."""
    kind, card = ("Credit", CREDIT_CARDS[int(draw() * 7)]) if draw() < 0.8 else ("Debit", "Debit")
    charged = tender(kind, card, cents, reference=str(int(draw() * 9e10 + 1e10)))
    charged["creditCardLastFour"] = f"{int(draw() * 10_000):04d}"
    charged["creditCardExpirationDate"] = f"20{27 + int(draw() * 5)}-{1 + int(draw() * 12):02d}"
    return charged


def discount(promotion: Promotion, item_name: str, cents: int, amount_field: str) -> Row:
    """A discount of one item; `amount_field` is `discount`, or `discountAmount` in the live profile."""
    return {
        "discountName": promotion.name,
        "discountSku": promotion.sku,
        "appliedToItemName": item_name,
        amount_field: cents / 100,
        "discountCode": promotion.code,
    }


def wash_item(wash: Wash, *, off: int = 0, tax: int = 0, sign: int = 1) -> Row:
    """One wash, `off` cents cheaper; `sign` is -1 for a return."""
    return item(wash.name, wash.sku, "Wash", wash.price * sign, discount=off, tax=tax, fee=wash.fee * sign)


def tax_on(cents: int, basis_points: int) -> int:
    """Sales tax, in cents."""
    return (cents * basis_points + 5_000) // 10_000


def plan_product(plan: Plan) -> Product:
    """One month of a plan, as on a receipt."""
    return Product(plan.name, plan.sku, plan.price, "Recurring Plan")
