"""The simulator over real HTTP: endpoints, order of judgement, budget and caches.

Covers the contract, "Reaching it", "The request budget", "Errors", "Batch jobs" and "Lists".
Time is turned by hand, so a test waits for nothing but the network.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline.simulator import Faults
from sonnys_pipeline.simulator.api.lists import detail
from sonnys_pipeline_tests.integration.simulator.conftest import DAY, FIRST_PAGE, JOB, ROWS_PER_DAY, error, poll, submit


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
    by_header = session.get(url, params=FIRST_PAGE, headers=narrow).json()
    by_argument = session.get(url, params={**FIRST_PAGE, "site": "HARBOR"}).json()
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
    answer = session.get(f"{simulator.base_url}/transaction", params={**FIRST_PAGE, "limit": 1}).json()["data"]
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
        pages = [session.get(url, params={**FIRST_PAGE, "offset": page}).json()["data"] for page in (1, 2, 3)]
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
    url, params = f"{simulator.base_url}/transaction/version-2", FIRST_PAGE
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
