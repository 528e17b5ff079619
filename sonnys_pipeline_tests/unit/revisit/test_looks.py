"""KT-02: what a look finds: rows that came, went or moved, totals in cents, statuses, customers, other fields."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.client.models import TransactionJobItem, parse_rows
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.lake.states import TRANSACTION_STATES
from sonnys_pipeline.revisit.looks import KnownRow, cents, compare_count, compare_list, compare_rows

KNOWN = {
    "1:7": KnownRow("MAIN", 1000, "Completed", "5:7", has_state=True),
    "2:7": KnownRow("MAIN", 1999, "Completed", None, has_state=True),
    "3:8": KnownRow("Harbor", 30, None, "6:8"),
}


def listed(**changes: dict[str, Any]) -> pa.Table:
    """The list of `KNOWN`, with changes by number of the row; an empty change leaves it out."""
    rows = [
        {"transaction_id": row_id, "total": row.total / 100, "transaction_status": row.status or "Completed",
         "customer_id": row.customer, "read_at": datetime(2026, 6, 30, tzinfo=UTC)}
        for row_id, row in KNOWN.items()
    ]  # fmt: skip
    found = []
    for number, row in enumerate(rows, start=1):
        change = changes.pop(f"row{number}", None)
        if change != {}:
            found.append({**row, **(change or {})})
    found += [{**rows[0], "transaction_id": row_id} for row_id in changes.pop("more", {})]
    return pa.Table.from_pylist(found, TRANSACTION_STATES)


def test_equal_lists_are_no_difference() -> None:
    """KT-02: a status that is not known here is no difference, nor are doubles that are the same cents."""
    assert not compare_list(KNOWN, listed(row1={"total": 10.000000001}))


@pytest.mark.parametrize(
    ("change", "name", "row_id", "site"),
    [
        ({"row1": {"total": 10.01}}, "total", "1:7", "MAIN"),
        ({"row1": {"transaction_status": "Voided"}}, "status", "1:7", "MAIN"),
        ({"row1": {"transaction_status": None}}, "status", "1:7", "MAIN"),
        ({"row2": {"customer_id": "9:7"}}, "customer", "2:7", "MAIN"),
        ({"row3": {"customer_id": "9:8"}}, "customer", "3:8", "Harbor"),
    ],
)
def test_a_changed_field_is_found_with_its_site(change: dict[str, Any], name: str, row_id: str, site: str) -> None:
    """KT-02: total, status and customer, each row by its id."""
    found = compare_list(KNOWN, listed(**change))
    assert found.changed == {name: (row_id,)}
    assert found.sites == {site}
    assert str(found) == f"1 {name} changed: {row_id}"


def test_rows_that_came_and_went_are_found() -> None:
    """KT-02: the site of a new row is that of its sales device; of an unknown device it is not known."""
    gone = compare_list(KNOWN, listed(row3={}))
    assert (gone.removed, gone.sites) == (("3:8",), {"Harbor"})
    came = compare_list(KNOWN, listed(more={"4:8": {}}))
    assert (came.added, came.sites) == (("4:8",), {"Harbor"})
    unknown = compare_list(KNOWN, listed(more={"4:9": {}}, row1={"total": 1.0}))
    assert (unknown.added, unknown.sites) == (("4:9",), None)


def test_customers_of_another_policy_on_personal_data_are_not_compared() -> None:
    """KT-02: a hash and a name are not the same, and no edit."""
    assert not compare_list(KNOWN, listed(row1={"customer_id": "h:0"}), with_customers=False)


def test_a_count_may_include_rows_on_the_days_end() -> None:
    """KT-02: the API includes both ends of a span, or not."""
    assert not compare_count(100, 100, 1)
    assert not compare_count(100, 101, 1)
    assert str(compare_count(100, 99, 1)) == "the API counts 99 rows, 100 are landed"
    assert compare_count(100, 102, 1)


def test_a_full_read_finds_other_fields(make_row: Any) -> None:
    """KT-02: what no list shows: a tender; a total is named as such, and the order of rows does not matter."""
    rows = [make_row(number) for number in (1, 2, 3)]
    landed = to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS)
    known = {row["id"]: KnownRow("MAIN", cents(row["total"]), None, None) for row in rows}
    rows[0]["tenders"][0]["referenceNumber"] = "4711"
    rows[1]["total"] = 1.0
    read = to_table(parse_rows(TransactionJobItem, rows[::-1]), TRANSACTIONS)
    found = compare_rows(known, landed, read)
    assert found.changed == {"other fields": ("1:1",), "total": ("2:1",)}
    assert found.sites == {"MAIN"}
    assert not compare_rows(known, landed, landed.take([2, 0, 1]))
