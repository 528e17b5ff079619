"""BX-07: results go back into the file atomically, and never over what its owner has changed."""

import fcntl
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from sonnys_pipeline.backfill.manifest import write_back
from sonnys_pipeline.backfill.manifest.manifest import Manifest, ManifestChangedError, ManifestError, RowKey, RowResult
from sonnys_pipeline.backfill.manifest.write_back import WriteBack
from sonnys_pipeline.ledger.models import RowStatus
from sonnys_pipeline.runtime.processes import file_writer

CONTENT = b"date;note\r\n2026-01-01;a\r\n2026-01-02;b\r\n2026-01-03;c\r\n"
KEYS: list[RowKey] = [("2026-01-01", None), ("2026-01-02", None), ("2026-01-03", None)]
DONE = RowResult(RowStatus.COMPLETED, 7, 4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine" / "days.csv"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def bound(file: Path) -> WriteBack:
    return WriteBack(Manifest.read(file), "job-1")


def statuses(file: Path) -> list[str]:
    """The status of each row, as it stands in the file."""
    return [line.split(";")[2] for line in file.read_text(encoding="utf-8").splitlines()[1:]]


def names(file: Path) -> list[str]:
    return sorted(path.name for path in file.parent.iterdir())


def test_each_row_is_written_when_it_is_done(file: Path) -> None:
    """One call a row, each adding to the ones before; nothing else stays in the folder."""
    results, seen = bound(file), []
    for key in KEYS:
        results.write({key: DONE})
        seen.append(statuses(file))
    assert seen == [["completed", "", ""], ["completed", "completed", ""], ["completed"] * 3]
    assert names(file) == ["days.csv"]
    assert file.read_bytes() == Manifest.read(file).with_results({})


def test_a_resumed_job_goes_on_where_the_file_stands(file: Path) -> None:
    """Another process reads the file with results in it, and writes the others beside them."""
    bound(file).write({KEYS[0]: DONE})
    bound(file).write({KEYS[2]: RowResult(RowStatus.FAILED)})
    assert statuses(file) == ["completed", "", "failed"]


def test_the_file_is_replaced_not_written_into(file: Path) -> None:
    """Whoever has it open keeps the old version, whole."""
    with file.open("rb") as reader:
        bound(file).write({KEYS[0]: DONE})
        assert reader.read() == CONTENT
    assert file.read_bytes() != CONTENT


def test_nothing_new_is_not_written(file: Path) -> None:
    """The same result again leaves the file itself in its place."""
    results = bound(file)
    results.write({KEYS[0]: DONE})
    before = file.stat()
    results.write({KEYS[0]: DONE})
    assert os.path.samestat(before, file.stat())


def test_a_file_changed_by_its_owner_stays(file: Path) -> None:
    """Refused with the remedy; what was refused is written with the next row once the file is as it was."""
    results = bound(file)
    results.write({KEYS[0]: DONE})
    ours = file.read_bytes()
    theirs = ours + b"2026-01-04;d;;;;;;;\r\n"
    file.write_bytes(theirs)
    for _ in range(2):
        with pytest.raises(ManifestChangedError) as caught:
            results.write({KEYS[1]: DONE})
    assert str(caught.value) == (
        f"{file} was changed since it was read; it stays as it is. Look at the change, then run `sonnys backfill "
        "write-back job-1`: the results are kept in the ledger"
    )
    assert file.read_bytes() == theirs
    assert names(file) == ["days.csv"]
    file.write_bytes(ours)
    results.write({KEYS[2]: DONE})
    assert statuses(file) == ["completed"] * 3


def test_a_change_at_the_last_moment_is_seen(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor saves while the new file is being flushed to disk: what it saved stays."""
    flush = os.fsync

    def saved_meanwhile(handle: int) -> None:
        flush(handle)
        file.write_bytes(CONTENT + b"\r\n")

    results = bound(file)
    monkeypatch.setattr(write_back.os, "fsync", saved_meanwhile)
    with pytest.raises(ManifestChangedError):
        results.write({KEYS[0]: DONE})
    assert file.read_bytes() == CONTENT + b"\r\n"
    assert names(file) == ["days.csv"]


def test_a_file_that_is_gone_is_not_made_anew(file: Path) -> None:
    """Its owner has moved it, or it lies on a disk that is not there now."""
    results = bound(file)
    file.unlink()
    with pytest.raises(
        ManifestChangedError, match=r"no longer exists and was not created again. Restore it, then run `"
    ):
        results.write({KEYS[0]: DONE})
    assert names(file) == []


def test_who_comes_second_sees_a_changed_file(file: Path) -> None:
    """Two jobs with the same manifest: one writes, the other is told."""
    first, second = bound(file), bound(file)
    first.write({KEYS[0]: DONE})
    with pytest.raises(ManifestChangedError):
        second.write({KEYS[1]: DONE})
    assert statuses(file) == ["completed", "", ""]


def test_of_many_writers_at_once_one_wins(file: Path) -> None:
    """Between looking and renaming no other writer comes in: one is through, all others are refused."""
    writers = [bound(file) for _ in range(8)]

    def attempt(number: int) -> bool:
        try:
            writers[number].write({KEYS[0]: RowResult(RowStatus.COMPLETED, rows=number)})
        except ManifestChangedError:
            return False
        return True

    with ThreadPoolExecutor(len(writers)) as pool:
        won = [number for number, through in enumerate(pool.map(attempt, range(len(writers)))) if through]
    assert len(won) == 1
    assert f"a;completed;{won[0]};" in file.read_text(encoding="utf-8")
    assert names(file) == ["days.csv"]


def test_a_lock_that_is_held_is_waited_for(file: Path) -> None:
    """As long as a write takes; the write goes on when the lock is free."""
    with file.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                fcntl.flock(other, fcntl.LOCK_UN)

        WriteBack(Manifest.read(file), "job-1", sleep=pause).write({KEYS[0]: DONE})
    assert len(pauses) == 3
    assert statuses(file) == ["completed", "", ""]


def test_no_other_writer_comes_in_before_the_rename(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is held from the look at the file until the new one is in its place, and is gone then."""
    second, rename = WriteBack(Manifest.read(file), "job-2", sleep=lambda _: None), Path.replace

    def with_a_rival(beside: Path, target: Path) -> Path:
        with pytest.raises(ManifestError, match="is locked by another process"):
            second.write({KEYS[1]: DONE})
        return rename(beside, target)

    monkeypatch.setattr(write_back.Path, "replace", with_a_rival)
    bound(file).write({KEYS[0]: DONE})
    with pytest.raises(ManifestChangedError):
        second.write({KEYS[1]: DONE})
    assert statuses(file) == ["completed", "", ""]


def test_a_lock_on_a_file_that_was_replaced_meanwhile_is_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened, then replaced, then locked: the file that lies there now is to be locked instead."""
    lock, locked = fcntl.flock, []

    def replaced_first(opened: BinaryIO, how: int) -> None:
        if not locked:
            saved = file.with_name("saved.csv")
            saved.write_bytes(CONTENT)
            saved.replace(file)
        lock(opened, how)
        locked.append(os.path.samestat(os.fstat(opened.fileno()), file.stat()))

    monkeypatch.setattr(write_back.fcntl, "flock", replaced_first)
    bound(file).write({KEYS[0]: DONE})
    assert locked == [False, True]
    assert statuses(file) == ["completed", "", ""]


def test_a_lock_that_stays_held_is_not_waited_for_ever(file: Path) -> None:
    """A stopped process must not stop the job: two seconds, then the remedy."""
    pauses: list[float] = []
    with file.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ManifestError, match=r"is locked by another process; when that has ended, run `sonnys"):
            WriteBack(Manifest.read(file), "job-1", sleep=pauses.append).write({KEYS[0]: DONE})
    assert sum(pauses) == pytest.approx(2.0)
    assert file.read_bytes() == CONTENT


def test_where_there_are_no_locks_the_comparison_has_to_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none."""

    def no_locks(*_: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(write_back.fcntl, "flock", no_locks)
    bound(file).write({KEYS[0]: DONE})
    assert statuses(file) == ["completed", "", ""]


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o664, 0o755])
def test_the_mode_stays(file: Path, mode: int) -> None:
    """Who could read it before can read it after, and nobody else."""
    file.chmod(mode)
    bound(file).write({KEYS[0]: DONE})
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(file: Path) -> None:
    """Root writes results into somebody's file, and it is still theirs."""
    os.chown(file, 12345, 23456)
    bound(file).write({KEYS[0]: DONE})
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 23456)


def test_an_owner_that_cannot_be_kept_keeps_nothing_from_being_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others than root write it as theirs; some file systems know neither owners nor modes."""

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(write_back.os, "chown", refused)
    monkeypatch.setattr(write_back.Path, "chmod", refused)
    bound(file).write({KEYS[0]: DONE})
    assert statuses(file) == ["completed", "", ""]


def test_a_link_stays_a_link(file: Path, tmp_path: Path) -> None:
    """The file that it leads to is replaced, in the folder where that lies."""
    link = tmp_path / "link.csv"
    link.symlink_to(Path("mine") / "days.csv")
    bound(link).write({KEYS[0]: DONE})
    assert link.is_symlink()
    assert statuses(file) == ["completed", "", ""]
    assert (names(file), names(link)) == (["days.csv"], ["link.csv", "mine"])


def test_a_link_that_leads_elsewhere_now_is_a_change(file: Path, tmp_path: Path) -> None:
    """The other file was never read."""
    link, other = tmp_path / "link.csv", tmp_path / "other.csv"
    link.symlink_to(file)
    other.write_bytes(b"date\n2026-01-01\n")
    results = bound(link)
    link.unlink()
    link.symlink_to(other)
    with pytest.raises(ManifestChangedError):
        results.write({KEYS[0]: DONE})
    assert (file.read_bytes(), other.read_bytes()) == (CONTENT, b"date\n2026-01-01\n")


def test_a_read_only_file_is_not_replaced(file: Path) -> None:
    """A rename would do it; its owner meant that nobody should."""
    results = bound(file)
    file.chmod(0o444)
    with pytest.raises(ManifestError, match=r"days.csv cannot be written \(it is read-only\); .* run `sonnys backfill"):
        results.write({KEYS[0]: DONE})
    assert file.read_bytes() == CONTENT
    file.chmod(0o644)
    results.write({KEYS[1]: DONE})
    assert statuses(file) == ["completed", "completed", ""]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_write_that_fails_leaves_the_file_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """Full disk or interruption: the old file, no half-written one."""

    def fails(_: int) -> None:
        raise error

    results = bound(file)
    monkeypatch.setattr(write_back.os, "fsync", fails)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else ManifestError) as caught:
        results.write({KEYS[0]: DONE})
    if isinstance(caught.value, ManifestError):
        assert str(caught.value) == (
            f"{file} cannot be written (No space left on device); free space, or fix the permissions of it and its "
            "folder, then run `sonnys backfill write-back job-1`: the results are kept in the ledger"
        )
    assert (file.read_bytes(), names(file)) == (CONTENT, ["days.csv"])


def test_what_a_killed_process_left_is_removed(file: Path) -> None:
    """Its unfinished file goes with the next job; one of a process that runs stays, and so does anybody else's."""
    code = "from sonnys_pipeline.runtime.processes import file_writer; print(file_writer())"
    root = Path(__file__).parents[4]
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    left = {f".sonnys-manifest.{dead.strip()}.1.tmp", f".sonnys-manifest.{file_writer()}.2.tmp", ".mine.tmp"}
    for name in left:
        (file.parent / name).write_bytes(b"")
    bound(file)
    assert set(names(file)) == {"days.csv", *left} - {f".sonnys-manifest.{dead.strip()}.1.tmp"}


def test_killed_at_any_step_the_file_is_whole(file: Path) -> None:
    """A process that dies between two system calls of a write leaves the old file or the new one."""
    code = """
import os, sys
from sonnys_pipeline.backfill.manifest import write_back
from sonnys_pipeline.ledger.models import RowStatus
from sonnys_pipeline.backfill.manifest.manifest import Manifest, RowResult
results = write_back.WriteBack(Manifest.read(sys.argv[1]), "job-1")
die = lambda *_, **__: os.kill(os.getpid(), 9)
setattr({"replace": write_back.Path}.get(sys.argv[2], os), sys.argv[2], die)
results.write({("2026-01-01", None): RowResult(RowStatus.COMPLETED)})
"""
    root = Path(__file__).parents[4]
    for step in ("chown", "fsync", "replace"):
        done = subprocess.run([sys.executable, "-c", code, str(file), step], check=False, cwd=root)
        assert done.returncode == -9, step
        assert file.read_bytes() == CONTENT
        assert len(names(file)) == 2, "the one before was removed, the new one was left"
    bound(file).write({KEYS[0]: DONE})
    assert (statuses(file), names(file)) == (["completed", "", ""], ["days.csv"])


def test_a_name_as_long_as_names_may_be(tmp_path: Path, file: Path) -> None:
    """The file beside it must not need a longer one."""
    long = file.with_name("d" * 251 + ".csv")
    file.rename(long)
    bound(long).write({KEYS[0]: DONE})
    assert statuses(long) == ["completed", "", ""]


class Slow:
    """A clock by which each look at it is a quarter of a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.25
        return self.now


def test_a_large_file_is_not_rewritten_for_each_row(file: Path) -> None:
    """After a write that took long there is a pause of nineteen times that; `flush` brings what waits meanwhile."""
    clock, written = Slow(), []
    results = WriteBack(Manifest.read(file), "job-1", clock=clock)
    replace = results._replace
    results._replace = lambda *args: written.append(clock.now) or replace(*args)  # type: ignore[method-assign]
    results.note({KEYS[0]: DONE})
    assert statuses(file) == ["completed", "", ""]
    results.note({KEYS[1]: DONE})
    assert statuses(file) == ["completed", "", ""]
    clock.now += 60
    results.note({KEYS[2]: DONE})
    assert statuses(file) == ["completed"] * 3
    results.note({KEYS[0]: RowResult(RowStatus.FAILED)})
    results.flush()
    assert statuses(file) == ["failed", "completed", "completed"]
    assert len(written) == 3
    results.flush()
    assert len(written) == 3


def test_a_small_file_is_written_after_each_row(file: Path) -> None:
    """Where a write takes no time, nothing waits."""
    results = WriteBack(Manifest.read(file), "job-1", clock=lambda: 7.0)
    for number, key in enumerate(KEYS, start=1):
        results.note({key: DONE})
        assert statuses(file).count("completed") == number
