"""Compare a landed day with what the API lists of it (KT-02)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.runtime.text import first_few

#: Ids named in one line.
_NAMED = 3
_COLUMNS = ["id", "location_code", "total", "transaction_status", "customer_id"]


@dataclass(frozen=True)
class KnownRow:
    """What is landed of a row; `total` in cents. A status or customer is None if it is not known here."""

    site: str
    total: int
    status: str | None
    customer: str | None
    #: Whether `version-2` gave status and customer: then null is a value like any other.
    has_state: bool = False


@dataclass(frozen=True)
class Difference:
    """How a landed day differs from the API; false if it does not.

    Attributes:
        added, removed: ids that only the API lists, or only the landed day has; a moved row is one of them in each day.
        changed: ids by the field that differs: `total`, `status`, `customer`, or `other fields` in a full read.
        counted: the API's count, if only that is known to differ; `rows` are the landed ones.
        sites: sites of these rows; None if one of them is not known.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    counted: int | None = None
    rows: int = 0
    sites: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.counted is not None)

    def __str__(self) -> str:
        parts = [_named("added", self.added), _named("removed", self.removed)]
        parts += [_named(f"{name} changed", ids) for name, ids in self.changed.items()]
        if self.counted is not None:
            parts.append(f"the API counts {self.counted:,} rows, {self.rows:,} are landed")
        return "; ".join(filter(None, parts))


def known_rows(lake: Lake, day: str, *, with_customers: bool = True) -> dict[str, KnownRow]:
    """The landed rows of a day by id, with their landed states.

    `with_customers`: whether customers can be compared; not if they were landed under another policy on personal data.
    Raises LakeError if a file cannot be read.
    """
    rows = lake.read(ASSET, [day], _COLUMNS)
    states = _states(lake, day)
    known = {}
    for row in rows.to_pylist():
        state = states.get(row["id"])
        source = state if state is not None else row
        known[row["id"]] = KnownRow(
            row["location_code"] or "",
            cents(row["total"]),
            source["transaction_status"],
            source["customer_id"] if with_customers else None,
            state is not None,
        )
    return known


def known_of(lake: Lake, privacy: Privacy, day: str) -> dict[str, KnownRow]:
    """As `known_rows`, with customers if they are landed under the present policy on personal data."""
    return known_rows(lake, day, with_customers=privacy.matches_metadata(lake.metadata(ASSET, day)))


def day_differs(lake: Lake, privacy: Privacy, day: str, listed: pa.Table) -> Difference:
    """A landed day and its list, of schema `TRANSACTION_STATES`. Raises LakeError if a file cannot be read."""
    with_customers = privacy.matches_metadata(lake.metadata(ASSET, day))
    return compare_list(known_rows(lake, day, with_customers=with_customers), listed, with_customers=with_customers)


def compare_count(rows: int, counted: int, tolerated: int = 0) -> Difference:
    """Landed rows and the API's count, which may include `tolerated` rows on the day's end, and copies."""
    return Difference() if rows <= counted <= rows + tolerated else Difference(counted=counted, rows=rows)


def compare_list(known: Mapping[str, KnownRow], listed: pa.Table, *, with_customers: bool = True) -> Difference:
    """Landed rows and a list of schema `TRANSACTION_STATES`."""
    there = {row["transaction_id"]: row for row in listed.to_pylist()}
    changed: dict[str, list[str]] = {}
    for row_id in known.keys() & there.keys():
        here, row = known[row_id], there[row_id]
        if here.total != cents(row["total"]):
            changed.setdefault("total", []).append(row_id)
        if _differs(here.status, row["transaction_status"], is_known=here.has_state):
            changed.setdefault("status", []).append(row_id)
        if with_customers and _differs(here.customer, row["customer_id"], is_known=here.has_state):
            changed.setdefault("customer", []).append(row_id)
    return _difference(known, there.keys() - known.keys(), known.keys() - there.keys(), changed)


def compare_rows(known: Mapping[str, KnownRow], landed: pa.Table, read: pa.Table) -> Difference:
    """Landed rows and a full read of the same day; columns that the landed file lacks do not count."""
    names = [name for name in landed.column_names if name in read.column_names]
    # A null column has no type of its own in older files.
    here, there = landed.select(names).sort_by("id"), read.select(names).cast(landed.select(names).schema).sort_by("id")
    if here.equals(there):
        return Difference()
    before, after = set(here["id"].to_pylist()), set(there["id"].to_pylist())
    both = pa.array(sorted(before & after), pa.string())
    here, there = (table.filter(pc.is_in(table["id"], value_set=both)) for table in (here, there))
    changed: dict[str, list[str]] = {}
    for place, row_id in enumerate(here["id"].to_pylist()):
        one, other = here.slice(place, 1), there.slice(place, 1)
        if not one.equals(other):
            is_total = cents(one["total"][0].as_py()) != cents(other["total"][0].as_py())
            changed.setdefault("total" if is_total else "other fields", []).append(row_id)
    return _difference(known, after - before, before - after, changed)


def cents(dollars: float) -> int:
    """Money as whole cents: sums and comparisons of doubles are not exact."""
    return round(dollars * 100)


def _differs(here: str | None, there: str | None, *, is_known: bool) -> bool:
    """Whether two texts differ; an empty one is none (contract, "A row"), and null is no value unless it `is_known`."""
    if not here and not is_known:
        return False
    return (here or None) != (there or None)


def _difference(
    known: Mapping[str, KnownRow], added: set[str], removed: set[str], changed: Mapping[str, Sequence[str]]
) -> Difference:
    named = {name: tuple(sorted(ids)) for name, ids in changed.items()}
    sites = {known[row_id].site for row_id in [*removed, *(one for ids in named.values() for one in ids)]}
    if added:
        devices = _sites_of_devices(known)
        found = [devices.get(row_id.rpartition(":")[2], frozenset()) for row_id in added]
        if any(len(one) != 1 for one in found):
            return Difference(tuple(sorted(added)), tuple(sorted(removed)), named)
        sites |= {site for one in found for site in one}
    return Difference(tuple(sorted(added)), tuple(sorted(removed)), named, sites=frozenset(sites))


def _sites_of_devices(known: Mapping[str, KnownRow]) -> dict[str, frozenset[str]]:
    """Sites by the second half of their ids, the sales device (contract, L16)."""
    found: dict[str, set[str]] = {}
    for row_id, row in known.items():
        found.setdefault(row_id.rpartition(":")[2], set()).add(row.site)
    return {device: frozenset(sites) for device, sites in found.items()}


def _states(lake: Lake, day: str) -> dict[str, dict[str, str | None]]:
    if not lake.has(STATES, day):
        return {}
    columns = ["transaction_id", "transaction_status", "customer_id"]
    return {row["transaction_id"]: row for row in lake.read(STATES, [day], columns).to_pylist()}


def _named(what: str, ids: Sequence[str]) -> str:
    return f"{len(ids)} {what}: {first_few(list(ids), _NAMED)}" if ids else ""
