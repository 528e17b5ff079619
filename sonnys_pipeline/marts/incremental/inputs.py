"""The inputs of a mart: landed `transactions`, their states, the sites, and digests of these.

A file with some sites only counts as landed for those sites, not as zero for the others. New or changed states make a
mart by site day stale if they add something to the rows; flat tables do not use them.
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

from sonnys_pipeline.calendar.business_days import NEAR, MissingDay, SiteDay, partitions_needed, site_day
from sonnys_pipeline.calendar.site_history import SiteHistory, SiteZone, columns_of_sites
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import DUCKDB, CountedRows, Engine
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.marts.digests import content_digest, site_day_digests
from sonnys_pipeline.marts.people.entries import entries_digest, read_entries
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES, ClockedDays
from sonnys_pipeline.marts.site_days import Mart

TRANSACTIONS, SITES = "transactions", "sites"
#: Metadata of a mart's file: digest of the counted rows, versions of the input files, missing site days.
INPUT_DIGEST, INPUTS, MISSING = "input_digest", "inputs", "missing"
#: Likewise: digest of the mart's own rows and missing site days, for pages that show its figures.
FIGURES_DIGEST = "figures_digest"
#: Within `INPUTS`, the clock entries; not there if none are landed.
_LABOR = "clock_entries"

#: A KPI function, such as `kpis.site_day_kpis`.
CountDays = Callable[..., Mart]

_NO_SITES = pa.table({"code": pa.array([], pa.string()), "timezone": pa.array([], pa.string())})


@dataclass(frozen=True)
class Recipe:
    """How a mart is computed.

    Attributes:
        asset: the mart.
        version: of its definition; a new one makes all its files stale.
        by_site_day: whether its partitions are site-local business days, counted from rows with their states; else they
            are the days of `transactions`, counted from the rows alone.
        with_labor: whether it has figures of `clock_entries`, of its day and the one before.
    """

    asset: str
    version: str
    by_site_day: bool
    with_labor: bool = False


#: The mart whose figures reports show; raise the version when figures become others.
SITE_DAY_RECIPE = Recipe("site_day_kpis", "3", by_site_day=True)
#: Likewise, of what was sold.
ITEM_RECIPE = Recipe("item_mix", "1", by_site_day=True)


class MartInputs:
    """What is landed at this moment.

    Attributes:
        partitions: landed days of `transactions`.
        states: days of `transaction_states` to read.
        sites: the columns of `sites` that `history` is made of; empty if it is not landed.
        history: the sites by validity: a mart's day is made of those that were valid then.
        sites_are_landed: whether it is; if not, every site follows the pipeline's zone.
        timezone: the pipeline's zone.
    """

    def __init__(
        self, lake: Lake, timezone: str, states: Collection[str] | None = None, *, engine: Engine = DUCKDB
    ) -> None:
        """List what is landed; `states` defaults to all landed days. Raises LakeError if `sites` cannot be read.

        `engine` counts the marts. Digests are counted with DuckDB, so that another engine does not make marts stale.
        """
        self._lake = lake
        self._engine = engine
        self.timezone = timezone
        self.partitions = frozenset(lake.partitions(TRANSACTIONS))
        self.states = frozenset(lake.partitions(STATES) if states is None else states)
        self.sites_are_landed = lake.has(SITES)
        self.sites = _NO_SITES
        if self.sites_are_landed:
            landed = lake.read(SITES)
            self.sites = landed.select(columns_of_sites(landed.column_names))
        self.history = SiteHistory(self.sites, timezone)
        self._zones: dict[tuple[int, int], str] = {}
        self._by_zone: dict[tuple[int, int], list[tuple[SiteZone, str]]] = {}

    def zones(self, day: str) -> str:
        """Digest of the sites that are valid on a business day and the next one, whose midnights bound it."""
        first = date.fromisoformat(day)
        days = (first, first + timedelta(days=1))
        epochs = self.history.epoch(days[0]), self.history.epoch(days[1])
        if epochs not in self._zones:
            found = [
                [(site.site, site.timezone, site.is_physical) for site in self.history.on(one)]
                for one in (days if epochs[0] != epochs[1] else days[:1])
            ]
            self._zones[epochs] = _digest([self.timezone, found])
        return self._zones[epochs]

    @cached_property
    def _all_zones(self) -> str:
        """Digest of the whole history."""
        return _digest([self.timezone, [str(row) for row in self.sites.to_pylist()]])

    def _zone_days(self, day: date) -> Iterable[SiteDay]:
        """Business days of one site for each zone, since only the zones decide on a business day's partitions.

        0.1 s instead of 8 s for two years of 500 sites, twice a minute for each mart.
        """
        epochs = self.history.epoch(day), self.history.epoch(day + timedelta(days=1))
        if epochs not in self._by_zone:
            zones = {(site.timezone, self.history.end_zone(site, day)): site for site in self.history.on(day)}
            self._by_zone[epochs] = [(site, end_zone) for (_, end_zone), site in zones.items()]
        return (site_day(site, day, end_zone, self.timezone) for site, end_zone in self._by_zone[epochs])

    def landed_for(self, recipe: Recipe, days: Iterable[str]) -> dict[str, list[str]]:
        """The landed partitions that each day is computed from; none if nothing of it can be computed."""
        if not recipe.by_site_day:
            return {day: [day] if day in self.partitions else [] for day in days}
        dates = {day: date.fromisoformat(day) for day in days}
        needed: dict[str, set[str]] = {day: {day} & self.partitions for day in dates}
        near = [day for day in dates.values() if any((day + shift).isoformat() in self.partitions for shift in NEAR)]
        for of_zone in (one for day in near for one in self._zone_days(day)):
            keys = {partition.isoformat() for partition in of_zone.partitions}
            if keys <= self.partitions:
                needed[of_zone.business_date.isoformat()] |= keys
        return {day: sorted(keys) for day, keys in needed.items()}

    def rows(self, recipe: Recipe, partitions: Sequence[str]) -> CountedRows:
        """The rows of partitions as a mart counts them, read lazily. Raises LakeError if a file cannot be read."""
        return self._engine.rows(self._lake, partitions, self.states if recipe.by_site_day else ())

    def content(self, recipe: Recipe, partition: str) -> str:
        """Digest of a partition's rows as a mart counts them; cached by the version of its files.

        Raises:
            LakeError: a file cannot be read.
        """
        return self._content_at(recipe, partition, self._version(recipe, partition))

    def _content_at(self, recipe: Recipe, partition: str, version: str) -> str:
        with_states = recipe.by_site_day and partition in self.states
        try:
            return _content(str(self._lake.root), partition, version, with_states)
        except (duckdb.Error, OSError) as error:
            path = self._lake.path(TRANSACTIONS, partition)
            raise LakeError(f"{path} cannot be read ({error}); restore it or materialize it again") from error

    def recorded_inputs(self, recipe: Recipe, day: str, partitions: Iterable[str]) -> dict[str, Any]:
        """Description of the inputs of a mart's day, for its file's metadata and `are_unchanged`.

        Raises:
            LakeError: a file cannot be read.
        """
        labor = self._labor(recipe, day)
        files = {}
        for key in partitions:
            version = self._version(recipe, key)  # first, so that a file that is replaced meanwhile counts as newer
            files[key] = [version, *self._content_and_sites(recipe, key, version)]
        zones = self.zones(day) if recipe.by_site_day else ""
        return {"version": recipe.version, "zones": zones, "files": files, **({_LABOR: labor} if labor else {})}

    def are_unchanged(self, recipe: Recipe, day: str, partitions: Sequence[str], kept: Mapping[str, Any]) -> bool:
        """Whether a day's inputs have the same rows and sites as when it was computed; reads rows of newer files only.

        Raises:
            LakeError: a file cannot be read.
        """
        files = kept.get("files", {})
        return (
            kept.get("zones") == (self.zones(day) if recipe.by_site_day else "")
            and kept.get(_LABOR, []) == self._labor(recipe, day)
            and sorted(files) == list(partitions)
            and all(
                files[key][0] == (version := self._version(recipe, key))
                or files[key][1:] == self._content_and_sites(recipe, key, version)
                for key in files
            )
        )

    def state(self, recipe: Recipe, day: str, partitions: Iterable[str]) -> str:
        """Digest of the versions of the input files of a mart's day, without reading rows.

        Raises:
            LakeError: a file no longer exists.
        """
        versions = [[key, self._version(recipe, key)] for key in partitions]
        zones = self.zones(day) if recipe.by_site_day else ""
        return _digest([recipe.version, zones, versions, *self._labor(recipe, day)])[:16]

    def digests(self, recipe: Recipe, days: Sequence[str]) -> dict[str, str]:
        """Digest of the rows that each day's file counts, and of its site days.

        Raises:
            LakeError: a file cannot be read.
        """
        if not recipe.by_site_day:
            return {day: _digest([recipe.version, self.content(recipe, day)]) for day in days}
        read = sorted({key for keys in self.landed_for(recipe, days).values() for key in keys})
        versions = tuple((key, self._version(recipe, key)) for key in read)
        known = self.states.intersection(read)
        made = _site_day_digests(str(self._lake.root), self.timezone, self._all_zones, tuple(days), versions, known)
        return {day: _digest([recipe.version, digest, *self._labor(recipe, day)]) for day, digest in made}

    def site_day_digests(self, days: Sequence[str]) -> dict[str, str]:
        """As `digests`, without a mart's version and without a cache. Raises LakeError if a file cannot be read."""
        mart = MartInputs(self._lake, self.timezone, self.states).count(site_day_digests, days)
        parts: dict[str, list[Any]] = {day: [] for day in days}
        for row in mart.table.to_pylist():
            parts[row["business_date"].isoformat()].append([row["site"], row["rows"], row["digest"]])
        for one in self._site_days(days):
            parts[one.business_date.isoformat()].append(
                [one.site, one.is_physical, one.start.isoformat(), one.end.isoformat()]
            )
        for lacking in mart.missing:
            parts[lacking.business_date.isoformat()].append([lacking.site, [str(day) for day in lacking.missing]])
        return {day: _digest(found) for day, found in parts.items()}

    def count(self, function: CountDays, days: Sequence[str]) -> Mart:
        """Run a KPI function over business days, on the landed files that these need.

        Raises:
            LakeError: a file cannot be read.
        """
        site_days = self._site_days(days)
        wanted = {*days, *(key.isoformat() for day in site_days for key in day.partitions)}
        landed = sorted(wanted & self.partitions)
        dates = [date.fromisoformat(day) for day in days]

        def counted() -> Mart:
            rows = self._engine.rows(self._lake, landed, self.states)
            return function(
                rows, self.sites, dates, landed=[date.fromisoformat(key) for key in landed], timezone=self.timezone
            )

        try:
            mart = self._lake.consistently(counted)
        except duckdb.Error as error:
            raise LakeError(f"landed transactions cannot be read ({error}); restore or materialize them") from error
        return self._without_unread_sites(mart, site_days, landed)

    def clocked(self, days: Iterable[str]) -> ClockedDays:
        """The clock entries that days by hour are made of. Raises LakeError if a file cannot be read."""
        return read_entries(self._lake, [key for day in days for key in self._clocked_for(day)])

    def require(self, recipe: Recipe, days: Sequence[str]) -> dict[str, list[str]]:
        """As `landed_for`, but raises `NotLandedError` naming the days that cannot be computed even in part."""
        landed = self.landed_for(recipe, days)
        if missing := [day for day, partitions in landed.items() if not partitions]:
            raise NotLandedError(
                f"{TRANSACTIONS}: not landed: {', '.join(missing)}; materialize "
                f"{'it' if len(missing) == 1 else 'them'} first"
            )
        return landed

    @cached_property
    def _with_entries(self) -> frozenset[str]:
        """Days whose clock entries are landed."""
        return frozenset(self._lake.partitions(CLOCK_ENTRIES))

    def _clocked_for(self, day: str) -> list[str]:
        """Landed days of clock entries with hours of a day: its own, and the one before for shifts over midnight."""
        before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
        return [key for key in (before, day) if key in self._with_entries]

    def _labor(self, recipe: Recipe, day: str) -> list[list[str]]:
        """The clock entries of a day's mart with their digests. Raises LakeError if a file cannot be read."""
        landed = self._clocked_for(day) if recipe.with_labor else []
        return [[key, entries_digest(self._lake, key)] for key in landed]

    def _version(self, recipe: Recipe, partition: str) -> str:
        """Version of a partition's input files. Raises LakeError if one does not exist."""
        assets = [TRANSACTIONS, STATES] if recipe.by_site_day and partition in self.states else [TRANSACTIONS]
        versions = []
        for asset in assets:
            version = self._lake.version(asset, partition)
            if version is None:
                path = self._lake.path(asset, partition)
                raise LakeError(f"{path} cannot be read (it no longer exists); restore it or materialize it again")
            versions.append(version)
        return " ".join(versions)

    def _content_and_sites(self, recipe: Recipe, partition: str, version: str) -> list[Any]:
        """Digest of a partition's rows; for marts by site day with its sites, since days of others are missing."""
        content = self._content_at(recipe, partition, version)
        return [content, _sites(str(self._lake.root), partition, version)] if recipe.by_site_day else [content]

    def _site_days(self, days: Iterable[str]) -> list[SiteDay]:
        return partitions_needed([date.fromisoformat(day) for day in days], self.history, self.timezone)

    def _without_unread_sites(self, mart: Mart, site_days: Collection[SiteDay], landed: Iterable[str]) -> Mart:
        """Move site days whose partitions are landed for other sites only from the table to `missing`."""
        partial = {
            date.fromisoformat(key): frozenset(map(fold, sites))
            for key in landed
            if (sites := landed_sites(self._lake, key)) is not None
        }
        if not partial:
            return mart
        unread = {
            (day.site, day.business_date): tuple(
                key
                for key in day.partitions
                if key in partial and partial[key].isdisjoint({fold(day.site), *self.history.names_of(day.key)})
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


def metadata_of(
    digest: str, inputs: Mapping[str, Any], missing: Iterable[MissingDay] = (), rows: pa.Table | None = None
) -> dict[str, str]:
    """Metadata of a mart's file; `rows` are those of the file, if pages show their figures."""
    lacking = [str(day) for day in missing]
    kept = {INPUT_DIGEST: digest, INPUTS: json.dumps(inputs), MISSING: json.dumps(lacking)}
    if rows is not None:
        figures = [[str(value) for value in row.values()] for row in rows.to_pylist()]
        kept[FIGURES_DIGEST] = _digest([figures, lacking])
    return kept


def missing_site_days(lake: Lake, asset: str, day: str) -> list[str]:
    """Site days that a landed mart lacks, in sentences.

    Raises:
        NotLandedError: the mart's day is not landed.
        LakeError: its file cannot be read.
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


# Cached, because several marts ask for the same days; zones and versions are part of the key.
@lru_cache(maxsize=8)
def _site_day_digests(
    root: str,
    timezone: str,
    zones: str,  # noqa: ARG001
    days: tuple[str, ...],
    versions: tuple[tuple[str, str], ...],  # noqa: ARG001
    states: frozenset[str],
) -> tuple[tuple[str, str], ...]:
    return tuple(MartInputs(Lake(root), timezone, states).site_day_digests(days).items())


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
