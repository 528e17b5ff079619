"""Whether edits of landed days come later than days are looked at again."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from sonnys_pipeline.lake.changes import CHANGES, landed_changes
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.transaction_changes import edits_metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.late_edits import Looks, late_edits

#: Reading dates that are examined, so that one late edit is not a finding for ever.
_RECENT = timedelta(days=35)


def changes_check(account: Account = ONLY, looks: Looks | None = None) -> dg.AssetChecksDefinition:
    """The check of `transaction_changes`; `looks` are the ages at which landed days are looked at."""

    @dg.asset_check(asset=account.key(CHANGES))
    def edits_within_policy(lake: LakeResource) -> dg.AssetCheckResult:
        """Edits of the last weeks came no later than days are looked at again; later ones are found by chance."""
        try:
            since = datetime.now(UTC).date() - _RECENT
            found = late_edits(landed_changes(account.workspace(lake).lake, since.isoformat()), looks)
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.AssetCheckResult(
            passed=not found.too_late,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(found.sentences),
            metadata=edits_metadata(found),
        )

    return edits_within_policy
