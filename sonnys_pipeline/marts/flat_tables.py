"""Flat tables: one row for each line item, tender and discount of `transactions`."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sonnys_pipeline.lake.engines.sessions import CountedRows, open_session
from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.marts.columns import Column, lineage_of, schema_of

_INSTANT = pa.timestamp("us", tz="UTC")


def _of_parent(part: str, plural: str) -> tuple[Column, ...]:
    return (
        Column("transaction_id", pa.string(), "`id` of the transaction.", ("id",)),
        Column("site", pa.string(), "Code of the site; empty for the e-commerce site.", ("location_code",)),
        Column("complete_date", _INSTANT, "When the transaction was completed, UTC.", ("complete_date",)),
        Column("position", pa.int64(), f"Position of the {part} in the transaction, from 0.", (plural,)),
    )


def _text(name: str, description: str, source: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.string(), description, (source,), nullable=nullable)


def _money(name: str, description: str, source: str) -> Column:
    return Column(name, MONEY, description, (source,))


LINE_ITEM_COLUMNS: Sequence[Column] = (
    *_of_parent("item", "items"),
    _text("name", "Name of the item.", "items"),
    _text("sku", "The item's number in the catalogue.", "items", nullable=True),
    _text("department", "Department of the item; a ticket with an item of `Wash` counts as a wash.", "items"),
    Column("quantity", pa.int64(), "Number of pieces.", ("items",)),
    _money("gross", "Price of all pieces before discounts, in dollars.", "items"),
    _money("net", "Price of all pieces after discounts, in dollars.", "items"),
    _money("discount", "Discount on this item, in dollars.", "items"),
    _money("tax", "Tax on this item, in dollars.", "items"),
    _money("additional_fee", "Fee on this item, in dollars.", "items"),
    Column("is_voided", pa.bool_(), "Whether the item was voided.", ("items",)),
)
TENDER_COLUMNS: Sequence[Column] = (
    *_of_parent("tender", "tenders"),
    _text("tender", "Tender type; `Void` reverses another tender of the transaction.", "tenders"),
    _text("tender_sub_type", "Kind of card, account or code.", "tenders", nullable=True),
    _money("amount", "Amount tendered, in dollars.", "tenders"),
    _money("change", "Change given, in dollars: 0 or negative.", "tenders"),
    _money("total", "Amount paid: `amount` plus `change`, in dollars.", "tenders"),
    _text("reference_number", "Reference number of the payment processor.", "tenders", nullable=True),
    _text("credit_card_last_four", "Last four digits of the card.", "tenders", nullable=True),
    _text("credit_card_expiration_date", "Expiry of the card, as the API writes it.", "tenders", nullable=True),
)
DISCOUNT_COLUMNS: Sequence[Column] = (
    *_of_parent("discount", "discounts"),
    _text("discount_name", "Name of the discount.", "discounts"),
    _text("discount_sku", "The discount's number in the catalogue.", "discounts", nullable=True),
    _text("applied_to_item_name", "Name of the discounted item.", "discounts", nullable=True),
    _money("discount", "Amount of the discount, in dollars.", "discounts"),
    _text("discount_code", "Code that was entered.", "discounts", nullable=True),
)

LINE_ITEMS = schema_of(LINE_ITEM_COLUMNS)
TENDERS = schema_of(TENDER_COLUMNS)
DISCOUNTS = schema_of(DISCOUNT_COLUMNS)

LINE_ITEMS_LINEAGE = lineage_of(LINE_ITEM_COLUMNS)
TENDERS_LINEAGE = lineage_of(TENDER_COLUMNS)
DISCOUNTS_LINEAGE = lineage_of(DISCOUNT_COLUMNS)

# Positions count from 0, as in `extra`.
_LINE_ITEMS = """
    SELECT transaction_id, site, complete_date, position, part.* EXCLUDE (gross, net, discount, tax, additional_fee),
        dollars_of(part.gross) AS gross,
        dollars_of(part.net) AS net,
        dollars_of(part.discount) AS discount,
        dollars_of(part.tax) AS tax,
        dollars_of(part.additional_fee) AS additional_fee
    FROM (
        SELECT id AS transaction_id, location_code AS site, complete_date,
            unnest(range(len(items))) AS position, unnest(items) AS part
        FROM transactions
        WHERE NOT is_beyond_in_items(items)
    )
"""
_TENDERS = """
    SELECT transaction_id, site, complete_date, position, part.* EXCLUDE (amount, change, total),
        dollars_of(part.amount) AS amount,
        dollars_of(part.change) AS change,
        dollars_of(part.total) AS total
    FROM (
        SELECT id AS transaction_id, location_code AS site, complete_date,
            unnest(range(len(tenders))) AS position, unnest(tenders) AS part
        FROM transactions
        WHERE NOT is_beyond_in_tenders(tenders)
    )
"""
_DISCOUNTS = """
    SELECT transaction_id, site, complete_date, position, part.* EXCLUDE (discount),
        dollars_of(part.discount) AS discount
    FROM (
        SELECT id AS transaction_id, location_code AS site, complete_date,
            unnest(range(len(discounts))) AS position, unnest(discounts) AS part
        FROM transactions
        WHERE NOT is_beyond_in_discounts(discounts)
    )
"""


def line_items(transactions: CountedRows) -> pa.Table:
    """One row for each item on a ticket, including voided ones, in the order of the transactions."""
    return _flat(transactions, _LINE_ITEMS, LINE_ITEMS)


def tenders(transactions: CountedRows) -> pa.Table:
    """One row for each payment of a transaction, including void ones, in the order of the transactions."""
    return _flat(transactions, _TENDERS, TENDERS)


def discounts(transactions: CountedRows) -> pa.Table:
    """One row for each discount on a transaction, in the order of the transactions."""
    return _flat(transactions, _DISCOUNTS, DISCOUNTS)


def _flat(transactions: CountedRows, query: str, schema: pa.Schema) -> pa.Table:
    if not isinstance(transactions, pa.Table) and not transactions:
        return schema.empty_table()
    with open_session(transactions, all_columns=True) as session:
        table = session.fetch_many(query)
        for field in schema:
            if field.name not in table.column_names:  # in no file, because all are of an earlier version
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        # DuckDB returns instants in the session's zone; the cast names them UTC again.
        return table.select(schema.names).cast(schema)
