"""Landed rows as a relation that SQL can read, and what each row counts as (KPIS).

Belongs here: opening DuckDB on Arrow or Parquet, and the definitions that every KPI shares. Does not belong here: what
is counted by site, day and hour (`kpis.py`), or whether rows are sound (`quality.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

#: Rows of `transactions`: a table; or Parquet files, or a dataset of such files somewhere else, which are read as they
#: are needed and never held as a whole.
Rows: TypeAlias = pa.Table | ds.Dataset | Sequence[str | os.PathLike[str]]

#: Nothing may be fetched from the network while numbers are made; all that is used here is built into DuckDB.
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

_ITEM = pa.struct(
    [("department", pa.string()), ("gross", pa.float64()), ("net", pa.float64()), ("is_voided", pa.bool_())]
)
_TENDER = pa.struct([("tender", pa.string()), ("tender_sub_type", pa.string()), ("total", pa.float64())])
_DISCOUNT = pa.struct([("discount_name", pa.string()), ("discount", pa.float64())])

#: Columns of `transactions` that the KPIs read; whoever reads only these gets the same numbers.
KPI_INPUT = pa.schema(
    [
        ("complete_date", pa.timestamp("us", tz="UTC")),
        ("location_code", pa.string()),
        ("total", pa.float64()),
        ("tenders", pa.list_(_TENDER)),
        ("items", pa.list_(_ITEM)),
        ("discounts", pa.list_(_DISCOUNT)),
        ("is_prepaid_sale", pa.bool_()),
        ("is_recurring_payment", pa.bool_()),
        ("is_recurring_redemption", pa.bool_()),
        ("is_recurring_sale", pa.bool_()),
        ("is_recurring_plan_sale", pa.bool_()),
        ("is_recurring_plan_redemption", pa.bool_()),
        ("transaction_status", pa.string()),
    ]
)

# What a row counts as. `SELECT *` keeps whatever other columns the caller brought.
#
# redemption   `isRecurringPlanRedemption`, else `isRecurringRedemption` where the v2 flag is missing (V).
# plan_sale    `isRecurringPlanSale`; where that flag is missing, `isRecurringSale` (O: every sale of a membership is
#              one of a plan; only upgrades, which the older flag does not know, are lost with the v2 flag).
# wash         at least one item of department "Wash" that is not voided; job rows do not carry the API's own list.
# recharge     the billing run charging a membership. Not a car, whatever stands on its ticket (V).
# car          a redemption, a plan sale that is also a wash, or another wash (V). Prepaid sales and recharges are none,
#              whatever stands on their tickets; gift-card sales add none: their items are of another department. A wash
#              rung up on the same ticket as a gift card is a wash.
# retail_wash  a wash that is a car, not a plan sale, not a redemption (F).
# The status plays no part: these definitions were checked without one, and live rows often lack it. A voided ticket has
# voided items, so it is no wash; it, and tickets that are not settled, have columns of their own.
_JUDGED = """
    CREATE TEMP VIEW judged AS
    WITH flagged AS (
        SELECT
            *,
            CAST(total AS DECIMAL(18, 2)) AS dollars,
            coalesce(is_recurring_plan_redemption, is_recurring_redemption) AS redemption,
            coalesce(is_recurring_plan_sale, is_recurring_sale) AS plan_sale,
            coalesce(len(list_filter(items, lambda item: item.department = 'Wash' AND NOT item.is_voided)), 0) > 0
                AS wash
        FROM transactions
    )
    SELECT
        *,
        is_recurring_payment AND NOT plan_sale AND NOT redemption AS recharge,
        redemption OR (wash AND (plan_sale OR NOT (is_recurring_payment OR is_prepaid_sale))) AS car,
        wash AND NOT (plan_sale OR redemption OR is_recurring_payment OR is_prepaid_sale) AS retail_wash
    FROM flagged
"""

# Dollars a piece, rounded half away from zero to the cent; 0 for no pieces. In whole numbers: a double would round some
# halves down.
_DOLLARS_EACH = """
    CREATE TEMP MACRO dollars_each(dollars, pieces) AS
        CASE WHEN pieces > 0
            THEN CAST(
                sign(dollars) * ((2 * CAST(abs(dollars) * 100 AS HUGEINT) + pieces) // (2 * pieces)) AS DECIMAL(18, 0)
            ) * CAST(0.01 AS DECIMAL(3, 2))
            ELSE 0
        END
"""


@contextmanager
def open_rows(transactions: Rows) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own in which `transactions` are the rows.

    Args:
        transactions: a table, a dataset, or paths of Parquet files; no files are no rows.
    """
    with duckdb.connect(config=_OFFLINE) as connection:
        connection.execute("SET enable_progress_bar = false")  # it would go to stdout, where `--json` documents are
        if isinstance(transactions, pa.Table | ds.Dataset):
            connection.register("transactions", transactions)
        elif paths := [os.fspath(path) for path in transactions]:
            # The day in the path would come along as a column `date`; instants alone decide what belongs where.
            connection.read_parquet(paths, hive_partitioning=False).create_view("transactions")
        else:
            connection.register("transactions", KPI_INPUT.empty_table())
        yield connection


@contextmanager
def open_judged(transactions: Rows) -> Iterator[duckdb.DuckDBPyConnection]:
    """As `open_rows`, with the view `judged`: the rows, and beside them what each counts as.

    Added columns: `dollars` (the total, exact), `redemption`, `plan_sale`, `wash`, `recharge`, `car`, `retail_wash`.
    Added macro: `dollars_each(dollars, pieces)`.
    """
    with open_rows(transactions) as connection:
        connection.execute(_JUDGED)
        connection.execute(_DOLLARS_EACH)
        yield connection
