"""Inputs of assets across accounts: the marts that each account has landed of a business day.

An account without the day is named, never counted as zero. One that had not begun by then is not missed.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.marts.incremental.inputs import INPUT_DIGEST, INPUTS, MISSING
from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.resources import LakeResource


@dataclass(frozen=True)
class AccountLake:
    """An account's marts: its `lake` (`None` if its settings are faulty: `problem` says why), and its first day."""

    name: str
    lake: Lake | None
    begins: date = date.min
    problem: str = ""


@dataclass(frozen=True)
class DayOfAll:
    """One business day across accounts; `counted`: rows by account; `missing`: who lacks it, in sentences."""

    rows: pa.Table
    counted: dict[str, int]
    missing: tuple[str, ...]
    metadata: dict[str, str]


def with_account(schema: pa.Schema) -> pa.Schema:
    """A mart's columns after the account."""
    said = {b"description": b"The account, as SONNYS_ACCOUNTS names it."}
    return pa.schema([pa.field("account", pa.string(), nullable=False, metadata=said), *schema])


def account_lakes(accounts: Sequence[str], lake: LakeResource) -> list[AccountLake]:
    """The lakes of accounts by their present settings."""
    found = []
    for name in accounts:
        try:
            workspace = Account(name).workspace(lake)
            found.append(AccountLake(name, workspace.lake.snapshot(), workspace.settings.start_date))
        except (SettingsError, LakeError) as error:
            found.append(AccountLake(name, None, problem=str(error)))
    return found


def day_of_all(accounts: Sequence[AccountLake], asset: str, schema: pa.Schema, day: str, version: str) -> DayOfAll:
    """A business day of every account that has it landed. Raises NotLandedError when none has."""
    tables, counted, missing = [], {}, []
    # Before the rows: a mart that is computed in between then makes the file outdated, and never the other way about.
    digests = {one.name: _digest(one, asset, day) for one in accounts}
    for one in accounts:
        try:
            rows = _rows(one, asset, schema, day)
        except LakeError as error:
            missing += [f"{one.name}: {error}"]
            digests[one.name] = ""
            continue
        if rows is None:
            if one.begins <= date.fromisoformat(day):
                missing.append(f"{one.name}: {one.problem or f'{asset} of {day} is not landed'}")
            continue
        names = pa.repeat(pa.scalar(one.name, pa.string()), rows.num_rows)
        tables.append(rows.add_column(0, pa.field("account", pa.string(), nullable=False), names))
        counted[one.name] = rows.num_rows
    if not tables:
        raise NotLandedError(f"{asset}: {day} is not landed in any account: {'; '.join(missing) or 'none had begun'}")
    table = pa.concat_tables(tables).cast(with_account(schema))
    known = {name: digest or "" for name, digest in digests.items()}
    metadata = {
        INPUT_DIGEST: "",
        INPUTS: json.dumps({"version": version, "accounts": known}),
        MISSING: json.dumps(missing),
    }
    return DayOfAll(table, counted, tuple(missing), metadata)


def changed_days(
    accounts: Sequence[AccountLake], lake: Lake, asset: str, days: Sequence[str], version: str
) -> dict[str, str]:
    """Days whose file differs from some account's present rows, with the state of the accounts.

    A mart that was computed again with the same rows changes nothing, nor does an account that cannot be read.
    """
    landed = {one.name: _landed(one, asset) for one in accounts}
    made = set(lake.partitions(asset))
    found = {}
    for day in days:
        now = {one.name: _digest(one, asset, day) if day in landed[one.name] else _absent(one) for one in accounts}
        if not any(now.values()):
            continue
        kept = _kept(lake, asset, day) if day in made else {}
        before = kept.get("accounts", {})
        known = {name: digest for name, digest in now.items() if digest is not None}
        is_same = (
            kept.get("version") == version
            and set(before) == set(now)
            and all(before[name] == digest for name, digest in known.items())
        )
        if not is_same:
            found[day] = json.dumps([version, sorted((name, digest or "") for name, digest in now.items())])
    return found


def _landed(one: AccountLake, asset: str) -> Collection[str]:
    try:
        return set(one.lake.partitions(asset)) if one.lake else ()
    except LakeError:
        return ()


def _absent(one: AccountLake) -> str | None:
    """What stands for a day that an account has not: nothing; unknown where it cannot be looked at."""
    return "" if one.lake else None


def _digest(one: AccountLake, asset: str, day: str) -> str | None:
    """Digest of a mart's inputs; empty where it is not landed, `None` where unknown."""
    if one.lake is None:
        return None
    try:
        return one.lake.metadata(asset, day).get(INPUT_DIGEST, "unknown")
    except NotLandedError:
        return ""
    except LakeError:
        return None


def _rows(one: AccountLake, asset: str, schema: pa.Schema, day: str) -> pa.Table | None:
    """An account's mart of a day; nothing where it is not landed."""
    if one.lake is None:
        return None
    try:
        return one.lake.read(asset, [day], schema.names).select(schema.names)
    except NotLandedError:
        return None


def _kept(lake: Lake, asset: str, day: str) -> dict[str, Any]:
    """Metadata of a file across accounts; empty where it is damaged, so that it is made again."""
    try:
        found: dict[str, Any] = json.loads(lake.metadata(asset, day).get(INPUTS, "{}"))
    except LakeError:
        return {}
    return found
