"""What was sold on a day or over a span: the items with the largest net, from `item_mix` or the landed rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import ITEM_RECIPE, MartInputs
from sonnys_pipeline.marts.incremental.staleness import fresh_days
from sonnys_pipeline.marts.kpi_columns import ITEM_MIX
from sonnys_pipeline.marts.mixes import item_mix
from sonnys_pipeline.report.measures import Change, Unit

#: Items that are named; the others are summed up.
TOP = 8
_COLUMNS = ("site", "business_date", "department", "item", "quantity", "net")
#: Days counted together; more need more memory.
_TOGETHER = 40


@dataclass(frozen=True, slots=True)
class Sales:
    """Where and when: known sites, and their days."""

    sites: Collection[str]
    days: Sequence[date]


@dataclass(frozen=True, slots=True)
class Compared:
    """The sites that are known in both, with the days of each side."""

    own: Sales
    base: Sales


@dataclass(frozen=True, slots=True)
class ItemLine:
    """An item: pieces, net in dollars, the fraction of all net (None if that is not positive), the change of net."""

    name: str
    department: str
    quantity: Decimal
    net: Decimal
    share: Decimal | None
    change: Change


@dataclass(frozen=True, slots=True)
class Items:
    """The items with the largest net, the others as one line, and all together."""

    lines: tuple[ItemLine, ...]
    total: ItemLine


def item_days(lake: Lake, days: Collection[date], timezone: str) -> pa.Table:
    """`item_mix` of business days: read where it is as new as the rows, else counted from them; needs no mart.

    Args:
        lake: the lake; pass a snapshot.
        days: local to each site; those that are not landed have no rows.
        timezone: IANA name of the zone of the daily partitions.

    Raises:
        LakeError: a file cannot be read.
    """
    inputs = MartInputs(lake, timezone)
    landed = inputs.landed_for(ITEM_RECIPE, [day.isoformat() for day in sorted(days)])
    wanted = [day for day, partitions in landed.items() if partitions]
    fresh = fresh_days(lake, inputs, ITEM_RECIPE, wanted)
    tables = [lake.read(ITEM_RECIPE.asset, fresh, _COLUMNS)] if fresh else []
    rest = sorted({*wanted} - {*fresh})
    together = [rest[first : first + _TOGETHER] for first in range(0, len(rest), _TOGETHER)]
    tables += [inputs.count(item_mix, part).table for part in together]
    schema = pa.schema([pa.field(name, ITEM_MIX.field(name).type) for name in _COLUMNS])
    plain = [table.select(_COLUMNS).replace_schema_metadata(None).cast(schema) for table in tables]
    return pa.concat_tables(plain) if plain else schema.empty_table()


def items_of(rows: pa.Table, sales: Sales, compared: Compared) -> Items | None:
    """Items sold at known sites; None if no site is known.

    Args:
        rows: columns of `item_mix`, each site by its code in the report.
        sales: the sites and days of the figures.
        compared: those of the changes.
    """
    if not sales.sites:
        return None
    own, now, before = (_sums(rows, one) for one in (sales, compared.own, compared.base))
    totals = [_added(found.values()) for found in (own, now, before)]
    both, of = len(compared.own.sites), len(sales.sites)

    def line(name: str, department: str, parts: Sequence[tuple[Decimal, Decimal]]) -> ItemLine:
        (quantity, net), (_, value), (_, base) = parts
        share = net / totals[0][1] if totals[0][1] > 0 else None
        change = Change(Unit.MONEY, value if both else None, base if both else None, both, of)
        return ItemLine(name, department, quantity, net, share, change)

    keys = sorted(own, key=lambda key: (-own[key][1], -own[key][0], key))
    zero = Decimal(0), Decimal(0)
    named, others = (keys, []) if len(keys) <= TOP + 1 else (keys[:TOP], keys[TOP:])
    lines = [line(key[1], key[0], [found.get(key, zero) for found in (own, now, before)]) for key in named]
    if others:
        left = [{key: one for key, one in found.items() if key not in named} for found in (own, now, before)]
        lines.append(line(f"{len(others)} others", "", [_added(found.values()) for found in left]))
    return Items(tuple(lines), line("All items", "", totals))


def _sums(rows: pa.Table, sales: Sales) -> Mapping[tuple[str, str], tuple[Decimal, Decimal]]:
    """Pieces and net by department and item."""
    days, sites = {*sales.days}, {*sales.sites}
    parts: dict[tuple[str, str], list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for row in rows.to_pylist():
        if row["business_date"] in days and (row["site"] or "") in sites:
            key = row["department"] or "", row["item"] or "Unnamed"
            parts[key].append((Decimal(str(row["quantity"])), Decimal(row["net"])))
    return {key: _added(found) for key, found in parts.items()}


def _added(parts: Iterable[tuple[Decimal, Decimal]]) -> tuple[Decimal, Decimal]:
    found = list(parts)
    return sum((one for one, _ in found), Decimal(0)), sum((one for _, one in found), Decimal(0))
