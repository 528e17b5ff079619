"""Text that others wrote, made fit to be shown: in errors, logs, terminals, tables and messages.

Servers, gateways, drivers and files decide what stands in such text. It may hold control characters that act on a
terminal, a credential that was echoed, or the password in a proxy's address.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

from pydantic import SecretStr

#: How much of a foreign body an error message quotes, in characters.
QUOTED_BODY = 300
#: And how much of one word of it: an id, a hash, a status, the name of a field.
QUOTED_WORD = 80
#: Shorter ones are not masked: nobody could keep them secret, and every word of the API would be full of `***`.
SHORTEST_SECRET = 4

#: User and password of an address, up to the last `@` before a space or quote: a password may hold an `@` of its own.
_USER_INFO = re.compile(r"//[^\s'\"<>@]*@(?:[^\s'\"<>/@]*@)*")
#: What stands for user and password where we say how an address is written.
_AS_WRITTEN = frozenset({"user:password@", ":password@"})
#: The same without a scheme, as proxies may be written: `user:password@host`.
_BARE_USER_INFO = re.compile(r"(?<![\w/@.-])[^\s'\"<>:/@(\[]+:[^\s'\"<>/@]+@(?=[\w\[])")


def printable(text: str, most: int = 0) -> str:
    r"""A text in one line, without a character that acts on a terminal.

    White space becomes a space; whatever else cannot be seen (controls, escapes, marks that turn the direction of
    writing, halves of characters) is written as Python writes it, such as `\x1b`.

    Args:
        text: as others wrote it.
        most: characters to keep at most; 0 for all of them.
    """
    if most and len(text) > most:
        text = f"{text[: most - 1]}…"
    line = " ".join(text.split())
    if line.isprintable():
        return line
    return "".join(map(_shown, line))


def word(text: object) -> str:
    """An id, a hash, a status or a name that a server chose: printable, and not too long."""
    return printable(str(text), QUOTED_WORD)


def without_user_info(text: str) -> str:
    """A text with `***` for user and password of every address in it, whoever wrote the sentence.

    How an address is written (`postgresql://user:password@host/database`) is shown: our own hints say so.
    """
    return _BARE_USER_INFO.sub(partial(_hidden, "***@"), _USER_INFO.sub(partial(_hidden, "//***@"), text))


def _hidden(instead: str, found: re.Match[str]) -> str:
    return found[0] if found[0].removeprefix("//") in _AS_WRITTEN else instead


def sentence(text: object, most: int = 0) -> str:
    """What a library, a driver or a server says, in one line: printable, without anybody's user and password."""
    return printable(without_user_info(str(text)), most)


def printable_lines(text: str) -> str:
    """A text of several lines, each as it may be shown on a terminal; spaces stay as they are."""
    if all(line.isprintable() for line in text.split("\n")):
        return text
    return "\n".join("".join(map(_shown, line)) for line in text.expandtabs(4).split("\n"))


def _shown(sign: str) -> str:
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")


def masked(text: str, secrets: Sequence[SecretStr]) -> str:
    """A text with `***` for every secret in it, also where HTML or a URL writes it in its own way."""
    plain = {value for secret in secrets if len(value := secret.get_secret_value()) >= SHORTEST_SECRET}
    spellings = {spelling for value in plain for spelling in (value, html.escape(value), quote(value, safe=""))}
    for spelling in sorted(spellings, key=len, reverse=True):  # one may be a part of another
        text = text.replace(spelling, "***")
    return text


def quoted(content: bytes, secrets: Sequence[SecretStr] = ()) -> str:
    """The start of a foreign body, for a person, in one line; masked before it is cut, which could halve a secret."""
    text = masked(content.decode("utf-8", "replace"), secrets)
    return printable(without_user_info(" ".join(text[: 4 * QUOTED_BODY].split())[:QUOTED_BODY]))
