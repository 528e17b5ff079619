"""Erase one customer: the list first, then each file atomically, then the search (RS-04).

Rows stay as sales; what leads to the customer becomes null, under each policy. An interrupted erasure is finished by
running it again: files that are done have nothing of the customer, and the list keeps new rows clean meanwhile.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from sonnys_pipeline.backfill.audit import AUDIT_FOLDER
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.erasure import lists
from sonnys_pipeline.erasure.files import landed_files, quarantined
from sonnys_pipeline.erasure.person import Person, find, search
from sonnys_pipeline.extract.pages.forgotten import (
    OF_THE_CUSTOMER,
    OF_THE_TENDER,
    customer_of,
    erase_body,
    erase_row,
)
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.storage.journal import TOGETHER
from sonnys_pipeline.landing.archive import ARCHIVE, STATES_ARCHIVE
from sonnys_pipeline.landing.forgotten import add_forgotten
from sonnys_pipeline.runtime.private_folder import private_folder, writable_state, write_private_file

#: Folder of the audit for erasures, one JSON file each.
ERASURES = "erasures"


@dataclass(frozen=True)
class Change:
    """Rows of one file (pages, for an archive) that have the customer; `day` is empty for a table without days."""

    table: str
    day: str
    rows: int


@dataclass(frozen=True)
class Erasure:
    """What was done, or would be.

    Attributes:
        searched: files that were searched afterwards; 0 for a preview.
        found: those that still have something of the customer.
        shared: values that could not be searched for, because rows of others have them.
    """

    changes: tuple[Change, ...]
    searched: int = 0
    found: tuple[str, ...] = ()
    shared: int = 0


def preview(workspace: Workspace, number: str) -> Erasure:
    """What an erasure would change; changes nothing. Raises LakeError if a file cannot be read."""
    person = _find(workspace, number)
    return Erasure(tuple(_changes(workspace, person, is_real=False)), shared=len(person.shared))


def forget(workspace: Workspace, number: str) -> Erasure:
    """Erase a customer, and search for what was erased.

    Raises:
        LakeError: a file cannot be read or written; run it again.
        StateUnwritableError: the state folder cannot be written.
    """
    numbers = _numbers(workspace, number)
    listed = add_forgotten(workspace.lake, *numbers)
    person = _find(workspace, number)
    changes = tuple(_changes(workspace, person, is_real=True))
    lists.forget_readings(workspace.lake)
    workspace.lake.storage.forget_versions(workspace.now())  # which still have the customer
    searched, found = search(workspace.lake, workspace.settings.prepared_state_dir(), person)
    erasure = Erasure(changes, searched, tuple(found), len(person.shared))
    _write_audit(workspace.settings.prepared_state_dir(), listed.digest(number), erasure, workspace.now())
    return erasure


def erased_table(table: pa.Table, person: Person) -> tuple[pa.Table, int]:
    """A table without a customer, and in how many rows the customer was; the same table if in none."""
    keys = [name for name in ("customer_id", "transaction_id", "id") if name in table.column_names]
    mine = [place for place, row in enumerate(table.select(keys).to_pylist()) if keys and person.owns(row)]
    count, rows = 0, {place: table.slice(place, 1).to_pylist()[0] for place in mine}
    for place, row in rows.items():
        erased = _erased(row)
        count += erased != row
        rows[place] = erased
    if not count:
        return table, 0
    everything = table.to_pylist()
    for place, row in rows.items():
        everything[place] = row
    return pa.Table.from_pylist(everything, table.schema), count


def _erased(row: Mapping[str, Any]) -> dict[str, Any]:
    gone = (*OF_THE_CUSTOMER, *OF_THE_TENDER)
    erased = {name: None if name in gone else value for name, value in row.items()}
    if isinstance(tenders := row.get("tenders"), list):
        erased["tenders"] = [{**one, **dict.fromkeys(OF_THE_TENDER)} for one in tenders]
    if row.get("extra"):  # as a later read lands it: the names of unknown fields, without values
        names = dict.fromkeys(json.loads(row["extra"]))
        erased["extra"] = json.dumps(names, sort_keys=True, ensure_ascii=False)
    if erased.get("field") in gone:  # a recorded change
        erased |= {"old": None, "new": None}
    return erased


def _numbers(workspace: Workspace, number: str) -> set[str]:
    """The customer number as the lake may have it: in clear, and hashed where there is a key."""
    return {number, workspace.privacy.apply_to_text(number) or number}


def _find(workspace: Workspace, number: str) -> Person:
    return find(workspace.lake, workspace.settings.state_dir, _numbers(workspace, number))


def _changes(workspace: Workspace, person: Person, *, is_real: bool) -> list[Change]:
    lake, done = workspace.lake, []
    for path in quarantined(workspace.settings.state_dir):
        if rows := _erase_quarantined(path, person, is_real=is_real):
            done.append(Change("quarantine", path.name[:10], rows))  # noqa: PERF401 - it rewrites files
    for asset, day in landed_files(lake):
        if not is_real:
            _, rows = _cleaned(lake, asset, day, person)
        else:
            with lake.writing(TOGETHER[0] if asset in TOGETHER else asset):
                if not lake.has(asset, day):
                    continue
                table, rows = _cleaned(lake, asset, day, person)
                if rows:
                    lake.land(asset, table, partition=day, metadata=lake.metadata(asset, day))
        if rows:
            done.append(Change(asset, day or "", rows))
    return done


def _cleaned(lake: Lake, asset: str, day: str | None, person: Person) -> tuple[pa.Table, int]:
    table = lake.read(asset, None if day is None else [day]).replace_schema_metadata(None)
    if day is not None:
        table = table.drop_columns("date")
    if asset in lists.TABLES:
        return lists.without(table, asset, person.is_theirs)
    if asset not in {ARCHIVE, STATES_ARCHIVE}:
        return erased_table(table, person)
    bodies = table["body"].to_pylist()
    is_theirs: Callable[[str | None], bool] = person.is_theirs
    cleaned = [erase_body(body, is_theirs, is_list=asset == STATES_ARCHIVE) for body in bodies]
    place = table.schema.get_field_index("body")
    pages = table.set_column(place, table.schema.field(place), pa.array(cleaned, pa.binary()))
    return pages, sum(old != new for old, new in zip(bodies, cleaned, strict=True))


def _erase_quarantined(path: Path, person: Person, *, is_real: bool) -> int:
    try:
        page = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise LakeError(f"{path} cannot be read ({error}); delete it, then run it again") from error
    rows: list[object] = page.get("rows", [])
    cleaned = [erase_row(row) if isinstance(row, dict) and person.is_theirs(customer_of(row)) else row for row in rows]
    count = sum(old != new for old, new in zip(rows, cleaned, strict=True))
    if count and is_real:
        with writable_state(path):
            write_private_file(path, json.dumps({**page, "rows": cleaned}, ensure_ascii=False, indent=1))
    return count


def _write_audit(state_dir: Path, digest: str, erasure: Erasure, at: datetime) -> None:
    """One file, without the customer: `customer` is the digest of the list in the lake."""
    folder = state_dir / AUDIT_FOLDER / ERASURES
    path = folder / f"{at:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}.json"
    with writable_state(path):
        private_folder(state_dir / AUDIT_FOLDER)
        content = {"customer": digest, "at": at.isoformat(), **asdict(erasure)}
        write_private_file(private_folder(folder) / path.name, json.dumps(content, indent=1))
