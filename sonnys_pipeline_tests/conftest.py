"""What the tests share: a clean environment, whole rows, clients on a scripted wire, clients on a simulator."""

import gc

# The garbage collector looks less often: of what imports and tests make, most stays. Before the imports, since those
# below make a quarter of a million objects.
gc.set_threshold(20_000, 20, 20)

import copy
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from hypothesis import settings as hypothesis_settings
from pydantic_settings import DotEnvSettingsSource
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from sonnys_pipeline.client import RequestBudget, RequestRate, SonnysClient, TransactionJobItem
from sonnys_pipeline.extract.pages.page import PageRows, parse_page
from sonnys_pipeline.simulator import Simulator, SimulatorConfig
from sonnys_pipeline_tests.support.processes.preloaded import preloaded  # noqa: F401 - a fixture
from sonnys_pipeline_tests.support.servers import (  # noqa: F401 - fixtures
    postgres_server,
    postgres_url,
    redis_server,
    redis_url,
    s3_server,
    s3_url,
)
from sonnys_pipeline_tests.support.shortcuts import (  # noqa: F401 - fixtures
    _dagsters_databases_are_made_once,
    _ledgers_are_migrated_once,
    _ledgers_share_their_statements,
    _no_power_is_cut,
    migrated_by_alembic,
)
from sonnys_pipeline_tests.support.virtual_clock import answer

# No deadline: two loaded cores make any single example slow. No database: a run leaves nothing behind.
hypothesis_settings.register_profile("house", deadline=None, database=None, derandomize=True)
hypothesis_settings.load_profile("house")

# A shell that starts `make test &` lets it ignore Ctrl-C, and what ignores a signal hands that on to its children: here
# some of them are to end by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests and the processes that they start are compiled once, not by each of them, whatever the shell says.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

ROOT = Path(__file__).parents[1]
#: The folder whose tests count for the coverage.
MEASURED = "unit"
API_ID = "test-id-0815"
API_KEY = "test-key-4711"

ROW: Mapping[str, Any] = {
    "id": "876:1",
    "number": 876,
    "type": "Sale",
    "completeDate": "2026-03-10T15:30:00.250Z",
    "locationCode": "MAIN",
    "salesDeviceName": "POS1",
    "total": 19.49,
    "tenders": [
        {
            "tender": "Cash",
            "tenderSubType": None,
            "amount": 20.0,
            "change": -0.51,
            "total": 19.49,
            "referenceNumber": None,
            "creditCardLastFour": None,
            "creditCardExpirationDate": None,
        }
    ],
    "items": [
        {
            "name": "Silver Wash",
            "sku": "100300",
            "department": "Wash",
            "quantity": 1,
            "gross": 18.0,
            "net": 18.0,
            "discount": 0.0,
            "tax": 1.49,
            "additionalFee": 0.5,
            "isVoided": False,
        }
    ],
    "customerName": "José Núñez",
    "customerId": "12:1",
    "vehicleLicensePlate": "ABC1234",
    "employeeCashier": "Mary Jones",
    "employeeGreeter": None,
    "discount": [],
    "isRecurringPayment": False,
    "isRecurringRedemption": False,
    "isRecurringSale": False,
    "isPrepaidRedemption": False,
    "isPrepaidSale": False,
    "isRecurringPlanSale": False,
    "isRecurringPlanRedemption": False,
    "transactionStatus": "Completed",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Waiting beside computing, see `support/schedule.py`; other ways to distribute tests are xdist's own."""
    if config.getvalue("dist") != "loadfile":
        return None
    from sonnys_pipeline_tests.support.schedule import Schedule

    return Schedule(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """End what pytest-cov 7.1 begins to measure in each of xdist's processes while it reads the options.

    A worker's own measuring begins on top of it, so it would go on wherever the worker's own is paused. Neither its
    data nor that of the process that only distributes tests is used.
    """
    plugin = session.config.pluginmanager.getplugin("_cov")
    coverage = plugin and plugin.cov_controller
    if type(coverage).__name__ == "DistMaster":
        coverage.cov.stop()


def pytest_collection_finish() -> None:
    """Let the garbage collector not look at modules and tests: both stay until the end."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """At the end nothing may look as if it had leaked."""
    gc.unfreeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[Any]:
    """Measure no coverage outside `unit/`, fixtures included: a measured test takes 1.6 times as long.

    It would also slow down what races against clocks. Single tests of unit/ that run lines that others run, thousands
    of times, have the marker `no_cover`.
    """
    plugin = item.config.pluginmanager.getplugin("_cov")
    coverage = plugin and plugin.cov_controller
    if not coverage or item.path.relative_to(Path(__file__).parent).parts[0] == MEASURED:
        return (yield)
    coverage.pause()
    assert sys.gettrace() is None, "coverage still measures where it is paused; see pytest_sessionstart"
    try:
        return (yield)
    finally:
        coverage.resume()


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """The developer's own credentials and settings reach no test, nor do those of a `.env` here."""
    for name in [name for name in os.environ if name.startswith("SONNYS_")]:
        del os.environ[name]
    read = DotEnvSettingsSource._read_env_files

    def read_elsewhere(source: DotEnvSettingsSource) -> Mapping[str, str | None]:
        return {} if Path.cwd() == ROOT else read(source)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DotEnvSettingsSource, "_read_env_files", read_elsewhere)
        yield


@pytest.fixture
def make_row() -> Callable[..., dict[str, Any]]:
    """A whole row as the API sends it; keyword arguments replace fields, by their names on the wire."""

    def make(row_id: str | int = "876:1", **fields: Any) -> dict[str, Any]:
        return {**copy.deepcopy(dict(ROW)), "id": f"{row_id}:1" if isinstance(row_id, int) else row_id, **fields}

    return make


@pytest.fixture
def make_item(make_row: Callable[..., dict[str, Any]]) -> Callable[..., TransactionJobItem]:
    """`make_row`, as a model."""
    return lambda *args, **fields: TransactionJobItem.model_validate(make_row(*args, **fields))


@pytest.fixture
def make_page(make_row: Callable[..., dict[str, Any]]) -> Callable[..., PageRows]:
    """A page of rows at given instants, as the loader has parsed it; ids count from `first`."""

    def make(instants: list[str], *, page: int = 1, total: int | None = None, first: int = 1) -> PageRows:
        rows = [make_row(first + place, completeDate=instant) for place, instant in enumerate(instants)]
        parsed = parse_page(f"hash-{page}", answer("", "pass", data=rows, total=len(rows) if total is None else total))
        assert isinstance(parsed, PageRows)
        return parsed

    return make


@dataclass(frozen=True)
class Sent:
    """A request as it left: what was put on the wire, and with which timeouts (connect, read)."""

    method: str
    url: str
    headers: Mapping[str, str]
    timeout: object


@dataclass
class Wire(BaseAdapter):
    """Stands where the network begins: answers from a script, the last one for ever, and keeps what was sent."""

    script: list[tuple[int, bytes, Mapping[str, str]] | Exception] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    def answer(self, status: int = 200, body: object = None, **headers: str) -> None:
        """Add an answer; bytes go as they are, anything else as JSON; `_` in the name of a header is `-`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.script.append((status, content, {name.replace("_", "-"): value for name, value in headers.items()}))

    def break_with(self, error: Exception) -> None:
        """Add a failure of the network."""
        self.script.append(error)

    def send(self, request: requests.PreparedRequest, timeout: object = None, **_: object) -> requests.Response:
        """Called by requests instead of the network."""
        self.sent.append(Sent(str(request.method), str(request.url), dict(request.headers), timeout))
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        response = requests.Response()
        if isinstance(said, requests.RequestException):
            said.request, said.response = request, response
        if isinstance(said, Exception):
            raise said
        response.status_code, content, headers = said
        response.headers.update(headers)
        response.raw = HTTPResponse(BytesIO(content), headers, response.status_code, preload_content=False)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def wire() -> Wire:
    """A scripted network; `wired_client` is connected to it."""
    return Wire()


@pytest.fixture
def pauses() -> list[float]:
    """Seconds that `wired_client` would have waited before repetitions."""
    return []


@pytest.fixture
def wired_client(wire: Wire, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[SonnysClient]:
    """A client whose network is `wire`, that waits for nothing, and jitters half-way; its answers come in order."""
    monkeypatch.setattr("sonnys_pipeline.client.resource.AT_ONCE", 1)
    with (
        RequestBudget(f"{API_ID} {uuid4()}", RequestRate(10_000, 60)) as budget,  # permits of this test alone
        SonnysClient(
            API_ID, API_KEY, base_url="https://api.test/v1", budget=budget, sleep=pauses.append, jitter=lambda: 0.5
        ) as client,
    ):
        client._transport._session.mount("https://", wire)
        yield client


@pytest.fixture(scope="session")
def _stopping() -> Iterator[Callable[[Simulator], None]]:
    """Stops simulators while the next tests run: each takes some tenths of a second, all of them waiting."""
    with ThreadPoolExecutor(4, "stopping") as pool:
        stopped: list[Future[None]] = []
        yield lambda simulator: stopped.append(pool.submit(simulator.stop))
        for one in stopped:
            one.result()


def _starting(stopping: Callable[[Simulator], None]) -> Iterator[Callable[..., Simulator]]:
    started: list[Simulator] = []

    def start(**config: Any) -> Simulator:
        fast: dict[str, Any] = {
            "speed": 50,
            # A key of one site: a load job need not name it. Tests about sites ask for more.
            "sites": 1,
            "virtual_site": False,
            "rate_limit": 10_000,
            "job_seconds": (0.2, 0.8),
            "now": datetime(2026, 3, 20, 12, tzinfo=UTC),
        }
        started.append(Simulator(SimulatorConfig(**{**fast, **config})).start())
        return started[-1]

    yield start
    for simulator in started:
        stopping(simulator)


@pytest.fixture
def start_simulator(_stopping: Callable[[Simulator], None]) -> Iterator[Callable[..., Simulator]]:
    """Starts simulators of one site, 50 times faster than the API, at noon of 2026-03-20 UTC, with a wide budget."""
    yield from _starting(_stopping)


@pytest.fixture(scope="module")
def simulators_of_module(_stopping: Callable[[Simulator], None]) -> Iterator[Callable[..., Simulator]]:
    """As `start_simulator`, for what the tests of a module share."""
    yield from _starting(_stopping)


@pytest.fixture
def connect() -> Iterator[Callable[..., SonnysClient]]:
    """Opens clients on a simulator, every duration scaled down as its clock is, with a budget as wide as its own."""
    with ExitStack() as opened:

        def open_client(simulator: Simulator, **options: Any) -> SonnysClient:
            config = simulator.config
            scaled: dict[str, Any] = {
                "base_url": simulator.base_url,
                "budget": RequestBudget(simulator.base_url, RequestRate(config.rate_limit, 1)),
                "backoff": 0.01,
                "hash_lifetime": config.hash_seconds / config.speed,
                "read_timeout": 30.0,
            }
            return opened.enter_context(SonnysClient(config.api_id, config.api_key, **{**scaled, **options}))

        yield open_client
