"""Report days landed outside of a Dagster run to Dagster (decision 3).

A day that `sonnys backfill run` lands becomes a materialization at once. A day that was landed and not recorded,
because its process was killed in between, is found by comparing lake and instance. A file with some sites only is
recorded as an observation, since with a materialization the partition would look complete.
"""

from collections.abc import Callable, Iterable
from functools import partial

import dagster as dg

from sonnys_pipeline.backfill.listener import LandedDay, RunListener
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.landing.dimensions.tables import DIMENSIONS
from sonnys_pipeline.landing.facts.tables import FACTS
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.events.budget import minutes_of_budget
from sonnys_pipeline.orchestration.events.metadata import Metadata, day_metadata, landed_metadata, states_metadata
from sonnys_pipeline.runtime.quoting import sentence

_REMEDY = "fix its storage, then run: sonnys backfill reconcile"
#: Characters quoted of Dagster's messages.
_QUOTED = 300
#: Key of the only account; others have their own.
TRANSACTIONS = ONLY.key("transactions")


class RunlessDays(RunListener):
    """Reports landed days to one instance; days of some sites only as observations (`observed`).

    Attributes:
        reported: days recorded as materializations.
        lists: lists, and days of lists, recorded as materializations.
        observed: days recorded as observations, since only some sites are landed.
        problems: why days could not be reported, in sentences; landed files are not affected.
    """

    def __init__(
        self, instance: dg.DagsterInstance, lake: Lake, *, source: str, rate: RequestRate, account: Account = ONLY
    ) -> None:
        self._account = account
        self._transactions = account.key("transactions")
        self._states = account.key(STATES)
        self._instance = instance
        self._lake = lake
        self._source = source
        self._rate = rate
        self.reported: list[str] = []
        self.lists: list[str] = []
        self.observed: list[str] = []
        self.problems: list[str] = []

    def day_landed(self, day: LandedDay) -> None:
        """Report a day that has just been landed."""
        key = day.loaded.day.key
        # The event is about the file; of one that holds other sites, too, what was read now tells too little.
        whole = day.loaded.site is None
        self._report(
            key, partial(day_metadata, self._lake, day) if whole else partial(landed_metadata, self._lake, key)
        )
        if day.states is not None:
            self._report_states(key, day.states)

    def list_landed(self, asset: str, day: str | None, file: LandedFile) -> None:
        """Report a list that has just been landed, of a day or whole."""
        told = {
            "path": dg.MetadataValue.path(str(file.path)),
            "dagster/row_count" if day is None else "dagster/partition_row_count": dg.MetadataValue.int(file.rows),
            "landed_by": dg.MetadataValue.text(self._source),
        }
        event = dg.AssetMaterialization(self._account.key(asset), partition=day, metadata=told)
        try:
            self._instance.report_runless_asset_event(event)
        except Exception as error:  # noqa: BLE001 - Dagster and its storages have errors of their own
            self.problems.append(f"{asset} {day or ''}: Dagster was not told ({_said(error)})")
            return
        self.lists.append(f"{asset} {day}" if day else asset)

    def add_landed(self, day: str) -> None:
        """Report a file that was just written outside of a run, by its own metadata."""
        self._report(day, partial(landed_metadata, self._lake, day))

    def reconcile(self, days: Iterable[str] | None = None) -> None:
        """Report each landed day (of `days`, if given) without a materialization.

        A day of some sites is reported unless its newest observation is of the present file.
        """
        try:
            known = self._instance.get_materialized_partitions(self._transactions) | set(self.observed)
        except Exception as error:  # noqa: BLE001 - Dagster and its storages have errors of their own
            self.problems.append(f"Dagster could not be asked what it knows ({_said(error)}); {_REMEDY}")
            return
        landed = set(self._lake.partitions("transactions"))
        for day in sorted((landed if days is None else landed & set(days)) - known):
            self._report(day, partial(landed_metadata, self._lake, day), unless_observed=True)

    def reconcile_lists(self) -> None:
        """Report each landed list, or day of one, without a materialization."""
        try:
            for asset in (one.asset for one in FACTS):
                known = self._instance.get_materialized_partitions(self._account.key(asset))
                for day in sorted(set(self._lake.partitions(asset)) - known):
                    self._add_list(asset, day)
            for asset in (one.asset for one in DIMENSIONS):
                known_at_all = self._instance.get_latest_materialization_event(self._account.key(asset))
                if self._lake.has(asset) and known_at_all is None:
                    self._add_list(asset, None)
        except Exception as error:  # noqa: BLE001 - Dagster and its storages have errors of their own
            self.problems.append(f"Dagster could not be asked what it knows of lists ({_said(error)}); {_REMEDY}")

    def _add_list(self, asset: str, day: str | None) -> None:
        file = LandedFile(self._lake.path(asset, day), self._lake.rows(asset, day), self._lake.size(asset, day))
        self.list_landed(asset, day, file)

    def _report(self, day: str, describe: Callable[[], Metadata], *, unless_observed: bool = False) -> None:
        """Send one event; an error of Dagster or its storage is kept as a problem, and the run continues."""
        try:
            sites = landed_sites(self._lake, day)
            told = {**describe(), "landed_by": dg.MetadataValue.text(self._source)}
            told |= minutes_of_budget(told, self._rate)
            if sites is None:
                self._instance.report_runless_asset_event(
                    dg.AssetMaterialization(self._transactions, partition=day, metadata=told)
                )
                self.reported.append(day)
            elif not (unless_observed and self._was_observed(day, told)):
                told["sites"] = dg.MetadataValue.text(", ".join(sorted(sites)))
                self._instance.report_runless_asset_event(
                    dg.AssetObservation(
                        self._transactions, partition=day, metadata=told, description="Only some sites are landed."
                    )
                )
                self.observed.append(day)
        except LakeError as error:
            self.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - Dagster and its storages have errors of their own
            self.problems.append(f"{day}: Dagster was not told ({_said(error)}); {_REMEDY}")

    def _report_states(self, day: str, file: LandedFile) -> None:
        """The same for the states of a day."""
        try:
            told = {**states_metadata(self._lake, day, file), "landed_by": dg.MetadataValue.text(self._source)}
            self._instance.report_runless_asset_event(
                dg.AssetMaterialization(self._states, partition=day, metadata=told)
            )  # fmt: skip
        except LakeError as error:
            self.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - Dagster and its storages have errors of their own
            self.problems.append(f"{day}: Dagster was not told of its states ({_said(error)}); {_REMEDY}")

    def _was_observed(self, day: str, metadata: Metadata) -> bool:
        """Whether the newest observation of a day is of the file that this metadata describes."""
        of_day = dg.AssetRecordsFilter(self._transactions, asset_partitions=[day])
        newest = self._instance.fetch_observations(of_day, limit=1).records
        event = newest[0].asset_observation if newest else None
        return event is not None and event.metadata.get("loaded_at") == metadata["loaded_at"]


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {sentence(error, _QUOTED)}"
