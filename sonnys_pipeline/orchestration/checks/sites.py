"""The check of `sites`: whether the newest list was taken, and nothing has to be asked about it."""

from collections.abc import Sequence

import dagster as dg

from sonnys_pipeline.landing.sites.history import landed_sites_of
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource


def site_checks(account: Account = ONLY) -> Sequence[dg.AssetChecksDefinition]:
    """The check; it warns, since past figures are counted with what was valid then."""

    @dg.asset_check(asset=account.key("sites"), name="site_list")
    def site_list(lake: LakeResource) -> dg.AssetCheckResult:
        """The newest list of sites was taken, and each new code is known to be a new site or an old one."""
        try:
            problems = landed_sites_of(account.workspace(lake).lake).problems
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.AssetCheckResult(
            passed=not problems,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(problems) or "the newest list was taken, and asks nothing",
            metadata={"problems": problems},
        )

    return [site_list]
