"""EC-02: DuckDB's own Iceberg extension reads the tables, in a folder and in an object store.

The extension is a file for one version of DuckDB. The package index has it for the version below, which is older than
ours; so that version is installed beside ours, and asked in a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.iceberg.storage import IcebergStorage
from sonnys_pipeline_tests.support.servers import PASSWORD, S3Server
from sonnys_pipeline_tests.support.small_iceberg import DAY, NEXT, iceberg, rows

DUCKDB = "1.5.5"
EXTENSIONS = ("httpfs", "avro", "iceberg")
#: Seconds for 50 MB of packages.
INSTALLED_WITHIN = 300
#: Reads a query from its arguments; prints rows as JSON.
ASK = """
import json, sys
from importlib.util import find_spec
from pathlib import Path
import duckdb
connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
for name in sys.argv[1].split():
    (file,) = Path(find_spec(f"duckdb_extension_{name}").origin).parent.rglob("*.duckdb_extension")
    connection.execute(f"LOAD '{file}'")
connection.execute(sys.argv[2])
print(json.dumps(connection.fetchall(), default=str))
"""

Ask = Callable[[str], Any]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks a DuckDB that has the extension; skips where the packages cannot be downloaded."""
    folder = tmp_path_factory.mktemp("duckdb")
    names = ["duckdb", *(f"duckdb-extension-{name}" for name in EXTENSIONS)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", str(folder)]
    done = subprocess.run(
        [*pip, *(f"{name}=={DUCKDB}" for name in names)],
        capture_output=True,
        text=True,
        timeout=INSTALLED_WITHIN,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"DuckDB {DUCKDB} with its Iceberg extension cannot be installed: {done.stderr[-300:]}")

    def answer(query: str) -> Any:
        asked = subprocess.run(
            [sys.executable, "-c", ASK, " ".join(EXTENSIONS), query],
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 0, asked.stderr
        return json.loads(asked.stdout)

    return answer


def metadata_of(lake: Lake) -> str:
    """Land, replace and widen; returns where the metadata of `transactions` is now."""
    lake.land("transactions", rows("a", "b"), partition=DAY)
    lake.land("transactions", rows("c").append_column("tip", rows("c")["note"]), partition=NEXT)
    lake.land("transactions", rows("a", "b", "d", note="second"), partition=DAY)
    assert isinstance(lake.storage, IcebergStorage)
    current = lake.storage.tables.current("transactions")
    assert current is not None
    return current.table.metadata_location


EXPECTED = [[DAY, name, "second", None, 12.5] for name in "abd"] + [[NEXT, "c", "first", "first", 12.5]]
QUERY = "SELECT date, id, note, tip, items[1].net FROM iceberg_scan('{}') ORDER BY ALL"


def test_duckdb_reads_a_folder(ask: Ask, tmp_path: Path) -> None:
    """The present rows of replaced and widened days, with the day from the partition, and nested columns."""
    assert ask(QUERY.format(metadata_of(iceberg(tmp_path)))) == EXPECTED


@pytest.mark.s3
def test_duckdb_reads_a_bucket(ask: Ask, s3_server: S3Server, s3_url: str, tmp_path: Path) -> None:
    """The same in an object store, with credentials of its own."""
    lake = iceberg(f"{s3_url}/lake", catalog=f"sqlite:///{tmp_path}/catalog.sqlite")
    secret = (
        f"CREATE SECRET (TYPE s3, KEY_ID 'tester', SECRET '{PASSWORD}', REGION 'us-east-1', URL_STYLE 'path', "
        f"USE_SSL false, ENDPOINT '127.0.0.1:{s3_server.port}')"
    )
    assert ask(f"{secret}; {QUERY.format(metadata_of(lake))}") == EXPECTED
