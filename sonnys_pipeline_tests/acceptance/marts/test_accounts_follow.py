"""DG-02, DG-03: with a real daemon the tables across two accounts follow what each of them lands, and nothing else."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import INPUTS
from sonnys_pipeline_tests.acceptance.conftest import STUCK, Process, dagster_home
from sonnys_pipeline_tests.support.processes.operators import NAMES, environment_of, start_both

pytestmark = pytest.mark.acceptance

UNCHANGED, EDITED, NEXT = "2026-03-10", "2026-03-11", "2026-03-12"
MARTS = ("site_day_kpis", "membership_daily", "item_mix")
ACROSS = dg.AssetKey(["all_accounts", "site_day_kpis"])


def test_tables_across_accounts_follow(start: Callable[..., Process], tmp_path: Path) -> None:
    """Days of both are put together; then one is read again as it was, and one with an edited row in the south.

    Each account's days have a zone of their own. In the north, where they are cut in UTC, a site's evening lies in the
    next one, so that a day counts when that one is landed, too. What the daemon finds when it starts is one step behind
    what it has to do: the south's mart comes first, and the table across accounts after it.
    """
    home = dagster_home(tmp_path / "dagster")
    lake = Lake(tmp_path / "data" / "all_accounts")

    def made() -> dict[str | None, int]:
        """How often each day was put together."""
        with dg.DagsterInstance.from_config(home) as instance:
            days = [one.partition_key for one in instance.fetch_materializations(ACROSS, limit=1000).records]
        return {day: days.count(day) for day in days}

    def counted_from(day: str) -> dict[str, str]:
        """A digest of each account's rows that count toward a day, as the file across accounts remembers them."""
        found: dict[str, str] = json.loads(lake.metadata("site_day_kpis", day)[INPUTS])["accounts"]
        return found

    with ExitStack() as running:
        present = datetime(2026, 3, 20, 12, tzinfo=UTC)
        simulators = start_both(running, sites=1, rows_per_day=60, speed=50, now=present)
        zone = {"SONNYS_SOUTH__TIMEZONE": "America/Chicago"}
        environment = environment_of(simulators, tmp_path, DAGSTER_HOME=home, **zone)

        def materialize(assets: str, days: str) -> None:
            command = ["dagster", "asset", "materialize", "-m", "sonnys_pipeline.definitions", "--select", assets]
            process = start([*command, *days.split()], environment, forked=True)
            assert process.wait() == 0, process.output

        for name in NAMES:
            marts = ",".join(f"{name}/{asset}" for asset in ("transactions", *MARTS))
            materialize(marts, f"--partition-range {UNCHANGED}...{NEXT}")
        materialize(",".join(f"all_accounts/{mart}" for mart in MARTS), f"--partition-range {UNCHANGED}...{NEXT}")
        assert made() == {UNCHANGED: 1, EDITED: 1, NEXT: 1}
        before = counted_from(EDITED)
        for simulator in simulators.values():
            simulator.advance(1300)  # hashes expire: what is read again is read anew
        noon = datetime(2026, 3, 11, 18, tzinfo=UTC)
        assert simulators["south"].world.edit_rows(noon, noon.replace(hour=19))
        materialize("north/transactions", f"--partition {UNCHANGED}")
        materialize("south/transactions", f"--partition {EDITED}")

        daemon = start(["dagster-daemon", "run", "-m", "sonnys_pipeline.definitions"], environment, forked=True)

        deadline = time.monotonic() + 3 * STUCK
        while made()[EDITED] == 1:
            assert daemon.popen.poll() is None, daemon.output
            assert time.monotonic() < deadline, daemon.output[-4000:]
            time.sleep(1)
        assert made() == {UNCHANGED: 1, EDITED: 2, NEXT: 1}
        after = counted_from(EDITED)
        assert after.keys() == before.keys() == set(NAMES)
        assert after["north"] == before["north"]
        assert after["south"] != before["south"]
        assert set(lake.read("site_day_kpis", [EDITED])["account"].to_pylist()) == set(NAMES)
