"""Find missing days from the first landed one up to yesterday (KT-03)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sonnys_pipeline.doctor.machine import Finding, State
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import ASSET, is_landed
from sonnys_pipeline.runtime.text import first_few

#: Spans of days named in one sentence.
_NAMED = 5
_DAY = timedelta(days=1)


def not_landed(lake: Lake, first: date, end: date) -> list[str]:
    """Days of `[first, end)` that are not landed for all sites, in order.

    Raises:
        UnreachableLakeError: an object store does not answer.
    """
    days = [(first + number * _DAY).isoformat() for number in range((end - first).days)]
    there = sorted(set(lake.partitions(ASSET)) & set(days))
    whole = lake.storage.each(lambda day: is_landed(lake, day, None), there)
    landed = {day for day, is_whole in zip(there, whole, strict=True) if is_whole}
    return [day for day in days if day not in landed]


def missing_since_first(lake: Lake, start: date, through: date) -> list[str]:
    """Days from the first landed one through a day, or the last landed one if that is later, that are not landed.

    A day counts as landed with all sites only. Days before `start`, the first partition, are ignored.

    Raises:
        UnreachableLakeError: an object store does not answer.
    """
    landed = [day for day in lake.partitions(ASSET) if day >= start.isoformat()]
    if not landed:
        return []
    return not_landed(lake, date.fromisoformat(landed[0]), max(date.fromisoformat(landed[-1]), through) + _DAY)


def spans(days: Sequence[str]) -> str:
    """Days as text, with consecutive days as one span: `2026-03-02 … 2026-03-08, 2026-03-11`."""
    found: list[tuple[date, date]] = []
    for day in map(date.fromisoformat, sorted(days)):
        if found and day - found[-1][1] == _DAY:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return first_few([str(first) if first == last else f"{first} … {last}" for first, last in found], _NAMED)


def backfill(days: Sequence[str]) -> str:
    """The command that loads the missing ones of at least one day."""
    return f"sonnys backfill preview --start {min(days)} --end {max(days)} --missing-only"


def remedy_for(missing: Sequence[str], kept_from: date) -> str:
    """How to land at least one missing day; `kept_from` is the first day that the API still has."""
    lost = [day for day in missing if day < kept_from.isoformat()]
    had = [day for day in missing if day not in lost]
    remedies = [backfill(had)] if had else []
    if lost:
        remedies.append(
            f"the API no longer has {spans(lost)}: restore them from a backup, or set SONNYS_START_DATE after them"
        )
    return "; ".join(remedies)


def check_landed_days(lake: Lake, start: date, *, kept_from: date, through: date) -> Finding:
    """Whether all days from the first landed one through the last expected one are landed.

    Args:
        lake: the lake.
        start: the first partition.
        kept_from: the first day that the API still has.
        through: the last day that should have been landed by now.
    """
    subject = "landed days"
    landed = [day for day in lake.partitions(ASSET) if day >= start.isoformat()]
    if not landed:
        return Finding(subject, State.OK, f"none since {start}")
    missing = missing_since_first(lake, start, through)
    reach = f"{len(landed) - len(set(landed) & set(missing))} from {landed[0]} to {landed[-1]}"
    if not missing:
        return Finding(subject, State.OK, f"{reach}, none missing")
    detail = f"{reach}, not landed for all sites: {spans(missing)}"
    return Finding(subject, State.WARNING, detail, remedy_for(missing, kept_from))
