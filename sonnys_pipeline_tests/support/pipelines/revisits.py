"""An account whose landed days are looked at again, on a simulator and its calendar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from sonnys_pipeline.backfill.executor import BatchExecutor, JobIdentity
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client.models import TransactionJobItem, TransactionV2ListItem, parse_rows
from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.transactions import in_order
from sonnys_pipeline.revisit.result import SweepResult
from sonnys_pipeline.revisit.sweep import plan_sweep
from sonnys_pipeline.revisit.verify import Sweep
from sonnys_pipeline.simulator import Simulator, SimulatorConfig
from sonnys_pipeline.simulator.api.lists import as_of, detail, summary_v2
from sonnys_pipeline.simulator.world.chain import epoch_ms

#: The present at the start.
MORNING = datetime(2026, 6, 30, 12, tzinfo=UTC)


def simulator_for_revisits(**config: Any) -> Simulator:
    """A simulator with a wide budget whose load jobs take no time, at noon UTC."""
    usual = {
        "now": MORNING,
        "rate_limit": 100_000,
        "job_seconds": (0.0, 0.0),
        "sites": 3,
        "rows_per_day": 120,
        "virtual_site": False,
        "codeless_site": False,
    }
    return Simulator(SimulatorConfig(**{**usual, **config}))


@dataclass
class Revisits:
    """One account on one simulator; its present is the simulator's."""

    simulator: Simulator
    workspace: Workspace

    @classmethod
    def open(cls, simulator: Simulator, folder: Path, **settings: Any) -> Revisits:
        """The account; close its workspace afterwards."""
        given = {
            "api_id": simulator.config.api_id,
            "api_key": simulator.config.api_key,
            "base_url": simulator.base_url,
            "rate_limit": "100000/15",
            "poll_interval": 0.01,
            "data_url": str(folder / "data"),
            "state_dir": folder / "state",
            "archive": "off",
        }
        workspace = Workspace(Settings.load(**{**given, **settings}))
        workspace.now = simulator.state.clock.now
        return cls(simulator, workspace)

    @property
    def today(self) -> date:
        """The simulated date, UTC."""
        return self.workspace.now().date()

    def day(self, age: int) -> str:
        """The day of an age; yesterday is 1."""
        return (self.today - timedelta(days=age)).isoformat()

    def land(self, days: Sequence[str]) -> int:
        """Read and land days, as the morning's run does; returns the requests."""
        result = BatchExecutor(self.workspace).load(days, JobIdentity([f"{self.workspace.now()} {days}"]))
        assert result.success, result.failures
        return int(result.measures.requests)

    def place(self, days: Sequence[str]) -> None:
        """Land days straight from the simulated world, as a full read of them would, without requests."""
        source = self.workspace.options.source
        usual = {
            "account": source.api_id_digest,
            "site_code": source.site_code,
            "timezone": self.workspace.options.timezone,
            "sites": "null",
            "windows": "[]",
            "loaded_at": self.workspace.now().isoformat(),
            **self.workspace.privacy.metadata,
        }
        for day in days:
            rows = self.rows(day)
            table = to_table(parse_rows(TransactionJobItem, [detail(row) for row in rows]), TRANSACTIONS)
            kept = {**usual, "partition": day}
            self.workspace.lake.land(ASSET, in_order(table), partition=day, metadata=kept)
            self.workspace.lake.land(STATES, _states(rows, self.workspace.now()), partition=day, metadata=kept)

    def rows(self, day: str) -> Sequence[dict[str, Any]]:
        """The rows that the API has of a day."""
        start = epoch_ms(datetime.fromisoformat(day).replace(tzinfo=UTC))
        codes = frozenset(site.code for site in self.simulator.world.all_sites)
        entries = self.simulator.world.window(start, start + 86_400_000 - 1, codes)
        return as_of(entries, self.workspace.now())

    def sweep(
        self, by: Look | None = None, *, repair: bool = True, start: date = date(2026, 1, 1), end: date | None = None
    ) -> SweepResult:
        """A sweep, and what it found."""
        # Between two sweeps there is more time than the API keeps the answers to the same question.
        self.simulator.state.cached_lists.clear()
        self.simulator.state.jobs.clear()
        plan = plan_sweep(self.workspace, start, end or self.today, by=by)
        return Sweep(self.workspace).run(plan, repair=repair)

    def next_day(self) -> None:
        """Go to the same hour of the next day."""
        self.simulator.advance(86_400)

    def requests(self) -> Counter[str]:
        """What the server was asked for since its log was cleared, by path."""
        return Counter(record.path.removeprefix("/v1") for record in self.simulator.log)

    def differing(self, days: Sequence[str]) -> list[str]:
        """Days whose landed ids and totals are not those of the API."""
        found = []
        for day in days:
            landed = self.workspace.lake.read(ASSET, [day], ["id", "total"]).to_pylist()
            here = {row["id"]: round(row["total"] * 100) for row in landed}
            if here != {row["id"]: round(row["total"] * 100) for row in self.rows(day)}:
                found.append(day)
        return found


def _states(rows: Sequence[dict[str, Any]], read_at: datetime) -> pa.Table:
    items = parse_rows(TransactionV2ListItem, [summary_v2(row) for row in rows])
    table = [
        {
            "transaction_id": item.trans_id,
            "customer_id": item.customer_id,
            "is_recurring_plan_sale": item.is_recurring_plan_sale,
            "is_recurring_plan_redemption": item.is_recurring_plan_redemption,
            "transaction_status": item.transaction_status,
            "total": item.total,
            "read_at": read_at,
        }
        for item in items
    ]
    return pa.Table.from_pylist(table, TRANSACTION_STATES).sort_by("transaction_id")
