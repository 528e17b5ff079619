"""From a loaded day to a landed one, and setting a page aside that could not be read.

Belongs here: order and facts of the `transactions` files. Does not belong here: how a day was loaded
(`sonnys_pipeline.loading`), or how files are written (`sonnys_pipeline.lake`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sonnys_pipeline.batch.audit import writable_state
from sonnys_pipeline.client import UnparsableRowError
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, OtherSourceError
from sonnys_pipeline.lake.schema import SCHEMA_VERSION
from sonnys_pipeline.loading.pages import LoadedDay

ASSET = "transactions"
#: Facts that say whose rows a file holds.
_SOURCE_FACTS = ("account", "site_code", "timezone")
_ORDER = [("location_code", "ascending"), ("complete_date", "ascending"), ("id", "ascending")]


@dataclass(frozen=True)
class Source:
    """Whose rows a run asks for.

    Attributes:
        account: digest of the API id.
        site_code: the site header; empty when all sites are asked for.
    """

    account: str
    site_code: str = ""


def land_day(lake: Lake, loaded: LoadedDay, *, source: Source) -> LandedFile:
    """Land a complete day, sorted by site and time; a zero-row day is a file with the columns and no rows.

    Raises:
        OtherSourceError: when the landed day comes from another account, site or time zone.
        ValueError: for the rows of one site, which cannot take the place of a file that holds all of them.
        RowsWouldVanishError: when landed rows would be replaced by none.
        UnwritableLakeError: when the disk does not take it.
    """
    if loaded.site is not None:
        raise ValueError(f"{loaded.day.key}: the rows of site {loaded.site} alone are not the day's file")
    facts = _facts(loaded, source)
    _refuse_other_source(lake, loaded.day.key, facts)
    return lake.land(ASSET, loaded.table.sort_by(_ORDER), partition=loaded.day.key, facts=facts, may_empty=False)


def set_aside(folder: Path, key: str, error: UnparsableRowError) -> Path:
    """Keep the raw page of an unparsable row for inspection; readable by its owner alone.

    Returns:
        The file: JSON with the id, the field, the reason and the page's raw rows.

    Raises:
        StateUnwritableError: when it cannot be written.
    """
    # The hash is the server's word: it names the file, not the folder.
    path = folder / f"{key}-{re.sub(r'[^A-Za-z0-9_-]', '_', error.page_hash or 'page')}.json"
    content = {
        "day": key,
        "job_hash": error.page_hash,
        "row_id": error.row_id,
        "field": error.field,
        "reason": error.reason,
        "rows": list(error.page),
    }
    with writable_state(path):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
    return path


def _refuse_other_source(lake: Lake, key: str, facts: Mapping[str, str]) -> None:
    """One configuration does not replace what another has landed; a file that does not say whose it is, it may."""
    path = lake.path(ASSET, key)
    try:
        landed = lake.facts(ASSET, key) if path.exists() else {}
    except LakeError:  # damaged: landing it again is the remedy
        return
    differing = [
        f"{name} {landed[name] or '(all)'!r} landed, {facts[name] or '(all)'!r} asked for"
        for name in _SOURCE_FACTS
        if name in landed and landed[name] != facts[name]
    ]
    if differing:
        raise OtherSourceError(
            f"{ASSET} {key}: the landed day is of another source: {'; '.join(differing)}; it stays. Give this "
            f"configuration a SONNYS_DATA_URL of its own, or delete {path} and run it again."
        )


def _facts(loaded: LoadedDay, source: Source) -> dict[str, str]:
    """What stands in the file's metadata about its making."""
    windows = [
        {
            "start": f"{window.window.start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{window.window.end:%Y-%m-%dT%H:%M:%SZ}",
            "total": window.total,
            "cut_off": window.cut_off,
            "hashes": list(window.job_hashes),
        }
        for window in loaded.windows
    ]
    return {
        "schema_version": str(SCHEMA_VERSION),
        "partition": loaded.day.key,
        "account": source.account,
        "site_code": source.site_code,
        "timezone": loaded.day.timezone,
        "windows": json.dumps(windows),
        "rows": str(loaded.table.num_rows),
        "loaded_at": loaded.loaded_at.isoformat(),
    }
