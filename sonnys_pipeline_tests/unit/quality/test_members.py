"""RS-02: redemptions and charges that do not fit the memberships are named."""

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS
from sonnys_pipeline.landing.facts.tables import BILLINGS
from sonnys_pipeline.quality.members import charged_otherwise, redeemed_without_account

DAY = date(2026, 11, 10)


def accounts(*versions: tuple[str, str, date, date | None]) -> pa.Table:
    """Versions of account 1:1: customer, status, valid from and to."""
    rows = [
        dict.fromkeys(ACCOUNTS.schema.names)
        | {"id": "1:1", "customer_id": customer, "status": status, "valid_from": begun, "valid_to": ended}
        | {"is_current": ended is None, "billing_amount": 24.99, "trial_amount": 1.0}
        for customer, status, begun, ended in versions
    ]
    return pa.Table.from_pylist(rows, ACCOUNTS.schema)


def tickets(*customers: str | None) -> pa.Table:
    rows = [
        {"id": f"{number}:1", "customer_id": customer, "is_recurring_redemption": True}
        for number, customer in enumerate(customers)
    ]
    return pa.Table.from_pylist([*rows, {"id": "9:1", "customer_id": "7:1", "is_recurring_redemption": False}])


@pytest.mark.parametrize(
    ("versions", "wrong"),
    [
        ([("7:1", "Active", date(2026, 11, 1), None)], False),
        ([("7:1", "Suspended", date(2026, 11, 1), None)], True),
        (
            [("7:1", "Active", date(2026, 11, 1), date(2026, 11, 9)), ("7:1", "Cancelled", date(2026, 11, 9), None)],
            True,
        ),
        ([("7:1", "Active", date(2026, 11, 1), DAY), ("7:1", "Cancelled", DAY, None)], False),
        ([("7:1", "Active", date(2026, 11, 11), None)], False),
    ],
    ids=["active", "suspended", "ended before", "ended on the day", "signed up on the day"],
)
def test_a_redemption_needs_an_account_that_was_active_on_the_day(
    versions: list[tuple[str, str, date, date | None]], wrong: bool
) -> None:
    found = redeemed_without_account(tickets("7:1"), accounts(*versions), DAY)
    assert found.sentences == (["redeemed without an active membership: 1 id: 0:1"] if wrong else [])
    assert found.checked == 1


def test_what_is_not_known_is_not_wrong() -> None:
    """No customer, one of whom no membership is listed, or one whose membership was first read after the day."""
    listed = accounts(("7:1", "Active", DAY, None), ("6:1", "Cancelled", date(2026, 11, 11), None))
    found = redeemed_without_account(tickets(None, "", "8:1", "6:1"), listed, DAY)
    assert (found.checked, found.passed) == (0, True)


def test_an_account_that_ended_before_a_reading_saw_it_was_active() -> None:
    """Its change of status says so."""
    listed = accounts(("7:1", "Cancelled", DAY, None))
    assert not redeemed_without_account(tickets("7:1"), listed, DAY).passed
    assert redeemed_without_account(tickets("7:1"), listed, DAY, {"1:1"}).passed


def test_a_day_before_the_first_reading_cannot_be_checked() -> None:
    found = redeemed_without_account(tickets("7:1"), accounts(("7:1", "Active", date(2026, 11, 12), None)), DAY)
    assert (found.checked, found.passed, len(found.notes)) == (0, True, 1)


def charges(*amounts: tuple[str, float | None]) -> pa.Table:
    rows: list[dict[str, Any]] = [
        dict.fromkeys(BILLINGS.schema.names) | {"account_id": account, "amount_charged": amount}
        for account, amount in amounts
    ]
    return pa.Table.from_pylist(rows, BILLINGS.schema)


def test_a_charge_is_what_was_agreed_at_some_time() -> None:
    """The amount of a version, or of the trial; refunds and unknown accounts tell nothing."""
    listed = accounts(("7:1", "Active", DAY, None))
    fine = charged_otherwise(
        charges(("1:1", 24.99), ("1:1", 1.0), ("1:1", -24.99), ("2:1", 5.0), ("1:1", None)), listed
    )
    assert (fine.checked, fine.passed) == (2, True)
    wrong = charged_otherwise(charges(("1:1", 24.98), ("1:1", 24.99)), listed)
    assert wrong.sentences == ["charged another amount than agreed: 1 id: 1:1"]
