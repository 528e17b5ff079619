"""What each number of the report means, and how sure we are of it (KPIS).

Belongs here: the definitions as a reader of the report sees them. Does not belong here: the SQL that
counts (`kpis.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How far a definition has been checked (KPIS, first paragraph)."""

    VERIFIED = ("V", "checked against a production BackOffice")
    FORMULA = ("F", "formula in use in the trade, not reconciled in public")
    OURS = ("O", "our own definition")

    def __init__(self, letter: str, meaning: str) -> None:
        self.letter = letter
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Definition:
    """One number: its name in the report, what is counted, and its status."""

    name: str
    text: str
    status: Status


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "Cars",
        "Redemptions of recurring plans, plan sales that are also a wash, and all other washes. Prepaid sales, "
        "gift-card sales and recurring recharges are not cars.",
        Status.VERIFIED,
    ),
    Definition("Member washes", "Redemptions of recurring plans.", Status.VERIFIED),
    Definition("Retail washes", "Washes that are neither a plan sale nor a redemption.", Status.FORMULA),
    Definition("Free washes", "Retail washes whose total is zero.", Status.VERIFIED),
    Definition("Eligible washes", "Cars less member washes less free washes.", Status.VERIFIED),
    Definition("New memberships", "Sales of a recurring plan; upgrades of a plan are not counted.", Status.VERIFIED),
    Definition("Conversion", "New memberships divided by eligible washes, if there are any.", Status.FORMULA),
    Definition("Sales", "Totals of all transactions that are not redemptions.", Status.VERIFIED),
    Definition("Average ticket", "Sales divided by cars.", Status.FORMULA),
    Definition("Member share", "Member washes divided by cars.", Status.OURS),
    Definition("Cars per hour", "Cars by the hour on the site's own clock.", Status.OURS),
    Definition("Discounts", "Amounts of all discounts given; shares are those of sales plus discounts.", Status.OURS),
    Definition(
        "Tender mix",
        "Tender totals by kind. Redemptions are tenders too, so that the mix is more than what was sold.",
        Status.OURS,
    ),
    Definition(
        "Voids",
        "Three things, kept apart: transactions with the status Voided, items marked as voided, and tenders of "
        "the kind Void.",
        Status.OURS,
    ),
    Definition(
        "Unsettled", "Transactions whose status is not final: Incomplete, In-Progress or Suspended.", Status.OURS
    ),
)
