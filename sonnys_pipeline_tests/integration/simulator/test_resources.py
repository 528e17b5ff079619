"""Items, customers, employees, accounts, gift cards and sales outcomes over HTTP, field by field.

Covers CONTRACT.md L3 and L11 to L15 and "Other endpoints this project uses". Where the profiles differ, both are
pinned.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any

import pytest
import requests

from sonnys_pipeline.simulator import Account, Simulator, SimulatorConfig

NOW = datetime(2026, 11, 5, 18, tzinfo=UTC)
SITES = {"live": {"MAIN", "Harbor", "SUNSET"}, "documented": {"MAIN", "HARBOR", "SUNSET"}}
REGIONAL = {"X-Sonnys-API-ID": "regional", "X-Sonnys-API-Key": "r"}
TEXT, NUMBER = (str, NoneType), (int, float)

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
RECURRING = {
    "id": str, "name": str, "balance": NoneType, "signUpDate": str, "cancelDate": TEXT, "billingSiteId": int,
    "customerId": str, "status": int, "statusName": str, "billingSiteCode": str,
}  # fmt: skip
RECURRING_DETAIL = {
    "id": str, "isOnTrial": bool, "trialAmount": NUMBER, "billingSiteCode": str, "creationSiteCode": str,
    "nextBillDate": str, "tags": list, "vehicles": list, "lastBillDate": str, "billingAmount": NUMBER,
    "isSuspended": bool, "suspendedUntil": TEXT, "currentRecurringStatusName": str, "planName": str, "customer": dict,
    "recurringStatuses": list, "recurringBillings": list, "additionalTagPrice": NoneType,
}  # fmt: skip
TAG, VEHICLE = {"id": str, "number": str, "enabled": bool}, {"id": str, "plate": str}
HOLDER = dict.fromkeys(("id", "number", "firstName", "lastName"), TEXT)
STATUS, BILLING = {"status": str, "date": str}, {
    "amountCharged": NUMBER, "date": str, "lastFourCC": str, "creditCardExpirationDate": str,
}  # fmt: skip
STATUS_CHANGE = dict.fromkeys(
    ("washbook_account_id", "recurring_id", "old_status", "new_status", "status_date", "employee_name", "site_code"),
    str,
)
MODIFICATION = {
    "live": {"name": str, "date": str, "comment": str},
    "documented": {"modificationType": str, "modificationDate": str, "modificationComment": str},
}
WASHBOOK = {
    "id": str, "name": str, "balance": str, "signUpDate": str, "cancelDate": NoneType, "billingSiteId": int,
    "customerId": TEXT, "status": str,
}  # fmt: skip
WASHBOOK_DETAIL = {
    "id": str, "name": str, "balance": (str, float), "customer": dict, "status": str, "recurringInfo": dict,
    "tags": list, "vehicles": list,
}  # fmt: skip
RECURRING_INFO = {
    "currentBillableAmount": NUMBER, "nextBillDate": NoneType, "lastBillDate": NoneType, "isOnTrial": bool,
    "remainingTrialPeriods": int,
}  # fmt: skip
GIFTCARD = {
    "siteCode": str, "completeDate": TEXT, "number": str, "value": NUMBER, "amountUsed": NUMBER, "giftcardId": str,
}  # fmt: skip
OUTCOME = dict.fromkeys(
    ("timestamp", "employeeId", "adpId", "employeeName", "siteId", "site", "isConverted", "itemId", "itemName",
     "itemPrice", "terminalName"), str,
)  # fmt: skip


def assert_shape(found: dict[str, Any], shape: dict[str, Any]) -> None:
    """Exactly these fields, each of its type; a bool is no number."""
    assert found.keys() == shape.keys()
    for name, kind in shape.items():
        assert isinstance(found[name], kind), (name, found[name])
        assert isinstance(found[name], bool) == (kind is bool), (name, found[name])


def ago(days: float) -> int:
    return int((NOW - timedelta(days=days)).timestamp())


class Api:
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
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    config = SimulatorConfig(
        api=request.param,
        now=NOW,
        rate_limit=100_000,
        accounts=(Account(api_id="regional", api_key="r", sites=frozenset({"MAIN"})),),
    )
    with Simulator(config, monotonic=lambda: 0.0) as simulator, requests.Session() as session:
        session.headers.update({"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"})
        yield Api(request.param, simulator, session)


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
    rows = api.simulator.world.rows(NOW - timedelta(hours=6), NOW)
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
    rows = api.simulator.world.rows(NOW - timedelta(hours=12), NOW)
    assert {row["employeeCashier"] for row in rows if row["employeeCashier"]} <= names
    for unknown in ("13", "0", "x"):
        assert api.ask(f"/employee/{unknown}").status_code == 404


def entries_of(api: Api, employee: int, **params: Any) -> list[dict[str, Any]]:
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


def test_recurring_accounts_are_listed_by_sign_up(api):
    found = api.every("/recurring/account/list", "accounts", startDate=ago(170))
    for account in found:
        assert_shape(account, RECURRING)
        assert (account["cancelDate"] is None) == (account["status"] in (1, 2, 5))
    assert {account["billingSiteCode"] for account in found} == SITES[api.profile]
    dates = [account["signUpDate"] for account in found]
    assert dates == sorted(dates)
    names = {account["statusName"] for account in found}
    assert {"Active", "Cancelled"} <= names
    assert ("ACTIVE" in names) == api.live, "L15"
    assert len(api.every("/recurring/account/list", "accounts")) < len(found), "since the first of last month"
    active = api.every("/recurring/account/list", "accounts", startDate=ago(170), recurringAccountStatus=1)
    assert active == [account for account in found if account["status"] == 1]
    one = found[0]
    assert one in api.every("/recurring/account/list", "accounts", startDate=ago(170), customerId=one["customerId"])


def assert_account(account: dict[str, Any]) -> None:
    assert_shape(account, RECURRING_DETAIL)
    assert_shape(account["customer"], HOLDER)
    for part, shape in (
        ("tags", TAG), ("vehicles", VEHICLE), ("recurringStatuses", STATUS), ("recurringBillings", BILLING),
    ):  # fmt: skip
        assert account[part]
        for entry in account[part]:
            assert_shape(entry, shape)
    assert account["isSuspended"] == (account["currentRecurringStatusName"].casefold() == "suspended")
    assert (account["suspendedUntil"] is not None) == account["isSuspended"]


def test_the_details_of_recurring_accounts_agree_with_their_list(api):
    details = api.every("/recurring/account/details/list", "accounts", startDate=ago(28))
    listed = api.every("/recurring/account/list", "accounts", startDate=ago(28))
    assert [account["id"] for account in details] == [account["id"] for account in listed] != []
    for account, entry in zip(details, listed, strict=True):
        assert_account(account)
        assert account["currentRecurringStatusName"] == entry["statusName"]
        assert (account["customer"]["id"], account["planName"]) == (entry["customerId"], entry["name"])
    assert api.get(f"/recurring/account/{details[0]['id']}/detail") == details[0]
    customer = api.get(f"/customer/{details[0]['customer']['id']}")
    assert customer["firstName"] == details[0]["customer"]["firstName"]
    for unknown in ("0:1", "1:99", "x", "99999999:1"):
        assert api.ask(f"/recurring/account/{unknown}/detail").status_code == 404


@pytest.mark.parametrize(
    ("path", "longest"), [("/recurring/account/list", 6), ("/recurring/account/details/list", 1),
                          ("/recurring/account/modifications", 6), ("/washbook/account/list", 6)]
)  # fmt: skip
def test_lists_of_accounts_span_some_months_and_reach_six_back(api, path, longest):
    start = datetime(2026, 5, 6, tzinfo=UTC)
    last = start.replace(month=5 + longest)
    params = {"startDate": int(start.timestamp()), "endDate": int(last.timestamp())}
    if longest == 1:
        assert api.ask(path, **params).status_code == 200
        months = "1 month"
        assert api.refusal(path, **{**params, "endDate": params["endDate"] + 1}) == [
            f"endDate: the period must not be longer than {months}."
        ]
    else:
        assert api.ask(path, startDate=params["startDate"]).status_code == 200
    (too_old,) = api.refusal(path, startDate=ago(200), endDate=ago(190))
    assert too_old == "startDate: must not be more than 6 months ago."


def test_old_accounts_can_be_listed_where_it_is_set_so():
    with Simulator(SimulatorConfig(now=NOW, old_accounts_listed=True)) as simulator, requests.Session() as session:
        session.headers.update({"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"})
        api = Api("live", simulator, session)
        old = api.get("/recurring/account/details/list", startDate=ago(400), endDate=ago(380))
        assert old["total"] > 100


def test_changes_of_status_have_other_names_and_larger_pages(api):
    path, month = "/recurring/account/status-list", {"startDate": ago(30)}
    changes = api.every(path, "accounts", limit=1000, **month)
    assert changes == api.every(path, "accounts", limit=100, **month)
    for change in changes:
        assert_shape(change, STATUS_CHANGE)
        assert change["old_status"] != change["new_status"]
    assert {change["site_code"] for change in changes} == SITES[api.profile]
    assert {"Active", "Cancelled", "Payment Failed", "Suspended", "Expired"} <= {c["new_status"] for c in changes}
    cancelled = api.every(path, "accounts", **month, recurringAccountStatus=7)
    assert cancelled == [change for change in changes if change["new_status"] == "Cancelled"]
    for limit in (99, 1001):
        assert api.refusal(path, **month, limit=limit) == ["limit: must be between 100 and 1000."]
    account = api.get(f"/recurring/account/{changes[0]['washbook_account_id']}/detail")
    assert account["billingSiteCode"] == changes[0]["site_code"]


def test_modifications_have_names_of_their_own_live(api):
    """L12."""
    found = api.every("/recurring/account/modifications", "accounts", startDate=ago(20))
    changes = api.every("/recurring/account/status-list", "accounts", startDate=ago(20))
    for account in found:
        modifications = account.pop("modifications")
        assert_account(account)
        for modification in modifications:
            assert_shape(modification, MODIFICATION[api.profile])
        account["modifications"] = modifications
    assert sum(len(account["modifications"]) for account in found) == len(changes) > 100
    assert len({account["id"] for account in found}) == len(found)
    at_main = api.every("/recurring/account/modifications", "accounts", startDate=ago(20), sites="MAIN,NOWHERE")
    assert at_main == [account for account in found if account["billingSiteCode"] == "MAIN"]
    assert api.every("/recurring/account/modifications", "accounts", startDate=ago(20), modifications=1) == []


def test_washbooks(api):
    found = api.every("/washbook/account/list", "accounts", startDate=ago(180))
    for washbook in found:
        assert_shape(washbook, WASHBOOK)
        assert (washbook["status"] == "Active") == (washbook["balance"] != "0")
    assert {washbook["status"] for washbook in found} == {"Active", "Inactive"}
    assert None in {washbook["customerId"] for washbook in found}
    used_up = api.every("/washbook/account/list", "accounts", startDate=ago(180), accountStatus="inactive")
    assert used_up == [washbook for washbook in found if washbook["status"] == "Inactive"]
    for washbook in found[:40]:
        detail = api.get(f"/washbook/account/{washbook['id']}/detail")
        assert_shape(detail, WASHBOOK_DETAIL)
        assert_shape(detail["customer"], HOLDER)
        assert_shape(detail["recurringInfo"], RECURRING_INFO)
        assert isinstance(detail["balance"], str) == api.live
        assert (float(detail["balance"]), detail["customer"]["id"]) == (
            float(washbook["balance"]),
            washbook["customerId"],
        )
        if washbook["customerId"]:
            customer = api.get(f"/customer/{washbook['customerId']}")
            assert customer["lastName"] == detail["customer"]["lastName"]
    for unknown in ("1:1", "10000000:99", "x"):
        assert api.ask(f"/washbook/account/{unknown}/detail").status_code == 404


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
    with Simulator(SimulatorConfig(api=api.profile, now=NOW + timedelta(days=1))) as simulator:
        later = Api(api.profile, simulator, api.session)
        assert later.every(path, "accounts", **past) == before
        assert entries_of(later, 2, startDate="2026-10-20", endDate="2026-10-26") == clocked
