"""The inputs of `wash_frequency`: the landed files of all 30 business days that a day looks back on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY_ASSET
from sonnys_pipeline.marts.frequency.washes import member_washes, window_of
from sonnys_pipeline.marts.incremental.inputs import TRANSACTIONS, MartInputs, Recipe
from sonnys_pipeline.marts.site_days import Mart

WASH_FREQUENCY_RECIPE = Recipe(WASH_FREQUENCY_ASSET, "1", by_site_day=True)
#: The policy on personal data that a file without one was landed under.
_KEPT = ("keep", "")


class WindowInputs(MartInputs):
    """As `MartInputs`, but a day's inputs are those of all its 30 business days."""

    def __init__(self, lake: Lake, timezone: str, *, engine: Engine = DUCKDB) -> None:
        super().__init__(lake, timezone, engine=engine)
        self._of_one_day = MartInputs(lake, timezone, engine=engine)
        self._versions: dict[str, str] = {}

    def zones(self, day: str) -> str:
        """Digest of the sites that are valid on any of the days."""
        return _digest([self._of_one_day.zones(one) for one in _window(day)])

    def landed_for(self, recipe: Recipe, days: Iterable[str]) -> dict[str, list[str]]:
        """The landed partitions of all 30 days; none if nothing of the day itself can be computed."""
        wanted = list(days)
        found = self._of_one_day.landed_for(recipe, _windows(wanted))
        return {
            day: sorted({key for one in _window(day) for key in found[one]}) if found[day] else [] for day in wanted
        }

    def digests(self, recipe: Recipe, days: Sequence[str]) -> dict[str, str]:
        """Digest of the rows of all 30 days. Raises LakeError if a file cannot be read."""
        found = self._of_one_day.digests(recipe, _windows(days))
        return {day: _digest([found[one] for one in _window(day)]) for day in days}

    def washes(self, days: Sequence[str]) -> Mart:
        """Member washes on all days that these look back on. Raises LakeError if a file cannot be read."""
        return self._of_one_day.count(member_washes, _windows(days))

    def notes(self, days: Sequence[str]) -> dict[date, list[str]]:
        """What the policies on personal data mean for each day's rows. Raises LakeError if a file cannot be read."""
        landed = self.landed_for(WASH_FREQUENCY_RECIPE, days)
        policies = {key: self._policy(key) for key in {key for keys in landed.values() for key in keys}}
        return {date.fromisoformat(day): _notes({policies[key] for key in keys}) for day, keys in landed.items()}

    def _version(self, recipe: Recipe, partition: str) -> str:
        # Each partition is asked for by 30 days. A version older than the rows makes a mart stale, never fresh.
        if partition not in self._versions:
            self._versions[partition] = super()._version(recipe, partition)
        return self._versions[partition]

    def _policy(self, partition: str) -> tuple[str, str]:
        metadata = self._lake.metadata(TRANSACTIONS, partition)
        return metadata.get("pii", _KEPT[0]), metadata.get("pii_key", _KEPT[1])


def _notes(policies: set[tuple[str, str]]) -> list[str]:
    found = []
    if any(policy == "drop" for policy, _ in policies):
        found.append("customer_id: days landed under SONNYS_PII=drop keep no customers")
    if len({one for one in policies if one[0] != "drop"}) > 1:
        found.append("customer_id: days were landed under different policies or keys, so one member may have two rows")
    return found


def _window(day: str) -> list[str]:
    return [one.isoformat() for one in window_of(date.fromisoformat(day))]


def _windows(days: Iterable[str]) -> list[str]:
    return sorted({one for day in days for one in _window(day)})


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
