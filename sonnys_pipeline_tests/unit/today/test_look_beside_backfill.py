"""KT-04, must show: looks through a whole day beside a backfill; what each spends, and what the backfill loses."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow.compute as pc
import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import Site
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.ledger.service import open_ledger
from sonnys_pipeline.today.file import read_today
from sonnys_pipeline.today.look import Looker
from sonnys_pipeline_tests.support.shared_clock import SharedBudget, SharedClock, SharedWorkerPool
from sonnys_pipeline_tests.support.virtual_clock import EPOCH, VirtualApi
from sonnys_pipeline_tests.support.workspaces import workspace_of

SITES = 20
#: Seconds of a block of the budget, margin included.
BLOCK = 15.35
#: A day in the middle of the virtual calendar; looks begin at its midnight.
MIDNIGHT = EPOCH + timedelta(days=60)


class Scene:
    """A chain, its budget and a lake, on one clock."""

    def __init__(self, folder: Path, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = SharedClock()
        self.budget = SharedBudget(self.clock)
        codes = [f"S{number:02d}" for number in range(SITES)]
        self.api = VirtualApi(self.clock, sites=dict.fromkeys(codes, rows))
        monkeypatch.setenv("SONNYS_API_ID", "id")
        monkeypatch.setenv("SONNYS_DATA_URL", str(folder / "data"))
        monkeypatch.setenv("SONNYS_STATE_DIR", str(folder / "state"))
        self.ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}", now=self.clock.now)
        listed = [Site(code=code, name=code, timezone="UTC") for code in codes]
        client = SimpleNamespace(
            unthrottled=lambda: self.api, budget=self.budget, sites=SimpleNamespace(list=lambda: listed)
        )
        self.workspace = workspace_of(jobs=self.ledger, client=client, lake=Lake(folder / "data"))
        assert self.workspace.settings == Settings()
        self.spent = {"today": 0, "backfill": 0}
        self.ended = 0.0

    def backfill(self, days: int) -> None:
        """Load days before the present one, as the executor does."""
        loader = Loader(
            self.api,
            self.budget,
            SharedWorkerPool(self.clock),
            LoaderOptions(),
            clock=self.clock,
            now=self.clock.now,
            jitter=lambda: 0.5,
        )
        keys = [(MIDNIGHT - timedelta(days=back)).date().isoformat() for back in range(1, days + 1)]
        requests = [DayRequest(Day.of(key), sites=tuple(self.api.sites)) for key in keys]
        assert sum(1 for _ in loader.load(requests)) == days
        self.spent["backfill"], self.ended = loader.requests, self.clock()

    def looks(self, hours: float) -> None:
        """Look every ten minutes, or as soon as the look before has ended."""
        looker = Looker(
            self.workspace,
            now=self.clock.now,
            sleep=self.clock.sleep,
            clock=self.clock,
            pool=lambda: SharedWorkerPool(self.clock),
        )
        until = self.clock() + hours * 3600
        while self.clock() < until:
            began = self.clock()
            result = looker.look()
            assert result.problems == ()
            self.spent["today"] += result.requests
            self.clock.sleep(max(0.0, began + looker.every - self.clock()))


def test_looks_beside_a_backfill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KT-04: 20 sites, a look every ten minutes: 5 % of a busy budget at most, and the backfill is not later by more.

    Each look costs 40 requests, and the first one after nine hours takes a few pages of each site.
    """
    alone = Scene(tmp_path / "alone", rows=90, monkeypatch=monkeypatch)
    alone.clock.run(lambda: alone.backfill(days=12))
    both = Scene(tmp_path / "both", rows=90, monkeypatch=monkeypatch)
    begin = both.clock.seconds = 9 * 3600.0
    both.clock.run(lambda: both.backfill(days=12), lambda: both.looks(hours=0.5))

    assert both.spent["backfill"] == alone.spent["backfill"] == 12 * SITES * 2
    assert both.api.counts["429"] == 0
    beside = sum(begin <= at < both.ended for at in both.api.arrivals) - both.spent["backfill"]
    blocks = (both.ended - begin) / BLOCK
    assert 0 < beside <= blocks + 1  # one of the 20 requests of each block
    assert both.ended - begin <= alone.ended / 0.95 + BLOCK
    assert both.spent["today"] <= 3 * 40 + 2
    file = read_today(both.workspace.lake)
    begun = MIDNIGHT + timedelta(hours=9)
    for code in both.api.sites:
        as_of = file.state.sites[code.lower()].as_of
        assert as_of >= begun + timedelta(minutes=9)
        seconds = int(MIDNIGHT.timestamp()), int(as_of.timestamp()) - 1
        expected = {both.api.row(*one)["id"] for one in both.api.instants(*seconds, code)}
        site = file.rows.filter(pc.equal(file.rows["location_code"], code))
        assert sorted(site["id"].to_pylist()) == sorted(expected)
