"""Runs a sweep: looks at landed days, and has those read again that differ (KT-01, KT-02)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from sonnys_pipeline.backfill.listener import RunListener
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.extract.events import LoadingStoppedError
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.verified import Result, Verification, record
from sonnys_pipeline.revisit.looks import Difference, compare_count, compare_rows, day_differs, known_of
from sonnys_pipeline.revisit.reading import LookReader
from sonnys_pipeline.revisit.repair import Repair
from sonnys_pipeline.revisit.result import Looked, SweepResult
from sonnys_pipeline.revisit.sweep import PlannedLook, SweepPlan

#: Looks kept together in one write; a killed sweep looks at so many days again.
_KEPT_TOGETHER = 20


class Sweep:
    """One sweep over landed days; `listener` follows the repairs, `clock` gives monotonic seconds."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        listener: RunListener | None = None,
        on_look: Callable[[Looked], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace = workspace
        self._on_look = on_look
        self._now = workspace.now
        self._reader = LookReader(workspace, clock)
        self._lists: dict[str, pa.Table] = {}
        self._repair = Repair(workspace, self._lists, listener, clock)
        self._stop_reason = ""
        self._looked: dict[str, Looked] = {}
        self._unkept: dict[str, Looked] = {}
        self._plan = SweepPlan((), ())

    def stop(self, reason: str) -> None:
        """End soon, keeping what was looked at; safe to call from a signal handler."""
        self._stop_reason = self._stop_reason or reason
        self._reader.stop()
        self._repair.stop(reason)

    def run(self, plan: SweepPlan, *, repair: bool) -> SweepResult:
        """Look at the planned days; with `repair`, read again those that differ, alone the sites where that suffices.

        A day whose count differs is read by `version-2` too, so that only its differing sites are read again. What a
        look found is kept at once: a sweep that is killed goes on with the days that were not looked at.

        Raises:
            SonnysError: the API refuses the credentials, or cannot be reached for the list of sites.
            LakeError: landed rows cannot be read, or the result cannot be written.
            LedgerError: a repair cannot be kept in the ledger.
        """
        self._plan = plan
        try:
            self._look()
        except LoadingStoppedError as error:
            self._stop_reason = str(error)
        finally:
            self._keep()
        repaired = self._read_again() if repair and not self._stop_reason else []
        return SweepResult(
            looked=tuple(self._looked[day] for day in sorted(self._looked)),
            repaired=tuple(repaired),
            failed={**self._reader.failed, **self._repair.failed},
            requests=self._reader.requests + self._repair.requests,
            repair_requests=self._repair.requests,
            stopped=self._stop_reason or self._repair.stopped,
        )

    def _look(self) -> None:
        by = {look: [one for one in self._plan.looks if one.look is look] for look in Look}
        self._count(by[Look.COUNT])
        self._read(by[Look.FULL])
        counted = [one for one in by[Look.COUNT] if self._is_different(one.day.key)]
        listed = sorted([*by[Look.STATES], *counted], key=lambda one: one.day.key)
        for one, rows in self._reader.lists(listed):
            day = one.day.key
            found = day_differs(self._workspace.lake, self._workspace.privacy, day, rows)
            if found:
                self._lists[day] = rows
            elif one.look is Look.COUNT:  # its count differs, its list does not
                found = self._looked[day].difference
            self._found(one, found)

    def _count(self, looks: Sequence[PlannedLook]) -> None:
        planned = {one.day.key: one for one in looks}
        for loaded in self._reader.read([one.day for one in looks], "count"):
            one = planned[loaded.day.key]
            self._found(one, compare_count(one.rows, sum((loaded.counts or {}).values()), one.tolerated))

    def _read(self, looks: Sequence[PlannedLook]) -> None:
        planned, lake, privacy = {one.day.key: one for one in looks}, self._workspace.lake, self._workspace.privacy
        for loaded in self._reader.read([one.day for one in looks], "rows"):
            day = loaded.day.key
            if loaded.proof is not None and loaded.proof.missing:
                self._reader.failed[day] = f"the API counts {loaded.proof.counted} rows, {loaded.proof.rows} came"
                continue
            landed = lake.read(ASSET, [day]).drop_columns("date")
            found = compare_rows(known_of(lake, privacy, day), landed, loaded.table)
            if not found and loaded.states is not None:
                found = day_differs(lake, privacy, day, loaded.states.table)
            self._found(planned[day], found)

    def _found(self, one: PlannedLook, difference: Difference) -> None:
        looked = Looked(one.day.key, one.look, self._now(), difference)
        if difference:
            still = replace(looked, still=True, result=Result.DISAGREES)
            is_known = self._was_found(still, Result.DISAGREES)
            looked = still if is_known else replace(looked, result=Result.DIFFERENT)
        self._note(looked)
        self._on_look(looked)

    def _was_found(self, looked: Looked, result: Result) -> bool:
        """Whether the same was found by the look before this sweep, with this result."""
        last = self._plan.looked_at.last(looked.day, (looked.look,))
        return last is not None and last.result is result and last.note == looked.note

    def _is_different(self, day: str) -> bool:
        return day in self._looked and self._looked[day].result is Result.DIFFERENT

    def _different(self) -> list[Looked]:
        return [one for one in self._looked.values() if one.result is Result.DIFFERENT]

    def _read_again(self) -> list[str]:
        thorough = {day for day, looked in self._looked.items() if looked.look is not Look.COUNT or day in self._lists}
        read = self._repaired(self._different())
        # Of a day that was read only because a row moved, other rows may differ: found now, and not at its next look.
        read |= self._repaired(self._look_at_lists([day for day in self._repair.moved if day not in thorough]))
        self._keep()
        return sorted(read)

    def _repaired(self, differing: Sequence[Looked]) -> set[str]:
        """Read differing days again; the days that were, those between which and them rows moved included."""
        agrees = self._repair.run(differing) if differing else {}
        for day, is_same in agrees.items():
            looked = replace(self._looked[day], result=Result.REPAIRED, seen_at=self._now())
            if not is_same:
                # The API gives rows of 20 minutes ago to the same load job: only the second time says that lists and
                # load jobs disagree for good.
                looked = replace(looked, result=Result.DIFFERENT, still=True)
                if self._was_found(looked, Result.DIFFERENT):
                    looked = replace(looked, result=Result.DISAGREES)
            self._note(looked)
        for day, others in self._repair.moved.items():
            # A day that was read because a row moved between it and a differing one has no look of its own.
            look = next(self._looked[one].look for one in (day, *others) if one in self._looked)
            known = self._looked.get(day) or Looked(day, look, self._now(), result=Result.REPAIRED)
            self._note(replace(known, moved=others))
        return {*agrees, *self._repair.moved}

    def _look_at_lists(self, days: Sequence[str]) -> list[Looked]:
        """Days by `version-2`, after a repair; those that still differ."""
        if self._stop_reason or self._repair.stopped:
            return []
        lake, timezone = self._workspace.lake, self._workspace.options.timezone
        looks = [
            PlannedLook(Day.of(day, timezone), Look.STATES, lake.rows(ASSET, day), 0, 0, None) for day in sorted(days)
        ]
        found = []
        for one, rows in self._reader.lists(looks):
            day = one.day.key
            known = replace(self._looked[day], look=Look.STATES, seen_at=self._now())
            if difference := day_differs(lake, self._workspace.privacy, day, rows):
                self._lists[day] = rows
                found.append(known := replace(known, difference=difference, result=Result.DIFFERENT))
            self._note(known)
        return found

    def _note(self, looked: Looked) -> None:
        self._looked[looked.day] = self._unkept[looked.day] = looked
        if len(self._unkept) >= _KEPT_TOGETHER:
            self._keep()

    def _keep(self) -> None:
        """Write what was found; a look of each day, the last one."""
        looks = [
            Verification(one.day, one.look, one.seen_at, one.result, one.note) for one in self._unkept.values()
        ]  # fmt: skip
        if looks:
            record(self._workspace.lake, self._workspace.options.timezone, looks)
        self._unkept.clear()
