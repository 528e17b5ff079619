"""A second count of transactions in plain Python, for tests: it shares no code with the marts.

Rows are as they are on the wire; money is `Decimal`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa

Row = Mapping[str, Any]
CENT = Decimal("0.01")
NEED_STATUS = ("voided_transactions", "unsettled_transactions", "net_cars", "net_sales")


def two_dollars_more(row: Row) -> Row:
    """Paid with the first tender, whatever the ticket is."""
    first, *others = row["tenders"]
    more = {**first, "amount": float(cents(first["amount"]) + 2), "total": float(cents(first["total"]) + 2)}
    return {**row, "total": float(cents(row["total"]) + 2), "tenders": [more, *others]}


def instant(row: Row) -> datetime:
    return datetime.fromisoformat(row["completeDate"])


def cents(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(CENT)


def redeemed(row: Row) -> bool:
    flag = row.get("isRecurringPlanRedemption")
    return row["isRecurringRedemption"] if flag is None else flag


def sells_plan(row: Row) -> bool:
    flag = row.get("isRecurringPlanSale")
    return row["isRecurringSale"] if flag is None else flag


def washes(row: Row) -> bool:
    return any(item["department"] == "Wash" and not item["isVoided"] for item in row["items"])


def is_retail_wash(row: Row) -> bool:
    return washes(row) and not redeemed(row) and not sells_plan(row)


def is_car(row: Row) -> bool:
    return redeemed(row) or washes(row)


def net_car(row: Row) -> int:
    if not is_car(row) or row.get("transactionStatus") == "Voided":
        return 0
    return -1 if row["type"] == "Return" else 1


def overpaid(row: Row) -> Decimal:
    """What was paid beyond everything that the items may come to; unsettled and voided tickets have nothing to say."""
    kept = [item for item in row["items"] if not item["isVoided"]]
    final = row.get("transactionStatus") not in {"Voided", "Incomplete", "In-Progress", "Suspended"}
    total = cents(row["total"])
    paid = sum_of(cents(part["total"]) for part in row["tenders"])
    if not kept or not final or redeemed(row) or row["type"] == "Return" or paid != total:
        return Decimal("0.00")
    net, gross, off, tax, fee = (
        sum_of(cents(item[name]) for item in kept) for name in ("net", "gross", "discount", "tax", "additionalFee")
    )
    readings = {first + last for first in (net + tax, gross - off + tax, gross) for last in (Decimal(0), fee)}
    return max(Decimal("0.00"), total - net - tax - fee) if total not in readings else Decimal("0.00")


def unknown(rows: list[Row], *, memberships: bool = False) -> str | None:
    """Which fields some rows lack, in the mart's words."""
    lacking = sum(row.get("transactionStatus") is None for row in rows)
    unflagged = sum(row.get("isRecurringPlanSale") is None for row in rows)
    nameless = sum(is_new(row) and not row.get("salesDeviceName") for row in rows)
    told = [
        (lacking, "transaction_status", f"counted as neither voided nor unsettled ({', '.join(NEED_STATUS)})"),
        (unflagged, "is_recurring_plan_sale",
         "counted by is_recurring_sale, so that upgrades of plans are in retail_sales"),
        (nameless, "sales_device_name",
         "counted as sold in the lane (new_memberships_in_lane, conversion_rate_in_lane)"),
    ]  # fmt: skip
    if memberships:
        told = [(unflagged, "is_recurring_plan_sale", "counted by is_recurring_sale (plan_upgrades)")]
    said = [
        f"{field}: {'1 row of this day lacks it' if number == 1 else f'{number} rows of this day lack it'}, {counted}"
        for number, field, counted in told
        if number
    ]
    return "; ".join(said) or None


def is_new(row: Row) -> bool:
    return sells_plan(row) and row["isRecurringSale"]


def each(dollars: Decimal, pieces: int) -> Decimal:
    return (dollars / pieces).quantize(CENT, ROUND_HALF_UP) if pieces else Decimal("0.00")


def sum_of(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal("0.00"))


def discount_amount(part: Row) -> Decimal:
    return cents(part["discount"] if "discount" in part else part["discountAmount"])


def day_figures(rows: list[Row]) -> dict[str, Any]:
    """One site's day, counted as KPIS says it."""
    redemptions = [row for row in rows if redeemed(row)]
    sold = [row for row in rows if not redeemed(row)]
    plans = [row for row in sold if sells_plan(row)]
    retail = [row for row in rows if is_retail_wash(row)]
    free = [row for row in retail if cents(row["total"]) == 0]
    total = sum(map(is_car, rows))
    eligible = total - len(redemptions) - len(free)
    new = [row for row in rows if is_new(row)]
    in_lane = [row for row in new if "e-comm" not in (row.get("salesDeviceName") or "").lower()]
    sales = sum_of(cents(row["total"]) for row in sold)
    plan_sales = sum_of(cents(row["total"]) for row in plans)
    statuses = Counter(row.get("transactionStatus") for row in rows)
    return {
        "total_cars": total,
        "member_washes": len(redemptions),
        "retail_washes": len(retail),
        "free_washes": len(free),
        "eligible_washes": eligible,
        "new_memberships": len(new),
        "conversion_rate": len(new) / eligible if eligible else 0.0,
        "sales": sales,
        "plan_sales": plan_sales,
        "retail_sales": sales - plan_sales,
        "average_ticket": each(sales, total),
        "average_retail_ticket": each(sum_of(cents(row["total"]) for row in retail), len(retail)),
        "discounts": sum_of(discount_amount(part) for row in rows for part in row["discount"]),
        "voided_transactions": statuses["Voided"],
        "voided_items": sum(item["isVoided"] for row in rows for item in row["items"]),
        "void_tenders": sum(part["tender"] == "Void" for row in rows for part in row["tenders"]),
        "unsettled_transactions": statuses["Incomplete"] + statuses["In-Progress"] + statuses["Suspended"],
        "transactions": len(rows),
        "new_memberships_in_lane": len(in_lane),
        "conversion_rate_in_lane": len(in_lane) / eligible if eligible else 0.0,
        "net_cars": sum(map(net_car, rows)),
        "net_sales": sum_of(cents(row["total"]) for row in sold if row.get("transactionStatus") != "Voided"),
        "overpayments": sum_of(map(overpaid, sold)),
        "unknown": unknown(rows),
    }


def keyed(table: pa.Table, *keys: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Rows by key; the keys must be unique and sorted."""
    rows = table.to_pylist()
    found = {tuple(row.pop(key) for key in keys): row for row in rows}
    assert len(found) == table.num_rows
    return found
