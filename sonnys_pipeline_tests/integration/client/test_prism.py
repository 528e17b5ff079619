"""RS-01: a mock server that someone else's tool makes of the vendor's document accepts what the client sends.

Prism (npm) answers 400 or 422 to a request that breaks the document. Skipped where npm or its registry is away.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from sonnys_pipeline.client import RequestBudget, RequestRate, SonnysClient, SonnysError, ValidationError
from sonnys_pipeline.client.transport import HttpTransport
from sonnys_pipeline_tests.integration.client.test_every_endpoint import DAY, DOCUMENT, LISTS
from sonnys_pipeline_tests.support.servers import free_port

PRISM = "@stoplight/prism-cli@5.16.0"
#: Seconds until the package is there and the server answers.
_STARTS_WITHIN = 180.0
#: What live users found to work although the document says otherwise: dates of clock entries (contract, L14).
DEVIATIONS = {"/employee/1/clock-entries"}


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The mock server's URL."""
    if not DOCUMENT.exists():
        pytest.skip(f"the vendor's document is not at {DOCUMENT}")
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("npx is not installed (Debian's package npm)")
    port, log = free_port(), tmp_path_factory.mktemp("prism") / "log"
    with log.open("wb") as output:
        command = [npx, "--yes", PRISM, "mock", "--port", str(port), str(DOCUMENT)]
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        if not _answers(port, process):
            pytest.skip(f"Prism did not start, so npm's registry may be away: {_end_of(log)}")
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(process.pid, signal.SIGTERM)  # npx hands no signal on
        process.wait(30)


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/", timeout=5)
            return True
        time.sleep(0.2)
    return False


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2][:200]


def test_someone_elses_mock_accepts_every_request(prism: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each method of each resource; what the document refuses is a named deviation, and really refused by it."""
    send, refused, accepted = HttpTransport.send, set[str](), list[str]()

    def recorded(self: HttpTransport, method: str, path: str, params: object) -> object:
        try:
            answer = send(self, method, path, params)  # type: ignore[arg-type] # handed on
        except ValidationError:
            refused.add(path)
            raise
        except SonnysError:  # accepted, and answered with an example that is no JSON of the models
            accepted.append(path)
            raise
        accepted.append(path)
        return answer

    monkeypatch.setattr(HttpTransport, "send", recorded)
    budget = RequestBudget("prism", RequestRate(100_000, 15))
    with SonnysClient(
        "demo-id", "demo-key", base_url=prism, budget=budget, owns_budget=True, max_retries=0, sleep=lambda _: None
    ) as client:
        calls = [
            *(lambda call=call: call(client) for _, _, call in LISTS.values()),
            lambda: client.customers.get("876:1001"),
            lambda: client.employees.get("1"),
            lambda: client.recurring_accounts.get("876:1001"),
            lambda: client.washbooks.get("876:1001"),
            lambda: client.transactions.get("876:1001"),
            lambda: client.transactions.load_job(**DAY),
            lambda: client.transactions.get_job_data("a" * 32),
        ]
        for call in calls:
            with suppress(SonnysError):  # the document's examples are no whole lists
                call()
    assert refused <= DEVIATIONS, sorted(refused - DEVIATIONS)
    assert refused == DEVIATIONS
    assert len(set(accepted)) >= len(calls) - len(DEVIATIONS)
