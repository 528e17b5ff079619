"""How runs are executed by the settings: steps in one process or several, and how many days a run has."""

from collections.abc import Iterable

import dagster as dg

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.services.processes import recording


def executor_of(settings: Settings) -> dg.ExecutorDefinition:
    """The executor of `SONNYS_EXECUTOR`.

    One process is the default: the days of a run share one client, and a process per step costs seconds, more than most
    steps take. Several pay where marts are heavy and independent.
    """
    return recording(dg.multiprocess_executor if settings.executor == "multiprocess" else dg.in_process_executor)


def in_runs_of(assets: Iterable[dg.AssetsDefinition], days: int | None) -> list[dg.AssetsDefinition]:
    """The assets with backfills of partitioned ones cut into runs of so many days; `None` leaves them in one run.

    Marts are included: a job is cut as the finest of its assets. A run launched over a range, such as the schedule's,
    stays one run; `dagster asset materialize --partition-range` refuses while backfills are cut.
    """
    if days is None:
        return list(assets)
    policy = dg.BackfillPolicy.multi_run(max_partitions_per_run=days)
    return [one.with_attributes(backfill_policy=policy) if one.partitions_def else one for one in assets]
