"""What the marts of memberships are computed from, as tables for `standing.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
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
CHANGE_COLUMNS = ("washbook_account_id", "old_status", "new_status", "site_code", "status_date")

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
        landed: days of `changes` that are landed, with rows or without, and when they were read: a day is known in a
            zone if that was after its end there.
        sites: rows of `sites`, as `calendar.site_history` reads them.
        read_at: when the accounts were read last, aware.
        timezone: IANA name of the account's zone.
    """

    accounts: pa.Table
    changes: pa.Table
    landed: Mapping[date, datetime]
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
        """Codes of sites, in every spelling of the accounts and changes."""
        columns = self.accounts["billing_site_code"], self.changes["site_code"]
        return sorted({code or "" for column in columns for code in column.unique().to_pylist()})

    @cached_property
    def unlisted(self) -> pa.Table:
        """The last change of each account that no list has."""
        rows = self.ordered_changes
        others = rows.filter(pc.invert(pc.is_in(rows["id"], value_set=self.accounts["id"].combine_chunks())))
        last = others.group_by("id").aggregate([("number", "max")])
        return others.filter(pc.is_in(others["number"], value_set=last["number_max"].combine_chunks()))

    @cached_property
    def history(self) -> pa.Table:
        """The accounts with `sign_up_day`, local to the billing site.

        Those that no list has, since the API lists only some that are older than six months, are known by their
        changes: at the site of the last one, listed on its day, with neither plan, amount nor sign-up.
        """
        listed = self.accounts.select(ACCOUNT_COLUMNS)
        others = pa.Table.from_pylist(
            [
                {
                    "id": row["id"],
                    "billing_site_code": row["site_code"],
                    "status": row["new_status"],
                    "valid_from": row["day"],
                    "valid_to": None if row["new_status"] == "Active" else row["day"] + timedelta(days=1),
                }
                for row in self.unlisted.to_pylist()
            ],
            pa.schema([field.with_nullable(True) for field in listed.schema]),
        )
        table = pa.concat_tables([listed.cast(others.schema), others])
        known: dict[tuple[str | None, datetime], date] = {}
        days: list[date | None] = []
        for code, at in zip(table["billing_site_code"].to_pylist(), table["sign_up_date"].to_pylist(), strict=True):
            if at is not None and (code, at) not in known:
                known[code, at] = self.places.day_of(code, at)
            days.append(None if at is None else known[code, at])
        return table.append_column("sign_up_day", pa.array(days, pa.date32()))

    @cached_property
    def ordered_changes(self) -> pa.Table:
        """`day`, `id`, `old_status`, `new_status`, `site_code`, `number` in the order of time, then of the files."""
        rows = self.changes.select(["date", *CHANGE_COLUMNS])
        times = rows["status_date"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        position = pa.array(range(rows.num_rows), pa.int64())
        order = pc.sort_indices(
            pa.table({"at": times, "position": position}),
            sort_keys=[("at", "ascending"), ("position", "ascending")],
        )
        names = ["day", "id", "old_status", "new_status", "site_code", "at"]
        rows = rows.take(order).rename_columns(names).drop_columns(["at"])
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
