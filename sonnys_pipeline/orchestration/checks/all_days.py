"""Checks of all days: missing days, days that the API will soon forget, and rows that stay unsettled or have moved.

They read only the lake, all of its days, so they cost no request and can run at any time. A run that lands days
includes them, so that the UI shows the present state; a message about the run leaves them out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg
import duckdb
from pydantic import Field

from sonnys_pipeline.calendar.mornings import last_expected_day
from sonnys_pipeline.calendar.windows import first_kept_day, last_complete_day
from sonnys_pipeline.doctor.coverage import missing_since_first, not_landed, remedy_for, spans
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import open_rows
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.checks.evaluations import ABOUT
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.fields import days_without_status
from sonnys_pipeline.quality.invariants import NAMED_IDS
from sonnys_pipeline.quality.moved import described, moved_ids
from sonnys_pipeline.quality.rules import STATUS_UNKNOWN, unsettled_rows

_ASSET = "transactions"
WATCH = "landing_watch"
_ALL_DAYS = "all days, not only those of the run"
#: Days in which unsettled rows are searched.
LOOK_BACK = 30
#: Days named in a description; the metadata has all.
_NAMED = 10
_DAY = timedelta(days=1)


class Watch(dg.Config):
    """How early to warn of a day that is about to be lost."""

    days: int = Field(
        default=14, ge=1, description="Warn this many days before the API deletes a day that is not landed."
    )


def watch_checks(
    partitions: dg.DailyPartitionsDefinition,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    account: Account = ONLY,
) -> Sequence[dg.AssetChecksDefinition]:
    """The checks of an account; `now` gives an aware instant."""
    asset = account.key(_ASSET)

    @dg.multi_asset_check(
        name=account.named(WATCH),
        specs=[
            dg.AssetCheckSpec(
                "freshness",
                asset=asset,
                description="All days up to yesterday are landed, two hours after the morning run.",
            ),
            dg.AssetCheckSpec("ageing", asset=asset, description="No missing day is about to be deleted from the API."),
            dg.AssetCheckSpec("settled", asset=asset, description="No transaction is unsettled a week after its day."),
            dg.AssetCheckSpec("one_day_each", asset=asset, description="Each transaction is landed in one day only."),
        ],
        can_subset=True,
    )
    def landing_watch(
        context: dg.AssetCheckExecutionContext, config: Watch, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        wanted, moment = {key.name for key in context.selected_asset_check_keys}, now()
        try:
            landed = account.workspace(lake).lake.snapshot()
            if "freshness" in wanted:
                yield _freshness(asset, landed, partitions, moment)
            if "ageing" in wanted:
                yield _ageing(asset, landed, partitions, moment, config.days)
            if "settled" in wanted:
                yield _settled(asset, landed, partitions, moment)
            if "one_day_each" in wanted:
                yield _one_day_each(asset, landed)
        except EXPECTED as error:
            raise as_failure(error) from error

    return [landing_watch]


def _freshness(
    asset: dg.AssetKey, lake: Lake, partitions: dg.DailyPartitionsDefinition, now: datetime
) -> dg.AssetCheckResult:
    """Whether every day is landed from the first landed one to the last whose run is due."""
    expected = last_expected_day(now, partitions.timezone)
    start, landed = partitions.start.date(), lake.partitions(_ASSET)
    latest = max(landed, default="none")
    missing = [] if expected < start else _missing(lake, start, expected)
    if expected < start:
        said = f"no day is due before {start}"
    elif not missing:
        first = min([*(day for day in landed if day >= start.isoformat()), expected.isoformat()])
        said = f"all days from {first} to {expected} are landed"
    elif missing == [expected.isoformat()]:
        said = (
            f"{expected} is not landed for all sites (latest: {latest}); find out why its run failed or did not "
            "start (is the schedule on and the daemon running? try `sonnys doctor`), then materialize it"
        )
    else:
        remedy = remedy_for(missing, first_kept_day(now, partitions.timezone))
        said = f"not landed for all sites: {spans(missing)} (latest: {latest}); materialize them, or {remedy}"
    return _result(
        asset,
        "freshness",
        said,
        {"expected": expected.isoformat(), "latest": latest, "missing": missing},
        passed=not missing,
    )


def _missing(lake: Lake, start: date, expected: date) -> list[str]:
    """Days that are not landed up to the expected one, which is missing too while nothing is landed before it."""
    found = set(missing_since_first(lake, start, expected)) | set(not_landed(lake, expected, expected + _DAY))
    return sorted(found)


def _ageing(
    asset: dg.AssetKey, lake: Lake, partitions: dg.DailyPartitionsDefinition, now: datetime, ahead: int
) -> dg.AssetCheckResult:
    """Whether days that are not landed are among the oldest ones that the API still has."""
    oldest = first_kept_day(now, partitions.timezone)
    end = min(oldest + timedelta(days=ahead), last_complete_day(now, partitions.timezone) + timedelta(days=1))
    leaving = not_landed(lake, max(oldest, partitions.start.date()), end)
    # Yesterday alone is the business of `freshness`.
    before = last_expected_day(now, partitions.timezone) - timedelta(days=1)
    inside = [day for day in missing_since_first(lake, partitions.start.date(), before) if day not in leaving]
    said = f"no missing day will be deleted from the API within {ahead} days"
    if leaving:
        named = f"{', '.join(leaving[:_NAMED])}{' …' if len(leaving) > _NAMED else ''}"
        which = "1 day is" if len(leaving) == 1 else f"{len(leaving)} days are"
        said = (
            f"{which} not landed for all sites and will be deleted from the API within {ahead} days: {named}. Backfill "
            f"now: the first one will be deleted on {_leaves(date.fromisoformat(leaving[0]), oldest, now)}"
        )
    if inside:
        said = f"{said}; not landed since the first landed day: {spans(inside)}: {remedy_for(inside, oldest)}"
    metadata = {
        "days": leaving,
        "missing": inside,
        "oldest_day_that_the_api_keeps": oldest.isoformat(),
    }
    return _result(asset, "ageing", said, metadata, passed=not (leaving or inside))


def _settled(
    asset: dg.AssetKey, lake: Lake, partitions: dg.DailyPartitionsDefinition, now: datetime
) -> dg.AssetCheckResult:
    """Whether unsettled rows of the last weeks were never read again.

    The few days of a run are not old enough; only a look at all days finds these rows.
    """
    newest = last_complete_day(now, partitions.timezone)
    days = [(newest - timedelta(days=back)).isoformat() for back in range(LOOK_BACK)]
    there = sorted(set(days) & set(lake.partitions(_ASSET)))
    look = partial(unsettled_rows, now=now)
    try:
        with open_rows(landed_rows(lake, there)) as rows:
            found = look(rows)
            blind = days_without_status(lake, there, rows)
        bad = [day for day in there if look(landed_rows(lake, [day])).count] if found.count else []
    except duckdb.Error as error:
        raise LakeError(f"landed transactions cannot be read ({error}); materialize the damaged days again") from error
    said = f"no transaction of the last {LOOK_BACK} days has been unsettled for more than a week"
    if bad:
        said = f"{'; '.join(found.problems)}: read {', '.join(sorted(bad))} again"
    if blind:
        named = f"{', '.join(blind[:_NAMED])}{' …' if len(blind) > _NAMED else ''}"
        said = f"{said}; {STATUS_UNKNOWN}: {named}" if bad else f"{STATUS_UNKNOWN}: {named}"
    metadata = {
        "days": sorted(bad),
        "ids": list(found.ids),
        "rows": found.count,
        "days_without_status": blind,
    }
    return _result(asset, "settled", said, metadata, passed=not (bad or blind))


def _one_day_each(asset: dg.AssetKey, lake: Lake) -> dg.AssetCheckResult:
    """Whether each transaction is in one landed day: one that moved stays in its old day until that is read again.

    Figures of the old day are wrong, those of the run's days are right: so it fails, and blocks nothing.
    """
    moved = moved_ids(lake)
    said = described(moved) if moved else "each transaction is landed in one day only"
    metadata = {
        "days": sorted({day for one in moved for day in one.stale}),
        "ids": [one.id for one in moved[:NAMED_IDS]],
        "transactions": len(moved),
    }
    return _result(asset, "one_day_each", said, metadata, passed=not moved, severity=dg.AssetCheckSeverity.ERROR)


def _result(
    asset: dg.AssetKey,
    name: str,
    said: str,
    metadata: Mapping[str, Any],
    *,
    passed: bool,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=passed,
        severity=severity,
        description=said,
        metadata={ABOUT: _ALL_DAYS, **metadata},
    )


def _leaves(day: date, oldest: date, moment: datetime) -> str:
    """About when the API forgets a day: as many days from now as it is younger than the oldest."""
    return (moment.date() + timedelta(days=(day - oldest).days + 1)).isoformat()
