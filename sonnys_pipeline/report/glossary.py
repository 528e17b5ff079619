"""The definition of each figure in the report, and how far it has been checked (KPIS)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Status(Enum):
    """How far a definition has been checked (KPIS, "How sure a definition is")."""

    BACKOFFICE = ("B", "one site day compared with BackOffice's own report")
    CRM = ("R", "31 days of one site compared with a CRM's daily figures, under an older rule than today's")
    FORMULA = ("F", "formula used in the trade, not reconciled in public")
    OURS = ("O", "our own definition")

    def __init__(self, letter: str, meaning: str) -> None:
        self.letter = letter
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Definition:
    """One figure: its name in the report, its definition, and its status."""

    name: str
    text: str
    status: Status


DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "Cars",
        "Redemptions of recurring plans, and every other ticket with a wash. A ticket with only a prepaid sale, a gift "
        "card or a recurring recharge is not a car.",
        Status.BACKOFFICE,
    ),
    Definition("Net cars", "Cars, but the return of a wash counts -1 and a voided ticket 0.", Status.OURS),
    Definition("Member washes", "Redemptions of recurring plans.", Status.CRM),
    Definition("Retail washes", "Washes that are neither a plan sale nor a redemption.", Status.FORMULA),
    Definition("Free washes", "Retail washes whose total is zero.", Status.CRM),
    Definition("Eligible washes", "Cars minus member washes minus free washes.", Status.CRM),
    Definition("New memberships", "Sales of a recurring plan; upgrades of a plan are not counted.", Status.CRM),
    Definition("Conversion", "New memberships divided by eligible washes, if there are any.", Status.FORMULA),
    Definition(
        "Conversion in lane", "Conversion without memberships sold by online terminals (E-Comm).", Status.FORMULA
    ),
    Definition("Sales", "Totals of all transactions that are not redemptions.", Status.BACKOFFICE),
    Definition("Net sales", "Sales without voided tickets.", Status.OURS),
    Definition(
        "Overpayments",
        "The part of sales that customers paid beyond the items, tax and fees of their tickets.",
        Status.OURS,
    ),
    Definition("Average ticket", "Sales divided by cars.", Status.FORMULA),
    Definition("Member share", "Member washes divided by cars.", Status.OURS),
    Definition("Cars per hour", "Cars by hour, in the site's local time.", Status.OURS),
    Definition(
        "Labor",
        "Hours of the shifts that began on the day, as the API gives them, else from clock-in to clock-out; an open "
        "shift counts up to the reading. Cost is hours times pay rates, overtime included, without taxes and benefits. "
        "Cars per labor hour are cars divided by these hours.",
        Status.FORMULA,
    ),
    Definition(
        "What was sold",
        "Pieces and net of the lines of all tickets, those of redemptions, returns and voided tickets included, voided "
        "lines left out. Sales have no redemptions, but tax, fees and overpayments.",
        Status.OURS,
    ),
    Definition(
        "How often members wash",
        "Redemptions of recurring plans by customer on the last 30 business days, at all sites; only those who came.",
        Status.OURS,
    ),
    Definition("Discounts", "Amounts of all discounts given; shares are of sales plus discounts.", Status.OURS),
    Definition(
        "Tender mix",
        "Tender totals by kind. Redemptions are tenders, too, so the total is more than sales.",
        Status.OURS,
    ),
    Definition(
        "Voids",
        "Three separate counts: transactions with the status Voided, items marked as voided, and tenders of "
        "the kind Void.",
        Status.OURS,
    ),
    Definition(
        "Unsettled", "Transactions whose status is not final: Incomplete, In-Progress or Suspended.", Status.OURS
    ),
    Definition(
        "Active members",
        "Recurring accounts whose status is Active at the end of the day, by billing site, including trials.",
        Status.FORMULA,
    ),
    Definition(
        "Joined, left",
        "Accounts that signed up; changes from Active to Cancelled, Expired or Suspended, or by payment to any other "
        "status. An account that left and came back on one day is in both.",
        Status.FORMULA,
    ),
    Definition("Net", "Joined plus came back minus left.", Status.FORMULA),
    Definition(
        "MRR",
        "Monthly recurring revenue: billing amounts of active accounts, of yearly plans a twelfth.",
        Status.FORMULA,
    ),
    Definition("Churn", "Left since the first of the month ÷ active at the month's start.", Status.FORMULA),
)

#: Of the pages of a week or month, too.
PERIOD_DEFINITIONS: tuple[Definition, ...] = (
    *DEFINITIONS,
    Definition(
        "Value outstanding",
        "Value of all gift cards that the API has listed, minus what was used of them. It may list only those of the "
        "last six months.",
        Status.FORMULA,
    ),
    Definition("Prepaid washes", "Balances of all washbooks, in washes, whatever their status.", Status.FORMULA),
)
