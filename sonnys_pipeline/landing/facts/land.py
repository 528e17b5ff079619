"""Cut rows of a list into the local days of their sites, and replace landed days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from sonnys_pipeline.calendar.places import Places
from sonnys_pipeline.calendar.site_history import columns_of_sites
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.extract.pages.pii import privacy_problem
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import OtherSourceError, RowsWouldVanishError
from sonnys_pipeline.landing.dimensions.cleaned import cleaned_row
from sonnys_pipeline.landing.facts.tables import Fact
from sonnys_pipeline.landing.forgotten import refuse_outdated
from sonnys_pipeline.landing.sites.history import ASSET as SITES
from sonnys_pipeline.landing.transactions import Source

_NO_SITES = pa.table({"code": pa.array([], pa.string()), "timezone": pa.array([], pa.string())})
_READ_AT = "read_at"


@dataclass(frozen=True)
class LandedDay:
    """A landed day; `added`, `changed` and `gone` count rows in comparison with what was landed before."""

    file: LandedFile
    table: pa.Table
    added: int
    changed: int
    gone: int


class DaysRefusedError(RowsWouldVanishError):
    """Days would lose all of their rows, and stay; the others that were read are `landed`, by so many `requests`."""

    def __init__(
        self, landed: Mapping[date, LandedDay], refused: Mapping[date, RowsWouldVanishError], requests: int = 0
    ) -> None:
        super().__init__("; ".join(str(one) for one in refused.values()))
        self.landed, self.refused, self.requests = landed, refused, requests


class SitePlaces:
    """The local day of a row, by its site's code or number; sites that are not landed have the account's zone."""

    def __init__(self, lake: Lake, timezone: str) -> None:
        sites = lake.read(SITES) if lake.has(SITES) else _NO_SITES
        self._places = Places(sites.select(columns_of_sites(sites.column_names)), timezone)
        numbered = sites.select(["site_id", "code"]).to_pylist() if "site_id" in sites.column_names else []
        self._codes = {str(row["site_id"]): row["code"] for row in numbered if row["site_id"] is not None}

    def day(self, row: Mapping[str, Any], fact: Fact) -> date | None:
        """The day of a row; None if it has no instant."""
        site, instant = row[fact.site], row[fact.moment]
        if instant is None:
            return None
        code = self._codes.get(site, site) if fact.site == "site_id" else site
        return self._places.day_of(code, instant)


@dataclass(frozen=True)
class DaySource:
    """Whose rows they are, and under which policies they were read."""

    source: Source
    timezone: str
    policy: ListPolicy

    @property
    def metadata(self) -> dict[str, str]:
        """What is kept with each file."""
        whose = {
            "account": self.source.api_id_digest, "site_code": self.source.site_code, "timezone": self.timezone,
        }  # fmt: skip
        return whose | self.policy.metadata


def by_day(rows: Sequence[Mapping[str, Any]], fact: Fact, places: SitePlaces) -> dict[date | None, list[Any]]:
    """Rows by local day, in the order of their instants; those without an instant under None."""
    found: dict[date | None, list[Any]] = {}
    for row in rows:
        found.setdefault(places.day(row, fact), []).append(row)
    for key, there in found.items():
        if key is not None:
            there.sort(key=lambda row: (row[fact.moment], str(list(row.values()))))
    return found


def land_day(  # what, where, whose
    lake: Lake,
    fact: Fact,
    day: date,
    rows: Sequence[Mapping[str, Any]],
    of: DaySource,
    *,
    read_at: datetime,
    accept_empty: bool = False,
) -> LandedDay:
    """Replace a day by what was read; the caller holds the lock of the asset.

    Raises:
        OtherSourceError: the landed day is of another account, site or time zone.
        RowsWouldVanishError: the day has landed rows and none were read; `accept_empty` takes that.
        UnwritableLakeError: a customer was forgotten while the rows were read.
        LakeError: a file cannot be read or written.
    """
    refuse_outdated(lake, of.policy.privacy)
    key = day.isoformat()
    before: list[dict[str, Any]] = []
    if lake.has(fact.asset, key):
        _refuse_other(lake, fact, key, of)
        before = lake.read(fact.asset, [key]).drop_columns("date").to_pylist()
    if before and not rows and not accept_empty:
        raise RowsWouldVanishError(
            f"{fact.asset} {key}: {len(before)} rows are landed and none were read; they stay. If the day is really "
            "empty now, run it once with accept_empty in its configuration"
        )
    table = pa.Table.from_pylist([{**row, _READ_AT: read_at} for row in rows], fact.schema)
    file = lake.land(fact.asset, table, partition=key, metadata={**of.metadata, _READ_AT: read_at.isoformat()})
    return LandedDay(file, table, *_compared(before, table.to_pylist(), fact.key))


def land_days(  # what, where, whose
    lake: Lake,
    fact: Fact,
    rows: Mapping[date, Sequence[Mapping[str, Any]]],
    of: DaySource,
    *,
    read_at: datetime,
    accept_empty: bool = False,
) -> tuple[dict[date, LandedDay], dict[date, RowsWouldVanishError]]:
    """Replace days by what was read; those that would lose all of their rows stay, and hold up no other day.

    Returns landed days and refused ones. Errors as of `land_day`.
    """
    landed: dict[date, LandedDay] = {}
    refused: dict[date, RowsWouldVanishError] = {}
    with lake.writing(fact.asset):
        for day in sorted(rows):
            try:
                landed[day] = land_day(lake, fact, day, rows[day], of, read_at=read_at, accept_empty=accept_empty)
            except RowsWouldVanishError as error:
                refused[day] = error
    return landed, refused


def lacking_rows(lake: Lake, fact: Fact, day: date, rows: Sequence[Mapping[str, Any]], of: DaySource) -> int:
    """How many of a day's rows its landed file lacks, or has otherwise; 0 if it is not landed or is not comparable."""
    key = day.isoformat()
    if not rows or not lake.has(fact.asset, key) or not _has_policy(lake.metadata(fact.asset, key), of.policy):
        return 0
    landed = lake.read(fact.asset, [key]).drop_columns("date")
    if landed.column_names != fact.schema.names:  # of an older version
        return 0
    read = pa.Table.from_pylist([dict(row) for row in rows], fact.schema)
    return (_counted(read.to_pylist(), fact.key) - _counted(landed.to_pylist(), fact.key)).total()


def under_policy(lake: Lake, fact: Fact, of: DaySource) -> int:
    """Bring landed days under a stricter policy than they were read under; how many were rewritten.

    Does nothing while the newest landed day has the present policy. Raises OtherSourceError if a day cannot be brought
    there, LakeError if a file cannot be read or written.
    """
    days = lake.partitions(fact.asset)
    if not days or _has_policy(lake.metadata(fact.asset, days[-1]), of.policy):
        return 0
    done = 0
    for key in days:  # the newest one last: an interruption does not hide the others
        kept = lake.metadata(fact.asset, key)
        if _has_policy(kept, of.policy):
            continue
        if problem := privacy_problem(kept, of.policy.privacy):
            raise OtherSourceError(f"{fact.asset} {key}: {problem}; set the policy of before, or move the days away")
        if kept.get("pay") == "drop" and of.policy.metadata["pay"] == "keep":
            continue  # what was dropped is gone; other days are as they were
        rows = lake.read(fact.asset, [key]).drop_columns("date").to_pylist()
        if not of.policy.privacy.matches_metadata(kept):
            rows = [cleaned_row(row, fact.personal, of.policy.privacy.personal) for row in rows]
        if of.policy.metadata["pay"] == "drop":
            rows = [row | dict.fromkeys(fact.pay) for row in rows]
        lake.land(
            fact.asset,
            pa.Table.from_pylist(rows, fact.schema),
            partition=key,
            metadata={**kept, **of.policy.metadata},
        )
        done += 1
    return done


def _has_policy(kept: Mapping[str, str], policy: ListPolicy) -> bool:
    has_pay = kept.get("pay", "keep") == policy.metadata["pay"]
    return has_pay and policy.privacy.matches_metadata(kept)


def _compared(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], key: Sequence[str]
) -> tuple[int, int, int]:
    """How many rows came, are others under the same key, and went."""
    old, new = _counted(before, key), _counted(after, key)
    came, went = _keys(new - old), _keys(old - new)
    changed = (came & went).total()
    return came.total() - changed, changed, went.total() - changed


def _counted(rows: Sequence[Mapping[str, Any]], key: Sequence[str]) -> Counter[tuple[str, str]]:
    return Counter(
        (str([row[name] for name in key]), str([value for name, value in row.items() if name != _READ_AT]))
        for row in rows
    )


def _keys(rows: Counter[tuple[str, str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (key, _), number in rows.items():
        found[key] += number
    return found


def _refuse_other(lake: Lake, fact: Fact, key: str, of: DaySource) -> None:
    landed = lake.metadata(fact.asset, key)
    for name, new in of.metadata.items():
        if name in of.policy.metadata:
            continue
        if (old := landed.get(name, new)) != new:
            raise OtherSourceError(
                f"{fact.asset} {key}: the landed day has {name} {old or 'none'}, and the new one {new or 'none'}; it "
                f"stays. Use another SONNYS_DATA_URL, or move {lake.path(fact.asset, key)} away"
            )
