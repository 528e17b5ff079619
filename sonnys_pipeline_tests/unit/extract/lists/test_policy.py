"""RS-02: nothing personal, and no pay that is to be dropped, is left in an answer of a list."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest
import requests

from sonnys_pipeline.client.lists import models
from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.client.spelling import wire_names
from sonnys_pipeline.extract.lists import policy as policies
from sonnys_pipeline.extract.lists.personal import IMPERSONAL, PAY, PERSONAL, WITHOUT_TEXT
from sonnys_pipeline.extract.lists.policy import FORGOTTEN, ListPolicy
from sonnys_pipeline.extract.pages.forgotten import Forgotten
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.extract.pages.transforms import is_text
from sonnys_pipeline.simulator import Simulator, SimulatorConfig

KEY = b"0123456789abcdef0123456789abcdef"
HASH, DROP = Privacy(Policy.HASH, KEY), Privacy(Policy.DROP)
MODELS = [
    one for one in vars(models).values() if isinstance(one, type) and issubclass(one, ApiModel) and one is not ApiModel
]


@pytest.fixture(scope="module")
def answers() -> dict[str, bytes]:
    """An answer of each list and detail, as the simulated API gives it."""
    with Simulator(SimulatorConfig(sites=1, rate_limit=100_000)) as simulator:
        account = simulator.config
        headers = {"X-Sonnys-API-ID": account.api_id, "X-Sonnys-API-Key": account.api_key}
        now = simulator.state.clock.now()
        start, day = int((now - timedelta(days=27)).timestamp()), date.fromordinal(now.toordinal() - 10)
        span: dict[str, Any] = {"startDate": start, "endDate": int(now.timestamp())}
        days = {"startDate": day.isoformat(), "endDate": (day + timedelta(days=9)).isoformat()}
        asked: dict[str, dict[str, Any]] = {
            "/item": {},
            "/customer": {},
            "/customer/5:1": {},
            "/employee": {},
            "/employee/2": {},
            "/employee/2/clock-entries": days,
            "/recurring/account/list": span,
            "/recurring/account/details/list": span,
            "/recurring/account/status-list": span,
            "/recurring/account/modifications": span,
            "/washbook/account/list": span,
            "/giftcard-liablilty": span,
            "/sales-outcome/list": days,
        }
        found = {}
        for path, params in asked.items():
            answer = requests.get(simulator.base_url + path, params=params, headers=headers, timeout=30)
            answer.raise_for_status()
            found[path] = answer.content
        listed = {"/recurring/account/list": "recurring", "/washbook/account/list": "washbook"}
        for path, kind in listed.items():
            number = json.loads(found[path])["data"]["accounts"][0]["id"]
            one = f"/{kind}/account/{number}/detail"
            found[one] = requests.get(simulator.base_url + one, headers=headers, timeout=30).content
        return found


def test_every_text_field_of_the_lists_is_named_once() -> None:
    """A new one makes no policy, so it cannot slip through."""
    for model in MODELS:
        text = {name for name, info in model.model_fields.items() if is_text(info.annotation)}
        personal = PERSONAL.get(model, ())
        assert text <= {*personal, *IMPERSONAL.get(model, ())}, model
        assert set(IMPERSONAL.get(model, ())) <= text, model
        assert not set(personal) & set(IMPERSONAL.get(model, ()))
        assert set(personal) | set(PAY.get(model, ())) <= model.model_fields.keys()
        assert text or model in WITHOUT_TEXT, model


def _personal_values(model: type[ApiModel], row: dict[str, Any]) -> set[str]:
    """Values of a raw object that its model calls personal, nested ones too."""
    found = set()
    for name, info in model.model_fields.items():
        for spelling in wire_names(info.validation_alias):
            value = row.get(spelling)
            if name in PERSONAL.get(model, ()) and value not in {None, ""}:
                found.add(str(value))
            parts = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
            inner = next(
                (one for one in (*getattr(info.annotation, "__args__", ()),) if one in MODELS), None
            )  # fmt: skip
            if inner is not None:
                found |= {text for part in parts for text in _personal_values(inner, part)}
    return found


def _rows(path: str, body: bytes) -> tuple[type[ApiModel], list[dict[str, Any]]]:
    form = next(form for form in policies._FORMS if form.path.fullmatch(path))
    data = json.loads(body)["data"]
    rows = data[form.rows] if form.rows else [data]
    if form.model is models.ClockEntry:
        rows = [entry for week in rows for entry in week["clockEntries"]]
    return form.model, rows


def test_no_personal_byte_is_left_under_hash_and_drop(answers: dict[str, bytes]) -> None:
    """Of every list and detail of the API; the hash of a value is the same in each, so that tables join."""
    values = set[str]()
    for path, body in answers.items():
        model, rows = _rows(path, body)
        assert rows, path
        values |= {text for row in rows for text in _personal_values(model, row)}
    telling = {text for text in values if len(text) >= 6 and not text.isspace()}
    assert len(telling) > 200
    numbers = {json.loads(answers[path])["data"]["id"] for path in answers if path.endswith("/detail")}
    for privacy in (HASH, DROP):
        policy = ListPolicy(privacy)
        cleaned = {path: policy.clean(path, body) for path, body in answers.items()}
        everything = b"\n".join(cleaned.values()).decode()
        words = set(re.findall(r'"([^"]*)"', everything))
        # An account's number stays, and may look like that of a customer or tag.
        assert not (telling - numbers) & words - {one for one in words if re.fullmatch(r"\d+:\d+", one)}
    hashed = ListPolicy(HASH)
    customers = json.loads(hashed.clean("/customer", answers["/customer"]))["data"]["customers"]
    detail = json.loads(hashed.clean("/customer/5:1", answers["/customer/5:1"]))["data"]
    assert detail["id"] in {one["customerId"] for one in customers}
    assert detail["birthDate"] is None
    assert detail["address"] is None or set(detail["address"]) >= {"city"}


def test_the_models_read_what_is_left(answers: dict[str, bytes]) -> None:
    """Numbers that tables are joined by stay; under `drop` a customer has none, so customers are not read then."""
    for privacy in (HASH, DROP):
        policy = ListPolicy(privacy, keeps_pay=False)
        for path, body in answers.items():
            if privacy is DROP and path.startswith("/customer"):
                continue
            model, rows = _rows(path, policy.clean(path, body))
            if model is models.ClockEntry:
                rows = [{**row, "employeeId": "2"} for row in rows]
            assert [model.model_validate(row) for row in rows]
    entry = json.loads(ListPolicy(DROP).clean("/employee", answers["/employee"]))["data"]["employees"][0]
    assert (entry["employeeId"], entry["firstName"]) == ("1", None)


def test_pay_is_dropped_alone(answers: dict[str, bytes]) -> None:
    """`SONNYS_PAY=drop` with all personal data kept: hours and names stay."""
    path = "/employee/2/clock-entries"
    body = answers[path]
    assert ListPolicy(Privacy()).clean(path, body) is body
    grown = json.loads(body)
    grown["data"]["weeks"][0]["clockEntries"][0]["hourlyBonus"] = 3.5
    dropped = ListPolicy(Privacy(), keeps_pay=False)
    before, after = _rows(path, body)[1], _rows(path, dropped.clean(path, json.dumps(grown).encode()))[1]
    assert after[0].pop("hourlyBonus") is None
    for old, new in zip(before, after, strict=True):
        assert old["regularRate"] > 0
        assert new == {**old, "regularRate": None, "overtimeRate": None}
    names = dropped.clean("/employee", answers["/employee"])
    assert json.loads(names)["data"] == json.loads(answers["/employee"])["data"]


def test_a_forgotten_customer_does_not_come_back(answers: dict[str, bytes]) -> None:
    """RS-04: in no list and no detail, while accounts stay as sales."""
    account = next(path for path in answers if path.startswith("/recurring/account/") and path.endswith("/detail"))
    whose = json.loads(answers[account])["data"]["customer"]
    number = whose["id"]
    salted = Forgotten(b"salt")
    forgotten = Forgotten(b"salt", frozenset({salted.digest(number), salted.digest("5:1")}))
    policy = ListPolicy(Privacy(forgotten=forgotten))
    detail = json.loads(policy.clean(account, answers[account]))["data"]
    plate = json.loads(answers[account])["data"]["vehicles"][0]["plate"]
    assert detail["customer"]["id"] is None
    assert detail["billingAmount"] > 0
    text = json.dumps(detail)
    assert not [value for value in (whose["number"], whose["lastName"], plate) if value in text]
    listed = json.loads(policy.clean("/customer", answers["/customer"]))["data"]
    before = json.loads(answers["/customer"])["data"]["customers"]
    mine = [row for row in listed["customers"] if row["customerId"].startswith(FORGOTTEN)]
    there = {row["customerId"] for row in before} & {number, "5:1"}
    assert len(mine) == len(there)
    assert [row["firstName"] for row in mine] == [None] * len(there)
    assert json.loads(policy.clean("/customer/5:1", answers["/customer/5:1"]))["data"]["email"] is None


def test_a_path_that_nobody_has_named_is_refused() -> None:
    with pytest.raises(ValueError, match="no policy on personal data"):
        ListPolicy(DROP).clean("/customer/5:1/notes", b'{"data": {}}')
