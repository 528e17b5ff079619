"""Has days read again that differ from the API, alone the sites that differ where that suffices (KT-02)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from sonnys_pipeline.backfill.executor import BatchExecutor, ExecutionResult, JobIdentity
from sonnys_pipeline.backfill.listener import LandedDay, Listeners, RunListener
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.ledger.models import RowSpec
from sonnys_pipeline.revisit.looks import day_differs
from sonnys_pipeline.revisit.result import Looked


class Repair:
    """Reads days again. `lists` are the rows that the API listed of them; `clock` gives monotonic seconds.

    Attributes:
        requests: sent so far.
        failed: days that could not be read again, each with the reason.
        stopped: why it ended early; empty if it did not.
    """

    def __init__(
        self,
        workspace: Workspace,
        lists: Mapping[str, pa.Table],
        listener: RunListener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace = workspace
        self._lists = lists
        self._moves = _Moves()
        self._listener = Listeners([*([listener] if listener else []), self._moves])
        self._clock = clock
        self._executor: BatchExecutor | None = None
        self.requests = 0
        self.failed: dict[str, str] = {}
        self.stopped = ""

    def stop(self, reason: str) -> None:
        """End soon, at a checkpoint; safe to call from a signal handler."""
        self.stopped = self.stopped or reason
        if self._executor is not None:
            self._executor.stop(reason)

    @property
    def moved(self) -> Mapping[str, tuple[str, ...]]:
        """The other days of rows that have moved, by the day that was read again; some were read for that reason."""
        return {day: tuple(sorted(others)) for day, others in self._moves.others.items()}

    def run(self, differing: Sequence[Looked]) -> dict[str, bool]:
        """Read differing days again; tells of each day that was, whether it agrees with its list now.

        A day of which single sites were read, and that still differs, is read as a whole. Raises LedgerError, LakeError
        and SonnysError.
        """
        specs = [spec for one in sorted(differing, key=lambda one: one.day) for spec in self._specs(one)]
        found_by = {one.day: one.look.value for one in differing}
        done = self._land(specs, found_by)
        in_part = {spec.day for spec in specs if spec.site is not None}
        if again := [day for day in done if day in in_part and not self._agrees(day)]:
            landed = self._land([RowSpec(day) for day in again], found_by)
            done = [day for day in done if day not in again or day in landed]
        return {day: self._agrees(day) for day in done}

    def _specs(self, one: Looked) -> list[RowSpec]:
        """The differing sites of a day, or the whole day if one is not known or most of them differ."""
        sites = one.difference.sites
        all_sites = self._workspace.sites(as_kept=True).codes
        if not sites or "" in sites or not all_sites or 2 * len(sites) > len(all_sites):
            return [RowSpec(one.day)]
        return [RowSpec(one.day, site) for site in sorted(sites)]

    def _land(self, specs: Sequence[RowSpec], found_by: Mapping[str, str]) -> list[str]:
        """Read days again; returns those of which all that was asked for is landed."""
        if not specs or self.stopped:
            return []
        days = sorted({spec.day for spec in specs})
        options = replace(self._workspace.options, on_error=OnError.CONTINUE, found_by=found_by)
        self._executor = BatchExecutor(self._workspace, options, listener=self._listener, clock=self._clock)
        result = self._executor.load(
            specs,
            JobIdentity(
                [f"verify-{uuid.uuid4().hex[:12]}"],
                command="sonnys verify --repair",
                description=f"{len(days)} landed days that differ from the API: {days[0]} … {days[-1]}",
            ),
        )
        self.requests += result.measures.requests
        self.stopped = self.stopped or result.stopped
        undone = _undone(result, specs)
        self.failed |= undone
        return [day for day in days if day not in undone]

    def _agrees(self, day: str) -> bool:
        """Whether the landed day is what its list said, as far as there is one; no request is sent."""
        listed = self._lists.get(day)
        return listed is None or not day_differs(self._workspace.lake, self._workspace.privacy, day, listed)


class _Moves(RunListener):
    """Keeps between which days rows have moved."""

    def __init__(self) -> None:
        self.others: dict[str, set[str]] = {}

    def day_landed(self, day: LandedDay) -> None:
        """Keep the other days of its rows."""
        if day.loaded.moved:
            self.others.setdefault(day.loaded.day.key, set()).update(day.loaded.moved.values())


def _undone(result: ExecutionResult, specs: Sequence[RowSpec]) -> dict[str, str]:
    """Days that a repair did not read again, each with the reason."""
    failed = {outcome.day: f"{outcome.error}: {outcome.message}" for outcome in result.failures}
    if result.success or result.failed + result.successful == len(specs):
        return failed
    # Which rows are pending is not known here: those of a stopped run count as not done.
    why = f"not read again: {result.stopped or 'the run ended early'}"
    return {spec.day: failed.get(spec.day, why) for spec in specs}
