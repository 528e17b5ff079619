"""How runs are executed, where a setting decides: steps in one process or in several, how many days a run carries."""

from collections.abc import Iterable

import dagster as dg

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.services.processes import recording


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """What `SONNYS_EXECUTOR` names.

    One process is the default: the days of a run share one client, and a process a step costs some seconds, more than
    most steps. Several pay where marts are heavy: those that do not build on each other are then computed at once.
    """
    return recording(dg.multiprocess_executor if settings.executor == "multiprocess" else dg.in_process_executor)


def in_runs_of(assets: Iterable[dg.AssetsDefinition], days: int | None) -> list[dg.AssetsDefinition]:
    """The assets, the partitioned ones with backfills cut into runs of so many days; `None` leaves them in one run.

    All of them, the marts too: a job whose assets are cut differently would be cut as the finest of them. A run that is
    launched over a range, as the schedule's, stays one run; `dagster asset materialize --partition-range` refuses while
    backfills are cut.
    """
    if days is None:
        return list(assets)
    policy = dg.BackfillPolicy.multi_run(max_partitions_per_run=days)
    return [one.with_attributes(backfill_policy=policy) if one.partitions_def else one for one in assets]
