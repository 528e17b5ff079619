"""The simulator over real HTTP: endpoints, order of judgement, budget, caches, controls, start and stop.

Covers CONTRACT.md "Reaching it", "The request budget", "Errors", "Batch jobs" and "Other endpoints this project uses".
Time is turned by hand, so a test waits for nothing but the network.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests

from sonnys_pipeline.simulator import Account, Faults, Simulator, SimulatorConfig
from sonnys_pipeline.simulator.api.lists import detail

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
DAY = int(datetime(2026, 11, 3, tzinfo=UTC).timestamp())
WHOLE_DAY = {"startDate": DAY, "endDate": DAY + 86_400, "limit": 100, "offset": 1}
JOB = {**WHOLE_DAY, "site": "MAIN"}
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
        session.headers.update({"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"})
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


def test_a_day_is_submitted_polled_and_paged(simulator, session):
    rows, totals = [], set()
    for page in (1, 2, 3):
        job_hash = submit(simulator, session, limit=40, offset=page)
        working = poll(simulator, session, job_hash).json()["data"]
        assert (working["status"], working["data"]) == ("working", [])
        simulator.advance(4)
        passed = poll(simulator, session, job_hash).json()["data"]
        assert (passed["hash"], passed["status"], passed["offset"], passed["limit"]) == (job_hash, "pass", page, 40)
        rows += passed["data"]
        totals.add(passed["total"])
    start = datetime.fromtimestamp(DAY, UTC)
    expected = simulator.world.rows(start, start + timedelta(days=1), "MAIN")
    assert rows == [detail(row) for row in expected]
    assert totals == {len(expected)}
    stats = simulator.stats()
    assert (stats.requests, stats.submissions, stats.polls, stats.working_polls) == (9, 3, 6, 3)
    assert stats.rows_served == len(rows) > 80


def test_load_job_answers_get_as_it_answers_post(simulator, session):
    posted = submit(simulator, session)
    got = session.get(f"{simulator.base_url}/transaction/load-job", params=JOB)
    assert got.json()["data"]["hash"] == posted
    assert simulator.stats().jobs_created == 1


def test_without_a_limit_a_page_has_ten_rows(simulator, session):
    answer = session.post(
        f"{simulator.base_url}/transaction/load-job", params={"startDate": DAY, "endDate": DAY + 86_400, "site": "MAIN"}
    )
    simulator.advance(4)
    page = poll(simulator, session, answer.json()["data"]["hash"]).json()["data"]
    assert (len(page["data"]), page["limit"], page["offset"]) == (10, 10, 1)


def test_a_hash_dies_after_twenty_minutes(simulator, session):
    job_hash = submit(simulator, session)
    simulator.advance(1199)
    assert poll(simulator, session, job_hash).json()["data"]["status"] == "pass"
    assert submit(simulator, session) == job_hash
    simulator.advance(1)
    assert error(poll(simulator, session, job_hash)) == (404, "EntityNotFoundError")
    assert submit(simulator, session) != job_hash


def test_the_budget_is_twenty_in_fifteen_seconds_and_counts_invalid_requests(simulator, session):
    url = f"{simulator.base_url}/transaction/load-job"
    answers = [session.post(url, params={"limit": 0}) for _ in range(21)]
    assert [error(answer) for answer in answers[:20]] == [(422, "PayloadValidationError")] * 20
    assert error(answers[20]) == (429, "RequestRateExceedError")
    assert "Retry-After" not in answers[20].headers
    simulator.advance(14.9)
    assert session.get(f"{simulator.base_url}/site/list").status_code == 429
    simulator.advance(0.1)
    assert session.get(f"{simulator.base_url}/site/list").status_code == 200
    assert simulator.stats().rate_limited == 2


def test_budgets_are_per_api_id_and_bad_credentials_cost_none(simulator, session):
    url = f"{simulator.base_url}/site/list"
    for _ in range(25):
        assert error(session.get(url, headers={"X-Sonnys-API-Key": "wrong"}))[0] == 403
    assert [session.get(url).status_code for _ in range(21)][-2:] == [200, 429]
    assert session.get(url, headers={"X-Sonnys-API-ID": "regional", "X-Sonnys-API-Key": "r"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "params", "expected"),
    [
        ({"X-Sonnys-API-ID": None}, {}, (403, "MissingClientCredentialsError")),
        ({"X-Sonnys-API-Key": "wrong"}, {}, (403, "BadClientCredentialsError")),
        ({"X-Sonnys-API-ID": "live", "X-Sonnys-API-Key": "l"}, {}, (403, "MismatchCredentialsError")),
        ({"X-Sonnys-API-ID": "lapsed", "X-Sonnys-API-Key": "x"}, {}, (403, "NotAuthorizedError")),
        ({"X-Sonnys-Site-Code": "NOWHERE"}, {}, (403, "BadSiteCredentialsError")),
        (
            {"X-Sonnys-API-ID": "regional", "X-Sonnys-API-Key": "r", "X-Sonnys-Site-Code": "HARBOR"},
            {},
            (403, "NotAuthorizedSiteCredentialsError"),
        ),
        ({"X-Sonnys-Site-Code": "MAIN"}, {"site": "HARBOR"}, (403, "NotAuthorizedSiteArgsError")),
        ({}, {"site": "NOWHERE"}, (422, "PayloadValidationError")),
        ({}, {"site": "MAIN", "startDate": DAY, "endDate": DAY + 86_401}, (422, "PayloadValidationError")),
    ],
)
def test_refusals_have_the_contracts_types(simulator, session, headers, params, expected):
    answer = session.post(f"{simulator.base_url}/transaction/load-job", params=params, headers=headers)
    assert error(answer) == expected
    assert answer.json().keys() == {"type", "messages" if expected[0] == 422 else "message"}


def test_a_header_narrows_to_one_site(simulator, session):
    narrow = {"X-Sonnys-Site-Code": "HARBOR"}
    url = f"{simulator.base_url}/transaction"
    by_header = session.get(url, params=WHOLE_DAY, headers=narrow).json()
    by_argument = session.get(url, params={**WHOLE_DAY, "site": "HARBOR"}).json()
    assert by_header == by_argument
    assert 0 < by_header["data"]["total"] < ROWS_PER_DAY
    sites = session.get(f"{simulator.base_url}/site/list", headers=narrow).json()["data"]["sites"]
    assert [site["code"] for site in sites] == ["Harbor"]


def test_the_site_list_tells_zones_the_virtual_site_and_the_one_without_a_code(simulator, session):
    sites = session.get(f"{simulator.base_url}/site/list").json()["data"]["sites"]
    assert [(site["code"], site["timezone"]) for site in sites] == [
        ("MAIN", "America/Chicago"),
        ("Harbor", "America/New_York"),
        ("SUNSET", "America/Los_Angeles"),
        ("ECOMM", None),
        ("", "America/Chicago"),
    ]


def test_the_list_tells_the_total_for_one_request(simulator, session):
    answer = session.get(f"{simulator.base_url}/transaction", params={**WHOLE_DAY, "limit": 1}).json()["data"]
    assert (answer["total"], answer["limit"], answer["offset"]) == (ROWS_PER_DAY, 1, 1)
    (listed,) = answer["transactions"]
    assert listed.keys() == {"transNumber", "transId", "total", "date"}


def test_lists_page_by_number_and_span_a_month(simulator, session):
    url, week = f"{simulator.base_url}/transaction", {"startDate": DAY - 6 * 86_400, "endDate": DAY, "limit": 100}
    pages = [session.get(url, params={**week, "offset": page}).json()["data"] for page in (1, 2, 14, 15)]
    assert [len(page["transactions"]) for page in pages] == [100, 100, 80, 0]
    assert {page["total"] for page in pages} == {6 * ROWS_PER_DAY}
    assert pages[0]["transactions"][-1] != pages[1]["transactions"][0]
    too_long = session.get(url, params={**week, "startDate": DAY - 40 * 86_400})
    assert error(too_long) == (422, "PayloadValidationError")


def test_the_wash_list_agrees_with_the_rows_unless_told_otherwise(simulator, session):
    start = datetime.fromtimestamp(DAY, UTC)
    rows = simulator.world.rows(start, start + timedelta(days=1))
    washes = [
        row["id"] for row in rows if any(item["department"] == "Wash" and not item["isVoided"] for item in row["items"])
    ]
    url = f"{simulator.base_url}/transaction/type/wash"

    def listed() -> list[str]:
        pages = [session.get(url, params={**WHOLE_DAY, "offset": page}).json()["data"] for page in (1, 2, 3)]
        return [row["transId"] for page in pages for row in page["transactions"]]

    assert listed() == washes
    assert 0 < len(washes) < ROWS_PER_DAY
    simulator.set_faults(Faults(wash_list_skips=10))
    assert set(washes) - set(listed()) == set(washes[9::10])


@pytest.mark.parametrize(
    "item_type", ["wash", "prepaid-wash", "recurring", "washbook", "giftcard", "merchandise", "house-account"]
)
def test_each_item_type_lists_a_part_of_the_week(simulator, session, item_type):
    params = {"startDate": DAY - 6 * 86_400, "endDate": DAY, "limit": 1}
    total = session.get(f"{simulator.base_url}/transaction/type/{item_type}", params=params).json()["data"]["total"]
    assert 0 < total < 6 * ROWS_PER_DAY


def test_an_unknown_item_type_is_refused(simulator, session):
    assert error(session.get(f"{simulator.base_url}/transaction/type/boats"))[0] == 422


def test_version_2_is_cached_for_ten_minutes_and_carries_the_flags(simulator, session):
    url, params = f"{simulator.base_url}/transaction/version-2", WHOLE_DAY
    first = session.get(url, params=params).json()
    rows = first["data"]["transactions"]
    assert all({"isRecurringPlanSale", "isRecurringPlanRedemption", "transactionStatus"} <= row.keys() for row in rows)
    simulator.world.add_late_rows(datetime.fromtimestamp(DAY, UTC) + timedelta(hours=1))
    simulator.advance(599)
    assert session.get(url, params=params).json() == first
    assert session.get(f"{simulator.base_url}/transaction", params=params).json()["data"]["total"] == ROWS_PER_DAY + 1
    simulator.advance(1)
    assert session.get(url, params=params).json()["data"]["total"] == ROWS_PER_DAY + 1


def test_a_transaction_is_found_by_id_within_view(simulator, session):
    start = datetime.fromtimestamp(DAY, UTC)
    row = next(row for row in simulator.world.rows(start, start + timedelta(days=1)) if row["locationCode"] == "Harbor")
    url = f"{simulator.base_url}/transaction/{row['id']}"
    found = session.get(url).json()["data"]
    assert found["items"] == row["items"]
    assert "transactionStatus" not in found
    regional = {"X-Sonnys-API-ID": "regional", "X-Sonnys-API-Key": "r"}
    assert error(session.get(url, headers=regional)) == (404, "EntityNotFoundError")
    assert error(session.get(f"{simulator.base_url}/transaction/999:999")) == (404, "EntityNotFoundError")


def test_a_transaction_of_the_future_is_not_there_yet(simulator, session):
    coming = simulator.state.clock.now() + timedelta(hours=1)
    row = simulator.world.rows(coming, coming + timedelta(hours=12))[0]
    assert error(session.get(f"{simulator.base_url}/transaction/{row['id']}")) == (404, "EntityNotFoundError")


def test_a_poll_needs_a_hash(simulator, session):
    assert error(session.get(f"{simulator.base_url}/transaction/get-job-data")) == (422, "PayloadValidationError")


@pytest.mark.parametrize(("method", "path"), [("GET", "/boats"), ("DELETE", "/site/list")])
def test_what_the_api_does_not_have_is_refused_in_json(simulator, session, method, path):
    assert error(session.request(method, simulator.base_url + path))[1] == "UnexpectedFailure"


def test_answers_carry_the_simulated_date(simulator, session):
    dated = session.get(f"{simulator.base_url}/site/list").headers["date"]
    assert dated == f"{simulator.state.clock.now():%a, %d %b %Y %H:%M:%S} GMT"
    assert "2026" in dated


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
