"""The state of one simulated API, built from its configuration."""

from __future__ import annotations

import time
from collections.abc import Callable

from sonnys_pipeline.simulator.amendments import Amendments
from sonnys_pipeline.simulator.api.access import AccessControl, RequestBudget
from sonnys_pipeline.simulator.api.jobs import JobBoard
from sonnys_pipeline.simulator.api.lists import AnswerCache
from sonnys_pipeline.simulator.api.request_log import RequestLog
from sonnys_pipeline.simulator.api.resources import Resources
from sonnys_pipeline.simulator.clock import SimulatorClock
from sonnys_pipeline.simulator.config import SimulatorConfig
from sonnys_pipeline.simulator.faults import FaultInjector, Faults
from sonnys_pipeline.simulator.world.chain import World

LIST_CACHE_SECONDS = 600.0
"""Life of a `version-2` response, in seconds of API time."""


class SimulatorState:
    """The parts of one simulator, each thread-safe.

    Attributes:
        live: whether the profile is `live`.
        cached_lists: responses of `version-2`, kept for 10 minutes.
    """

    def __init__(self, config: SimulatorConfig, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.clock = SimulatorClock(config.now, config.speed, monotonic)
        self.world = World(
            config.seed,
            config.sites,
            config.rows_per_day,
            api=config.api,
            midnight_row=config.midnight_row,
            opened=config.opened,
            closed=config.closed,
            virtual_site=config.virtual_site,
            virtual_rows=config.virtual_rows,
            codeless_site=config.codeless_site,
            codeless_rows=config.codeless_rows,
            unlisted_site_rows=config.unlisted_site_rows,
            accounts_per_site=config.accounts_per_site,
        )
        self.live = config.api == "live"
        self.injector = FaultInjector(config.faults)
        self.access = AccessControl(
            config.all_accounts(), [site.code for site in self.world.all_sites], ignore_case=self.live
        )
        self.budget = RequestBudget(
            config.rate_limit,
            self.clock.scaled(config.block_seconds),
            count_refused=config.count_refused,
            refused_lengthens=config.refused_lengthens,
        )
        self.jobs = JobBoard(
            self.world,
            self.clock,
            self.injector,
            seed=config.seed,
            job_seconds=config.job_seconds,
            hash_seconds=config.hash_seconds,
            stable_hashes=config.stable_hashes,
            live=self.live,
            pending_status=config.pending_status,
        )
        self.resources = Resources(config, self.world, self.clock, self.access)
        self.amendments = Amendments(self.world)
        self.amendments.apply(config.faults)
        self.log = RequestLog(self.clock.elapsed)
        self.cached_lists = AnswerCache(self.clock.scaled(LIST_CACHE_SECONDS))

    def set_faults(self, faults: Faults) -> None:
        """Replace the faults; late and edited rows stay."""
        self.injector.set(faults)
        self.amendments.apply(faults)

    def rename_site(self, code: str, new_code: str) -> None:
        """Give a site another code; the old one is unknown from now on. `KeyError` for an unknown site."""
        self.world.rename_site(code, new_code)
        self.access.rename(code, new_code)

    def reset(self) -> None:
        """Clear jobs, caches, budget, log, late and edited rows; restore the configured faults; the clock runs on."""
        self.amendments.clear()
        self.access.know(site.code for site in self.world.all_sites)
        self.jobs.clear()
        self.cached_lists.clear()
        self.budget.clear()
        self.log.clear()
        self.set_faults(self.config.faults)
