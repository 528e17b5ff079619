"""A body that came from outside, before any parser sees it: its text mended, its shape bounded."""

from __future__ import annotations

import codecs
import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from sonnys_pipeline.client.errors import ResponseFormatError

#: How deep an answer may be nested; rows are 5 deep. Arrow's reader ends the process some thousand levels down.
DEEPEST = 64
#: How many different names of fields an answer may have; rows have some 50. Each new one is a column to a reader.
MOST_NAMES = 1_000
#: How many strings, lists and objects may stand in an answer; a page of 100 large rows has some 20,000.
MOST_PARTS = 500_000
#: Digits of a number; nothing that is counted or paid has more than 20, and reading longer ones takes ever longer.
MOST_DIGITS = 1_000

#: Possessive, so that no text makes them slow: a string, a string with the colon of a name behind it.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NAME = re.compile(rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (MOST_DIGITS + 1))
_NO_BRACKETS = bytes(sign for sign in range(256) if sign not in b"[]{}")
#: Escapes, one at a time: a pair of surrogates, one without its other half, any other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_HALF = 1
_LOOKS_LIKE_A_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class SoundBody:
    """A body that parsers may see.

    Attributes:
        content: UTF-8, without a byte order mark.
        replaced: places in its text where U+FFFD stands for what was no character.
    """

    content: bytes
    replaced: int = 0


def sound(content: bytes, where: str = "") -> SoundBody:
    """Mend the text of a body and check its shape.

    Bytes that are no UTF-8, and halves of surrogate pairs, become U+FFFD: a name cut in the middle is no reason to do
    without a day. A byte order mark is left out.

    Args:
        content: as it came, already bounded in length.
        where: what was asked, for the error.

    Raises:
        ResponseFormatError: for a body that is nested too deep, has too many fields, or an endless number; nothing of
            it is quoted.
    """
    content, replaced = _mended(content.removeprefix(codecs.BOM_UTF8))
    if problem := _shape_problem(content):
        raise ResponseFormatError(f"{where or 'the answer'}: {problem}; nothing was read of it")
    return SoundBody(content, replaced)


def decoded(content: bytes, where: str) -> Any:  # noqa: ANN401 - JSON is any type
    """The document in a sound body.

    Raises:
        ValueError: when it is not JSON.
        ResponseFormatError: when an object has a field twice: parsers take one of the two, and each its own.
    """

    def once(fields: list[tuple[str, Any]]) -> None:
        known: set[str] = set()
        for name, _ in fields:
            if name in known:
                named = f"the field {name}" if _LOOKS_LIKE_A_NAME.fullmatch(name) else "a field"
                raise ResponseFormatError(f"{where}: {named} stands twice in one object; nothing was read of it")
            known.add(name)

    document = from_json(content, allow_inf_nan=False)
    json.loads(content, object_pairs_hook=once)
    return document


def _mended(content: bytes) -> tuple[bytes, int]:
    replaced = 0
    try:
        content.decode()
    except UnicodeDecodeError:
        text = content.decode("utf-8", "replace")
        replaced = text.count(_REPLACEMENT) - content.count(_REPLACEMENT.encode())
        content = text.encode()
    if b"\\ud" in content or b"\\uD" in content:
        halves = 0

        def whole(escape: re.Match[bytes]) -> bytes:
            nonlocal halves
            if escape[_HALF] is None:
                return escape[0]
            halves += 1
            return rb"\ufffd"

        content = _ESCAPE.sub(whole, content)
        replaced += halves
    return content, replaced


def _shape_problem(content: bytes) -> str:
    """What is wrong with the shape of a body; empty where nothing is."""
    if max(content.count(b'"') // 2, content.count(b"[") + content.count(b"{")) > MOST_PARTS:
        return f"it has more than {MOST_PARTS:,} parts"
    bare = _STRING.sub(b"", content)  # brackets in text nest nothing
    depth = 0
    for bracket in bare.translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            return f"it is nested more than {DEEPEST} deep"
    if len(set(_NAME.findall(content))) > MOST_NAMES:
        return f"it has more than {MOST_NAMES:,} different fields"
    return f"a number has more than {MOST_DIGITS:,} digits" if _LONG_NUMBER.search(bare) else ""
