"""What the daily marts of this room are computed from, and which of their files have to be computed again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.marts.incremental.inputs import (
    FIGURES_DIGEST,
    INPUT_DIGEST,
    INPUTS,
    SITE_DAY_RECIPE,
    MartInputs,
    Recipe,
)
from sonnys_pipeline.marts.people.columns import LABOR_DAILY
from sonnys_pipeline.marts.people.entries import entries_digest, read_entries
from sonnys_pipeline.marts.people.labor import labor_daily
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES

#: Raise the version when figures become others.
LABOR_RECIPE = Recipe("labor_daily", "1", by_site_day=True)

_SITE_DAYS = SITE_DAY_RECIPE.asset
_CARS = ("site", "business_date", "total_cars", "sales")


class DayInputs(Protocol):
    """Inputs of a mart as they are landed at this moment; methods raise LakeError if a file cannot be read.

    Attributes:
        version: of the mart's definition; a new one makes all its files stale.
        landed: business days of which something is known.
    """

    version: str
    landed: Collection[str]

    def versions(self, day: str) -> Sequence[str]:
        """Versions of the files that a day is computed from."""

    def digests(self, days: Sequence[str]) -> Mapping[str, str]:
        """Digest of what each day's figures depend on."""

    def count(self, days: Sequence[str], engine: Engine = DUCKDB) -> pa.Table:
        """The mart of these days, with the column `business_date`."""


class LaborInputs:
    """Inputs of `labor_daily`: clock entries, cars and sales, and the sites (`DayInputs`)."""

    version: str = LABOR_RECIPE.version
    landed: Collection[str]

    def __init__(self, lake: Lake, timezone: str) -> None:
        """List what is landed. Raises LakeError if `sites` cannot be read."""
        self._lake = lake
        self.landed = frozenset(lake.partitions(CLOCK_ENTRIES))
        self._marts = MartInputs(lake, timezone, states=())
        self._timezone = timezone

    def versions(self, day: str) -> Sequence[str]:
        """Of the clock entries and `site_day_kpis`, with the zones of the sites."""
        return [self._lake.version(asset, day) or "" for asset in (CLOCK_ENTRIES, _SITE_DAYS)] + [
            self._marts.zones(day)
        ]

    def digests(self, days: Sequence[str]) -> Mapping[str, str]:
        """Of the shifts, the figures of `site_day_kpis` and the zones."""
        return {
            day: digest_of(
                [self.version, entries_digest(self._lake, day), self._figures_digest(day), self._marts.zones(day)]
            )
            for day in days
        }

    def count(self, days: Sequence[str], engine: Engine = DUCKDB) -> pa.Table:
        """`LABOR_DAILY` of these days."""
        dates = [day for day in sorted(set(days)) if self._lake.has(_SITE_DAYS, day)]
        site_days = self._lake.read(_SITE_DAYS, dates, _CARS).drop_columns("date") if dates else _no_site_days()
        wanted = [date.fromisoformat(day) for day in days]
        clocked = read_entries(self._lake, days)
        return labor_daily(clocked, site_days, self._marts.sites, wanted, self._timezone, engine)

    def _figures_digest(self, day: str) -> str:
        found = self._lake.metadata(_SITE_DAYS, day) if self._lake.has(_SITE_DAYS, day) else {}
        return found.get(FIGURES_DIGEST) or found.get(INPUT_DIGEST, "")


def outdated_days(
    lake: Lake, asset: str, inputs: DayInputs, days: Iterable[str], warn: Callable[[str], None] = lambda _: None
) -> dict[str, str]:
    """Days with landed inputs whose file does not exist or was computed from others, each with the digest of these.

    Files that are landed again with the same content make nothing stale. A day whose inputs cannot be read is left
    out; `warn` is called with a sentence.

    Raises:
        UnreachableLakeError: the store does not answer.
    """
    kept = {day: _metadata(lake, asset, day) for day in sorted(set(days).intersection(inputs.landed))}
    undecided = [
        day for day, found in kept.items() if recorded_versions(found) != [inputs.version, *inputs.versions(day)]
    ]
    digests = _digests(asset, inputs, undecided, warn)
    return {day: digest for day, digest in digests.items() if kept[day].get(INPUT_DIGEST) != digest}


def _digests(asset: str, inputs: DayInputs, days: Sequence[str], warn: Callable[[str], None]) -> Mapping[str, str]:
    """Digests of all days together; if a file cannot be read, of those whose files can."""
    if not days:
        return {}
    try:
        return inputs.digests(days)
    except UnreachableLakeError:
        raise
    except LakeError as error:
        if len(days) == 1:
            warn(f"{asset} {days[0]}: {error}")
            return {}
    return {day: digest for one in days for day, digest in _digests(asset, inputs, [one], warn).items()}


def inputs_of(inputs: DayInputs, day: str) -> dict[str, Any]:
    """Description of a day's inputs for its file's metadata. Raises LakeError if a file cannot be read."""
    return {"version": inputs.version, "versions": list(inputs.versions(day))}


def recorded_versions(metadata: Mapping[str, str]) -> list[str]:
    """The versions that a file was computed from, from its metadata; empty if it does not say."""
    kept = json.loads(metadata.get(INPUTS, "{}"))
    return [kept["version"], *kept["versions"]] if "versions" in kept else []


def digest_of(parts: Sequence[Any]) -> str:
    """Digest of values that JSON can write."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _metadata(lake: Lake, asset: str, day: str) -> dict[str, str]:
    """Metadata of a mart's file; empty if it does not exist or is damaged, so that it is computed again."""
    try:
        return lake.metadata(asset, day) if lake.has(asset, day) else {}
    except UnreachableLakeError:
        raise
    except LakeError:
        return {}


def _no_site_days() -> pa.Table:
    return pa.schema([LABOR_DAILY.field(name) for name in _CARS]).empty_table()
