"""The check that landed days are verified as the policy says. It reads only the lake, and costs no request."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import dagster as dg

from sonnys_pipeline.config.revisit import RevisitPolicy
from sonnys_pipeline.doctor.coverage import spans
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.verified import verifications
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.automation.verify import VERIFY_SCHEDULE, overdue_before
from sonnys_pipeline.orchestration.checks.evaluations import ABOUT
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.revisit.policy import due_look

_ASSET = "transactions"


def verified_checks(
    timezone: str,
    account: Account = ONLY,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Sequence[dg.AssetChecksDefinition]:
    """The check of an account; `now` gives an aware instant."""
    asset = account.key(_ASSET)

    @dg.asset_check(
        asset=asset,
        name="verified",
        description="Landed days were compared with the API again as SONNYS_REVISIT says, and none differs unrepaired.",
    )
    def verified(lake: LakeResource) -> dg.AssetCheckResult:
        try:
            workspace = account.workspace(lake)
            today = now().astimezone(ZoneInfo(timezone)).date()
            return _verified(workspace.lake.snapshot(), workspace.settings.revisit, timezone, today)
        except EXPECTED as error:
            raise as_failure(error) from error

    return [verified]


def _verified(lake: Lake, policy: RevisitPolicy, timezone: str, today: date) -> dg.AssetCheckResult:
    days = lake.partitions(_ASSET)
    looks = verifications(lake, timezone, days)
    differing = [day for day in days if looks.open_difference(day)]
    overdue = [day for day in days if due_look(policy, day, overdue_before(today), looks, timezone)]
    late = [day for day in overdue if day not in differing]
    last = [look.verified_at for day in days if (look := looks.complete_as_of(day)) is not None]
    said = []
    if differing:
        said.append(f"differ from the API and were not read again: {spans(differing)}")
    if late:
        said.append(f"not verified as SONNYS_REVISIT says: {spans(late)}")
    remedy = f"; run `sonnys verify --repair`, and switch on the schedule {VERIFY_SCHEDULE}"
    return dg.AssetCheckResult(
        passed=not said,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(said) + remedy if said else f"every landed day is verified as the policy says: {policy}",
        metadata={
            ABOUT: "all days, not only those of the run",
            "days": sorted({*differing, *late}),
            "policy": str(policy),
            **({"complete_as_of": dg.MetadataValue.timestamp(min(last))} if last else {}),
        },
    )
