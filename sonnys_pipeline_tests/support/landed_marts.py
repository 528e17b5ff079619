"""`site_day_kpis` landed without Dagster, as its asset lands it."""

from collections.abc import Iterable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import SITE_DAY_RECIPE, MartInputs, metadata_of
from sonnys_pipeline.marts.kpis import site_day_kpis


def land_marts(lake: Lake, days: Iterable[date], timezone: str = "UTC") -> None:
    """Count the days from what is landed, and land each day's mart."""
    inputs = MartInputs(lake, timezone)
    keys = [day.isoformat() for day in days]
    read_from = inputs.require(SITE_DAY_RECIPE, keys)
    digests = inputs.digests(SITE_DAY_RECIPE, keys)
    mart = inputs.count(site_day_kpis, keys)
    for key in keys:
        day = date.fromisoformat(key)
        rows = mart.table.filter(pc.equal(mart.table["business_date"], pa.scalar(day)))
        missing = [one for one in mart.missing if one.business_date == day]
        kept = metadata_of(digests[key], inputs.recorded_inputs(SITE_DAY_RECIPE, key, read_from[key]), missing, rows)
        lake.land(SITE_DAY_RECIPE.asset, rows, partition=key, metadata=kept)
