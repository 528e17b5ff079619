"""DG-02, DG-03: with a real daemon an unchanged day runs no mart, and an edited row the days that it touches.

Both are read again one after the other, so that the run for the edited row proves that the daemon has looked at both.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest

from sonnys_pipeline_tests.acceptance.conftest import STUCK, Process, Site

pytestmark = pytest.mark.acceptance

FIRST, UNCHANGED, EDITED, LAST = "2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13"
DAYS = [FIRST, UNCHANGED, EDITED, LAST]
FOLLOWERS = ("line_items", "tenders", "discounts", "site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix")


def computed(site: Site) -> dict[str, list[str]]:
    """How often each day of each table and mart was materialized: days, repeated ones repeatedly."""
    with dg.DagsterInstance.from_config(site.environment["DAGSTER_HOME"]) as instance:
        return {
            name: sorted(
                str(record.partition_key)
                for record in instance.fetch_materializations(dg.AssetKey(name), limit=1000).records
            )
            for name in FOLLOWERS
        }


def until(site: Site, daemon: Process, expected: dict[str, list[str]]) -> None:
    """Wait for exactly these materializations."""
    deadline = time.monotonic() + 2 * STUCK
    while computed(site) != expected:
        assert daemon.popen.poll() is None, daemon.output
        assert time.monotonic() < deadline, (computed(site), daemon.output[-4000:])
        time.sleep(1)


def test_marts_follow_what_has_changed(
    open_site: Callable[..., Site], start: Callable[..., Process], materialize: Callable[..., Process]
) -> None:
    """Four days land and are followed; then one is read again as it was, and one with an edited row."""
    site = open_site(
        timezone="America/Chicago", sites=1, rows_per_day=60, speed=50, now=datetime(2026, 3, 20, 12, tzinfo=UTC)
    )
    computed(site)  # makes Dagster's storage: two processes that both make it break it (`DAGSTER_HOME` was empty)
    daemon = start(["dagster-daemon", "run", "-m", "sonnys_pipeline.definitions"], site.environment, forked=True)
    assert materialize(site, FIRST, LAST).wait() == 0
    until(site, daemon, dict.fromkeys(FOLLOWERS, DAYS))
    site.simulator.advance(1300)  # hashes expire: what is read again is read anew
    edited = site.simulator.world.edit_rows(
        datetime(2026, 3, 12, 18, tzinfo=UTC), datetime(2026, 3, 12, 19, tzinfo=UTC)
    )
    before = site.lake.metadata("transactions", UNCHANGED)["loaded_at"]

    assert materialize(site, UNCHANGED).wait() == 0
    assert materialize(site, EDITED).wait() == 0

    until(site, daemon, dict.fromkeys(FOLLOWERS, sorted([*DAYS, EDITED])))
    assert site.lake.metadata("transactions", UNCHANGED)["loaded_at"] > before
    assert len(edited) == 1
