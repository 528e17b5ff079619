"""The members of a report's day: who is active, joined and left, and the monthly revenue, by site and by plan.

All from the landed `membership_movement`. A sum is not known if a part of it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.members.landed import MOVEMENT
from sonnys_pipeline.marts.unknown import SEPARATOR
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.measures import Change, Unit
from sonnys_pipeline.runtime.text import first_few

#: Figures of a line, in the order of the page.
FIGURES = ("active", "joined", "came_back", "left", "net", "mrr")
#: Columns of the mart that are summed.
_SUMMED = (
    "active", "joined", "came_back", "left_voluntary", "left_involuntary", "net", "mrr", "trial_mrr", "on_trial",
    "left_in_month", "active_at_month_start",
)  # fmt: skip
#: What the page calls the columns that it shows, or makes figures of.
_LABELS = {
    "active": "active", "joined": "joined", "came_back": "came back", "left_voluntary": "left",
    "left_involuntary": "left", "net": "net", "mrr": "MRR", "monthly_churn": "churn", "left_in_month": "churn",
    "active_at_month_start": "churn",
}  # fmt: skip
#: Sites named in one sentence.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One site, one plan, or all: sums of the mart's columns, and `left`; None if not known."""

    name: str
    figures: Mapping[str, Decimal | None]


@dataclass(frozen=True, slots=True)
class Members:
    """Members at the end of a day. Money in dollars.

    Attributes:
        total: all sites.
        sites: each site that has accounts.
        plans: each plan, over all sites.
        active: active members against the same weekday a week before.
        caveats: what is not known, and why.
    """

    total: MemberLine
    sites: tuple[MemberLine, ...]
    plans: tuple[MemberLine, ...]
    active: Change
    caveats: tuple[Caveat, ...]

    @property
    def churn(self) -> Decimal | None:
        """Left in the month so far ÷ active at its start, as a fraction; None if not known or none were active."""
        left, start = self.total.figures["left_in_month"], self.total.figures["active_at_month_start"]
        return left / start if left is not None and start else None


def members_of(
    lake: Lake, day: date, names: Mapping[str, str], order: Callable[[str], Any] = str.casefold
) -> Members | None:
    """The members of a business day; None if `membership_movement` of the day is not landed or has no account.

    Args:
        lake: the lake.
        day: local to each site.
        names: names of sites by code.
        order: sort key of names.

    Raises:
        LakeError: the file cannot be read.
    """
    rows = _rows(lake, day)
    if not rows:
        return None
    before = _rows(lake, day - timedelta(weeks=1))
    of_site = {names.get(row["site"]) or row["site"] or "No site code": row["site"] for row in rows}
    sites = [_line(name, [row for row in rows if row["site"] == of_site[name]]) for name in sorted(of_site, key=order)]
    plans = sorted({row["plan"] or "" for row in rows}, key=order)
    total = _line("All sites", rows)
    then = _line("All sites", before).figures["active"] if before else None
    now = total.figures["active"]
    both = now is not None and then is not None
    return Members(
        total,
        tuple(sites),
        tuple(_line(plan or "No plan", [row for row in rows if (row["plan"] or "") == plan]) for plan in plans),
        Change(Unit.COUNT, now if both else None, then if both else None, len(sites) if both else 0, len(sites)),
        tuple(_caveats(rows, names)),
    )


def _rows(lake: Lake, day: date) -> list[dict[str, Any]]:
    key = day.isoformat()
    return lake.read(MOVEMENT, [key]).to_pylist() if lake.has(MOVEMENT, key) else []


def _line(name: str, rows: Iterable[Mapping[str, Any]]) -> MemberLine:
    parts = list(rows)
    sums = {figure: _sum(row[figure] for row in parts) for figure in _SUMMED}
    return MemberLine(name, {**sums, "left": _sum((sums["left_voluntary"], sums["left_involuntary"]))})


def _sum(values: Iterable[Any]) -> Decimal | None:
    found = list(values)
    return None if None in found else sum(map(Decimal, found), Decimal(0))


def _caveats(rows: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Iterable[Caveat]:
    """Each reason for null figures once, with its sites; how many rows cover only a part of their accounts."""
    null: dict[str, list[str]] = {}
    for row in rows:
        for reason in (row["unknown"] or "").split(SEPARATOR):
            if reason.endswith(")"):  # the figures that are null, in brackets
                null.setdefault(_shown(reason), []).append(names.get(row["site"]) or row["site"] or "No site code")
    everywhere = len({row["site"] for row in rows})
    for reason, at in null.items():
        sites = list(dict.fromkeys(at))
        where = "" if len(sites) == everywhere else f"{first_few(sites, _NAMED)}: "
        yield Caveat("warning", f"Members, not known: {where}{reason}.")
    yield from partly_known(rows)


def _shown(reason: str) -> str:
    """A reason with the figures of this page instead of all columns, in brackets; unchanged if none is shown."""
    why, _, columns = reason.rstrip(")").rpartition(" (")
    labels = dict.fromkeys(label for name in columns.split(", ") if (label := _LABELS.get(name)))
    return f"{why} ({', '.join(labels)})" if labels else reason


def partly_known(rows: Iterable[Mapping[str, Any]]) -> Iterator[Caveat]:
    """How many rows of the mart cover only a part of their accounts, with the first reason."""
    reasons = [reason for row in rows for reason in (row["unknown"] or "").split(SEPARATOR)]
    partly = [reason for reason in reasons if reason and not reason.endswith(")")]
    if partly:
        yield Caveat(
            "info",
            f"Members: {partly[0]}{f', and {len(partly) - 1:,} more such notes' if len(partly) > 1 else ''}; see the "
            f"column unknown of {MOVEMENT}.",
        )
