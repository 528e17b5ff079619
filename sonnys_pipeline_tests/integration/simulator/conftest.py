"""What tests of the simulator over HTTP share: simulators on a stopwatch turned by hand, sessions, exact shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from types import NoneType
from typing import Any

import pytest
import requests

from sonnys_pipeline.simulator import Account, Simulator, SimulatorConfig

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
SIX_PM = NOW.replace(hour=18)
START = datetime(2026, 11, 3, tzinfo=UTC)
DAY = int(START.timestamp())
WHOLE_DAY = {"startDate": DAY, "endDate": DAY + 86_400, "limit": 100}
FIRST_PAGE = {**WHOLE_DAY, "offset": 1}
JOB = {**FIRST_PAGE, "site": "MAIN"}
KEY = {"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"}
ROWS_PER_DAY = 230
CONFIG = SimulatorConfig(
    now=NOW,
    rows_per_day=ROWS_PER_DAY,
    accounts=(
        Account(api_id="regional", api_key="r", sites=frozenset({"MAIN"})),
        Account(api_id="live", api_key="l", environment="production"),
        Account(api_id="lapsed", api_key="x", licensed=False),
    ),
)


@pytest.fixture(scope="module")
def served() -> Iterator[Simulator]:
    # A stopwatch that stands still: budgets and jobs move only when a test says so.
    with Simulator(CONFIG, monotonic=lambda: 0.0) as simulator:
        yield simulator


@pytest.fixture
def simulator(served: Simulator) -> Simulator:
    served.advance(1500)
    served.reset()
    return served


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers.update(KEY)
        yield session


def submit(simulator: Simulator, session: requests.Session, **changes) -> str:
    answer = session.post(f"{simulator.base_url}/transaction/load-job", params={**JOB, **changes})
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"data"}
    return answer.json()["data"]["hash"]


def poll(simulator: Simulator, session: requests.Session, job_hash: str) -> requests.Response:
    return session.get(f"{simulator.base_url}/transaction/get-job-data", params={"hash": job_hash})


def error(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, answer.json()["type"]


ONE_SITE = {"X-Sonnys-API-ID": "one", "X-Sonnys-API-Key": "1"}


def assert_shape(found: dict[str, Any], shape: dict[str, Any]) -> None:
    """Exactly these fields, each of its type; a bool is no number."""
    assert found.keys() == shape.keys()
    for name, kind in shape.items():
        assert isinstance(found[name], kind), (name, found[name])
        assert isinstance(found[name], bool) == (kind is bool), (name, found[name])


class LiveApi:
    """A simulator and a session for it."""

    def __init__(self, simulator: Simulator, session: requests.Session) -> None:
        self.simulator = simulator
        self.session = session

    def get(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> requests.Response:
        return self.session.get(f"{self.simulator.base_url}{path}", params=params, headers=headers, timeout=10)

    def submit(self, headers: dict[str, str] | None = None, **params: Any) -> requests.Response:
        url = f"{self.simulator.base_url}/transaction/load-job"
        return self.session.post(url, params={**WHOLE_DAY, **params}, headers=headers, timeout=10)

    def job(self, headers: dict[str, str] | None = None, **params: Any) -> dict[str, Any]:
        """The body of a job's page."""
        submitted = self.submit(headers, **params)
        assert submitted.status_code == 200, submitted.text
        answer = self.get("/transaction/get-job-data", headers, hash=submitted.json()["data"]["hash"])
        assert answer.json().keys() == {"data"}
        body: dict[str, Any] = answer.json()["data"]
        return body

    def total(self, **params: Any) -> int | None:
        answer = self.get("/transaction", **{**WHOLE_DAY, "limit": 1, **params})
        assert answer.status_code == 200, answer.text
        total: int | None = answer.json()["data"]["total"]
        return total

    def site_codes(self, headers: dict[str, str] | None = None) -> list[str]:
        return [site["code"] for site in self.get("/site/list", headers).json()["data"]["sites"]]


@pytest.fixture(scope="module")
def open_api() -> Iterator[Callable[..., LiveApi]]:
    """Opens simulators whose jobs take no time, and whose budget is wide; one for each set of settings."""
    with ExitStack() as stack:
        known: dict[str, LiveApi] = {}

        def open_one(**settings: Any) -> LiveApi:
            config = SimulatorConfig(
                **{
                    "now": NOW,
                    "job_seconds": (0.0, 0.0),
                    "rate_limit": 10_000,
                    "closed": frozenset({date(2026, 11, 2)}),
                    "accounts": (Account(api_id="one", api_key="1", sites=frozenset({"MAIN"})),),
                    **settings,
                }
            )
            if (key := repr(config)) not in known:
                simulator = stack.enter_context(Simulator(config))
                session = stack.enter_context(requests.Session())
                session.headers.update(KEY)
                known[key] = LiveApi(simulator, session)
            known[key].simulator.reset()
            return known[key]

        yield open_one


SITES = {"live": {"MAIN", "Harbor", "SUNSET"}, "documented": {"MAIN", "HARBOR", "SUNSET"}}
TEXT, NUMBER = (str, NoneType), (int, float)


def ago(days: float) -> int:
    return int((SIX_PM - timedelta(days=days)).timestamp())


class ResourceApi:
    """A simulator of one profile and a session for it."""

    def __init__(self, profile: str, simulator: Simulator, session: requests.Session) -> None:
        self.profile, self.simulator, self.session = profile, simulator, session
        self.live = profile == "live"

    def ask(self, path: str, headers: dict[str, str] | None = None, **params: Any) -> requests.Response:
        return self.session.get(f"{self.simulator.base_url}{path}", params=params, headers=headers, timeout=20)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.ask(path, **params)
        assert answer.status_code == 200, answer.text
        assert answer.json().keys() == {"data"}
        return answer.json()["data"]

    def every(self, path: str, name: str, limit: int = 100, **params: Any) -> list[dict[str, Any]]:
        """All pages of a list, by page number; the total counts them."""
        rows: list[dict[str, Any]] = []
        for page in range(1, 200):
            found = self.get(path, limit=limit, offset=page, **params)
            assert found.keys() == {name, "offset", "limit", "total"}
            if found["total"] is None:
                assert (found[name], found["offset"], found["limit"]) == ([], None, None)
                return []
            assert (found["offset"], found["limit"]) == (page, limit)
            assert len(found[name]) == max(0, min(limit, found["total"] - len(rows)))
            rows += found[name]
            if len(rows) == found["total"]:
                return rows
        raise AssertionError(f"{path} has no end")

    def refusal(self, path: str, **params: Any) -> list[str]:
        answer = self.ask(path, **params)
        assert (answer.status_code, answer.json()["type"]) == (422, "PayloadValidationError"), answer.text
        messages: list[str] = answer.json()["messages"]
        return messages


@pytest.fixture(scope="module", params=["live", "documented"])
def api(request: pytest.FixtureRequest) -> Iterator[ResourceApi]:
    config = SimulatorConfig(
        api=request.param,
        now=SIX_PM,
        rate_limit=100_000,
        accounts=(Account(api_id="regional", api_key="r", sites=frozenset({"MAIN"})),),
    )
    with Simulator(config, monotonic=lambda: 0.0) as simulator, requests.Session() as session:
        session.headers.update(KEY)
        yield ResourceApi(request.param, simulator, session)
