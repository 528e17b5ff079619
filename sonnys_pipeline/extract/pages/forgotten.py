"""Persons whose data must not be kept any more: their rows stay as sales, without the person (docs/personal-data.md).

A person is known by the customer number alone. The list holds salted digests, never a number, name or plate.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from sonnys_pipeline.client import TransactionJobItem, TransactionV2ListItem
from sonnys_pipeline.client.bodies import parse_json
from sonnys_pipeline.client.models import ApiModel, Tender
from sonnys_pipeline.client.spelling import wire_names

#: Columns about the customer; the names of employees are those of other people.
OF_THE_CUSTOMER = ("customer_name", "customer_id", "vehicle_license_plate")
#: Fields of a payment that lead to the customer.
OF_THE_TENDER = ("reference_number", "credit_card_last_four", "credit_card_expiration_date")


def _spellings(model: type[ApiModel], names: tuple[str, ...]) -> tuple[str, ...]:
    fields = {name: info for name, info in model.model_fields.items() if name in names}
    return tuple(part for name, info in fields.items() for part in (name, *wire_names(info.validation_alias)))


_IDS = _spellings(TransactionJobItem, ("customer_id",)) + _spellings(TransactionV2ListItem, ("customer_id",))
_CUSTOMER, _TENDER = _spellings(TransactionJobItem, OF_THE_CUSTOMER), _spellings(Tender, OF_THE_TENDER)
_TENDERS = _spellings(TransactionJobItem, ("tenders",))
#: Names of all these fields, in columns and in the API's JSON.
PERSONAL_NAMES = tuple(dict.fromkeys((*_IDS, *_CUSTOMER, *_TENDER)))
_KNOWN: Mapping[type[ApiModel], frozenset[str]] = {
    model: frozenset(_spellings(model, tuple(model.model_fields)))
    for model in (TransactionJobItem, TransactionV2ListItem, Tender)
}


@dataclass(frozen=True)
class Forgotten:
    """The list: HMAC-SHA256 of customer numbers with `salt`, as hexadecimal text."""

    salt: bytes = b""
    digests: frozenset[str] = frozenset()

    def digest(self, number: str) -> str:
        """The digest of a customer number, or of its hash under SONNYS_PII=hash."""
        return hmac.digest(self.salt, number.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()

    def has(self, number: object) -> bool:
        """Whether a customer number is on the list."""
        return bool(self.digests) and _is_given(number) and self.digest(str(number)) in self.digests


def customer_of(row: Mapping[str, Any]) -> str | None:
    """The customer number of a row of the API, in any spelling."""
    return next((str(row[name]) for name in _IDS if _is_given(row.get(name))), None)


def tenders_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The payments of a row, of the API or of the lake."""
    lists = (row[name] for name in _TENDERS if isinstance(row.get(name), list))
    return [one for part in lists for one in part if isinstance(one, dict)]


def personal_values(row: Mapping[str, Any]) -> set[str]:
    """All text of a row, of the API or of the lake, that leads to its customer."""
    parts = [(row, (*_CUSTOMER, *_IDS)), *((tender, _TENDER) for tender in (row, *tenders_of(row)))]
    return {str(part[name]) for part, names in parts for name in names if _is_given(part.get(name))}


def erase_row(row: Mapping[str, Any], model: type[ApiModel] = TransactionJobItem) -> dict[str, Any]:
    """A row of the API without its customer; fields that the model does not know become null, too."""
    erased = _erase(row, model, (*_CUSTOMER, *_IDS))
    for name in _TENDERS:
        if isinstance(erased.get(name), list):
            erased[name] = [_erase(one, Tender, _TENDER) if isinstance(one, dict) else one for one in erased[name]]
    return erased


def erase_body(body: bytes, is_theirs: Callable[[str | None], bool], *, is_list: bool = False) -> bytes:
    """A page without the customers that `is_theirs` accepts; the same bytes if it has none of them.

    `is_list`: a page of `version-2` instead of a load job's.
    """
    name, model = ("transactions", TransactionV2ListItem) if is_list else ("data", TransactionJobItem)
    try:
        answer = parse_json(body, "the page")
    except ValueError:
        return body  # not JSON: the reader refuses it
    page = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(page, dict) or not isinstance(rows := page.get(name), list):
        return body
    mine = [isinstance(row, dict) and is_theirs(customer_of(row)) for row in rows]
    if not any(mine):
        return body
    page[name] = [erase_row(row, model) if found else row for row, found in zip(rows, mine, strict=True)]
    return to_json(answer, inf_nan_mode="strings")


def read_list(content: bytes) -> Forgotten:
    """The list from its file. Raises ValueError if it is not one."""
    kept = json.loads(content)
    if not isinstance(kept, dict) or not {"salt", "digests"} <= kept.keys():
        raise ValueError("not a list of forgotten customers")
    return Forgotten(bytes.fromhex(kept["salt"]), frozenset(kept["digests"]))


def write_list(forgotten: Forgotten) -> bytes:
    """The list as the content of its file."""
    return json.dumps({"salt": forgotten.salt.hex(), "digests": sorted(forgotten.digests)}, indent=1).encode()


def _is_given(value: object) -> bool:
    """Whether a field has a value; it may be of any JSON type."""
    return value is not None and value != ""


def _erase(part: Mapping[str, Any], model: type[ApiModel], names: tuple[str, ...]) -> dict[str, Any]:
    known = _KNOWN[model]
    return {name: None if name in names or name not in known else value for name, value in part.items()}
