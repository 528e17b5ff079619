"""The columns of the marts of memberships: meaning, status (KPIS, "Members") and input columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.marts.columns import Column, Status, lineage_of, schema_of

_SITE = ("recurring_accounts.billing_site_code", "sites.code")
_PLAN = ("recurring_accounts.plan_name",)
_SIGN_UP = ("recurring_accounts.sign_up_date", "sites.timezone")
_CHANGES = tuple(f"recurring_status_changes.{name}" for name in ("old_status", "new_status", "status_date"))
_STATUS = ("recurring_accounts.status", *_CHANGES)
_AMOUNT = (
    *_STATUS, "recurring_accounts.billing_amount", "recurring_accounts.plan_name", "recurring_accounts.next_bill_date",
    "recurring_accounts.last_bill_date",
)  # fmt: skip
_TRIAL = "recurring_accounts.is_on_trial"


def _count(name: str, status: Status, description: str, sources: tuple[str, ...], *, nullable: bool = True) -> Column:
    return Column(name, pa.int64(), description, sources, status, nullable)


def _money(name: str, status: Status, description: str, sources: tuple[str, ...]) -> Column:
    return Column(name, MONEY, description, sources, status, nullable=True)


SITE = Column("site", pa.string(), "Code of the billing site; empty if the account names none.", _SITE)
PLAN = Column("plan", pa.string(), "Name of the plan; null if the account names none.", _PLAN, nullable=True)

MOVEMENT_COLUMNS: Sequence[Column] = (
    SITE,
    Column(
        "business_date",
        pa.date32(),
        "Business day in the site's local time; the account's day if the site has no time zone.",
        ("recurring_status_changes.status_date", "recurring_accounts.sign_up_date", "sites.timezone"),
    ),
    PLAN,
    _count("joined", "F", "Accounts that signed up on this day.", _SIGN_UP),
    _count(
        "left_voluntary",
        "F",
        "Changes from Active to Cancelled, Expired or Suspended.",
        _CHANGES,
    ),
    _count(
        "left_involuntary",
        "F",
        "Changes from Active to any other status: a payment that failed or was declined, an expired card, exceeded "
        "retries, lost card tokens.",
        _CHANGES,
    ),
    _count("came_back", "O", "Changes from another status to Active.", _CHANGES),
    _count("net", "O", "Joined plus came back minus left.", (*_SIGN_UP, *_CHANGES)),
    _count(
        "switched_in",
        "O",
        "Accounts that were active at the end of the day before under another plan or site.",
        (*_STATUS, *_PLAN, *_SITE),
    ),
    _count(
        "switched_out",
        "O",
        "Accounts that were active here at the end of the day before, and are listed under another plan or site now.",
        (*_STATUS, *_PLAN, *_SITE),
    ),
    _count("active", "F", "Accounts whose status is Active at the end of the day, with those on trial.", _STATUS),
    _count("on_trial", "O", "Active accounts on trial; a part of active.", (*_STATUS, _TRIAL)),
    _money(
        "mrr",
        "F",
        "Monthly recurring revenue: billing amounts of the active accounts, in dollars; of yearly plans a twelfth.",
        _AMOUNT,
    ),
    _money("trial_mrr", "O", "The part of mrr that is of accounts on trial.", (*_AMOUNT, _TRIAL)),
    _count("active_at_month_start", "F", "Active accounts at the end of the month before.", _STATUS),
    _count("left_in_month", "F", "Left, voluntarily or not, from the first of the month to this day.", _CHANGES),
    Column(
        "monthly_churn",
        pa.float64(),
        "Left in the month so far ÷ active at the month's start, as a fraction; null if none were active.",
        _STATUS,
        "F",
        nullable=True,
    ),
    Column(
        "unknown",
        pa.string(),
        "Which figures are null or cover only some accounts, and why; null if everything is known.",
        tuple(dict.fromkeys((*_STATUS, *_SIGN_UP, *_AMOUNT))),
        "O",
        nullable=True,
    ),
)

MEMBERSHIP_MOVEMENT = schema_of(MOVEMENT_COLUMNS)
MEMBERSHIP_MOVEMENT_LINEAGE = lineage_of(MOVEMENT_COLUMNS)

_CHARGES = ("recurring_billings.amount_charged", "recurring_billings.account_id")

COHORT_COLUMNS: Sequence[Column] = (
    Column(
        "site",
        pa.string(),
        "Code of the billing site that the account was first listed with; empty if it named none.",
        _SITE,
    ),
    Column("cohort", pa.date32(), "First day of the month in which the accounts signed up.", _SIGN_UP),
    Column("plan", pa.string(), "Plan that the account was first listed with.", _PLAN, nullable=True),
    Column("months_since", pa.int64(), "Months since the month of the sign-up, which is 0.", _SIGN_UP),
    Column(
        "as_of",
        pa.date32(),
        "Last day counted: the end of the month, or the last day that is known of a month that is not over.",
        ("recurring_status_changes.status_date",),
    ),
    _count("signed_up", "O", "Accounts of the cohort that had signed up by then.", _SIGN_UP, nullable=False),
    _count("still_active", "O", "Of these, accounts whose status is Active at the end of that day.", _STATUS),
    Column(
        "share", pa.float64(), "Still active ÷ signed up, as a fraction.", (*_STATUS, *_SIGN_UP), "O", nullable=True
    ),
    _money("revenue", "O", "Charges of the cohort's accounts in the month up to that day, in dollars.", _CHARGES),
    Column(
        "unknown",
        pa.string(),
        "Which figures are null, and why; null if everything is known.",
        (*_STATUS, *_CHARGES),
        "O",
        nullable=True,
    ),
)

MEMBERSHIP_COHORTS = schema_of(COHORT_COLUMNS)
MEMBERSHIP_COHORTS_LINEAGE = lineage_of(COHORT_COLUMNS)
