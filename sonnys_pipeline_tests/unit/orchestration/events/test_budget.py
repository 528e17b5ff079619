"""DG-02: what the page of `transactions` says of the request budget."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.backfill.audit import Measures
from sonnys_pipeline.client.rate_limit.limiter import RequestRate
from sonnys_pipeline.orchestration.events.budget import PLOT, minutes_of_budget, requests_plot, share_of_budget

KEY = dg.AssetKey(["north", "transactions"])
RATE = RequestRate(20, 15.0)
IDLE = Measures.of([], requests=0, seconds=0.0, budget_wait=0.0)


def test_minutes_of_budget() -> None:
    """20 requests in 15 s are 80 a minute; a day that does not tell its requests tells no minutes."""
    told = minutes_of_budget({"requests": dg.MetadataValue.int(80)}, RATE)
    assert told == {"minutes_of_budget": dg.MetadataValue.float(1.0)}
    assert RATE.minutes_of_budget(0) == 0.0
    assert minutes_of_budget({"pages": dg.MetadataValue.int(3)}, RATE) == {}


@pytest.mark.parametrize(
    ("requests", "seconds", "share"), [(0, 0.0, 0.0), (20, 3.0, 1.0), (20, 15.0, 0.5), (60, 31.0, 1.0)]
)
def test_a_run_that_never_waits_for_another_uses_the_whole_budget(requests: int, seconds: float, share: float) -> None:
    """A block's requests may go at once, so a short run is not above 1."""
    assert share_of_budget(replace(IDLE, requests=requests, seconds=seconds), RATE) == share


def test_the_plot_has_the_last_read_of_each_day() -> None:
    """This run's before earlier ones, the newest of those, none of other assets; a day that tells none is not known."""
    instance = dg.DagsterInstance.ephemeral()

    def record(day: str, key: dg.AssetKey = KEY, **told: Any) -> None:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day, metadata=told))

    record("2026-11-07", requests=500)
    record("2026-11-07", requests=144)
    record("2026-11-08", requests=300)
    record("2026-11-08", path="landed without a request")
    record("2026-11-09", path="landed without a request")
    record("2026-11-09", dg.AssetKey("other"), requests=9)
    record("2026-11-10", requests=70)
    record("2026-10-01", requests=9000)

    found = requests_plot(instance, KEY, {"2026-11-10": 28}, RATE)

    text = str(found[PLOT].value)
    assert text.startswith("![Requests a day](data:image/png;base64,")
    assert "Requests a day, 2026-10-12 to 2026-11-10: lowest 28 on 2026-11-10, highest 300 on 2026-11-08" in text
    assert "27 days not known. The budget of 20/15 allows 115,200 a day: the highest took 0.3% of it." in text
    (little,) = requests_plot(dg.DagsterInstance.ephemeral(), KEY, {"2026-11-10": 28}, RATE).values()
    assert "the highest took less than 0.1% of it." in str(little.value)
