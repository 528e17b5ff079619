"""One text for two engines: what DuckDB's dialect becomes in Spark's."""

import pytest

from sonnys_pipeline.lake.engines.dialect import to_spark
from sonnys_pipeline.lake.errors import EngineError


def test_macros_are_filled_in_wherever_they_stand() -> None:
    """Spark gets no functions of ours, within lists and within each other included."""
    found = to_spark(
        "SELECT list_transform(items, lambda part: dollars_of(part.net)), is_beyond_in_items(items) FROM t"
    )
    assert "TRY_CAST(ROUND((part.net) * 100) / 100 AS DECIMAL(18, 2))" in found.replace("((part.net))", "(part.net)")
    assert "dollars_of" not in found.lower()
    assert "is_beyond" not in found.lower()


def test_an_argument_keeps_its_precedence() -> None:
    """A macro's argument is one value, whatever the text around it is."""
    assert "ABS((total - tax))" in to_spark("SELECT is_beyond(total - tax) FROM t")


def test_a_replaced_column_is_left_out_and_added() -> None:
    """Spark has `* EXCEPT`, and no `* REPLACE`."""
    found = to_spark("SELECT landed.* EXCLUDE (day) REPLACE (coalesce(a, b) AS a) FROM landed")
    assert found == "SELECT landed.* EXCEPT (day, a), COALESCE(a, b) AS a FROM landed"


def test_sums_of_lists_are_exact() -> None:
    """A sum of cents stays a decimal."""
    assert "CAST(0 AS DECIMAL(38, 2))" in to_spark("SELECT list_sum(amounts) FROM t")


def test_doubles_are_rounded_before_they_become_decimals() -> None:
    """Spark would round the text of a double, DuckDB its value: hours have four digits."""
    found = to_spark("SELECT try_cast(hours AS DECIMAL(10, 4)) FROM t")
    assert found == "SELECT TRY_CAST(ROUND((hours) * 10000) / 10000 AS DECIMAL(10, 4)) FROM t"


def test_a_list_laid_flat_has_its_positions() -> None:
    """Spark lays only one list flat in a query, and has a function that counts from 0."""
    found = to_spark("SELECT id, unnest(range(len(items))) AS position, unnest(items) AS part FROM t")
    assert found == "SELECT id, POSEXPLODE(items) AS (position, part) FROM t"


def test_integers_of_128_bits_are_decimals() -> None:
    """Spark has none, and products of money and microseconds need them."""
    assert to_spark("SELECT CAST(cost AS HUGEINT) FROM t") == "SELECT CAST(cost AS DECIMAL(38, 0)) FROM t"


def test_what_would_have_another_result_is_refused() -> None:
    """Spark has a function `hash`, with other values: digests would never be equal again."""
    with pytest.raises(EngineError, match="SONNYS_ENGINE=duckdb"):
        to_spark("SELECT sum(hash(landed_rows)) FROM landed_rows")
