"""BM-03, RB-03, RB-04: writers are killed while other people's tools read: these see whole days, and nothing stays.

`SONNYS_TEST_KILLS` raises the number of kills; fifty take half a minute, and `--log-cli-level=INFO` shows the figures.
"""

import json
import logging
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.verification import damaged_files
from sonnys_pipeline_tests.support.processes.lake_processes import ASSETS, DAYS, READERS, land_without_end, rows

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.acceptance

KILLS = int(os.environ.get("SONNYS_TEST_KILLS", "6"))
SEED = int(os.environ.get("SONNYS_TEST_SEED", "11"))
#: Share of reads in which a file may have been replaced between two looks at it.
SELDOM = 0.15
REPOSITORY = Path(__file__).parents[3]


def below(lake: Lake, asset: str) -> list[str]:
    """Whatever lies below an asset's folder, hidden files included."""
    return sorted(lake.storage.below(lake.root / asset))


def test_killed_writers_beside_busy_readers(tmp_path: Path) -> None:
    """pandas, Arrow, DuckDB and Polars over a whole folder: never a part of a day, never a mixture, and no error but of
    the two tools that open a file twice, in a few of a hundred reads beside a writer that replaces files all the time.
    """
    root, stop = tmp_path / "data", tmp_path / "stop"
    lake, chance = Lake(root), random.Random(SEED)
    for asset in ASSETS:
        for day in DAYS:
            lake.land(asset, rows(0), partition=day)
    command = [sys.executable, "-m", "sonnys_pipeline_tests.support.processes.lake_processes"]
    readers = {
        kind: subprocess.Popen([*command, kind, str(root), str(stop)], cwd=REPOSITORY, stdout=subprocess.PIPE)
        for kind in READERS
    }
    try:
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload(["sonnys_pipeline_tests.support.processes.lake_processes"])
        whole = ["part-0.parquet", *(f"date={day}/part-0.parquet" for day in DAYS)]
        unfinished = 0
        for number in range(KILLS):
            ready = processes.Event()
            writer = processes.Process(target=land_without_end, args=(str(root), 1 + 1000 * number, ready))
            writer.start()
            assert ready.wait(60)
            time.sleep(chance.uniform(0, 0.4))
            writer.kill()
            writer.join()
            for asset in (*ASSETS, "sites"):
                assert set(below(lake, asset)) <= set(whole)
            unfinished += len(lake.storage.below(lake.root / ".unfinished"))
    finally:
        stop.touch()
        said = {kind: reader.communicate(timeout=60)[0] for kind, reader in readers.items()}
    assert {kind: reader.returncode for kind, reader in readers.items()} == dict.fromkeys(READERS, 0)
    told = {kind: json.loads(document) for kind, document in said.items()}
    logger.info("%d kills, %d of them left an unfinished file; readers: %s", KILLS, unfinished, told)
    assert unfinished
    assert {kind: (one["wrong"], one["quoted"]) for kind, one in told.items()} == dict.fromkeys(READERS, (0, []))
    assert all(one["overtaken"] <= max(3, one["reads"] * SELDOM) for one in told.values())
    assert told["pandas"]["overtaken"] == 0
    lake.land("sites", rows(0))
    assert not lake.storage.below(lake.root / ".unfinished")
    assert not list(damaged_files(lake))
