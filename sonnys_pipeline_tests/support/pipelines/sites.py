"""A chain that is read site by site over HTTP, by the executor that the settings make, and what to ask afterwards."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sonnys_pipeline.backfill.executor import BatchExecutor, ExecutionResult
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.ledger.models import JobMode, RowSpec
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline.simulator.api.lists import as_of
from sonnys_pipeline.simulator.world.chain import epoch_ms

DAYS = ("2026-03-10", "2026-03-11")


@dataclass(frozen=True)
class Chain:
    """A simulator, and the folder in which its rows land."""

    simulator: Simulator
    folder: Path

    def settings(self, **own: Any) -> Settings:
        """All durations scaled as the simulator's clock is; the settings themselves are the product's own."""
        config = self.simulator.config
        scale = config.speed
        return Settings.load(
            **{
                "api_id": config.api_id,
                "api_key": config.api_key,
                "base_url": self.simulator.base_url,
                "rate_limit": f"{config.rate_limit}/{config.block_seconds / scale:g}",
                "poll_interval": 2 / scale,
                "job_timeout": 300 / scale,
                "hash_lifetime": config.hash_seconds / scale,
                "data_url": str(self.folder / "data"),
                "state_dir": self.folder / "state",
                **own,
            }
        )

    def run(self, days: Sequence[str] = DAYS, *, sites: Sequence[str | None] = (None,), **own: Any) -> ExecutionResult:
        """A new job of these days, or of these days and sites, executed to its end; a failing day stops no other."""
        with Workspace(self.settings(**own)) as workspace:
            rows = [RowSpec(day, site) for day in days for site in sites]
            job = workspace.jobs.create_job("a job", mode=JobMode.AUTO, rows=rows)
            executor = BatchExecutor(workspace, replace(workspace.options, on_error=OnError.CONTINUE))
            return executor.execute(job.id)

    @contextmanager
    def ledger(self) -> Iterator[JobService]:
        """What the runs remember, open while inside."""
        with Workspace(self.settings()) as workspace:
            yield workspace.jobs

    @property
    def lake(self) -> Lake:
        """Where days land."""
        return Lake(self.folder / "data")

    def rows_of(self, day: str) -> list[dict[str, Any]]:
        """What a UTC day has now, straight from the simulated world; of sites that no list names, too."""
        span = Day.of(day)
        rows = self.simulator.world.rows(span.start, span.end - timedelta(milliseconds=1))
        found = [(epoch_ms(datetime.fromisoformat(row["completeDate"])), row["id"], row) for row in rows]
        return as_of(found, self.simulator.state.clock.now())

    def expected(self, days: Sequence[str] = DAYS) -> Counter[str]:
        """Ids of these days, each once."""
        return Counter(row["id"] for day in days for row in self.rows_of(day))

    def landed(self, days: Sequence[str] = DAYS, asset: str = "transactions", column: str = "id") -> Counter[str]:
        """How often each id has landed."""
        return Counter(self.lake.read(asset, days, [column])[column].to_pylist())

    def with_states(self, days: Sequence[str] = DAYS) -> Counter[str]:
        """Ids of transactions whose state has landed."""
        return self.landed(days, "transaction_states", "transaction_id")

    def asked(self, operation: str, path: str = "") -> list[dict[str, str]]:
        """Parameters of each request of a kind, such as `submit`, to paths that end so."""
        return [
            {name: values[0] for name, values in parse_qs(record.query).items()}
            for record in self.simulator.log
            if record.operation == operation and record.path.endswith(path)
        ]


def is_midnight(row: dict[str, Any]) -> bool:
    """Whether a row lies exactly on a UTC midnight."""
    return bool(row["completeDate"].endswith("T00:00:00.000Z"))


def sites_of(chain: Chain) -> list[str]:
    """Codes of the sites that `/site/list` names, as rows write them."""
    return [site.code for site in chain.simulator.world.sites if site.code]
