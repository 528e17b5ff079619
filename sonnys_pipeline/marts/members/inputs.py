"""What the marts of memberships are computed from, as tables for `standing.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.places import Places
from sonnys_pipeline.marts.members.readings import Readings, Walk

#: Columns of `recurring_accounts` that the marts need.
ACCOUNT_COLUMNS = (
    "id", "billing_site_code", "plan_name", "status", "sign_up_date", "billing_amount", "is_on_trial", "next_bill_date",
    "last_bill_date", "valid_from", "valid_to",
)  # fmt: skip
#: Columns of `recurring_status_changes` that they need, beside the day `date`.
CHANGE_COLUMNS = ("washbook_account_id", "old_status", "new_status", "status_date")

_PLACES = pa.schema([("day", pa.date32()), ("code", pa.string()), ("site", pa.string()), ("timezone", pa.string())])
_WALKS = pa.schema(
    [
        ("day", pa.date32()),
        ("timezone", pa.string()),
        ("reading", pa.date32()),
        ("forward", pa.bool_()),
        ("first", pa.date32()),
        ("last", pa.date32()),
    ]
)


@dataclass(frozen=True)
class Members:
    """The accounts and their changes.

    Attributes:
        accounts: the history `recurring_accounts`, at least `ACCOUNT_COLUMNS`.
        changes: rows of `recurring_status_changes` with their day `date`, at least `CHANGE_COLUMNS`.
        landed: days of `changes` that are landed, with rows or without.
        sites: rows of `sites`, as `calendar.site_history` reads them.
        read_at: when the accounts were read last, aware.
        timezone: IANA name of the account's zone.
    """

    accounts: pa.Table
    changes: pa.Table
    landed: Collection[date]
    sites: pa.Table
    read_at: datetime
    timezone: str = "UTC"
    places: Places = field(init=False)
    readings: Readings = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", Places(self.sites, self.timezone))
        object.__setattr__(self, "readings", Readings(self.accounts, self.read_at, self.landed, self.timezone))

    @cached_property
    def codes(self) -> Sequence[str]:
        """Codes of billing sites, in every spelling of the accounts."""
        return sorted({code or "" for code in self.accounts["billing_site_code"].unique().to_pylist()})

    @cached_property
    def history(self) -> pa.Table:
        """The accounts with `sign_up_day`, local to the billing site."""
        table = self.accounts.select(ACCOUNT_COLUMNS)
        known: dict[tuple[str | None, datetime], date] = {}
        days: list[date | None] = []
        for code, at in zip(table["billing_site_code"].to_pylist(), table["sign_up_date"].to_pylist(), strict=True):
            if at is not None and (code, at) not in known:
                known[code, at] = self.places.day_of(code, at)
            days.append(None if at is None else known[code, at])
        return table.append_column("sign_up_day", pa.array(days, pa.date32()))

    @cached_property
    def ordered_changes(self) -> pa.Table:
        """`day`, `id`, `old_status`, `new_status`, and `number` in the order of time, then of the files."""
        rows = self.changes.select(["date", *CHANGE_COLUMNS])
        times = rows["status_date"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        position = pa.array(range(rows.num_rows), pa.int64())
        order = pc.sort_indices(
            pa.table({"at": times, "position": position}),
            sort_keys=[("at", "ascending"), ("position", "ascending")],
        )
        rows = rows.take(order).rename_columns(["day", "id", "old_status", "new_status", "at"]).drop_columns(["at"])
        return rows.append_column("number", position)

    def places_on(self, days: Iterable[date]) -> pa.Table:
        """`day`, `code`, `site`, `timezone` of every code on every day."""
        rows = [(day, code, *self.places.on(code, day)) for day in days for code in self.codes]
        return table_of(_PLACES, rows)

    def walks_to(self, ends: Iterable[tuple[date, str]]) -> dict[tuple[date, str], Walk | None]:
        """How the status at the end of each day is known in a zone."""
        return {(day, zone): self.readings.walk(day, zone) for day, zone in ends}


def walks_table(walks: Iterable[Walk | None]) -> pa.Table:
    """The complete ones."""
    rows = [
        (walk.day, walk.timezone, walk.reading, walk.forward, walk.first, walk.last)
        for walk in walks
        if walk is not None and not walk.missing
    ]
    return table_of(_WALKS, rows)


def table_of(schema: pa.Schema, rows: Iterable[Sequence[object]]) -> pa.Table:
    """Rows as a table."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)], schema=schema)
