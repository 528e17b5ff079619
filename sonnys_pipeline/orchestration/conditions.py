"""When a mart follows by itself: its inputs were landed again, and hold other rows than those it was computed from.

Dagster's own conditions go by events: a day that is read again is an event, whether anything in it has changed or not.
And its data versions know one version for all partitions of a run, while a run here lands many days. So the events
only say which days to look at, and the files say whether anything is to be done.

Belongs here: the conditions, and the sensor that evaluates them. Does not belong here: the comparison (`staleness.py`).
"""

from collections.abc import Callable

import dagster as dg

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.orchestration.mart_inputs import MartInputs, Recipe
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.orchestration.staleness import stale_days

#: Seconds between looks; a look without news costs some milliseconds.
_INTERVAL = 30


class InputsChanged(dg.AutomationCondition[dg.AssetKey]):
    """Partitions whose file is not what it would be if it were computed now.

    Not a Dagster record: it reads the lake, so it can be evaluated in the code location only.
    """

    def __init__(self, recipe: Recipe, lake: LakeResource, timezone: str) -> None:
        """Compare files of `recipe.asset`; `timezone` is the zone of the daily partitions."""
        self._recipe = recipe
        self._lake = lake
        self._timezone = timezone

    @property
    def name(self) -> str:
        """What the UI calls it."""
        return "inputs_changed"

    @property
    def description(self) -> str:
        """What the UI says of it."""
        return "Landed rows are others than those that the file was computed from, or there is no file yet"

    @property
    def requires_cursor(self) -> bool:
        """The lake is memory enough."""
        return False

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Those of the candidates; what cannot be read is logged, and no reason to compute anything."""
        candidates = context.candidate_subset
        if candidates.is_empty or context.partitions_def is None:
            return dg.AutomationResult(context, context.get_empty_subset())
        try:
            lake = self._lake.process_config_and_initialize().open_lake()
            inputs = MartInputs(lake, self._timezone)
            days = sorted(candidates.expensively_compute_partition_keys())
            found = stale_days(lake, inputs, self._recipe, days)
        except LakeError as error:
            context.log.warning("%s", error)
            return dg.AutomationResult(context, context.get_empty_subset())
        for problem in found.problems:
            context.log.warning("%s", problem)
        subset = context.asset_graph_view.get_subset_from_partition_keys(
            context.key, context.partitions_def, set(found.days)
        )
        return dg.AutomationResult(context, subset)


def following(lake: LakeResource, timezone: str) -> Callable[[Recipe], dg.AutomationCondition[dg.AssetKey]]:
    """How marts and tables follow what they are computed from, in a lake and with a zone of daily partitions.

    A backfilled day counts like the latest one. A day that is on its way in a run or a backfill is left to it; one that
    failed is tried again when its inputs are landed again, and not before.
    """

    def follow(recipe: Recipe) -> dg.AutomationCondition[dg.AssetKey]:
        news = (
            dg.AutomationCondition.initial_evaluation()
            | dg.AutomationCondition.any_deps_updated()
            | dg.AutomationCondition.code_version_changed()
        ).with_label("inputs landed, or definition changed")
        # Dagster's `since_last_handled` would take the first evaluation for handled; days that were landed before the
        # sensor was first switched on are news, too. So every day is looked at until it has been computed once.
        handled = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()
        return (
            news.since(handled.with_label("handled"))
            & ~dg.AutomationCondition.in_progress()
            & ~dg.AutomationCondition.any_deps_in_progress()
            & InputsChanged(recipe, lake, timezone)
        ).with_label("follows its inputs")

    return follow


def marts_sensor(target: dg.AssetSelection) -> dg.SensorDefinition:
    """Evaluates the conditions, in the code location; one backfill for all days that are found together."""
    return dg.AutomationConditionSensorDefinition(
        "marts_follow",
        target=target,
        # On by itself: whoever runs a daemon has been promised that marts follow, and it spends no request.
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=_INTERVAL,
        use_user_code_server=True,
        description="Computes tables and marts again for exactly the days whose rows have changed; nothing for a day "
        "that was read again and is the same.",
    )
