"""`daily_report`: the morning report of a business day as one HTML page, with its headline numbers in Dagster."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY_ASSET
from sonnys_pipeline.marts.incremental.inputs import ITEM_RECIPE
from sonnys_pipeline.marts.members.landed import MOVEMENT
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.automation.conditions import Outdated, idle_and
from sonnys_pipeline.orchestration.events.kept import days_to_make
from sonnys_pipeline.orchestration.events.metadata import Metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.report.build import Report
from sonnys_pipeline.report.daily import (
    ASSET,
    Page,
    has_figures,
    history_of,
    inputs_digest_of,
    land_report,
    make_report,
    shown_digest,
)
from sonnys_pipeline.report.inputs import FARTHEST, MART, ShownMarts
from sonnys_pipeline.report.markdown import report_as_markdown
from sonnys_pipeline.runtime.quoting import printable

REPORTS_GROUP = "reports"
#: Reports of these last days are made again when figures that they show change; older ones when somebody asks for them.
_FOLLOWED = timedelta(days=35)


class ShownFiguresChanged(Outdated):
    """Days whose page shows other figures than the marts have now, or that have a mart and no page."""

    @property
    def name(self) -> str:
        """What the UI calls it."""
        return "shown_figures_changed"

    @property
    def description(self) -> str:
        """What the UI says of it."""
        return "Figures that this page shows, also of earlier days, changed since it was made, or there is no page yet"

    def outdated(self, lake: Lake, days: Sequence[str], warn: Callable[[str], None]) -> dict[str, str]:
        """Days with the digest of what their page shows."""
        shown = ShownMarts(lake)
        digests = {}
        for day in days:
            try:
                digests[day] = shown.digest(date.fromisoformat(day))
            except LakeError as error:
                warn(str(error))
        return {day: digest for day, digest in digests.items() if digest and digest != inputs_digest_of(lake, day)}


def report_asset(
    partitions: dg.DailyPartitionsDefinition, follows_in: LakeResource, account: Account = ONLY
) -> dg.AssetsDefinition:
    """The asset; it follows the marts of a lake for the last days, and is left alone by a backfill of a year."""
    neighbours = dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=1, allow_nonexistent_upstream_partitions=True
    )
    # A page waits for the marts of all days that it shows, so that it is made once for all of them.
    week = dg.TimeWindowPartitionMapping(start_offset=-7, allow_nonexistent_upstream_partitions=True)
    shown = dg.TimeWindowPartitionMapping(start_offset=-FARTHEST, allow_nonexistent_upstream_partitions=True)

    @dg.asset(
        key=account.key(ASSET),
        group_name=account.group(REPORTS_GROUP),
        kinds={"html"},
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            dg.AssetDep(account.key("transactions"), partition_mapping=neighbours),
            account.key("sites"),
            account.key(CLOCK_ENTRIES),
            dg.AssetDep(account.key(MART), partition_mapping=shown),
            dg.AssetDep(account.key(MOVEMENT), partition_mapping=week),
            dg.AssetDep(account.key(ITEM_RECIPE.asset), partition_mapping=week),
            dg.AssetDep(account.key(WASH_FREQUENCY_ASSET), partition_mapping=week),
        ],
        automation_condition=follow_the_marts(follows_in, account),
    )
    def daily_report(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        """The morning report: one self-contained page for phone, desktop or paper.

        Cars, sales, memberships and conversion compared with last week, sites, what was sold, members and how often
        they wash, labor, hours, tenders, discounts, voids, and problems with the data.
        """
        try:
            landed_in = account.workspace(lake).lake
            # Before the rows are read: a mart that is computed in between then makes the page outdated.
            made = days_to_make(context, account, partial(_unchanged_pages, landed_in))
            digests = {day: shown_digest(landed_in, day) for day in map(date.fromisoformat, made)}
            history = history_of(landed_in, digests, partitions.timezone) if digests else None
            for day, digest in digests.items():
                report = make_report(
                    landed_in,
                    day,
                    timezone=partitions.timezone,
                    made_at=datetime.now(ZoneInfo(partitions.timezone)),
                    account=account.name,
                    history=history,
                )
                page = land_report(landed_in, report, inputs_digest=digest)
                context.add_asset_metadata(report_metadata(report, page), partition_key=day.isoformat())
                for caveat in report.caveats:
                    if caveat.severity == "error":
                        context.log.warning("%s: %s", day, printable(caveat.text))
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.MaterializeResult()

    return daily_report


def follow_the_marts(lake: LakeResource, account: Account = ONLY) -> dg.AutomationCondition[dg.AssetKey]:
    """A report of the last days is made when its mart is there, and again when figures that it shows change."""
    recent = dg.AutomationCondition.in_latest_time_window(_FOLLOWED)
    return recent & idle_and(ShownFiguresChanged(lake, account), "follows the marts of the last days")


def report_metadata(report: Report, page: Page) -> Metadata:
    """What the UI shows of a report: its headline numbers, and how much of it is to be believed."""
    findings = {
        severity: sum(caveat.severity == severity for caveat in report.caveats) for severity in ("error", "warning")
    }
    return {
        "report": dg.MetadataValue.md(report_as_markdown(report)),
        "path": dg.MetadataValue.path(str(page.path)),
        "bytes": dg.MetadataValue.int(page.size),
        "findings": dg.MetadataValue.int(len(report.caveats)),
        "errors": dg.MetadataValue.int(findings["error"]),
        "warnings": dg.MetadataValue.int(findings["warning"]),
        "missing_sites": dg.MetadataValue.int(len(report.missing_sites)),
        "has_figures": dg.MetadataValue.bool(has_figures(report)),
    }


def _unchanged_pages(lake: Lake, days: Iterable[str]) -> list[str]:
    """Days whose page shows what the marts have now."""
    digests = {day: shown_digest(lake, date.fromisoformat(day)) for day in days}
    return [day for day, digest in digests.items() if digest and digest == inputs_digest_of(lake, day)]
