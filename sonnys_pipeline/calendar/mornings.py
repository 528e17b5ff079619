"""When the morning's run is due, and which day it has to have landed by now."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sonnys_pipeline.calendar.windows import last_complete_day

#: Local hour of the daily run. At six in any US zone the day before is over in all of them, Hawaii included, and rows
#: of late terminals have had time to arrive.
DAILY_HOUR = 6
#: How long the morning's run may take before yesterday counts as missing.
GRACE = timedelta(hours=2)


def last_due(moment: datetime, timezone: str) -> datetime:
    """When the last morning's run was due at an aware instant: six o'clock in an IANA zone."""
    zone = ZoneInfo(timezone)
    local = moment.astimezone(zone)
    today = datetime.combine(local.date(), time(DAILY_HOUR), zone)
    return today if today <= local else datetime.combine(local.date() - timedelta(days=1), time(DAILY_HOUR), zone)


def last_expected_day(moment: datetime, timezone: str) -> date:
    """The last day that a morning's run, and its two hours of grace, should have landed at an aware instant."""
    return last_complete_day(moment - timedelta(hours=DAILY_HOUR) - GRACE, timezone)
