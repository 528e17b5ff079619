"""How often members washed in the 30 days up to a day, from the landed `wash_frequency`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.frequency.columns import CUSTOMER, WASH_FREQUENCY_ASSET
from sonnys_pipeline.marts.frequency.washes import LOOK_BACK
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.measures import Change, Unit

Row: TypeAlias = Mapping[str, Any]
#: Washes in 30 days: each group from a number up to the one before the next.
_GROUPS = (1, 2, 3, 5, 9)


@dataclass(frozen=True, slots=True)
class WashGroup:
    """Members by their washes in 30 days, and the fraction of all that washed; `change` is that of the fraction."""

    label: str
    members: int
    change: Change

    @property
    def share(self) -> Decimal | None:
        """The fraction of all members that washed."""
        return self.change.value


@dataclass(frozen=True, slots=True)
class Washes:
    """Members who washed in the 30 days up to `day`; all but `unknown` is empty if that is not known.

    Attributes:
        day: the last of the 30 days.
        before: the day that is compared with.
        members: customers with a member wash.
        washes: their washes.
        nameless: member washes that name no customer, in no other figure.
        mean: washes of a member, and the change.
        groups: members by number of washes.
        unknown: why nothing is known.
    """

    day: date
    before: date
    members: int
    washes: int
    nameless: int
    mean: Change
    groups: tuple[WashGroup, ...]
    unknown: str | None = None


def washes_of(lake: Lake, day: date, before: date) -> Washes | None:
    """How often members washed up to a day, against an earlier day; None if the day's mart is not landed.

    Raises:
        LakeError: a file cannot be read.
    """
    rows = _rows(lake, day)
    if rows is None:
        return None
    counts, why = _counts(rows)
    earlier, _ = _counts(_rows(lake, before) or [])
    if not counts:
        nothing = Change(Unit.NUMBER, None, None, 0, 1)
        return Washes(day, before, 0, 0, 0, nothing, (), why or "no member washed in these days")
    nameless = sum(row["member_washes"] or 0 for row in rows if row[CUSTOMER] is None)
    mean, mean_before = _mean(counts), _mean(earlier)
    groups = []
    for first, end in zip(_GROUPS, (*_GROUPS[1:], None), strict=True):
        own, base = _within(counts, first, end), _within(earlier, first, end)
        of_before = Decimal(base) / len(earlier) if earlier else None
        change = Change(Unit.SHARE, Decimal(own) / len(counts), of_before, 1, 1)
        groups.append(WashGroup(_label(first, end), own, change))
    return Washes(
        day, before, len(counts), sum(counts), nameless, Change(Unit.NUMBER, mean, mean_before, 1, 1), tuple(groups)
    )


def washes_in_short(washes: Washes) -> str:
    """Two sentences: how many members washed how often, and what is not counted; or why that is not known."""
    span = f"In the {LOOK_BACK} days to {formatting.short_day(washes.day)}"
    if washes.unknown is not None:
        return f"How often members washed is not known: {washes.unknown}."
    who = "1 member" if washes.members == 1 else f"{formatting.count(washes.members)} members"
    text = f"{span}, {who} washed {formatting.number(washes.mean.value, 1)} times on average"
    if washes.mean.base is not None:
        before = formatting.number(washes.mean.base, 1)
        text += f", after {before} in those to {formatting.short_day(washes.before)}"
    if washes.nameless:
        what = "1 more wash names" if washes.nameless == 1 else f"{formatting.count(washes.nameless)} more washes name"
        text += f"; {what} no customer"
    return f"{text}."


def _rows(lake: Lake, day: date) -> list[Row] | None:
    key = day.isoformat()
    if not lake.has(WASH_FREQUENCY_ASSET, key):
        return None
    rows: list[Row] = lake.read(WASH_FREQUENCY_ASSET, [key], (CUSTOMER, "member_washes", "unknown")).to_pylist()
    return rows


def _counts(rows: Sequence[Row]) -> tuple[list[int], str | None]:
    """Washes of each customer; none, with the reason, if they are not known or name no customer."""
    of_customers = [row for row in rows if row[CUSTOMER] is not None]
    unknown = [row["unknown"] for row in of_customers or rows if row["member_washes"] is None or not of_customers]
    if unknown:
        return [], unknown[0]
    return [row["member_washes"] for row in of_customers], None


def _mean(counts: Sequence[int]) -> Decimal | None:
    return Decimal(sum(counts)) / len(counts) if counts else None


def _within(counts: Sequence[int], first: int, end: int | None) -> int:
    return sum(first <= count and (end is None or count < end) for count in counts)


def _label(first: int, end: int | None) -> str:
    if end is None:
        return f"{first} washes and more"
    if end == first + 1:
        return "1 wash" if first == 1 else f"{first} washes"
    return f"{first} to {end - 1} washes"
