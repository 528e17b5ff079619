"""Checks that block: what must hold of landed files before anything is computed from them."""

from collections.abc import Sequence

import dagster as dg

from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.checks.evaluations import days_of, evaluation
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.invariants import incomplete_or_repeated, outside


def landing_checks(timezone: str, account: Account = ONLY) -> Sequence[dg.AssetChecksDefinition]:
    """Checks of `transactions`; blocking, so that nothing is computed from a day that does not hold."""

    @dg.asset_check(asset=account.key("transactions"), blocking=True)
    def complete_and_unique(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """Ids are unique across the days of the run, and each day has as many rows as the API promised."""
        try:
            landed = account.workspace(lake).lake
            found = incomplete_or_repeated(landed, days_of(context, landed))
        except EXPECTED as error:
            raise as_failure(error) from error
        good = "ids are unique, and the rows are as many as the API promised"
        return evaluation(context, context.check_specs[0].key, found, dg.AssetCheckSeverity.ERROR, good=good)

    @dg.asset_check(asset=account.key("transactions"), blocking=True)
    def inside_the_day(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """All rows were completed on their day, from one local midnight to the next."""
        try:
            landed = account.workspace(lake).lake
            found = outside(landed, days_of(context, landed), timezone)
        except EXPECTED as error:
            raise as_failure(error) from error
        good = "no row belongs to another day"
        return evaluation(context, context.check_specs[0].key, found, dg.AssetCheckSeverity.ERROR, good=good)

    return [complete_and_unique, inside_the_day]
