"""Checks of all days: yesterday is not there; a day is about to leave the API unread; rows stay unsettled for weeks.

They look into the lake alone, at all days and not at those of a run, so they cost nothing and can run at any time. A
run that lands days takes them along, so that the UI shows how things stand; a message about it does not mention them.

Belongs here: these. Does not belong here: when they run (`automation.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial

import dagster as dg
import duckdb
from pydantic import Field

from sonnys_pipeline.analytics.quality import unsettled_rows
from sonnys_pipeline.batch.landing import is_landed
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.loading.days import first_kept_day, last_complete_day
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.automation import DAILY_HOUR
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.orchestration.verdicts import ABOUT

_ASSET = "transactions"
WATCH = "landing_watch"
_ALL_DAYS = "all days, whichever ones the run is about"
_LOOKS_FOR = {
    "freshness": "Whether yesterday is landed, two hours after it is due.",
    "ageing": "Days that are not landed and about to leave the API.",
    "settled": "Transactions that are unsettled a week after their day.",
}
#: How long the morning's run may take before yesterday counts as missing.
GRACE = timedelta(hours=2)
#: Days in which rows that are not settled are looked for.
LOOK_BACK = 30
#: Days that a description names; the metadata has all.
_NAMED = 10


class Watch(dg.Config):
    """How early to speak of a day that is about to be lost."""

    days: int = Field(default=14, ge=1, description="Warn this many days before a day that is not landed is lost.")


def watch_checks(
    partitions: dg.DailyPartitionsDefinition,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    account: Account = ONLY,
) -> Sequence[dg.AssetChecksDefinition]:
    """The checks of an account; `now` gives an aware instant."""
    asset = account.key(_ASSET)

    @dg.multi_asset_check(
        name=account.named(WATCH),
        specs=[dg.AssetCheckSpec(name, asset=asset, description=said) for name, said in _LOOKS_FOR.items()],
        can_subset=True,
    )
    def landing_watch(
        context: dg.AssetCheckExecutionContext, config: Watch, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        wanted, moment = {key.name for key in context.selected_asset_check_keys}, now()
        try:
            landed = account.open_lake(lake).glance()
            if "freshness" in wanted:
                yield _freshness(asset, landed, partitions, moment)
            if "ageing" in wanted:
                yield _ageing(asset, landed, partitions, moment, config.days)
            if "settled" in wanted:
                yield _settled(asset, landed, partitions, moment)
        except EXPECTED as error:
            raise as_failure(error) from error

    return [landing_watch]


def _freshness(
    asset: dg.AssetKey, lake: Lake, partitions: dg.DailyPartitionsDefinition, now: datetime
) -> dg.AssetCheckResult:
    """Whether the last day is landed whose run is due; before the first partition there is none."""
    expected = last_complete_day(now - timedelta(hours=DAILY_HOUR) - GRACE, partitions.timezone)
    latest = max(lake.partitions(_ASSET), default="none")
    if expected < partitions.start.date():
        said, fresh = f"no day is due before {partitions.start.date()}", True
    elif fresh := is_landed(lake, expected.isoformat(), None):
        said = f"{expected} is landed"
    else:
        said = (
            f"{expected} is not landed for all sites (latest: {latest}); see why its run failed or did not start "
            "(schedule off? daemon down? `sonnys doctor` tells), then materialize it"
        )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name="freshness",
        passed=fresh,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={ABOUT: _ALL_DAYS, "expected": expected.isoformat(), "latest": latest},
    )


def _ageing(
    asset: dg.AssetKey, lake: Lake, partitions: dg.DailyPartitionsDefinition, now: datetime, ahead: int
) -> dg.AssetCheckResult:
    """Whether days that are not landed are among the oldest ones that the API still has."""
    oldest = first_kept_day(now, partitions.timezone)
    end = min(oldest + timedelta(days=ahead), last_complete_day(now, partitions.timezone) + timedelta(days=1))
    leaving = not_landed(lake, max(oldest, partitions.start.date()), end)
    said = f"no day is lost within {ahead} days"
    if leaving:
        named = f"{', '.join(leaving[:_NAMED])}{' …' if len(leaving) > _NAMED else ''}"
        which = "1 day is" if len(leaving) == 1 else f"{len(leaving)} days are"
        said = (
            f"{which} not landed for all sites and will leave the API within {ahead} days: {named}. Backfill now: "
            f"the API forgets the first on {_leaves(date.fromisoformat(leaving[0]), oldest, now)}"
        )
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name="ageing",
        passed=not leaving,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={ABOUT: _ALL_DAYS, "days": leaving, "oldest_day_that_the_api_keeps": oldest.isoformat()},
    )


def _settled(
    asset: dg.AssetKey, lake: Lake, partitions: dg.DailyPartitionsDefinition, now: datetime
) -> dg.AssetCheckResult:
    """Whether rows of the last weeks that were not settled when they were read were never read again.

    A run looks at a few days, and none of them is old enough: only a look at all of them finds these.
    """
    newest = last_complete_day(now, partitions.timezone)
    days = [(newest - timedelta(days=back)).isoformat() for back in range(LOOK_BACK)]
    there = sorted(set(days) & set(lake.partitions(_ASSET)))
    look = partial(unsettled_rows, now=now)
    try:
        found = look(lake.files(_ASSET, there) if there else TRANSACTIONS.empty_table())
        bad = [] if found.passed else [day for day in there if not look(lake.files(_ASSET, [day])).passed]
    except duckdb.Error as error:
        raise LakeError(f"landed transactions cannot be read ({error}); materialize what is damaged again") from error
    said = f"nothing of the last {LOOK_BACK} days is unsettled for longer than a week"
    if bad:
        said = f"{'; '.join(found.problems)}: read {', '.join(sorted(bad))} again"
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name="settled",
        passed=found.passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={ABOUT: _ALL_DAYS, "days": sorted(bad), "ids": list(found.ids), "rows": found.count},
    )


def not_landed(lake: Lake, first: date, end: date) -> list[str]:
    """Days of `[first, end)` that are not landed for all sites."""
    days = [(first + timedelta(days=shift)).isoformat() for shift in range((end - first).days)]
    return [day for day in days if not is_landed(lake, day, None)]


def _leaves(day: date, oldest: date, moment: datetime) -> str:
    """Roughly the date on which the API forgets a day: as many days from now as it is younger than the oldest."""
    return (moment.date() + timedelta(days=(day - oldest).days + 1)).isoformat()
