"""A chain whose site list changes: days landed site by site, lists landed one after the other, a mart that follows."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.compute as pc

from sonnys_pipeline.client import Site
from sonnys_pipeline.client.models import TransactionJobItem, parse_rows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.landing.sites.history import land_sites
from sonnys_pipeline.marts.incremental.inputs import MartInputs, Recipe, metadata_of
from sonnys_pipeline.marts.incremental.staleness import stale_days
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.simulator.world.catalog import SiteSpec
from sonnys_pipeline.simulator.world.chain import World

RECIPE = Recipe("site_day_kpis", "1", by_site_day=True)
FIRST = date(2026, 3, 2)
#: 13 business days of three sites are 39 site days; UTC partitions reach a day further.
DATES = [FIRST + timedelta(days=number) for number in range(13)]
DAYS = [day.isoformat() for day in DATES]
PARTITIONS = [(FIRST + timedelta(days=number)).isoformat() for number in range(14)]
#: When the first list is read, and the next ones: after all days are landed.
LISTED_AT = datetime(2026, 3, 16, 6, tzinfo=UTC)


class ListedChain:
    """A lake of the simulated chain's days, its landed lists, and its `site_day_kpis`."""

    def __init__(self, lake: Lake, world: World) -> None:
        self.lake = lake
        self.world = world
        self.at = LISTED_AT

    def land_days(self, days: Iterable[str] = PARTITIONS, *, codes: Sequence[str] | None = None) -> None:
        """Land UTC days as the API has them now, of these sites (default: all listed ones)."""
        for day in days:
            start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
            windows, rows = [], []
            for code in [spec.code for spec in self.world.sites] if codes is None else codes:
                own = self.world.rows(start, start + timedelta(days=1) - timedelta(milliseconds=1), code)
                windows.append({"start": f"{day}T00:00:00Z", "site": code, "total": len(own), "cut_off": 0})
                rows += own
            table = to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS)
            metadata = {"windows": json.dumps(windows), "timezone": "UTC", "loaded_at": self.at.isoformat()}
            self.lake.land("transactions", table, partition=day, metadata=metadata)

    def read_list(self, *specs: SiteSpec, narrowed: bool = False, days_later: int = 1) -> None:
        """Land what `/site/list` says (default: what the world lists) a day after the list before."""
        listed = specs or self.world.sites
        self.at += timedelta(days=days_later)
        land_sites(self.lake, [listed_site(one) for one in listed], self.at, narrowed=narrowed)

    def follow(self) -> list[str]:
        """Compute the days of the mart that are stale; returns them."""
        inputs = MartInputs(self.lake, "UTC")
        found = stale_days(self.lake, inputs, RECIPE, DAYS)
        assert found.problems == ()
        stale = list(found.days)
        if stale:
            digests, read_from = inputs.digests(RECIPE, stale), inputs.require(RECIPE, stale)
            mart = inputs.count(site_day_kpis, stale)
            for day in stale:
                rows = mart.table.filter(pc.equal(mart.table["business_date"], date.fromisoformat(day)))
                lacking = [one for one in mart.missing if one.business_date.isoformat() == day]
                recorded = inputs.recorded_inputs(RECIPE, day, read_from[day])
                self.lake.land(RECIPE.asset, rows, partition=day, metadata=metadata_of(digests[day], recorded, lacking))
        return stale

    def figures(self) -> dict[tuple[str, date], dict[str, Any]]:
        """The mart's rows by site and business day."""
        rows = self.lake.read(RECIPE.asset, DAYS).to_pylist()
        return {(row.pop("site"), row.pop("business_date")): row for row in rows}

    def site_rows(self, code: str, timezone: str, day: date) -> list[Any]:
        """Rows of a site's business day, straight from the world, by no code of the product."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
        rows = self.world.rows(start, start + timedelta(days=3), code)
        zone = ZoneInfo(timezone)
        return [row for row in rows if datetime.fromisoformat(row["completeDate"]).astimezone(zone).date() == day]


def listed_site(spec: SiteSpec) -> Site:
    """An entry of `/site/list`."""
    return Site(site_id=spec.site_id, code=spec.code or None, name=spec.name, timezone=spec.timezone)


def zoned(spec: SiteSpec, timezone: str | None) -> SiteSpec:
    """The same site in another zone."""
    return replace(spec, timezone=timezone)
