"""What sweeps of landed days find and cost, over HTTP on a simulator whose calendar is turned by hand (KT-01, KT-02).

First 180 landed days with nothing changed, by count and by `version-2`. Then ten mornings: each lands yesterday, reads
three days again as the schedule does, and sweeps by the default policy; after each, rows of ages from 1 to 170 days are
edited in every way there is. Mornings go on until every promise of the policy is due.
`python -m benchmarks.revisit` prints all of it; `--quick` takes a small chain.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.revisit.policy import price
from sonnys_pipeline.revisit.result import SweepResult
from sonnys_pipeline.simulator.edits import Edit
from sonnys_pipeline_tests.support.pipelines.revisits import Revisits, simulator_for_revisits

DAYS = 180
MORNINGS = 10
#: Mornings after the last edit, until the weekly count of every day has come.
MORNINGS_AFTER = 8
REREAD = 4
#: Ages at which each kind of edit is made, over the ten mornings; each is drawn from these once.
AGES = (1, 2, 3, 5, 9, 14, 20, 27, 33, 40, 60, 90, 130, 170)
#: Hours from the morning's sweep to the edits.
EDIT_AFTER = 2
LATE = "added"


@dataclass
class Made:
    """One edit: what was done to which row, of which day, when, and what became of it."""

    kind: str
    row_id: str
    day: str
    age: int
    at: datetime
    days: tuple[str, ...]
    found_by: str = ""
    hours: float = 0.0
    requests: int = 0

    @property
    def promise(self) -> float | None:
        """Days within which the default policy finds it, in the older of the days that it is about; None for never."""
        age = max((self.at.date() - datetime.fromisoformat(day).date()).days for day in self.days)
        if age < REREAD:
            return 1.0
        if self.kind == Edit.TENDER:
            return None
        if age <= 34:
            return 4.0
        return 7.0 if self.kind in {Edit.DELETE, Edit.MOVE, LATE} else None


@dataclass
class Mornings:
    """The mornings of one chain.

    Attributes:
        edits: in the order in which they were made.
        read, swept: requests of each morning's run and sweep.
    """

    revisits: Revisits
    edits: list[Made] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    swept: list[int] = field(default_factory=list)
    repairs: list[int] = field(default_factory=list)

    @property
    def broken(self) -> list[Made]:
        """Edits that were not found within the policy's promise."""
        return [made for made in self.edits if made.promise and not 0 < made.hours <= made.promise * 24]

    def morning(self) -> None:
        """Land yesterday and read three days again, then sweep; say what that found."""
        revisits = self.revisits
        revisits.next_day()
        revisits.simulator.state.jobs.clear()
        revisits.simulator.state.cached_lists.clear()
        self.read.append(revisits.land([revisits.day(age) for age in range(1, REREAD + 1)]))
        self._look_for("morning's run", None)
        found = revisits.sweep()
        assert found.success, (found.failed, found.stopped)
        self.swept.append(found.requests - found.repair_requests)
        self.repairs.append(found.repair_requests)
        self._look_for("", found)

    def edit(self, ages: Sequence[tuple[str, int]]) -> None:
        """Edit a row of each of these kinds and ages."""
        world = self.revisits.simulator.world
        at = self.revisits.workspace.now() + timedelta(hours=EDIT_AFTER)
        for kind, age in ages:
            day = self.revisits.day(age)
            start = datetime.fromisoformat(day).replace(tzinfo=UTC)
            days = (day,)
            if kind == LATE:
                (row_id,) = world.add_late_rows(start + timedelta(hours=12))
            else:
                by = timedelta(days=-3 if age <= 10 else 5)
                end = start + timedelta(hours=23)
                (row_id,) = world.edit_rows(start, end, 1, edit=Edit(kind), by=by)
                if kind == Edit.MOVE:
                    days = (day, (start + by).date().isoformat())
            self.edits.append(Made(kind, row_id, day, age, at, days))

    def _look_for(self, by: str, found: SweepResult | None) -> None:
        """Which of the edits are in the lake now as the API has them."""
        looks = {one.day: one.look.value for one in found.looked} if found else {}
        differing = max(1, len(found.different)) if found else 1
        for made in self.edits:
            if not made.found_by and self._is_right(made):
                made.found_by = by or next((looks[day] for day in made.days if day in looks), "another day's repair")
                made.hours = (self.revisits.workspace.now() - made.at) / timedelta(hours=1)
                made.requests = found.repair_requests // differing if found else 0

    def _is_right(self, made: Made) -> bool:
        lake, entry = self.revisits.workspace.lake, self.revisits.simulator.world.find(made.row_id)
        expected = entry[2] if entry else None
        stands = [day for day in made.days if self._row(ASSET, "id", day, made.row_id)]
        if expected is None:
            return not stands
        if stands != [expected["completeDate"][:10]]:
            return False
        row = self._row(ASSET, "id", stands[0], made.row_id)
        states = self._row(STATES, "transaction_id", stands[0], made.row_id) if lake.has(STATES, stands[0]) else None
        return (
            row is not None and round(row["total"] * 100) == round(expected["total"] * 100)
            and row["customer_id"] == (expected["customerId"] or None)
            and [one["reference_number"] for one in row["tenders"] or ()]
            == [one["referenceNumber"] or None for one in expected["tenders"]]
            and (states is None or states["transaction_status"] == expected["transactionStatus"])
        )  # fmt: skip

    def _row(self, asset: str, key: str, day: str, row_id: str) -> dict[str, Any] | None:
        table = self.revisits.workspace.lake.read(asset, [day])
        ids = table[key].to_pylist()
        return table.slice(ids.index(row_id), 1).to_pylist()[0] if row_id in ids else None


def unchanged(revisits: Revisits, out: Console) -> dict[Look, float]:
    """Sweeps of days of which nothing has changed; requests for each day, or for 100 rows."""
    lake = revisits.workspace.lake
    rows = sum(lake.rows(ASSET, day) for day in lake.partitions(ASSET))
    files = {day: lake.version(ASSET, day) for day in lake.partitions(ASSET)}
    revisits.workspace.sites()
    table = Table("look", "days", "rows", "requests", "each", "differ", "files written", "s", title_justify="left",
                  title=f"{DAYS} landed days, nothing changed")  # fmt: skip
    found = {}
    for by, units, what in ((Look.COUNT, DAYS, "a day"), (Look.STATES, rows / 100, "per 100 rows")):
        began = time.perf_counter()
        swept = revisits.sweep(by)
        found[by] = swept.requests / units
        written = sum(lake.version(ASSET, day) != version for day, version in files.items())
        table.add_row(by.value, str(len(swept.looked)), f"{rows:,}", f"{swept.requests:,}", f"{found[by]:.3f} {what}",
                      str(len(swept.different)), str(written), f"{time.perf_counter() - began:.0f}")  # fmt: skip
    out.print(table)
    return found


def edited_mornings(revisits: Revisits, ages: Sequence[int] = AGES, count: int = MORNINGS) -> Mornings:
    """Edits of every kind at each of these ages, spread over so many mornings, and the mornings after them."""
    plan = [(kind, age) for kind in (*(edit.value for edit in Edit), LATE) for age in ages]
    random.Random(4).shuffle(plan)  # noqa: S311 - a sample, no secret
    mornings = Mornings(revisits)
    for number in range(count + MORNINGS_AFTER):
        mornings.morning()
        if number < count:
            mornings.edit(plan[number::count])
    return mornings


def _show(mornings: Mornings, out: Console) -> None:
    table = Table("edit", "age", "edits", "found by", "after hours", "requests to repair", title_justify="left",
                  title="Edits after the morning's sweep, by kind and age in days")  # fmt: skip
    for kind in dict.fromkeys(made.kind for made in sorted(mornings.edits, key=lambda one: one.kind)):
        for first, last in ((1, 4), (5, 34), (35, 170)):
            group = [made for made in mornings.edits if made.kind == kind and first <= made.age <= last]
            by = Counter(made.found_by or "not found (nothing promised)" for made in group)
            hours = [made.hours for made in group if made.found_by]
            spent = [made.requests for made in group if made.found_by and made.requests]
            table.add_row(
                kind, f"{first}-{last}", str(len(group)), ", ".join(f"{what}: {n}" for what, n in by.items()),
                f"{min(hours):.0f}-{max(hours):.0f}" if hours else "", f"{min(spent)}-{max(spent)}" if spent else "",
            )  # fmt: skip
    out.print(table)
    kept = sum(made.promise is not None for made in mornings.edits) - len(mornings.broken)
    out.print(f"promises kept: {kept}, broken: {[(one.kind, one.age, one.hours) for one in mornings.broken]}")
    mean = [sum(each) / len(each) for each in (mornings.read, mornings.swept, mornings.repairs)]
    out.print(f"requests a morning: run {mean[0]:,.0f}, sweep {mean[1]:,.0f} more, repairs {mean[2]:,.0f} more")
    policy = mornings.revisits.workspace.settings.revisit
    for rows in (500, 800):
        its = price(policy, 20, rows)
        out.print(f"by arithmetic, 20 sites of {rows} rows: run {its.full:,.0f}, sweep {its.states + its.count:,.0f}")


def show(out: Console, *, quick: bool = False) -> tuple[dict[Look, float], Mornings]:
    """Run and print both."""
    sites, rows = (3, 120) if quick else (20, 1_000)
    with simulator_for_revisits(sites=sites, rows_per_day=rows) as simulator, tempfile.TemporaryDirectory() as folder:
        revisits = Revisits.open(simulator, Path(folder))
        with revisits.workspace:
            revisits.place([revisits.day(age) for age in range(DAYS, 0, -1)])
            each, mornings = unchanged(revisits, out), edited_mornings(revisits)
            _show(mornings, out)
            return each, mornings


if __name__ == "__main__":
    show(Console(highlight=False, width=150), quick="--quick" in sys.argv)
