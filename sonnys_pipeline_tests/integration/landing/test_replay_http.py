"""docs/replay.md, DG-02, BX-05: months are made again of their pages without one request, byte for byte."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.storage.folder import UNFINISHED
from sonnys_pipeline.runtime.processes import file_writer
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, days_ago, last_days

DAYS = last_days(6)
KEYS = {
    "days", "rows", "pages", "requests", "seconds", "rows_per_second", "landed", "unchanged", "missing", "failed",
    "not_begun", "dagster",
}  # fmt: skip


def replayed(first: str, last: str, exit_code: int = 0) -> dict[str, Any]:
    """The document of `sonnys replay`."""
    result = CliRunner().invoke(main, ["replay", "--start", first, "--end", last, "--json"], prog_name="sonnys")
    assert result.exit_code == exit_code, result.output
    document = json.loads(result.stdout)
    assert set(document) == KEYS
    return document


def contents(lake: Lake, asset: str = "transactions") -> dict[str, bytes]:
    return {day: lake.path(asset, day).read_bytes() for day in lake.partitions(asset)}


@pytest.fixture
def landed(desk: Desk) -> Desk:
    """Six days of two pages each, with their archive."""
    desk.types("run", desk.approved(DAYS))
    assert desk.lake.partitions("transactions") == desk.lake.partitions("transactions_raw") == DAYS
    return desk


def test_days_are_replayed_without_a_request(landed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that are gone come back with the same bytes; no credentials are needed for it."""
    before, asked = contents(landed.lake), landed.requests
    for day in DAYS:
        landed.lake.remove("transactions", day)
    monkeypatch.delenv("SONNYS_API_ID")
    monkeypatch.delenv("SONNYS_API_KEY")
    document = replayed(DAYS[0], DAYS[-1])
    assert contents(landed.lake) == before
    assert landed.requests == asked
    assert (document["requests"], document["landed"], document["days"]) == (0, DAYS, 6)
    assert (document["rows"], document["pages"]) == (6 * 120, 6 * 3), "a page for each of the three sites"
    assert document["rows_per_second"] == pytest.approx(document["rows"] / document["seconds"], rel=0.01)
    again = replayed(DAYS[0], DAYS[-1])
    assert (again["landed"], again["unchanged"]) == ([], DAYS)


def test_every_archived_page_is_what_the_api_said(landed: Desk) -> None:
    """All ids of each day, in the API's JSON."""
    for day in DAYS:
        bodies = landed.lake.read("transactions_raw", [day])["body"].to_pylist()
        ids = {row["id"] for body in bodies for row in json.loads(body)["data"]["data"]}
        assert ids >= set(landed.expected_ids(day))


def test_days_without_an_archive_are_named(landed: Desk) -> None:
    """They stay as they are; the others are done, and the command says that not all is well."""
    landed.lake.remove("transactions_raw", DAYS[1])
    before = contents(landed.lake)
    document = replayed(days_ago(8), DAYS[-1], exit_code=1)
    assert document["missing"] == [days_ago(8), DAYS[1]]
    assert document["unchanged"] == [DAYS[0], *DAYS[2:]]
    assert contents(landed.lake) == before
    said = CliRunner().invoke(main, ["replay", "--start", days_ago(8), "--end", DAYS[-1]], prog_name="sonnys")
    assert f"Not archived, so unchanged: {days_ago(8)}, {DAYS[1]}." in said.stdout


def test_one_sites_read_is_replayed_with_the_others(landed: Desk) -> None:
    """The archive has that site's new pages beside the others', and makes the joined file again."""
    site = landed.simulator.world.sites[0].code
    landed.types("run", landed.approved(DAYS[:1], "--site", site))
    before = contents(landed.lake)
    assert set(landed.lake.read("transactions_raw", DAYS[:1])["site"].to_pylist()) == {"MAIN", "Harbor", "SUNSET"}
    landed.lake.remove("transactions", DAYS[0])
    assert replayed(DAYS[0], DAYS[0])["landed"] == DAYS[:1]
    assert contents(landed.lake) == before


def test_dagster_is_told_of_days_that_changed(landed: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day that was written is a materialization; one that Dagster knows and that is as it was, is not."""
    home = tmp_path / "dagster"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setattr(sys, "argv", ["sonnys", "replay"])  # where a process finds what was typed
    first = replayed(DAYS[0], DAYS[2])
    assert (first["unchanged"], first["dagster"]["reported"]) == (DAYS[:3], DAYS[:3])
    landed.lake.remove("transactions", DAYS[1])
    second = replayed(DAYS[0], DAYS[2])
    assert (second["landed"], second["dagster"]["reported"]) == ([DAYS[1]], [DAYS[1]])
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_materializations(dg.AssetKey("transactions"), limit=10).records
    newest = records[0].asset_materialization
    assert newest is not None
    assert (len(records), newest.partition) == (4, DAYS[1])
    assert newest.metadata["dagster/partition_row_count"].value == 120
    assert "replay" in str(newest.metadata["landed_by"].value)


@pytest.mark.parametrize(("first", "last", "what"), [(DAYS[1], DAYS[0], "reversed"), ("soon", DAYS[0], "is not a day")])
def test_days_that_are_none_are_wrong_usage(desk: Desk, first: str, last: str, what: str) -> None:
    """Exit code 2, and one line."""
    result = CliRunner().invoke(main, ["replay", "--start", first, "--end", last], prog_name="sonnys")
    assert result.exit_code == 2
    assert what in result.stderr


def test_without_dates_all_that_is_archived_is_replayed(landed: Desk) -> None:
    """From the first archived day to the last; where there is none, the command says so."""
    result = CliRunner().invoke(main, ["replay", "--json"], prog_name="sonnys")
    assert json.loads(result.stdout)["unchanged"] == DAYS
    for day in DAYS:
        landed.lake.remove("transactions_raw", day)
    refused = CliRunner().invoke(main, ["replay"], prog_name="sonnys")
    assert refused.exit_code == 2
    assert "no day is archived" in refused.stderr


def test_without_an_archive_nothing_is_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SONNYS_ARCHIVE=off`: the days land, their pages do not."""
    monkeypatch.setenv("SONNYS_ARCHIVE", "off")
    desk.types("run", desk.approved(DAYS[:2]))
    assert desk.lake.partitions("transactions") == DAYS[:2]
    assert not (desk.lake.root / "transactions_raw").exists()
    assert replayed(DAYS[0], DAYS[1], exit_code=1)["missing"] == DAYS[:2]


def test_a_run_removes_expired_archives(landed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """`SONNYS_ARCHIVE_DAYS`: at its end, whatever it has read; landed days stay."""
    landed.simulator.advance(1300)
    monkeypatch.setenv("SONNYS_ARCHIVE_DAYS", "4")
    landed.types("run", landed.approved(DAYS[-1:]))
    first_kept = (datetime.now(UTC).date() - timedelta(days=4)).isoformat()
    assert landed.lake.partitions("transactions") == DAYS
    kept = landed.lake.partitions("transactions_raw")
    assert kept == [day for day in DAYS if day >= first_kept]
    assert 0 < len(kept) < len(DAYS)


KILLED = """
import os, signal, sys
from sonnys_pipeline.cli import main
from sonnys_pipeline.lake.storage.folder import FolderStorage

put, left = FolderStorage.put, [int(sys.argv.pop())]

def put_or_die(self, path, write):
    if path.parent.parent.name == "transactions":
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return put(self, path, write)

FolderStorage.put = put_or_die
main(prog_name="sonnys")
"""


def test_killed_between_a_day_and_its_archive(desk: Desk) -> None:
    """SIGKILL after the third archive, before its day: the replay lands that day, and the resumed job ends well."""
    job = desk.approved(DAYS)
    command = [sys.executable, "-c", KILLED, "backfill", "run", job, "3"]
    died = subprocess.run(command, cwd=desk.folder, env=dict(os.environ), capture_output=True, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    days, archived = desk.lake.partitions("transactions"), desk.lake.partitions("transactions_raw")
    assert (len(days), len(archived)) == (2, 3)
    (between,) = set(archived) - set(days)
    assert replayed(between, between)["landed"] == [between]
    assert desk.landed_ids(between) == desk.expected_ids(between)
    unfinished = Path(str(desk.lake.root)) / UNFINISHED / f".part-0.parquet.{nobody()}.{'0' * 32}.tmp"
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    unfinished.write_bytes(b"PAR1")
    desk.types("run", job, "--recover", "resume")
    assert not unfinished.exists()
    before = contents(desk.lake)
    assert sorted(before) == DAYS
    for day in DAYS:
        desk.lake.remove("transactions", day)
    assert replayed(DAYS[0], DAYS[-1])["landed"] == DAYS
    assert contents(desk.lake) == before


def nobody() -> str:
    """A writer of this machine that runs no more."""
    return f"{file_writer().rpartition('-')[0]}-{2**22 + 1}"


def test_days_of_another_zone_are_replayed_in_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive names the zone; what the environment says now does not move a midnight."""
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")
    desk.types("run", desk.approved(DAYS[:2]))
    before = contents(desk.lake)
    for day in DAYS[:2]:
        desk.lake.remove("transactions", day)
    monkeypatch.delenv("SONNYS_TIMEZONE")
    replayed(DAYS[0], DAYS[1])
    assert contents(desk.lake) == before
    assert date.fromisoformat(DAYS[0]) == desk.lake.read("transactions", DAYS[:1])["date"][0].as_py()


def test_days_are_cut_at_other_midnights(landed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """KT-02: a change of mind about the zone is refused with the verb that helps, and it does, without a request."""
    asked = landed.requests
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")
    said = landed.types("preview", "--start", DAYS[0], "--end", DAYS[-1], exit_code=1).stderr
    (line,) = said.splitlines()
    assert "sonnys replay --rezone" in line

    result = CliRunner().invoke(main, ["replay", "--rezone", "--json"], prog_name="sonnys")

    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["landed"] == landed.lake.partitions("transactions") == DAYS[:-1]
    assert (document["requests"], landed.requests - asked) == (0, landed.requests - asked)
    assert document["to_read"] == [days_ago(8), DAYS[-1]]
    landed.types("preview", "--start", DAYS[0], "--end", DAYS[-1])
    for option in ("--start", "--end"):
        refused = CliRunner().invoke(main, ["replay", "--rezone", option, DAYS[0]], prog_name="sonnys")
        assert (refused.exit_code, "leave out" in refused.stderr) == (2, True)
