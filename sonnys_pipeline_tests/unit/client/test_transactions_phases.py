"""LJ-07, LJ-10, LJ-11: the two phases apart, hashes that are gone, and what the docstring warns of."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from sonnys_pipeline.client import (
    JobData,
    JobPage,
    LoadJobStatus,
    NotFoundError,
    ResponseFormatError,
    SonnysClient,
    Transactions,
    UnparsableRowError,
)
from sonnys_pipeline.client.transport import Response

GONE = NotFoundError(404, "EntityNotFoundError", ("Nothing was found.",))
GATEWAY = NotFoundError(404, None, (), "<html>")


@pytest.fixture
def api(wired_client: SonnysClient, monkeypatch: pytest.MonkeyPatch) -> Mock:
    """`client._request`, scripted by `say`."""
    request = Mock()
    monkeypatch.setattr(wired_client, "_request", request)
    return request


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mock]:
    """The module's `time`; sleeping moves it on."""
    now = [0.0]
    time = Mock(spec=["sleep", "monotonic"])
    time.monotonic.side_effect = lambda: now[0]
    time.sleep.side_effect = lambda seconds: now.__setitem__(0, now[0] + seconds)
    monkeypatch.setattr("sonnys_pipeline.client.transactions.time", time)
    return time


def say(api: Mock, *said: object) -> None:
    """Answer with these `data` objects or errors, one after the other."""
    api.side_effect = [
        one if isinstance(one, Exception) else Response(200, json.dumps({"data": one}).encode()) for one in said
    ]


def paths(api: Mock) -> list[str]:
    """The last word of each path that was asked for."""
    return [call.args[1].rpartition("/")[2] for call in api.call_args_list]


def working() -> dict[str, Any]:
    return {"hash": "a", "status": "working", "data": [], "total": 0}


def passed(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"hash": "a", "status": "pass", "data": list(rows), "offset": 1, "limit": 100, "total": len(rows)}


def test_submitting_costs_one_request(api: Mock, wired_client: SonnysClient) -> None:
    """LJ-07: `submit_job` sends what it is given, adds nothing, and returns the hash."""
    say(api, {"hash": "h1"})
    assert wired_client.transactions.submit_job(startDate=1, endDate=2, limit=100, offset=4) == "h1"
    api.assert_called_once_with(
        "POST", "/transaction/load-job", params={"startDate": 1, "endDate": 2, "limit": 100, "offset": 4}
    )


def test_asking_costs_one_request(api: Mock, wired_client: SonnysClient, clock: Mock) -> None:
    """LJ-07: `get_job_data` asks once, whatever the answer, so that many jobs can be in flight."""
    say(api, working())
    assert wired_client.transactions.get_job_data("h1") == JobData("h1", LoadJobStatus.WORKING, (), 0, working())
    api.assert_called_once_with("GET", "/transaction/get-job-data", params={"hash": "h1"})
    clock.sleep.assert_not_called()


def test_a_ready_job_has_rows_total_and_limit(
    api: Mock, wired_client: SonnysClient, make_row: Callable[..., dict[str, Any]]
) -> None:
    """LJ-07: `pass` carries the raw rows, `parse` makes models of them."""
    say(api, {**passed(make_row(1)), "total": 250})
    data = wired_client.transactions.get_job_data("h1")
    assert (data.status, data.total, len(data.rows)) == (LoadJobStatus.PASS, 250, 1)
    assert data.parse()[0].id == "1:1"


def test_a_failed_job_keeps_its_body(api: Mock, wired_client: SonnysClient) -> None:
    """LJ-07, LJ-04: what `fail` carries is not documented, so all of it is kept."""
    body = {"hash": "h1", "status": "fail", "error": {"code": 7}}
    say(api, body)
    data = wired_client.transactions.get_job_data("h1")
    assert (data.status, data.body, data.rows) == (LoadJobStatus.FAIL, body, ())


def test_a_bad_row_names_its_load_job(
    api: Mock, wired_client: SonnysClient, make_row: Callable[..., dict[str, Any]]
) -> None:
    """LJ-02: a row that the model refuses names hash, id and field; the raw page is kept for inspection."""
    say(api, {"hash": "h7"}, passed(make_row(1), make_row(2, total="abc")))
    with pytest.raises(UnparsableRowError) as caught:
        wired_client.transactions.load_job()
    error = caught.value
    assert (error.page_hash, error.row_id, error.field, len(error.page)) == ("h7", "2:1", "total", 2)


@pytest.mark.parametrize(
    "answer",
    [
        {"hash": 7},
        {},
        {"hash": None},
    ],
)
def test_a_submission_without_a_hash_is_refused(api: Mock, wired_client: SonnysClient, answer: object) -> None:
    """LJ-01: `data.hash` must be there, and be text."""
    say(api, answer)
    with pytest.raises(ResponseFormatError, match="hash"):
        wired_client.transactions.submit_job()


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"status": "pass", "total": 0}, "data"),
        ({"status": "pass", "data": {}, "total": 0}, "data"),
        ({"status": "pass", "data": [], "total": "7"}, "total"),
        ({"status": "pass", "data": [], "total": True}, "total"),
        ({"status": "pass", "data": [], "total": -1}, "total"),
        ({"status": "pass", "data": [], "total": 1.5}, "total"),
        ({"status": "pass", "data": [], "total": 10**9}, "total"),
        ({"status": "pass", "data": [], "total": 10**400}, "total"),
        ({"status": "pass", "data": [{}], "total": None}, "total"),
        ({"status": "pass", "data": [{}] * 100}, "total"),
    ],
)
def test_rows_and_total_are_what_the_contract_says(
    api: Mock, wired_client: SonnysClient, answer: object, named: str
) -> None:
    """LJ-05: a `pass` whose rows or `total` are of another kind is refused, not read as empty."""
    say(api, answer)
    with pytest.raises(ResponseFormatError, match=f"`{named}`"):
        wired_client.transactions.get_job_data("h1")


@pytest.mark.parametrize("rows", [[], None])
def test_a_window_without_rows_is_told_with_nulls(api: Mock, wired_client: SonnysClient, rows: object) -> None:
    """L2: `pass` with nulls for `total`, `limit` and `offset` is an empty window, and costs two requests."""
    say(api, {"hash": "h1"}, {"status": "pass", "data": rows, "offset": None, "limit": None, "total": None})
    assert wired_client.transactions.load_job() == []
    assert paths(api) == ["load-job", "get-job-data"]


@pytest.mark.parametrize("body", [[], "text", {"hash": "h1"}, {"data": []}, {"data": None}])
def test_an_answer_without_data_is_refused(api: Mock, wired_client: SonnysClient, body: object) -> None:
    """LJ-09: every answer has a `data` object."""
    api.side_effect = [Response(200, json.dumps(body).encode())]
    with pytest.raises(ResponseFormatError, match="no `data` object"):
        wired_client.transactions.submit_job()


def test_an_expired_hash_is_submitted_again(
    api: Mock, wired_client: SonnysClient, make_row: Callable[..., dict[str, Any]]
) -> None:
    """LJ-10: a 404 after the hash's 20 minutes means that it is gone: submit again, without asking for a count."""
    say(api, {"hash": "h1"}, *[working()] * 5, GONE, {"hash": "h2"}, passed(make_row(1)))
    rows = wired_client.transactions.load_job(poll_interval=300, timeout=3000)
    assert [row.id for row in rows] == ["1:1"]
    assert paths(api) == ["load-job", *["get-job-data"] * 6, "load-job", "get-job-data"]


def test_an_early_404_of_an_empty_window_is_an_empty_list(api: Mock, wired_client: SonnysClient) -> None:
    """LJ-10: within the 20 minutes the list endpoint's `total` tells: 0 is an empty window, asked with its criteria."""
    say(api, {"hash": "h1"}, GONE, {"transactions": [], "total": 0})
    assert wired_client.transactions.load_job(startDate=1, endDate=2, site="MAIN") == []
    api.assert_called_with(
        "GET", "/transaction", params={"startDate": 1, "endDate": 2, "site": "MAIN", "limit": 1, "offset": 1}
    )


def test_an_early_404_confirmed_by_a_404(api: Mock, wired_client: SonnysClient) -> None:
    """LJ-10: the list endpoint may say "nothing" with the API's own 404; that is 0 too."""
    say(api, {"hash": "h1"}, GONE, GONE)
    assert wired_client.transactions.load_job(startDate=1, endDate=2) == []


def test_a_gateways_404_confirms_nothing(api: Mock, wired_client: SonnysClient) -> None:
    """LJ-10: a 404 that is not the API's own word is never read as "no rows"."""
    say(api, {"hash": "h1"}, GONE, GATEWAY)
    with pytest.raises(NotFoundError) as caught:
        wired_client.transactions.load_job(startDate=1, endDate=2)
    assert caught.value is GATEWAY


def test_an_early_404_with_rows_is_a_lost_job(
    api: Mock, wired_client: SonnysClient, make_row: Callable[..., dict[str, Any]]
) -> None:
    """LJ-10: rows in the list, no hash: the job was lost, and is submitted again."""
    say(api, {"hash": "h1"}, GONE, {"transactions": [], "total": 1}, {"hash": "h2"}, passed(make_row(1)))
    assert len(wired_client.transactions.load_job()) == 1
    assert paths(api) == ["load-job", "get-job-data", "transaction", "load-job", "get-job-data"]


def test_jobs_lost_for_ever_end_in_an_error(api: Mock, wired_client: SonnysClient) -> None:
    """LJ-10: resubmission is bounded by `max_retries`; then the 404 itself comes through, never an empty list."""
    wired_client.max_retries = 2
    say(api, *[{"hash": "h"}, GONE, {"transactions": [], "total": 9}] * 3)
    with pytest.raises(NotFoundError):
        wired_client.transactions.load_job(startDate=1, endDate=2)
    assert paths(api).count("load-job") == 3


def test_a_later_page_that_is_gone_is_not_an_empty_page(
    api: Mock, wired_client: SonnysClient, make_row: Callable[..., dict[str, Any]]
) -> None:
    """LJ-10, LJ-05: page 2 lost early is submitted again; page 1 is kept and not asked for twice."""
    first = {**passed(*[make_row(place) for place in range(100)]), "total": 101}
    second = {**passed(make_row(900)), "total": 101}
    say(
        api,
        *[{"hash": "p1"}, first, {"hash": "p2"}, GONE, {"transactions": [], "total": 101}, {"hash": "p3"}, second],
    )
    pages: list[JobPage] = list(wired_client.transactions.load_pages())
    assert [(page.job_hash, page.page, page.total, len(page.items)) for page in pages] == [
        ("p1", 1, 101, 100),
        ("p3", 2, 101, 1),
    ]


def test_the_docstring_warns() -> None:
    """LJ-11: `help(load_job)` tells of the 24 hours, the 20 minutes and the shared budget that polls spend."""
    text = " ".join((Transactions.load_job.__doc__ or "").split())
    assert "24 hours" in text
    assert "20 minutes" in text
    assert "short `poll_interval` starves the others" in text


def test_every_poll_takes_a_place_in_the_budget(wired_client: SonnysClient, wire: Any) -> None:
    """LJ-11: polls go through the same budget as everything else: four requests, four permits."""
    wire.answer(body={"data": {"hash": "h1"}})
    wire.answer(body={"data": working()})
    wire.answer(body={"data": working()})
    wire.answer(body={"data": passed()})
    before = wired_client.budget.permits_in_use()
    wired_client.transactions.load_job()
    assert wired_client.budget.permits_in_use() - before == wired_client.requests_sent == 4
