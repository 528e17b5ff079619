"""RB-01: what only a look at everything finds: damaged pages of the ledger, damaged bytes of landed files."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.doctor.deep import check_landed_files, check_ledger_pages
from sonnys_pipeline.doctor.machine import State
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.ledger.models import RowSpec
from sonnys_pipeline.ledger.schema import jobs
from sonnys_pipeline.ledger.service import open_ledger

TABLE = pa.table({"number": list(range(2000)), "text": [f"row {number % 97}" for number in range(2000)]})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose ledger has a job of some hundred rows."""
    made = Settings(state_dir=tmp_path / "state")
    days = [RowSpec(f"2026-{month:02}-{day:02}") for month in range(1, 13) for day in range(1, 29)]
    with open_ledger(f"sqlite:///{made.prepared_state_dir() / 'ledger.sqlite'}") as ledger:
        ledger.create_job("a", rows=days)
    return made


def test_a_whole_ledger_is_fine(settings: Settings, tmp_path: Path) -> None:
    """By its place in the state folder, or by its URL; one that is not there yet was not looked at."""
    assert check_ledger_pages(settings).state is State.OK
    by_url = Settings(ledger_url=f"sqlite:///{tmp_path}/state/ledger.sqlite")
    assert check_ledger_pages(by_url).state is State.OK
    assert check_ledger_pages(Settings(state_dir=tmp_path / "none")).state is State.SKIPPED
    assert check_ledger_pages(Settings(ledger_url="postgresql://h/d")).state is State.SKIPPED


def test_damaged_pages_are_found(settings: Settings) -> None:
    """Pages in the middle of the file that no question of the ledger has met yet."""
    path = settings.state_dir / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    content[-3 * 4096 : -2 * 4096] = b"\xa5" * 4096
    path.write_bytes(bytes(content))
    found = check_ledger_pages(settings)
    assert found.state is State.PROBLEM
    assert "ledger.sqlite is damaged" in found.detail
    assert "backup" in found.remedy


def test_rows_without_a_job_are_found(settings: Settings) -> None:
    """As somebody leaves them who deletes by hand."""
    with closing(sqlite3.connect(settings.state_dir / "ledger.sqlite")) as opened, opened:
        opened.execute(f"DELETE FROM {jobs.name}")  # noqa: S608 - our own name
    assert "refers to a missing row of" in check_ledger_pages(settings).detail


def test_whole_files_are_fine(tmp_path: Path) -> None:
    """Of every asset, with and without days; an empty lake is whole, too."""
    lake = Lake(tmp_path / "data")
    assert check_landed_files(lake).state is State.OK
    lake.land("transactions", TABLE, partition="2026-11-01")
    lake.land("sites", TABLE)
    assert check_landed_files(lake).state is State.OK


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7])
def test_a_byte_that_has_flipped_is_found(tmp_path: Path, place: float) -> None:
    """Wherever in the values it is: the footer alone says nothing of it."""
    lake = Lake(tmp_path / "data")
    for day in ("2026-11-01", "2026-11-02"):
        lake.land("transactions", TABLE, partition=day)
    path = Path(str(lake.path("transactions", "2026-11-02")))
    values = lake.storage.metadata(path).row_group(0).column(0)
    content = bytearray(path.read_bytes())
    content[values.dictionary_page_offset + int(values.total_compressed_size * place)] ^= 0x10
    path.write_bytes(bytes(content))
    found = check_landed_files(lake)
    assert found.state is State.PROBLEM
    assert found.detail.startswith("1 are damaged: transactions/date=2026-11-02/part-0.parquet (")
    assert "sonnys replay" in found.remedy


def test_what_is_no_parquet_is_found(tmp_path: Path) -> None:
    """An empty file, as a full disk of another tool leaves it."""
    lake = Lake(tmp_path / "data")
    lake.land("transactions", TABLE, partition="2026-11-01")
    Path(str(lake.path("transactions", "2026-11-01"))).write_bytes(b"")
    assert check_landed_files(lake).state is State.PROBLEM
