"""When cars come: opening days, weather, weekdays and hours, by seed, site and day. Times are epoch milliseconds."""

from __future__ import annotations

import random
from bisect import bisect
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from zoneinfo import ZoneInfo

from sonnys_pipeline.simulator.world.catalog import SiteSpec

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
OPENING_HOUR = 7
FIRST_DAY = date(2015, 1, 1)
"""First possible day; ids count from it."""
_WEEKDAY_FACTOR = (0.86, 0.84, 0.88, 0.95, 1.12, 1.38, 1.05)
_HOUR_SHAPE = tuple(accumulate((2, 4, 6, 8, 10, 11, 11, 10, 10, 10, 9, 6, 3)))  # 07:00 to 20:00
_BILLING_SHARE = 0.09
"""Recurring payments per car, charged at night."""


def day_random(seed: int, site: SiteSpec, day: date, purpose: str) -> random.Random:
    """A separate generator for each (seed, site, day, purpose)."""
    return random.Random(f"{seed}/{site.site_id}/{day.toordinal()}/{purpose}")


def is_closed(seed: int, site: SiteSpec, day: date) -> bool:
    """Whether a physical site is closed: December 25, and one maintenance day in two months."""
    if site.is_virtual:
        return False
    if (day.month, day.day) == (12, 25):
        return True
    return day == _maintenance_day(seed, site.site_id, day.year, (day.month - 1) // 2)


@lru_cache(maxsize=4096)
def _maintenance_day(seed: int, site_id: int, year: int, two_months: int) -> date:
    days = random.Random(f"{seed}/{site_id}/{year}/{two_months}/maintenance").randrange(2, 58)
    return date(year, two_months * 2 + 1, 1) + timedelta(days=days)


def weather(seed: int, site: SiteSpec, day: date) -> float:
    """Volume factor: 1.0 on a dry day, 0.25 to 0.6 on a rainy one, 1.25 on the day after rain."""

    def rain(on: date) -> float:
        chance = day_random(seed, site, on, "rain").random()
        return 0.25 + chance * 2 if chance < 0.17 else 1.0

    today = rain(day)
    if today == 1.0 and rain(day - timedelta(days=1)) < 1.0:
        return 1.25
    return today


def local_day_times(seed: int, site: SiteSpec, day: date) -> tuple[list[int], list[int]]:
    """Times of a site's business day: (cars, recurring payments), unsorted.

    Some are in the last second of the UTC or local day: a window that ends a second early would miss them.
    """
    rng = day_random(seed, site, day, "times")
    mean = site.cars_per_day * weather(seed, site, day) * _WEEKDAY_FACTOR[day.weekday()]
    count = max(1, round(mean * rng.uniform(0.92, 1.08)))
    zone = ZoneInfo(site.timezone or "UTC")
    midnight = _epoch_ms(datetime(day.year, day.month, day.day, tzinfo=zone))
    # Opening is a local time; counted from midnight it would be an hour off when clocks change.
    opening = _epoch_ms(datetime(day.year, day.month, day.day, OPENING_HOUR, tzinfo=zone))
    if site.is_virtual:
        return [midnight + int(rng.random() * DAY_MS) for _ in range(count)], []
    cars = [opening + offset for offset in _opening_hours_offsets(rng, count)]
    payments = [midnight + int((0.5 + rng.random() * 4) * HOUR_MS) for _ in range(round(count * _BILLING_SHARE))]
    if len(cars) > 1 and rng.random() < 0.5:
        cars[-2] = _epoch_ms(datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=zone)) + rng.randrange(1000)
    if cars and rng.random() < 0.5:
        cars[-1] = _epoch_ms(datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)) + rng.randrange(1000)
    return cars, payments


def utc_day_times(seed: int, site: SiteSpec, day: date, count: int) -> tuple[list[int], list[int]]:
    """Exactly `count` times in the UTC day, none at 00:00:00.000: (cars, recurring payments), unsorted."""
    rng = day_random(seed, site, day, "times")
    midnight = _epoch_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
    zone = ZoneInfo(site.timezone or "UTC")
    offset = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
    opening = OPENING_HOUR * HOUR_MS - int(offset.total_seconds() * 1000)
    payments = 0 if site.is_virtual else round(count * _BILLING_SHARE / (1 + _BILLING_SHARE))
    billing = opening - (OPENING_HOUR * HOUR_MS) + HOUR_MS // 2
    cars = [(opening + moment) % DAY_MS or 1 for moment in _opening_hours_offsets(rng, count - payments)]
    nights = [(billing + int(rng.random() * 4 * HOUR_MS)) % DAY_MS or 1 for _ in range(payments)]
    if len(cars) > 1 and rng.random() < 0.5:
        cars[-1] = DAY_MS - 1 - rng.randrange(1000)
    return [midnight + moment for moment in cars], [midnight + moment for moment in nights]


def _opening_hours_offsets(rng: random.Random, count: int) -> list[int]:
    draw, total = rng.random, _HOUR_SHAPE[-1]
    return [bisect(_HOUR_SHAPE, draw() * total) * HOUR_MS + int(draw() * HOUR_MS) for _ in range(count)]


def hour_offset(chance: float) -> int:
    """Milliseconds from opening to a moment that more cars choose in busy hours; `chance` is between 0 and 1."""
    car = chance * _HOUR_SHAPE[-1]
    hour = bisect(_HOUR_SHAPE, car)
    before = _HOUR_SHAPE[hour - 1] if hour else 0
    return int((hour + (car - before) / (_HOUR_SHAPE[hour] - before)) * HOUR_MS)


def _epoch_ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
