"""Checks that warn: rows that are odd and may be true, days that look thin, days that are there in part.

All in one step, so that a run of months reads its files a few times and not a few times a day. Nothing waits for them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date

import dagster as dg
import duckdb

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import OpenOrNot, open_rows
from sonnys_pipeline.lake.transactions import is_whole, landed_sites
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.checks.evaluations import days_of, evaluation
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.fields import days_without_status, silent_columns, unknown_fields
from sonnys_pipeline.quality.result import Finding
from sonnys_pipeline.quality.rules import (
    STATUS_UNKNOWN,
    absurd_amounts,
    line_item_differences,
    tender_differences,
    unknown_values,
)
from sonnys_pipeline.report.findings import volumes

_ASSET = "transactions"
#: Check → what it looks for, and what is said when all is well. Others than these two kinds are looked for by row.
_BY_ROW: Mapping[str, tuple[str, str]] = {
    "tenders_add_up": ("Tenders of a transaction add up to its total.", "tenders add up to totals"),
    "items_add_up": (
        "Items of a ticket (without voided ones) add up to its total; overpayments are noted, but no problem.",
        "items add up to totals",
    ),
    "plausible_amounts": ("No amount is too large to be money.", "every amount is plausible"),
    "known_values": ("The API documents all types, statuses and tenders in the rows.", "no unknown value"),
}
_BY_DAY: Mapping[str, tuple[str, str]] = {
    "usual_volume": ("The number of rows is usual for this weekday.", "the number of rows is usual"),
    "all_sites": ("The day is landed for all sites.", "landed for all sites"),
    "known_fields": ("The API sends no field that the pipeline does not know.", "no unknown field"),
    "filled_columns": (
        "No column is null in every row that was filled on the days before.",
        "every column that is usually filled is filled",
    ),
}

#: What looks at rows: files in, finding out.
Look = Callable[[OpenOrNot], Finding]
#: What is found: problems of each day in sentences, and notes.
Found = tuple[dict[str, list[str]], Sequence[str]]


def quality_checks(account: Account = ONLY) -> Sequence[dg.AssetChecksDefinition]:
    """The checks that warn."""
    described = {**_BY_ROW, **_BY_DAY}

    @dg.multi_asset_check(
        name=account.named("quality_of_transactions"),
        specs=[
            dg.AssetCheckSpec(name, asset=account.key(_ASSET), description=said)
            for name, (said, _) in described.items()
        ],
        can_subset=True,
    )
    def quality_of_transactions(
        context: dg.AssetCheckExecutionContext, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        try:
            landed = account.workspace(lake).lake.snapshot()  # `volume` looks for weeks of days
        except EXPECTED as error:
            raise as_failure(error) from error
        days = days_of(context, landed)
        looks: dict[str, Look] = {
            "tenders_add_up": tender_differences,
            "items_add_up": line_item_differences,
            "plausible_amounts": absurd_amounts,
            "known_values": unknown_values,
        }
        by_day = {
            "usual_volume": volume,
            "all_sites": absent_sites,
            "known_fields": unknown_fields,
            "filled_columns": silent_columns,
        }
        keys = sorted(context.selected_asset_check_keys)
        wanted = {key.name: looks[key.name] for key in keys if key.name in looks}
        by_rows: Mapping[str, Found] = {}
        for key in keys:
            try:
                if key.name in wanted:
                    by_rows = by_rows or by_row(landed, days, wanted)
                    found, notes = by_rows[key.name]
                else:
                    found, notes = by_day[key.name](landed, days), ()
            except EXPECTED as error:
                raise as_failure(error) from error
            good = described[key.name][1]
            yield evaluation(context, key, found, dg.AssetCheckSeverity.WARN, good=good, notes=notes)

    return [quality_of_transactions]


def by_row(lake: Lake, days: Sequence[str], looks: Mapping[str, Look]) -> Mapping[str, Found]:
    """What each look finds: in the rows of all days, opened once, then in those of each day if there are any problems.

    A day without any status is reported even if other days have them.
    """
    for day in days:
        lake.rows(_ASSET, day)  # its error names the file
    try:
        with open_rows(landed_rows(lake, days)) as rows:
            return {name: _found(lake, days, rows, look) for name, look in looks.items()}
    except duckdb.Error as error:
        raise LakeError(f"landed transactions cannot be read ({error}); restore or materialize them") from error


def _found(lake: Lake, days: Sequence[str], rows: duckdb.DuckDBPyConnection, look: Look) -> Found:
    whole = look(rows)
    if not whole.passed:
        return {day: look(landed_rows(lake, [day])).sentences for day in days}, whole.notes
    blind = days_without_status(lake, days, rows) if look is unknown_values else ()
    return {day: [STATUS_UNKNOWN] if day in blind else [] for day in days}, whole.notes


def volume(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    """Days with fewer or more rows than usual for their weekday; days landed in part are ignored."""
    found = volumes(lake, [date.fromisoformat(day) for day in days])
    return {day: list(found[one].problems) if (one := date.fromisoformat(day)) in found else [] for day in days}


def absent_sites(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    """Days that are landed for some sites only."""
    found: dict[str, list[str]] = {}
    for day in days:
        sites = landed_sites(lake, day)
        found[day] = [] if sites is None or is_whole(lake, day) else [
            f"landed for {', '.join(sorted(sites))} only; materialize the day for all sites"
        ]  # fmt: skip
    return found
