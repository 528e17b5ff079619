"""Why figures of members are not known, in the words of the column `unknown`; empty where they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date

from sonnys_pipeline.marts.members.readings import Readings
from sonnys_pipeline.runtime.text import first_few

#: Missing days that a reason names.
_NAMED = 5


def unread(readings: Readings, day: date, zone: str) -> list[str]:
    """The accounts were not read after the end of a local day, so those who joined are not all listed."""
    if readings.is_after(day, zone):
        return []
    return [
        f"recurring_accounts: last read {readings.read_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, before the end of {day}"
    ]


def standing_unknown(readings: Readings, day: date, zone: str) -> list[str]:
    """The status at the end of a local day is not known."""
    if found := unread(readings, day, zone):
        return found
    walk = readings.walk(day, zone)
    return ["recurring_accounts: not read"] if walk is None else not_landed("recurring_status_changes", walk.missing)


def not_landed(asset: str, days: Sequence[date]) -> list[str]:
    """Days of an asset are not landed, or were read before their end."""
    named = first_few([day.isoformat() for day in days], _NAMED)
    return [f"{asset}: not landed in full: {named}"] if days else []
