"""What a mart is computed from: the landed partitions of `transactions`, their states, the sites, and digests of these.

A file that holds some sites only counts as landed for those sites, and for no other: zero is not a fair count of
rows that nobody has read. States that are landed, or changed, are news to a mart by site day where they say something
that the rows do not; flat tables know nothing of them.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from sonnys_pipeline.calendar.business_days import MissingDay, SiteDay, partitions_needed, site_zones
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import Rows
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.marts.digests import content_digest, site_day_digests
from sonnys_pipeline.marts.site_days import Mart

TRANSACTIONS, SITES = "transactions", "sites"
#: Names of the metadata in a mart's file: digest of what counts in it, what it was read from, what it lacks.
INPUT_DIGEST, INPUTS, MISSING = "input_digest", "inputs", "missing"

#: A KPI function of `sonnys_pipeline.marts`: rows, sites, business dates, and by name `landed` and `timezone`.
CountDays = Callable[..., Mart]

#: How far a business day's partitions may lie from its date: zones are up to 26 hours apart.
_NEAR = [timedelta(days=shift) for shift in range(-2, 3)]
_NO_SITES = pa.table({"code": pa.array([], pa.string()), "timezone": pa.array([], pa.string())})


@dataclass(frozen=True)
class Recipe:
    """What decides whether a mart's file is up to date.

    Attributes:
        asset: the mart.
        version: of its definition; another one makes all of its files stale.
        by_site_day: whether its partitions are site-local business days, counted from rows with their states, or the
            days of `transactions` themselves, and the rows alone.
    """

    asset: str
    version: str
    by_site_day: bool


class MartInputs:
    """What is landed at this moment.

    Attributes:
        partitions: landed days of `transactions`.
        states: landed days of `transaction_states`; of other days, nothing is read or compared.
        sites: the columns `code` and `timezone` of `sites`; no rows where it is not landed.
        sites_are_landed: whether it is; otherwise every site follows the pipeline's zone.
        timezone: the pipeline's zone.
    """

    def __init__(self, lake: Lake, timezone: str, states: Collection[str] | None = None) -> None:
        """Look into the lake.

        Args:
            lake: where.
            timezone: the zone of its daily partitions.
            states: days whose states are to be read; left out, all that are landed now.

        Raises:
            LakeError: when the site list is there and cannot be read.
        """
        self._lake = lake
        self.timezone = timezone
        self.partitions = frozenset(lake.partitions(TRANSACTIONS))
        self.states = frozenset(lake.partitions(STATES) if states is None else states)
        self.sites_are_landed = lake.has(SITES)
        self.sites = lake.read(SITES, columns=["code", "timezone"]) if self.sites_are_landed else _NO_SITES

    @cached_property
    def zones(self) -> str:
        """A digest of which zone each site's days follow."""
        found = [(site.site, site.timezone, site.is_physical) for site in site_zones(self.sites, self.timezone)]
        return _digest([self.timezone, found])

    @cached_property
    def _a_site_a_zone(self) -> pa.Table:
        """One site for each zone: which partitions a business day lies in is the zone's doing, and 500 sites have five.

        For two years of 500 sites that takes 0.1 s; asking all of them took 8 s, twice a minute, for each mart.
        """
        by_zone = {site.timezone: site.site for site in site_zones(self.sites, self.timezone)}
        return pa.table({"code": list(by_zone.values()), "timezone": list(by_zone)}, _NO_SITES.schema)

    def landed_for(self, recipe: Recipe, days: Iterable[str]) -> dict[str, list[str]]:
        """The landed partitions that each day's file is read from; none where nothing of it can be computed."""
        if not recipe.by_site_day:
            return {day: [day] if day in self.partitions else [] for day in days}
        dates = {day: date.fromisoformat(day) for day in days}
        needed: dict[str, set[str]] = {day: {day} & self.partitions for day in dates}
        near = [day for day in dates.values() if any((day + shift).isoformat() in self.partitions for shift in _NEAR)]
        for site_day in partitions_needed(near, self._a_site_a_zone, self.timezone):
            keys = {partition.isoformat() for partition in site_day.partitions}
            if keys <= self.partitions:
                needed[site_day.business_date.isoformat()] |= keys
        return {day: sorted(keys) for day, keys in needed.items()}

    def rows(self, recipe: Recipe, partitions: Sequence[str]) -> Rows:
        """The rows of partitions as a mart counts them, read as they are needed.

        Raises:
            LakeError: when a file cannot be read.
        """
        return landed_rows(self._lake, partitions, self.states if recipe.by_site_day else ())

    def content(self, recipe: Recipe, partition: str) -> str:
        """Digest of a partition's rows as a mart counts them; made once for each state of its files.

        Raises:
            LakeError: when a file cannot be read.
        """
        with_states = recipe.by_site_day and partition in self.states
        try:
            return _content(str(self._lake.root), partition, self._stamp(recipe, partition), with_states)
        except (duckdb.Error, OSError) as error:
            path = self._lake.path(TRANSACTIONS, partition)
            raise LakeError(f"{path} cannot be read ({error}); restore it or materialize it again") from error

    def remembered(self, recipe: Recipe, partitions: Iterable[str]) -> dict[str, Any]:
        """What a mart's file keeps of its inputs, to be compared later.

        Raises:
            LakeError: when a file cannot be read.
        """
        # The version first: a file that is replaced in between is then seen as newer.
        files = {key: [self._stamp(recipe, key), *self._held(recipe, key)] for key in partitions}
        return {"version": recipe.version, "zones": self.zones if recipe.by_site_day else "", "files": files}

    def is_as_remembered(self, recipe: Recipe, partitions: Sequence[str], kept: Mapping[str, Any]) -> bool:
        """Whether a mart's inputs hold the same rows, of the same sites, as when it was computed.

        Rows are read only of newer files. A site that was read since, and had no rows, is news to a business day.

        Raises:
            LakeError: when a file cannot be read.
        """
        files = kept.get("files", {})
        return (
            kept.get("zones") == (self.zones if recipe.by_site_day else "")
            and sorted(files) == list(partitions)
            and all(
                files[key][0] == self._stamp(recipe, key) or files[key][1:] == self._held(recipe, key) for key in files
            )
        )

    def state(self, recipe: Recipe, partitions: Iterable[str]) -> str:
        """Tells one state of a mart's inputs from another, without reading rows: other files are another state.

        Raises:
            LakeError: when a file is not there any more.
        """
        stamps = [[key, self._stamp(recipe, key)] for key in partitions]
        return _digest([recipe.version, self.zones if recipe.by_site_day else "", stamps])[:16]

    def digests(self, recipe: Recipe, days: Sequence[str]) -> dict[str, str]:
        """A digest of exactly the rows that count toward each day's file, and of the sites' days.

        Raises:
            LakeError: when a file cannot be read.
        """
        if not recipe.by_site_day:
            return {day: _digest([recipe.version, self.content(recipe, day)]) for day in days}
        read = sorted({key for keys in self.landed_for(recipe, days).values() for key in keys})
        stamps = tuple((key, self._stamp(recipe, key)) for key in read)
        known = self.states.intersection(read)
        made = _site_day_digests(str(self._lake.root), self.timezone, self.zones, tuple(days), stamps, known)
        return {day: _digest([recipe.version, digest]) for day, digest in made}

    def site_day_digests(self, days: Sequence[str]) -> dict[str, str]:
        """As `digests`, whatever the version of a mart; read anew each time.

        Raises:
            LakeError: when a file cannot be read.
        """
        mart = self.count(site_day_digests, days)
        parts: dict[str, list[Any]] = {day: [] for day in days}
        for row in mart.table.to_pylist():
            parts[row["business_date"].isoformat()].append([row["site"], row["rows"], row["digest"]])
        for site_day in self._site_days(days):
            parts[site_day.business_date.isoformat()].append(
                [site_day.site, site_day.is_physical, site_day.start.isoformat(), site_day.end.isoformat()]
            )
        for lacking in mart.missing:
            parts[lacking.business_date.isoformat()].append([lacking.site, [str(day) for day in lacking.missing]])
        return {day: _digest(found) for day, found in parts.items()}

    def count(self, function: CountDays, days: Sequence[str]) -> Mart:
        """Run a KPI function over business days; it reads the landed files that these need, and no others.

        Raises:
            LakeError: when a file cannot be read.
        """
        site_days = self._site_days(days)
        wanted = {*days, *(key.isoformat() for day in site_days for key in day.partitions)}
        landed = sorted(wanted & self.partitions)
        try:
            mart = function(
                landed_rows(self._lake, landed, self.states),
                self.sites,
                [date.fromisoformat(day) for day in days],
                landed=[date.fromisoformat(key) for key in landed],
                timezone=self.timezone,
            )
        except duckdb.Error as error:
            raise LakeError(f"landed transactions cannot be read ({error}); restore or materialize them") from error
        return self._without_unread_sites(mart, site_days, landed)

    def require(self, recipe: Recipe, days: Sequence[str]) -> dict[str, list[str]]:
        """As `landed_for`, where each day can be computed at least in part.

        Raises:
            NotLandedError: naming the days of which nothing can be.
        """
        landed = self.landed_for(recipe, days)
        if missing := [day for day, partitions in landed.items() if not partitions]:
            raise NotLandedError(
                f"{TRANSACTIONS}: not landed: {', '.join(missing)}; materialize "
                f"{'it' if len(missing) == 1 else 'them'} first"
            )
        return landed

    def _stamp(self, recipe: Recipe, partition: str) -> str:
        """Tells one state of the files that a mart reads from another without reading them.

        Raises:
            LakeError: when one is not there.
        """
        assets = [TRANSACTIONS, STATES] if recipe.by_site_day and partition in self.states else [TRANSACTIONS]
        stamps = []
        for asset in assets:
            version = self._lake.version(asset, partition)
            if version is None:
                path = self._lake.path(asset, partition)
                raise LakeError(f"{path} cannot be read (it is gone); restore it or materialize it again")
            stamps.append(version)
        return " ".join(stamps)

    def _held(self, recipe: Recipe, partition: str) -> list[Any]:
        """Rows of a partition; and the sites that it was read for, where days of others are left out."""
        if not recipe.by_site_day:
            return [self.content(recipe, partition)]
        version = self._stamp(recipe, partition)
        return [self.content(recipe, partition), _sites(str(self._lake.root), partition, version)]

    def _site_days(self, days: Iterable[str]) -> list[SiteDay]:
        return partitions_needed([date.fromisoformat(day) for day in days], self.sites, self.timezone)

    def _without_unread_sites(self, mart: Mart, site_days: Collection[SiteDay], landed: Iterable[str]) -> Mart:
        """Take out site days whose partitions are landed for other sites only, and name them as missing."""
        partial = {date.fromisoformat(key): sites for key in landed if (sites := landed_sites(self._lake, key))}
        if not partial:
            return mart
        unread = {
            (day.site, day.business_date): tuple(
                key for key in day.partitions if key in partial and day.site not in partial[key]
            )
            for day in site_days
        }
        named = {(one.site, one.business_date) for one in mart.missing}
        lacking = tuple(
            MissingDay(site, day, keys) for (site, day), keys in unread.items() if keys and (site, day) not in named
        )
        pairs = zip(mart.table["site"].to_pylist(), mart.table["business_date"].to_pylist(), strict=True)
        return Mart(mart.table.filter(pa.array([not unread.get(pair) for pair in pairs], pa.bool_())), (
            *mart.missing, *lacking,
        ))  # fmt: skip


def metadata_of(digest: str, remembered: Mapping[str, Any], missing: Iterable[MissingDay] = ()) -> dict[str, str]:
    """What a mart's file says of its making."""
    return {
        INPUT_DIGEST: digest,
        INPUTS: json.dumps(remembered),
        MISSING: json.dumps([str(day) for day in missing]),
    }


def missing_site_days(lake: Lake, asset: str, day: str) -> list[str]:
    """Site days that a landed mart lacks, in sentences.

    Raises:
        NotLandedError: when the mart's day is not landed.
        LakeError: when its file cannot be read.
    """
    found: list[str] = json.loads(lake.metadata(asset, day).get(MISSING, "[]"))
    return found


@lru_cache(maxsize=4096)
def _content(root: str, partition: str, version: str, with_states: bool) -> str:  # noqa: ARG001 - part of the key
    return content_digest(landed_rows(Lake(root), [partition], [partition] if with_states else ()))


@lru_cache(maxsize=4096)
def _sites(root: str, partition: str, version: str) -> list[str] | None:  # noqa: ARG001
    sites = landed_sites(Lake(root), partition)
    return None if sites is None else sorted(sites)


# Several marts ask for the same days one after the other. Zones and stamps are part of what is remembered.
@lru_cache(maxsize=8)
def _site_day_digests(
    root: str,
    timezone: str,
    zones: str,  # noqa: ARG001
    days: tuple[str, ...],
    stamps: tuple[tuple[str, str], ...],  # noqa: ARG001
    states: frozenset[str],
) -> tuple[tuple[str, str], ...]:
    return tuple(MartInputs(Lake(root), timezone, states).site_day_digests(days).items())


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
