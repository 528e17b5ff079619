"""Every endpoint's answers, right and wrong, against the vendor's OpenAPI document v0.2.0.

Covers the whole contract, in both profiles: what the simulator answers is what the document allows, but for the
deviations named in `DEVIATIONS`, each of which the live API shows or the document gets wrong. A deviation that no
longer occurs fails too. What the live API does otherwise is pinned in `test_live.py`.

The document is the vendor's and not part of this repository; SONNYS_CONTRACT_DIR says where it lies.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import requests
import yaml
from openapi_schema_validator import OAS30Validator

from sonnys_pipeline.simulator import Account, Faults, Simulator, SimulatorConfig

ROOT = Path(__file__).resolve().parents[3]
CONTRACT_DIR = Path(os.environ.get("SONNYS_CONTRACT_DIR", ROOT.parent / "shared" / "contract"))
DOCUMENT = CONTRACT_DIR / "sonnys-data-api-v0.2.0.openapi.yml"
pytestmark = pytest.mark.skipif(
    not DOCUMENT.is_file(), reason=f"the vendor's document is not at {DOCUMENT}; set SONNYS_CONTRACT_DIR"
)
DAY = int(datetime(2026, 11, 3, tzinfo=UTC).timestamp())
WHOLE_DAY = {"startDate": DAY, "endDate": DAY + 86_400, "limit": 100}

DEVIATIONS = {
    "unset sub type": (r"tenders/\d+/tenderSubType", "'' is not one of", "live: unset strings come as ''"),
    "null sub type": (
        r"tenders/\d+/tenderSubType",
        "None is not one of",
        "document: nullable, yet not in its enum",
    ),
    "card month": (
        r"tenders/\d+/creditCardExpirationDate",
        "is not a 'date'",
        "document: its own example is '2025-01'",
    ),
    "short names": (r"(first|last)Name", "is too short", "document: at least two letters, which some names lack"),
    "not authorized": (r"type", "'NotAuthorizedError' is not one of", "document: enum names BadClientCredentialsError"),
    "site errors": (
        r"type",
        r"'(BadSiteCredentialsError|NotAuthorizedSite(Credentials|Args)Error)' is not one of",
        "document: BaseError's enum lacks the site errors",
    ),
}
LIVE_DEVIATIONS = {
    "never modified": (r"modifiedDate", "None", "live: L11"),
    "no company": (r"companyName|loyaltyNumber", "None", "live: L11"),
    "undated card": (r"giftcards/\d+/completeDate", "None", "live: L11"),
    "upper case": (r"statusName|currentRecurringStatusName", r"'[A-Z ]+' is not one of", "live: L15"),
    "text balance": (r"data/balance", "is not of type 'number'", "document: its own example is '5.00'; live: text"),
}
"""Name: (where in the body, what the validator says, why it is right all the same). The second are of one profile."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=["live", "documented"])
def served(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    config = SimulatorConfig(
        api=request.param,
        now=datetime(2026, 11, 5, 12, tzinfo=UTC),
        virtual_site=True,
        job_seconds=(0.0, 0.0),
        rate_limit=10_000,
        accounts=(
            Account(api_id="regional", api_key="r", sites=frozenset({"MAIN"})),
            Account(api_id="live", api_key="l", environment="production"),
            Account(api_id="lapsed", api_key="x", licensed=False),
        ),
    )
    with Simulator(config) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers.update({"X-Sonnys-API-ID": "demo-id", "X-Sonnys-API-Key": "demo-key"})
        yield session


def findings(document: dict[str, Any], operation: tuple[str, str], answer: requests.Response) -> list[tuple[str, str]]:
    """What the document has against an answer: (where in the body, message)."""
    method, path = operation
    responses = document["paths"][path][method]["responses"]
    response = responses[str(answer.status_code)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = {**response["content"]["application/json"]["schema"], "components": document["components"]}
    body = answer.json()
    # The error schemas differ in their `type`. The one that is meant gives findings that can be read, where `oneOf`
    # would only say that none fits; a type that is not among them may not be answered here at all.
    if "oneOf" in schema:
        meant = [option for option in schema.pop("oneOf") if option["$ref"].endswith(f"/{body['type']}")]
        assert len(meant) == 1, f"{path} may not answer {answer.status_code} {body['type']}"
        schema["allOf"] = meant
    errors = OAS30Validator(schema, format_checker=OAS30Validator.FORMAT_CHECKER).iter_errors(body)
    return [("/".join(map(str, error.absolute_path)), error.message) for error in errors]


def deviation(finding: tuple[str, str]) -> str | None:
    """The name of the deviation that a finding is, if it is one."""
    where, message = finding
    for name, (place, words, _) in (DEVIATIONS | LIVE_DEVIATIONS).items():
        if re.search(rf"(^|/){place}$", where) and re.search(words, message):
            return name
    return None


def job_submission(simulator: Simulator, session: requests.Session, offset: int = 1) -> requests.Response:
    url = f"{simulator.base_url}/transaction/load-job"
    return session.post(url, params={**WHOLE_DAY, "site": "MAIN", "offset": offset})


def job_page(simulator: Simulator, session: requests.Session, offset: int = 1) -> requests.Response:
    submitted = job_submission(simulator, session, offset)
    params = {"hash": submitted.json()["data"]["hash"]}
    return session.get(f"{simulator.base_url}/transaction/get-job-data", params=params)


Exchange: TypeAlias = tuple[tuple[str, str], requests.Response]
"""(method and path as the document names them, answer)."""


def right_answers(simulator: Simulator, session: requests.Session) -> Iterator[Exchange]:
    base = simulator.base_url
    yield ("post", "/transaction/load-job"), job_submission(simulator, session)
    for offset in range(1, 14):
        yield ("get", "/transaction/get-job-data"), job_page(simulator, session, offset)
    yield ("get", "/transaction"), session.get(f"{base}/transaction", params=WHOLE_DAY)
    yield ("get", "/transaction/version-2"), session.get(f"{base}/transaction/version-2", params=WHOLE_DAY)
    for item_type in ("wash", "prepaid-wash", "recurring", "washbook", "giftcard", "merchandise", "house-account"):
        answer = session.get(f"{base}/transaction/type/{item_type}", params=WHOLE_DAY)
        yield ("get", "/transaction/type/{item_type}"), answer
    start = datetime.fromtimestamp(DAY, UTC)
    for row in simulator.world.rows(start, start.replace(hour=3))[:60]:
        yield ("get", "/transaction/{trans_id}"), session.get(f"{base}/transaction/{row['id']}")
    yield ("get", "/site/list"), session.get(f"{base}/site/list")
    yield from right_answers_beside_transactions(base, session)


def right_answers_beside_transactions(base: str, session: requests.Session) -> Iterator[Exchange]:
    month = {"startDate": DAY - 28 * 86_400, "limit": 100}
    lists: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/item", {"limit": 100}),
        ("/customer", {"limit": 100}),
        ("/employee", {}),
        ("/recurring/account/list", month),
        ("/recurring/account/details/list", month),
        ("/recurring/account/status-list", month),
        ("/recurring/account/modifications", month),
        ("/washbook/account/list", month),
        ("/giftcard-liablilty", month),
        ("/sales-outcome/list", {"startDate": "2026-11-01", "endDate": "2026-11-03"}),
    )
    bodies = {}
    for path, params in lists:
        answer = session.get(f"{base}{path}", params=params)
        bodies[path] = answer.json()["data"]
        yield ("get", path), answer
    for account in bodies["/recurring/account/list"]["accounts"][:20]:
        yield (
            ("get", "/recurring/account/{account_id}/detail"),
            session.get(f"{base}/recurring/account/{account['id']}/detail"),
        )
        yield ("get", "/customer/{customer_id}"), session.get(f"{base}/customer/{account['customerId']}")
    for washbook in bodies["/washbook/account/list"]["accounts"][:20]:
        answer = session.get(f"{base}/washbook/account/{washbook['id']}/detail")
        yield ("get", "/washbook/account/{account_id}/detail"), answer
    for employee in bodies["/employee"]["employees"]:
        url = f"{base}/employee/{employee['employeeId']}"
        yield ("get", "/employee/{employee_id}"), session.get(url)
        yield ("get", "/employee/{employee_id}/clock-entries"), session.get(f"{url}/clock-entries")


def wrong_answers(simulator: Simulator, session: requests.Session) -> Iterator[Exchange]:
    url = f"{simulator.base_url}/transaction"
    for headers in (
        {"X-Sonnys-API-ID": None},
        {"X-Sonnys-API-Key": "wrong"},
        {"X-Sonnys-API-ID": "live", "X-Sonnys-API-Key": "l"},
        {"X-Sonnys-API-ID": "lapsed", "X-Sonnys-API-Key": "x"},
        {"X-Sonnys-Site-Code": "NOWHERE"},
        {"X-Sonnys-API-ID": "regional", "X-Sonnys-API-Key": "r", "X-Sonnys-Site-Code": "HARBOR"},
        {"X-Sonnys-API-ID": "regional", "X-Sonnys-API-Key": "r", "X-Sonnys-Site-Code": "MAIN", "argument": "HARBOR"},
    ):
        yield ("get", "/transaction"), session.get(url, headers=headers, params={"site": headers.pop("argument", None)})
    yield ("get", "/transaction/{trans_id}"), session.get(f"{url}/999:999")
    yield ("get", "/transaction/get-job-data"), session.get(f"{url}/get-job-data", params={"hash": "lost"})
    for fault in ("rate_limit_storm", "server_errors", "clock_errors"):
        simulator.set_faults(Faults(**{fault: 1}))
        yield ("get", "/transaction"), session.get(url, params=WHOLE_DAY)


def test_answers_are_what_the_document_allows_but_for_the_named_deviations(document, served, session):
    served.reset()
    answers = [*right_answers(served, session), *wrong_answers(served, session)]
    found = {(path, finding) for path, answer in answers for finding in findings(document, path, answer)}
    assert [finding for finding in found if deviation(finding[1]) is None] == []
    expected = DEVIATIONS | (LIVE_DEVIATIONS if served.config.api == "live" else {})
    assert {deviation(finding) for _, finding in found} == set(expected), "a deviation that is gone leaves the list"
    statuses = {answer.status_code for _, answer in answers}
    assert statuses == {200, 400, 403, 404, 429, 500}


def test_rows_are_only_called_right_if_wrong_ones_are_not(document, served, session):
    served.reset()
    served.set_faults(Faults(malformed_rows=1))
    found = findings(document, ("get", "/transaction/get-job-data"), job_page(served, session))
    assert [(where, message) for where, message in found if deviation((where, message)) is None] == [
        ("data/data/0/total", "'abc' is not of type 'number'")
    ]


def test_the_422_answers_follow_the_contract(document, served, session):
    """The document describes the error and lists it at no endpoint of ours, so its schema is used directly."""
    served.reset()
    answer = session.get(f"{served.base_url}/transaction", params={"limit": 0, "offset": 0})
    schema = {**document["components"]["schemas"]["PayloadValidationError"], "components": document["components"]}
    assert answer.status_code == 422
    assert list(OAS30Validator(schema).iter_errors(answer.json())) == []
    assert len(answer.json()["messages"]) == 2


def test_job_rows_have_no_field_that_contract_and_document_do_not_know(document, served, session):
    served.reset()
    schemas = document["components"]["schemas"]
    known = set(schemas["TransactionObject"]["properties"])
    known |= set(schemas["TransactionListJobObject"]["allOf"][1]["properties"])
    parts = {"tenders": "Tender", "items": "Item", "discount": "Discount"}
    for row in job_page(served, session).json()["data"]["data"]:
        assert row.keys() <= known
        for part, name in parts.items():
            allowed = set(schemas[f"Transaction{name}Object"]["properties"]) | (
                {"discountAmount"} if part == "discount" else set()
            )
            assert all(entry.keys() <= allowed for entry in row[part])
