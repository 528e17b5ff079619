"""The check of `items`: whether each item has a price that sales can be compared with."""

from collections.abc import Sequence

import dagster as dg

from sonnys_pipeline.landing.dimensions.tables import ITEMS
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.items import unpriced


def dimension_checks(account: Account = ONLY) -> Sequence[dg.AssetChecksDefinition]:
    """The check; it warns, since the list is landed as the API has it."""

    @dg.asset_check(asset=account.key(ITEMS.asset), name="item_prices")
    def item_prices(lake: LakeResource) -> dg.AssetCheckResult:
        """Each listed item has a price of 0 or more, unless it is priced at the sale."""
        try:
            found = unpriced(account.workspace(lake).lake.read(ITEMS.asset))
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.AssetCheckResult(
            passed=found.passed,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(found.sentences) or f"{found.checked} items have a price",
            metadata={"checked": found.checked, "without_price": found.count, "problems": found.sentences},
        )

    return [item_prices]
