"""Landed rows as a relation that SQL can read, and what each row counts as (KPIS)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from sonnys_pipeline.lake.money import define_money

#: Rows of one dataset: a table; or Parquet files, or a dataset of such files somewhere else, which are read as they are
#: needed and never held as a whole.
Files: TypeAlias = pa.Table | ds.Dataset | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class WithStates:
    """Rows of `transactions`, and beside them what `transaction_states` knows of the same ids in the same partition.

    Flags and status of a row are its own; where it has none, those of its state (contract, L4).

    Attributes:
        transactions: rows; of tables and datasets, the partition is the column `date`, which is left out of the rows.
            Where neither side has it, all rows are of one partition.
        states: rows of `transaction_states`, of these partitions; days without any are fine.
    """

    transactions: Files
    states: Files


#: Rows of `transactions`, alone or with their states.
Rows: TypeAlias = Files | WithStates

#: Nothing may be fetched from the network while numbers are made; all that is used here is built into DuckDB.
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

#: The column by which rows and states of a partition find each other; no reader of the rows sees it.
_KEY = "partition_of_file"

_ITEM = pa.struct(
    [
        ("department", pa.string()),
        ("gross", pa.float64()),
        ("net", pa.float64()),
        ("discount", pa.float64()),
        ("tax", pa.float64()),
        ("additional_fee", pa.float64()),
        ("is_voided", pa.bool_()),
    ]
)
_TENDER = pa.struct(
    [
        ("tender", pa.string()),
        ("tender_sub_type", pa.string()),
        ("amount", pa.float64()),
        ("change", pa.float64()),
        ("total", pa.float64()),
    ]
)
_DISCOUNT = pa.struct([("discount_name", pa.string()), ("discount", pa.float64())])

#: Columns of `transactions` that the KPIs read; whoever reads only these gets the same numbers.
KPI_INPUT = pa.schema(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("complete_date", pa.timestamp("us", tz="UTC")),
        ("location_code", pa.string()),
        ("sales_device_name", pa.string()),
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

#: Statuses of a transaction that is not over: its figures may still move (KPIS).
UNSETTLED = ("Incomplete", "In-Progress", "Suspended")

# Each fact of a row is its own, else that of its state. A state that is there twice is one: the newer fact of the two.
_JOINED = f"""
    CREATE TEMP VIEW transactions AS
    WITH known AS (
        SELECT
            {_KEY},
            transaction_id,
            arg_max(is_recurring_plan_sale, read_at) AS is_recurring_plan_sale,
            arg_max(is_recurring_plan_redemption, read_at) AS is_recurring_plan_redemption,
            arg_max(transaction_status, read_at) AS transaction_status
        FROM states
        GROUP BY ALL
    )
    SELECT landed.* EXCLUDE ({_KEY}) REPLACE (
        coalesce(landed.is_recurring_plan_sale, known.is_recurring_plan_sale) AS is_recurring_plan_sale,
        coalesce(landed.is_recurring_plan_redemption, known.is_recurring_plan_redemption)
            AS is_recurring_plan_redemption,
        coalesce(landed.transaction_status, known.transaction_status) AS transaction_status
    )
    FROM landed LEFT JOIN known ON known.{_KEY} = landed.{_KEY} AND known.transaction_id = landed.id
"""  # noqa: S608 - made of names in this module

# What a row counts as. `SELECT *` keeps whatever other columns the caller brought.
#
# redemption   `isRecurringPlanRedemption`, else `isRecurringRedemption` where the v2 flag is missing (R).
# plan_sale    `isRecurringPlanSale`; where that flag is missing, `isRecurringSale` (O: every sale of a membership is
#              one of a plan; only upgrades, which the older flag does not know, are lost with the v2 flag).
# wash         at least one item of department "Wash" that is not voided; job rows do not carry the API's own list.
# recharge     the billing run charging a membership.
# car          a redemption, or any wash on the ticket: a prepaid sale, a gift card or a recharge is no car by itself,
#              and beside a wash it is one (B, R).
# retail_wash  a wash that is neither a plan sale nor a redemption (F).
# net_cars     what a car is in the net figure (O): 0 where the ticket is voided, -1 where it is the return of a wash.
# in_lane      sold at the site, not by an online terminal (contract, L8).
# overpaid     dollars by which `total` is above what the items, tax and fees come to (contract, L9; O). Only where
#              the customer did pay `total` (the tenders agree), and no reading of the items explains it: how gross,
#              net, tax and fee go together is not documented. A return, a redemption, a voided or an unsettled ticket
#              has none, nor has one without any item.
# beyond       an amount on it is no amount of money; such rows are in no figure (`money.py`).
# Status and type play no part in the other figures: they were compared without one, and live rows often lack it.
_JUDGED = f"""
    CREATE TEMP VIEW judged AS
    WITH flagged AS (
        SELECT
            *,
            dollars_of(total) AS dollars,
            coalesce(is_recurring_plan_redemption, is_recurring_redemption) AS redemption,
            coalesce(is_recurring_plan_sale, is_recurring_sale) AS plan_sale,
            coalesce(len(list_filter(items, lambda item: item.department = 'Wash' AND NOT item.is_voided)), 0) > 0
                AS wash,
            coalesce(transaction_status, '') = 'Voided' AS voided,
            coalesce(transaction_status, '') IN {UNSETTLED} AS unsettled,
            list_filter(items, lambda item: NOT item.is_voided) AS kept,
            coalesce(list_sum(list_transform(tenders, lambda part: dollars_of(part.total))), 0) AS paid,
            is_beyond_anywhere(total, items, tenders, discounts) AS beyond
        FROM transactions
    ),
    itemized AS (
        SELECT
            *,
            coalesce(list_sum(list_transform(kept, lambda item: dollars_of(item.net))), 0) AS net,
            coalesce(list_sum(list_transform(kept, lambda item: dollars_of(item.gross))), 0) AS gross,
            coalesce(list_sum(list_transform(kept, lambda item: dollars_of(item.discount))), 0) AS reduction,
            coalesce(list_sum(list_transform(kept, lambda item: dollars_of(item.tax))), 0) AS tax,
            coalesce(list_sum(list_transform(kept, lambda item: dollars_of(item.additional_fee))), 0) AS fee
        FROM flagged
    ),
    read AS (
        SELECT
            * EXCLUDE (net, gross, reduction, tax, fee),
            net + tax + fee AS itemized,
            [net + tax, net + tax + fee, gross - reduction + tax, gross - reduction + tax + fee, gross, gross + fee]
                AS readings
        FROM itemized
    )
    SELECT
        * EXCLUDE (kept, itemized),
        is_recurring_payment AND NOT plan_sale AND NOT redemption AS recharge,
        redemption OR wash AS car,
        wash AND NOT plan_sale AND NOT redemption AS retail_wash,
        CASE WHEN voided OR NOT (redemption OR wash) THEN 0 WHEN type = 'Return' THEN -1 ELSE 1 END AS net_cars,
        NOT contains(lower(coalesce(sales_device_name, '')), 'e-comm') AS in_lane,
        CASE
            WHEN dollars > itemized AND paid = dollars AND len(kept) > 0 AND type <> 'Return'
                AND NOT (redemption OR voided OR unsettled) AND NOT list_contains(readings, dollars)
            THEN dollars - itemized
            ELSE 0
        END AS overpaid
    FROM read
"""  # noqa: S608 - made of names in this module


@contextmanager
def open_rows(transactions: Rows) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own in which `transactions` are the rows, with the macros of `money.py`.

    Args:
        transactions: a table, a dataset, or paths of Parquet files; no files are no rows. With their states, flags and
            status come from these where a row has none.
    """
    with duckdb.connect(config=_OFFLINE) as connection:
        connection.execute("SET enable_progress_bar = false")  # it would go to stdout, where `--json` documents are
        define_money(connection)
        if isinstance(transactions, WithStates):
            _register_by_partition(connection, "landed", transactions.transactions)
            _register_by_partition(connection, "states", transactions.states)
            connection.execute(_JOINED)
        elif isinstance(transactions, pa.Table | ds.Dataset):
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

    Added columns: `dollars` (the total, exact), `paid` (by tenders), `readings` (what the items may come to),
    `redemption`, `plan_sale`, `wash`, `recharge`, `car`, `retail_wash`, `net_cars`, `in_lane`, `voided`, `unsettled`,
    `overpaid` and `beyond`: rows that are beyond stand in it, and whoever counts leaves them out.
    """
    with open_rows(transactions) as connection:
        connection.execute(_JUDGED)
        yield connection


def _register_by_partition(connection: duckdb.DuckDBPyConnection, name: str, files: Files) -> None:
    """A view of these rows with the day of their partition in a column of its own, and in no other."""
    if isinstance(files, pa.Table | ds.Dataset):
        connection.register(f"{name}_as_given", files)
        days = "date" in files.schema.names
        columns = f"* EXCLUDE (date), strftime(date, '%Y-%m-%d') AS {_KEY}" if days else f"*, '' AS {_KEY}"
    else:
        paths = [os.fspath(path) for path in files]
        # What the path holds above the partition's folder is not looked at: a lake may lie below a `date=` of its own.
        connection.read_parquet(paths, hive_partitioning=False, filename=True).create_view(f"{name}_as_given")
        columns = f"* EXCLUDE (filename), regexp_extract(filename, 'date=([^/\\\\]*)[/\\\\][^/\\\\]*$', 1) AS {_KEY}"
    connection.execute(f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM {name}_as_given")  # noqa: S608 - our names
