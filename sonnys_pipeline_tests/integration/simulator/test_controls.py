"""The controls of the simulator over real HTTP, who may use them, and how the simulator starts and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
import requests

from sonnys_pipeline.simulator import Faults, Simulator, SimulatorConfig
from sonnys_pipeline_tests.integration.simulator.conftest import NOW, error, poll, submit


def test_controls_cost_no_budget_and_need_no_credentials(simulator):
    for _ in range(30):
        assert requests.get(f"{simulator.control_url}/stats", timeout=5).json()["requests"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8899", "Content-Type": "application/json"},
        {"Origin": "https://elsewhere.example", "Content-Type": "application/json"},
        {"Origin": "null", "X-Sonnys-API-ID": "demo-id"},
        {"Origin": "http://127.0.0.1:1", "Content-Type": "application/json"},
        {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
    ],
)
def test_a_page_of_another_site_controls_nothing(simulator, headers):
    """Each is what a browser could be made to send to a simulator on the machine of whoever looks at the page."""
    for name, body in (("faults", '{"server_errors": -1}'), ("reset", ""), ("advance?seconds=60", "")):
        now = simulator.state.clock.now()
        answer = requests.post(f"{simulator.control_url}/{name}", data=body, headers=headers, timeout=5)
        assert (answer.status_code, answer.json().keys()) == (403, {"error"})
        assert simulator.state.injector.remaining() == {}
        assert simulator.state.clock.now() == now


@pytest.mark.parametrize("name", ["stats", "log", "faults"])
def test_a_page_of_another_site_reads_nothing(simulator, name):
    foreign = ({"Host": "rebound.example"}, {"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "same-site"})
    for headers in foreign:
        answer = requests.get(f"{simulator.control_url}/{name}", headers=headers, timeout=5)
        assert (answer.status_code, answer.json().keys()) == (403, {"error"})
    assert requests.get(f"{simulator.control_url}/{name}", timeout=5).status_code == 200


def test_a_program_controls_with_a_json_content_type_or_a_header_of_its_own(simulator):
    url = f"{simulator.control_url}/advance?seconds=1"
    for headers in (
        {"Content-Type": "application/json; charset=utf-8"},
        {"X-Sonnys-Simulator": "1"},
        {"Content-Type": "application/json", "Host": "localhost:80"},
        {"Content-Type": "application/json", "Origin": simulator.root_url, "Sec-Fetch-Site": "same-origin"},
    ):
        assert requests.post(url, headers=headers, timeout=5).status_code == 200


def test_stats_and_log_are_readable_over_http(simulator, session):
    submit(simulator, session)
    session.get(f"{simulator.base_url}/site/list")
    stats = session.get(f"{simulator.control_url}/stats").json()
    assert (stats["requests"], stats["jobs_created"], stats["speed"]) == (2, 1, 1.0)
    records = session.get(f"{simulator.control_url}/log").json()["records"]
    assert [record["operation"] for record in records] == ["submit", "sites"]
    assert records[0]["api_id"] == "demo-id"
    assert "demo-key" not in str(records)
    assert session.get(f"{simulator.control_url}/log", params={"last": 1}).json()["records"] == records[1:]
    assert session.get(f"{simulator.control_url}/log", params={"last": "x"}).status_code == 422


def test_faults_are_set_and_taken_back_over_http(simulator, session):
    answer = session.post(f"{simulator.control_url}/faults", json={"server_errors": 1})
    assert answer.json()["server_errors"] == 1
    assert session.get(f"{simulator.control_url}/faults").json() == answer.json()
    assert session.get(f"{simulator.control_url}/stats").json()["faults_remaining"] == {"server_errors": 1}
    session.post(f"{simulator.control_url}/faults", json={})
    assert session.get(f"{simulator.base_url}/site/list").status_code == 200


@pytest.mark.parametrize("body", ['{"gremlins": 1}', "not json", ""])
def test_faults_that_are_not_understood_change_nothing(simulator, session, body):
    simulator.set_faults(Faults(server_errors=1))
    assert session.post(f"{simulator.control_url}/faults", data=body).status_code == 422
    assert simulator.state.injector.remaining() == {"server_errors": 1}


def test_time_can_be_skipped_over_http(simulator, session):
    job_hash = submit(simulator, session)
    before = simulator.state.clock.now()
    assert session.post(f"{simulator.control_url}/advance", params={"seconds": 4}).status_code == 200
    assert simulator.state.clock.now() == before + timedelta(seconds=4)
    assert poll(simulator, session, job_hash).json()["data"]["status"] == "pass"
    for wrong in ("-1", "soon", "", "1e400"):
        assert session.post(f"{simulator.control_url}/advance", params={"seconds": wrong}).status_code == 422


def test_a_reset_forgets_everything_but_the_time(simulator, session):
    job_hash = submit(simulator, session)
    now = simulator.state.clock.now()
    assert session.post(f"{simulator.control_url}/reset").json() == {"reset": True}
    assert error(poll(simulator, session, job_hash))[0] == 404
    assert simulator.stats().requests == 1
    assert simulator.state.clock.now() == now


def test_simulators_run_side_by_side_and_stop_cleanly(session):
    with Simulator(SimulatorConfig(seed=1, now=NOW)) as one, Simulator(SimulatorConfig(seed=2, now=NOW)) as other:
        assert one.base_url != other.base_url
        session.get(f"{one.base_url}/site/list")
        assert (one.stats().requests, other.stats().requests) == (1, 0)
        address = one.base_url
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{address}/site/list", timeout=5)
    one.stop()
    with pytest.raises(RuntimeError, match="already started"):
        one.start()


def test_a_taken_port_is_an_error_at_once(simulator):
    port = int(simulator.root_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), Simulator(port=port):
        pass


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_serves_until_a_signal(stop_signal):
    program = (
        "from sonnys_pipeline.simulator import SimulatorConfig, serve\n"
        "serve(SimulatorConfig(), port=0, on_start=lambda url: print(url, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert requests.get(f"{url}/site/list", timeout=5).status_code == 403
        process.send_signal(stop_signal)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == -stop_signal
    assert errors == "" if stop_signal == signal.SIGTERM else errors.rstrip().endswith("KeyboardInterrupt")
