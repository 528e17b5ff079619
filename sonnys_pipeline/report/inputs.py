"""What a daily report is computed from: the days that it shows, and one digest of them all.

A page is outdated when its digest is no longer that of its inputs. The digest is made of the metadata of the marts'
files, so that no rows are read: for the report's own day of the rows that were counted (tenders, hours and discounts
are shown, too), for the days that it compares with of their figures only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, timedelta

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY_ASSET
from sonnys_pipeline.marts.incremental.inputs import FIGURES_DIGEST, INPUT_DIGEST, ITEM_RECIPE, SITE_DAY_RECIPE
from sonnys_pipeline.marts.members.landed import MOVEMENT
from sonnys_pipeline.marts.people.entries import entries_digest
from sonnys_pipeline.report.build import HISTORY_DAYS

#: The mart with the figures of every day that a report shows.
MART = SITE_DAY_RECIPE.asset
#: Most days before a report's own that it can show: two months of 31 days, for the month to date and the one before.
FARTHEST = 61
_DAY = timedelta(days=1)


def days_shown(business_date: date) -> Sequence[date]:
    """Days of the figures in a report, in order: trend, four weeks, week and month to date and those before them."""
    month_before = (business_date.replace(day=1) - _DAY).replace(day=1)
    first = min(business_date - (HISTORY_DAYS - 1) * _DAY, month_before)
    return [first + back * _DAY for back in range((business_date - first).days + 1)]


class ShownMarts:
    """Digests of what reports are computed from; each file's metadata is read once.

    Args:
        lake: the lake as it is now; pass a snapshot to examine many days.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._figures: dict[tuple[str, date], str] = {}
        self._labor: dict[date, str] = {}

    def digest(self, business_date: date) -> str:
        """Digest of all that a day's report shows; empty if the mart of the day itself does not exist.

        Raises:
            LakeError: the metadata of the day's own mart cannot be read.
        """
        own = self._metadata(business_date).get(INPUT_DIGEST, "")
        if not own:
            return ""
        earlier = [self._figures_of(day) for day in days_shown(business_date)[:-1]]
        members = [self._figures_of(day, MOVEMENT) for day in (business_date, business_date - 7 * _DAY)]
        labor = [self._labor_of(day) for day in (business_date, business_date - 7 * _DAY)]
        # What was sold on the day itself is in the digest of its rows.
        items = [self._figures_of(business_date - 7 * _DAY, ITEM_RECIPE.asset)]
        washes = [self._figures_of(day, WASH_FREQUENCY_ASSET) for day in (business_date, business_date - 7 * _DAY)]
        # Pages without these keep the digest that they have.
        lists = [found for found in (members, labor, items, washes) if any(found)]
        shown = [own, *earlier, *(one for found in lists for one in found)]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:32]

    def _labor_of(self, day: date) -> str:
        if day not in self._labor:
            try:
                self._labor[day] = entries_digest(self._lake, day.isoformat())
            except UnreachableLakeError:
                raise
            except LakeError:
                self._labor[day] = "unreadable"
        return self._labor[day]

    def _figures_of(self, day: date, mart: str = MART) -> str:
        if (mart, day) not in self._figures:
            try:
                found = self._metadata(day, mart)
            except UnreachableLakeError:
                raise
            except LakeError:
                found = {FIGURES_DIGEST: "unreadable"}
            # Marts of earlier versions have no digest of their figures.
            self._figures[mart, day] = found.get(FIGURES_DIGEST) or found.get(INPUT_DIGEST, "")
        return self._figures[mart, day]

    def _metadata(self, day: date, mart: str = MART) -> dict[str, str]:
        key = day.isoformat()
        return self._lake.metadata(mart, key) if self._lake.has(mart, key) else {}
