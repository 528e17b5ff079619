"""RS-01: the lists' ways to write a value land as one type each; what could be two values is refused."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from sonnys_pipeline.client.errors import UnparsableRowError
from sonnys_pipeline.client.lists.models import (
    ClockEntry,
    EmployeeDetail,
    GiftCard,
    Item,
    Modification,
    RecurringAccount,
    SalesOutcome,
    Washbook,
)
from sonnys_pipeline.client.models import ApiModel, parse_rows

NOON = datetime(2026, 5, 19, 12, tzinfo=UTC)
#: A row of each model with nothing but what it must have.
LEAST: dict[type[ApiModel], dict[str, Any]] = {
    Item: {"name": "Gold Wash"},
    EmployeeDetail: {"employeeId": 1},
    ClockEntry: {"employeeId": 1, "clockIn": "2026-05-19T12:00:00.000Z"},
    RecurringAccount: {"id": "1:1"},
    SalesOutcome: {"timestamp": "1779192000"},
    Washbook: {"id": "1:1"},
    GiftCard: {"giftcardId": "1:1"},
    Modification: {},
}


def parsed(model: type[ApiModel], **fields: Any) -> Any:
    (row,) = parse_rows(model, [{**LEAST[model], **fields}])
    return row


@pytest.mark.parametrize(
    ("sent", "price"),
    [("1,099.50", 1099.5), ("1,234,567", 1_234_567), ("-1,000.00", -1000), ("7.99", 7.99), (7.99, 7.99), (0, 0.0),
     ("", None), (" ", None), (None, None)],
)  # fmt: skip
def test_prices_are_numbers(sent: object, price: float | None) -> None:
    """L13: text with thousands separators; null is unknown, not 0."""
    assert parsed(Item, priceAtSite=sent).price_at_site == price


@pytest.mark.parametrize("sent", ["1,09.50", "7,99", "12.345,00", "free", True, "20000000", "1e5", "NaN", "1_0"])
def test_a_price_that_could_be_two_numbers_is_refused(sent: object) -> None:
    """Rather than guessed; the error names the field."""
    with pytest.raises(UnparsableRowError, match="priceAtSite"):
        parsed(Item, priceAtSite=sent)


@pytest.mark.parametrize(
    "sent",
    [
        "2026-05-19T12:00:00.000Z",
        "2026-05-19 12:00:00",
        "2026-05-19T12:00:00",
        "2026-05-19T07:00:00-05:00",
        "1779192000",
    ],
)
def test_times_are_aware_utc(sent: str) -> None:
    """The document's three formats; a time without zone is UTC."""
    assert parsed(GiftCard, completeDate=sent).complete_date == NOON


@pytest.mark.parametrize("sent", ["19/05/2026", "May 19", 1779192000, 1779192000.0, True, "2026-02-30 12:00:00"])
def test_a_time_in_another_format_is_refused(sent: object) -> None:
    """A number may be seconds or milliseconds."""
    with pytest.raises(UnparsableRowError, match="completeDate"):
        parsed(GiftCard, completeDate=sent)


@pytest.mark.parametrize("sent", ["2026-05-19", "2026-05-19 00:00:00", "2026-05-19T00:00:00.000Z"])
def test_dates_are_dates(sent: str) -> None:
    assert parsed(EmployeeDetail, startDate=sent).start_date == date(2026, 5, 19)


@pytest.mark.parametrize("sent", ["2026-05-19 12:00:00", 20260519, "19.05.2026"])
def test_a_date_that_is_none_is_refused(sent: object) -> None:
    """A time of day behind it means that it is another kind of field."""
    with pytest.raises(UnparsableRowError, match="startDate"):
        parsed(EmployeeDetail, startDate=sent)


@pytest.mark.parametrize(("sent", "flag"), [("true", True), ("False", False), (True, True), ("", None), (None, None)])
def test_flags_are_flags(sent: object, flag: bool | None) -> None:
    """Sales outcomes write them as text."""
    assert parsed(SalesOutcome, isConverted=sent).is_converted is flag


@pytest.mark.parametrize(
    ("sent", "status"),
    [("Active", "Active"), ("ACTIVE", "Active"), ("payment cc expired", "Payment CC Expired"),
     ("Canceled", "Cancelled"), ("On Holiday", "On Holiday"), ("", None)],
)  # fmt: skip
def test_a_known_status_has_one_spelling(sent: str, status: str | None) -> None:
    """L15; a status that nobody knows is data, not an error."""
    assert parsed(RecurringAccount, statusName=sent).status_name == status


def test_what_is_null_on_live_keys_is_none() -> None:
    """L11."""
    assert parsed(GiftCard, completeDate=None).complete_date is None
    assert parsed(EmployeeDetail, startDateChange=None).start_date_change is None
    assert parsed(ClockEntry, clockOut=None).clock_out is None


def test_balances_and_ids_have_one_type() -> None:
    """A washbook's balance is text, a membership's a number or null; site ids are numbers here and text there."""
    assert parsed(Washbook, balance="5", billingSiteId=5).balance == 5.0
    assert parsed(Washbook, billingSiteId=5).billing_site_id == parsed(Washbook, billingSiteId="5").billing_site_id
    assert parsed(RecurringAccount, balance=None).balance is None
    with pytest.raises(UnparsableRowError, match="balance"):
        parsed(Washbook, balance=True)


def test_a_modification_has_one_of_two_spellings() -> None:
    """L12; both at once would lose one value."""
    live = parsed(Modification, name="Tag Added", date="2026-05-19 12:00:00", comment=None)
    documented = parsed(Modification, modificationType="Tag Added", modificationDate="2026-05-19 12:00:00")
    assert live == documented
    with pytest.raises(UnparsableRowError, match="modificationType"):
        parsed(Modification, name="Tag Added", modificationType="Tags Removed")
