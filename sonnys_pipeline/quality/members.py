"""The rules behind the checks of memberships: who redeems is a member, and pays what was agreed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.quality.result import Finding, finding

_DAY = timedelta(days=1)
#: Dollars; amounts are doubles.
_SAME = 0.005


def redeemed_without_account(
    transactions: pa.Table, accounts: pa.Table, day: date, left: Collection[str] = ()
) -> Finding:
    """Redemptions of a day by customers whose memberships were all inactive then; named by transaction.

    `left` are numbers of memberships that ceased to be active on the day or the next one: no reading may show them so.
    Redemptions without a customer, or by one of whom no membership is known, tell nothing and are not counted: the API
    may hide memberships that are older than six months.
    """
    first = pc.min(accounts["valid_from"]).as_py()
    if first is None or day + _DAY < first:
        return Finding(0, notes=(f"memberships were not read before {first or 'now'}, so {day} cannot be checked",))
    versions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in accounts.select(["id", "customer_id", "status", "valid_from", "valid_to"]).to_pylist():
        versions[row["customer_id"]].append(row)
    asked, wrong = 0, []
    for row in transactions.select(["id", "customer_id", "is_recurring_redemption"]).to_pylist():
        if not row["is_recurring_redemption"] or not row["customer_id"] or row["customer_id"] not in versions:
            continue
        theirs = versions[row["customer_id"]]
        was_active = any(version["id"] in left or _was_active(version, day) for version in theirs)
        if not was_active and all(version["valid_from"] > day for version in theirs):
            continue  # first read after the day: what they were then is not known
        asked += 1
        if not was_active:
            wrong.append(row["id"])
    return finding(asked, [("redeemed without an active membership", wrong)])


def _was_active(version: dict[str, Any], day: date) -> bool:
    """Whether a version was active at any time of the day; a reading of the day after may be the first to see it."""
    begun, ended = version["valid_from"], version["valid_to"]
    return version["status"] == "Active" and begun <= day + _DAY and (ended is None or ended >= day)


def charged_otherwise(charges: pa.Table, accounts: pa.Table) -> Finding:
    """Charges of an amount that no version of the membership has, neither as its amount nor as that of a trial.

    Refunds and charges of memberships that are not known are not counted. Named by number of the membership.
    """
    agreed: dict[str, set[float]] = defaultdict(set)
    for row in accounts.select(["id", "billing_amount", "trial_amount"]).to_pylist():
        agreed[row["id"]] |= {amount for amount in (row["billing_amount"], row["trial_amount"]) if amount is not None}
    rows = charges.select(["account_id", "amount_charged"]).to_pylist()
    asked = [row for row in rows if agreed.get(row["account_id"]) and (row["amount_charged"] or 0) > 0]
    wrong = [
        row["account_id"]
        for row in asked
        if all(abs(row["amount_charged"] - amount) >= _SAME for amount in agreed[row["account_id"]])
    ]
    return finding(len(asked), [("charged another amount than agreed", wrong)])
