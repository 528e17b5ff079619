"""Checks of what people did and of memberships; they warn, since the lists are landed as the API has them."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS, CUSTOMERS
from sonnys_pipeline.landing.facts.tables import BILLINGS, CLOCK_ENTRIES, STATUS_CHANGES
from sonnys_pipeline.landing.sites.history import ASSET as SITES
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.members import charged_otherwise, redeemed_without_account
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

    @dg.asset_check(
        asset=account.key(ACCOUNTS.asset), name="members_redeem", additional_deps=[account.key(TRANSACTIONS)]
    )
    def members_redeem(lake: LakeResource) -> dg.AssetCheckResult:
        """Of the newest landed day: who redeemed a membership's wash had an active one, as far as they are known."""

        def look(landed: Lake) -> Finding:
            days = landed.partitions(TRANSACTIONS)
            if not days:
                return Finding(0, unchecked=(f"no day of {TRANSACTIONS} is landed",))
            accounts = landed.read(ACCOUNTS.asset)
            rows = landed.read(TRANSACTIONS, days[-1:], ["id", "customer_id", "is_recurring_redemption"])
            day = date.fromisoformat(days[-1])
            return redeemed_without_account(rows, accounts, day, _left(landed, [day, day + timedelta(days=1)]))

        return _result(account, lake, look, [], "redemptions are of active members")

    @dg.asset_check(asset=account.key(BILLINGS.asset), name="agreed_amounts")
    def agreed_amounts(lake: LakeResource) -> dg.AssetCheckResult:
        """Of the newest landed days: each charge is of an amount that the membership had at some time."""

        def look(landed: Lake) -> Finding:
            charges = landed.read(BILLINGS.asset, landed.partitions(BILLINGS.asset)[-_DAYS:])
            return charged_otherwise(charges, landed.read(ACCOUNTS.asset))

        return _result(account, lake, look, [ACCOUNTS.asset], "charges are as agreed")

    return [plausible_shifts, known_sites, known_customers, members_redeem, agreed_amounts]


def _left(landed: Lake, days: Sequence[date]) -> set[str]:
    """Numbers of memberships that ceased to be active on landed days."""
    keys = [day.isoformat() for day in days if landed.has(STATUS_CHANGES.asset, day.isoformat())]
    if not keys:
        return set()
    rows = landed.read(STATUS_CHANGES.asset, keys, ["washbook_account_id", "old_status"]).to_pylist()
    return {row["washbook_account_id"] for row in rows if row["old_status"] == "Active"}


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
