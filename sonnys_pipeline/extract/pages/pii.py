"""Keeps, hashes or drops personal data in pages (`SONNYS_PII`, docs/personal-data.md).

The policy is applied before parsing, so columns, archive, quarantine and messages never contain what it removes.
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
from sonnys_pipeline.extract.pages.forgotten import Forgotten, erase_body

#: Distinguishes hashes from the API's own values.
HASH_PREFIX = "h:"
#: Hexadecimal digits kept of HMAC-SHA256: 128 bits.
HASH_DIGITS = 32
#: Bytes.
MIN_KEY_LENGTH = 16

#: Text about a person, their means of payment or vehicle, per model.
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
#: All other text, about the sale and the site.
IMPERSONAL: Mapping[type[ApiModel], tuple[str, ...]] = {
    TransactionJobItem: ("id", "type", "location_code", "sales_device_name", "transaction_status"),
    TransactionV2ListItem: ("trans_id", "transaction_status"),
    Tender: ("tender", "tender_sub_type"),
    LineItem: ("name", "sku", "department"),
    Discount: ("discount_name", "discount_sku", "applied_to_item_name", "discount_code"),
}

_Transform = Callable[[Any], Any]
#: Replaces text where the model expects none; the models refuse both.
_NOT_KEPT = "?"
#: Field names and job statuses of other forms may contain personal data.
_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_STATUS = re.compile(r"[a-z_-]{1,24}")


class Policy(StrEnum):
    """What happens to personal text."""

    KEEP = "keep"
    HASH = "hash"  # a keyed hash, equal for equal text, so that rows can still be joined
    DROP = "drop"  # null


class Privacy:
    """Applies one policy; `key_fingerprint` identifies the key without revealing it."""

    def __init__(self, policy: Policy = Policy.KEEP, key: bytes = b"", forgotten: Forgotten | None = None) -> None:
        """`key` is used for `HASH` only; `ValueError` if shorter than `MIN_KEY_LENGTH` bytes.

        `forgotten`: customers who are removed under each policy.
        """
        self.forgotten = forgotten or Forgotten()
        if policy is Policy.HASH and len(key) < MIN_KEY_LENGTH:
            raise ValueError(f"hashing needs a key of at least {MIN_KEY_LENGTH} bytes")
        self.policy = policy
        self.key_fingerprint = _fingerprint(key) if policy is Policy.HASH else ""
        # Older files have a fingerprint that is fast to compute.
        self._known_fingerprints = {self.key_fingerprint}
        if policy is Policy.HASH:
            self._known_fingerprints.add(_hmac(key, "key of sonnys-pipeline")[:12])
        personal = partial(_hashed, key) if policy is Policy.HASH else _dropped
        self._personal: _Transform = _kept if policy is Policy.KEEP else personal
        self._rows = _list_of(_object_of(TransactionJobItem, personal))
        self._states = _list_of(_object_of(TransactionV2ListItem, personal))

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata for files written under this policy."""
        return {"pii": self.policy.value, "pii_key": self.key_fingerprint}

    def apply_to_text(self, text: str) -> str | None:
        """A personal value under this policy."""
        return self._personal(text)  # type: ignore[no-any-return] # text, or null

    def apply_to_list(self, body: bytes, where: str = "the answer") -> bytes:
        """As `apply`, for a page of `version-2`."""
        return self._apply(body, "transactions", self._states, where)

    def forget(self, body: bytes, *, is_list: bool = False) -> bytes:
        """A page, as received or as archived, without forgotten customers; the same bytes if it has none (RS-04)."""
        if not self.forgotten.digests:
            return body
        return erase_body(body, self.forgotten.has, is_list=is_list)

    def matches_metadata(self, kept: Mapping[str, str]) -> bool:
        """Whether files with these metadata were written under this policy and key."""
        policy, fingerprint = kept.get("pii", Policy.KEEP.value), kept.get("pii_key", "")
        return policy == self.policy and fingerprint in self._known_fingerprints

    def apply(self, body: bytes, where: str = "the answer") -> bytes:
        """A response of `get-job-data` under this policy; unchanged with `KEEP`.

        Unknown fields keep their name and become null. Values of a wrong type keep only the type, so that the models
        still refuse them. ResponseFormatError names `where`, and does not quote a body that is not JSON.
        """
        return self._apply(body, "data", self._rows, where)

    def _apply(self, body: bytes, rows: str, transform: _Transform, where: str) -> bytes:
        if self.forgotten.digests:
            body = self.forget(sanitize(body, where).content, is_list=rows == "transactions")
        if self.policy is Policy.KEEP:
            return body
        try:
            answer = parse_json(sanitize(body, where).content, where)
        except ValueError:
            raise ResponseFormatError(
                f"{where} is not JSON: {len(body)} bytes, not quoted under SONNYS_PII={self.policy}"
            ) from None
        # JSON has no infinity, so it becomes text; the models refuse both.
        return to_json(self._transform_answer(answer, rows, transform), inf_nan_mode="strings")

    def _transform_answer(self, answer: Any, rows: str, transform: _Transform) -> Any:  # noqa: ANN401 - JSON is any type
        """Keeps the envelope fields of the contract and transforms the rows."""
        if not isinstance(answer, dict):
            return _blank_like(answer)
        page = answer.get("data")
        transformed = dict.fromkeys(map(_safe_name, answer)) | {"data": _blank_like(page)}
        if isinstance(page, dict):
            transformed["data"] = {
                _safe_name(name): transform(value) if name == rows else self._transform_part(name, value)
                for name, value in page.items()
            }
        return transformed

    def _transform_part(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if name == "status":
            return value if isinstance(value, str) and _STATUS.fullmatch(value) else _blank_like(value)
        if name == "hash":
            return value if isinstance(value, str) else _blank_like(value)
        if name in {"total", "limit", "offset"}:
            return value if isinstance(value, int) else _blank_like(value)  # a null `total` means no rows
        return None


def privacy_problem(kept: Mapping[str, str], asked: Privacy) -> str:
    """Why pages kept under other metadata cannot be converted to a policy; empty if they can.

    Plain text can be hashed or dropped, and a hash can be dropped; nothing can be restored.
    """
    policy, key = kept.get("pii", Policy.KEEP.value), kept.get("pii_key", "")
    if asked.matches_metadata(kept) or policy == Policy.KEEP:
        return ""
    if policy == Policy.HASH and asked.policy is Policy.DROP:
        return ""
    if policy == asked.policy:
        return f"it was hashed with another key (fingerprint {key}, now {asked.key_fingerprint})"
    past = "hashed, and a hash cannot be reversed" if policy == Policy.HASH else "dropped"
    return f"its personal data was {past}: it cannot be converted to SONNYS_PII={asked.policy}"


def _hashed(key: bytes, text: str) -> str:
    return HASH_PREFIX + _hmac(key, text)[:HASH_DIGITS] if text else text


def _dropped(text: str) -> str | None:
    return None if text else text


def _kept(text: str) -> str:
    return text


@lru_cache(maxsize=64)
def _fingerprint(key: bytes) -> str:
    """Identifies a key; slow (0.1 s and 32 MB), since it is in every file and guesses must be expensive."""
    digest = hashlib.scrypt(key, salt=b"key of sonnys-pipeline", n=2**15, r=8, p=1, maxmem=2**26, dklen=6)
    return digest.hex()


def _hmac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()


def _object_of(model: type[ApiModel], personal: _Transform) -> _Transform:
    """Transforms objects of a model, by every spelling of its fields. Raises TypeError for a text field in no list."""
    fields: dict[str, _Transform] = {}
    for name, info in model.model_fields.items():
        element = _element(info.annotation)
        if element is not None:
            transformed = _list_of(_object_of(element, personal))
        elif name in PERSONAL.get(model, ()):
            transformed = _text(personal)
        elif name in IMPERSONAL.get(model, ()):
            transformed = _text(_kept)
        elif is_text(info.annotation):
            raise TypeError(f"{model.__name__}.{name} is text: name it in PERSONAL or in IMPERSONAL")
        else:
            transformed = _non_text(TypeAdapter(info.rebuild_annotation()))
        # By its Python name too: the models refuse such a row under every policy.
        fields.update(dict.fromkeys((name, *wire_names(info.validation_alias)), transformed))

    def transform(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, dict):
            return _blank_like(value)
        return {
            name if name in fields else _safe_name(name): fields[name](part) if name in fields else None
            for name, part in value.items()
        }

    return transform


def _list_of(element: _Transform) -> _Transform:
    return lambda value: [element(part) for part in value] if isinstance(value, list) else _blank_like(value)


def _text(transform: _Transform) -> _Transform:
    return lambda value: transform(value) if isinstance(value, str) else _blank_like(value)


def _non_text(adapter: TypeAdapter[Any]) -> _Transform:
    """Keeps numbers, flags and instants; text only if the model accepts it as one of these."""

    def non_text(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, str):
            return value if not isinstance(value, list | dict) else _blank_like(value)
        try:
            adapter.validate_python(value)
        except PydanticValidationError:
            return _NOT_KEPT
        return value

    return non_text


def _safe_name(name: str) -> str:
    """The field name, or a placeholder if it may contain personal data."""
    return name if _NAME.fullmatch(name) else _NOT_KEPT


def _blank_like(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
    """An empty value of the same type."""
    return None if value is None else _NOT_KEPT if isinstance(value, str) else type(value)()


def is_text(annotation: object) -> bool:
    """Whether a field is read as text."""
    return annotation is str or any(is_text(part) for part in get_args(annotation))


def _element(annotation: object) -> type[ApiModel] | None:
    element = next(iter(get_args(annotation)), None) if get_origin(annotation) is list else None
    return element if isinstance(element, type) and issubclass(element, ApiModel) else None
