"""KT-02: several days replaced as one; a reader sees all of it or nothing, whenever the writer is killed."""

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.scans import scan
from sonnys_pipeline.lake.sql import WithStates, open_rows
from sonnys_pipeline.lake.storage.folder import FolderStorage, LakePath
from sonnys_pipeline.lake.storage.journal import STAGED

ASSET, STATES = "transactions", "transaction_states"
FIRST, SECOND = "2026-03-10", "2026-03-11"
DAYS = [FIRST, SECOND]
BEFORE = [(FIRST, "moving"), (FIRST, "staying"), (SECOND, "other")]
AFTER = [(FIRST, "staying"), (SECOND, "moving"), (SECOND, "other")]


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    landed = Lake(tmp_path / "data")
    land(landed, BEFORE)
    return landed


def land(lake: Lake, rows: list[tuple[str, str]]) -> None:
    for day in sorted({day for day, _ in rows}):
        lake.land(ASSET, pa.table({"id": [row_id for key, row_id in rows if key == day]}), partition=day)


def move(lake: Lake, rows: list[tuple[str, str]] = AFTER) -> None:
    with lake.together() as group:
        land(group, rows)
        group.belong_together()


def rows_of(lake: Lake) -> list[tuple[str, str]]:
    return sorted((row["date"].isoformat(), row["id"]) for row in lake.read(ASSET, DAYS).to_pylist())


def in_every_form(lake: Lake) -> list[Any]:
    """What each kind of reader sees: ids by day."""
    paths = scan(lake, ASSET, DAYS)
    with open_rows(lake.files(ASSET, DAYS)) as connection:
        counted = sorted(row_id for (row_id,) in connection.execute("SELECT id FROM transactions").fetchall())
    return [
        rows_of(lake),
        sorted((row["date"].isoformat(), row["id"]) for row in paths.table().to_pylist()),
        sorted((day.isoformat(), row_id) for day, row_id in paths.relation().fetchall()),
        sorted((day.isoformat(), row_id) for day, row_id in paths.lazy_frame().collect().rows()),
        counted,
    ]


def kill_at(monkeypatch: pytest.MonkeyPatch, moment: int) -> Callable[[], int]:
    """Kill the writer before the so-manieth file that it writes or removes; returns how many it came to."""
    seen = 0
    put, remove = FolderStorage.put, FolderStorage.remove

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen > moment:
            raise KilledError

    def killed_put(self: FolderStorage, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        step()
        return put(self, path, write)

    def killed_remove(self: FolderStorage, path: LakePath) -> None:
        step()
        remove(self, path)

    monkeypatch.setattr(FolderStorage, "put", killed_put)
    monkeypatch.setattr(FolderStorage, "remove", killed_remove)
    return lambda: seen


def test_a_killed_commit_is_all_or_nothing_for_every_reader(lake: Lake) -> None:
    """At each moment: before the journal is written the old rows, from then on the new ones; then writers go on."""
    states = []
    for moment in range(20):
        land(lake, BEFORE)
        with pytest.MonkeyPatch.context() as patched:
            kill_at(patched, moment)
            try:
                move(lake)
            except KilledError:
                ended = False
            else:
                ended = True
        seen = in_every_form(Lake(lake.root))
        assert all(form in ([*BEFORE], [*AFTER]) for form in seen[:4])
        assert len({tuple(form) for form in seen[:4]}) == 1
        assert seen[4] == sorted(row_id for _, row_id in BEFORE)
        states.append(seen[0] == AFTER)
        with Lake(lake.root).writing(ASSET):  # the next writer finishes it
            assert (rows_of(lake) == AFTER) == states[-1]
        assert (lake.rows(ASSET, FIRST), lake.rows(ASSET, SECOND)) == ((1, 2) if states[-1] else (2, 1))
        if ended:
            break
    assert ended
    assert states == sorted(states)
    assert states.count(True) > 3  # killed while files were put in place
    assert states.count(False) > 2  # killed while files were staged
    move(lake)
    assert [path.name for path in (Path(lake.root) / STAGED).rglob("*") if path.is_file()] == ["journal.json"]


def test_lazy_rows_with_their_states_are_read_from_staged_files(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB takes the day from the path of a staged file, too."""
    for day in DAYS:
        lake.land(STATES, pa.table({"transaction_id": ["moving"], "transaction_status": [f"of {day}"]}), partition=day)
    kill_at(monkeypatch, 3)  # two files and the journal
    with pytest.raises(KilledError):
        move(lake)
    rows = WithStates(lake.files(ASSET, DAYS, by_day=True), lake.files(STATES, DAYS, by_day=True))
    with duckdb.connect() as connection:
        paths = [str(path) for path in rows.transactions]
        assert all(STAGED in path for path in paths)
        days = connection.read_parquet(paths, hive_partitioning=True).project("id, date").fetchall()
    assert sorted((day.isoformat(), row_id) for row_id, day in days) == AFTER


@pytest.mark.no_cover
def test_a_reader_in_a_loop_sees_each_row_once_while_rows_move(lake: Lake) -> None:
    """KT-02: 30 moves between two days under two readers; no id is seen twice, no landed id is missing."""
    done, looked, wrong = threading.Event(), threading.Semaphore(0), []
    expected = sorted(row_id for _, row_id in BEFORE)

    def look() -> None:
        own = Lake(lake.root)
        while not done.is_set():
            seen = sorted(row_id for _, row_id in rows_of(own))
            lazily = own.consistently(lambda: scan(own, ASSET, DAYS).relation().fetchall())
            wrong.extend(one for one in (seen, sorted(row_id for _, row_id in lazily)) if one != expected)
            looked.release()

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    chance = random.Random(13)
    for _ in range(30):
        move(lake, chance.choice([BEFORE, AFTER]))
        assert looked.acquire(timeout=60)  # the next move begins in the middle of a read
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong


def test_a_day_that_is_removed_with_the_commit_is_gone_at_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removed file counts as not landed from the commit on; a new one as landed."""

    def commit() -> None:
        with lake.together() as group:
            group.remove(ASSET, FIRST)
            group.land(ASSET, pa.table({"id": ["new"]}), partition="2026-03-12")
            assert (group.has(ASSET, FIRST), group.rows(ASSET, "2026-03-12")) == (False, 1)
            group.belong_together()

    kill_at(monkeypatch, 2)
    with pytest.raises(KilledError):
        commit()
    monkeypatch.undo()
    assert lake.partitions(ASSET) == [SECOND, "2026-03-12"]
    assert not lake.has(ASSET, FIRST)
    assert lake.read(ASSET, ["2026-03-12"])["id"].to_pylist() == ["new"]


def test_nothing_is_written_after_an_error(lake: Lake) -> None:
    """The old rows stay, and nothing is left behind."""

    def fail() -> None:
        with lake.together() as group:
            land(group, AFTER)
            group.belong_together()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rows_of(lake) == BEFORE
    assert not (Path(lake.root) / STAGED).exists()


def test_a_damaged_journal_is_named_with_its_remedy(lake: Lake) -> None:
    """Nobody guesses which files are current."""
    move(lake)
    (Path(lake.root) / STAGED / "journal.json").write_text("{")
    with pytest.raises(LakeError, match=r"journal\.json is damaged .*restore it, or delete it"):
        rows_of(lake)


def test_a_single_day_is_one_write(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that belongs to no other file costs what it did: one file, no journal."""
    seen = kill_at(monkeypatch, 10)
    with lake.together() as group:
        land(group, AFTER[:1])
    assert seen() == 1
    assert not (Path(lake.root) / STAGED).exists()
