"""Landed rows as DuckDB views, with what each row counts as (KPIS)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from sonnys_pipeline.lake.money import define_money

#: Rows of one dataset: a table, or Parquet files or a dataset, which are read lazily.
Files: TypeAlias = pa.Table | ds.Dataset | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class WithStates:
    """Rows of `transactions`, joined with `transaction_states` by partition and id.

    A row's missing flags and status come from its state (contract, L4).

    Attributes:
        transactions: rows; the partition of tables and datasets is the column `date`, which is left out of the result.
            If neither side has it, all rows belong to one partition.
        states: rows of `transaction_states`, of some or all of these partitions.
    """

    transactions: Files
    states: Files


#: Rows of `transactions`, alone or with their states.
Rows: TypeAlias = Files | WithStates
#: The same, or a connection in which they are open.
OpenOrNot: TypeAlias = Rows | duckdb.DuckDBPyConnection

#: Counting must not load DuckDB extensions from the network, and reads each file as it is now.
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_file_cache": False,
}

#: Internal column for joining rows and states of one partition.
PARTITION = "partition_of_file"

_ITEM = pa.struct(
    [
        ("name", pa.string()),
        ("sku", pa.string()),
        ("department", pa.string()),
        ("quantity", pa.int64()),
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

#: Columns of `transactions` that the KPIs need.
KPI_INPUT = pa.schema(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("complete_date", pa.timestamp("us", tz="UTC")),
        ("location_code", pa.string()),
        ("sales_device_name", pa.string()),
        ("customer_id", pa.string()),
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

#: Statuses of a transaction that may still change (KPIS).
UNSETTLED = ("Incomplete", "In-Progress", "Suspended")

#: Columns that a row takes from its state if it lacks them.
_OF_STATES = ("customer_id", "is_recurring_plan_sale", "is_recurring_plan_redemption", "transaction_status")
# Of several states of one row, the newest value counts.
_NEWEST = ", ".join(
    f"arg_max({column}, read_at) FILTER (WHERE {column} IS NOT NULL) AS {column}" for column in _OF_STATES
)
_COMPLETED = ", ".join(f"coalesce(landed.{column}, known.{column}) AS {column}" for column in _OF_STATES)
#: The view `transactions`, of `landed` and `states`, each with its partition.
JOINED = f"""
    WITH known AS (SELECT {PARTITION}, transaction_id, {_NEWEST} FROM states GROUP BY ALL)
    SELECT landed.* EXCLUDE ({PARTITION}) REPLACE ({_COMPLETED})
    FROM landed LEFT JOIN known ON known.{PARTITION} = landed.{PARTITION} AND known.transaction_id = landed.id
"""  # noqa: S608 - made of names in this module

# What a row counts as. `SELECT *` keeps other columns of the caller.
#
# redemption   `isRecurringPlanRedemption`; if that v2 flag is missing, `isRecurringRedemption` (R).
# plan_sale    `isRecurringPlanSale`; if that v2 flag is missing, `isRecurringSale`, which does not cover upgrades (O).
# wash         at least one item of department "Wash" that is not voided; job rows do not carry the API's own list.
# recharge     the billing run charging a membership.
# car          a redemption, or a ticket with a wash, whatever else is on it (B, R).
# retail_wash  a wash that is neither a plan sale nor a redemption (F).
# net_cars     the car in the net figure (O): 0 on a voided ticket, -1 for the return of a wash.
# in_lane      sold at the site, not by an online terminal (contract, L8).
# overpaid     dollars by which `total` exceeds the items, tax and fees (contract, L9; O). Only if the customer did pay
#              `total` (the tenders agree) and no reading of the items explains it: how gross, net, tax and fee add up
#              is not documented. 0 for returns, redemptions, voided or unsettled tickets, and tickets without items.
# beyond       one of its amounts is out of range; such rows are in no figure (`money.py`).
# The other figures ignore status and type: they were compared without them, and live rows often lack the status.
JUDGED = f"""
    WITH flagged AS (
        SELECT
            *,
            dollars_of(total) AS dollars,
            coalesce(is_recurring_plan_redemption, is_recurring_redemption) AS redemption,
            coalesce(is_recurring_plan_sale, is_recurring_sale) AS plan_sale,
            coalesce(
                array_length(list_filter(items, lambda item: item.department = 'Wash' AND NOT item.is_voided)), 0
            ) > 0 AS wash,
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
            WHEN dollars > itemized AND paid = dollars AND array_length(kept) > 0 AND type <> 'Return'
                AND NOT (redemption OR voided OR unsettled) AND NOT list_contains(readings, dollars)
            THEN dollars - itemized
            ELSE 0
        END AS overpaid
    FROM read
"""  # noqa: S608 - made of names in this module


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """An empty database with the macros of `money.py`.

    To open another one for each question takes 20 ms of processor time, a connection to this one a tenth of one.
    """
    database = duckdb.connect(config=_OFFLINE)
    define_money(database)
    return database


# A forked process has none of the database's threads, and could not even end with it: each opens its own.
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_database.cache_clear)


@lru_cache(maxsize=256)
def _parsed(statement: str) -> duckdb.Statement:
    with _database().cursor() as connection:
        [parsed] = connection.extract_statements(statement)
    return parsed


def run(
    connection: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, object] | None = None
) -> duckdb.DuckDBPyConnection:
    """Run one of this house's statements, whose text is parsed once: that takes a tenth of the time on a small day.

    The same text means the tables of this connection at this moment, as if it were parsed each time.
    """
    return connection.execute(_parsed(statement), dict(parameters) if parameters else None)


@contextmanager
def open_tables(tables: Mapping[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with these tables by their names, and the macros of `money.py`.

    What is registered or temporary belongs to this connection alone; nothing else may be created.
    """
    with _database().cursor() as connection:
        run(connection, "SET enable_progress_bar = false")  # it would go to stdout, into `--json` documents
        for name, table in tables.items():
            connection.register(name, table)
        yield connection


@contextmanager
def open_rows(transactions: OpenOrNot) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with the view `transactions` of these rows, and the macros of `money.py`.

    Rows that are open already stay open: several who look at the same rows open them once.
    """
    if isinstance(transactions, duckdb.DuckDBPyConnection):
        yield transactions
        return
    with open_tables({}) as connection:
        _create_transactions(connection, transactions)
        yield connection


def _create_transactions(connection: duckdb.DuckDBPyConnection, transactions: Rows) -> None:
    """The view `transactions`."""
    if isinstance(transactions, WithStates):
        _create_view(connection, "landed", transactions.transactions, by_partition=True)
        _create_view(connection, "states", transactions.states, by_partition=True, as_they_are=True)
        run(connection, f"CREATE TEMP VIEW transactions AS {JOINED}")
    else:
        _create_view(connection, "transactions", transactions)


def _create_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    files: Files,
    *,
    by_partition: bool = False,
    as_they_are: bool = False,
) -> None:
    """A view of these rows, with their partition in the column `PARTITION` instead of `date` if asked for.

    It has nulls in those columns of `KPI_INPUT` that no file has, because all are of an earlier version; not if the
    rows are to be `as_they_are`, nor in tables of a user's own, which have no `complete_date`. One view does it all:
    DuckDB opens the files for each.
    """
    columns = "*"
    if isinstance(files, pa.Table | ds.Dataset):
        source, there = f"{name}_as_given", files.schema.names
        connection.register(source, files)
        if by_partition:
            days = "date" in there
            columns = (
                f"* EXCLUDE (date), strftime(date, '%Y-%m-%d') AS {PARTITION}" if days else f"*, '' AS {PARTITION}"
            )
    elif paths := [os.fspath(path) for path in files]:
        # Else the day in the path would become a column `date`; only instants decide on the business day.
        relation = connection.read_parquet(paths, hive_partitioning=False, filename=by_partition)
        # Its text, not `relation.create_view`, which would make a view for all of the process.
        source, there = f"({relation.sql_query()})", relation.columns
        if by_partition:  # only the last folder counts: a `date=` may also be in the path above the lake
            last = "regexp_extract(filename, 'date=([^/\\\\]*)[/\\\\][^/\\\\]*$', 1)"
            columns = f"* EXCLUDE (filename), {last} AS {PARTITION}"
    else:
        source, there = f"{name}_as_given", KPI_INPUT.names
        connection.register(source, KPI_INPUT.empty_table())
    is_own = "complete_date" not in there
    lacking = pa.schema([] if is_own or as_they_are else [field for field in KPI_INPUT if field.name not in set(there)])
    kinds = connection.from_arrow(lacking.empty_table()).types if len(lacking) else []
    nulls = [f", CAST(NULL AS {kind}) AS {column}" for column, kind in zip(lacking.names, kinds, strict=True)]
    connection.execute(f"CREATE TEMP VIEW {name} AS SELECT {columns}{''.join(nulls)} FROM {source}")  # noqa: S608 - our names


@contextmanager
def open_judged(transactions: Rows) -> Iterator[duckdb.DuckDBPyConnection]:
    """As `open_rows`, with the view `judged`: the rows, and what each counts as.

    Added columns: `dollars` (the exact total), `paid` (sum of the tenders), `readings` (possible sums of the items),
    `redemption`, `plan_sale`, `wash`, `recharge`, `car`, `retail_wash`, `net_cars`, `in_lane`, `voided`, `unsettled`,
    `overpaid` and `beyond` (to be left out of every figure).
    """
    with open_rows(transactions) as connection:
        run(connection, f"CREATE TEMP VIEW judged AS {JUDGED}")
        yield connection
