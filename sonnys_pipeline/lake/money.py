"""Money in SQL: turn the API's doubles into exact cents, and find amounts out of range.

The models refuse amounts beyond `MAX_AMOUNT`, but older lakes may hold some. Rows with such an amount are left out of
all sums, and named by the tables and checks.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from sonnys_pipeline.client.models import MAX_AMOUNT

#: Dollars, exact to the cent.
MONEY = pa.decimal128(18, 2)


@dataclass(frozen=True)
class Macro:
    """An SQL function of one expression, which both engines know by the same text."""

    name: str
    parameters: tuple[str, ...]
    body: str


# `dollars_of` never fails: what does not fit into DECIMAL(18, 2) is null, and `is_beyond…` is true. So it is for NaN.
#: In an order in which each uses only those before it.
MACROS = (
    Macro("dollars_of", ("amount",), "TRY_CAST(amount AS DECIMAL(18, 2))"),
    Macro("is_beyond", ("amount",), f"NOT coalesce(abs(amount) <= {MAX_AMOUNT}, true)"),
    Macro(
        "is_beyond_in_items",
        ("items",),
        """coalesce(is_beyond(list_max(list_transform(items, lambda part:
        greatest(abs(part.gross), abs(part.net), abs(part.discount), abs(part.tax), abs(part.additional_fee))))), false)
        """,
    ),
    Macro(
        "is_beyond_in_tenders",
        ("tenders",),
        """coalesce(is_beyond(list_max(list_transform(tenders, lambda part:
        greatest(abs(part.amount), abs(part.change), abs(part.total))))), false)
        """,
    ),
    Macro(
        "is_beyond_in_discounts",
        ("discounts",),
        "coalesce(is_beyond(list_max(list_transform(discounts, lambda part: abs(part.discount)))), false)",
    ),
    Macro(
        "is_beyond_anywhere",
        ("total", "items", "tenders", "discounts"),
        """is_beyond(total) OR is_beyond_in_items(items) OR is_beyond_in_tenders(tenders)
        OR is_beyond_in_discounts(discounts)
        """,
    ),
    # Dollars per piece, rounded half away from zero to the cent; 0 without pieces. In integers, because a double would
    # round some halves down.
    Macro(
        "dollars_each",
        ("dollars", "pieces"),
        """CASE WHEN pieces > 0
            THEN CAST(
                (CASE WHEN dollars < 0 THEN -1 ELSE 1 END)
                    * ((2 * CAST(abs(dollars) * 100 AS BIGINT) + pieces) // (2 * pieces))
                AS DECIMAL(18, 0)
            ) * CAST(0.01 AS DECIMAL(3, 2))
            ELSE 0
        END
        """,
    ),
)


def define_money(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the macros `dollars_of`, `dollars_each`, and `is_beyond` (of an amount, a list of parts, a row)."""
    for macro in MACROS:
        connection.execute(f"CREATE MACRO {macro.name}({', '.join(macro.parameters)}) AS {macro.body}")
