"""The landed inputs of the marts of memberships, and what tells one state of a day's inputs from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import columns_of_sites
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.sql import open_tables
from sonnys_pipeline.marts.members.cohorts import CHARGE_COLUMNS, Charges
from sonnys_pipeline.marts.members.inputs import ACCOUNT_COLUMNS, CHANGE_COLUMNS, Members
from sonnys_pipeline.marts.members.movement import days_counted
from sonnys_pipeline.marts.members.readings import Walk, days_from
from sonnys_pipeline.marts.members.standing import VERSIONS

ACCOUNTS, CHANGES, SITES = "recurring_accounts", "recurring_status_changes", "sites"
BILLINGS = "recurring_billings"
#: The mart by day.
MOVEMENT = "membership_movement"
_NO_CHANGES = pa.schema(
    [("date", pa.date32()), *((name, pa.string()) for name in CHANGE_COLUMNS[:-1]), (CHANGE_COLUMNS[-1],
     pa.timestamp("us", tz="UTC"))]
)  # fmt: skip
_NO_CHARGES = pa.schema([("date", pa.date32()), ("account_id", pa.string()), ("amount_charged", pa.float64())])
_NO_SITES = pa.table({"code": pa.array([], pa.string()), "timezone": pa.array([], pa.string())})

# What `movement.py` uses of the accounts on each day; an account counts from its sign-up on.
_ACCOUNT_DIGESTS = """
    SELECT days.day, CAST(bit_xor(hash(
        id, code, plan, status, sign_up_day, on_trial, amount, yearly, period_assumed, listed_to > days.day
    )) AS VARCHAR)
    FROM days
    JOIN versions ON greatest(since, coalesce(sign_up_day, since)) <= days.day AND until > days.day
    GROUP BY ALL
"""


class LandedMembers:
    """What is landed at this moment.

    Raises:
        NotLandedError: the accounts are not landed.
        LakeError: the accounts or the sites cannot be read.
    """

    def __init__(self, lake: Lake, timezone: str) -> None:
        if not lake.has(ACCOUNTS):
            raise NotLandedError(f"{ACCOUNTS}: not landed; materialize it first")
        self._lake = lake
        # The version first, so that a file that is replaced meanwhile counts as newer.
        self._versions = str(lake.version(ACCOUNTS)), str(lake.version(SITES))
        self._timezone = timezone
        self._members = Members(
            lake.read(ACCOUNTS, columns=ACCOUNT_COLUMNS),
            _NO_CHANGES.empty_table(),
            {date.fromisoformat(day): _day_read_at(lake, CHANGES, day) for day in lake.partitions(CHANGES)},
            _sites(lake),
            _read_at(lake, ACCOUNTS),
            timezone,
        )

    def due(self, days: Iterable[str]) -> list[str]:
        """Days that are over: their changes are landed, and the accounts were read after their end everywhere."""
        return [day for day in days if self._is_due(date.fromisoformat(day))]

    def members(self, days: Sequence[str]) -> Members:
        """The inputs of business days, with those landed changes that they need. Raises LakeError."""
        needed = [key for day in days for key in self._changes_of(date.fromisoformat(day))]
        return self._with_changes_since(date.fromisoformat(min(needed))) if needed else self._members

    def last_due(self) -> date | None:
        """The last day that is over (`due`), if there is one."""
        return max((day for day in self._members.landed if self._is_due(day)), default=None)

    def all_members(self) -> Members:
        """The accounts with all landed changes. Raises LakeError."""
        return self._with_changes_since(date.min)

    def _with_changes_since(self, first: date) -> Members:
        """Later ones say what accounts were that are listed only when they change."""
        keys = sorted(day.isoformat() for day in self._members.landed if day >= first)
        return replace(self._members, changes=self._lake.read(CHANGES, keys, CHANGE_COLUMNS)) if keys else self._members

    def charges(self) -> Charges:
        """All landed charges; none if none are landed. Raises LakeError."""
        keys = self._lake.partitions(BILLINGS)
        rows = self._lake.read(BILLINGS, keys, CHARGE_COLUMNS) if keys else _NO_CHARGES.empty_table()
        return Charges(rows, {date.fromisoformat(key): _day_read_at(self._lake, BILLINGS, key) for key in keys})

    def states(self, days: Sequence[str], version: str) -> dict[str, str]:
        """Digest of all that a day's figures are made of, with the version of their definition. Raises LakeError."""
        dates = {day: date.fromisoformat(day) for day in days}
        walked = {one: self._walks(one) for one in dates.values()}
        ends = {end for one in dates.values() for end in days_counted(one)}
        ends |= {walk.reading for walks in walked.values() for walk in walks if walk is not None}
        accounts = self._account_digests(tuple(sorted(ends)))
        late = self._late()
        return {
            day: self._state(
                one,
                walked[one],
                accounts,
                [version, *(digest for since, until, digest in late if since <= one < until)],
            )
            for day, one in dates.items()
        }

    def _state(self, day: date, walks: Sequence[Walk | None], accounts: dict[date, str], others: list[str]) -> str:
        members = self._members
        readings = [walk.reading for walk in walks if walk is not None]
        parts: list[Any] = [
            others,
            [(str(walk), accounts.get(walk.reading)) if walk else None for walk in walks],
            [accounts.get(end) for end in (*days_counted(day), *readings)],
            [members.readings.is_after(end, zone) for end in days_counted(day) for zone in self._zones(end)],
            [members.places.on(code, end) for end in days_counted(day) for code in members.codes],
            [str(members.readings.lacking(day.replace(day=1), day, zone)) for zone in self._zones(day)],
            [_content(self._lake, key) for key in self._changes_of(day)],
        ]
        return _digest(parts)

    def _walks(self, day: date) -> list[Walk | None]:
        return [self._members.readings.walk(end, zone) for end in days_counted(day) for zone in self._zones(end)]

    def _zones(self, day: date) -> list[str]:
        return sorted({self._members.places.on(code, day)[1] for code in self._members.codes})

    def _is_due(self, day: date) -> bool:
        readings = self._members.readings
        return all(readings.is_after(day, zone) and not readings.lacking(day, day, zone) for zone in self._zones(day))

    def _changes_of(self, day: date) -> list[str]:
        """Landed days of changes that a business day is computed from."""
        wanted = set(days_from(day.replace(day=1), day))
        for walk in self._walks(day):
            if walk is not None and not walk.missing:
                wanted.update(days_from(walk.first, walk.last))
        return sorted(one.isoformat() for one in wanted if one in self._members.landed)

    def _account_digests(self, days: tuple[date, ...]) -> dict[date, str]:
        return dict(_account_digests(str(self._lake.root), self._timezone, self._versions, days))

    def _late(self) -> tuple[tuple[date, date, str], ...]:
        versions = tuple((day, str(self._lake.version(CHANGES, day.isoformat()))) for day in self._members.landed)
        return _late(str(self._lake.root), self._timezone, (*self._versions, str(versions)))

    def late_accounts(self) -> list[tuple[date, date, str]]:
        """Accounts that were first listed long after their sign-up, or never: what they were follows from changes.

        Returns:
            Of each the days that it matters on, half-open, and a digest of its changes.
        """
        members = self.all_members()
        changes: dict[str, list[str]] = {}
        for row in members.ordered_changes.to_pylist():
            changes.setdefault(row["id"], []).append(f"{row['day']} {row['old_status']} {row['new_status']}")
        first: dict[str, tuple[date, date | None]] = {}
        for row in members.history.select(["id", "valid_from", "sign_up_day"]).to_pylist():
            known = first.get(row["id"])
            if known is None or row["valid_from"] < known[0]:
                first[row["id"]] = row["valid_from"], row["sign_up_day"]
        begun = min(members.accounts["valid_from"].to_pylist(), default=date.min)
        return [
            (signed or date.min, listed, _digest(changes.get(name, [])))
            for name, (listed, signed) in sorted(first.items())
            if listed > begun and (signed is None or (listed - signed).days > 1)
        ]

    def account_digests(self, days: Sequence[date]) -> list[tuple[date, str]]:
        """Digest of the accounts on each day, without a cache."""
        tables = {"history": self._members.history, "days": pa.table({"day": pa.array(days, pa.date32())})}
        with open_tables(tables) as connection:
            connection.execute(f"CREATE TEMP TABLE versions AS {VERSIONS}")
            return connection.execute(_ACCOUNT_DIGESTS).fetchall()


@lru_cache(maxsize=8)
def _account_digests(
    root: str,
    timezone: str,
    versions: tuple[str, str],  # noqa: ARG001 - a part of the key
    days: tuple[date, ...],
) -> tuple[tuple[date, str], ...]:
    return tuple(LandedMembers(Lake(root), timezone).account_digests(days))


@lru_cache(maxsize=8)
def _late(
    root: str,
    timezone: str,
    versions: tuple[str, ...],  # noqa: ARG001 - a part of the key
) -> tuple[tuple[date, date, str], ...]:
    return tuple(LandedMembers(Lake(root), timezone).late_accounts())


def _content(lake: Lake, day: str) -> str:
    """Digest of a day's changes, so that a day that was read again without news makes nothing stale."""
    return _content_of(str(lake.root), day, str(lake.version(CHANGES, day)))


@lru_cache(maxsize=4096)
def _content_of(root: str, day: str, version: str) -> str:  # noqa: ARG001 - the version is a part of the key
    return _digest(Lake(root).read(CHANGES, [day], CHANGE_COLUMNS).to_pylist())


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _day_read_at(lake: Lake, asset: str, day: str) -> datetime:
    return _read_at_of(str(lake.root), asset, day, str(lake.version(asset, day)))


@lru_cache(maxsize=8192)
def _read_at_of(root: str, asset: str, day: str, version: str) -> datetime:  # noqa: ARG001 - as above
    return _read_at(Lake(root), asset, day)


def _sites(lake: Lake) -> pa.Table:
    if not lake.has(SITES):
        return _NO_SITES
    landed = lake.read(SITES)
    return landed.select(columns_of_sites(landed.column_names))


def _read_at(lake: Lake, asset: str, day: str | None = None) -> datetime:
    try:
        return datetime.fromisoformat(lake.metadata(asset, day)["read_at"])
    except (KeyError, ValueError) as error:
        path = lake.path(asset, day)
        raise LakeError(f"{path} does not say when it was read; materialize {asset} again") from error
