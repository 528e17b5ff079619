"""`transactions` laid flat: a row for each line item, tender and discount."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.lake.sql import Rows, open_rows
from sonnys_pipeline.marts.columns import Column, lineage_of, schema_of

_INSTANT = pa.timestamp("us", tz="UTC")


def _of_parent(part: str, plural: str) -> tuple[Column, ...]:
    return (
        Column("transaction_id", pa.string(), "The transaction it belongs to: its `id`.", ("id",)),
        Column("site", pa.string(), "Code of the site; empty for the e-commerce site.", ("location_code",)),
        Column("complete_date", _INSTANT, "When the transaction was completed, UTC.", ("complete_date",)),
        Column("position", pa.int64(), f"Place of the {part} in the transaction, from 0.", (plural,)),
    )


def _text(name: str, description: str, source: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.string(), description, (source,), nullable=nullable)


def _money(name: str, description: str, source: str) -> Column:
    return Column(name, MONEY, description, (source,))


LINE_ITEM_COLUMNS: Sequence[Column] = (
    *_of_parent("item", "items"),
    _text("name", "What was sold.", "items"),
    _text("sku", "The item's number in the catalogue.", "items", nullable=True),
    _text("department", "Department that the item is booked in; `Wash` makes the ticket a wash.", "items"),
    Column("quantity", pa.int64(), "How many pieces.", ("items",)),
    _money("gross", "Price of all pieces before reductions, in dollars.", "items"),
    _money("net", "Price of all pieces after reductions, in dollars.", "items"),
    _money("discount", "Reduction of this item, in dollars.", "items"),
    _money("tax", "Tax on this item, in dollars.", "items"),
    _money("additional_fee", "Fee on this item, in dollars.", "items"),
    Column("is_voided", pa.bool_(), "Whether the item was taken off the ticket.", ("items",)),
)
TENDER_COLUMNS: Sequence[Column] = (
    *_of_parent("tender", "tenders"),
    _text("tender", "How it was paid; `Void` takes back another tender of the transaction.", "tenders"),
    _text("tender_sub_type", "Kind of card, account or code.", "tenders", nullable=True),
    _money("amount", "What was handed over, in dollars.", "tenders"),
    _money("change", "What was handed back, in dollars: 0 or negative.", "tenders"),
    _money("total", "What was paid: `amount` and `change` together, in dollars.", "tenders"),
    _text("reference_number", "The payment's number at its processor.", "tenders", nullable=True),
    _text("credit_card_last_four", "Last four digits of the card.", "tenders", nullable=True),
    _text("credit_card_expiration_date", "Expiry of the card, as the API writes it.", "tenders", nullable=True),
)
DISCOUNT_COLUMNS: Sequence[Column] = (
    *_of_parent("discount", "discounts"),
    _text("discount_name", "What the discount is called.", "discounts"),
    _text("discount_sku", "The discount's number in the catalogue.", "discounts", nullable=True),
    _text("applied_to_item_name", "The item that became cheaper.", "discounts", nullable=True),
    _money("discount", "Amount of the discount, in dollars.", "discounts"),
    _text("discount_code", "The code that was used.", "discounts", nullable=True),
)

LINE_ITEMS = schema_of(LINE_ITEM_COLUMNS)
TENDERS = schema_of(TENDER_COLUMNS)
DISCOUNTS = schema_of(DISCOUNT_COLUMNS)

#: Column → the columns of `transactions` that it comes from, for each table.
LINE_ITEMS_LINEAGE = lineage_of(LINE_ITEM_COLUMNS)
TENDERS_LINEAGE = lineage_of(TENDER_COLUMNS)
DISCOUNTS_LINEAGE = lineage_of(DISCOUNT_COLUMNS)

# `extra` names positions from 0, so these do, too.
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


def line_items(transactions: Rows) -> pa.Table:
    """A row for each item on a ticket, voided ones included, in the order of the transactions.

    Args:
        transactions: landed rows with `id`, `location_code`, `complete_date` and `items`.

    Returns:
        `LINE_ITEMS`; money in dollars, exact to the cent.
    """
    return _flat(transactions, _LINE_ITEMS, LINE_ITEMS)


def tenders(transactions: Rows) -> pa.Table:
    """A row for each payment of a transaction, void ones included, in the order of the transactions.

    Args:
        transactions: landed rows with `id`, `location_code`, `complete_date` and `tenders`.

    Returns:
        `TENDERS`; money in dollars, exact to the cent.
    """
    return _flat(transactions, _TENDERS, TENDERS)


def discounts(transactions: Rows) -> pa.Table:
    """A row for each discount given in a transaction, in the order of the transactions.

    Args:
        transactions: landed rows with `id`, `location_code`, `complete_date` and `discounts`.

    Returns:
        `DISCOUNTS`; money in dollars, exact to the cent.
    """
    return _flat(transactions, _DISCOUNTS, DISCOUNTS)


def _flat(transactions: Rows, query: str, schema: pa.Schema) -> pa.Table:
    if not isinstance(transactions, pa.Table) and not transactions:
        return schema.empty_table()
    with open_rows(transactions) as connection:
        # Instants come out in the zone of the session; the cast names them UTC again and moves none.
        return connection.sql(query).to_arrow_table().select(schema.names).cast(schema)
