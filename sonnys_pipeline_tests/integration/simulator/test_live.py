"""What the live API does otherwise than its document says, field by field.

Covers the contract, "Where the live API departs from its document", L1 to L10 and L18.
Where the two profiles differ, both answers are pinned.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sonnys_pipeline_tests.integration.simulator.conftest import DAY, ONE_SITE, WHOLE_DAY, assert_shape

CLOSED = {"startDate": DAY - 43_200, "endDate": DAY - 1, "limit": 100}
"""The second half of November 2, a day on which the whole chain is closed."""
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
