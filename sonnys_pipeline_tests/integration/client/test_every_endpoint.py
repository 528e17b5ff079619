"""RS-01: every endpoint of the vendor's document has a method of the client and a route of the simulator.

What a request may ask is checked against the document where it is at hand (SONNYS_CONTRACT_DIR); what the simulator
answers is checked against it in `integration/simulator/test_contract.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import pytest
import yaml

from sonnys_pipeline.client import NotFoundError, RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.client.lists.fields import STATUSES
from sonnys_pipeline.client.models import ApiModel, unknown_fields
from sonnys_pipeline.simulator import Simulator, SimulatorConfig

ROOT = Path(__file__).resolve().parents[3]
CONTRACT_DIR = Path(os.environ.get("SONNYS_CONTRACT_DIR", ROOT.parent / "shared" / "contract"))
DOCUMENT = CONTRACT_DIR / "sonnys-data-api-v0.2.0.openapi.yml"
NOW = datetime(2026, 6, 30, 18, tzinfo=UTC)
HALF_A_YEAR = {"start": NOW - timedelta(days=180), "end": NOW}
WEEKS = {"start": date(2026, 5, 1), "end": date(2026, 6, 29)}
DAY = {"startDate": int(NOW.timestamp()) - 86_400, "endDate": int(NOW.timestamp()) - 3600, "site": "MAIN"}
#: `{id}` of the document's paths, as they stand in a request.
_ID = r"[^/]+"

#: Verb, path and query of a request.
Asked: TypeAlias = tuple[str, str, dict[str, str]]
#: Method → the endpoint that it asks, as in the document, and the requests that it costs here.
LISTS: Mapping[str, tuple[str, int, Callable[[SonnysClient], Sequence[ApiModel]]]] = {
    "items.list": ("/item", 1, lambda client: client.items.list()),
    "customers.list": ("/customer", 41, lambda client: client.customers.list()),
    "employees.list": ("/employee", 1, lambda client: client.employees.list()),
    "employees.clock_entries": (
        "/employee/{employee_id}/clock-entries", 5, lambda client: client.employees.clock_entries("1", **WEEKS),
    ),
    "recurring_accounts.list": (
        "/recurring/account/list", 7, lambda client: client.recurring_accounts.list(**HALF_A_YEAR),
    ),
    "recurring_accounts.details": (
        "/recurring/account/details/list", 11, lambda client: client.recurring_accounts.details(**HALF_A_YEAR),
    ),
    "recurring_accounts.status_changes": (
        "/recurring/account/status-list", 2, lambda client: client.recurring_accounts.status_changes(**HALF_A_YEAR),
    ),
    "recurring_accounts.modifications": (
        "/recurring/account/modifications", 10, lambda client: client.recurring_accounts.modifications(**HALF_A_YEAR),
    ),
    "washbooks.list": ("/washbook/account/list", 11, lambda client: client.washbooks.list(**HALF_A_YEAR)),
    "giftcards.list": ("/giftcard-liablilty", 17, lambda client: client.giftcards.list(**HALF_A_YEAR)),
    "sales_outcomes.list": ("/sales-outcome/list", 9, lambda client: client.sales_outcomes.list(**WEEKS)),
    "sites.list": ("/site/list", 1, lambda client: client.sites.list()),
    "transactions.list": ("/transaction", 1, lambda client: client.transactions.list(**DAY)),
    "transactions.list_by_type": (
        "/transaction/type/{item_type}", 1, lambda client: client.transactions.list_by_type("wash", **DAY),
    ),
    "transactions.list_v2": ("/transaction/version-2", 1, lambda client: client.transactions.list_v2(**DAY)),
}  # fmt: skip


@pytest.fixture(scope="module", params=["live", "documented"])
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Simulator, SonnysClient]]:
    config = SimulatorConfig(
        api=request.param, now=NOW, rate_limit=100_000, job_seconds=(0, 0), rows_per_day=200, virtual_site=False,
        accounts_per_site=500, customers_per_site=500,
    )  # fmt: skip
    budget = RequestBudget("every endpoint", RequestRate(100_000, 15))
    with Simulator(config) as simulator:
        url, key = simulator.base_url, simulator.config.api_key
        with SonnysClient("demo-id", key, base_url=url, budget=budget, owns_budget=True) as client:
            yield simulator, client


@dataclass(frozen=True)
class Answers:
    """What each list answered, and what was asked for it."""

    client: SonnysClient
    rows: Mapping[str, Sequence[Any]]
    requests: Mapping[str, Sequence[Asked]]


@pytest.fixture(scope="module")
def answers(served: tuple[Simulator, SonnysClient]) -> Answers:
    """Each list, asked once."""
    simulator, client = served
    rows, requests = {}, {}
    for method, (_, _, call) in LISTS.items():
        simulator.reset()
        rows[method] = call(client)
        requests[method] = asked(simulator)
    return Answers(client, rows, requests)


def asked(simulator: Simulator) -> list[Asked]:
    return [
        (record.method.lower(), record.path.removeprefix("/v1"), dict(parse_qsl(record.query)))
        for record in simulator.log
    ]


@pytest.mark.parametrize("method", LISTS)
def test_a_list_answers_typed_and_whole(answers: Answers, method: str) -> None:
    """Each row once, no field unknown, at the price that the pages and spans of the endpoint allow."""
    (path, requests, _), rows = LISTS[method], answers.rows[method]
    assert rows
    assert len({row.model_dump_json() for row in rows}) == len(rows)
    assert not unknown_fields(rows)
    assert len(answers.requests[method]) == requests
    assert all(_template(path).fullmatch(where) for _, where, _ in answers.requests[method])


def test_details_agree_with_their_lists(answers: Answers) -> None:
    """And an id that nobody has is a NotFoundError."""
    client = answers.client
    customer = answers.rows["customers.list"][0]
    detail = client.customers.get(customer.customer_id)
    assert (detail.id, detail.last_name, detail.number) == (
        customer.customer_id, customer.last_name, customer.customer_number,
    )  # fmt: skip
    employee = answers.rows["employees.list"][0]
    assert client.employees.get(employee.employee_id).last_name == employee.last_name
    account = answers.rows["recurring_accounts.list"][0]
    found = client.recurring_accounts.get(account.id)
    assert found.plan_name == account.name
    assert found.current_recurring_status_name == account.status_name
    washbook = answers.rows["washbooks.list"][0]
    assert client.washbooks.get(washbook.id).balance == washbook.balance
    ticket = answers.rows["transactions.list"][0]
    assert client.transactions.get(ticket.trans_id).total == ticket.total
    for get in (client.customers.get, client.employees.get, client.recurring_accounts.get, client.washbooks.get):
        with pytest.raises(NotFoundError):
            get("99999999:1")


def test_statuses_have_one_spelling(answers: Answers) -> None:
    """L15: lists write `Active` and `ACTIVE`, and the history of an account `Canceled`."""
    accounts = answers.rows["recurring_accounts.details"]
    spelled = {account.current_recurring_status_name for account in accounts}
    spelled |= {since.status for account in accounts for since in account.recurring_statuses}
    spelled |= {account.status_name for account in answers.rows["recurring_accounts.list"]}
    changes = answers.rows["recurring_accounts.status_changes"]
    spelled |= {status for change in changes for status in (change.old_status, change.new_status)}
    assert spelled <= set(STATUSES)
    assert {"Active", "Cancelled"} < spelled


def test_what_was_modified_is_read_in_both_spellings(answers: Answers) -> None:
    """L12, and the document's own names."""
    for account in answers.rows["recurring_accounts.modifications"]:
        assert account.modifications
        for one in account.modifications:
            assert one.name == "Account Status Changed"
            assert one.date
            assert HALF_A_YEAR["start"] <= one.date <= NOW


def test_clock_entries_of_any_span_are_those_of_its_fortnights(answers: Answers) -> None:
    """L14: fourteen days at most in a request; no entry is lost or doubled where two meet."""
    client, entries = answers.client, answers.rows["employees.clock_entries"]
    days = [WEEKS["start"] + timedelta(days=number) for number in range(60)]
    single = [one for day in days for one in client.employees.clock_entries("1", start=day, end=day)]
    assert [one.clock_in for one in entries] == [one.clock_in for one in single]
    assert all(one.employee_id == "1" and one.site_code and one.week for one in entries)


@pytest.mark.skipif(not DOCUMENT.is_file(), reason="the vendor's document is not here; set SONNYS_CONTRACT_DIR")
def test_every_endpoint_of_the_document_is_asked_as_it_says(
    served: tuple[Simulator, SonnysClient], answers: Answers
) -> None:
    """None is missing, and every parameter is one of the document's, within its limits."""
    simulator, client = served
    simulator.reset()
    test_details_agree_with_their_lists(answers)
    client.transactions.load_job(**DAY)
    document = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
    operations = {
        (verb, path): _parameters(document, operation)
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
    }
    seen = set()
    lists = [one for requests in answers.requests.values() for one in requests]
    for verb, path, query in [*lists, *asked(simulator)]:
        operation = _operation(operations, verb, path)
        seen.add(operation)
        for name, value in query.items():
            assert name in operations[operation], f"{verb} {path}: {name}"
            schema = operations[operation][name]
            if "maximum" in schema:
                assert schema["minimum"] <= int(value) <= schema["maximum"], f"{verb} {path}: {name}={value}"
            if "enum" in schema:
                assert value in map(str, schema["enum"]), f"{verb} {path}: {name}={value}"
    assert seen == operations.keys()


def _parameters(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    named = [
        document["components"]["parameters"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        for one in operation.get("parameters", ())
    ]
    return {one["name"]: one.get("schema", {}) for one in named if one["in"] == "query"}


def _operation(operations: Mapping[tuple[str, str], Any], verb: str, path: str) -> tuple[str, str]:
    """The document's operation: the one with the fewest placeholders."""
    fitting = [one for one in operations if one[0] == verb and _template(one[1]).fullmatch(path)]
    return min(fitting, key=lambda one: one[1].count("{"))


def _template(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{[^}]*\\}|\{[^}]*\}", _ID, path))
