"""Every fault of the transport, the polls and the lists, as a client meets it on the wire.

Covers the trouble that LJ-04, LJ-05, LJ-09, LJ-10 and BM-02, BM-03, BM-06 must survive. Job faults are covered where
jobs live (unit tests); here each is met once over HTTP.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
import requests

from sonnys_pipeline.simulator import Faults, Simulator, SimulatorConfig

DAY = int(datetime(2026, 11, 3, tzinfo=UTC).timestamp())
WHOLE_DAY = {"startDate": DAY, "endDate": DAY + 86_400, "limit": 100}
CONFIG = SimulatorConfig(
    now=datetime(2026, 11, 5, 12, tzinfo=UTC),
    sites=1,
    virtual_site=False,
    rows_per_day=120,
    closed=frozenset({date(2026, 11, 2)}),
    job_seconds=(0.0, 0.0),
    speed=100,
    rate_limit=10_000,
)


@pytest.fixture(scope="module")
def served() -> Iterator[Simulator]:
    with Simulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture
def simulator(served: Simulator) -> Simulator:
    served.reset()
    return served


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers.update({"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"})
        yield session


def submit(simulator: Simulator, session: requests.Session, **changes) -> requests.Response:
    return session.post(f"{simulator.base_url}/transaction/load-job", params={**WHOLE_DAY, **changes}, timeout=5)


def poll(simulator: Simulator, session: requests.Session, submitted: requests.Response) -> requests.Response:
    params = {"hash": submitted.json()["data"]["hash"]}
    return session.get(f"{simulator.base_url}/transaction/get-job-data", params=params, timeout=5)


def sites(simulator: Simulator, session: requests.Session) -> requests.Response:
    return session.get(f"{simulator.base_url}/site/list", timeout=5, allow_redirects=False)


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "text"),
    [
        ("rate_limit_storm", 429, "application/json", "RequestRateExceedError"),
        ("server_errors", 500, "application/json", '"code":"SCEC0001"'),
        ("clock_errors", 400, "application/json", "InvalidPayloadRequestTimestampError"),
        ("unavailable", 503, "text/html; charset=utf-8", "<html>"),
        ("bad_gateway", 502, "text/html; charset=utf-8", "<html>"),
        ("html_answers", 200, "text/html; charset=utf-8", "<html>"),
        ("redirects", 302, "text/html; charset=utf-8", ""),
    ],
)
def test_a_fault_strikes_as_often_as_told_and_then_heals(simulator, session, fault, status, content_type, text):
    simulator.set_faults(Faults(**{fault: 2}))
    for _ in range(2):
        answer = sites(simulator, session)
        assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
        assert text in answer.text
    assert sites(simulator, session).json()["data"]["sites"]
    assert len(simulator.log) == 3


def test_a_redirect_points_to_another_host(simulator, session):
    simulator.set_faults(Faults(redirects=1, redirect_to="https://elsewhere.invalid/v1"))
    assert sites(simulator, session).headers["location"] == "https://elsewhere.invalid/v1"


def test_truncated_json_arrives_whole_and_cannot_be_parsed(simulator, session):
    simulator.set_faults(Faults(truncated_json=1))
    answer = sites(simulator, session)
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert sites(simulator, session).json()


def test_a_connection_dropped_before_leaves_no_trace_in_the_api(simulator, session):
    simulator.set_faults(Faults(drop_before=1))
    with pytest.raises(requests.ConnectionError):
        submit(simulator, session)
    stats = simulator.stats()
    assert (stats.jobs_created, stats.dropped, stats.requests) == (0, 1, 1)
    assert simulator.state.budget.used("demo-id", simulator.state.clock.elapsed()) == 0
    assert submit(simulator, session).status_code == 200


def test_a_connection_dropped_after_leaves_the_work_done(simulator, session):
    simulator.set_faults(Faults(drop_after=1))
    with pytest.raises(requests.ConnectionError):
        submit(simulator, session)
    stats = simulator.stats()
    assert (stats.jobs_created, stats.dropped) == (1, 1)
    assert simulator.log[0].outcome == "drop_after"
    assert submit(simulator, session).status_code == 200
    assert simulator.stats().jobs_created == 1, "the second submission meets the job of the first"


def test_dropped_requests_do_not_disturb_other_connections(simulator, session):
    with requests.Session() as other:
        other.headers.update(session.headers)
        assert sites(simulator, other).status_code == 200
        simulator.set_faults(Faults(drop_after=1))
        with pytest.raises(requests.ConnectionError):
            sites(simulator, session)
        assert sites(simulator, other).status_code == 200


def test_a_slow_answer_comes_late_and_the_work_is_done_at_once(simulator, session):
    simulator.set_faults(Faults(slow_answers=1, slow_seconds=50))  # half a second at this speed
    with pytest.raises(requests.ReadTimeout):
        session.post(f"{simulator.base_url}/transaction/load-job", params=WHOLE_DAY, timeout=0.1)
    submit(simulator, session)
    assert "cached" in {record.outcome for record in simulator.log}, "the job was there before its answer was"


def test_latency_delays_every_answer(session):
    with Simulator(CONFIG.model_copy(update={"latency_seconds": 5.0})) as simulator:
        began = time.monotonic()
        sites(simulator, session)
        assert time.monotonic() - began >= 0.05


def test_a_slow_answer_does_not_hold_up_the_stop(session):
    with Simulator(CONFIG.model_copy(update={"speed": 1.0, "faults": Faults(slow_answers=1)})) as simulator:
        with pytest.raises(requests.ReadTimeout):
            session.get(f"{simulator.base_url}/site/list", timeout=0.05)
        began = time.monotonic()
    assert time.monotonic() - began < 5


def test_a_limit_lets_other_operations_through(simulator, session):
    simulator.set_faults(Faults(server_errors=1, on={"server_errors": "poll"}))
    submitted = submit(simulator, session)
    assert submitted.status_code == 200
    assert sites(simulator, session).status_code == 200
    assert poll(simulator, session, submitted).status_code == 500
    assert poll(simulator, session, submitted).status_code == 200


def test_a_storm_without_end_lasts_until_it_is_taken_back(simulator, session):
    simulator.set_faults(Faults(rate_limit_storm=-1))
    assert {sites(simulator, session).status_code for _ in range(30)} == {429}
    simulator.set_faults()
    assert sites(simulator, session).status_code == 200


def test_a_job_fails_and_its_successor_passes(simulator, session):
    simulator.set_faults(Faults(fail_jobs=1))
    failed = submit(simulator, session)
    assert poll(simulator, session, failed).json()["data"]["status"] == "fail"
    again = submit(simulator, session)
    assert again.json() != failed.json()
    assert poll(simulator, session, again).json()["data"]["status"] == "pass"
    assert (simulator.stats().failed_polls, simulator.stats().passed_polls) == (1, 1)


def test_jobs_of_a_named_date_fail_and_other_days_pass(simulator, session):
    session.post(f"{simulator.control_url}/faults", json={"fail_dates": ["2026-11-03"]})
    next_day = {"startDate": DAY + 86_400, "endDate": DAY + 2 * 86_400 - 1}
    statuses = [
        poll(simulator, session, submit(simulator, session, **when)).json()["data"]["status"] for when in ({}, next_day)
    ]
    assert statuses == ["fail", "pass"]
    session.post(f"{simulator.control_url}/faults", json={})
    assert poll(simulator, session, submit(simulator, session)).json()["data"]["status"] == "pass"


def test_an_unknown_status_is_told_as_often_as_asked(simulator, session):
    simulator.set_faults(Faults(unknown_status=1))
    submitted = submit(simulator, session)
    statuses = [poll(simulator, session, submitted).json()["data"]["status"] for _ in range(2)]
    assert statuses == ["queued", "pass"]


def test_an_early_expiry_looks_like_an_expired_hash(simulator, session):
    simulator.set_faults(Faults(expire_hashes_early=1))
    submitted = submit(simulator, session)
    lost = poll(simulator, session, submitted)
    assert (lost.status_code, lost.json()["type"]) == (404, "EntityNotFoundError")
    assert poll(simulator, session, submit(simulator, session)).status_code == 200


def test_an_empty_window_passes_with_no_rows_or_is_not_found(simulator, session):
    closed = {"startDate": DAY - 86_400, "endDate": DAY - 1}
    submitted = submit(simulator, session, **closed)
    empty = poll(simulator, session, submitted).json()["data"]
    assert (empty["status"], empty["data"], empty["total"]) == ("pass", [], None)
    simulator.set_faults(Faults(empty_as_404=True))
    assert poll(simulator, session, submitted).json()["type"] == "EntityNotFoundError"
    assert poll(simulator, session, submit(simulator, session)).status_code == 200, "other days are not affected"
    listed = session.get(f"{simulator.base_url}/transaction", params={**WHOLE_DAY, **closed})
    assert listed.json()["data"]["total"] is None
    simulator.set_faults(Faults(empty_list_as_404=True))
    assert session.get(f"{simulator.base_url}/transaction", params={**WHOLE_DAY, **closed}).status_code == 404


def test_late_and_edited_rows_show_at_the_next_reading(simulator, session):
    def listed() -> dict[str, float]:
        params = {**WHOLE_DAY, "limit": 100}
        pages = [
            session.get(f"{simulator.base_url}/transaction", params={**params, "offset": page}).json()
            for page in (1, 2)
        ]
        return {row["transId"]: row["total"] for page in pages for row in page["data"]["transactions"]}

    before = listed()
    simulator.set_faults(Faults(late_rows={"2026-11-03": 1}, edited_rows={"2026-11-03": 1}))
    after = listed()
    assert len(before) == 120
    assert len(after.keys() - before.keys()) == 1
    assert len([key for key in before if before[key] != after[key]]) == 1


@pytest.mark.parametrize("fault", ["short_page", "duplicate_rows", "malformed_rows", "unknown_field", "moving_total"])
def test_a_page_goes_wrong_once(simulator, session, fault):
    def page() -> dict:
        return poll(simulator, session, submit(simulator, session, offset=2)).json()["data"]

    right = page()
    simulator.reset()
    simulator.set_faults(Faults(**{fault: 1}))
    wrong = page()
    assert wrong["data"] != right["data"]
    assert simulator.state.injector.remaining() == {}
