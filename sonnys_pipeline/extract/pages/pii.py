"""Keeps, hashes or drops personal data in pages (`SONNYS_PII`, docs/personal-data.md).

The policy is applied before parsing, so columns, archive, quarantine and messages never contain what it removes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any

from pydantic_core import to_json

from sonnys_pipeline.client import ResponseFormatError, TransactionJobItem, TransactionV2ListItem
from sonnys_pipeline.client.bodies import parse_json, sanitize
from sonnys_pipeline.client.models import ApiModel, Discount, LineItem, Tender
from sonnys_pipeline.extract.pages.forgotten import Forgotten, erase_body
from sonnys_pipeline.extract.pages.transforms import Transform, blank_like, list_of, object_of, safe_name

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

#: Job statuses of other forms may contain personal data.
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
        changed = partial(_hashed, key) if policy is Policy.HASH else dropped
        self.personal: Transform = kept if policy is Policy.KEEP else changed
        # What cleans a list of rows, by its name in a page; a policy that keeps everything needs none.
        self._cleaners: dict[str, Transform] = {}
        if policy is not Policy.KEEP:
            for rows, model in (("data", TransactionJobItem), ("transactions", TransactionV2ListItem)):
                self._cleaners[rows] = list_of(object_of(model, changed, PERSONAL, IMPERSONAL))

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata for files written under this policy."""
        return {"pii": self.policy.value, "pii_key": self.key_fingerprint}

    def apply_to_text(self, text: str) -> str | None:
        """A personal value under this policy."""
        return self.personal(text)  # type: ignore[no-any-return] # text, or null

    def apply_to_list(self, body: bytes, where: str = "the answer") -> bytes:
        """As `apply`, for a page of `version-2`."""
        return self._apply(body, "transactions", where)

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
        return self._apply(body, "data", where)

    def _apply(self, body: bytes, rows: str, where: str) -> bytes:
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
        return to_json(self._transform_answer(answer, rows, self._cleaners[rows]), inf_nan_mode="strings")

    def _transform_answer(self, answer: Any, rows: str, transform: Transform) -> Any:  # noqa: ANN401 - JSON is any type
        """Keeps the envelope fields of the contract and transforms the rows."""
        if not isinstance(answer, dict):
            return blank_like(answer)
        page = answer.get("data")
        transformed = dict.fromkeys(map(safe_name, answer)) | {"data": blank_like(page)}
        if isinstance(page, dict):
            transformed["data"] = {
                safe_name(name): transform(value) if name == rows else self._transform_part(name, value)
                for name, value in page.items()
            }
        return transformed

    def _transform_part(self, name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if name == "status":
            return value if isinstance(value, str) and _STATUS.fullmatch(value) else blank_like(value)
        if name == "hash":
            return value if isinstance(value, str) else blank_like(value)
        if name in {"total", "limit", "offset"}:
            return value if isinstance(value, int) else blank_like(value)  # a null `total` means no rows
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


def dropped(text: str) -> str | None:
    """Null instead of text."""
    return None if text else text


def kept(text: str) -> str:
    """The text as it is."""
    return text


@lru_cache(maxsize=64)
def _fingerprint(key: bytes) -> str:
    """Identifies a key; slow (0.1 s and 32 MB), since it is in every file and guesses must be expensive."""
    digest = hashlib.scrypt(key, salt=b"key of sonnys-pipeline", n=2**15, r=8, p=1, maxmem=2**26, dklen=6)
    return digest.hex()


def _hmac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode(), "sha256").hex()
