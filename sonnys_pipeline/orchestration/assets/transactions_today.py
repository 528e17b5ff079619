"""`transactions_today`: the business day so far, looked at every few minutes, and the page made of it (KT-04)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.events.metadata import file_metadata
from sonnys_pipeline.orchestration.failures import EXPECTED
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.daily import ASSET as REPORTS
from sonnys_pipeline.report.measures import CARS, SALES
from sonnys_pipeline.runtime.quoting import printable
from sonnys_pipeline.today.figures import Today
from sonnys_pipeline.today.file import ASSET
from sonnys_pipeline.today.look import Looker, LookResult
from sonnys_pipeline.today.page import PAGE, how_far_off, lead
from sonnys_pipeline.today.update import update

CHECK = "is_up_to_date"
#: Seconds for which looks may fail before that is a finding.
_LATE = 3600.0


def today_asset(group: str, account: Account = ONLY) -> dg.AssetsDefinition:
    """The asset, and the check that its figures are not old.

    A look that fails is no failed run, since the next one makes it good. When looks have failed for an hour the check
    finds it. Its text stays the same until a look works again, so that one alert is sent.
    """
    key = account.key(ASSET)

    @dg.asset(
        key=key,
        group_name=account.group(group),
        kinds={"parquet", "html"},
        io_manager_key="lake_io",
        output_required=False,
        check_specs=[
            dg.AssetCheckSpec(
                CHECK, asset=key, description="Looks at the day so far could read all sites within the last hour."
            )
        ],
    )
    def transactions_today(
        context: dg.AssetExecutionContext, sonnys: SonnysResource, lake: LakeResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Transactions of each site's present business day so far, provisional; replaced by the landed day."""
        try:
            with account.workspace(lake, sonnys) as workspace:
                looker = Looker(workspace)
                figures, result = update(looker, now=_now)
                page = workspace.lake.path(REPORTS).with_name(PAGE)
        except EXPECTED as error:
            yield _check(key, str(error))
            return
        assert result is not None  # noqa: S101 - it was asked for
        if result.landed is not None:
            metadata = {
                **file_metadata(result.landed, result.file.rows, partitioned=False),
                **_figures_metadata(figures, result),
                "page": dg.MetadataValue.path(str(page)),
            }
            yield dg.MaterializeResult(metadata=metadata)
        for problem in result.problems:
            context.log.warning("%s", printable(problem))
        yield _check(key, _finding(figures, result, looker.every))

    return transactions_today


def _now() -> datetime:
    return datetime.now(UTC)


def _finding(figures: Today, result: LookResult, every: float) -> str:
    """What is wrong for longer than an hour; empty if nothing is."""
    late = timedelta(seconds=max(_LATE, 3 * every))
    if not result.problems or (figures.as_of is not None and _now() - figures.as_of < late):
        return ""
    since = f"since {formatting.moment(figures.as_of)}" if figures.as_of else "yet"
    return f"not all sites could be read {since} ({', '.join(sorted(result.errors))}); looks go on"


def _check(key: dg.AssetKey, finding: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not finding,
        asset_key=key,
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        description=printable(finding) or "up to date",
    )


def _figures_metadata(figures: Today, result: LookResult) -> dict[str, dg.MetadataValue]:
    """The headline numbers, what the look cost, and how far off the last landed day was."""
    total, kept = figures.total, figures.state.accuracy
    last = [one for one in kept if one.business_date == kept[-1].business_date]
    values = {measure.key: total.value(measure) for measure in (CARS, SALES)}
    return {
        "day_so_far": dg.MetadataValue.text(printable(lead(figures))),
        **{name: dg.MetadataValue.float(float(value)) for name, value in values.items() if value is not None},
        "as_of": dg.MetadataValue.text(formatting.moment(figures.as_of) if figures.as_of else "not read yet"),
        "requests": dg.MetadataValue.int(result.requests),
        "new_rows": dg.MetadataValue.int(result.new_rows),
        **({"how_far_off": dg.MetadataValue.text(". ".join(map(how_far_off, last)))} if last else {}),
    }
