"""RS-02: a history has one row for each version, and says what was listed on any day."""

import itertools
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.lake.errors import LakeError, RowsWouldVanishError
from sonnys_pipeline.landing.dimensions.history import as_of, history_schema, with_reading

LISTED = pa.schema([pa.field("sku", pa.string(), nullable=False), pa.field("price", pa.float64())])
MONDAY = date(2026, 6, 1)


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def listed(**prices: float | None) -> pa.Table:
    return pa.Table.from_pylist([{"sku": sku, "price": price} for sku, price in prices.items()], LISTED)


def read(*readings: tuple[int, pa.Table], **options: Any) -> pa.Table:
    history = history_schema(LISTED).empty_table()
    for number, table in readings:
        history = with_reading(history, table, ["sku"], day(number), **options)
    return history


def versions(history: pa.Table) -> list[tuple[Any, ...]]:
    return [
        (
            row["sku"],
            row["price"],
            (row["valid_from"] - MONDAY).days,
            row["valid_to"] and (row["valid_to"] - MONDAY).days,
        )
        for row in history.to_pylist()
    ]


def test_a_version_begins_only_where_something_changed() -> None:
    history = read((0, listed(a=1, b=2)), (1, listed(a=1, b=2)), (2, listed(a=1, b=3)))
    assert versions(history) == [("a", 1, 0, None), ("b", 2, 0, 2), ("b", 3, 2, None)]
    assert history["is_current"].to_pylist() == [True, False, True]


def test_an_entity_that_is_gone_ends_and_may_come_back() -> None:
    history = read((0, listed(a=1, b=2)), (1, listed(b=2)), (3, listed(a=1, b=2)))
    assert versions(history) == [("a", 1, 0, 1), ("a", 1, 3, None), ("b", 2, 0, None)]
    assert [as_of(history, day(number))["sku"].to_pylist() for number in (-1, 0, 1, 2, 3)] == [
        [], ["a", "b"], ["b"], ["b"], ["a", "b"],
    ]  # fmt: skip


def test_the_last_reading_of_a_day_counts() -> None:
    """Also if it takes back what an earlier one of that day said."""
    first = (0, listed(a=1, b=2))
    assert read(first, (1, listed(a=5, c=9)), (1, listed(a=1, b=2))).equals(read(first))
    assert read(first, (1, listed(a=5, b=2)), (1, listed(a=6, b=2))).equals(read(first, (1, listed(a=6, b=2))))
    assert read(first, first).equals(read(first))


@pytest.mark.parametrize("shorter", [{}, {"a": 1}])
def test_a_list_that_is_empty_or_much_shorter_is_refused(shorter: dict[str, float]) -> None:
    history = read((0, listed(a=1, b=2, c=3)))
    with pytest.raises(RowsWouldVanishError, match=f"has {len(shorter)} rows and 3 were listed"):
        with_reading(history, listed(**shorter), ["sku"], day(1))
    accepted = with_reading(history, listed(**shorter), ["sku"], day(1), accept_shorter=True)
    assert as_of(accepted, day(1)).num_rows == len(shorter)
    # A second reading of the day that began the history, too.
    with pytest.raises(RowsWouldVanishError):
        with_reading(history, listed(**shorter), ["sku"], day(0))


def test_a_clock_that_went_back_is_refused() -> None:
    with pytest.raises(LakeError, match="2026-06-03"):
        with_reading(read((2, listed(a=1))), listed(a=1), ["sku"], day(1))


def test_a_key_that_is_listed_twice_is_refused() -> None:
    twice = pa.concat_tables([listed(a=1), listed(a=2)])
    with pytest.raises(LakeError, match="1 rows whose sku"):
        read((0, twice))


def test_a_new_column_fills_current_versions_without_new_ones() -> None:
    """A column that an older release did not land says nothing about a change."""
    wider = pa.schema([*LISTED, pa.field("department", pa.string())])
    table = pa.Table.from_pylist([{"sku": "a", "price": 1.0, "department": "Wash"}], wider)
    history = with_reading(read((0, listed(a=2)), (1, listed(a=1))), table, ["sku"], day(2))
    assert versions(history) == [("a", 2, 0, 1), ("a", 1, 1, None)]
    assert history["department"].to_pylist() == [None, "Wash"]
    assert history.schema.equals(history_schema(wider))


@given(st.lists(st.tuples(st.integers(0, 2), st.dictionaries(st.sampled_from("abc"), st.integers(1, 3), min_size=1))))
def test_as_of_any_day_is_its_last_reading(readings: list[tuple[int, dict[str, float]]]) -> None:
    """Any lists, days apart or on the same day: each day has what its last reading said, and no version is doubled."""
    number, last, steps = 0, {}, []
    for pause, prices in readings:
        number += pause
        last[number] = prices
        steps.append((number, listed(**prices)))
    history = read(*steps, accept_shorter=True)
    for asked in range(number + 2):
        expected = next((last[at] for at in range(asked, -1, -1) if at in last), {})
        assert {row["sku"]: row["price"] for row in as_of(history, day(asked)).to_pylist()} == expected
    found = versions(history)
    neighbours = itertools.pairwise(found)
    assert not [one for one, other in neighbours if one[:2] == other[:2] and one[3] == other[2]]
