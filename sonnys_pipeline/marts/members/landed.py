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
            frozenset(date.fromisoformat(day) for day in lake.partitions(CHANGES)),
            _sites(lake),
            _read_at(lake),
            timezone,
        )

    def due(self, days: Iterable[str]) -> list[str]:
        """Days that are over: their changes are landed, and the accounts were read after their end everywhere."""
        return [day for day in days if self._is_due(date.fromisoformat(day))]

    def members(self, days: Sequence[str]) -> Members:
        """The inputs of business days, with those landed changes that they need. Raises LakeError."""
        wanted = sorted({key for day in days for key in self._changes_of(date.fromisoformat(day))})
        if not wanted:
            return self._members
        return replace(self._members, changes=self._lake.read(CHANGES, wanted, CHANGE_COLUMNS))

    def last_due(self) -> date | None:
        """The last day that is over (`due`), if there is one."""
        return max((day for day in self._members.landed if self._is_due(day)), default=None)

    def all_members(self) -> Members:
        """The accounts with all landed changes. Raises LakeError."""
        keys = sorted(day.isoformat() for day in self._members.landed)
        return replace(self._members, changes=self._lake.read(CHANGES, keys, CHANGE_COLUMNS)) if keys else self._members

    def charges(self) -> Charges:
        """All landed charges; none if none are landed. Raises LakeError."""
        keys = self._lake.partitions(BILLINGS)
        rows = self._lake.read(BILLINGS, keys, CHARGE_COLUMNS) if keys else _NO_CHARGES.empty_table()
        return Charges(rows, frozenset(map(date.fromisoformat, keys)))

    def states(self, days: Sequence[str], version: str) -> dict[str, str]:
        """Digest of all that a day's figures are made of, with the version of their definition. Raises LakeError."""
        dates = {day: date.fromisoformat(day) for day in days}
        walked = {one: self._walks(one) for one in dates.values()}
        ends = {end for one in dates.values() for end in days_counted(one)}
        ends |= {walk.reading for walks in walked.values() for walk in walks if walk is not None}
        accounts = self._account_digests(tuple(sorted(ends)))
        return {day: self._state(one, walked[one], accounts, version) for day, one in dates.items()}

    def _state(self, day: date, walks: Sequence[Walk | None], accounts: dict[date, str], version: str) -> str:
        members = self._members
        readings = [walk.reading for walk in walks if walk is not None]
        parts: list[Any] = [
            version,
            [(str(walk), accounts.get(walk.reading)) if walk else None for walk in walks],
            [accounts.get(end) for end in (*days_counted(day), *readings)],
            [members.readings.is_after(end, zone) for end in days_counted(day) for zone in self._zones(end)],
            [members.places.on(code, end) for end in days_counted(day) for code in members.codes],
            [str(one) for one in members.readings.lacking(day.replace(day=1), day)],
            [_content(self._lake, key) for key in self._changes_of(day)],
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _walks(self, day: date) -> list[Walk | None]:
        return [self._members.readings.walk(end, zone) for end in days_counted(day) for zone in self._zones(end)]

    def _zones(self, day: date) -> list[str]:
        return sorted({self._members.places.on(code, day)[1] for code in self._members.codes})

    def _is_due(self, day: date) -> bool:
        readings = self._members.readings
        return not readings.lacking(day, day) and all(readings.is_after(day, zone) for zone in self._zones(day))

    def _changes_of(self, day: date) -> list[str]:
        """Landed days of changes that a business day is computed from."""
        wanted = set(days_from(day.replace(day=1), day))
        for walk in self._walks(day):
            if walk is not None and not walk.missing:
                wanted.update(days_from(walk.first, walk.last))
        return sorted(one.isoformat() for one in wanted if one in self._members.landed)

    def _account_digests(self, days: tuple[date, ...]) -> dict[date, str]:
        return dict(_account_digests(str(self._lake.root), self._timezone, self._versions, days))

    def account_digests(self, days: Sequence[date]) -> list[tuple[date, str]]:
        """Digest of the accounts on each day, without a cache."""
        tables = {"history": self._members.history, "days": pa.table({"day": pa.array(days, pa.date32())})}
        with open_tables(tables) as connection:
            connection.execute(VERSIONS)
            return connection.execute(_ACCOUNT_DIGESTS).fetchall()


@lru_cache(maxsize=8)
def _account_digests(
    root: str,
    timezone: str,
    versions: tuple[str, str],  # noqa: ARG001 - a part of the key
    days: tuple[date, ...],
) -> tuple[tuple[date, str], ...]:
    return tuple(LandedMembers(Lake(root), timezone).account_digests(days))


def _content(lake: Lake, day: str) -> str:
    """Digest of a day's changes, so that a day that was read again without news makes nothing stale."""
    return _content_of(str(lake.root), day, str(lake.version(CHANGES, day)))


@lru_cache(maxsize=4096)
def _content_of(root: str, day: str, version: str) -> str:  # noqa: ARG001 - the version is a part of the key
    rows = Lake(root).read(CHANGES, [day], CHANGE_COLUMNS).to_pylist()
    return hashlib.sha256(json.dumps(rows, default=str).encode()).hexdigest()


def _sites(lake: Lake) -> pa.Table:
    if not lake.has(SITES):
        return _NO_SITES
    landed = lake.read(SITES)
    return landed.select(columns_of_sites(landed.column_names))


def _read_at(lake: Lake) -> datetime:
    try:
        return datetime.fromisoformat(lake.metadata(ACCOUNTS)["read_at"])
    except (KeyError, ValueError) as error:
        path = lake.path(ACCOUNTS)
        raise LakeError(f"{path} does not say when it was read; materialize {ACCOUNTS} again") from error
