"""Money in SQL: turn the API's doubles into exact cents, and find amounts out of range.

The models refuse amounts beyond `MAX_AMOUNT`, but older lakes may hold some. Rows with such an amount are left out of
all sums, and named by the tables and checks.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from sonnys_pipeline.client.models import MAX_AMOUNT

#: Dollars, exact to the cent.
MONEY = pa.decimal128(18, 2)


# `dollars_of` never fails: what does not fit into DECIMAL(18, 2) is null, and `is_beyond…` is true. So it is for NaN.
_MACROS = (
    "CREATE MACRO dollars_of(amount) AS TRY_CAST(amount AS DECIMAL(18, 2))",
    f"CREATE MACRO is_beyond(amount) AS NOT coalesce(abs(amount) <= {MAX_AMOUNT}, true)",
    """
    CREATE MACRO is_beyond_in_items(items) AS coalesce(is_beyond(list_max(list_transform(items, lambda part:
        greatest(abs(part.gross), abs(part.net), abs(part.discount), abs(part.tax), abs(part.additional_fee))))), false)
    """,
    """
    CREATE MACRO is_beyond_in_tenders(tenders) AS coalesce(is_beyond(list_max(list_transform(tenders, lambda part:
        greatest(abs(part.amount), abs(part.change), abs(part.total))))), false)
    """,
    """
    CREATE MACRO is_beyond_in_discounts(discounts) AS
        coalesce(is_beyond(list_max(list_transform(discounts, lambda part: abs(part.discount)))), false)
    """,
    """
    CREATE MACRO is_beyond_anywhere(total, items, tenders, discounts) AS
        is_beyond(total) OR is_beyond_in_items(items) OR is_beyond_in_tenders(tenders)
        OR is_beyond_in_discounts(discounts)
    """,
    # Dollars per piece, rounded half away from zero to the cent; 0 without pieces. In integers, because a double would
    # round some halves down.
    """
    CREATE MACRO dollars_each(dollars, pieces) AS
        CASE WHEN pieces > 0
            THEN CAST(
                sign(dollars) * ((2 * CAST(abs(dollars) * 100 AS HUGEINT) + pieces) // (2 * pieces)) AS DECIMAL(18, 0)
            ) * CAST(0.01 AS DECIMAL(3, 2))
            ELSE 0
        END
    """,
)


def define_money(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the macros `dollars_of`, `dollars_each`, and `is_beyond` (of an amount, a list of parts, a row)."""
    for macro in _MACROS:
        connection.execute(macro)
