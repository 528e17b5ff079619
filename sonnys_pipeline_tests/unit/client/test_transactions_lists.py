"""LJ-08: `list`, `get`, `list_by_type`, `list_v2`, `count` and `sites.list`, on a scripted wire."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sonnys_pipeline.client import (
    IncompleteResultError,
    NotFoundError,
    ResponseFormatError,
    Site,
    SonnysClient,
    Transaction,
    TransactionListItem,
    TransactionV2ListItem,
    UnparsableRowError,
)

NOTHING = {"type": "EntityNotFoundError", "message": "Nothing was found."}


def summary(number: int, **more: object) -> dict[str, Any]:
    return {
        "transNumber": number,
        "transId": f"{number}:1",
        "total": 12.5,
        "date": "2026-03-10T15:30:00.000Z",
        **more,
    }


def page(numbers: range, total: int) -> dict[str, Any]:
    return {"data": {"transactions": [summary(number) for number in numbers], "total": total}}


def asked(wire: Any) -> list[tuple[str, dict[str, list[str]]]]:
    """Path and query of each request."""
    return [(urlsplit(sent.url).path, parse_qs(urlsplit(sent.url).query)) for sent in wire.sent]


Verb = Callable[..., list[Any]]
VERBS: dict[str, Verb] = {
    "/v1/transaction": lambda client, **params: client.transactions.list(**params),
    "/v1/transaction/type/wash": lambda client, **params: client.transactions.list_by_type("wash", **params),
    "/v1/transaction/version-2": lambda client, **params: client.transactions.list_v2(**params),
}


@pytest.mark.parametrize("path", VERBS)
def test_lists_are_read_to_the_end(wired_client: SonnysClient, wire: Any, path: str) -> None:
    """Each list asks for pages of 100 by page number until `total` is there, with the caller's criteria on each."""
    wire.answer(body=page(range(100), 230))
    wire.answer(body=page(range(100, 200), 230))
    wire.answer(body=page(range(200, 230), 230))
    rows = VERBS[path](wired_client, startDate=1, endDate=2, site="MAIN")
    assert [row.trans_number for row in rows] == list(range(230))
    criteria = {"startDate": ["1"], "endDate": ["2"], "site": ["MAIN"], "limit": ["100"]}
    assert asked(wire) == [(path, {**criteria, "offset": [str(number)]}) for number in (1, 2, 3)]


@pytest.mark.parametrize("path", VERBS)
def test_nothing_as_a_404_is_an_empty_list(wired_client: SonnysClient, wire: Any, path: str) -> None:
    """The API's own `EntityNotFoundError` on page 1 says that nothing matches."""
    wire.answer(404, NOTHING)
    assert VERBS[path](wired_client, startDate=1, endDate=2) == []


@pytest.mark.parametrize("path", VERBS)
def test_a_strange_404_is_an_error(wired_client: SonnysClient, wire: Any, path: str) -> None:
    """A 404 that is not the API's word (a gateway, a wrong base URL) is never an empty list."""
    wire.answer(404, b"<html>no such page</html>")
    with pytest.raises(NotFoundError):
        VERBS[path](wired_client)


@pytest.mark.parametrize("path", VERBS)
def test_a_404_on_a_later_page_is_an_error(wired_client: SonnysClient, wire: Any, path: str) -> None:
    """Page 1 promised more: a 404 on page 2 is no end of the list."""
    wire.answer(body=page(range(100), 150))
    wire.answer(404, NOTHING)
    with pytest.raises(NotFoundError):
        VERBS[path](wired_client)


def test_pages_that_end_early_are_an_error(wired_client: SonnysClient, wire: Any) -> None:
    """Fewer rows than `total` raise, and say by how many."""
    wire.answer(body=page(range(100), 150))
    wire.answer(body=page(range(0), 150))
    with pytest.raises(IncompleteResultError, match=r"promised 150 rows and 100 .*\(-50\)"):
        wired_client.transactions.list()


@pytest.mark.parametrize("path", VERBS)
@pytest.mark.parametrize("rows", [[], None])
def test_a_null_total_is_an_empty_list(wired_client: SonnysClient, wire: Any, path: str, rows: object) -> None:
    """L3: a list that finds nothing answers `total: null`, in one request."""
    wire.answer(body={"data": {"transactions": rows, "offset": None, "limit": None, "total": None}})
    assert VERBS[path](wired_client, startDate=1, endDate=2) == []
    assert len(wire.sent) == 1


NO_TOTALS = [-1, 1.5, 1.0, True, False, "7", "", [], {}, 10**9, 10**30, 10**400]


@pytest.mark.parametrize("total", NO_TOTALS, ids=lambda total: repr(total)[:12])
def test_a_total_that_cannot_be_one_names_the_field(wired_client: SonnysClient, wire: Any, total: object) -> None:
    """Negative, fractional, huge, or of another kind: refused for what it is, by lists and by `count` alike."""
    wire.answer(body={"data": {"transactions": [], "total": total}})
    for ask in (wired_client.transactions.list, wired_client.transactions.count):
        with pytest.raises(ResponseFormatError, match="GET /transaction: `total` should be") as caught:
            ask()
        assert len(str(caught.value)) < 200


@pytest.mark.parametrize("answer", [{"total": None}, {}])
def test_rows_without_their_total_are_refused(wired_client: SonnysClient, wire: Any, answer: dict[str, Any]) -> None:
    """A null `total` beside rows, or none beside a full page: how many there are is not known."""
    wire.answer(body={"data": {"transactions": [summary(number) for number in range(100)], **answer}})
    with pytest.raises(ResponseFormatError, match="`total` should be int, not NoneType"):
        wired_client.transactions.list()


def test_a_row_on_two_pages_is_one_row(wired_client: SonnysClient, wire: Any) -> None:
    """Each id once, as the page that was read later has it."""
    wire.answer(body=page(range(100), 103))
    later = [summary(99, total=9.0), *[summary(number) for number in range(100, 103)]]
    wire.answer(body={"data": {"transactions": later, "total": 103}})
    rows = wired_client.transactions.list()
    assert [row.trans_number for row in rows] == list(range(103))
    assert rows[99].total == 9.0


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (page(range(100), 200), page(range(100), 200), r"promised 200 rows and 100 distinct"),  # `offset` is ignored
        (page(range(100), 150), page(range(98, 148), 149), r"promised 149 rows and 148 distinct"),
        (page(range(5), 3), None, r"promised 3 rows and 5 distinct"),
        (page(range(99), 150), None, r"promised 150 rows and 99 distinct"),  # not full, so the last
        (page(range(2), 10**6), None, r"promised 1000000 rows and 2 distinct"),
    ],
)
def test_a_list_whose_rows_and_total_disagree_is_refused(
    wired_client: SonnysClient, wire: Any, first: object, second: object, said: str
) -> None:
    """As `load_job` does: never a list with rows missing or in it twice, and no walk through pages that do not come."""
    wire.answer(body=first)
    if second is not None:
        wire.answer(body=second)
    with pytest.raises(IncompleteResultError, match=said):
        wired_client.transactions.list()
    assert len(wire.sent) == 1 + (second is not None)


def test_a_row_that_is_listed_twice_is_one_row(wired_client: SonnysClient, wire: Any) -> None:
    """Equal copies that `total` counts collapse; two different rows of one id do not, and the id is named."""
    wire.answer(body=page(range(100), 102))
    wire.answer(body={"data": {"transactions": [summary(100), summary(100)], "total": 102}})
    assert [row.trans_number for row in wired_client.transactions.list()] == list(range(101))
    wire.script.clear()
    wire.answer(body={"data": {"transactions": [summary(1), summary(2), summary(2, total=9.0)], "total": 3}})
    with pytest.raises(IncompleteResultError, match=r"two different rows have the id 2:1: .*promised 3 rows and 2"):
        wired_client.transactions.list()


def test_a_row_on_two_pages_is_no_copy(wired_client: SonnysClient, wire: Any) -> None:
    """LJ-05: it may have been pushed over by a row that nobody has read, while `total` grew by it."""
    wire.answer(body=page(range(100), 102))
    wire.answer(body={"data": {"transactions": [summary(99), summary(100)], "total": 102}})
    with pytest.raises(IncompleteResultError, match=r"promised 102 rows and 101 distinct"):
        wired_client.transactions.list()


def test_a_list_item_is_typed(wired_client: SonnysClient, wire: Any) -> None:
    """Number, id, dollars and an aware instant."""
    wire.answer(body=page(range(7, 8), 1))
    (row,) = wired_client.transactions.list()
    assert type(row) is TransactionListItem
    assert row == TransactionListItem(
        trans_number=7, trans_id="7:1", total=12.5, date=datetime(2026, 3, 10, 15, 30, tzinfo=UTC)
    )


def test_v2_flags_may_be_missing(wired_client: SonnysClient, wire: Any) -> None:
    """`list_v2` carries customer, flags and status where the API sends them, `None` where it does not."""
    full = summary(1, customerId="9:1", isRecurringPlanSale=True, transactionStatus="Voided")
    wire.answer(body={"data": {"transactions": [full, summary(2, customerId="")], "total": 2}})
    first, second = wired_client.transactions.list_v2()
    assert type(first) is TransactionV2ListItem
    assert (first.customer_id, first.is_recurring_plan_sale, first.transaction_status) == ("9:1", True, "Voided")
    assert (second.customer_id, second.is_recurring_plan_sale, second.transaction_status) == (None, None, None)


def test_a_bad_list_row_names_its_id(wired_client: SonnysClient, wire: Any) -> None:
    """A list row's key is `transId`."""
    wire.answer(body={"data": {"transactions": [summary(4, date="2026-03-10T15:30:00")], "total": 1}})
    with pytest.raises(UnparsableRowError, match=r"row 4:1: field date"):
        wired_client.transactions.list()


def test_get_returns_the_detail(wired_client: SonnysClient, wire: Any, make_row: Callable[..., Any]) -> None:
    """One request, one `Transaction`; the newer fields are not part of the detail."""
    wire.answer(body={"data": make_row("876:1")})
    found = wired_client.transactions.get("876:1")
    assert type(found) is Transaction
    assert (found.id, found.total, found.tenders[0].tender) == ("876:1", 19.49, "Cash")
    assert asked(wire) == [("/v1/transaction/876:1", {})]


def test_get_of_nothing_is_an_error(wired_client: SonnysClient, wire: Any) -> None:
    """No transaction has the id: `NotFoundError`, not `None`."""
    wire.answer(404, NOTHING)
    with pytest.raises(NotFoundError):
        wired_client.transactions.get("1:1")


def test_count_costs_one_small_request(wired_client: SonnysClient, wire: Any) -> None:
    """`limit=1` is enough to learn `total`, whatever limit the caller would page with."""
    wire.answer(body=page(range(1), 812))
    assert wired_client.transactions.count(startDate=1, endDate=2, limit=100) == 812
    assert asked(wire) == [("/v1/transaction", {"startDate": ["1"], "endDate": ["2"], "limit": ["1"], "offset": ["1"]})]


def test_count_of_nothing_is_zero(wired_client: SonnysClient, wire: Any) -> None:
    """The API's own 404 is 0; a gateway's 404 is an error."""
    wire.answer(404, NOTHING)
    wire.answer(404, b"<html>")
    assert wired_client.transactions.count() == 0
    with pytest.raises(NotFoundError):
        wired_client.transactions.count()


@pytest.mark.parametrize("rows", [[], None])
def test_count_of_a_null_total_is_zero(wired_client: SonnysClient, wire: Any, rows: object) -> None:
    """L3: nothing found, said with nulls."""
    wire.answer(body={"data": {"transactions": rows, "offset": None, "limit": None, "total": None}})
    assert wired_client.transactions.count() == 0


def test_one_page_and_the_total(wired_client: SonnysClient, wire: Any) -> None:
    """KT-04: the first hundred rows tell whether there are more; nothing found is no row, and 0."""
    wire.answer(body=page(range(100), 812))
    wire.answer(404, NOTHING)
    rows, total = wired_client.transactions.list_page(startDate=1, endDate=2)
    assert (len(rows), total) == (100, 812)
    assert wired_client.transactions.list_page() == ([], 0)
    assert asked(wire)[0] == (
        "/v1/transaction",
        {"startDate": ["1"], "endDate": ["2"], "limit": ["100"], "offset": ["1"]},
    )


def test_sites_survive_nulls(wired_client: SonnysClient, wire: Any) -> None:
    """Null for everything that a site may lack hides no other site; nothing found is said as other lists say it."""
    nulls = {"siteID": None, "code": None, "name": None, "timezone": None}
    wire.answer(body={"data": {"sites": [nulls, {"code": "MAIN", "name": "Main"}], "total": None}})
    wire.answer(body={"data": {"sites": None, "total": None}})
    assert [(site.code, site.name) for site in wired_client.sites.list()] == [(None, ""), ("MAIN", "Main")]
    assert wired_client.sites.list() == []


def test_sites_with_their_quirks(wired_client: SonnysClient, wire: Any) -> None:
    """A virtual site has an empty code and no time zone: both are `None`."""
    wire.answer(
        body={
            "data": {
                "sites": [
                    {"siteID": 1, "code": "MAIN", "name": "Main Street", "timezone": "America/Chicago"},
                    {"code": "", "name": "Online Store", "timezone": None},
                ]
            }
        }
    )
    assert wired_client.sites.list() == [
        Site(site_id=1, code="MAIN", name="Main Street", timezone="America/Chicago"),
        Site(name="Online Store"),
    ]
    assert asked(wire) == [("/v1/site/list", {})]


@pytest.mark.parametrize("data", [{}, {"sites": None}, {"sites": {}}])
def test_sites_must_be_a_list(wired_client: SonnysClient, wire: Any, data: object) -> None:
    """An answer without the list is refused, not read as "no sites"."""
    wire.answer(body={"data": data})
    with pytest.raises(ResponseFormatError, match="`sites` should be list"):
        wired_client.sites.list()
