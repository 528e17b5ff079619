"""What the list endpoints say about rows: summaries, item types, and the detail of one transaction.

Source: CONTRACT.md, "Other endpoints this project uses", L3, L4, L7; for `wash`, KPIS.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from sonnys_pipeline.simulator.world.catalog import SiteSpec
from sonnys_pipeline.simulator.world.history import Entry
from sonnys_pipeline.simulator.world.row_parts import Row
from sonnys_pipeline.simulator.world.transactions import V2_FIELDS


def summary(row: Row) -> Row:
    """The list form of a row."""
    return {"transNumber": row["number"], "transId": row["id"], "total": row["total"], "date": row["completeDate"]}


def summary_v2(row: Row) -> Row:
    """The list form of `version-2`: also the customer and those of the newer fields that the row has."""
    extra = {name: row[name] for name in ("customerId", *V2_FIELDS) if name in row}
    return {**summary(row), **extra}


def detail(row: Row) -> Row:
    """The detail of one transaction, which lacks the newer fields; live job rows are the same (L4)."""
    return {name: value for name, value in row.items() if name not in V2_FIELDS}


def sites(listed: Sequence[SiteSpec], *, twice: bool = False, other_case: bool = False) -> Sequence[Row]:
    """The entries of `/site/list`.

    Args:
        listed: the sites in the caller's view.
        twice: name the second site (or the only one) twice, in two spellings.
        other_case: write each code in another case than rows do.
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
    """The entries that `/transaction/type/{item_type}` lists.

    Args:
        entries: of the window, in order.
        item_type: one of `ITEM_TYPES`.
        wash_list_skips: leave every so-many-th out of the `wash` list; 0 leaves out none.

    Raises:
        KeyError: there is no such type.
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
"""What each type of the vendor's document means for a row."""


class AnswerCache:
    """Bodies of answers by their question, each for `life` seconds of a stopwatch. Thread-safe."""

    def __init__(self, life: float) -> None:
        self._life = life
        self._lock = threading.Lock()
        self._bodies: dict[tuple[str, ...], tuple[float, bytes]] = {}

    def get(self, question: tuple[str, ...], at: float) -> bytes | None:
        """The body kept for the question, if it is still alive at stopwatch time `at`."""
        with self._lock:
            expires_at, body = self._bodies.get(question, (at, b""))
            return body if expires_at > at else None

    def put(self, question: tuple[str, ...], body: bytes, at: float) -> None:
        """Keep a body from `at` on, and let go of those that have expired."""
        with self._lock:
            self._bodies = {known: kept for known, kept in self._bodies.items() if kept[0] > at}
            self._bodies[question] = (at + self._life, body)

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._bodies.clear()
