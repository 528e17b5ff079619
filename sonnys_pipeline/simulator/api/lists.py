"""Rows of the list endpoints (contract, "Lists", L3, L4, L7; for `wash`, docs/kpis.md)."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sonnys_pipeline.simulator.world.accounts.days import EPOCH
from sonnys_pipeline.simulator.world.catalog import SiteSpec
from sonnys_pipeline.simulator.world.history import Entry
from sonnys_pipeline.simulator.world.row_parts import Row
from sonnys_pipeline.simulator.world.transactions import UNFINISHED, V2_FIELDS

_SETTLED_WITHIN_DAYS = 3


def as_of(entries: Iterable[Entry], now: datetime) -> list[Row]:
    """The rows as the API shows them at `now`: an unfinished ticket is completed one to three days after its sale."""
    return [
        {**row, "transactionStatus": "Completed"}
        if row.get("transactionStatus") in UNFINISHED and now - EPOCH >= timedelta(milliseconds=ms) + _settling(row_id)
        else row
        for ms, row_id, row in entries
    ]


def _settling(row_id: str) -> timedelta:
    return timedelta(days=1 + zlib.crc32(row_id.encode()) % _SETTLED_WITHIN_DAYS)


def summary(row: Row) -> Row:
    """A row of the list."""
    return {"transNumber": row["number"], "transId": row["id"], "total": row["total"], "date": row["completeDate"]}


def summary_v2(row: Row) -> Row:
    """A row of `version-2`: also the customer and the newer fields, where known."""
    extra = {name: row[name] for name in ("customerId", *V2_FIELDS) if name in row}
    return {**summary(row), **extra}


def detail(row: Row) -> Row:
    """A transaction's detail, without the newer fields; also a live job row (L4)."""
    return {name: value for name, value in row.items() if name not in V2_FIELDS}


def renamed(row: Row, names: Mapping[str, str]) -> Row:
    """A row with other names for some fields."""
    return {names.get(name, name): value for name, value in row.items()} if names else row


def sites(listed: Sequence[SiteSpec], *, twice: bool = False, other_case: bool = False) -> Sequence[Row]:
    """Entries of `/site/list`.

    `twice`: the second site (or the only one) has two entries in different spellings. `other_case`: codes differ in
    case from the rows.
    """
    entries = []
    for position, site in enumerate(listed):
        other = site.code.upper() if site.code != site.code.upper() else site.code.capitalize()
        codes = [other if other_case else site.code]
        if twice and position == min(1, len(listed) - 1):
            codes = [site.code, other]
        entries += [
            {"siteID": site.site_id, "code": code, "name": site.name, "timezone": site.timezone} for code in codes
        ]
    return entries


def of_item_type(entries: Sequence[Entry], item_type: str, wash_list_skips: int = 0) -> Sequence[Entry]:
    """Entries of `/transaction/type/{item_type}`; `KeyError` for an unknown type.

    `wash_list_skips`: omit every n-th entry of the `wash` list; 0 omits none.
    """
    belongs = ITEM_TYPES[item_type]
    chosen = [entry for entry in entries if belongs(entry[2])]
    if item_type == "wash" and wash_list_skips:
        return [entry for position, entry in enumerate(chosen, start=1) if position % wash_list_skips]
    return chosen


def _sells(department: str) -> Callable[[Row], bool]:
    def belongs(row: Row) -> bool:
        return any(item["department"] == department and not item["isVoided"] for item in row["items"])

    return belongs


def _on_house_account(row: Row) -> bool:
    return any(tender["tender"] == "Paid On Account" for tender in row["tenders"])


ITEM_TYPES: Mapping[str, Callable[[Row], bool]] = {
    "wash": _sells("Wash"),
    "prepaid-wash": _sells("Prepaid Wash"),
    "recurring": _sells("Recurring Plan"),
    "washbook": _sells("WashBook"),
    "giftcard": _sells("GiftCard"),
    "merchandise": _sells("Merchandise"),
    "house-account": _on_house_account,
}
"""Item types of the vendor's document."""


class AnswerCache:
    """Response bodies by request, each kept for `life` stopwatch seconds. Thread-safe."""

    def __init__(self, life: float) -> None:
        self._life = life
        self._lock = threading.Lock()
        self._bodies: dict[tuple[str, ...], tuple[float, bytes]] = {}

    def get(self, question: tuple[str, ...], at: float) -> bytes | None:
        """The cached body, if it is still valid at stopwatch time `at`."""
        with self._lock:
            expires_at, body = self._bodies.get(question, (at, b""))
            return body if expires_at > at else None

    def put(self, question: tuple[str, ...], body: bytes, at: float) -> None:
        """Cache a body from `at` on, and drop expired ones."""
        with self._lock:
            self._bodies = {known: kept for known, kept in self._bodies.items() if kept[0] > at}
            self._bodies[question] = (at + self._life, body)

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._bodies.clear()
