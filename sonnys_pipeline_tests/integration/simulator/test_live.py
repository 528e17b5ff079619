"""What the live API does otherwise than its document says, field by field; and what is unknown, in each position.

Covers CONTRACT.md "Where the live API departs from its document", L1 to L10 and L18, and its list of what is unknown.
Where the two profiles differ, both answers are pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests

from sonnys_pipeline.simulator import Account, Faults, Simulator, SimulatorConfig

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
START = datetime(2026, 11, 3, tzinfo=UTC)
DAY = int(START.timestamp())
WHOLE_DAY = {"startDate": DAY, "endDate": DAY + 86_400, "limit": 100}
CLOSED = {"startDate": DAY - 43_200, "endDate": DAY - 1, "limit": 100}
"""The second half of November 2, a day on which the whole chain is closed."""
KEY = {"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"}
ONE_SITE = {"X-Sonnys-API-ID": "one", "X-Sonnys-API-Key": "1"}
ONE_SITE_ONLY = {"type": "PayloadValidationError", "messages": ["site: Only 1 site can be selected."]}
LISTS = ["", "/version-2", "/type/wash"]

ROW = {
    "id": str,
    "number": int,
    "type": str,
    "completeDate": str,
    "locationCode": str,
    "salesDeviceName": str,
    "total": (float, int),
    "tenders": list,
    "items": list,
    "customerName": (str, type(None)),
    "customerId": (str, type(None)),
    "vehicleLicensePlate": (str, type(None)),
    "employeeCashier": (str, type(None)),
    "employeeGreeter": (str, type(None)),
    "discount": list,
    "isRecurringPayment": bool,
    "isRecurringRedemption": bool,
    "isRecurringSale": bool,
    "isPrepaidRedemption": bool,
    "isPrepaidSale": bool,
}
TENDER = {
    "tender": str,
    "tenderSubType": (str, type(None)),
    "amount": (float, int),
    "change": (float, int),
    "total": (float, int),
    "referenceNumber": (str, type(None)),
    "creditCardLastFour": (str, type(None)),
    "creditCardExpirationDate": (str, type(None)),
}
ITEM = {
    "name": str,
    "sku": str,
    "department": str,
    "quantity": int,
    "gross": (float, int),
    "net": (float, int),
    "discount": (float, int),
    "tax": (float, int),
    "additionalFee": (float, int),
    "isVoided": bool,
}
DISCOUNT = {
    "discountName": str,
    "discountSku": str,
    "appliedToItemName": str,
    "discountAmount": (float, int),
    "discountCode": str,
}
LISTED = {"transNumber": int, "transId": str, "total": (float, int), "date": str}
LISTED_V2 = {
    **LISTED,
    "customerId": (str, type(None)),
    "isRecurringPlanSale": bool,
    "isRecurringPlanRedemption": bool,
    "transactionStatus": str,
}
SITE = {"siteID": int, "code": str, "name": str, "timezone": (str, type(None))}


def assert_shape(found: dict[str, Any], shape: dict[str, Any]) -> None:
    """Exactly these fields, each of its type; a bool is no number."""
    assert found.keys() == shape.keys()
    for name, kind in shape.items():
        assert isinstance(found[name], kind), (name, found[name])
        assert isinstance(found[name], bool) == (kind is bool), (name, found[name])


class Api:
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
def open_api() -> Iterator[Callable[..., Api]]:
    """Opens simulators whose jobs take no time, and whose budget is wide; one for each set of settings."""
    with ExitStack() as stack:
        known: dict[str, Api] = {}

        def open_one(**settings: Any) -> Api:
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
                known[key] = Api(simulator, session)
            known[key].simulator.reset()
            return known[key]

        yield open_one


# L1: a load job names its site.


def test_a_load_job_without_a_site_is_refused_to_a_key_of_several(open_api):
    api = open_api()
    for headers in ({}, {"X-Sonnys-Site-Code": "MAIN"}):
        answer = api.submit(headers)
        assert (answer.status_code, answer.json()) == (422, ONE_SITE_ONLY)
    assert api.submit(site="MAIN").json().keys() == {"data"}
    assert api.submit(site="MAIN").json()["data"].keys() == {"hash"}
    assert api.submit({"X-Sonnys-Site-Code": "MAIN"}, site="MAIN").status_code == 200
    several = api.submit(limit=0).json()["messages"]
    assert several == ["site: Only 1 site can be selected.", "limit: must be between 1 and 100."]


def test_a_key_of_one_site_need_not_name_it_and_may(open_api):
    api = open_api()
    assert api.job(ONE_SITE)["data"] == api.job(ONE_SITE, site="main")["data"] != []


def test_the_document_lets_a_job_read_all_sites(open_api):
    api = open_api(api="documented")
    assert {row["locationCode"] for row in api.job(limit=100)["data"]} == {"MAIN", "HARBOR", "SUNSET"}
    assert api.job({"X-Sonnys-Site-Code": "HARBOR"})["total"] == api.job(site="HARBOR")["total"]


# L2, L3: nothing is null.


@pytest.mark.parametrize(("profile", "nothing"), [("live", (None, None, None)), ("documented", (1, 100, 0))])
def test_a_window_without_rows_passes(open_api, profile, nothing):
    found = open_api(api=profile).job(**CLOSED, site="MAIN")
    assert found.keys() == {"hash", "status", "data", "offset", "limit", "total"}
    assert (found["status"], found["data"]) == ("pass", [])
    assert (found["offset"], found["limit"], found["total"]) == nothing


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("profile", "nothing"), [("live", None), ("documented", 0)])
def test_a_list_that_finds_nothing(open_api, profile, nothing, path):
    found = open_api(api=profile).get(f"/transaction{path}", **CLOSED).json()
    place = (None, None) if nothing is None else (1, 100)
    expected = {"transactions": [], "offset": place[0], "limit": place[1], "total": nothing}
    assert found == {"data": expected}


# L4, L5, L9: rows.


@pytest.mark.parametrize("site", ["MAIN", "Harbor"])
def test_job_rows_are_these_fields_exactly(open_api, site):
    page = open_api().job(site=site)
    assert page.keys() == {"hash", "status", "data", "offset", "limit", "total"}
    assert (page["status"], page["offset"], page["limit"], len(page["data"])) == ("pass", 1, 100, 100)
    assert page["total"] > 100
    for row in page["data"]:
        assert_shape(row, ROW)
        assert row["locationCode"] == site
        for tender in row["tenders"]:
            assert_shape(tender, TENDER)
        for item in row["items"]:
            assert_shape(item, ITEM)
        for discount in row["discount"]:
            assert_shape(discount, DISCOUNT)
    assert any(row["discount"] for row in page["data"])


def test_the_documents_job_rows_have_the_newer_fields(open_api):
    rows = open_api(api="documented").job()["data"]
    assert sum("transactionStatus" in row for row in rows) > 50
    amounts = {name for page in (1, 2, 3) for row in open_api(api="documented").job(offset=page)["data"]
               for discount in row["discount"] for name in discount}  # fmt: skip
    assert {"discount", "discountAmount"} <= amounts


def test_version_2_always_has_flags_and_status(open_api):
    found = open_api().get("/transaction/version-2", **WHOLE_DAY).json()["data"]
    assert found.keys() == {"transactions", "offset", "limit", "total"}
    assert (len(found["transactions"]), found["offset"], found["limit"]) == (100, 1, 100)
    for row in found["transactions"]:
        assert_shape(row, LISTED_V2)


@pytest.mark.parametrize("path", ["", "/type/wash"])
def test_the_other_lists_have_four_fields(open_api, path):
    for row in open_api().get(f"/transaction{path}", **WHOLE_DAY).json()["data"]["transactions"]:
        assert_shape(row, LISTED)


def test_the_detail_of_a_transaction_is_its_job_row(open_api):
    api = open_api()
    row = api.job(site="MAIN")["data"][0]
    assert api.get(f"/transaction/{row['id']}").json() == {"data": row}


def test_job_rows_and_lists_name_the_same_transactions(open_api):
    api = open_api()
    pages = [api.job(site="SUNSET", offset=page) for page in (1, 2, 3, 4, 5, 6)]
    listed = [
        api.get("/transaction/version-2", **WHOLE_DAY, site="SUNSET", offset=page).json()["data"]["transactions"]
        for page in (1, 2, 3, 4, 5, 6)
    ]
    rows = [(row["id"], row["total"], row["completeDate"]) for page in pages for row in page["data"]]
    assert rows == [(row["transId"], row["total"], row["date"]) for page in listed for row in page]
    assert len(rows) == pages[0]["total"] > 200


# L6: the budget, and what is not known of it.


def hammer(api: Api, path: str, times: int, **params: Any) -> list[int]:
    return [api.get(path, **params).status_code for _ in range(times)]


def test_the_21st_request_of_a_block_is_a_429(open_api):
    api = open_api(rate_limit=20)
    assert hammer(api, "/site/list", 21) == [200] * 20 + [429]


@pytest.mark.parametrize(("budget_per", "elsewhere"), [("api_id", 429), ("endpoint", 200)])
def test_one_budget_or_one_for_each_endpoint(open_api, budget_per, elsewhere):
    api = open_api(rate_limit=2, budget_per=budget_per)
    assert hammer(api, "/transaction/0:1", 2) == [404, 404]
    assert hammer(api, "/transaction/0:2", 1) == [429], "one endpoint, whichever transaction is asked for"
    assert hammer(api, "/site/list", 1) == [elsewhere]


@pytest.mark.parametrize(("lengthens", "after"), [(False, 200), (True, 429)])
def test_a_429_lengthens_the_block_or_not(open_api, lengthens, after):
    api = open_api(rate_limit=2, refused_lengthens=lengthens)
    assert hammer(api, "/site/list", 2) == [200, 200]
    api.simulator.advance(10)
    assert hammer(api, "/site/list", 1) == [429]
    api.simulator.advance(10)
    assert hammer(api, "/site/list", 1) == [after]


# L7: codes.


def test_codes_come_in_mixed_case_and_are_asked_for_without_it(open_api):
    api = open_api(sites=4)
    assert api.site_codes() == ["MAIN", "Harbor", "SUNSET", "Mesa", "ECOMM", ""]
    for site in api.get("/site/list").json()["data"]["sites"]:
        assert_shape(site, SITE)
    for spelling in ("Mesa", "MESA", "mesa"):
        assert {row["locationCode"] for row in api.job(site=spelling)["data"]} == {"Mesa"}
    assert api.total(site="MESA") == api.total(site="Mesa")
    assert api.site_codes({"X-Sonnys-Site-Code": "HARBOR"}) == ["Harbor"]


def test_the_list_may_write_a_code_in_another_case_than_rows_do(open_api):
    api = open_api(list_in_other_case=True)
    assert api.site_codes() == ["Main", "HARBOR", "Sunset", "Ecomm", ""]
    assert {row["locationCode"] for row in api.job(site="HARBOR")["data"]} == {"Harbor"}


def test_the_list_may_name_a_site_twice(open_api):
    api = open_api(site_spellings=True)
    assert api.site_codes() == ["MAIN", "Harbor", "HARBOR", "SUNSET", "ECOMM", ""]
    sites = api.get("/site/list").json()["data"]["sites"]
    assert {**sites[1], "code": ""} == {**sites[2], "code": ""}
    assert api.site_codes(ONE_SITE) == ["MAIN", "Main"]
    assert api.job(ONE_SITE)["status"] == "pass", "a key of one site, however often it is listed"


def test_the_document_compares_codes_exactly(open_api):
    api = open_api(api="documented")
    assert api.site_codes() == ["MAIN", "HARBOR", "SUNSET"]
    assert api.submit(site="Harbor").status_code == 422


# L10, and lists that need a site.


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("profile", "seconds", "status"), [("live", 0, 200), ("live", 1, 422), ("documented", 0, 422)])
def test_lists_span_31_days_at_most(open_api, profile, seconds, status, path):
    """September 30 and 31 days more: a day longer than that month."""
    start = int(datetime(2026, 9, 30, tzinfo=UTC).timestamp())
    period = {"startDate": start, "endDate": start + 31 * 86_400 + seconds}
    assert open_api(api=profile).get(f"/transaction{path}", **period).status_code == status


@pytest.mark.parametrize("path", LISTS)
def test_lists_may_need_a_site_too(open_api, path):
    api = open_api(lists_need_site=True)
    for headers in ({}, {"X-Sonnys-Site-Code": "MAIN"}):
        answer = api.get(f"/transaction{path}", headers, **WHOLE_DAY)
        assert (answer.status_code, answer.json()) == (422, ONE_SITE_ONLY)
    assert api.get(f"/transaction{path}", **WHOLE_DAY, site="main").status_code == 200
    assert api.get(f"/transaction{path}", ONE_SITE, **WHOLE_DAY).status_code == 200


# What else is unknown.


@pytest.mark.parametrize(("ends", "included"), [("both", (1, 1)), ("start", (1, 0)), ("neither", (0, 0))])
def test_rows_on_the_ends_are_there_as_set(open_api, ends, included):
    api = open_api(ends=ends, rows_per_day=90, sites=1)
    begin, end = api.total(), api.total(startDate=DAY + 7200)
    assert begin is not None
    assert end is not None
    api.simulator.world.add_late_rows(START)
    assert (api.total() or 0) - begin == included[0]
    assert len(api.job(site="MAIN")["data"]) - begin == included[0]
    api.simulator.world.add_late_rows(START + timedelta(days=1))
    assert (api.total(startDate=DAY + 7200) or 0) - end == included[1]


@pytest.mark.parametrize(
    ("fail_body", "fields"),
    [(True, {"hash", "status", "data", "offset", "limit", "total"}), (False, {"hash", "status"})],
)
def test_a_fail_comes_with_a_body_or_without(open_api, fail_body, fields):
    api = open_api(fail_body=fail_body)
    api.simulator.set_faults(Faults(fail_jobs=1))
    failed = api.job(site="MAIN")
    assert failed.keys() == fields
    assert failed["status"] == "fail"


def test_a_job_may_be_pending_first(open_api):
    api = open_api(pending_status=True, job_seconds=(1000.0, 1000.0))
    assert api.job(site="MAIN")["status"] == "pending"
    api.simulator.advance(600)
    assert api.job(site="MAIN")["status"] == "working"
    api.simulator.advance(400)
    assert api.job(site="MAIN")["status"] == "pass"


def test_rows_of_a_site_without_a_code_are_in_no_sites_job(open_api):
    api = open_api(codeless_rows=True, rows_per_day=200)
    named = [api.total(site=code) or 0 for code in api.site_codes() if code]
    codeless = [row for row in api.simulator.world.rows(START, START + timedelta(days=1)) if row["locationCode"] == ""]
    assert api.total() == 200 == sum(named) + len(codeless)
    assert codeless


def test_rows_of_an_unlisted_site_are_in_the_count_of_all_and_in_no_listed_sites(open_api):
    api = open_api(unlisted_site_rows=7, rows_per_day=200)
    assert "Annex" not in api.site_codes()
    assert api.total() == 207
    assert sum(api.total(site=code) or 0 for code in api.site_codes() if code) == 200
    assert len(api.job(site="annex")["data"]) == 7, "whoever knows its code can read it"


def test_the_virtual_site_may_have_rows_of_its_own(open_api):
    assert open_api(rows_per_day=400).total(site="ECOMM") is None
    assert (open_api(rows_per_day=400, virtual_rows=True).total(site="ECOMM") or 0) > 5


def test_one_site_is_closed_and_one_opens_in_the_middle(open_api):
    api = open_api(closed={"HARBOR": {date(2026, 11, 3)}}, opened={"SUNSET": date(2026, 11, 4)}, rows_per_day=90)
    totals = {code: api.total(site=code) for code in ("MAIN", "Harbor", "SUNSET")}
    assert totals == {"MAIN": 90, "Harbor": None, "SUNSET": None}
    next_day = {"startDate": DAY + 86_400, "endDate": DAY + 2 * 86_400 - 1}
    assert all(api.total(**next_day, site=code) for code in ("MAIN", "Harbor", "SUNSET"))
