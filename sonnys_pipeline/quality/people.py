"""The rules behind the checks of clock entries and memberships."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from sonnys_pipeline.quality.result import Finding, finding
from sonnys_pipeline.runtime.text import fold

#: Longest shift that is plausible.
LONGEST_SHIFT = timedelta(hours=16)


def implausible_shifts(entries: pa.Table, read_at: datetime) -> Finding:
    """Shifts that do not end after they begin, are longer than 16 hours, or overlap another one of the same employee.

    A shift without an end lasts up to `read_at`, 16 hours at most: a forgotten clock-out makes no later shift wrong.
    Named as employee and beginning.
    """
    rows = entries.to_pylist()
    backwards = [row for row in rows if row["clock_out"] is not None and row["clock_out"] <= row["clock_in"]]
    closed = [row for row in rows if row["clock_out"] is not None]
    too_long = [row for row in closed if row["clock_out"] - row["clock_in"] > LONGEST_SHIFT]
    open_ones = [row for row in rows if row["clock_out"] is None and read_at - row["clock_in"] > LONGEST_SHIFT]
    return finding(
        len(rows),
        [
            ("do not end after they begin", _shifts(backwards)),
            (f"longer than {LONGEST_SHIFT.total_seconds() / 3600:g} hours", _shifts(too_long)),
            ("without a clock-out", _shifts(open_ones)),
            ("at the same time as another shift of the employee", _shifts(_overlapping(rows, read_at))),
        ],
    )


def _overlapping(rows: Sequence[Mapping[str, Any]], read_at: datetime) -> list[Mapping[str, Any]]:
    by_employee: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_employee[row["employee_id"]].append(row)
    found = []
    for shifts in by_employee.values():
        until: datetime | None = None
        for row in sorted(shifts, key=lambda one: one["clock_in"]):
            if until is not None and row["clock_in"] < until:
                found.append(row)
            end = row["clock_out"] or max(row["clock_in"], min(read_at, row["clock_in"] + LONGEST_SHIFT))
            until = end if until is None else max(until, end)
    return found


def unknown_sites(rows: pa.Table, column: str, codes: Collection[str]) -> Finding:
    """Rows of sites that no list has had; named by code."""
    known = {fold(code) for code in codes}
    there = [code for code in rows[column].to_pylist() if code]
    return finding(
        rows.num_rows, [("of a site that is not listed", [code for code in there if fold(code) not in known])]
    )


def unlisted_customers(accounts: pa.Table, customers: pa.Table) -> Finding:
    """Present memberships whose customer is not in the list of customers; named by number of the account."""
    current = accounts.filter(accounts["is_current"]).select(["id", "customer_id"]).to_pylist()
    known = set(customers["customer_id"].to_pylist())
    asked = [row for row in current if row["customer_id"]]
    return finding(
        len(asked), [("without a listed customer", [r["id"] for r in asked if r["customer_id"] not in known])]
    )


def _shifts(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"{row['employee_id']} at {row['clock_in']:%Y-%m-%d %H:%M} UTC" for row in rows]
