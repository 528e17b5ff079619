"""Response bodies before parsing: repairs their text and limits their shape."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from sonnys_pipeline.client.errors import ResponseFormatError

#: Levels of nesting; rows have 5. Arrow's reader crashes the process at some thousand levels.
MAX_DEPTH = 64
#: Different field names; rows have some 50, and each new one becomes a column.
MAX_FIELD_NAMES = 1_000
#: Strings, lists and objects; a page of 100 large rows has some 20,000.
MAX_PARTS = 500_000
#: Digits of a number; the time to parse one grows faster than its length.
MAX_DIGITS = 1_000

#: A string, and a string followed by a colon (a field name); possessive, so that no input makes them slow.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NAME = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:', re.DOTALL)
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * (MAX_DIGITS + 1)
_NO_BRACKETS = bytes(sign for sign in range(256) if sign not in b"[]{}")
#: One escape: a surrogate pair, a lone surrogate (group 1), or any other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_LONE_SURROGATE = 1
_LOOKS_LIKE_A_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class SanitizedBody:
    """A body that is safe to parse: UTF-8 without byte order mark; `replaced` counts U+FFFD put in."""

    content: bytes
    replaced: int = 0


def sanitize(content: bytes, where: str = "") -> SanitizedBody:
    """Repair the text of a body and check its shape; `where` names the request for errors.

    Invalid UTF-8 and lone surrogates become U+FFFD: a truncated name is no reason to lose a day. `ResponseFormatError`,
    without quoting the body, for too deep nesting, too many fields, or a number too long.
    """
    content, replaced = _repaired(content.removeprefix(codecs.BOM_UTF8))
    if problem := _shape_problem(content):
        raise ResponseFormatError(f"{where or 'the answer'}: {problem}; it was discarded")
    return SanitizedBody(content, replaced)


def parse_json(content: bytes, where: str) -> Any:  # noqa: ANN401 - JSON is any type
    """The JSON document in a sanitized body; `ValueError` when it is not JSON.

    `ResponseFormatError` when an object has a field twice, since parsers differ in which one they take.
    """

    def refuse_duplicates(fields: list[tuple[str, Any]]) -> None:
        known: set[str] = set()
        for name, _ in fields:
            if name in known:
                named = f"the field {name}" if _LOOKS_LIKE_A_NAME.fullmatch(name) else "a field"
                raise ResponseFormatError(f"{where}: {named} occurs twice in one object; the answer was discarded")
            known.add(name)

    document = from_json(content, allow_inf_nan=False)
    json.loads(content, object_pairs_hook=refuse_duplicates)
    return document


def _repaired(content: bytes) -> tuple[bytes, int]:
    replaced = 0
    try:
        content.decode()
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
        replaced = text.count(_REPLACEMENT) - content.count(_REPLACEMENT.encode())
        content = text.encode()
    # One byte is found a hundred times as fast as two, and most bodies have no escape.
    if b"\\" in content and (b"\\ud" in content or b"\\uD" in content):
        lone = 0

        def replace_lone(escape: re.Match[bytes]) -> bytes:
            nonlocal lone
            if escape[_LONE_SURROGATE] is None:
                return escape[0]
            lone += 1
            return rb"\ufffd"

        content = _ESCAPE.sub(replace_lone, content)
        replaced += lone
    return content, replaced


def _shape_problem(content: bytes) -> str:
    if max(content.count(b'"') // 2, content.count(b"[") + content.count(b"{")) > MAX_PARTS:
        return f"it has more than {MAX_PARTS:,} parts"
    bare, names = _taken_apart(content)  # brackets in strings do not count
    depth = 0
    for bracket in bare.translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            return f"it is nested more than {MAX_DEPTH} levels deep"
    if names > MAX_FIELD_NAMES:
        return f"it has more than {MAX_FIELD_NAMES:,} different fields"
    return f"a number has more than {MAX_DIGITS:,} digits" if _LONG_NUMBER in bare.translate(_DIGITS_AS_ZERO) else ""


def _taken_apart(content: bytes) -> tuple[bytes, int]:
    """The body without its strings, and how many different field names it has.

    Other strings are counted with the names as long as all of them are few.
    """
    escapes = b"\\" in content and (b'\\"' in content or b"\\\\" in content)
    if not escapes:  # each quote begins or ends a string
        parts = content.split(b'"')
        outside, strings = parts[::2], parts[1::2]
        if len(outside) > len(strings):
            names = len(set(strings))
            if names > MAX_FIELD_NAMES:
                followed = set(zip(strings, outside[1:], strict=True))
                names = len({name for name, after in followed if after.lstrip().startswith(b":")})
            return b"".join(outside), names
    return _STRING.sub(b"", content), len(set(_NAME.findall(content)))
