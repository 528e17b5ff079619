"""KT-02: which days are held because rows moved, what else is read, and which days are landed together."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sonnys_pipeline.backfill.moves import HeldDays, MovedRowsError
from sonnys_pipeline.backfill.options import ExecutorOptions
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import NotFoundError, ServerError, TransactionJobItem
from sonnys_pipeline.extract.events import FailedDay
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.account_sites import AccountSites
from sonnys_pipeline.landing.transactions import land_day
from sonnys_pipeline.quality.moved import moved_ids
from sonnys_pipeline_tests.support.archived_days import read_day
from sonnys_pipeline_tests.support.scripted_executor import options
from sonnys_pipeline_tests.support.workspaces import workspace_of

MakeRow = Callable[..., dict[str, Any]]
ONE, TWO, THREE = "2026-03-08", "2026-03-09", "2026-03-10"
SITES = AccountSites(("EAST", "MAIN"))


class Asked:
    """The API's answers for single transactions; it has none but these."""

    def __init__(self) -> None:
        self.rows: dict[str, TransactionJobItem] = {}
        self.ids: list[str] = []

    def get(self, row_id: str) -> TransactionJobItem:
        self.ids.append(row_id)
        if row_id not in self.rows:
            raise NotFoundError(404, "EntityNotFoundError", ())
        return self.rows[row_id]


class Scene:
    """Three landed days of two rows, and days that are read again."""

    def __init__(self, folder: Path, make_row: MakeRow) -> None:
        self.make_row = make_row
        self.lake = Lake(folder / "data")
        self.api = Asked()
        self.options: ExecutorOptions = options(folder)
        for day in (ONE, TWO, THREE):
            land_day(self.lake, self.read(day, f"{day}:a", f"{day}:b"), source=self.options.source)
        workspace = workspace_of(lake=self.lake, client=SimpleNamespace(transactions=self.api))
        self.held = HeldDays(workspace, self.options)

    def read(self, day: str, *ids: str, number: int = 0) -> LoadedDay:
        return read_day([self.row(day, row_id) for row_id in ids], number=number, day=Day.of(day))

    def row(self, day: str, row_id: str) -> dict[str, Any]:
        return self.make_row(row_id, completeDate=f"{day}T08:00:00.000Z", locationCode="MAIN")

    def asked_for(self) -> list[tuple[str, str | None]]:
        return [(request.day.key, request.site) for request in self.held.requests(SITES)]


@pytest.fixture
def scene(tmp_path: Path, make_row: MakeRow) -> Scene:
    return Scene(tmp_path, make_row)


def test_an_unchanged_day_is_not_held(scene: Scene) -> None:
    """Nor is one whose rows are edited, or come from nowhere, or all gone at once, which landing refuses."""
    for ids in ([f"{ONE}:a", f"{ONE}:b"], [f"{ONE}:a", f"{ONE}:b", "new:1"], []):
        assert not scene.held.holds(scene.read(ONE, *ids))
    assert scene.asked_for() == []


def test_the_other_day_is_read_of_one_site_and_once(scene: Scene) -> None:
    """A row that came from a landed day; what was asked for is not asked for again."""
    assert scene.held.holds(scene.read(ONE, f"{ONE}:a", f"{ONE}:b", f"{TWO}:a"))
    assert scene.asked_for() == [(TWO, "MAIN")]
    assert scene.asked_for() == []
    scene.held.add_extra(replace(scene.read(TWO, f"{TWO}:b"), site="MAIN"))
    ((one, two),) = scene.held.groups()
    assert (one.extra, two.extra) == (False, True)
    assert (one.loaded.moved, two.loaded.moved) == ({f"{TWO}:a": TWO}, {f"{TWO}:a": ONE})
    assert scene.api.ids == []  # both ends are known


def test_days_without_a_common_row_are_landed_apart(scene: Scene) -> None:
    """A deleted row holds its day alone."""
    assert scene.held.holds(scene.read(ONE, f"{ONE}:a", f"{ONE}:b", f"{TWO}:a"))
    assert scene.held.holds(scene.read(TWO, f"{TWO}:b"))
    assert scene.held.holds(scene.read(THREE, f"{THREE}:b"))
    assert scene.asked_for() == []
    assert [[one.key for one in group] for group in scene.held.groups()] == [[ONE, TWO], [THREE]]
    assert scene.api.ids == [f"{THREE}:a"]
    ((_, _), (three,)) = scene.held.groups()
    assert three.loaded.deleted == {f"{THREE}:a"}


def test_the_api_is_asked_for_a_bounded_number_of_rows(scene: Scene) -> None:
    """Beyond that the count is the proof, and the rows count as neither moved nor deleted."""
    ids = [f"many:{number:03d}" for number in range(60)]
    land_day(scene.lake, scene.read("2026-03-12", *ids, "kept:1"), source=scene.options.source)
    assert scene.held.holds(scene.read("2026-03-12", "kept:1", number=1))
    assert scene.asked_for() == []
    assert (len(scene.api.ids), scene.held.requests_sent) == (50, 50)
    ((one,),) = scene.held.groups()
    assert one.loaded.deleted == frozenset(ids[:50])


def test_a_row_that_the_api_still_has_on_this_day_is_not_given_up(scene: Scene) -> None:
    """The list and the single answer contradict each other: the day stays."""
    scene.api.rows[f"{ONE}:a"] = TransactionJobItem.model_validate(scene.row(ONE, f"{ONE}:a"))
    assert scene.held.holds(scene.read(ONE, f"{ONE}:b"))
    assert scene.asked_for() == []
    ((one,),) = scene.held.groups()
    assert isinstance(one.problem, MovedRowsError)
    assert f"the API says that {ONE}:a is still of this day" in str(one.problem)


def test_a_row_that_came_with_two_days_is_in_neither(scene: Scene) -> None:
    """It moved between the two reads: both days stay, and the next run reads them as they are then."""
    assert scene.held.holds(scene.read(ONE, f"{ONE}:a", f"{ONE}:b", f"{TWO}:a"))
    assert scene.asked_for() == [(TWO, "MAIN")]
    scene.held.add_extra(scene.read(TWO, f"{TWO}:a", f"{TWO}:b"))
    assert scene.asked_for() == []
    ((one, two),) = scene.held.groups()
    assert isinstance(one.problem, MovedRowsError)
    assert one.problem is two.problem


def test_a_failed_day_fails_those_that_need_it(scene: Scene) -> None:
    """And no other."""
    assert scene.held.holds(scene.read(ONE, f"{ONE}:a", f"{ONE}:b", f"{TWO}:a"))
    assert scene.held.holds(scene.read(THREE, f"{THREE}:b"))
    (request,) = scene.held.requests(SITES)
    scene.held.add_extra(FailedDay(request, ServerError(500, "ServerUnexpectedFailure", ()), 2, 0.5))
    ((one,), (three,)) = scene.held.groups()
    assert "which could not be read" in str(one.problem)
    assert three.problem is None


def test_a_day_that_the_api_keeps_no_longer_is_not_read_again(scene: Scene) -> None:
    """A row of it lands in its new day, too; `one_day_each` tells of it."""
    old = "2025-01-01"
    source = scene.options.source
    land_day(scene.lake, scene.read(old, "old:1"), source=source)
    again = scene.read(ONE, f"{ONE}:a", f"{ONE}:b", "old:1")
    assert not scene.held.holds(again)
    assert scene.asked_for() == []
    land_day(scene.lake, again, source=source)
    assert [(one.id, one.days) for one in moved_ids(scene.lake)] == [("old:1", (old, ONE))]
