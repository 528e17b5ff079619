"""KT-02 over real HTTP: rows that move between days, or are deleted, in runs that read one of the days."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.backfill.executor import BatchExecutor, ExecutionResult, JobIdentity
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.lake.changes import landed_changes
from sonnys_pipeline.lake.storage.folder import FolderStorage
from sonnys_pipeline.quality.invariants import violations
from sonnys_pipeline.quality.moved import moved_ids
from sonnys_pipeline.simulator import Faults, Simulator
from sonnys_pipeline.simulator.edits import Edit
from sonnys_pipeline_tests.integration.conftest import Pipeline
from sonnys_pipeline_tests.support.pipelines.executors import Bench, bench_in, day_start

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
LAST = datetime.now(UTC).date() - timedelta(days=1)


def day(back: int) -> str:
    return (LAST - timedelta(days=back)).isoformat()


@pytest.fixture
def bench(
    start_simulator: Callable[..., Simulator], connect: Callable[..., SonnysClient], tmp_path: Path
) -> Iterator[Bench]:
    with bench_in(tmp_path, start_simulator, connect, now=NOON, rows_per_day=40) as opened:
        yield opened


def land(bench: Bench, *days: str, found_by: str = "re-read") -> ExecutionResult:
    executor: BatchExecutor = bench.executor()
    options = executor._options
    executor._options = replace(
        options, found_by=dict.fromkeys(days, found_by), loader=replace(options.loader, proof=True, states="auto")
    )
    bench.simulator.state.jobs.clear()  # else the API would answer with what it has kept
    bench.simulator.state.cached_lists.clear()
    bench.landed.clear()
    return executor.load(days, JobIdentity([f"{datetime.now(UTC)} {days}"]))


def edit(bench: Bench, key: str, what: Edit, **how: Any) -> str:
    start = day_start(key)
    (row_id,) = bench.simulator.world.edit_rows(start, start + timedelta(days=1, milliseconds=-1), 1, edit=what, **how)
    return row_id


def told(bench: Bench) -> list[tuple[Any, ...]]:
    columns = ("transaction_id", "day", "change", "field", "other_day", "found_by")
    changes = landed_changes(bench.lake).sort_by("day")
    return [tuple(row[name] for name in columns) for row in changes.to_pylist()]


def agree(bench: Bench, *days: str) -> bool:
    return bench.landed_ids(days) == bench.expected_ids(days) and not violations(bench.lake, days, "UTC")


@pytest.mark.parametrize("read", [0, 9], ids=["where it went", "where it came from"])
def test_a_row_that_moves_is_landed_in_one_day(bench: Bench, read: int) -> None:
    """Whichever of the two days is read: the other one is read in the same run, and the change is told of both."""
    land(bench, day(0), day(9), day(10))
    moved = edit(bench, day(9), Edit.MOVE, by=timedelta(days=9))
    result = land(bench, day(read), found_by="count")
    assert result.success, result.failures
    assert sorted(bench.landed) == [day(9), day(0)]
    assert agree(bench, day(0), day(9), day(10))
    assert moved_ids(bench.lake) == []
    came, left = LAST, date.fromisoformat(day(9))
    assert told(bench) == [
        (moved, left, "moved_out", "complete_date", came, "count"),
        (moved, came, "moved_in", "complete_date", left, "count"),
    ]


def test_a_row_that_moves_into_a_day_that_is_landed_for_the_first_time(bench: Bench) -> None:
    """The usual case: a ticket that was completed again yesterday."""
    land(bench, day(9))
    moved = edit(bench, day(9), Edit.MOVE, by=timedelta(days=9))
    assert land(bench, day(0)).success
    assert agree(bench, day(0), day(9))
    assert told(bench) == [(moved, date.fromisoformat(day(9)), "moved_out", "complete_date", LAST, "re-read")]


def test_a_row_that_moves_into_a_day_that_is_not_landed_leaves_its_day(bench: Bench) -> None:
    """It is nowhere until that day is landed, which then has nothing to read besides."""
    land(bench, day(9))
    moved = edit(bench, day(9), Edit.MOVE, by=timedelta(days=9))
    assert land(bench, day(9)).success
    assert bench.landed == [day(9)]
    assert told(bench) == [(moved, date.fromisoformat(day(9)), "moved_out", "complete_date", LAST, "re-read")]
    assert land(bench, day(0)).success
    assert agree(bench, day(0), day(9))


def test_a_deleted_row_leaves_its_day_with_the_proof_of_the_count(bench: Bench) -> None:
    """It is kept among the changes; the API was asked once for it."""
    land(bench, day(1))
    gone = edit(bench, day(1), Edit.DELETE)
    assert land(bench, day(1)).success
    assert agree(bench, day(1))
    assert told(bench) == [(gone, date.fromisoformat(day(1)), "removed", "total", None, "re-read")]
    assert sum(record.path.endswith(gone) for record in bench.simulator.log) == 1


def test_a_day_whose_other_day_cannot_be_read_stays(bench: Bench) -> None:
    """Neither in two days nor in none: nothing is landed, and the next run makes good for it."""
    land(bench, day(0), day(9))
    before = bench.landed_ids([day(0), day(9)])
    left = date.fromisoformat(day(9))
    bench.simulator.set_faults(Faults(moved_rows={left: 1}, moved_by_days=9, fail_dates=frozenset({left})))
    result = land(bench, day(0))
    assert (result.failed, result.failures[0].error) == (1, "MovedRowsError")
    assert f"rows moved between it and {left}, which could not be read" in result.failures[0].message
    assert bench.landed_ids([day(0), day(9)]) == before
    assert told(bench) == []
    bench.simulator.set_faults(Faults(moved_rows={left: 1}, moved_by_days=9))
    assert land(bench, day(0)).success
    assert agree(bench, day(0), day(9))


def test_statuses_and_customers_of_live_rows_are_told_too(bench: Bench) -> None:
    """Live rows lack them (contract, L4): what changes in their states is a change of the row."""
    land(bench, day(1))
    voided, moved_on = edit(bench, day(1), Edit.VOID), edit(bench, day(1), Edit.CUSTOMER)
    assert land(bench, day(1), found_by="states").success
    changes = landed_changes(bench.lake).to_pylist()
    assert {(row["transaction_id"], row["field"]) for row in changes} == {
        *((voided, field) for field in ("total", "tenders", "items", "transaction_status")), (moved_on, "customer_id"),
    }  # fmt: skip
    assert {row["site"] for row in changes} == {bench.simulator.world.sites[0].code}
    (status,) = (row for row in changes if row["field"] == "transaction_status")
    assert (status["old"], status["new"], status["found_by"]) == ("Completed", "Voided", "states")
    assert land(bench, day(1)).success
    assert landed_changes(bench.lake).num_rows == len(changes)


def test_dagster_is_told_of_the_other_day(open_pipeline: Callable[..., Pipeline]) -> None:
    """A day that a run read besides has a materialization of its own, although it is none of the run's partitions."""
    pipeline = open_pipeline(now=NOON)
    assert pipeline.run("transactions", days=(day(4), day(3))).success
    start = day_start(day(4))
    pipeline.simulator.world.edit_rows(start, start + timedelta(days=1), 1, edit=Edit.MOVE, by=timedelta(days=3))
    pipeline.simulator.state.jobs.clear()
    pipeline.simulator.state.cached_lists.clear()
    assert pipeline.run("transactions", days=day(1)).success
    told = [record.partition_key for record in pipeline.materializations("transactions")]
    assert sorted(told) == sorted([day(4), day(3), day(1), day(4)])
    assert pipeline.landed_ids(day(4), day(1)) == sorted(
        [*pipeline.expected_ids(day(4)), *pipeline.expected_ids(day(1))]
    )


def test_a_run_that_is_killed_while_it_lands_two_days_is_finished_by_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each write: the changes are recorded once, and every reader sees the row in one day."""
    land(bench, day(0), day(9))
    edit(bench, day(9), Edit.MOVE, by=timedelta(days=9))
    put = FolderStorage.put
    for moment in range(40):
        left = moment

        def killed(self: FolderStorage, path: Any, write: Any) -> int:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return put(self, path, write)

        with monkeypatch.context() as patched:
            patched.setattr(FolderStorage, "put", killed)
            try:
                land(bench, day(0))
            except KeyboardInterrupt:
                pass
            else:
                break
        assert len(set(bench.landed_ids([day(0), day(9)]))) == len(bench.landed_ids([day(0), day(9)])) == 80
    assert moment > 3
    assert agree(bench, day(0), day(9))
    assert len(told(bench)) == 2
