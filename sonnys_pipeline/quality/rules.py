"""Rules behind the asset checks on landed rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.client.models import MAX_AMOUNT
from sonnys_pipeline.lake.sql import JUDGED, UNSETTLED, OpenOrNot, Rows, open_rows, run
from sonnys_pipeline.quality.result import Finding, finding

#: Values that the API documents (contract, "A row"; the vendor's OpenAPI document v0.2.0). Others are no errors.
KNOWN_VALUES = {
    "type": frozenset({"Sale", "Return", "Rewash"}),
    "transaction_status": frozenset(
        {"Incomplete", "In-Progress", "Completed", "Suspended", "Voided", "Recalled", "Pre-Sell", "N/A"}
    ),
    "tender": frozenset(
        {
            "Cash", "Credit", "Debit", "Void", "Alt-Currency", "Check", "Prepaid", "Coupon", "Paid On Account",
            "Prepaid 3rd Party", "Fleet", "Prepaid Wash",
        }
    ),
    "tender_sub_type": frozenset(
        {
            "Visa", "MasterCard", "Discover", "Amex", "Giftcard", "Washbook", "Washbook Recurring", "RFID",
            "RFID Recurring", "XpressWash", "Code", "Hamilton Fleet", "Hamilton Value", "3rd Party Interface",
            "House Account Card", "Voyager", "Other", "P-Card", "House Account RFID", "LPR", "Debit",
        }
    ),
}  # fmt: skip

STATUS_UNKNOWN = (
    "transaction_status could not be checked: neither the rows nor transaction_states have it; materialize "
    "transaction_states for the day"
)

_INSTANT = pa.timestamp("us", tz="UTC")

#: Time after which an unsettled transaction is not expected to settle any more.
SETTLES_WITHIN = timedelta(days=7)

# Each rule looks at the rows once, and counts them in passing: to plan a query takes longer than to run it over a day.
_DUPLICATES = """
    SELECT coalesce(sum(times), 0), list(id) FILTER (times > 1)
    FROM (SELECT id, count(*) AS times FROM transactions GROUP BY id)
"""

# Rows whose money is final: the total of unsettled and voided transactions is undefined. Without a status, a ticket
# counts as voided if all its items are.
_FINAL = f"""
    SELECT id, dollars, paid, readings, overpaid, len(items) > 0 AS has_items
    FROM ({JUDGED})
    WHERE NOT (beyond OR voided OR unsettled) AND NOT (
        transaction_status IS NULL
        AND coalesce(list_bool_and(list_transform(items, lambda part: part.is_voided)), false)
    )
"""  # noqa: S608 - made of queries of this house
_BEYOND = """
    SELECT count(*), list(id) FILTER (is_beyond_anywhere(total, items, tenders, discounts)) FROM transactions
"""

_TENDERED = f"""
    SELECT
        count(*),
        list(id) FILTER (paid - dollars > $tolerance),
        list(id) FILTER (dollars - paid > $tolerance)
    FROM ({_FINAL})
"""  # noqa: S608 - made of names in this module

_ITEMIZED = f"""
    SELECT
        count(*) FILTER (has_items),
        list(id) FILTER (
            has_items AND overpaid = 0
            AND list_min(list_transform(readings, lambda one: abs(one - dollars))) > $tolerance
        ),
        count(*) FILTER (overpaid > 0),
        coalesce(sum(overpaid) FILTER (overpaid > 0), 0)
    FROM ({_FINAL})
"""  # noqa: S608 - as above

_VALUES = """
    SELECT id, part.field AS field, part.value AS value
    FROM (
        SELECT
            id,
            unnest(
                list_concat(
                    [{'field': 'type', 'value': type}, {'field': 'transaction_status', 'value': transaction_status}],
                    list_transform(tenders, lambda one: {'field': 'tender', 'value': one.tender}),
                    list_transform(tenders, lambda one: {'field': 'tender_sub_type', 'value': one.tender_sub_type})
                )
            ) AS part
        FROM transactions
    )
"""

# Joined in DuckDB, so that Python does not have to load the values of all rows.
_UNKNOWN = f"SELECT field, value, id FROM ({_VALUES}) ANTI JOIN known USING (field, value) WHERE value IS NOT NULL"  # noqa: S608 - as above
_KNOWN = pa.table(
    {
        "field": [field for field, values in KNOWN_VALUES.items() for _ in values],
        "value": [value for values in KNOWN_VALUES.values() for value in sorted(values)],
    }
)

_UNSETTLED = f"""
    SELECT id, transaction_status
    FROM transactions
    WHERE transaction_status IN {UNSETTLED} AND epoch_us(complete_date) < $before_us
"""  # noqa: S608 - made of names in this house


_STATUSES = "SELECT count(*), count(transaction_status) FROM transactions"


def duplicate_ids(transactions: Rows) -> Finding:
    """Ids that occur more than once: `id` is the key of a row (contract, "A row")."""
    with open_rows(transactions) as connection:
        rows, repeated = _row(connection, _DUPLICATES)
        return finding(rows, [("more than once", repeated or ())])


def outside_the_day(transactions: pa.Table, start: datetime, end: datetime) -> Finding:
    """Rows of one day (`id`, `complete_date`) completed outside of `[start, end)`, aware instants (else `ValueError`).

    Without DuckDB, which takes longer to open a day's file than Arrow does to compare its instants.
    """
    first, after = (pa.scalar(_epoch_us(moment), pa.int64()).cast(_INSTANT) for moment in (start, end))
    ids, completed = transactions["id"], transactions["complete_date"]
    return finding(
        transactions.num_rows,
        [
            (f"before {start.isoformat()}", ids.filter(pc.less(completed, first)).to_pylist()),
            (f"at or after {end.isoformat()}", ids.filter(pc.greater_equal(completed, after)).to_pylist()),
        ],
    )


def absurd_amounts(transactions: OpenOrNot) -> Finding:
    """Rows with an amount out of range: the models refuse them today, and no figure includes them."""
    with open_rows(transactions) as connection:
        said = f"an amount beyond {MAX_AMOUNT:,} dollars, left out of every figure; load the day again"
        rows, beyond = _row(connection, _BEYOND)
        return finding(rows, [(said, beyond or ())])


def tender_differences(transactions: OpenOrNot, tolerance: Decimal = Decimal(0)) -> Finding:
    """Transactions whose tenders do not add up to their total (overpaid and underpaid ones apart).

    `transactions` are landed rows, at least `KPI_INPUT`; `tolerance` is the largest difference ignored, in dollars.
    Voided and unsettled transactions are left out, since their total is undefined.
    """
    with open_rows(transactions) as connection:
        rows, above, below = _row(connection, _TENDERED, {"tolerance": tolerance})
        return finding(
            rows,
            [("tenders above the total (overpaid)", above or ()), ("tenders below the total", below or ())],
        )


def line_item_differences(transactions: OpenOrNot, tolerance: Decimal = Decimal(0)) -> Finding:
    """Transactions whose items (without voided ones) do not add up to their total.

    The API does not document how the parts of an item add up, and the vendor's example includes tax in `gross`. So a
    total is right if it equals net + tax, gross - discount + tax, or gross, each with or without `additional_fee`.
    Voided and unsettled transactions, and those without items, are left out. A total above all of these that was paid
    is an overpayment (contract, L9): a note, not a problem. Arguments: `tender_differences`.
    """
    with open_rows(transactions) as connection:
        rows, found, overpaid, dollars = _row(connection, _ITEMIZED, {"tolerance": tolerance})
        note = f"{overpaid} overpayment{'' if overpaid == 1 else 's'} of {dollars:,.2f} dollars in the totals"
        return finding(rows, [("items do not add up to the total", found or ())], notes=[note] if overpaid else [])


def unknown_values(transactions: OpenOrNot) -> Finding:
    """Types, statuses, tenders and sub-types that the API does not document; their rows are counted like any other.

    Null is not an unknown value; but if no row has a status, the check does not pass. `transactions` have, with or
    without their states, `id`, `type`, `transaction_status`, `tenders`.
    """
    unknown: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    with open_rows(transactions) as connection:
        connection.register("known", _KNOWN)
        for field, value, row_id in run(connection, _UNKNOWN).fetchall():
            unknown[field, value].append(row_id)
        kinds = [(f"unknown {field} {value!r}", ids) for (field, value), ids in sorted(unknown.items())]
        rows, unchecked = _checked(connection)
        return finding(rows, kinds, unchecked=unchecked)


def unsettled_rows(transactions: OpenOrNot, now: datetime, settles_within: timedelta = SETTLES_WITHIN) -> Finding:
    """Transactions that are Incomplete, In-Progress or Suspended long after their day (KPIS).

    Only reading the day again shows whether they were settled since. If no row has a status, the check does not pass.
    `now` is an aware instant (else `ValueError`); up to the age `settles_within`, transactions are ignored. They have,
    with or without their states, `id`, `complete_date`, `transaction_status`.
    """
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    with open_rows(transactions) as connection:
        for row_id, status in run(connection, _UNSETTLED, {"before_us": _epoch_us(now - settles_within)}).fetchall():
            kinds[status].append(row_id)
        days = settles_within / timedelta(days=1)
        rows, unchecked = _checked(connection)
        return finding(
            rows,
            [
                (f"{status} for more than {days:g} days; read the day again", ids)
                for status, ids in sorted(kinds.items())
            ],
            unchecked=unchecked,
        )


def status_is_known(transactions: Rows) -> bool:
    """Whether any row or its state has a status; true without rows."""
    with open_rows(transactions) as connection:
        return not _checked(connection)[1]


def every_status_is_known(transactions: OpenOrNot) -> bool:
    """Whether every row or its state has a status."""
    with open_rows(transactions) as connection:
        rows, known = _row(connection, _STATUSES)
        return bool(rows == known)


def _checked(connection: duckdb.DuckDBPyConnection) -> tuple[int, list[str]]:
    """The number of rows, and what could not be checked if none of them has a status."""
    rows, known = _row(connection, _STATUSES)
    return rows, [STATUS_UNKNOWN] if rows and not known else []


def _row(
    connection: duckdb.DuckDBPyConnection, query: str, named: Mapping[str, object] | None = None
) -> tuple[Any, ...]:
    """The only row of a query."""
    (row,) = run(connection, query, named).fetchall()
    return tuple(row)


def _epoch_us(instant: datetime) -> int:
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs a time zone, got {instant!r}; pass an aware datetime")
    return round(instant.timestamp() * 1_000_000)
