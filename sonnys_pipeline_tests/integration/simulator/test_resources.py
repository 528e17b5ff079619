"""Items, customers, employees, gift cards and sales outcomes over HTTP, field by field.

Covers the contract, L3, L11 and L13 to L15 and "Lists". Where the profiles differ, both are
pinned.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sonnys_pipeline.simulator import Simulator, SimulatorConfig
from sonnys_pipeline_tests.integration.simulator.conftest import (
    NUMBER,
    SITES,
    SIX_PM,
    TEXT,
    ResourceApi,
    ago,
    assert_shape,
)

REGIONAL = {"X-Sonnys-API-ID": "regional", "X-Sonnys-API-Key": "r"}

ITEM = {
    "sku": str, "name": str, "departmentName": str, "priceAtSite": str, "costPerItem": TEXT, "isPromptForPrice": bool,
    "siteLocation": str,
}  # fmt: skip
CUSTOMER = {
    "customerId": str, "firstName": str, "lastName": str, "phoneNumber": TEXT, "customerNumber": str, "isActive": bool,
    "createdDate": str, "modifiedDate": TEXT,
}  # fmt: skip
CUSTOMER_DETAIL = {
    "id": str, "number": str, "firstName": str, "lastName": str, "companyName": TEXT, "loyaltyNumber": TEXT,
    "address": dict, "phone": str, "email": TEXT, "birthDate": TEXT, "isActive": bool, "allowSms": bool,
    "recurringSmsSignupDate": TEXT, "loyaltySmsSignupDate": TEXT, "modifyDate": str,
}  # fmt: skip
ADDRESS = dict.fromkeys(("address1", "address2", "city", "state", "country", "postalCode"), TEXT)
EMPLOYEE = {"firstName": str, "lastName": str, "employeeId": int}
EMPLOYEE_DETAIL = {
    **EMPLOYEE, "active": bool, "startDate": str, "startDateChange": TEXT, "phone": TEXT, "email": TEXT,
}  # fmt: skip
WEEK = {"week": str, "weekTotalRegularHours": NUMBER, "weekTotalOverTimeHours": NUMBER, "clockEntries": list}
CLOCK_ENTRY = {
    "clockIn": str, "clockOut": TEXT, "regularRate": NUMBER, "regularHours": NUMBER, "overtimeEligible": bool,
    "overtimeRate": NUMBER, "overtimeHours": NUMBER, "wasModified": bool, "modificationTimestamp": TEXT,
    "wasCreatedInBackOffice": bool, "siteCode": str,
}  # fmt: skip
GIFTCARD = {
    "siteCode": str, "completeDate": TEXT, "number": str, "value": NUMBER, "amountUsed": NUMBER, "giftcardId": str,
}  # fmt: skip
OUTCOME = dict.fromkeys(
    ("timestamp", "employeeId", "adpId", "employeeName", "siteId", "site", "isConverted", "itemId", "itemName",
     "itemPrice", "terminalName"), str,
)  # fmt: skip


def test_items_have_text_prices(api):
    """L13: live prices have commas between thousands. L17: departments are asked for with underscores."""
    items = api.every("/item", "items")
    for item in items:
        assert_shape(item, ITEM)
    assert {item["siteLocation"] for item in items} == SITES[api.profile]
    assert max((item["priceAtSite"] for item in items), key=len) == ("1,099.50" if api.live else "1099.50")
    plans = api.every("/item", "items", departmentName="Recurring_Plan")
    assert {item["departmentName"] for item in plans} == {"Recurring Plan"}
    assert len(plans) == 3 * 6
    assert api.every("/item", "items", departmentName="Vacuum_sales")[0]["departmentName"] == "Vacuum Sales"
    assert api.every("/item", "items", departmentName="recipe") == []
    assert api.refusal("/item", departmentName="Boats")[0].startswith("departmentName: ")


def test_customers_may_never_have_been_modified(api):
    """L11."""
    customers = api.every("/customer", "customers")
    for customer in customers:
        assert_shape(customer, CUSTOMER)
    assert len({customer["customerId"] for customer in customers}) == len(customers) > 4500
    unmodified = sum(customer["modifiedDate"] is None for customer in customers)
    assert (0.2 < unmodified / len(customers) < 0.8) if api.live else unmodified == 0


def test_customers_are_filtered_by_creation_modification_status_and_name(api):
    recent = api.every("/customer", "customers", startDate="2026-06-01")
    assert 0 < len(recent) < 200
    assert min(customer["createdDate"] for customer in recent) >= "2026-06-01"
    early = api.every("/customer", "customers", endDate="2016-01-01")
    modified = [customer for customer in early if (customer["modifiedDate"] or "") > "2016-01-02"]
    assert early
    if api.live:
        assert modified == [], "modified by then, or never"
    inactive = api.every("/customer", "customers", status="inactive")
    assert inactive
    assert not any(customer["isActive"] for customer in inactive)
    one = next(customer for customer in recent if customer["phoneNumber"])
    for number in (one["phoneNumber"], f"1{one['phoneNumber']}"):
        assert one in api.every("/customer", "customers", phoneNumber=number)
    named = api.every("/customer", "customers", firstName=one["firstName"].lower(), lastName=one["lastName"])
    assert one in named
    assert api.refusal("/customer", startDate="11/01/2026") == ["startDate: must be a date, YYYY-MM-DD."]
    assert api.refusal("/customer", startDate="2026-02-30") == ["startDate: must be a date, YYYY-MM-DD."]


def test_a_customer_is_found_by_the_id_that_transactions_name(api):
    rows = api.simulator.world.rows(SIX_PM - timedelta(hours=6), SIX_PM)
    ids = list(dict.fromkeys(row["customerId"] for row in rows if row.get("customerId")))[:60]
    details = [api.get(f"/customer/{customer_id}") for customer_id in ids]
    names = {row["customerId"]: row["customerName"] for row in rows if row.get("customerId")}
    for detail in details:
        assert_shape(detail, CUSTOMER_DETAIL)
        assert_shape(detail["address"], ADDRESS)
        assert f"{detail['firstName']} {detail['lastName']}" == names[detail["id"]]
    unset = {detail["companyName"] for detail in details} | {detail["loyaltyNumber"] for detail in details}
    assert (None in unset, "" in unset) == ((True, False) if api.live else (False, True))
    for unknown in ("999:999", "0:1", "1", "x:1", "99999999:1"):
        assert api.ask(f"/customer/{unknown}").status_code == 404


def test_employees_come_all_at_once(api):
    found = api.get("/employee", limit=2, offset=5)
    assert found.keys() == {"employees", "offset", "limit", "total"}
    for employee in found["employees"]:
        assert_shape(employee, EMPLOYEE)
    assert len(found["employees"]) == found["total"] == 12
    details = [api.get(f"/employee/{employee['employeeId']}") for employee in found["employees"]]
    for employee, detail in zip(found["employees"], details, strict=True):
        assert_shape(detail, EMPLOYEE_DETAIL)
        assert detail.items() >= employee.items()
    unchanged = sum(detail["startDateChange"] is None for detail in details)
    assert unchanged > 3 if api.live else unchanged == 0
    names = {f"{employee['firstName']} {employee['lastName']}" for employee in found["employees"]}
    rows = api.simulator.world.rows(SIX_PM - timedelta(hours=12), SIX_PM)
    assert {row["employeeCashier"] for row in rows if row["employeeCashier"]} <= names
    for unknown in ("13", "0", "x"):
        assert api.ask(f"/employee/{unknown}").status_code == 404


def entries_of(api: ResourceApi, employee: int, **params: Any) -> list[dict[str, Any]]:
    return [entry for week in api.get(f"/employee/{employee}/clock-entries", **params)["weeks"]
            for entry in week["clockEntries"]]  # fmt: skip


def test_clock_entries_are_nested_in_weeks(api):
    """L14."""
    sites: Counter[str] = Counter()
    for employee in range(1, 13):
        found = api.get(f"/employee/{employee}/clock-entries", startDate="2026-10-20", endDate="2026-11-02")
        assert found.keys() == {"weeks"}
        assert [week["week"] for week in found["weeks"]] == sorted({week["week"] for week in found["weeks"]})
        for week in found["weeks"]:
            assert_shape(week, WEEK)
            assert week["clockEntries"]
            for entry in week["clockEntries"]:
                assert_shape(entry, CLOCK_ENTRY)
                sites[entry["siteCode"]] += 1
                assert "2026-10-20" <= entry["clockIn"][:10] <= "2026-11-03"
            regular = sum(entry["regularHours"] for entry in week["clockEntries"])
            assert week["weekTotalRegularHours"] == pytest.approx(regular)
    assert set(sites) == SITES[api.profile]


def test_clock_entries_of_two_halves_are_those_of_the_whole(api):
    whole = entries_of(api, 1, startDate="2026-10-20", endDate="2026-11-02")
    halves = [entries_of(api, 1, startDate=first, endDate=last)
              for first, last in (("2026-10-20", "2026-10-26"), ("2026-10-27", "2026-11-02"))]  # fmt: skip
    assert halves[0] + halves[1] == whole
    assert sum(entry["overtimeHours"] for employee in range(1, 13)
               for entry in entries_of(api, employee, startDate="2026-10-23", endDate="2026-11-04")) > 0  # fmt: skip


def test_clock_entries_span_14_days_at_most(api):
    path = "/employee/1/clock-entries"
    assert api.ask(path, startDate="2026-10-20", endDate="2026-11-02").status_code == 200
    too_long = ["endDate: the period must not be longer than 14 days."]
    assert api.refusal(path, startDate="2026-10-20", endDate="2026-11-03") == too_long
    unix = entries_of(api, 1, startDate=ago(9), endDate=ago(3))
    assert unix == entries_of(api, 1, startDate="2026-10-27", endDate="2026-11-02") != []
    latest = entries_of(api, 1)
    assert latest == entries_of(api, 1, startDate="2026-10-23", endDate="2026-11-05")


def test_a_shift_that_goes_on_has_no_end_and_no_hours_yet(api):
    today = [entry for employee in range(1, 13) for entry in entries_of(api, employee, startDate="2026-11-05")]
    still = [entry for entry in today if entry["clockOut"] is None]
    assert still
    assert all(entry["regularHours"] == entry["overtimeHours"] == 0.0 for entry in still)
    assert all(entry["clockIn"] <= "2026-11-05T18:00:00.000Z" for entry in today)


def test_gift_cards_may_have_no_date(api):
    """L11."""
    cards = api.every("/giftcard-liablilty", "giftcards", startDate=ago(180))
    for card in cards:
        assert_shape(card, GIFTCARD)
        assert 0 <= card["amountUsed"] <= card["value"]
    undated = sum(card["completeDate"] is None for card in cards)
    assert (0.01 < undated / len(cards) < 0.1) if api.live else undated == 0
    assert {card["siteCode"] for card in cards} == SITES[api.profile]
    one = cards[7]
    assert api.every("/giftcard-liablilty", "giftcards", startDate=ago(180), prepaidNumber=one["number"]) == [one]
    at_main = api.every("/giftcard-liablilty", "giftcards", startDate=ago(180), site="MAIN")
    assert at_main == [card for card in cards if card["siteCode"] == "MAIN"]


def test_sales_outcomes_come_500_a_page(api):
    path, days = "/sales-outcome/list", {"startDate": "2026-10-28", "endDate": "2026-11-03"}
    outcomes = api.every(path, "sales", limit=500, **days)
    assert len(outcomes) == 3 * 7 * 25
    for outcome in outcomes:
        assert_shape(outcome, OUTCOME)
        day = datetime.fromtimestamp(int(outcome["timestamp"]), UTC).date().isoformat()
        assert days["startDate"] <= day <= days["endDate"]
    assert {outcome["isConverted"] for outcome in outcomes} == {"true", "false"}
    assert api.get(path, **days)["limit"] == 500
    assert api.refusal(path, limit=501) == ["limit: must be between 1 and 500."]
    employee = api.get(f"/employee/{outcomes[0]['employeeId']}")
    assert outcomes[0]["employeeName"] == f"{employee['firstName']} {employee['lastName']}"


LISTS = [
    ("/customer", "customers", {"startDate": "2026-11-06"}),
    ("/recurring/account/list", "accounts", {"startDate": ago(0), "endDate": ago(0)}),
    ("/recurring/account/details/list", "accounts", {"startDate": ago(0), "endDate": ago(0)}),
    ("/recurring/account/status-list", "accounts", {"startDate": ago(0), "endDate": ago(0)}),
    ("/recurring/account/modifications", "accounts", {"startDate": ago(0), "endDate": ago(0)}),
    ("/washbook/account/list", "accounts", {"startDate": ago(0), "endDate": ago(0)}),
    ("/giftcard-liablilty", "giftcards", {"startDate": ago(0), "endDate": ago(0)}),
    ("/sales-outcome/list", "sales", {"startDate": "2026-11-06"}),
]


@pytest.mark.parametrize(("path", "name", "nothing"), LISTS, ids=[path for path, _, _ in LISTS])
def test_lists_that_find_nothing_have_no_total_live(api, path, name, nothing):
    """L3."""
    found = api.get(path, **nothing, limit=100)
    place = (None, None, None) if api.live else (1, 100, 0)
    assert found == {name: [], **dict(zip(("offset", "limit", "total"), place, strict=True))}


def test_a_key_sees_its_own_sites_only(api):
    for path, name, field in (
        ("/item", "items", "siteLocation"),
        ("/recurring/account/list", "accounts", "billingSiteCode"),
        ("/recurring/account/status-list", "accounts", "site_code"),
    ):
        answer = api.ask(path, REGIONAL, limit=100, startDate=ago(30))
        assert {row[field] for row in answer.json()["data"][name]} == {"MAIN"}
    other = next(
        account for account in api.every("/recurring/account/list", "accounts") if account["billingSiteId"] == 2
    )
    assert api.ask(f"/recurring/account/{other['id']}/detail", REGIONAL).status_code == 404
    assert api.ask(f"/customer/{other['customerId']}", REGIONAL).status_code == 404
    assert api.ask("/item", {"X-Sonnys-API-Key": "wrong"}).status_code == 403


def test_what_was_told_of_the_past_stays_as_it_was(api):
    """A day later the same questions about the past have the same answers, but for what moves on."""
    path, past = "/recurring/account/status-list", {"startDate": ago(60), "endDate": ago(30)}
    before = api.every(path, "accounts", **past)
    clocked = entries_of(api, 2, startDate="2026-10-20", endDate="2026-10-26")
    with Simulator(SimulatorConfig(api=api.profile, now=SIX_PM + timedelta(days=1))) as simulator:
        later = ResourceApi(api.profile, simulator, api.session)
        assert later.every(path, "accounts", **past) == before
        assert entries_of(later, 2, startDate="2026-10-20", endDate="2026-10-26") == clocked
