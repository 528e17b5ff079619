"""Which files of a mart are not what they would be if they were computed now."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.marts.incremental.inputs import INPUT_DIGEST, INPUTS, MartInputs, Recipe
from sonnys_pipeline.quality.invariants import unsound


@dataclass(frozen=True)
class Stale:
    """Days to compute again, and what kept a day from being judged, in sentences."""

    days: tuple[str, ...]
    problems: tuple[str, ...] = ()


def stale_days(lake: Lake, inputs: MartInputs, recipe: Recipe, days: Iterable[str]) -> Stale:
    """Days whose rows are landed and whose mart is not there, or was computed from other rows.

    A newer file with the same rows makes nothing stale; neither does a row that another business day counts. A day
    whose inputs cannot be read, or would not pass the blocking checks, is left alone: landing it again is the remedy,
    and makes it a candidate again.
    """
    stale: list[str] = []
    doubtful: list[str] = []
    problems: list[str] = []
    for day, partitions in inputs.landed_for(recipe, days).items():
        if not partitions:
            continue
        kept = _kept(lake, recipe.asset, day)
        remembered = json.loads(kept.get(INPUTS, "{}"))
        try:
            if not kept or remembered.get("version") != recipe.version:
                stale.append(day)
            elif not inputs.is_as_remembered(recipe, partitions, remembered):
                doubtful.append(day)
        except UnreachableLakeError:
            raise
        except (LakeError, OSError) as error:
            problems.append(f"{recipe.asset} {day}: {error}")
    for days_together in _readable(inputs, recipe, doubtful, problems):
        now = inputs.digests(recipe, days_together)
        stale += [day for day in days_together if now[day] != _kept(lake, recipe.asset, day).get(INPUT_DIGEST)]
    sound = _sound(lake, inputs, recipe, stale, problems)
    return Stale(tuple(sorted(sound)), tuple(problems))


def _sound(lake: Lake, inputs: MartInputs, recipe: Recipe, days: list[str], problems: list[str]) -> list[str]:
    """Days of whose partitions the blocking checks would let all through, whether a run has checked them or not."""
    partitions = inputs.landed_for(recipe, days)
    read = sorted({key for keys in partitions.values() for key in keys})
    bad: set[str] = set()
    try:
        found = unsound(lake, read, inputs.timezone) if read else {}
    except UnreachableLakeError:
        raise
    except LakeError:
        found = {}
        for key in read:
            try:
                found |= unsound(lake, [key], inputs.timezone)
            except LakeError as error:
                found[key] = [str(error)]
    for key, said in found.items():
        bad.add(key)
        problems.append(f"{recipe.asset}: nothing is computed from {key}: {'; '.join(said)}")
    return [day for day in days if bad.isdisjoint(partitions[day])]


def _readable(inputs: MartInputs, recipe: Recipe, days: list[str], problems: list[str]) -> list[list[str]]:
    """Days in one lot, or, where a file among them cannot be read, one by one without it."""
    if not days:
        return []
    try:
        inputs.digests(recipe, days)
    except UnreachableLakeError:
        raise
    except LakeError as error:
        if len(days) == 1:
            problems.append(f"{recipe.asset} {days[0]}: {error}")
            return []
        return [lot for day in days for lot in _readable(inputs, recipe, [day], problems)]
    return [days]


def _kept(lake: Lake, asset: str, day: str) -> dict[str, str]:
    """What a mart's file says of itself; nothing where it is not there, or damaged."""
    try:
        return lake.metadata(asset, day) if lake.has(asset, day) else {}
    except UnreachableLakeError:  # nobody knows what it says
        raise
    except LakeError:
        return {}
