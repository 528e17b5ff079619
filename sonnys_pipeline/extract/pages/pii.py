"""What is kept of the people in a page: everything, keyed hashes, or nothing (`SONNYS_PII`).

A page is treated before it is parsed. Columns, archive, quarantine and messages are all made of the treated page, so
what a policy takes away is nowhere to be found afterwards. Treated, a page says the same of everything but people.

`docs/personal-data.md` says the same for people; a test compares.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticValidationError
from pydantic_core import to_json

from sonnys_pipeline.client import ResponseFormatError, TransactionJobItem, TransactionV2ListItem
from sonnys_pipeline.client.bodies import parse_json, sanitize
from sonnys_pipeline.client.models import ApiModel, Discount, LineItem, Tender
from sonnys_pipeline.client.spelling import wire_names

#: How a hash can be told from what the API sends.
HASH_PREFIX = "h:"
#: Hexadecimal digits that are kept of HMAC-SHA256: 128 bits.
HASH_DIGITS = 32
#: Bytes that a key must have.
SHORTEST_KEY = 16

#: Text that says who somebody is, what they pay with, or what they drive, per model.
PERSONAL: Mapping[type[ApiModel], tuple[str, ...]] = {
    TransactionJobItem: (
        "customer_name",
        "customer_id",
        "vehicle_license_plate",
        "employee_cashier",
        "employee_greeter",
    ),
    TransactionV2ListItem: ("customer_id",),
    Tender: ("reference_number", "credit_card_last_four", "credit_card_expiration_date"),
}
#: All other text: about the sale, the shop and what is sold in it.
IMPERSONAL: Mapping[type[ApiModel], tuple[str, ...]] = {
    TransactionJobItem: ("id", "type", "location_code", "sales_device_name", "transaction_status"),
    TransactionV2ListItem: ("trans_id", "transaction_status"),
    Tender: ("tender", "tender_sub_type"),
    LineItem: ("name", "sku", "department"),
    Discount: ("discount_name", "discount_sku", "applied_to_item_name", "discount_code"),
}

_Treat = Callable[[Any], Any]
#: What stands for text that is no text of its field: nothing of it is kept, and the models refuse it as before.
_NOT_KEPT = "?"
#: How the name of a field looks; anything else might be anything.
_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
#: The API's words for the state of a job; anything else might be anything, too.
_STATUS = re.compile(r"[a-z_-]{1,24}")


class Policy(StrEnum):
    """What becomes of personal text."""

    KEEP = "keep"  # as received
    HASH = "hash"  # a keyed hash: the same for the same text, so that rows can still be joined by it
    DROP = "drop"  # null


class Privacy:
    """One policy, applied.

    Attributes:
        policy: which.
        key_fingerprint: tells keys apart without telling them; empty where nothing is hashed.
    """

    def __init__(self, policy: Policy = Policy.KEEP, key: bytes = b"") -> None:
        """Prepare; `key` is used for `HASH` only, and kept nowhere but in this object.

        Raises:
            ValueError: for a hash without a key of `SHORTEST_KEY` bytes.
        """
        if policy is Policy.HASH and len(key) < SHORTEST_KEY:
            raise ValueError(f"a key of {SHORTEST_KEY} bytes at least is needed to hash")
        self.policy = policy
        self.key_fingerprint = _fingerprint(key) if policy is Policy.HASH else ""
        # Of files that were made before the fingerprint was slow to compute.
        self._known_fingerprints = {self.key_fingerprint}
        if policy is Policy.HASH:
            self._known_fingerprints.add(_hmac(key, "key of sonnys-pipeline")[:12])
        personal = partial(_hashed, key) if policy is Policy.HASH else _dropped
        self._rows = _list_of(_object_of(TransactionJobItem, personal))
        self._states = _list_of(_object_of(TransactionV2ListItem, personal))

    @property
    def metadata(self) -> dict[str, str]:
        """What stands in the metadata of files that were made under this policy."""
        return {"pii": self.policy.value, "pii_key": self.key_fingerprint}

    def applied_to_list(self, body: bytes, where: str = "the answer") -> bytes:
        """A page of `version-2` as this policy lets it be kept: as `applied`.

        Raises:
            ResponseFormatError: when it is not JSON; nothing of it is quoted.
        """
        return self._applied(body, "transactions", self._states, where)

    def has_made(self, kept: Mapping[str, str]) -> bool:
        """Whether files with these metadata were made under this policy and, where it hashes, with this key."""
        policy, fingerprint = kept.get("pii", Policy.KEEP.value), kept.get("pii_key", "")
        return policy == self.policy and fingerprint in self._known_fingerprints

    def applied(self, body: bytes, where: str = "the answer") -> bytes:
        """An answer of `get-job-data` as this policy lets it be kept; with `KEEP` the very bytes.

        Of a field that no model knows its name is kept and null for its value, since nobody knows what is in it. A
        value that is not of its field's kind keeps that kind alone, so that the models refuse it as before.

        Args:
            body: the answer.
            where: which one it is, for the error.

        Raises:
            ResponseFormatError: when it is not JSON; nothing of it is quoted.
        """
        return self._applied(body, "data", self._rows, where)

    def _applied(self, body: bytes, rows: str, treat: _Treat, where: str) -> bytes:
        if self.policy is Policy.KEEP:
            return body
        try:
            answer = parse_json(sanitize(body, where).content, where)
        except ValueError:
            raise ResponseFormatError(
                f"{where} is not JSON: {len(body)} bytes, not quoted under SONNYS_PII={self.policy}"
            ) from None
        # A number beyond all numbers is written as text, which JSON has; the models refuse it either way.
        return to_json(self._treated_answer(answer, rows, treat), inf_nan_mode="strings")

    def _treated_answer(self, answer: Any, rows: str, treat: _Treat) -> Any:  # noqa: ANN401 - JSON is any type
        """The envelope: of the parts that the contract names machinery is kept, rows are treated."""
        if not isinstance(answer, dict):
            return _emptied(answer)
        page = answer.get("data")
        treated = dict.fromkeys(map(_named, answer)) | {"data": _emptied(page)}
        if isinstance(page, dict):
            treated["data"] = {
                _named(name): treat(value) if name == rows else self._treated_part(name, value)
                for name, value in page.items()
            }
        return treated

    def _treated_part(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if name == "status":
            return value if isinstance(value, str) and _STATUS.fullmatch(value) else _emptied(value)
        if name == "hash":
            return value if isinstance(value, str) else _emptied(value)
        if name in {"total", "limit", "offset"}:
            return value if isinstance(value, int) else _emptied(value)  # a null `total` says something: no rows
        return None


def privacy_problem(kept: Mapping[str, str], asked: Privacy) -> str:
    """Why pages that were kept under other metadata cannot be brought under a policy; empty where they can.

    What was dropped is gone, and a hash does not turn back; the clear can become either, and a hash can be dropped.
    """
    policy, key = kept.get("pii", Policy.KEEP.value), kept.get("pii_key", "")
    if asked.has_made(kept) or policy == Policy.KEEP:
        return ""
    if policy == Policy.HASH and asked.policy is Policy.DROP:
        return ""
    if policy == asked.policy:
        return f"it was hashed under another key (fingerprint {key}, now {asked.key_fingerprint})"
    words = "hashed, and a hash does not turn back" if policy == Policy.HASH else "dropped"
    return f"its personal data was {words}: it cannot be brought under SONNYS_PII={asked.policy}"


def _hashed(key: bytes, text: str) -> str:
    return HASH_PREFIX + _hmac(key, text)[:HASH_DIGITS] if text else text


def _dropped(text: str) -> str | None:
    return None if text else text


def _kept(text: str) -> str:
    return text


@lru_cache(maxsize=64)
def _fingerprint(key: bytes) -> str:
    """Tells keys apart; a guess costs a tenth of a second and 32 MB, for it stands in every file."""
    digest = hashlib.scrypt(key, salt=b"key of sonnys-pipeline", n=2**15, r=8, p=1, maxmem=2**26, dklen=6)
    return digest.hex()


def _hmac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _object_of(model: type[ApiModel], personal: _Treat) -> _Treat:
    """Treats objects that a model reads, by every spelling that it takes a field in.

    Raises:
        TypeError: for a text field that is neither personal nor impersonal, so that a new one cannot slip through.
    """
    fields: dict[str, _Treat] = {}
    for name, info in model.model_fields.items():
        element = _element(info.annotation)
        if element is not None:
            treated = _list_of(_object_of(element, personal))
        elif name in PERSONAL.get(model, ()):
            treated = _text(personal)
        elif name in IMPERSONAL.get(model, ()):
            treated = _text(_kept)
        elif is_text(info.annotation):
            raise TypeError(f"{model.__name__}.{name} is text: name it in PERSONAL or in IMPERSONAL")
        else:
            treated = _no_text(TypeAdapter(info.rebuild_annotation()))
        # By our name, too: a row that has it is refused, and the refusal must not depend on the policy.
        fields.update(dict.fromkeys((name, *wire_names(info.validation_alias)), treated))

    def object_(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, dict):
            return _emptied(value)
        return {
            name if name in fields else _named(name): fields[name](part) if name in fields else None
            for name, part in value.items()
        }

    return object_


def _list_of(element: _Treat) -> _Treat:
    return lambda value: [element(part) for part in value] if isinstance(value, list) else _emptied(value)


def _text(treat: _Treat) -> _Treat:
    return lambda value: treat(value) if isinstance(value, str) else _emptied(value)


def _no_text(adapter: TypeAdapter[Any]) -> _Treat:
    """Numbers, flags and instants: as they are. As text they are kept only where the model takes the text for one."""

    def no_text(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, str):
            return value if not isinstance(value, list | dict) else _emptied(value)
        try:
            adapter.validate_python(value)
        except PydanticValidationError:
            return _NOT_KEPT
        return value

    return no_text


def _named(name: str) -> str:
    """The name of a field, where it looks like one; nothing of it otherwise."""
    return name if _NAME.fullmatch(name) else _NOT_KEPT


def _emptied(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
    """A value of the same kind with nothing in it."""
    return None if value is None else _NOT_KEPT if isinstance(value, str) else type(value)()


def is_text(annotation: object) -> bool:
    """Whether a field is read as text."""
    return annotation is str or any(is_text(part) for part in get_args(annotation))


def _element(annotation: object) -> type[ApiModel] | None:
    """The model that a list is made of; `None` for what is no such list."""
    element = next(iter(get_args(annotation)), None) if get_origin(annotation) is list else None
    return element if isinstance(element, type) and issubclass(element, ApiModel) else None
