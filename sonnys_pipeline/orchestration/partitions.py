"""The daily partitions: one key per local day, from the start date in the zone of the settings."""

import dagster as dg

from sonnys_pipeline.config.settings import Settings


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days from `SONNYS_START_DATE` in `SONNYS_TIMEZONE`; a day becomes a partition when it is over."""
    return dg.DailyPartitionsDefinition(start_date=settings.start_date.isoformat(), timezone=settings.timezone)
