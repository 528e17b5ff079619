"""What the file of the day so far says of itself: how far each site is read, and how right earlier figures were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from sonnys_pipeline.calendar.business_days import SiteDay

#: Stands for all sites where load jobs name none.
ALL_SITES = "*"
#: Local hour until which "how far off was it in the evening" is measured.
EVENING_HOUR = 20


class _Kept(BaseModel):
    """A record that is stored as JSON."""

    model_config = ConfigDict(frozen=True)


class Sums(_Kept):
    """Rows, cars and sales (dollars) of one or more sites."""

    rows: int = 0
    cars: int = 0
    sales: Decimal = Decimal(0)

    @classmethod
    def of(cls, hours: Iterable[Mapping[str, Any]], before: int = 24) -> Self:
        """The sum of rows of `SITE_HOURS_SO_FAR` whose local hour is below `before`."""
        found = [hour for hour in hours if hour["hour"] < before]
        return cls(
            rows=sum(hour["transactions"] for hour in found),
            cars=sum(hour["total_cars"] for hour in found),
            sales=sum((Decimal(hour["sales"]) for hour in found), Decimal(0)),
        )

    def __add__(self, other: Sums) -> Sums:
        return Sums(rows=self.rows + other.rows, cars=self.cars + other.cars, sales=self.sales + other.sales)


class SiteRead(_Kept):
    """How far a site is read.

    Attributes:
        since, as_of: every row completed in `[since, as_of)` that the API had at the last look is in the file, if it
            belongs to the site's present business day.
        quiet: whether the last look found no new row, so that the next one counts before it reads.
    """

    since: datetime
    as_of: datetime
    quiet: bool = False

    def covers(self, day: SiteDay) -> bool:
        """Whether a business day is read from its begin."""
        return self.since <= day.start < self.as_of


class Shown(_Kept):
    """Figures as they were shown, kept until the day is landed: the last ones, and those up to the evening hour."""

    site: str
    business_date: date
    as_of: datetime
    last: Sums
    evening: Sums | None = None


class Accuracy(_Kept):
    """Figures as they were shown beside those of the landed day, over the sites that had them.

    `at` is `20:00` (both sides up to that local hour) or `close` (the last look of the day against the whole day).
    """

    business_date: date
    at: str
    sites: int
    shown: Sums
    landed: Sums


class TodayState(_Kept):
    """State of the file.

    Attributes:
        looked_at: when the last look that read something began.
        requests: what it cost.
        problems: sites that it could not read, in sentences.
        sites: by folded code, or `ALL_SITES`.
        devices: the site (folded code) of each sales device, whose number ends the ids of its rows (contract, L16);
            empty for a device that was seen at two sites.
        shown: of days that are not landed yet.
        accuracy: of the last days, the newest last.
    """

    looked_at: datetime | None = None
    requests: int = 0
    problems: tuple[str, ...] = ()
    sites: dict[str, SiteRead] = {}
    devices: dict[str, str] = {}
    shown: tuple[Shown, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()

    def of_site(self, code: str) -> SiteRead | None:
        """How far a site (folded code) is read."""
        return self.sites.get(code) or self.sites.get(ALL_SITES)
