"""DG-02: digests of rows know content alone: order and copies of a file change nothing, any edited value does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pytest

from sonnys_pipeline.client import TransactionJobItem
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.marts.digests import content_digest, site_day_digests

Make = Callable[..., TransactionJobItem]
DAY, NEXT = date(2026, 3, 10), date(2026, 3, 11)
SITES = pa.table({"code": ["MAIN"], "timezone": ["America/Chicago"]})


@pytest.fixture
def rows(make_item: Make) -> pa.Table:
    """Two rows on Chicago's 10th, the second of them on the 11th by UTC, and one on its 11th."""
    instants = ("2026-03-10T15:00:00Z", "2026-03-11T04:00:00Z", "2026-03-11T06:00:00Z")
    return to_table([make_item(number, completeDate=instant) for number, instant in enumerate(instants)], TRANSACTIONS)


def edited(rows: pa.Table, place: int, column: str, value: object) -> pa.Table:
    """The rows with one value put in the place of another."""
    values = rows[column].to_pylist()
    values[place] = value
    field = rows.schema.field(column)
    return rows.set_column(rows.schema.get_field_index(column), field, pa.array(values, field.type))


def by_day(rows: pa.Table, sites: pa.Table = SITES) -> dict[date, str]:
    """Digests of MAIN's days."""
    landed = [date(2026, 3, day) for day in range(9, 13)]
    table = site_day_digests(rows, sites, [DAY, NEXT], landed=landed).table
    return {row["business_date"]: row["digest"] for row in table.to_pylist()}


def test_order_does_not_matter(rows: pa.Table) -> None:
    """The same rows the other way about."""
    turned = rows.take(pa.array([2, 0, 1]))

    assert content_digest(turned) == content_digest(rows)
    assert by_day(turned) == by_day(rows)


@pytest.mark.parametrize(
    ("column", "value"),
    [("total", 20.49), ("customer_name", None), ("items", []), ("transaction_status", "Voided")],
)
def test_any_edited_value_changes_it(rows: pa.Table, column: str, value: object) -> None:
    """A number, a null, a list, a word: and only the business day that the row counts toward is another one."""
    changed = edited(rows, 1, column, value)

    assert content_digest(changed) != content_digest(rows)
    assert by_day(changed)[DAY] != by_day(rows)[DAY]
    assert by_day(changed)[NEXT] == by_day(rows)[NEXT]


def test_a_row_that_is_there_twice_is_noticed(rows: pa.Table) -> None:
    """Two copies more do not cancel each other out."""
    tripled = pa.concat_tables([rows, rows.slice(0, 1), rows.slice(0, 1)])

    assert content_digest(tripled) != content_digest(rows)


def test_another_zone_is_another_day(rows: pa.Table) -> None:
    """The same rows count toward other hours of the site's day, even where the date stays."""
    moved = pa.table({"code": ["MAIN"], "timezone": ["America/New_York"]})

    assert by_day(rows, moved)[DAY] != by_day(rows)[DAY]


def test_no_rows_have_a_digest_too(rows: pa.Table) -> None:
    """An empty day is a state like any other."""
    assert content_digest(rows.slice(0, 0)).startswith("0-")
    assert content_digest([]) == content_digest(rows.slice(0, 0))
