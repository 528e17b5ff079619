"""An embedded simulator of the Sonny's Data API and its live quirks, over real HTTP on loopback.

    with Simulator(SimulatorConfig(speed=10)) as simulator:
        ...  # point a client at simulator.base_url with "demo-id" and "demo-key"

Belongs here: the public names. It needs nothing outside this package.
"""

from sonnys_pipeline.simulator.api.request_log import RequestRecord, SimulatorStats
from sonnys_pipeline.simulator.clock import SimulatorClock
from sonnys_pipeline.simulator.config import Account, SimulatorConfig
from sonnys_pipeline.simulator.faults import Faults, Operation
from sonnys_pipeline.simulator.hosting import LOOPBACK_HOSTS, Simulator, serve
from sonnys_pipeline.simulator.state import SimulatorState
from sonnys_pipeline.simulator.world.catalog import SiteSpec
from sonnys_pipeline.simulator.world.chain import World

__all__ = [
    "LOOPBACK_HOSTS",
    "Account",
    "Faults",
    "Operation",
    "RequestRecord",
    "Simulator",
    "SimulatorClock",
    "SimulatorConfig",
    "SimulatorState",
    "SimulatorStats",
    "SiteSpec",
    "World",
    "serve",
]
