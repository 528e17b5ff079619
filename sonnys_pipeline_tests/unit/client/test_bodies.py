"""Bodies are repaired and limited before parsing: invalid UTF-8, depth, width, long numbers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.client import ResponseFormatError
from sonnys_pipeline.client.bodies import MAX_DEPTH, MAX_DIGITS, MAX_FIELD_NAMES, sanitize
from sonnys_pipeline.client.transport import Response


@pytest.mark.parametrize(
    ("content", "text", "replaced"),
    [
        (rb'"Zo\ud83d"', "Zo\ufffd", 1),
        (rb'"\ude00\uD83D x"', "\ufffd\ufffd x", 2),
        (rb'"\ud83d\ude00"', "😀", 0),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀", 1),
        (rb'"\\ud83d"', r"\ud83d", 0),
        (rb'"\\\ud83d"', "\\\ufffd", 1),
        (b'"Jos\xe9"', "Jos\ufffd", 1),
        (b'"\xf0\x9f\x98 \xff"', "\ufffd \ufffd", 2),
        ('"\ufffd"'.encode(), "\ufffd", 0),
        (b'\xef\xbb\xbf"Jos\xe9"', "Jos\ufffd", 1),
        (b'\xef\xbb\xbf"x"', "x", 0),
    ],
)
def test_what_is_no_character_is_replaced_and_counted(content: bytes, text: str, replaced: int) -> None:
    """U+FFFD stands for it; what only looks like half a pair, and a mark before the body, cost nothing."""
    clean = sanitize(content)
    assert (json.loads(clean.content), clean.replaced) == (text, replaced)
    assert Response(200, content).json() == text


@given(st.recursive(st.text(alphabet=st.characters()) | st.integers(-(10**30), 10**30), st.lists, max_leaves=20))
def test_whole_text_stays_as_it_is(document: Any) -> None:
    """Any JSON of whole characters, escaped or not, comes out byte for byte."""
    for ascii_only in (True, False):
        content = json.dumps(document, ensure_ascii=ascii_only).encode()
        assert sanitize(content) == type(sanitize(content))(content, 0)


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=8))
def test_any_text_can_be_read_afterwards(text: str) -> None:
    """Halves wherever they stand: each becomes one U+FFFD, and nothing else changes."""
    clean = sanitize(json.dumps(text).encode())
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(clean.content).replace("\ufffd", "") == whole.replace("\ufffd", "")
    json.loads(clean.content).encode()


def test_a_broken_answer_is_told_before_any_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word each, and quick: what kills a reader never reaches one."""
    monkeypatch.setattr("sonnys_pipeline.client.transport.from_json", None)
    for content, said in {
        b"[" * 10**5: f"nested more than {MAX_DEPTH} levels deep",
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000: f"nested more than {MAX_DEPTH} levels deep",
        json.dumps(
            {f"n{number}": 1 for number in range(MAX_FIELD_NAMES + 1)}
        ).encode(): "more than 1,000 different fields",
        b'[""' + b',""' * 600_000 + b"]": "more than 500,000 parts",
        b'{"total": 1' + b"0" * MAX_DIGITS + b"}": "more than 1,000 digits",
    }.items():
        with pytest.raises(ResponseFormatError, match=f"load job h1: .*{said}; it was discarded"):
            Response(200, content, where="load job h1").json()


def test_depth_in_text_is_none() -> None:
    """Brackets in a name nest nothing; a page may be as deep as the bound."""
    assert Response(200, json.dumps(["[" * 100, '"{' * 100, "\\" * 101]).encode()).json()[0] == "[" * 100
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert sanitize(deep).content == deep


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b'{"data": {"status": "pass", "status": "fail"}}', "the field status"),
        (rb'[{"total": 1, "x": {}, "tot\u0061l": 10000}]', "the field total"),
        (b'{"Zoe Lee": 1, "Zoe Lee": 2}', "a field"),
    ],
)
def test_a_field_that_stands_there_twice_is_refused(content: bytes, named: str) -> None:
    """Of two values one would win, and the next reader might take the other."""
    with pytest.raises(ResponseFormatError, match=f"load job h1: {named} occurs twice in one object"):
        Response(200, content, where="load job h1").json()
    assert Response(200, b'[{"id": 1}, {"id": 2}, {"a": {"id": 3}, "id": 4}]').json()[2]["id"] == 4
