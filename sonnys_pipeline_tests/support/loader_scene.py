"""A loader on the virtual clock, ready to run: shared by the loader's test modules."""

import random
from datetime import timedelta

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline_tests.support.virtual_clock import (
    EPOCH,
    VirtualApi,
    VirtualBudget,
    VirtualClock,
    VirtualWorkerPool,
)


class Scene:
    """A loader, the fake API behind it, and what came out."""

    def __init__(self, *, latency=0.05, options=None, observer=None, seed=1, **api):
        self.clock = VirtualClock()
        self.api = VirtualApi(self.clock, seed=seed, **api)
        self.pool = VirtualWorkerPool(self.clock, lambda: latency)
        self.loader = Loader(
            self.api,
            VirtualBudget(self.clock),
            self.pool,
            options or LoaderOptions(),
            observer=observer,
            clock=self.clock,
            now=self.clock.now,
            jitter=random.Random(seed).random,
        )

    def load(self, days):
        return list(self.load_lazily(days))

    def load_lazily(self, days):
        return self.loader.load(day if isinstance(day, DayRequest) else DayRequest(Day.of(day)) for day in days)

    @property
    def elapsed(self):
        return self.api.arrivals[-1] - self.api.arrivals[0]


def keys(count):
    return [(EPOCH + timedelta(days=number)).date().isoformat() for number in range(count)]
