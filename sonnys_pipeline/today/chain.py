"""The sites of an account and the business day that each has now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from sonnys_pipeline.calendar.business_days import SiteDay, partitions_needed, site_days_at
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import SITES

_NONE = pa.table({name: pa.array([], pa.string()) for name in ("code", "name", "timezone")})
_ANY = pa.table({"code": [""], "timezone": pa.nulls(1, pa.string())})


@dataclass(frozen=True)
class Chain:
    """The listed sites and their business days at an instant.

    Attributes:
        sites: rows of `sites`; empty if the list is not landed.
        timezone: of the pipeline; sites without a zone follow it.
        days: each site's business day, by folded code.
        usual: that of a site that is not listed.
    """

    sites: pa.Table
    timezone: str
    days: Mapping[str, SiteDay]
    usual: SiteDay

    @classmethod
    def at(cls, now: datetime, lake: Lake, timezone: str) -> Chain:
        """The chain at an aware instant, by the landed list. Raises LakeError if it cannot be read."""
        sites = lake.read(SITES) if lake.has(SITES) else _NONE
        days = {fold(code): day for code, day in site_days_at(now, sites, timezone).items()}
        return cls(sites, timezone, days, site_days_at(now, _ANY, timezone)[""])

    def day(self, code: str) -> SiteDay:
        """The business day of a site, in any spelling."""
        return self.days.get(fold(code), self.usual)

    def zone(self, code: str) -> ZoneInfo:
        """The zone of a site's days."""
        return ZoneInfo(self.day(code).timezone)

    def first_start(self) -> SiteDay:
        """The business day that began first."""
        return min([*self.days.values(), self.usual], key=lambda day: day.start)

    def partitions(self, dates: frozenset[date]) -> frozenset[date]:
        """The daily partitions that business days of any site lie in."""
        return dates | {key for one in partitions_needed(dates, self.sites, self.timezone) for key in one.partitions}
