"""Which site a code means on a day, and on which local day of a site an instant falls."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import SiteHistory, SiteSpan
from sonnys_pipeline.runtime.text import fold


class Places:
    """The sites by their codes, in any spelling and of any time.

    Args:
        sites: rows of `sites`, as `SiteHistory` reads them.
        timezone: the account's zone, for sites that are unknown or have none.
    """

    def __init__(self, sites: pa.Table, timezone: str) -> None:
        self.timezone = timezone
        self._spans: dict[str, list[SiteSpan]] = {}
        for span in SiteHistory(sites, timezone).spans():
            self._spans.setdefault(span.name, []).append(span)

    def on(self, code: str | None, day: date) -> tuple[str, str]:
        """The site's present code on a local day, and its zone; a code that no list has stands for itself."""
        spans = self._spans.get(fold(code), ())
        return next(
            ((span.site, span.timezone) for span in spans if day <= span.last_date), (code or "", self.timezone)
        )

    def day_of(self, code: str | None, instant: datetime) -> date:
        """The local day of an aware instant at a site."""
        for span in self._spans.get(fold(code), ()):
            if (span.start is None or span.start <= instant) and (span.end is None or instant < span.end):
                return min(instant.astimezone(ZoneInfo(span.timezone)).date(), span.last_date)
        return instant.astimezone(ZoneInfo(self.timezone)).date()
