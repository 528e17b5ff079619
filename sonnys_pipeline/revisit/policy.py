"""What the policy asks for: which look is due for a day, and what all looks cost (KT-01)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.config.revisit import Look, RevisitPolicy, age_of
from sonnys_pipeline.extract.events import LISTS_NEED_SITE
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.account_sites import knows
from sonnys_pipeline.landing.verified import Verifications

#: Requests for a page of a load job: the submission and one poll.
_PER_PAGE = 2
#: Landed days that tell sites and rows, for the price.
_SAMPLE = 7
#: Days that the API keeps, for the price.
_KEPT = 183


def due_look(policy: RevisitPolicy, day: str, today: date, looks: Verifications, timezone: str) -> Look | None:
    """The look that a landed day is due for; `today` is the local date of the pipeline's `timezone`.

    A rule of two looks a week divides a day's ages into slots of 3.5 days. A day is due if none of its looks that are
    as thorough fell into the present slot, or as long as a difference is neither repaired nor gone. So a sweep that
    did not run is made up for by the next one, and days of neighbouring ages are due on different mornings.
    """
    age = age_of(day, today)
    rule = policy.rule_for(age)
    if rule is None:
        return None
    if (found_by := looks.open_difference(day)) is not None:
        return min(rule.look, found_by, key=tuple(Look).index)
    last = looks.last(day, rule.look.satisfied_by)
    if last is None:
        return rule.look
    then = age_of(day, last.verified_at.astimezone(ZoneInfo(timezone)).date())
    return rule.look if rule.slot(age) > rule.slot(then) else None


@dataclass(frozen=True)
class Price:
    """Requests a day of each look, on average; `full` looks are those of the morning's run."""

    full: float
    states: float
    count: float

    @property
    def total(self) -> int:
        """All of them, rounded up."""
        return math.ceil(self.full + self.states + self.count)


def price_of_account(workspace: Workspace) -> Price:
    """What the policy costs an account with the sites and rows of its last landed days; zeros without any.

    Raises LakeError if a file cannot be read.
    """
    lake = workspace.lake
    days = lake.partitions(ASSET)[-_SAMPLE:]
    if not days:
        return Price(0, 0, 0)
    codes = lake.read(ASSET, days, ["location_code"])["location_code"].unique()
    if not len(codes):
        return Price(0, 0, 0)
    rows = sum(lake.rows(ASSET, day) for day in days) // (len(days) * len(codes))
    needs = knows(workspace.jobs, workspace.options.source.api_id_digest, LISTS_NEED_SITE)
    return price(workspace.settings.revisit, len(codes), rows, lists_need_site=needs)


def price(policy: RevisitPolicy, sites: int, rows: int, *, lists_need_site: bool = False) -> Price:
    """What a policy costs with `rows` a day at each of so many `sites` of one API id, nothing having changed.

    A full look costs two requests for each page of a site, its count, and its states; `lists_need_site`: lists name one
    site each. Lists over all sites are full pages but for the last one.
    """
    pages = sites * math.ceil(rows / PAGE_SIZE)
    listed = pages if lists_need_site else math.ceil(sites * rows / PAGE_SIZE)
    counted = sites if lists_need_site else 1
    each = {Look.FULL: _PER_PAGE * pages + counted + listed, Look.STATES: listed, Look.COUNT: counted}
    spent = dict.fromkeys(Look, 0.0)
    for age in range(1, _KEPT + 1):
        if rule := policy.rule_for(age):
            spent[rule.look] += each[rule.look] / float(rule.every)
    return Price(spent[Look.FULL], spent[Look.STATES], spent[Look.COUNT])
