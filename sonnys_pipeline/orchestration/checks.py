"""Asset checks: what must hold of landed files, looked at again in the files themselves."""

from collections import Counter
from collections.abc import Sequence

import dagster as dg

from sonnys_pipeline.batch.landing import promised_rows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.resources import LakeResource

#: How many offending ids a check's metadata names a day.
NAMED_IDS = 20


def landing_checks() -> Sequence[dg.AssetChecksDefinition]:
    """Checks of `transactions`; blocking, so that nothing is computed from a day that does not hold."""

    @dg.asset_check(asset="transactions", blocking=True)
    def complete_and_unique(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """Ids are unique, within each day and across the days of this run, and rows equal the API's own total."""
        found = problems_by_day(lake.open_lake(), context.partition_keys)
        # A check result knows no partition: one evaluation a day is logged, and one for the run is owed besides.
        for day, problems in found.items():
            context.op_execution_context.log_event(
                dg.AssetCheckEvaluation(  # type: ignore[arg-type] # accepted, and stored with its partition
                    asset_key=context.check_specs[0].asset_key,
                    check_name=context.check_specs[0].name,
                    passed=not problems,
                    severity=dg.AssetCheckSeverity.ERROR,
                    metadata={"problems": dg.MetadataValue.json(problems)},
                    partition=day,
                )
            )
        bad = {day: problems for day, problems in found.items() if problems}
        return dg.AssetCheckResult(
            passed=not bad,
            severity=dg.AssetCheckSeverity.ERROR,
            description=_summary(bad, len(found)),
            metadata={"days": len(found), "problems": dg.MetadataValue.json(bad)},
        )

    return [complete_and_unique]


def problems_by_day(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    """What does not hold of landed days, in sentences that name the ids; a day that holds has none."""
    found: dict[str, list[str]] = {}
    ids_by_day = {day: lake.read("transactions", [day], ["id"])["id"].to_pylist() for day in days}
    days_of_id = Counter(row_id for ids in ids_by_day.values() for row_id in set(ids))
    for day, ids in ids_by_day.items():
        problems = found.setdefault(day, [])
        promised = promised_rows(lake.facts("transactions", day))
        if len(ids) != promised:
            problems.append(f"{len(ids)} rows, but the API promised {promised} ({len(ids) - promised:+d})")
        repeated = [row_id for row_id, count in Counter(ids).items() if count > 1]
        if repeated:
            problems.append(f"more than once: {_named(repeated)}")
        elsewhere = [row_id for row_id in set(ids) if days_of_id[row_id] > 1]
        if elsewhere:
            problems.append(f"on another day, too: {_named(elsewhere)}")
    return found


def _named(ids: list[str]) -> str:
    more = f" and {len(ids) - NAMED_IDS} more" if len(ids) > NAMED_IDS else ""
    return f"{len(ids)} ids: {', '.join(sorted(ids)[:NAMED_IDS])}{more}"


def _summary(bad: dict[str, list[str]], days: int) -> str:
    if not bad:
        return f"{days} day(s): ids unique, rows as the API promised"
    return "; ".join(f"{day}: {', '.join(problems)}" for day, problems in bad.items())
