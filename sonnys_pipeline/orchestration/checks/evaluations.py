"""Results of a check for the days of its run: one evaluation per day, and one for the whole run.

A check's result has no partition, and a run may have many: so the days are logged one by one, and the required result
sums them up.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.runtime.text import first_few

#: Tags that Dagster gives a run over a range of days.
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
#: Key in a result's metadata: it is not about the days of its run, so a message about the run leaves it out.
ABOUT = "about"
#: Days named in a result's description; its metadata has all.
_NAMED_DAYS = 10


def days_of(context: dg.AssetCheckExecutionContext, lake: Lake, asset: str = "transactions") -> Sequence[str]:
    """The days to check: those of the run, or all landed ones if the check is run by itself in the UI."""
    if (days := _days_of_run(context)) is not None:
        return days
    first, last = (context.run.tags.get(tag) for tag in RANGE)
    return [day for day in lake.partitions(asset) if (first or day) <= day <= (last or day)]


def evaluation(
    context: dg.AssetCheckExecutionContext,
    key: dg.AssetCheckKey,
    found: Mapping[str, Sequence[str]],
    severity: dg.AssetCheckSeverity,
    *,
    good: str,
    notes: Sequence[str] = (),
) -> dg.AssetCheckResult:
    """Log an evaluation per day and return the run's own; only the latter if the check is run by itself in the UI.

    Such a run is announced without its days, and the run's evaluation replaces the announcement, which is older than
    any evaluation of a day: the UI would show the last day as the result, and a failed one nowhere.

    `found` has the problems by day, in sentences that name ids; a day without any passes. `good` is the text when every
    day passes. `notes` are observations over all days that are not problems; they are always shown.
    """
    each_day = {} if _is_run_by_itself(context) else found
    for day, problems in each_day.items():
        context.op_execution_context.log_event(
            dg.AssetCheckEvaluation(  # type: ignore[arg-type] # accepted, and stored with its partition
                asset_key=key.asset_key,
                check_name=key.name,
                passed=not problems,
                severity=severity,
                metadata={"problems": dg.MetadataValue.json(list(problems))},
                partition=day,
            )
        )
    looked_at = ", ".join(found) if len(found) == 1 else f"{len(found)} days"
    bad = {day: list(problems) for day, problems in found.items() if problems}
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not bad,
        severity=severity,
        description="; ".join([_summary(bad) or f"{looked_at}: {good}", *notes]),
        metadata={
            "looked_at": looked_at,
            "problems": dg.MetadataValue.json(bad),
            **({"notes": dg.MetadataValue.json(list(notes))} if notes else {}),
        },
    )


def _days_of_run(context: dg.AssetCheckExecutionContext) -> Sequence[str] | None:
    try:
        return list(context.partition_keys)
    except dg.DagsterInvariantViolationError:  # a run of checks alone has no partitions, whatever its tags say
        return None


def _is_run_by_itself(context: dg.AssetCheckExecutionContext) -> bool:
    return _days_of_run(context) is None and context.run.tags.keys().isdisjoint(RANGE)


def _summary(bad: Mapping[str, Sequence[str]]) -> str:
    named = [f"{day}: {', '.join(problems)}" for day, problems in bad.items()]
    return first_few(named, _NAMED_DAYS, separator="; ", noun="days")
