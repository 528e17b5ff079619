"""How far off the day so far was: what it showed beside what was landed (KT-04)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import MartInputs
from sonnys_pipeline.marts.so_far import site_hours_so_far
from sonnys_pipeline.today.chain import Chain
from sonnys_pipeline.today.file import TodayFile
from sonnys_pipeline.today.state import EVENING_HOUR, Accuracy, Shown, Sums, TodayState

#: Days whose accuracy is kept.
_KEPT_DAYS = 35
#: Days that are waited for; one that is not landed by then is not compared.
_PATIENCE = timedelta(days=14)

Hours = Sequence[dict[str, Any]]


def hours_so_far(file: TodayFile, chain: Chain) -> Hours:
    """Rows of `SITE_HOURS_SO_FAR` of each site's present business day."""
    dates = frozenset(day.business_date for day in (*chain.days.values(), chain.usual))
    mart = site_hours_so_far(
        file.rows, chain.sites, sorted(dates), landed=chain.partitions(dates), timezone=chain.timezone
    )
    return [row for row in mart.table.to_pylist() if row["business_date"] == chain.day(row["site"]).business_date]


def with_shown(file: TodayFile, chain: Chain) -> TodayState:
    """The state that remembers what the file shows now, for the comparison with the landed day."""
    by_site = _by_site(hours_so_far(file, chain))
    kept = {(one.site, one.business_date): one for one in file.state.shown}
    for code, hours in by_site.items():
        read, day = file.state.of_site(fold(code)), chain.day(code)
        if read is None or not read.covers(day):
            continue
        before = kept.get((code, day.business_date))
        evening = before.evening if before is not None else None
        if evening is None and read.as_of.astimezone(chain.zone(code)).hour >= EVENING_HOUR:
            evening = Sums.of(hours, EVENING_HOUR)
        kept[code, day.business_date] = Shown(
            site=code, business_date=day.business_date, as_of=read.as_of, last=Sums.of(hours), evening=evening
        )
    return file.state.model_copy(update={"shown": tuple(kept.values())})


def with_accuracy(state: TodayState, lake: Lake, chain: Chain) -> TodayState:
    """The state with the accuracy of days that have been landed since; a day is compared once, when all is there.

    Raises:
        LakeError: landed rows cannot be read.
    """
    present = min(day.business_date for day in (*chain.days.values(), chain.usual))
    over: dict[date, list[Shown]] = defaultdict(list)
    for one in state.shown:
        if one.business_date < present:
            over[one.business_date].append(one)
    found, done = [], {day for day in over if day < present - _PATIENCE}
    inputs = MartInputs(lake, chain.timezone) if over else None
    for day in sorted(set(over) - done):
        assert inputs is not None  # noqa: S101 - there is a day to compare
        mart = inputs.count(site_hours_so_far, [day.isoformat()])
        lacking = {one.site for one in mart.missing if one.business_date == day}
        if day.isoformat() not in inputs.partitions or lacking & {one.site for one in over[day]}:
            continue
        done.add(day)
        found += _compared(day, over[day], _by_site(mart.table.to_pylist()))
    return state.model_copy(
        update={
            "shown": tuple(one for one in state.shown if one.business_date not in done),
            "accuracy": (*state.accuracy, *found)[-2 * _KEPT_DAYS :],
        }
    )


def _compared(day: date, shown: Sequence[Shown], landed: dict[str, Hours]) -> list[Accuracy]:
    evening = [(one.evening, Sums.of(landed.get(one.site, ()), EVENING_HOUR)) for one in shown if one.evening]
    close = [(one.last, Sums.of(landed.get(one.site, ()))) for one in shown]
    return [
        Accuracy(
            business_date=day,
            at=at,
            sites=len(pairs),
            shown=sum((first for first, _ in pairs), Sums()),
            landed=sum((second for _, second in pairs), Sums()),
        )
        for at, pairs in ((f"{EVENING_HOUR}:00", evening), ("close", close))
        if pairs
    ]


def _by_site(hours: Iterable[dict[str, Any]]) -> dict[str, Hours]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for hour in hours:
        found[hour["site"]].append(hour)
    return dict(found)
