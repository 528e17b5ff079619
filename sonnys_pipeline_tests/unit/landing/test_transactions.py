"""DG-02: a loaded day becomes a sorted file with its metadata; an unreadable page is set aside."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import TransactionJobItem, UnparsableRowError
from sonnys_pipeline.extract.pages.assemble import CountProof, LoadedDay, complete_window, join_windows
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import OtherSourceError, RowsWouldVanishError
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.landing.quarantine import set_aside
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.runtime.private_folder import StateUnwritableError

MakeItem = Callable[..., TransactionJobItem]
DAY = Day.of("2026-03-10")
SOURCE = Source("0123456789abcdef", "MAIN")
LOADED_AT = datetime(2026, 3, 12, 6, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def loaded_day(*items: TransactionJobItem, day: Day = DAY, site: str | None = None) -> LoadedDay:
    """A day as one job a window brought it; each window gets the rows that it includes, its end too."""
    windows = []
    for number, window in enumerate(day.windows, 1):
        inside = [item for item in items if window.start <= item.complete_date <= window.end]
        page = PageRows(f"hash-{number}", len(inside), to_table(inside, TRANSACTIONS), [item.id for item in inside])
        windows.append(complete_window(window, [page]))
    table = join_windows(windows)
    proof = CountProof(table.num_rows, table.num_rows)
    return LoadedDay(day, tuple(windows), table, LOADED_AT, requests=4, seconds=2.5, site=site, proof=proof)


def at(clock: str) -> str:
    return f"2026-03-10T{clock}Z"


def test_rows_are_sorted_by_site_time_and_id(lake: Lake, make_item: MakeItem) -> None:
    """Neighbours in the file are neighbours in life, so that readers skip what they do not ask for."""
    landed = land_day(
        lake,
        loaded_day(
            make_item("9:2", locationCode="SUNSET", completeDate=at("08:00:00.000")),
            make_item("3:1", locationCode="MAIN", completeDate=at("09:00:00.001")),
            make_item("2:1", locationCode="MAIN", completeDate=at("09:00:00.000")),
            make_item("1:1", locationCode="MAIN", completeDate=at("09:00:00.000")),
            make_item("7:3", locationCode="", completeDate=at("23:59:59.999")),
        ),
        source=SOURCE,
    )
    assert (landed.path, landed.rows) == (lake.path("transactions", "2026-03-10"), 5)
    assert lake.read("transactions", ["2026-03-10"])["id"].to_pylist() == ["7:3", "1:1", "2:1", "3:1", "9:2"]


def test_the_same_rows_in_any_order_land_the_same(lake: Lake, make_item: MakeItem) -> None:
    """Which page came first does not show in the file."""
    items = [make_item(number, completeDate=at(f"09:00:{number:02d}.000")) for number in range(20)]
    first = land_day(lake, loaded_day(*items), source=SOURCE).path.read_bytes()
    assert land_day(lake, loaded_day(*reversed(items)), source=SOURCE).path.read_bytes() == first


def test_an_empty_day_is_a_file(lake: Lake) -> None:
    """Zero rows, all columns: whoever reads it knows that the day was read, and empty."""
    assert land_day(lake, loaded_day(), source=SOURCE).rows == 0
    assert lake.read("transactions", ["2026-03-10"]).schema.names == ["date", *TRANSACTIONS.names]
    assert lake.partitions("transactions") == ["2026-03-10"]
    assert lake.metadata("transactions", "2026-03-10")["rows"] == "0"


def test_landed_rows_do_not_vanish(lake: Lake, make_item: MakeItem) -> None:
    """A re-read that finds nothing does not replace a day that has rows; one that finds other rows does."""
    land_day(lake, loaded_day(make_item(1), make_item(2)), source=SOURCE)
    with pytest.raises(RowsWouldVanishError):
        land_day(lake, loaded_day(), source=SOURCE)
    assert lake.rows("transactions", "2026-03-10") == 2
    assert land_day(lake, loaded_day(make_item(3)), source=SOURCE).rows == 1


@pytest.mark.parametrize(
    ("source", "zone", "differing"),
    [
        (Source("fedcba9876543210", "MAIN"), "UTC", "account '0123456789abcdef' landed, 'fedcba9876543210' asked for"),
        (Source("0123456789abcdef", "SUNSET"), "UTC", "site_code 'MAIN' landed, 'SUNSET' asked for"),
        (Source("0123456789abcdef"), "UTC", "site_code 'MAIN' landed, '(all)' asked for"),
        (SOURCE, "America/Chicago", "timezone 'UTC' landed, 'America/Chicago' asked for"),
    ],
)
def test_another_source_does_not_replace_a_day(
    lake: Lake, make_item: MakeItem, source: Source, zone: str, differing: str
) -> None:
    """Another account, site or zone on the same lake is refused: which fact differs, and both remedies; the day stays.

    Once the file is deleted, it lands.
    """
    path = land_day(lake, loaded_day(make_item(1), make_item(2)), source=SOURCE).path
    before, other = path.read_bytes(), loaded_day(day=Day.of("2026-03-10", zone))
    with pytest.raises(OtherSourceError) as caught:
        land_day(lake, other, source=source)
    another_zone = ("sonnys replay --rezone", "restore SONNYS_TIMEZONE")
    remedies = another_zone if zone != "UTC" else ("another SONNYS_DATA_URL", f"delete {path}")
    for part in ("transactions 2026-03-10", differing, *remedies):
        assert part in str(caught.value)
    assert path.read_bytes() == before
    path.unlink()
    land_day(lake, other, source=source)


@pytest.mark.parametrize("metadata", [{}, {"timezone": "UTC"}], ids=["none", "zone alone"])
def test_a_day_that_does_not_say_whose_it_is_is_replaced(
    lake: Lake, make_item: MakeItem, metadata: dict[str, str]
) -> None:
    """Files of older versions know no account and no site: they are taken for ours, and tell it from then on."""
    lake.land("transactions", to_table([make_item(1)], TRANSACTIONS), partition="2026-03-10", metadata=metadata)
    land_day(lake, loaded_day(make_item(2)), source=SOURCE)
    assert lake.metadata("transactions", "2026-03-10")["account"] == SOURCE.api_id_digest


def test_a_damaged_day_is_landed_again(lake: Lake, make_item: MakeItem) -> None:
    """A file that cannot be read tells no source: landing the day again is its remedy, and works."""
    path = land_day(lake, loaded_day(make_item(1)), source=SOURCE).path
    path.write_bytes(b"PAR1 half a file")
    assert land_day(lake, loaded_day(make_item(1)), source=SOURCE).rows == 1


def test_the_file_tells_how_it_was_made(lake: Lake, make_item: MakeItem) -> None:
    """Windows with totals, what was cut off and hashes; zone, instant, rows, and the version of the columns."""
    day = Day.of("2026-11-01", "America/Chicago")
    land_day(
        lake,
        loaded_day(
            make_item(1, completeDate="2026-11-01T05:00:00.000Z"),
            make_item(2, completeDate="2026-11-02T05:00:00.000Z"),
            make_item(3, completeDate="2026-11-02T06:00:00.000Z"),
            day=day,
        ),
        source=SOURCE,
    )
    metadata = lake.metadata("transactions", "2026-11-01")
    assert json.loads(metadata.pop("windows")) == [
        {
            "start": "2026-11-01T05:00:00Z",
            "end": "2026-11-02T05:00:00Z",
            "site": None,
            "total": 2,
            "cut_off": 1,
            "hashes": ["hash-1"],
        },
        {
            "start": "2026-11-02T05:00:00Z",
            "end": "2026-11-02T06:00:00Z",
            "site": None,
            "total": 2,
            "cut_off": 1,
            "hashes": ["hash-2"],
        },
    ]
    assert metadata == {
        "schema_version": "1",
        "partition": "2026-11-01",
        "account": "0123456789abcdef",
        "site_code": "MAIN",
        "timezone": "America/Chicago",
        "rows": "2",
        "sites": "null",
        "superseded": "0",
        "proof": '{"counted": 2, "rows": 2, "missing": 0, "note": ""}',
        "loaded_at": "2026-03-12T06:00:00+00:00",
        "pii": "keep",
        "pii_key": "",
    }


def test_a_bad_page_is_set_aside(tmp_path: Path) -> None:
    """The raw rows, what is wrong with which, and where they came from; readable by their owner alone."""
    rows = [{"id": "1:1", "customerName": "Zoë"}, {"id": "2:1", "total": "abc"}]
    folder = tmp_path / "state" / "quarantine"
    path = set_aside(folder, "2026-03-10", UnparsableRowError("2:1", "total", "not a number", rows, "h1"))
    assert path == folder / "2026-03-10-h1.json"
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "day": "2026-03-10",
        "job_hash": "h1",
        "row_id": "2:1",
        "field": "total",
        "reason": "not a number",
        "rows": rows,
    }
    assert "Zoë" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_page_set_aside_again_replaces_itself(tmp_path: Path) -> None:
    """The same page a second time leaves one file, with the newer content."""
    set_aside(tmp_path, "2026-03-10", UnparsableRowError("1:1", "total", "x" * 500, [], "h1"))
    path = set_aside(tmp_path, "2026-03-10", UnparsableRowError("1:1", "total", "short", [], "h1"))
    assert json.loads(path.read_text())["reason"] == "short"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("job_hash", "name"), [(None, "2026-03-10-page.json"), ("../../etc/x", "2026-03-10-______etc_x.json")]
)
def test_the_server_does_not_choose_the_folder(tmp_path: Path, job_hash: str | None, name: str) -> None:
    """A hash is the server's word: it names the file, wherever it points; without one the page is called so."""
    assert set_aside(tmp_path, "2026-03-10", UnparsableRowError(None, "id", "r", [], job_hash)) == tmp_path / name


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_the_place_of_a_page_is_not_followed(tmp_path: Path, there: bool) -> None:
    """It is replaced: what it points to keeps its content, and is not made."""
    outside, folder = tmp_path / "outside", tmp_path / "quarantine"
    folder.mkdir()
    if there:
        outside.write_text("mine")
    (folder / "2026-03-10-h1.json").symlink_to(outside)
    path = set_aside(folder, "2026-03-10", UnparsableRowError("1:1", "total", "r", [], "h1"))
    assert not path.is_symlink()
    assert json.loads(path.read_text())["reason"] == "r"
    assert (outside.read_text() if outside.exists() else None) == ("mine" if there else None)


def test_half_a_character_is_set_aside_too(tmp_path: Path) -> None:
    """Legal in JSON, not in UTF-8: written as JSON spells it."""
    path = set_aside(tmp_path, "2026-03-10", UnparsableRowError("1:1", "total", "r", [{"id": "\ud83d"}], "h1"))
    assert json.loads(path.read_text())["rows"] == [{"id": "\ud83d"}]


def test_a_quarantine_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: which path, and which variable to set."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StateUnwritableError, match=r"2026-03-10-h1\.json .*SONNYS_STATE_DIR") as caught:
        set_aside(tmp_path / "state" / "quarantine", "2026-03-10", UnparsableRowError("1:1", "total", "r", [], "h1"))
    assert isinstance(caught.value.__cause__, OSError)
