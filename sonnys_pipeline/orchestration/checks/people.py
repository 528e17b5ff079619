"""Checks of what people did and of memberships; they warn, since the lists are landed as the API has them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS, CUSTOMERS
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, STATUS_CHANGES
from sonnys_pipeline.landing.sites.history import ASSET as SITES
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.people import implausible_shifts, unknown_sites, unlisted_customers
from sonnys_pipeline.quality.result import Finding

#: Newest landed days that a check looks at; each morning reads as many again.
_DAYS = 12


def people_checks(account: Account = ONLY) -> Sequence[dg.AssetChecksDefinition]:
    """The checks of an account."""

    @dg.asset_check(asset=account.key(CLOCK_ENTRIES.asset), name="plausible_shifts")
    def plausible_shifts(lake: LakeResource) -> dg.AssetCheckResult:
        """Of the newest landed days: shifts end after they begin, within 16 hours, and do not overlap."""

        def look(landed: Lake) -> Finding:
            rows = landed.read(CLOCK_ENTRIES.asset, landed.partitions(CLOCK_ENTRIES.asset)[-_DAYS:])
            return implausible_shifts(rows, max(rows["read_at"].to_pylist(), default=datetime.now(UTC)))

        return _result(account, lake, look, [], "shifts are plausible")

    @dg.asset_check(asset=account.key(STATUS_CHANGES.asset), name="known_sites")
    def known_sites(lake: LakeResource) -> dg.AssetCheckResult:
        """Of the newest landed days: each change of status is of a site that was listed at some time."""

        def look(landed: Lake) -> Finding:
            rows = landed.read(STATUS_CHANGES.asset, landed.partitions(STATUS_CHANGES.asset)[-_DAYS:])
            return unknown_sites(rows, "site_code", landed.read(SITES)["code"].to_pylist())

        return _result(account, lake, look, [SITES], "changes are of listed sites")

    @dg.asset_check(
        asset=account.key(ACCOUNTS.asset), name="known_customers", additional_deps=[account.key(CUSTOMERS.asset)]
    )
    def known_customers(lake: LakeResource) -> dg.AssetCheckResult:
        """Each present membership's customer is, or was, in the list of customers."""

        def look(landed: Lake) -> Finding:
            return unlisted_customers(landed.read(ACCOUNTS.asset), landed.read(CUSTOMERS.asset))

        return _result(account, lake, look, [ACCOUNTS.asset, CUSTOMERS.asset], "memberships have a listed customer")

    return [plausible_shifts, known_sites, known_customers]


def _result(
    account: Account, lake: LakeResource, look: Callable[[Lake], Finding], needed: Sequence[str], passed: str
) -> dg.AssetCheckResult:
    try:
        landed = account.workspace(lake).lake
        lacking = [asset for asset in needed if not landed.has(asset)]
        found = Finding(0, unchecked=tuple(f"{asset} is not landed" for asset in lacking)) if lacking else look(landed)
    except EXPECTED as error:
        raise as_failure(error) from error
    return dg.AssetCheckResult(
        passed=found.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(found.sentences) or f"{found.checked} {passed}",
        metadata={"checked": found.checked, "found": found.count, "problems": found.sentences},
    )
