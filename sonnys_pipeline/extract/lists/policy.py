"""Applies `SONNYS_PII`, `SONNYS_PAY` and the list of forgotten customers to answers of the lists (RS-02, RS-04).

As with transactions, the policy is applied before parsing, so that no table, kept answer or error has what it removes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from sonnys_pipeline.client import ResponseFormatError
from sonnys_pipeline.client.bodies import parse_json, sanitize
from sonnys_pipeline.client.lists import models
from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.client.spelling import wire_names
from sonnys_pipeline.extract.lists.personal import IMPERSONAL, PAY, PERSONAL
from sonnys_pipeline.extract.pages.forgotten import Forgotten
from sonnys_pipeline.extract.pages.pii import Policy, Privacy, dropped
from sonnys_pipeline.extract.pages.transforms import Transform, blank_like, list_of, object_of, safe_name

#: How the number of a forgotten customer begins in a list of customers; such rows are not landed.
FORGOTTEN = "forgotten:"
_COUNTS = frozenset({"offset", "limit", "total"})
#: Hours of a week and the week itself are not personal.
_OF_A_WEEK = frozenset({"week", "weekTotalRegularHours", "weekTotalOverTimeHours"})
_DIGITS = 16


@dataclass(frozen=True)
class _Form:
    """What a path answers: a list under `rows`, or one object (`rows` is empty)."""

    path: re.Pattern[str]
    model: type[ApiModel]
    rows: str = ""


def _form(path: str, model: type[ApiModel], rows: str = "") -> _Form:
    return _Form(re.compile(path.replace("{id}", "[^/]+")), model, rows)


_FORMS = (
    _form("/item", models.Item, "items"),
    _form("/customer", models.Customer, "customers"),
    _form("/customer/{id}", models.CustomerDetail),
    _form("/employee", models.Employee, "employees"),
    _form("/employee/{id}", models.EmployeeDetail),
    _form("/employee/{id}/clock-entries", models.ClockEntry, "weeks"),
    _form("/recurring/account/list", models.RecurringAccount, "accounts"),
    _form("/recurring/account/details/list", models.RecurringAccountDetail, "accounts"),
    _form("/recurring/account/status-list", models.StatusChange, "accounts"),
    _form("/recurring/account/modifications", models.ModifiedAccount, "accounts"),
    _form("/recurring/account/{id}/detail", models.RecurringAccountDetail),
    _form("/washbook/account/list", models.Washbook, "accounts"),
    _form("/washbook/account/{id}/detail", models.WashbookDetail),
    _form("/giftcard-liablilty", models.GiftCard, "giftcards"),
    _form("/sales-outcome/list", models.SalesOutcome, "sales"),
)
_UNCHANGED: Transform = lambda value: value  # noqa: E731 - a function like the others


class ListPolicy:
    """What is kept of the lists: `privacy` as for transactions; `keeps_pay` whether rates of pay are."""

    def __init__(self, privacy: Privacy, *, keeps_pay: bool = True) -> None:
        self.privacy = privacy
        self._forgotten = privacy.forgotten
        self.metadata = {**privacy.metadata, "pay": "keep" if keeps_pay else "drop"}
        #: What an answer was treated by.
        self.scope = {**self.metadata, "forgotten": _mark(privacy.forgotten)}
        self._keeps_everything = privacy.policy is Policy.KEEP
        self._is_used = not (self._keeps_everything and keeps_pay and not privacy.forgotten.digests)
        self._cleaners = {form.model: self._cleaner(form.model, privacy, keeps_pay=keeps_pay) for form in _FORMS}

    def clean(self, path: str, body: bytes) -> bytes:
        """An answer under the policies. ResponseFormatError if it is not JSON, ValueError for an unknown path."""
        if not self._is_used:
            return body
        where = f"GET {path}"
        form = next((form for form in _FORMS if form.path.fullmatch(path)), None)
        if form is None:
            raise ValueError(f"{where}: no policy on personal data is known for this path")
        try:
            answer = parse_json(sanitize(body, where).content, where)
        except ValueError:
            raise ResponseFormatError(f"{where} is not JSON: {len(body)} bytes, not quoted") from None
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            return to_json({"data": blank_like(data)}, inf_nan_mode="strings")
        clean = self._cleaners[form.model]
        return to_json({"data": self._data(data, form, clean) if form.rows else clean(data)}, inf_nan_mode="strings")

    def _data(self, data: dict[str, Any], form: _Form, clean: Transform) -> dict[str, Any]:
        rows = list_of(_week_of(clean) if form.model is models.ClockEntry else clean)
        others = _UNCHANGED if self._keeps_everything else _nothing
        return {
            name if self._keeps_everything else safe_name(name): (
                rows(part) if name == form.rows else part if name in _COUNTS and isinstance(part, int) else others(part)
            )
            for name, part in data.items()
        }

    def _cleaner(self, model: type[ApiModel], privacy: Privacy, *, keeps_pay: bool) -> Transform:
        steps: list[Transform] = []
        if self._forgotten.digests:
            steps.append(_without(self._forgotten, model))
        if model in PAY and not keeps_pay:
            steps.append(_without_pay(model))
        if not self._keeps_everything:
            steps.append(object_of(model, privacy.personal, PERSONAL, IMPERSONAL))

        def clean(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
            for step in steps:
                value = step(value)
            return value

        return clean


def _mark(forgotten: Forgotten) -> str:
    return hashlib.sha256("".join(sorted(forgotten.digests)).encode()).hexdigest()[:_DIGITS]


def _nothing(value: Any) -> None:  # noqa: ANN401 - JSON is any type
    del value


def _week_of(entry: Transform) -> Transform:
    """Entries of a week are in a list of their own."""

    def week(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, dict):
            return blank_like(value)
        return {
            safe_name(name): list_of(entry)(part)
            if name == "clockEntries"
            else part
            if name in _OF_A_WEEK and isinstance(part, str | int | float | None)
            else None
            for name, part in value.items()
        }

    return week


def _without_pay(model: type[ApiModel]) -> Transform:
    """No rates, and no values of fields that the model does not know: one may be a rate."""
    known = {
        spelling: name
        for name, info in model.model_fields.items()
        for spelling in (name, *wire_names(info.validation_alias))
    }

    def transform(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, dict):
            return value
        return {name: None if name not in known or known[name] in PAY[model] else part for name, part in value.items()}

    return transform


def _without(forgotten: Forgotten, model: type[ApiModel]) -> Transform:
    """Rows of forgotten customers without what leads to them; a row of the list of customers gets a mark."""
    number = _customer_number(model)
    if number is None:
        return _UNCHANGED
    erase = object_of(model, dropped, PERSONAL, IMPERSONAL)
    keys = _spellings(model, "customer_id") if model is models.Customer else _spellings(model, "id")
    is_a_customer = model in {models.Customer, models.CustomerDetail}

    def transform(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, dict) or not forgotten.has(found := number(value)):
            return value
        erased = erase(value)
        if is_a_customer:
            mark = FORGOTTEN + forgotten.digest(str(found))[:_DIGITS]
            erased |= {name: mark for name in keys if name in erased}
        return erased

    return transform


def _customer_number(model: type[ApiModel]) -> Callable[[dict[str, Any]], object] | None:
    """How a row of a model says whose it is; None if it does not."""
    if "customer" in model.model_fields:

        def of_the_account(row: dict[str, Any]) -> object:
            customer = row.get("customer")
            return customer.get("id") if isinstance(customer, dict) else None

        return of_the_account
    if model is models.CustomerDetail:
        return lambda row: row.get("id")
    if "customer_id" in model.model_fields:
        return lambda row: row.get("customerId")
    return None


def _spellings(model: type[ApiModel], name: str) -> tuple[str, ...]:
    return wire_names(model.model_fields[name].validation_alias)
