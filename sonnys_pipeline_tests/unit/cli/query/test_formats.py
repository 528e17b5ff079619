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
