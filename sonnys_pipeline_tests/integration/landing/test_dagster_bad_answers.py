"""DG-02, LJ-03, LJ-04, LJ-05: answers that cannot be read and places that cannot be written lose nothing.

Each test begins with a landed day and spoils its second reading: its file must still be there, unchanged.
"""

import contextlib
import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.simulator import Faults

DAY = "2026-03-10"


@pytest.fixture
def landed(pipeline, beginning):
    """The pipeline with one landed day, and the hashes of its load jobs expired, so that the API works it out anew."""
    assert beginning.of(pipeline, lambda: pipeline.run("transactions", days=DAY).success)
    pipeline.simulator.advance(1300)
    return pipeline


@pytest.fixture
def unchanged(landed) -> Iterator[None]:
    """After the test: the landed file is the one of before, nothing lies beside it, and no event was added."""
    path = landed.lake.path("transactions", DAY)
    before = path.read_bytes()
    yield
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert landed.times_materialized() == {DAY: 1}


@pytest.mark.usefixtures("unchanged")
def test_an_unparsable_row_is_named_and_its_page_kept(landed):
    """The failure tells which id and field; the raw page lies in the quarantine, for its owner alone to read."""
    landed.simulator.set_faults(Faults(malformed_rows=1))

    failure = landed.failure(landed.run("transactions", days=DAY))

    (page,) = (landed.state / "quarantine").iterdir()
    assert page.stat().st_mode & 0o077 == 0
    kept = json.loads(page.read_text())
    (row_id,) = [row["id"] for row in kept["rows"] if row["total"] == "abc"]
    assert row_id in landed.expected_ids(DAY)
    assert (kept["day"], kept["row_id"], kept["field"]) == (DAY, row_id, "total")
    assert f"row {row_id}" in failure
    assert "field total" in failure
    assert "abc" not in failure, "values of rows are personal data, and stay out of messages"


@pytest.mark.usefixtures("unchanged")
def test_an_unknown_job_status_is_named(landed):
    """A status beside working, pass and fail: named, not guessed at."""
    landed.simulator.set_faults(Faults(unknown_status=-1))

    failure = landed.failure(landed.run("transactions", days=DAY))

    assert "'queued'" in failure
    assert "working, pass, fail" in failure


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("operation", ["submit", "poll"])
def test_html_with_status_200_is_quoted(landed, operation):
    """A gateway's page instead of JSON: the error says so and quotes its beginning."""
    landed.simulator.set_faults(Faults(html_answers=-1, on={"html_answers": operation}))

    failure = landed.failure(landed.run("transactions", days=DAY))

    assert "not JSON" in failure
    assert "Please try again later" in failure


@pytest.mark.usefixtures("unchanged")
def test_fewer_rows_than_promised_land_nothing(landed):
    """Pages lack a row that `total` counts, however they are asked for: by how many, and that it may be run again."""
    landed.simulator.set_faults(Faults(short_page=-1))

    failure = landed.failure(landed.run("transactions", days=DAY))

    assert "the API promised" in failure
    assert "(-1)" in failure
    assert "run it again" in failure


@pytest.mark.usefixtures("unchanged")
def test_no_rows_do_not_replace_rows(landed, open_pipeline):
    """An API that knows no row of a landed day: refused, with the file to delete if that is really so."""
    forgetful = open_pipeline(closed=frozenset({date.fromisoformat(DAY)}))

    failure = forgetful.failure(forgetful.run("transactions", days=DAY))

    assert "120 rows are landed and the new read has none" in failure
    assert str(landed.lake.path("transactions", DAY)) in failure


@pytest.mark.usefixtures("unchanged")
def test_a_job_that_never_ends_is_left_after_its_timeout(landed, monkeypatch):
    """The error names the time-out and the setting that lengthens it."""
    monkeypatch.setenv("SONNYS_JOB_TIMEOUT", "0.25")
    landed.simulator.set_faults(Faults(endless_jobs=-1))

    failure = landed.failure(landed.run("transactions", days=DAY))

    assert "0.25 s" in failure
    assert "SONNYS_JOB_TIMEOUT" in failure


def test_a_lake_below_a_file_names_the_place(pipeline, monkeypatch, tmp_path):
    """SONNYS_DATA_URL inside a regular file: the path, the reason, and what to mend."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "file" / "lake"))

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert str(tmp_path / "file" / "lake") in failure
    assert "Not a directory" in failure
    assert "fix the permissions" in failure
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_state_folder_below_a_file_names_the_setting(pipeline, monkeypatch, tmp_path):
    """SONNYS_STATE_DIR inside a regular file: the setting and the path, before the API is asked."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SONNYS_STATE_DIR", str(tmp_path / "file" / "state"))

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert "SONNYS_STATE_DIR" in failure
    assert str(tmp_path / "file" / "state") in failure
    assert pipeline.simulator.stats().requests == 0


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lake on a disk of 128 kB; where no disk may be mounted, a Parquet writer that breaks off half-way."""
    disk = tmp_path / "data"
    disk.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    mounted = bool(mount) and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield disk
    finally:
        if mounted:
            subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no room on the disk; or, where it is not a small one, let writing fail as it would there."""
    if os.statvfs(disk).f_blocks * os.statvfs(disk).f_frsize > 200_000:

        def broken(table, file, **_):
            file.write(b"PAR1 and no more")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(pq, "write_table", broken)
        return
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(b"\0" * 4096):
            continue
    assert os.statvfs(disk).f_bavail == 0


def test_a_full_disk_keeps_what_has_landed(full_disk, pipeline, monkeypatch):
    """No room for the second reading: the reason and the remedy, the first file whole, nothing half-written."""
    assert pipeline.run("transactions", days=DAY).success
    path = pipeline.lake.path("transactions", DAY)
    before = path.read_bytes()
    fill(full_disk, monkeypatch)

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert "No space left on device" in failure
    assert "free space" in failure
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert pipeline.times_materialized() == {DAY: 1}
