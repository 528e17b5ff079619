"""EC-02: results are legible at 80 columns, and no value is lost."""

import pyarrow as pa
import pytest

from sonnys_pipeline.cli.query.formats import content_of


def test_a_wide_result_is_printed_row_by_row() -> None:
    """Every column's name and value is whole, and no line is longer than the terminal."""
    table = pa.table({f"a_column_{number}": [f"value {number}"] for number in range(12)})
    lines = content_of(table, "table", 80).decode().splitlines()
    assert max(map(len, lines)) <= 80
    for number in range(12):
        assert any(f"a_column_{number} " in line and f"value {number}" in line for line in lines)


def test_control_characters_do_not_reach_the_terminal() -> None:
    """Text from the API must not steer it."""
    assert b"\x1b" not in content_of(pa.table({"a": ["\x1b[2J"]}), "table", 80)


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_two_columns_of_one_name_are_refused(kind: str) -> None:
    """Where names are keys, one would be lost."""
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(ValueError, match="rename one with AS"):
        content_of(twice, kind, 80)
    assert content_of(twice, "csv", 80) == b"a,a\n1,2\n"


def test_names_of_columns_are_whole() -> None:
    """Where they do not fit side by side, rows are printed one by one; a column of names is not folded."""
    names = ["month", "site", "joined", "came_back", "left_by_choice", "left_by_payment", "active_at_its_end"]
    shown = content_of(pa.table({name: [1] for name in names}), "table", 80).decode()
    assert all(f"{name} " in shown for name in names)
    described = {"column_name": ["is_recurring_plan_redemption"], "column_type": ["STRUCT(a VARCHAR)[]" * 3]}
    shown = content_of(pa.table({**described, "null": [""], "key": [""], "default": [""]}), "table", 80).decode()
    assert "is_recurring_plan_redemption" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_floats_of_a_table_have_no_tail() -> None:
    """Sums of dollars read as dollars; CSV keeps every digit."""
    table = pa.table({"a": [24717.970000000045, 0.692617953061, 1e-9, 100.0, -3.5, float("nan")]})
    assert content_of(table, "table", 80).decode().split()[2:8] == [
        "24717.97",
        "0.692618",
        "1e-09",
        "100",
        "-3.5",
        "nan",
    ]
    assert b"24717.970000000045\n" in content_of(table, "csv", 80)


@pytest.mark.parametrize(("columns", "rows", "shown"), [(1, 1234, 40), (12, 123, 10)])
def test_a_terminal_shows_the_first_rows_and_says_so(columns: int, rows: int, shown: int) -> None:
    """Thousands of rows would scroll away, or hundreds that are printed row by row; elsewhere all are written."""
    table = pa.table({f"column_{number}": [f"row_{row}_" for row in range(rows)] for number in range(columns)})
    first = content_of(table, "table", 80, whole=False).decode()
    assert f"row_{shown - 1}_" in first
    assert f"row_{shown}_" not in first
    assert f"{rows:,} rows; the first {shown} are shown." in first
    assert f"row_{rows - 1}_" in content_of(table, "table", 80).decode()
