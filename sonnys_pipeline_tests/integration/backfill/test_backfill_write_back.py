"""BX-07 (DATA-04): results into the CSV that asked for the days, over HTTP: nothing else changes in it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.manifest.manifest import RESULT_COLUMNS
from sonnys_pipeline.backfill.manifest.write_back import WriteBack
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days

FIVE = last_days(5)
BOM = b"\xef\xbb\xbf"
OURS = len(RESULT_COLUMNS)


def without_ours(content: bytes) -> bytes:
    """The file with the last seven cells cut off each line that is not blank; none of ours holds a semicolon."""
    lines = content.split(b"\r\n")
    return b"\r\n".join(line.rsplit(b";", OURS)[0] for line in lines)


def rows_of(path: Path) -> list[dict[str, str]]:
    """The file as any reader of CSV sees it."""
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""), delimiter=";"))


@pytest.fixture
def manifest(desk: Desk, tmp_path: Path) -> Path:
    """Five days with a note each, as a spreadsheet saves them: semicolons, BOM, CRLF."""
    path = tmp_path / "days.csv"
    path.write_bytes(BOM + b"date;note\r\n" + b"".join(f"{day};n{day}\r\n".encode() for day in FIVE))
    assert desk.requests == 0
    return path


def approved(desk: Desk, path: Path) -> str:
    """A job of this file, approved."""
    job = desk.asks("preview", "--from-csv", path)["job_id"]
    desk.types("approve", job)
    return job


def test_two_hundred_rows_with_the_owners_own_columns(
    open_desk: Callable[..., Desk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Semicolons, BOM, CRLF, quotes, a blank line, no last line end: without our columns, byte for byte the file."""
    # On a machine under load, 200 days take longer than scaled hashes live and scaled jobs may take.
    desk = open_desk(rows_per_day=40, sites=4, hash_seconds=60_000)
    monkeypatch.setenv("SONNYS_JOB_TIMEOUT", "60")
    codes = [site.code for site in desk.simulator.world.sites if site.code]
    notes = ['"a; b"', "Müller", "", "'=1+1", "  spaces  ", '"two ""quoted"" words"', "0042"]
    asked = [(day, code) for day in last_days(50) for code in codes]
    lines = [f"{notes[number % 7]};{day};{number};{code};" for number, (day, code) in enumerate(asked)]
    lines.insert(100, "")
    before = BOM + "\r\n".join(["Bemerkung;DATE;nr;site_code;x y", *lines]).encode()
    path = tmp_path / "plan.csv"
    path.write_bytes(before)

    preview = desk.asks("preview", "--from-csv", path)
    assert path.read_bytes() == before
    assert preview["total_rows"] == 200
    ended = desk.asks("run", preview["job_id"], "--mode", "auto")

    assert ended["success"]
    assert ended["write_back"] == {"path": str(path), "problems": []}
    after = path.read_bytes()
    assert after != before
    assert without_ours(after) == before
    rows = rows_of(path)
    assert [(row["DATE"], row["site_code"]) for row in rows] == asked
    assert {row["status"] for row in rows} == {"completed"}
    assert sum(int(row["rows"]) for row in rows) == 50 * 40
    for row in rows[::40]:
        assert int(row["rows"]) == len(desk.expected_ids(row["DATE"], row["site_code"]))
        assert Path(row["path"]) == desk.lake.path("transactions", row["DATE"])
        assert row["hashes"]
        assert int(row["requests"]) >= 2
        assert row["loaded_at"].endswith("Z")
        assert row["error"] == ""
    assert [found.name for found in tmp_path.iterdir() if found.is_file()] == ["plan.csv"]


def test_a_failed_row_has_its_error_and_a_resume_clears_it(desk: Desk, manifest: Path) -> None:
    """Four completed, one failed with its error; after the resume five completed, in the same columns."""
    job = approved(desk, manifest)
    before = manifest.read_bytes()
    desk.fail_days(FIVE[2])

    desk.types("run", job, "--on-error", "continue", exit_code=1)

    rows = rows_of(manifest)
    assert [row["status"] for row in rows] == ["completed", "completed", "failed", "completed", "completed"]
    assert rows[2]["error"].startswith("JobFailedError: Batch job failed")
    assert (rows[2]["rows"], rows[2]["path"], rows[2]["loaded_at"]) == ("", "", "")
    assert without_ours(manifest.read_bytes()) == before

    desk.fail_days()
    desk.types("resume", job)

    rows = rows_of(manifest)
    assert {row["status"] for row in rows} == {"completed"}
    assert {row["error"] for row in rows} == {""}
    assert without_ours(manifest.read_bytes()) == before


def test_after_fail_fast_the_rest_is_pending(desk: Desk, manifest: Path) -> None:
    """What was not read says so in the file, too."""
    job = approved(desk, manifest)
    desk.fail_days(FIVE[2])

    desk.types("run", job, exit_code=1)

    assert [row["status"] for row in rows_of(manifest)] == ["completed", "completed", "failed", "pending", "pending"]


def test_a_file_that_its_owner_changes_in_mid_run(desk: Desk, manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """His version stays, the run goes on and says so; `write-back` brings the results into it, his change included."""
    job = approved(desk, manifest)
    write = WriteBack.write
    changed = b"noted in mid-run"

    def write_after_the_owner(self: WriteBack, results: object) -> None:
        if changed not in manifest.read_bytes():
            manifest.write_bytes(manifest.read_bytes().replace(f"n{FIVE[1]}".encode(), changed))
        write(self, results)  # type: ignore[arg-type]

    with monkeypatch.context() as editing:
        editing.setattr(WriteBack, "write", write_after_the_owner)
        ended = desk.types("run", job, "--json")

    document = json.loads(ended.stdout)
    assert document["success"]
    (problem,) = document["write_back"]["problems"]
    assert "was changed since it was read; it stays as it is" in problem
    assert f"sonnys backfill write-back {job}" in problem
    assert problem in ended.stderr
    his = manifest.read_bytes()
    assert changed in his
    assert b"completed" not in his

    said = desk.asks("write-back", job)

    assert (said["written"], said["not_in_the_file"]) == (5, [])
    assert {row["status"] for row in rows_of(manifest)} == {"completed"}
    assert without_ours(manifest.read_bytes()) == his


def test_write_back_names_rows_that_the_file_has_lost(desk: Desk, manifest: Path) -> None:
    """A day that its owner has taken out since: the others are written, that one is named."""
    job = approved(desk, manifest)
    desk.types("run", job)
    manifest.write_bytes(manifest.read_bytes().replace(manifest.read_bytes().split(b"\r\n")[1] + b"\r\n", b""))

    said = desk.asks("write-back", job)

    assert (said["written"], said["not_in_the_file"]) == (4, [{"day": FIVE[0], "site": None}])
    assert FIVE[0] in desk.types("write-back", job).stderr


def test_write_back_twice_changes_nothing(desk: Desk, manifest: Path) -> None:
    """The file is up to date after the run; writing again leaves every byte, and the file itself, as they are."""
    job = approved(desk, manifest)
    desk.types("run", job)
    before, inode = manifest.read_bytes(), manifest.stat().st_ino

    desk.types("write-back", job)

    assert (manifest.read_bytes(), manifest.stat().st_ino) == (before, inode)


def test_a_file_with_results_can_ask_again(desk: Desk, manifest: Path) -> None:
    """The columns of the first job are the second one's: their number stays."""
    desk.types("run", approved(desk, manifest))
    header = manifest.read_bytes().split(b"\r\n")[0]

    desk.types("run", approved(desk, manifest))

    assert manifest.read_bytes().split(b"\r\n")[0] == header


def test_a_file_that_is_gone_before_the_run(desk: Desk, manifest: Path) -> None:
    """Nobody can tell whether its days are those approved: exit code 2, nothing is read."""
    job = approved(desk, manifest)
    manifest.unlink()
    seen = desk.requests

    (line,) = desk.types("run", job, exit_code=2).stderr.splitlines()

    assert str(manifest) in line
    assert desk.requests == seen
    assert desk.asks("status", job)["status"] == "pending"
