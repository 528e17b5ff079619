"""How many guesses a key withstands, estimated from how it is put together.

A person's key is words, years and rows of digits; a machine's is none of these. A word counts as one of a dictionary, a
row such as 1234 or aaaa as one guess of a few, a repetition as nothing, and everything else letter by letter. That is
rough, and errs on the low side for keys that were made by a machine: those are long enough to bear it.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise

_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]")
#: Words that people choose from, and years.
_WORDS, _YEARS = 2048, 128
#: Places at which a row of letters or digits may begin, and directions.
_ROWS = 64


def key_bits(key: str) -> float:
    """The binary logarithm of the guesses that find a key."""
    seen: set[str] = set()
    bits = 0.0
    for piece in _PIECES.findall(key):
        if len(piece) == 1 or piece.casefold() not in seen:
            seen.add(piece.casefold())
            bits += _bits_of(piece)
    return min(bits, math.log2(len(set(key)) or 1) * len(key))


def _bits_of(piece: str) -> float:
    is_number, is_word = piece.isdecimal(), piece.isascii() and piece.isalpha()
    plain = math.log2(10 if is_number else 26 if is_word else 33) * len(piece)
    if len(piece) < 3:
        return plain
    steps = {(ord(after) - ord(before)) % (10 if is_number else 26) for before, after in pairwise(piece.lower())}
    if len(steps) == 1:
        return min(plain, math.log2(_ROWS))
    if re.fullmatch(r"(19|20)[0-9]{2}", piece):
        return math.log2(_YEARS)
    if is_number or not re.search("[aeiouy]", piece.lower()):
        return plain
    # Beyond eight letters it is several words, or none.
    return min(plain, math.log2(_WORDS) * max(1.0, len(piece) / 8))
