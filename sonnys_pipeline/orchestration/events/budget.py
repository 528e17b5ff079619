"""What days and runs used of the request budget, for the page of `transactions`."""

from collections.abc import Mapping
from datetime import date, timedelta

import dagster as dg

from sonnys_pipeline.backfill.audit import Measures
from sonnys_pipeline.client.rate_limit.limiter import RequestRate
from sonnys_pipeline.orchestration.events.plots import PLOTTED_DAYS, plotted

#: Metadata keys of a day's requests, of the budget that they took, and of the plot of them.
REQUESTS = "requests"
MINUTES = "minutes_of_budget"
PLOT = f"last_{PLOTTED_DAYS}_days_{REQUESTS}"
_SECONDS_A_DAY = 86_400
#: Newest materializations that are looked at: each day is read some times.
_MOST_RECORDS = 20 * PLOTTED_DAYS


def minutes_of_budget(metadata: Mapping[str, dg.MetadataValue], rate: RequestRate) -> dict[str, dg.MetadataValue]:
    """The minutes of the budget that a day took, by the requests in its metadata; nothing where it has none."""
    requests = metadata.get(REQUESTS)
    if not isinstance(requests, dg.IntMetadataValue) or requests.value is None:
        return {}
    return {MINUTES: dg.MetadataValue.float(rate.minutes_of_budget(requests.value))}


def share_of_budget(measures: Measures, rate: RequestRate) -> float:
    """Requests of a run as a share of those that the budget allowed while it ran, the first block at once."""
    blocks = int(measures.seconds // rate.seconds) + 1
    return round(measures.requests / (blocks * rate.requests), 4)


def requests_plot(
    instance: dg.DagsterInstance, key: dg.AssetKey, fresh: Mapping[str, int], rate: RequestRate
) -> dict[str, dg.MetadataValue]:
    """A plot of the requests that the last read of each of the last days took.

    Args:
        instance: has the materializations of earlier runs.
        key: of the asset.
        fresh: day → requests of this run, which has no materialization yet; the newest one is the plot's last day.
        rate: the request budget.
    """
    end = date.fromisoformat(max(fresh))
    days = [(end - timedelta(days=back)).isoformat() for back in reversed(range(PLOTTED_DAYS))]
    known = {**_recorded(instance, key, days), **fresh}
    text = plotted("Requests", {day: known.get(day) for day in days})
    allowed = _SECONDS_A_DAY * rate.requests / rate.seconds
    most = max(known[day] for day in days if day in known)
    share = f"{most / allowed:.1%}" if most * 1000 >= allowed else "less than 0.1%"
    said = f"{text}. The budget of {rate} allows {allowed:,.0f} a day: the highest took {share} of it."
    return {PLOT: dg.MetadataValue.md(said)}


def _recorded(instance: dg.DagsterInstance, key: dg.AssetKey, days: list[str]) -> dict[str, int]:
    """Day → requests of its newest materialization that tells them; days landed without Dagster may tell none."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=days)
    found: dict[str, int] = {}
    for record in instance.fetch_materializations(wanted, limit=_MOST_RECORDS).records:
        event = record.asset_materialization
        told = None if event is None else event.metadata.get(REQUESTS)
        if event is not None and event.partition and isinstance(told, dg.IntMetadataValue) and told.value is not None:
            found.setdefault(event.partition, told.value)
    return found
