"""Checks that compare a landed day with other endpoints of the API. They spend requests, so they are off by default.

Enable them in a run's configuration, `ops: {transactions_reconcile_with_api: {config: {enabled: true}}}`, or run the
job `reconcile_with_api`. While off they report nothing.
"""

import random
from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import SonnysClient, TransactionListItem
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.checks.evaluations import days_of, evaluation
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.quality.reconciliation import rows_apart, wash_disagreements

_ASSET = "transactions"
RECONCILE_WITH_API = "transactions_reconcile_with_api"
_DESCRIBED = {
    "same_ids_as_listed": "The API lists the same ids and totals for a day as are landed. Off by default: it sends "
    "requests.",
    "washes_agree": "The API's list of washes has the same ids as our washes. Off by default: it sends requests.",
}
_GOOD = {"same_ids_as_listed": "the API lists the same ids and totals", "washes_agree": "the API lists the same washes"}


class BesideTheApi(dg.Config):
    """Whether requests are spent, and on how many days: one for every 100 rows of a day, and as many for washes."""

    enabled: bool = Field(default=False, description="Run the check; it costs one request per 100 rows.")
    days: int = Field(default=1, ge=1, description="Number of days of the run to check, chosen at random.")


def api_checks(timezone: str, account: Account = ONLY) -> Sequence[dg.AssetChecksDefinition]:
    """The checks that spend requests; `timezone` is the zone of the daily partitions."""

    @dg.multi_asset_check(
        name=account.named(RECONCILE_WITH_API),
        specs=[
            dg.AssetCheckSpec(name, asset=account.key(_ASSET), description=said) for name, said in _DESCRIBED.items()
        ],
        can_subset=True,
    )
    def transactions_reconcile_with_api(
        context: dg.AssetCheckExecutionContext, config: BesideTheApi, sonnys: SonnysResource, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        if not config.enabled:
            context.log.info(
                "skipped, because it is off; switch it on in the run's configuration, or run the job reconcile_with_api"
            )
            return
        try:
            with account.workspace(lake, sonnys) as workspace:
                landed = workspace.lake
                days = sampled(days_of(context, landed), config.days, seed=context.run.run_id)
                for key in sorted(context.selected_asset_check_keys):
                    ask = _listed_rows if key.name == "same_ids_as_listed" else _washes
                    found = {day: ask(workspace.client, landed, Day.of(day, timezone)) for day in days}
                    good = _GOOD[key.name]
                    yield evaluation(context, key, found, dg.AssetCheckSeverity.WARN, good=good)
        except EXPECTED as error:
            raise as_failure(error) from error

    return [transactions_reconcile_with_api]


def sampled(days: Sequence[str], most: int, *, seed: str) -> list[str]:
    """Some days of a run, in order; another seed chooses others."""
    return sorted(random.Random(seed).sample(list(days), min(most, len(days))))  # noqa: S311 - a sample, no secret


def _listed_rows(client: SonnysClient, lake: Lake, day: Day) -> list[str]:
    rows = lake.read(_ASSET, [day.key], ["id", "total"])
    landed = dict(zip(rows["id"].to_pylist(), rows["total"].to_pylist(), strict=True))
    listed: list[TransactionListItem] = []
    for window in day.windows:
        listed += client.transactions.list(**window.params)
    return list(rows_apart(landed, {row.trans_id: row.total for row in _rows_of(day, listed)}).problems)


def _washes(client: SonnysClient, lake: Lake, day: Day) -> list[str]:
    listed: list[TransactionListItem] = []
    for window in day.windows:
        listed += client.transactions.list_by_type("wash", **window.params)
    return list(
        wash_disagreements(lake.files(_ASSET, [day.key]), {row.trans_id for row in _rows_of(day, listed)}).problems
    )


def _rows_of(day: Day, listed: Sequence[TransactionListItem]) -> list[TransactionListItem]:
    """Without the row on the next midnight, which the API may list (contract, "Time")."""
    return [row for row in listed if day.start <= row.date < day.end]
