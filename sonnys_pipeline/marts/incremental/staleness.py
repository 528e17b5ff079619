"""Find the files of a mart that would change if they were computed now."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.marts.incremental.inputs import INPUT_DIGEST, INPUTS, TRANSACTIONS, MartInputs, Recipe
from sonnys_pipeline.quality.invariants import violations

#: What was found, by lake, time zone, and days with the versions of their files.
_FOUND: dict[tuple[str, str, tuple[tuple[str, str | None], ...]], dict[str, list[str]]] = {}
#: Sets of days in it.
_KEPT = 64


@dataclass(frozen=True)
class Stale:
    """Days to compute again, and problems that prevented a decision, in sentences."""

    days: tuple[str, ...]
    problems: tuple[str, ...] = ()


def stale_days(lake: Lake, inputs: MartInputs, recipe: Recipe, days: Iterable[str]) -> Stale:
    """Landed days whose mart does not exist, or was computed from other rows.

    Newer files with the same rows, or changed rows of other business days, make no file stale. Days whose inputs cannot
    be read, or would fail the blocking checks, are left out; landing them again is the remedy.
    """
    stale: list[str] = []
    undecided: list[str] = []
    problems: list[str] = []
    for day, partitions in inputs.landed_for(recipe, days).items():
        if not partitions:
            continue
        metadata = _metadata(lake, recipe.asset, day)
        recorded = json.loads(metadata.get(INPUTS, "{}"))
        try:
            if not metadata or recorded.get("version") != recipe.version:
                stale.append(day)
            elif not inputs.are_unchanged(recipe, day, partitions, recorded):
                undecided.append(day)
        except UnreachableLakeError:
            raise
        except (LakeError, OSError) as error:
            problems.append(f"{recipe.asset} {day}: {error}")
    for days_together in _readable(inputs, recipe, undecided, problems):
        now = inputs.digests(recipe, days_together)
        stale += [day for day in days_together if now[day] != _metadata(lake, recipe.asset, day).get(INPUT_DIGEST)]
    sound = _sound(lake, inputs, recipe, stale, problems)
    return Stale(tuple(sorted(sound)), tuple(problems))


def fresh_days(lake: Lake, inputs: MartInputs, recipe: Recipe, days: Iterable[str]) -> list[str]:
    """Days whose landed mart was computed from the rows that are landed now, with this version of the recipe.

    A mart that is damaged, or whose inputs cannot be read, is not among them.
    """
    fresh = []
    for day, partitions in inputs.landed_for(recipe, days).items():
        recorded = json.loads(_metadata(lake, recipe.asset, day).get(INPUTS, "{}")) if partitions else {}
        try:
            if recorded.get("version") == recipe.version and inputs.are_unchanged(recipe, day, partitions, recorded):
                fresh.append(day)
        except UnreachableLakeError:
            raise
        except LakeError:
            continue
    return fresh


def unchanged_days(lake: Lake, inputs: MartInputs, recipe: Recipe, days: Iterable[str]) -> frozenset[str]:
    """Days whose file would be the same if it were computed now; none if that cannot be decided for all of them."""
    wanted = frozenset(days)
    found = stale_days(lake, inputs, recipe, sorted(wanted))
    return frozenset() if found.problems else wanted.difference(found.days)


def _sound(lake: Lake, inputs: MartInputs, recipe: Recipe, days: list[str], problems: list[str]) -> list[str]:
    """Days whose partitions would all pass the blocking checks, whether or not a run has checked them."""
    partitions = inputs.landed_for(recipe, days)
    read = sorted({key for keys in partitions.values() for key in keys})
    bad: set[str] = set()
    try:
        found = _violations(lake, read, inputs.timezone) if read else {}
    except UnreachableLakeError:
        raise
    except LakeError:
        found = {}
        for key in read:
            try:
                found |= _violations(lake, [key], inputs.timezone)
            except LakeError as error:
                found[key] = [str(error)]
    for key, violated in found.items():
        bad.add(key)
        problems.append(f"{recipe.asset}: nothing is computed from {key}: {'; '.join(violated)}")
    return [day for day in days if bad.isdisjoint(partitions[day])]


def _violations(lake: Lake, partitions: list[str], timezone: str) -> dict[str, list[str]]:
    """As `violations`; several marts ask for the same days, so what was found in these versions of files is kept."""
    versions = tuple((key, lake.version(TRANSACTIONS, key)) for key in partitions)
    asked = (str(lake.root), timezone, versions)
    found = _FOUND.get(asked)
    if found is None:
        found = violations(lake, partitions, timezone)
        if len(_FOUND) >= _KEPT:
            _FOUND.clear()
        _FOUND[asked] = found
    return dict(found)


def _readable(inputs: MartInputs, recipe: Recipe, days: list[str], problems: list[str]) -> list[list[str]]:
    """All days as one list; if a file cannot be read, each readable day as a list of its own."""
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


def _metadata(lake: Lake, asset: str, day: str) -> dict[str, str]:
    """Metadata of a mart's file; empty if it does not exist or is damaged."""
    try:
        return lake.metadata(asset, day) if lake.has(asset, day) else {}
    except UnreachableLakeError:
        raise
    except LakeError:
        return {}
