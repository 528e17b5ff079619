"""Checks of `sonnys doctor --deep`, which read the whole ledger and all landed files to find damage early."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.doctor.machine import Finding, State, skipped
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.verification import damaged_files
from sonnys_pipeline.runtime.postgres import is_postgres
from sonnys_pipeline.runtime.text import first_few

LEDGER_PAGES, LANDED_FILES = "ledger pages", "landed files"
#: Damaged files, or errors of the database, named in one line.
_NAMED = 5


def check_ledger_pages(settings: Settings) -> Finding:
    """Whether SQLite finds every page, index and reference of the ledger's file intact."""
    subject = LEDGER_PAGES
    url = settings.ledger_url.get_secret_value() if settings.ledger_url else ""
    if is_postgres(url):
        return skipped(subject, "on a server, use its own tools: pg_amcheck")
    path = Path(url.partition("://")[2][1:]) if url else settings.state_dir / "ledger.sqlite"
    if not path.exists():
        return skipped(subject, f"{path} does not exist yet")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            results = [str(line[0]) for line in opened.execute(f"PRAGMA integrity_check({_NAMED})")]
            strays = opened.execute("PRAGMA foreign_key_check").fetchmany(_NAMED)
    except sqlite3.Error as error:
        results, strays = [str(error)], []
    wrong = [" ".join(line.split()) for line in results if line != "ok"]
    wrong += [f"a row of {table} refers to a missing row of {parent}" for table, _, parent, _ in strays]
    if not wrong:
        return Finding(subject, State.OK, f"{path}: every page is intact")
    remedy = (
        "restore the ledger from its backup (docs/operations.md), or move it away to start a new one: landed days "
        "stay, and `sonnys backfill preview --missing-only` finds missing ones"
    )
    return Finding(subject, State.PROBLEM, f"{path} is damaged: {'; '.join(wrong)}", remedy)


def check_landed_files(lake: Lake) -> Finding:
    """Whether all rows of every Parquet file in the lake can be read and match their checksums."""
    subject = LANDED_FILES
    try:
        root = f"{lake.root}/"
        damaged = {str(path).removeprefix(root): why for path, why in damaged_files(lake)}
    except (LakeError, OSError) as error:
        return Finding(subject, State.PROBLEM, str(error), "check the store, then run `sonnys doctor --deep` again")
    if not damaged:
        return Finding(subject, State.OK, f"all files in {lake.root} can be read completely")
    first = first_few([f"{name} ({why})" for name, why in damaged.items()], _NAMED, separator="; ")
    return Finding(subject, State.PROBLEM, f"{len(damaged):,} are damaged: {first}", _REMEDY)


_REMEDY = (
    "restore them from a backup; or rebuild transactions with `sonnys replay`, or load them again with `sonnys "
    "backfill preview`, then materialize the downstream tables in Dagster"
)
