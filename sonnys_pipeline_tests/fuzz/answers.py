"""Answers as an API, a gateway or an attacker may send them: honest ones, changed step by step where it may hurt."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

#: Stands in every personal value that is sent: wherever it is found afterwards, something personal was told.
PERSONAL = "Zq7"
#: The API's own words for errors; its messages are quoted under every policy, since they are about our requests.
_API_TYPES = ["PayloadValidationError", "EntityNotFoundError", "ServerUnexpectedFailure", "BadClientCredentialsError",
              "UnexpectedFailure", "NotAuthorizedSiteArgsError"]  # fmt: skip
_ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b1m\u202e"


@dataclass(frozen=True)
class Sent:
    """One answer on its way: `document` is written as JSON unless `raw` has taken its place."""

    document: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    @property
    def body(self) -> bytes:
        """The bytes that are sent."""
        return json.dumps(self.document).encode() if self.raw is None else self.raw


Change = Callable[[Sent], Sent]


@dataclass(frozen=True)
class Step:
    """One change, with a name that hypothesis can print."""

    name: str
    details: tuple[Any, ...]
    change: Change = field(repr=False, compare=False)


texts = st.one_of(
    st.sampled_from(["", " ", _ESCAPES, "2026-03-10T12:00:00Z", "0001-01-01T00:00:00Z", "12", "1e5", "NaN", "true",
                     "\ud83d", "\udc00x", "\x00", "=1+1", "<script>", "x" * 5000, "<!channel>"]),
    st.text(alphabet=st.characters(exclude_categories=()), max_size=12),
)  # fmt: skip
numbers = st.one_of(
    st.integers(-3, 300),
    st.sampled_from(
        [0, -1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**16, 10**40, 10**400, 1e16, 1e308, -1e7, 1e7 + 1]
    ),
    st.floats(),
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "id", "extra"]), inner, max_size=3)
    ),
    max_leaves=10,
)
_FIELDS = ["id", "number", "type", "completeDate", "locationCode", "salesDeviceName", "total", "tenders", "items",
           "customerName", "customerId", "vehicleLicensePlate", "employeeCashier", "discount", "isPrepaidSale",
           "transactionStatus", "transId", "transNumber", "date", "code", "name", "timezone", "siteID"]  # fmt: skip
_PARTS = {
    "tenders": ["tender", "amount", "change", "total", "referenceNumber", "creditCardLastFour"],
    "items": ["name", "sku", "department", "quantity", "gross", "net", "discount", "tax", "additionalFee", "isVoided"],
    "discount": ["discountName", "discount", "discountAmount", "discountCode"],
}
_OTHER_NAMES = ["discounts", "location_code", "customer_id", "is_voided", "extra", "data", "new", "loyaltyTier",
                f"{PERSONAL} Lee", _ESCAPES, "", "x" * 300]  # fmt: skip
_ENVELOPE = ["hash", "status", "data", "offset", "limit", "total", "transactions", "sites", "new"]


def rows_of(document: Any) -> list[Any]:
    """The rows in an answer, wherever they stand."""
    data = document.get("data") if isinstance(document, dict) else None
    for key in ("data", "transactions", "sites"):
        if isinstance(data, dict) and isinstance(data.get(key), list):
            rows: list[Any] = data[key]
            return rows
    return []


def _on_rows(change: Callable[[list[Any]], None]) -> Change:
    def apply(sent: Sent) -> Sent:
        document = copy.deepcopy(sent.document)
        rows = rows_of(document)
        if rows:
            change(rows)
        return replace(sent, document=document)

    return apply


def _on_row(place: int, change: Callable[[dict[str, Any]], None]) -> Change:
    def apply(rows: list[Any]) -> None:
        row = rows[place % len(rows)]
        if isinstance(row, dict):
            change(row)

    return _on_rows(apply)


def _on_envelope(change: Callable[[dict[str, Any]], None]) -> Change:
    def apply(sent: Sent) -> Sent:
        document = copy.deepcopy(sent.document)
        if isinstance(document, dict) and isinstance(document.get("data"), dict):
            change(document["data"])
        return replace(sent, document=document)

    return apply


@st.composite
def row_steps(draw: st.DrawFn) -> Step:
    """One row is another than it should be."""
    place = draw(st.integers(0, 120))
    kind = draw(st.sampled_from(["set", "drop", "part", "add", "again", "again differently", "remove", "replace"]))
    if kind == "set":
        name, value = draw(st.sampled_from(_FIELDS)), draw(values)
        return Step(kind, (place, name, value), _on_row(place, lambda row: row.update({name: value})))
    if kind == "drop":
        name = draw(st.sampled_from(_FIELDS))
        return Step(kind, (place, name), _on_row(place, lambda row: row.pop(name, None)))
    if kind == "part":
        part = draw(st.sampled_from(sorted(_PARTS)))
        name, value = draw(st.sampled_from([*_PARTS[part], "new"])), draw(values)

        def set_part(row: dict[str, Any]) -> None:
            parts = row.get(part)
            if isinstance(parts, list):
                row[part] = [{**(parts[0] if parts and isinstance(parts[0], dict) else {}), name: value}, *parts[1:]]

        return Step(kind, (place, part, name, value), _on_row(place, set_part))
    if kind == "add":
        name, value = draw(st.sampled_from(_OTHER_NAMES)), draw(values)
        return Step(kind, (place, name, value), _on_row(place, lambda row: row.update({name: value})))
    if kind == "replace":
        value = draw(values)
        return Step(kind, (place, value), _on_rows(lambda rows: rows.__setitem__(place % len(rows), value)))
    if kind == "remove":
        return Step(kind, (place,), _on_rows(lambda rows: rows.pop(place % len(rows))))

    def again(rows: list[Any]) -> None:
        copied = copy.deepcopy(rows[place % len(rows)])
        if kind == "again differently" and isinstance(copied, dict):
            copied["total"] = 0.5
        rows.append(copied)

    return Step(kind, (place,), _on_rows(again))


@st.composite
def envelope_steps(draw: st.DrawFn) -> Step:
    """What stands around the rows is another than it should be."""
    kind = draw(st.sampled_from(["envelope", "missing", "total", "whole", "beside", "counted twice"]))
    if kind == "envelope":
        name, value = draw(st.sampled_from(_ENVELOPE)), draw(values | st.sampled_from(["pass", "fail", "working"]))
        return Step(kind, (name, value), _on_envelope(lambda data: data.update({name: value})))
    if kind == "missing":
        name = draw(st.sampled_from(_ENVELOPE))
        return Step(kind, (name,), _on_envelope(lambda data: data.pop(name, None)))
    if kind == "total":
        value = draw(numbers | st.none() | st.sampled_from(["3", True, [], 90_000, 10**8, 10**12]))
        return Step(kind, (value,), _on_envelope(lambda data: data.update(total=value)))
    if kind == "counted twice":

        def twice(data: dict[str, Any]) -> None:
            rows = rows_of({"data": data})
            if rows and isinstance(data.get("total"), int):
                rows.append(copy.deepcopy(rows[0]))
                data["total"] += 1

        return Step(kind, (), _on_envelope(twice))
    if kind == "whole":
        value = draw(values)
        return Step(kind, (value,), lambda sent: replace(sent, document=value))
    name, value = draw(st.sampled_from(_OTHER_NAMES)), draw(values)
    return Step(
        kind,
        (name, value),
        lambda sent: replace(
            sent, document={**sent.document, name: value} if isinstance(sent.document, dict) else value
        ),
    )


@st.composite
def byte_steps(draw: st.DrawFn) -> Step:
    """The bytes are others than the document's."""
    kind = draw(st.sampled_from(_OF_BYTES))
    place = draw(st.integers(0, 10_000))
    junk = draw(st.binary(min_size=1, max_size=4))
    size = draw(st.sampled_from([10, 63, 65, 3_000, 30_000]))

    def change(sent: Sent) -> Sent:
        body = sent.body
        at = place % (len(body) + 1)
        name = PERSONAL.encode()
        made = {
            "cut": lambda: body[:at],
            "bom": lambda: b"\xef\xbb\xbf" + body,
            "insert": lambda: body[:at] + junk + body[at:],
            "half": lambda: body.replace(name, name + rb"\ud83d", 1 + place % 3),
            "latin": lambda: body.replace(name, name + b"\xe9", 1 + place % 3),
            "not a number": lambda: body.replace(
                b"19.49", [b"NaN", b"Infinity", b"1e999", b"-1e999", b"00"][place % 5]
            ),
            "deep": lambda: body.replace(b'"Sale"', b"[" * size + b"]" * size, 1),
            "wide": lambda: body.replace(b'"type"', b",".join(b'"n%d":1' % n for n in range(size)) + b',"type"', 1),
            "digits": lambda: body.replace(b"19.49", b"1" + b"0" * size, 1),
            "html": lambda: b"<html>" + name + b"\x1b[2J</html>",
            "twice": lambda: body + body,
            "again": lambda: body.replace(b'"total"', b'"total": 1, "total"', 1 + place % 4),
        }[kind]()
        return replace(sent, raw=made)

    return Step(kind, (place, junk, size), change)


@st.composite
def http_steps(draw: st.DrawFn) -> Step:
    """The answer is another one, or is packed in another way than it says."""
    kind = draw(st.sampled_from(["status", "page", "error", "redirect", "encoding", "gzip", "header"]))
    status = draw(
        st.sampled_from([201, 203, 204, 206, 226, 300, 304, 400, 401, 403, 404, 418, 422, 429, 500, 502, 599])
    )
    error_type = draw(st.sampled_from([*_API_TYPES, PERSONAL + " x", _ESCAPES]) | texts)
    message = draw(values)
    location = draw(st.sampled_from([f"https://{PERSONAL.lower()}.test/", "//[", "/login", _ESCAPES]))
    encoding = draw(st.sampled_from(["gzip", "br", "gzip, gzip", _ESCAPES]))

    def change(sent: Sent) -> Sent:
        if kind == "status":
            return replace(sent, status=status)
        if kind == "page":
            return replace(sent, status=status, raw=f"<h1>{PERSONAL} {_ESCAPES}</h1>".encode())
        if kind == "error":
            # What the API itself says may be quoted; what only looks like it may not.
            said = {"message": message, "messages": [message]} if error_type in _API_TYPES else {"message": PERSONAL}
            return replace(
                sent, status=status, raw=json.dumps({"type": error_type, **said, "code": "x" * 500}).encode()
            )
        if kind == "redirect":
            return replace(sent, status=302, headers={"Location": location})
        if kind == "encoding":
            return replace(sent, headers={"Content-Encoding": encoding})
        if kind == "gzip":
            return replace(sent, raw=gzip.compress(sent.body), headers={"Content-Encoding": "gzip"})
        return replace(sent, headers={"Date": _ESCAPES, "X-Junk": "x" * 5000})

    return Step(kind, (status, error_type, message, location, encoding), change)


_OF_BYTES = [
    "cut",
    "bom",
    "insert",
    "half",
    "latin",
    "not a number",
    "deep",
    "wide",
    "digits",
    "html",
    "twice",
    "again",
]
_STATUSES = [201, 203, 204, 206, 226, 300, 304, 400, 401, 403, 404, 418, 422, 429, 500, 502, 599]
_NO_NUMBERS = [b"NaN", b"Infinity", b"1e999", b"-1e999", b"00"]
#: One to three changes, one after the other.
steps = st.lists(
    st.one_of(row_steps(), row_steps(), envelope_steps(), byte_steps(), http_steps()), min_size=1, max_size=3
)


def changed(honest: Sent, drawn: list[Step]) -> Sent:
    """An answer after its changes; those of the document come before those of its bytes."""
    for step in drawn:
        honest = step.change(honest)
    return honest
