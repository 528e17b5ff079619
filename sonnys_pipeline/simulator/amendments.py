"""Rows that appear, change, move or go after the day is over (`Faults.late_rows`, `Faults.edited_rows` and others)."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta

from sonnys_pipeline.simulator.api.criteria import Criteria
from sonnys_pipeline.simulator.edits import Edit
from sonnys_pipeline.simulator.faults import Faults
from sonnys_pipeline.simulator.world.chain import World, epoch_ms


class Amendments:
    """Adds late rows and edits rows. Thread-safe."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._waiting: dict[date, tuple[int, int]] = {}

    def apply(self, faults: Faults) -> None:
        """Edit rows and add late ones now, or add these after `late_after_reads` reads of their date."""
        edits = {
            Edit.TOTAL: faults.edited_rows,
            Edit.VOID: faults.voided_rows,
            Edit.STATUS: faults.reopened_rows,
            Edit.CUSTOMER: faults.customer_rows,
            Edit.TENDER: faults.repaid_rows,
            Edit.DELETE: faults.deleted_rows,
            Edit.MOVE: faults.moved_rows,
        }
        by = timedelta(days=faults.moved_by_days)
        for edit, days in edits.items():
            for day, count in days.items():
                start = datetime.combine(day, time(), UTC)
                self._world.edit_rows(start, start + timedelta(days=1, milliseconds=-1), count, edit=edit, by=by)
        with self._lock:
            self._waiting = {day: (count, faults.late_after_reads) for day, count in faults.late_rows.items()}
            self._add_due_rows()

    def record_read(self, criteria: Criteria) -> None:
        """Count a page 1 that was read, for the dates in its window."""
        if criteria.page != 1:
            return
        with self._lock:
            for day, (count, reads) in self._waiting.items():
                start = epoch_ms(datetime.combine(day, time(), UTC))
                if criteria.start_ms < start + 86_400_000 and criteria.end_ms >= start:
                    self._waiting[day] = (count, reads - 1)
            self._add_due_rows()

    def _add_due_rows(self) -> None:
        for day in [day for day, (_, reads) in self._waiting.items() if reads <= 0]:
            count, _ = self._waiting.pop(day)
            self._world.add_late_rows(datetime.combine(day, time(12), UTC), count)

    def clear(self) -> None:
        """Undo all amendments and cancel waiting ones."""
        with self._lock:
            self._waiting.clear()
            self._world.forget_edits()
