"""KPIS, docs/tables.md: line items, tenders and discounts laid flat, with descriptions and lineage."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.marts import flat_tables as tables
from sonnys_pipeline.marts.columns import ColumnSource, descriptions_of
from sonnys_pipeline_tests.support.tickets import line, off, paid, rows, ticket

AT = "2026-03-10T15:30:00.250Z"
INSTANT = datetime(2026, 3, 10, 15, 30, 0, 250_000, tzinfo=UTC)
FLAT = [
    (tables.line_items, tables.LINE_ITEMS, tables.LINE_ITEMS_LINEAGE, "items"),
    (tables.tenders, tables.TENDERS, tables.TENDERS_LINEAGE, "tenders"),
    (tables.discounts, tables.DISCOUNTS, tables.DISCOUNTS_LINEAGE, "discounts"),
]


@pytest.fixture
def landed() -> pa.Table:
    """Three tickets: two items with a discount; one of each; nothing at all."""
    return rows(
        ticket(
            1,
            AT,
            items=[line(price=19.49, tax=1.51, additionalFee=0.5, sku="100"), line("Add On", 0.1, isVoided=True)],
            tenders=[paid(5.0), paid(15.99, "Credit", "Visa")],
            discount=[off(3.0, discountSku="900")],
        ),
        ticket(2, AT, "MESA", discount=[off(2.0), off(0.07, "App")]),
        ticket(3, AT, items=[], tenders=[]),
    )


def test_items_in_the_order_of_the_tickets(landed: pa.Table) -> None:
    """A row an item, voided ones too, with the ticket's id, site and instant, and its place from 0."""
    table = tables.line_items(landed)
    assert table.schema == tables.LINE_ITEMS
    keys = table.select(["transaction_id", "site", "position", "department", "is_voided"]).to_pylist()
    assert [tuple(row.values()) for row in keys] == [
        ("1:1", "MAIN", 0, "Wash", False),
        ("1:1", "MAIN", 1, "Add On", True),
        ("2:1", "MESA", 0, "Wash", False),
    ]
    first = table.to_pylist()[0]
    assert first["complete_date"] == INSTANT
    money = ("gross", "net", "discount", "tax", "additional_fee")
    assert [first[name] for name in money] == [Decimal(x) for x in ("19.49", "19.49", "0.00", "1.51", "0.50")]
    assert (first["sku"], first["quantity"], table["sku"][1].as_py()) == ("100", 1, None)


def test_tenders_in_the_order_of_the_tickets(landed: pa.Table) -> None:
    """A row a payment; dollars are exact."""
    table = tables.tenders(landed)
    assert table.schema == tables.TENDERS
    found = table.select(["transaction_id", "position", "tender", "tender_sub_type", "total"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("1:1", 0, "Cash", None, Decimal("5.00")),
        ("1:1", 1, "Credit", "Visa", Decimal("15.99")),
        ("2:1", 0, "Cash", None, Decimal("10.00")),
    ]


def test_discounts_in_the_order_of_the_tickets(landed: pa.Table) -> None:
    """A row a discount, whichever name its amount had on the wire."""
    table = tables.discounts(landed)
    assert table.schema == tables.DISCOUNTS
    found = table.select(["transaction_id", "position", "discount_name", "discount_sku", "discount"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("1:1", 0, "Early Bird", "900", Decimal("3.00")),
        ("2:1", 0, "Early Bird", None, Decimal("2.00")),
        ("2:1", 1, "App", None, Decimal("0.07")),
    ]


@pytest.mark.parametrize(("flat", "schema", "lineage", "source"), FLAT)
def test_no_rows_are_the_columns(flat, schema, lineage, source) -> None:
    """An empty table, no files, and tickets without parts: the schema and no rows."""
    for nothing in (TRANSACTIONS.empty_table(), [], rows(ticket(1, AT, items=[], tenders=[]))):
        assert flat(nothing).schema == schema
        assert flat(nothing).num_rows == 0


@pytest.mark.parametrize(("flat", "schema", "lineage", "source"), FLAT)
def test_files_give_what_tables_give(flat, schema, lineage, source, landed: pa.Table, tmp_path) -> None:
    """Parquet files are read as they stand, also under a folder that is named like a column."""
    path = tmp_path / "date=2026-03-10" / "part-0.parquet"
    path.parent.mkdir()
    pq.write_table(landed, path)
    assert flat([path]).equals(flat(landed))


@pytest.mark.parametrize(("flat", "schema", "lineage", "source"), FLAT)
def test_columns_say_what_they_are(flat, schema, lineage, source, landed: pa.Table, tmp_path) -> None:
    """Each has a sentence, which survives Parquet, and names columns of `transactions` that it comes from."""
    pq.write_table(flat(landed), tmp_path / "flat.parquet")
    told = descriptions_of(pq.read_schema(tmp_path / "flat.parquet"))
    assert list(told) == list(lineage) == schema.names
    assert all(text.endswith(".") for text in told.values())
    assert lineage["transaction_id"] == (ColumnSource("transactions", "id"),)
    assert lineage["position"] == (ColumnSource("transactions", source),)
    assert {origin.column for origins in lineage.values() for origin in origins} <= set(TRANSACTIONS.names)


@pytest.mark.parametrize(("flat", "schema", "lineage", "source"), FLAT)
def test_every_field_of_a_part_has_its_column(flat, schema, lineage, source) -> None:
    """What the lake keeps of an item, a tender and a discount is all there, beside four of the parent."""
    inside = TRANSACTIONS.field(source).type.value_type
    assert set(schema.names[4:]) == {inside.field(place).name for place in range(inside.num_fields)}
