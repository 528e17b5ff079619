"""Accounts, their changes and charges written by hand, as the lake holds them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.history import VALIDITY, with_reading
from sonnys_pipeline.marts.members.inputs import Members
from sonnys_pipeline_tests.support.tickets import sites

LISTED = pa.schema(
    [
        ("id", pa.string()),
        ("customer_id", pa.string()),
        ("plan_name", pa.string()),
        ("billing_site_code", pa.string()),
        ("sign_up_date", pa.timestamp("us", tz="UTC")),
        ("status", pa.string()),
        ("billing_amount", pa.float64()),
        ("is_on_trial", pa.bool_()),
        ("next_bill_date", pa.date32()),
        ("last_bill_date", pa.date32()),
    ]
)
_HISTORY = pa.schema([*LISTED, *VALIDITY])
_CHANGES = pa.schema(
    [
        ("date", pa.date32()),
        ("washbook_account_id", pa.string()),
        ("recurring_id", pa.string()),
        ("old_status", pa.string()),
        ("new_status", pa.string()),
        ("status_date", pa.timestamp("us", tz="UTC")),
        ("site_code", pa.string()),
    ]
)
#: Columns of charges.
_CHARGED = ["account_id", "amount_charged"]


def account(number: int | str, **fields: Any) -> dict[str, Any]:
    """An account as one reading lists it: active, monthly, 20 dollars, at MAIN, signed up on 2026-01-05."""
    return {
        "id": str(number), "customer_id": f"c{number}", "plan_name": "Basic Monthly", "billing_site_code": "MAIN",
        "sign_up_date": datetime(2026, 1, 5, 18, tzinfo=UTC), "status": "Active", "billing_amount": 20.0,
        "is_on_trial": False, "next_bill_date": date(2026, 4, 5), "last_bill_date": date(2026, 3, 5), **fields,
    }  # fmt: skip


def change(number: int | str, at: str, old: str | None, new: str | None, site: str = "MAIN") -> dict[str, Any]:
    """A change of status at an instant in UTC (ISO 8601)."""
    return {
        "washbook_account_id": str(number), "recurring_id": str(number), "old_status": old, "new_status": new,
        "status_date": datetime.fromisoformat(at).astimezone(UTC), "site_code": site,
    }  # fmt: skip


def history(readings: Iterable[tuple[date, Sequence[dict[str, Any]]]]) -> pa.Table:
    """The history after several readings of the whole list."""
    table = _HISTORY.empty_table()
    for day, listed in readings:
        table = with_reading(table, pa.Table.from_pylist(list(listed), LISTED), ("id",), day, accept_shorter=True)
    return table


def days(first: date, last: date) -> list[date]:
    """All days from the first to the last."""
    return [first + timedelta(days=shift) for shift in range((last - first).days + 1)]


def changes(rows: Iterable[dict[str, Any]], zones: dict[str, str], timezone: str = "UTC") -> pa.Table:
    """Changes with the day of the file that they are landed in: local to the site that they name."""
    filed = [
        {"date": row["status_date"].astimezone(ZoneInfo(zones.get(row["site_code"], timezone))).date(), **row}
        for row in rows
    ]
    return pa.Table.from_pylist(filed, _CHANGES)


def read_after(day: date) -> datetime:
    """When a day is read unless a test says otherwise: long after its end everywhere."""
    return datetime.combine(day + timedelta(days=2), time(12), UTC)


def all_read_after(landed: Iterable[date]) -> dict[date, datetime]:
    """Landed days, each with `read_after`."""
    return {day: read_after(day) for day in landed}


@dataclass
class Club:
    """Readings, changes and charges (day, account, dollars) of accounts, and which days of these are landed."""

    readings: list[tuple[date, Sequence[dict[str, Any]]]]
    landed: Collection[date]
    changed: Sequence[dict[str, Any]] = ()
    read_at: datetime = datetime(2026, 3, 31, 13, tzinfo=UTC)
    zones: dict[str, str] = field(default_factory=lambda: {"MAIN": "America/Chicago"})
    timezone: str = "America/Chicago"
    charged: Sequence[tuple[date, str, float]] = ()

    def land(self, lake: Lake) -> None:
        """Write the tables as they would be landed: accounts, a file of changes for each landed day, sites."""
        lake.land("recurring_accounts", history(self.readings), metadata={"read_at": self.read_at.isoformat()})
        rows = changes(self.changed, self.zones, self.timezone)
        for day in self.landed:
            of_day = rows.filter(pc.equal(rows["date"], pa.scalar(day, pa.date32())))
            read = pa.repeat(pa.scalar(self.read_at, pa.timestamp("us", tz="UTC")), of_day.num_rows)
            when, key = {"read_at": read_after(day).isoformat()}, day.isoformat()
            lake.land("recurring_status_changes", of_day.append_column("read_at", read), partition=key, metadata=when)
            paid = [(id_, dollars) for one, id_, dollars in self.charged if one == day]
            columns = list(zip(*paid, strict=True)) or [(), ()]
            charges = pa.table([pa.array(columns[0], pa.string()), pa.array(columns[1], pa.float64())], _CHARGED)
            lake.land("recurring_billings", charges, partition=key, metadata=when)
        lake.land("sites", sites(**self.zones))

    def members(self) -> Members:
        """As the marts take them; changes of days that are not landed are left out."""
        rows = changes(self.changed, self.zones, self.timezone)
        there = pa.array([day in set(self.landed) for day in rows["date"].to_pylist()], pa.bool_())
        return Members(
            history(self.readings),
            rows.filter(there),
            all_read_after(self.landed),
            sites(**self.zones),
            self.read_at,
            self.timezone,
        )
