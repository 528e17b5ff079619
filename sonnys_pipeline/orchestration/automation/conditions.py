"""When a mart follows by itself: its inputs were landed again, and hold other rows than those it was computed from.

Dagster's own conditions go by events: a day that is read again is an event, whether anything in it has changed or not;
and one that comes while a mart is computed is taken for handled by that mart's own event. Its data versions know one
version for all partitions of a run, while a run here lands many days. So no event is asked: at each look the files say
whether anything is to be done, and what is on its way in Dagster is left to it.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence

import dagster as dg

from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.marts.incremental.inputs import MartInputs, Recipe
from sonnys_pipeline.marts.incremental.staleness import stale_days
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.resources import LakeResource

#: Seconds between looks; a look without news costs about a second for 180 days and six files of each.
_INTERVAL = 30


class Outdated(dg.AutomationCondition[dg.AssetKey]):
    """Partitions whose file is not what it would be if it were made now, each once for a state of its inputs.

    That state is remembered when a day is asked for. A run that fails, or that somebody terminates, is not started over
    and over; what lands after the request, be it before, while or after the run reads, is asked for again.

    Not a Dagster record: it reads the lake, so it can be evaluated in the code location only.
    """

    def __init__(self, lake: LakeResource, account: Account = ONLY) -> None:
        self._lake = lake
        self._account = account

    @property
    def name(self) -> str:
        """What the UI calls it."""
        return "inputs_changed"

    @property
    def description(self) -> str:
        """What the UI says of it."""
        return "Input rows changed since this file was computed, or there is no file yet"

    @property
    def requires_cursor(self) -> bool:
        """For what has been asked for."""
        return True

    @abstractmethod
    def outdated(self, lake: Lake, days: Sequence[str], warn: Callable[[str], None]) -> dict[str, str]:
        """Days to make again, each with what tells this state of its inputs from another. Raises LakeError."""

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Those of the candidates; what cannot be read is logged, and no reason to make anything."""
        candidates, cursor = context.candidate_subset, context.cursor
        if candidates.is_empty or context.partitions_def is None:
            return dg.AutomationResult(context, context.get_empty_subset(), cursor=cursor)
        days = sorted(candidates.expensively_compute_partition_keys())
        try:
            lake = self._account.workspace(self._lake).lake.snapshot()
            found = self.outdated(lake, days, context.log.warning)
        except (LakeError, SettingsError) as error:
            context.log.warning("%s", error)
            return dg.AutomationResult(context, context.get_empty_subset(), cursor=cursor)
        asked: dict[str, str] = json.loads(cursor or "{}")
        due = {day for day, state in found.items() if asked.get(day) != state}
        # Days that are no candidates now are on their way: what was asked for them still holds.
        on_their_way = {day: state for day, state in asked.items() if day not in set(days)}
        subset = context.asset_graph_view.get_subset_from_partition_keys(context.key, context.partitions_def, due)
        return dg.AutomationResult(context, subset, cursor=json.dumps(on_their_way | found))


class InputsChanged(Outdated):
    """Days of a table or mart that were computed from other rows than those that are landed, or not at all."""

    def __init__(
        self,
        recipe: Recipe,
        lake: LakeResource,
        timezone: str,
        account: Account = ONLY,
        inputs: type[MartInputs] = MartInputs,
    ) -> None:
        super().__init__(lake, account)
        self._recipe, self._inputs = recipe, inputs
        self._timezone = timezone

    def outdated(self, lake: Lake, days: Sequence[str], warn: Callable[[str], None]) -> dict[str, str]:
        """As `stale_days` finds them, with the state of the landed files."""
        inputs = self._inputs(lake, self._timezone)
        found = stale_days(lake, inputs, self._recipe, days)
        for problem in found.problems:
            warn(problem)
        landed = inputs.landed_for(self._recipe, found.days)
        return {day: inputs.state(self._recipe, day, partitions) for day, partitions in landed.items()}


def following(
    lake: LakeResource, timezone: str, account: Account = ONLY
) -> Callable[[Recipe], dg.AutomationCondition[dg.AssetKey]]:
    """How marts and tables follow what they are computed from, in a lake and with a zone of daily partitions.

    A backfilled day counts like the latest one. A day that is on its way in a run or a backfill is left to it; one that
    failed is tried again when its inputs are landed again, and not before.
    """

    def follow(recipe: Recipe) -> dg.AutomationCondition[dg.AssetKey]:
        return idle_and(InputsChanged(recipe, lake, timezone, account), "follows its inputs")

    return follow


def idle_and(outdated: Outdated, label: str) -> dg.AutomationCondition[dg.AssetKey]:
    """Partitions that are outdated while neither they nor their inputs are on their way in a run or a backfill."""
    # The comparison comes last: only what is left is looked at, and only what it finds is remembered as asked for.
    idle = ~dg.AutomationCondition.in_progress() & ~dg.AutomationCondition.any_deps_in_progress()
    return (idle & outdated).with_label(label)


def marts_sensor(target: dg.AssetSelection, account: Account = ONLY) -> dg.SensorDefinition:
    """Evaluates the conditions, in the code location; one backfill for all days that are found together."""
    return dg.AutomationConditionSensorDefinition(
        account.named("marts_auto_materialize"),
        target=target,
        # On by itself: whoever runs a daemon has been promised that marts follow, and it spends no request.
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=_INTERVAL,
        use_user_code_server=True,
        description="Recomputes tables and marts for days whose rows changed; days that were read again without "
        f"changes are left alone.{account.of}",
    )
