"""What happened in memberships and to people, by day: changes of status, charges, clock entries, offers of plans."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from pydantic import Field

from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS
from sonnys_pipeline.landing.facts.billings import land_billings
from sonnys_pipeline.landing.facts.land import DaySource, DaysRefusedError, LandedDay
from sonnys_pipeline.landing.facts.read import DaysRead, read_and_land_days
from sonnys_pipeline.landing.facts.tables import BILLINGS, CLOCK_ENTRIES, SALES_OUTCOMES, STATUS_CHANGES, Fact
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.dimensions import DIMENSIONS_GROUP, PEOPLE_GROUP
from sonnys_pipeline.orchestration.events.metadata import Metadata, file_metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource

_DESCRIPTIONS = {
    STATUS_CHANGES: "Each change of a membership's status on a day: from what, to what, when and by whom.",
    CLOCK_ENTRIES: "Each shift that began on a day: who, where, from when to when, hours and rates of pay. A shift "
    "without `clock_out` was open at `read_at`. A later reading replaces the day, so that corrections are found.",
    SALES_OUTCOMES: "Each offer of a plan by the sales advisor on a day, and whether it was taken.",
}
_PEOPLE = {CLOCK_ENTRIES, SALES_OUTCOMES}


class HowToReadDays(dg.Config):
    """How days are taken."""

    accept_empty: bool = Field(default=False, description="Let a day without rows replace one that has rows.")


def fact_assets(partitions: dg.DailyPartitionsDefinition, account: Account = ONLY) -> Sequence[dg.AssetsDefinition]:
    """The daily lists of an account."""
    return [*(_asset(fact, partitions, account) for fact in _DESCRIPTIONS), _billings_asset(partitions, account)]


def _asset(fact: Fact, partitions: dg.DailyPartitionsDefinition, account: Account) -> dg.AssetsDefinition:
    @dg.asset(
        key=account.key(fact.asset),
        description=_DESCRIPTIONS[fact],
        group_name=account.group(PEOPLE_GROUP if fact in _PEOPLE else DIMENSIONS_GROUP),
        kinds={"parquet"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def one(
        context: dg.AssetExecutionContext, config: HowToReadDays, sonnys: SonnysResource, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        days = [date.fromisoformat(key) for key in context.partition_keys]
        try:
            with account.workspace(lake, sonnys) as workspace:
                read = read_and_land_days(
                    workspace.lake,
                    fact,
                    workspace.lists(),
                    days,
                    workspace.now(),
                    accept_empty=config.accept_empty,
                )
        except DaysRefusedError as error:
            raise _refused(context, error) from error
        except EXPECTED as error:
            raise as_failure(error) from error
        _record(context, read.days, read.requests)
        _say(context, fact, read)
        return dg.MaterializeResult()

    return one


def _billings_asset(partitions: dg.DailyPartitionsDefinition, account: Account) -> dg.AssetsDefinition:
    @dg.asset(
        key=account.key(BILLINGS.asset),
        group_name=account.group(DIMENSIONS_GROUP),
        kinds={"parquet"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[account.key(ACCOUNTS.asset)],
    )
    def billings(
        context: dg.AssetExecutionContext, config: HowToReadDays, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        """Each charge of a membership on a day, as the newest reading of `recurring_accounts` has it; no requests."""
        days = [date.fromisoformat(key) for key in context.partition_keys]
        try:
            with account.workspace(lake) as workspace:
                options = workspace.options
                source = DaySource(options.source, options.timezone, workspace.list_policy())
                landed = land_billings(workspace.lake, source, days, accept_empty=config.accept_empty)
        except DaysRefusedError as error:
            raise _refused(context, error) from error
        except EXPECTED as error:
            raise as_failure(error) from error
        _record(context, landed, 0)
        return dg.MaterializeResult()

    return billings


def _record(context: dg.AssetExecutionContext, days: Mapping[date, LandedDay], requests: int) -> None:
    for key, metadata in _metadata(days, requests).items():
        context.add_asset_metadata(metadata, partition_key=key)


def _refused(context: dg.AssetExecutionContext, error: DaysRefusedError) -> dg.Failure:
    """The failure of a run that has landed the other days, which are recorded before it ends."""
    for key, metadata in _metadata(error.landed, error.requests).items():
        context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
    return as_failure(error)


def _metadata(days: Mapping[date, LandedDay], requests: int) -> dict[str, Metadata]:
    """What is recorded of each day; one reading serves all of them, so the first one has its requests."""
    return {
        day.isoformat(): {
            **file_metadata(landed.file, landed.table, partitioned=True),
            "added": dg.MetadataValue.int(landed.added),
            "changed": dg.MetadataValue.int(landed.changed),
            "gone": dg.MetadataValue.int(landed.gone),
            "requests": dg.MetadataValue.int(0 if number else requests),
        }
        for number, (day, landed) in enumerate(days.items())
    }


def _say(context: dg.AssetExecutionContext, fact: Fact, read: DaysRead) -> None:
    rows = sum(landed.table.num_rows for landed in read.days.values())
    context.log.info("%s: %d days, %d rows, %d requests", fact.asset, len(read.days), rows, read.requests)
    corrected = {day: one for day, one in read.days.items() if one.changed or one.gone}
    if corrected:
        named = ", ".join(
            f"{day} ({one.added} added, {one.changed} changed, {one.gone} gone)" for day, one in corrected.items()
        )
        context.log.info("%s: landed days were corrected: %s", fact.asset, named)
    if read.undated:
        context.log.warning("%s: %d rows have no time, so they are in no day", fact.asset, read.undated)
    for day, number in read.outdated.items():
        context.log.warning(
            "%s: the API now has %d rows of %s that this landed day lacks; materialize it again",
            fact.asset,
            number,
            day,
        )
    if read.cleaned:
        context.log.info("%s: %d earlier days were brought under the present policies", fact.asset, read.cleaned)
