"""What operators count, each with its source (KPIS).

Belongs here: definitions as SQL over Arrow tables. Does not belong here: which days are read, or where results go.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

#: Columns of `transactions` that `daily_sales` needs, the partition's day `date` aside.
DAILY_SALES_INPUT = (
    "location_code",
    "total",
    "items",
    "is_recurring_redemption",
    "is_recurring_plan_redemption",
)

DAILY_SALES = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("business_date", pa.date32(), nullable=False),
        pa.field("cars", pa.int64(), nullable=False),
        pa.field("sales", pa.decimal128(18, 2), nullable=False),
        pa.field("transactions", pa.int64(), nullable=False),
    ]
)

# A car is a redemption, or a ticket with a wash on it that is not voided: so a plan sale that is also a wash counts,
# and prepaid sales, gift-card sales and recurring recharges do not, since their items are of other departments.
_DAILY_SALES = """
    WITH rows AS (
        SELECT
            location_code AS site,
            date AS business_date,
            CAST(total AS DECIMAL(18, 2)) AS total,
            coalesce(is_recurring_plan_redemption, is_recurring_redemption) AS redemption,
            len(list_filter(items, lambda item: item.department = 'Wash' AND NOT item.is_voided)) > 0 AS wash
        FROM transactions
    )
    SELECT
        site,
        business_date,
        count(*) FILTER (WHERE redemption OR wash) AS cars,
        coalesce(sum(total) FILTER (WHERE NOT redemption), 0) AS sales,
        count(*) AS transactions
    FROM rows
    GROUP BY ALL
    ORDER BY ALL
"""

_SALES_TOTAL = """
    SELECT coalesce(sum(CAST(total AS DECIMAL(18, 2))), 0)
    FROM transactions
    WHERE NOT coalesce(is_recurring_plan_redemption, is_recurring_redemption)
"""


def daily_sales(transactions: pa.Table) -> pa.Table:
    """Cars and sales per site and day (KPIS "Total cars", V; "Sales", V).

    Args:
        transactions: landed rows with the columns of `DAILY_SALES_INPUT` and the partition's day `date`.

    Returns:
        `DAILY_SALES`: a row per site and day that has transactions; `sales` in dollars, exact to the cent.
    """
    with duckdb.connect() as connection:
        connection.register("transactions", transactions)
        return connection.sql(_DAILY_SALES).to_arrow_table().cast(DAILY_SALES)


def sales_total(transactions: pa.Table) -> float:
    """Sales in dollars over all rows (KPIS "Sales": redemptions left out), exact to the cent.

    Args:
        transactions: landed rows; the columns `total`, `is_recurring_redemption` and `is_recurring_plan_redemption`.
    """
    with duckdb.connect() as connection:
        connection.register("transactions", transactions)
        found = connection.execute(_SALES_TOTAL).fetchone()
    return float(found[0]) if found else 0.0
