"""Looks at the day so far of a simulated chain, whose clock is moved on between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sonnys_pipeline.backfill.executor import BatchExecutor, JobIdentity
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline.today.figures import Today, figures_of
from sonnys_pipeline.today.file import TodayFile, read_today
from sonnys_pipeline.today.look import Looker, LookResult
from sonnys_pipeline_tests.support.pipelines.sites import Chain


@dataclass
class Watch:
    """Somebody who looks at a chain's day so far."""

    simulator: Simulator
    workspace: Workspace
    seen: int = 0

    def now(self) -> datetime:
        """The simulated present."""
        return self.simulator.state.clock.now()

    def go_to(self, instant: datetime) -> None:
        """Move the simulated clock on."""
        self.simulator.advance((instant - self.now()).total_seconds())

    def wait(self, **span: float) -> None:
        """Let time pass."""
        self.simulator.advance(timedelta(**span).total_seconds())

    def look(self) -> LookResult:
        """One look."""
        return Looker(self.workspace, now=self.now).look()

    def file(self) -> TodayFile:
        """What is in the lake."""
        return read_today(self.workspace.lake)

    def figures(self) -> Today:
        """The figures of the file."""
        return figures_of(self.file(), self.workspace.lake, timezone=self.workspace.settings.timezone, now=self.now())

    def land(self, *days: str) -> None:
        """Land days as the morning does."""
        executor = BatchExecutor(self.workspace, replace(self.workspace.options, on_error=OnError.CONTINUE))
        result = executor.load(days, JobIdentity([f"the morning of {self.now()}"]))
        assert result.success, result.failures

    def ids(self) -> list[str]:
        """The ids in the file, repeated ones included."""
        return sorted(self.file().rows["id"].to_pylist())

    def expected(self, start: datetime, site: str | None = None) -> list[str]:
        """What the simulated world has from an instant until the file's end of this site, or of all."""
        state = self.file().state
        key = "*" if "*" in state.sites else (site or next(iter(state.sites))).lower()
        rows = self.simulator.world.rows(start, state.sites[key].as_of - timedelta(milliseconds=1), site)
        return sorted(row["id"] for row in rows)

    def requests(self) -> Counter[str]:
        """Requests since this was asked last, by kind; lists of sites apart."""
        records = list(self.simulator.log)[self.seen :]
        self.seen += len(records)
        return Counter(record.operation for record in records if record.operation != "sites")

    def asked(self, operation: str) -> list[dict[str, str]]:
        """The parameters of all requests of a kind."""
        return [
            {name: values[0] for name, values in parse_qs(record.query).items()}
            for record in self.simulator.log
            if record.operation == operation
        ]


@contextmanager
def watching(simulator: Simulator, folder: Path, **settings: Any) -> Iterator[Watch]:
    """Somebody with a workspace of these settings."""
    with Workspace(Chain(simulator, folder).settings(**settings)) as workspace:
        yield Watch(simulator, workspace)
