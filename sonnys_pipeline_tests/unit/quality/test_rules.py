"""Checks of landed rows (contract "A row"; KPIS): what each finds, and what it must not find."""

import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from sonnys_pipeline.client.models import TransactionJobItem, parse_rows
from sonnys_pipeline.lake.money import MAX_AMOUNT
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.lake.sql import WithStates
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.quality import rules as quality
from sonnys_pipeline.quality.result import NAMED_IDS, Finding
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline_tests.support.tickets import line, off, paid, rows, sites, states, ticket, without_v2

NOON = "2026-03-10T17:00:00Z"
DAY = date(2026, 3, 10)
START, END = datetime(2026, 3, 10, 5, tzinfo=UTC), datetime(2026, 3, 11, 5, tzinfo=UTC)
NOW = datetime(2026, 3, 20, tzinfo=UTC)
CENT = Decimal("0.01")
CONTRACT_DIR = Path(os.environ.get("SONNYS_CONTRACT_DIR", Path(__file__).resolve().parents[4] / "shared" / "contract"))
DOCUMENT = CONTRACT_DIR / "sonnys-data-api-v0.2.0.openapi.yml"


@pytest.fixture(scope="module")
def lifelike():
    """Two days of three sites and an online store: returns, voids, free washes, split tenders, missing flags."""
    world = World(seed=3, api="documented", virtual_site=True)
    found = world.rows(datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC) - timedelta(milliseconds=1))
    return to_table(parse_rows(TransactionJobItem, found), TRANSACTIONS)


def test_lifelike_days_have_no_problems(lifelike) -> None:
    """None of the checks finds fault with rows whose money adds up."""
    day = (datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC))
    found = {
        "ids": quality.duplicate_ids(lifelike),
        "day": quality.outside_the_day(lifelike, *day),
        "tenders": quality.tender_differences(lifelike),
        "items": quality.line_item_differences(lifelike),
        "values": quality.unknown_values(lifelike),
    }
    assert {name: finding.problems for name, finding in found.items() if not finding.passed} == {}
    assert found["ids"].checked == lifelike.num_rows > 2000
    assert found["tenders"].checked > 0.95 * lifelike.num_rows  # voided and unsettled ones aside


def test_no_rows_have_no_problems() -> None:
    """Each check passes on an empty day, and says that it looked at nothing."""
    for found in (
        quality.duplicate_ids(rows()),
        quality.outside_the_day(rows(), START, END),
        quality.tender_differences(rows()),
        quality.line_item_differences(rows()),
        quality.unknown_values(rows()),
        quality.absurd_amounts(rows()),
        quality.unsettled_rows(rows(), NOW),
    ):
        assert found == Finding(0)
        assert found.passed


def test_ids_that_are_there_twice() -> None:
    """Each is named once, however often it is there."""
    found = quality.duplicate_ids(rows(*[ticket(number, NOON) for number in (1, 2, 2, 3, 3, 3)]))
    assert found == Finding(6, 2, ("2:1", "3:1"), ("more than once: 2 ids: 2:1, 3:1",))


def test_many_ids_are_counted_and_the_first_named() -> None:
    """A broken day does not fill the page."""
    found = quality.duplicate_ids(rows(*[ticket(number, NOON) for number in range(100, 130)] * 2))
    assert (found.count, len(found.ids)) == (30, NAMED_IDS)
    assert found.problems[0].endswith("119:1 and 10 more")


def test_timestamps_outside_of_the_day() -> None:
    """The first instant belongs to the day, the end does not; both sides are told apart."""
    instants = [
        "2026-03-10T04:59:59.999999Z",
        "2026-03-10T05:00:00Z",
        "2026-03-11T04:59:59.999999Z",
        "2026-03-11T05:00:00Z",
    ]
    found = quality.outside_the_day(rows(*[ticket(number, at) for number, at in enumerate(instants)]), START, END)
    assert (found.checked, found.ids) == (4, ("0:1", "3:1"))
    assert found.problems == (
        "before 2026-03-10T05:00:00+00:00: 1 id: 0:1",
        "at or after 2026-03-11T05:00:00+00:00: 1 id: 3:1",
    )


def test_instants_need_a_zone() -> None:
    """A naive day would be another one on another machine."""
    with pytest.raises(ValueError, match="pass an aware datetime"):
        quality.outside_the_day(rows(), datetime(2026, 3, 10), END)  # noqa: DTZ001 - that is what is refused
    with pytest.raises(ValueError, match="pass an aware datetime"):
        quality.unsettled_rows(rows(), datetime(2026, 3, 10))  # noqa: DTZ001


MONEY: list[tuple[str, dict[str, Any], str | None]] = [
    ("exact", {"total": 0.3, "tenders": [paid(0.1), paid(0.2)]}, None),
    ("with change", {"tenders": [{**paid(20.0), "change": -10.0, "total": 10.0}]}, None),
    ("void tender replaced", {"tenders": [paid(10.0), paid(-10.0, "Void"), paid(10.0)]}, None),
    ("free, without tenders", {"total": 0.0, "tenders": []}, None),
    ("a cent too little", {"tenders": [paid(9.99)]}, "tenders below the total: 1 id: 1:1"),
    ("a cent too much", {"tenders": [paid(10.01)]}, "tenders above the total (overpaid): 1 id: 1:1"),
    ("not paid at all", {"tenders": []}, "tenders below the total: 1 id: 1:1"),
    ("voided", {"tenders": [], "transactionStatus": "Voided"}, None),
    ("unsettled", {"tenders": [], "transactionStatus": "In-Progress"}, None),
    ("no status", {"tenders": [], "transactionStatus": None}, "tenders below the total: 1 id: 1:1"),
]


@pytest.mark.parametrize(("fields", "problem"), [case[1:] for case in MONEY], ids=[case[0] for case in MONEY])
def test_tenders_against_totals(fields: dict[str, Any], problem: str | None) -> None:
    """To the cent; voided and unsettled transactions are left out."""
    found = quality.tender_differences(rows(ticket(1, NOON, **fields)))
    assert found.problems == ((problem,) if problem else ())


def test_a_tolerance_is_exact() -> None:
    """A cent is within a cent, two are not; the items come to more than was paid, so that nothing is overpaid."""
    tickets = rows(ticket(1, NOON, tenders=[paid(9.99)]), ticket(2, NOON, tenders=[paid(9.98)]))
    assert quality.tender_differences(tickets, CENT).ids == ("2:1",)
    items = rows(ticket(1, NOON, items=[line(price=10.01)]), ticket(2, NOON, items=[line(price=10.02)]))
    assert quality.line_item_differences(items, CENT).ids == ("2:1",)


READINGS: list[tuple[str, dict[str, Any], bool]] = [
    ("net and tax", line(price=18.0, tax=1.49, net=16.0), True),
    ("net, tax and fee", line(price=16.99, tax=0.5, additionalFee=2.0, net=14.99), True),
    ("gross less discount, and tax", line(price=20.0, discount=3.0, tax=0.49, net=1.0), True),
    ("gross with all in it, as in the vendor's example", line(price=17.49, net=16.0, tax=1.5), True),
    ("a cent more", line(price=17.50), False),
]


@pytest.mark.parametrize(("item", "holds"), [case[1:] for case in READINGS], ids=[case[0] for case in READINGS])
def test_items_against_totals(item: dict[str, Any], holds: bool) -> None:
    """A total holds when one way of reading the items gives it."""
    found = quality.line_item_differences(rows(ticket(1, NOON, total=17.49, items=[item])))
    assert found.checked == 1
    assert found.passed == holds


def test_voided_items_do_not_count() -> None:
    """What was taken off the ticket is not in its total; a ticket without items says nothing."""
    off_ticket = ticket(1, NOON, items=[line(), line("Add On", 3.0, isVoided=True)])
    assert quality.line_item_differences(rows(off_ticket, ticket(2, NOON, items=[]))) == Finding(1)
    all_voided = ticket(3, NOON, items=[line(isVoided=True)])
    assert quality.line_item_differences(rows(all_voided)).ids == ("3:1",)


OVERPAID: list[tuple[str, dict[str, Any], str]] = [
    ("twelve paid for ten", {}, "2.00"),
    ("beyond tax and fee", {"items": [line(price=8.0, tax=0.5, additionalFee=1.25)]}, "2.25"),
    ("after a discount", {"items": [line(price=15.0, net=9.0, discount=6.0)]}, "3.00"),
    ("the discount is paid, too: another way to read the items", {"items": [line(price=12.0, net=9.0)]}, ""),
    ("less tendered than the total", {"tenders": [paid(10.0)]}, ""),
    ("more tendered than the total", {"tenders": [paid(13.0)]}, ""),
    ("a return", {"type": "Return"}, ""),
    ("voided", {"transactionStatus": "Voided"}, ""),
    ("unsettled", {"transactionStatus": "Incomplete"}, ""),
    ("a redemption carries the wash's price", {"isRecurringPlanRedemption": True}, ""),
    ("a redemption by the older flag", {"isRecurringPlanRedemption": None, "isRecurringRedemption": True}, ""),
    ("no status", {"transactionStatus": None}, "2.00"),
    ("no items", {"items": []}, ""),
    ("all items voided", {"items": [line(isVoided=True)]}, ""),
    ("a voided item beside", {"items": [line(), line("Add On", 5.0, isVoided=True)]}, "2.00"),
]


@pytest.mark.parametrize(("fields", "dollars"), [case[1:] for case in OVERPAID], ids=[case[0] for case in OVERPAID])
def test_overpayments_are_counted_and_no_problem(fields: dict[str, Any], dollars: str) -> None:
    """What customers paid beyond items, tax and fees (contract, L9): the same in the check and in the mart."""
    tickets = rows(ticket(1, NOON, total=12.0, **{"items": [line(price=10.0)], **fields}))
    found = quality.line_item_differences(tickets)
    assert found.notes == ((f"1 overpayment of {dollars} dollars in the totals",) if dollars else ())
    if dollars:
        assert found.passed
    days = {"sites": sites(MAIN="UTC"), "business_dates": [DAY], "landed": [DAY]}
    [day] = site_day_kpis(tickets, **days).table.to_pylist()
    assert day["overpayments"] == Decimal(dollars or 0)


def test_amounts_that_are_none_are_named() -> None:
    """Anywhere on the ticket; ten millions are money, a cent more is not; the other rows are looked at as ever."""
    huge = MAX_AMOUNT + 0.01
    found = quality.absurd_amounts(
        rows(
            ticket(1, NOON, total=float(MAX_AMOUNT)),
            ticket(2, NOON, total=1e16),
            ticket(3, NOON, tenders=[paid(-huge)]),
            ticket(4, NOON, items=[line(), line(tax=huge)]),
            ticket(5, NOON, discount=[off(1e300)]),
        )
    )
    assert (found.checked, found.ids) == (5, ("2:1", "3:1", "4:1", "5:1"))
    assert found.problems[0].startswith("an amount beyond 10,000,000 dollars, left out of every figure")
    mixed = rows(
        ticket(1, NOON, total=1e16), ticket(2, NOON, tenders=[paid(9.0)]), ticket(3, NOON, items=[line(price=99.0)])
    )
    assert quality.tender_differences(mixed).ids == ("2:1",)
    assert quality.line_item_differences(mixed).ids == ("3:1",)


def test_what_cannot_be_looked_at_does_not_pass() -> None:
    """No row has a status, nor its state: two checks say so, in a sentence that names the remedy; states heal it."""
    live = without_v2(rows(ticket(1, "2026-03-01T00:00:00Z"), ticket(2, "2026-03-01T00:00:00Z")))
    known = WithStates(live, states({"number": 1, "transaction_status": "Suspended"}))
    for found in (quality.unknown_values(live), quality.unsettled_rows(live, NOW)):
        assert not found.passed
        assert (found.count, found.problems) == (0, ())
        assert found.sentences == [quality.STATUS_UNKNOWN]
        assert "materialize transaction_states for the day" in found.sentences[0]
    assert quality.unknown_values(known).passed
    assert quality.unsettled_rows(known, NOW).ids == ("1:1",)
    assert quality.status_is_known(known)
    assert not quality.status_is_known(live)


def test_a_voided_ticket_without_a_status_is_told_by_its_items() -> None:
    """Live rows have no status: a ticket whose items are all voided keeps some total, and that is no difference."""
    voided = ticket(1, NOON, items=[line(isVoided=True)], tenders=[], transactionStatus=None)
    assert quality.line_item_differences(rows(voided)) == Finding(0)
    assert quality.tender_differences(rows(voided)) == Finding(0)


def test_unknown_values_are_named_with_their_rows() -> None:
    """Type, status, tender and sub-type; missing values are not unknown ones."""
    found = quality.unknown_values(
        rows(
            ticket(1, NOON, type="Barter", transactionStatus=None),
            ticket(2, NOON, tenders=[paid(5.0, "Crypto", "Doge"), paid(5.0, "Crypto")]),
            ticket(3, NOON, transactionStatus="Pondering"),
        )
    )
    assert (found.checked, found.count) == (3, 3)
    assert found.problems == (
        "unknown tender 'Crypto': 1 id: 2:1",
        "unknown tender_sub_type 'Doge': 1 id: 2:1",
        "unknown transaction_status 'Pondering': 1 id: 3:1",
        "unknown type 'Barter': 1 id: 1:1",
    )


@pytest.mark.skipif(
    not DOCUMENT.is_file(), reason=f"the vendor's document is not at {DOCUMENT}; set SONNYS_CONTRACT_DIR"
)
def test_known_values_are_those_of_the_vendors_document() -> None:
    """Read from the OpenAPI document, so that a slip of the pen shows."""
    schemas = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))["components"]["schemas"]
    tender = schemas["TransactionTenderObject"]["properties"]
    own = schemas["TransactionListJobObject"]["allOf"][1]["properties"]
    assert {
        "type": frozenset(schemas["TransTypeObject"]["enum"]),
        "transaction_status": frozenset(own["transactionStatus"]["enum"]),
        "tender": frozenset(tender["tender"]["enum"]),
        "tender_sub_type": frozenset(tender["tenderSubType"]["enum"]),
    } == quality.KNOWN_VALUES


def test_rows_that_do_not_settle() -> None:
    """Those of more than a week ago, by status; younger ones, and settled ones, may be what they are."""
    found = quality.unsettled_rows(
        rows(
            ticket(1, "2026-03-12T23:59:59Z", transactionStatus="Suspended"),
            ticket(2, "2026-03-13T00:00:00Z", transactionStatus="Suspended"),
            ticket(3, "2026-03-01T00:00:00Z", transactionStatus="Incomplete"),
            ticket(4, "2026-03-01T00:00:00Z"),
            ticket(5, "2026-03-01T00:00:00Z", transactionStatus=None),
        ),
        NOW,
    )
    assert found.checked == 5
    assert found.problems == (
        "Incomplete for more than 7 days; read the day again: 1 id: 3:1",
        "Suspended for more than 7 days; read the day again: 1 id: 1:1",
    )
