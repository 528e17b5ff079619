"""Recurring accounts and wash books over HTTP, field by field.

Covers the contract, L12, L14, L15 and "Lists". Where the profiles differ, both are pinned.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import NoneType
from typing import Any

import pytest
import requests

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


def test_recurring_accounts_are_listed_by_sign_up(api):
    found = api.every("/recurring/account/list", "accounts", startDate=ago(170))
    for account in found:
        assert_shape(account, RECURRING)
        assert (account["cancelDate"] is None) == (account["status"] in (1, 2, 3, 5))
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
    with Simulator(SimulatorConfig(now=SIX_PM, old_accounts_listed=True)) as simulator, requests.Session() as session:
        session.headers.update({"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"})
        api = ResourceApi("live", simulator, session)
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
