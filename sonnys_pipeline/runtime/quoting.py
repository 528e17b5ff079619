"""Foreign text made safe to show: in errors, logs, terminals, tables and messages.

Text from servers, gateways, drivers and files may hold control characters that act on a terminal, an echoed
credential, or the password in a proxy's address.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from pydantic import SecretStr

#: Characters quoted of a foreign body.
QUOTED_BODY = 300
#: Characters quoted of a single word: an id, a hash, a status, a field name.
QUOTED_WORD = 80
#: Shorter secrets are not masked: they protect nothing, and every word of the API would be full of `***`.
SHORTEST_SECRET = 4

#: User and password of an address, up to the last `@` before a space or quote, since a password may hold an `@`.
_USER_INFO = re.compile(r"//[^\s'\"<>@]*@(?:[^\s'\"<>/@]*@)*")
#: Placeholders for user and password where we explain the form of an address.
_AS_WRITTEN = frozenset({"user:password@", ":password@"})
#: Without a scheme, as proxies may be written: `user:password@host`.
_BARE_USER_INFO = re.compile(r"(?<![\w/@.-])[^\s'\"<>:/@(\[]+:[^\s'\"<>/@]+@(?=[\w\[])")
#: Characters that begin a formula, also in their full-width forms, which some spreadsheets take for the same.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def printable(text: str, most: int = 0) -> str:
    r"""A text in one line, without characters that act on a terminal.

    White space becomes a space; other invisible characters (controls, escapes, direction marks, surrogates) are escaped
    as in Python, such as `\x1b`. `most` limits the number of characters, 0 for no limit.
    """
    if most and len(text) > most:
        text = f"{text[: most - 1]}…"
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(map(_shown, line))


def word(text: object) -> str:
    """An id, hash, status or name chosen by a server: printable, and not too long."""
    return printable(str(text), QUOTED_WORD)


def without_user_info(text: str) -> str:
    """A text with `***` for user and password of every address in it.

    The placeholder `postgresql://user:password@host/database` stays: our own hints use it.
    """
    return _BARE_USER_INFO.sub(partial(_hidden, "***@"), _USER_INFO.sub(partial(_hidden, "//***@"), text))


def _hidden(instead: str, found: re.Match[str]) -> str:
    return found[0] if found[0].removeprefix("//") in _AS_WRITTEN else instead


def sentence(text: object, most: int = 0) -> str:
    """A message of a library, driver or server in one line: printable, without user and password."""
    return printable(without_user_info(str(text)), most)


def printable_lines(text: str) -> str:
    """Several lines, each safe to show on a terminal; spaces stay."""
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return "\n".join("".join(map(_shown, line)) for line in text.expandtabs(4).split("\n"))


def _shown(sign: str) -> str:
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")


def masked(text: str, secrets: Sequence[SecretStr]) -> str:
    """A text with `***` for every secret in it, including its HTML and URL spellings."""
    plain = {value for secret in secrets if len(value := secret.get_secret_value()) >= SHORTEST_SECRET}
    spellings = {spelling for value in plain for spelling in (value, html.escape(value), quote(value, safe=""))}
    for spelling in sorted(spellings, key=len, reverse=True):  # one may be part of another
        text = text.replace(spelling, "***")
    return text


def quoted(content: bytes, secrets: Sequence[SecretStr] = ()) -> str:
    """The start of a foreign body in one line; masked before it is cut, which could halve a secret."""
    text = masked(content.decode("utf-8", "replace"), secrets)
    return printable(without_user_info(" ".join(text[: 4 * QUOTED_BODY].split())[:QUOTED_BODY]))


def no_formula(text: str) -> str:
    """Text that no spreadsheet takes for a formula: one that looks like it gets an apostrophe in front."""
    return f"'{text}" if text.startswith(_FORMULA) else text
