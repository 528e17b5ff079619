"""Rows that are added, changed, moved or deleted after their day is over."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum

from sonnys_pipeline.simulator.world.history import Entry, stamp
from sonnys_pipeline.simulator.world.row_parts import Row


class Edit(StrEnum):
    """What is done to a row; every endpoint shows the row as it is then."""

    TOTAL = "total"
    """It costs one dollar more: item, tender and total."""
    VOID = "void"
    """It is voided: status `Voided`, items voided, total 0."""
    STATUS = "status"
    """It is re-opened: status `Recalled`, the same total."""
    CUSTOMER = "customer"
    """It belongs to another customer."""
    TENDER = "tender"
    """It was paid otherwise: the same total, so no list shows the change."""
    DELETE = "delete"
    """It is gone."""
    MOVE = "move"
    """Its `completeDate` is another one."""


class Edits:
    """The rows that differ from what the world was made with."""

    def __init__(self) -> None:
        self._rows: dict[str, Entry | None] = {}
        self.late_count = 0

    def __contains__(self, row_id: object) -> bool:
        return row_id in self._rows

    def get(self, row_id: str) -> Entry | None:
        """The row as it is now; None if it was deleted. `KeyError` if it was not edited."""
        return self._rows[row_id]

    def add(self, entry: Entry) -> None:
        """Add a row that was not there."""
        self._rows[entry[1]] = entry
        self.late_count += 1

    def apply(self, entry: Entry, edit: Edit, by: timedelta) -> None:
        """Edit a row; `by`: how far a `MOVE` moves it."""
        moment, row_id, row = entry
        if edit is Edit.DELETE:
            self._rows[row_id] = None
            return
        if edit is Edit.MOVE:
            moment += by // timedelta(milliseconds=1)
            self._rows[row_id] = (moment, row_id, {**row, "completeDate": stamp(moment)})
            return
        self._rows[row_id] = (moment, row_id, _CHANGES[edit](copy.deepcopy(row)))

    def merged(self, entries: Iterable[Entry], start_ms: int, end_ms: int, codes: frozenset[str]) -> Iterator[Entry]:
        """The entries of a period and of some sites as they are now, not sorted."""
        yield from (entry for entry in entries if entry[1] not in self._rows)
        for entry in self._rows.values():
            if entry is not None and start_ms <= entry[0] <= end_ms and entry[2]["locationCode"] in codes:
                yield entry

    def clear(self) -> None:
        """Undo everything."""
        self._rows.clear()
        self.late_count = 0


def _dearer(row: Row) -> Row:
    item = next(item for item in row["items"] if not item["isVoided"])
    tender = row["tenders"][0]
    for part, name in ((row, "total"), (item, "gross"), (item, "net"), (tender, "amount"), (tender, "total")):
        part[name] = round(part[name] + 1, 2)
    return row


def _voided(row: Row) -> Row:
    for item in row["items"]:
        item["isVoided"] = True
    back = {**row["tenders"][0], "tender": "Void", "amount": -row["total"], "change": 0.0, "total": -row["total"]}
    row["tenders"].append(back)
    return {**row, "total": 0.0, "transactionStatus": "Voided"}


def _reopened(row: Row) -> Row:
    return {**row, "transactionStatus": "Recalled"}


def _of_another_customer(row: Row) -> Row:
    _, _, site_id = row["id"].partition(":")
    return {**row, "customerId": f"999:{site_id}"}


def _paid_otherwise(row: Row) -> Row:
    row["tenders"][0]["referenceNumber"] = "corrected"
    return row


_CHANGES: Mapping[Edit, Callable[[Row], Row]] = {
    Edit.TOTAL: _dearer,
    Edit.VOID: _voided,
    Edit.STATUS: _reopened,
    Edit.CUSTOMER: _of_another_customer,
    Edit.TENDER: _paid_otherwise,
}
