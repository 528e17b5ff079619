"""Checks of the marts: whether every site's day could be counted, every figure be known, and members add up."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import dagster as dg

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import missing_site_days
from sonnys_pipeline.marts.members.balance import imbalances
from sonnys_pipeline.marts.members.landed import MOVEMENT
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.checks.evaluations import days_of, evaluation
from sonnys_pipeline.orchestration.events.metadata import reasons_of
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource


def mart_checks(account: Account = ONLY) -> Sequence[dg.AssetChecksDefinition]:
    """The checks of `site_day_kpis` and `membership_movement`; they warn, since what is in the tables is right."""

    @dg.asset_check(asset=account.key("site_day_kpis"))
    def every_site_counted(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """The business day of every site is counted; all the partitions that it needs are landed."""
        try:
            landed = account.workspace(lake).lake
            days = days_of(context, landed, "site_day_kpis")
            found = {day: missing_site_days(landed, "site_day_kpis", day) for day in days}
            begun = _begun_before(landed, found)
        except EXPECTED as error:
            raise as_failure(error) from error
        found = {day: [problem for problem in problems if problem not in begun] for day, problems in found.items()}
        good = "every site's day is counted"
        notes = [f"the first landed day, which begins earlier at other sites, is not whole: {'; '.join(begun)}"]
        key, warn = context.check_specs[0].key, dg.AssetCheckSeverity.WARN
        return evaluation(context, key, found, warn, good=good, notes=notes if begun else ())

    @dg.asset_check(asset=account.key("site_day_kpis"))
    def every_figure_known(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """No figure is null; a figure is null if the API did not send a field that it needs."""
        try:
            landed = account.workspace(lake).lake
            days = days_of(context, landed, "site_day_kpis")
            found = {day: reasons_of(landed.read("site_day_kpis", [day])) for day in days}
        except EXPECTED as error:
            raise as_failure(error) from error
        good = "every figure is known"
        return evaluation(context, context.check_specs[0].key, found, dg.AssetCheckSeverity.WARN, good=good)

    @dg.asset_check(asset=account.key(MOVEMENT))
    def members_add_up(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """Active members are those of the day before, plus and minus who came, went and switched; all are known."""
        try:
            landed = account.workspace(lake).lake
            found = {day: _of_members(landed, day) for day in days_of(context, landed, MOVEMENT)}
        except EXPECTED as error:
            raise as_failure(error) from error
        good = "members add up, and every figure is known"
        return evaluation(context, context.check_specs[0].key, found, dg.AssetCheckSeverity.WARN, good=good)

    return [every_site_counted, every_figure_known, members_add_up]


def _of_members(lake: Lake, day: str) -> list[str]:
    """What is not known of a day's members, and what does not add up with the day before, if that is landed."""
    rows = lake.read(MOVEMENT, [day])
    before = (date.fromisoformat(day) - timedelta(days=1)).isoformat()
    then = lake.read(MOVEMENT, [before]).to_pylist() if lake.has(MOVEMENT, before) else None
    return [*reasons_of(rows), *([] if then is None else imbalances(then, rows.to_pylist()))]


def _begun_before(lake: Lake, missing: Mapping[str, Sequence[str]]) -> list[str]:
    """Of the first landed day, the sites that need the day before it: they are east of the pipeline's zone."""
    first = min(lake.partitions("transactions"), default="")
    if first not in missing:
        return []
    earlier = date.fromisoformat(first) - timedelta(days=1)
    return [problem for problem in missing[first] if f"transactions not landed: {earlier};" in problem]
