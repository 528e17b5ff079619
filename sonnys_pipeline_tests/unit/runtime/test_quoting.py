"""Text that others wrote, as it is shown: it acts on no terminal, and holds nobody's password."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.runtime.quoting import printable, printable_lines, quoted, sentence, without_user_info, word

any_text = st.text(alphabet=st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\r\nb\tc", "a b c"),
        ("\x9b1m \u202eabc \u200b \ud83d", r"\x9b1m \u202eabc \u200b \ud83d"),
        ("Zoë 李娜 😀", "Zoë 李娜 😀"),
        ("", ""),
    ],
)
def test_what_acts_on_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    """Escapes, controls of both kinds, marks of direction, half characters; letters of any script stay."""
    assert printable(text) == shown


@given(any_text)
def test_any_text_is_one_printable_line(text: str) -> None:
    """Whatever it is; a word is short, too; several lines stay several."""
    assert printable(text).isprintable()
    assert sentence(text).isprintable()
    assert word(text * 9).isprintable()
    assert quoted(text.encode("utf-8", "surrogatepass")).isprintable()
    lines = printable_lines(text)
    assert lines.count("\n") == text.count("\n")
    assert all(line.isprintable() for line in lines.split("\n"))
    lines.encode()


def test_a_word_is_short() -> None:
    """An id of a megabyte is told by its beginning."""
    assert word("x" * 10**6) == "x" * 79 + "…"
    assert word(None) == "None"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Failed to parse: http://bob:hunter2@proxy.test:99999", "Failed to parse: http://***@proxy.test:99999"),
        ("postgresql://bob:hu@nter2@db/ledger is away", "postgresql://***@db/ledger is away"),
        ("write postgresql://user:password@host/database", None),
        ("write redis://:password@host:6379/0", None),
        ("redis://:password2@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:hunter2@host:6379/0", "redis://***@host:6379/0"),
        ("proxy bob:hunter2@proxy.test:3128 refused", "proxy ***@proxy.test:3128 refused"),
        ("('bob:hunter2@[::1]:3128')", "('***@[::1]:3128')"),
        ("https://token@host/a and https://u:hunter2@host/b", "https://***@host/a and https://***@host/b"),
        ("s3://bucket/prefix, https://host/a, a@b.test, 10:30 @ home", None),
    ],
)
def test_user_and_password_of_every_address_are_masked(text: str, masked: str | None) -> None:
    """Whoever wrote the sentence, with a scheme or without, twice in a line; other text stays as it is."""
    assert without_user_info(text) == (text if masked is None else masked)
    assert sentence(text) == without_user_info(text)


def test_an_address_that_never_ends_is_no_trouble() -> None:
    """A megabyte of what might become an address is looked through in a moment."""
    for text in ("//" * 10**5, "a:" * 10**5, "a:b" * 10**5 + " ", "//a@" * 10**5):
        assert isinstance(without_user_info(text[:4000]), str)
    assert json.loads(json.dumps(printable("\x1b" * 10**5)))
