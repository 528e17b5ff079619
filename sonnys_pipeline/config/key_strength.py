"""Estimates how many guesses a secret key withstands.

Words, years and sequences such as 1234 or aaaa count as one of a small set, repetitions as nothing, the rest character
by character. The estimate is low for random keys, but those are long enough to pass.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise

_PIECES = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]")
#: How many words people choose from, and how many years.
_WORDS, _YEARS = 2048, 128
#: Start characters and directions of a sequence.
_SEQUENCES = 64


def key_bits(key: str) -> float:
    """Binary logarithm of the guesses needed to find a key."""
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
        return min(plain, math.log2(_SEQUENCES))
    if re.fullmatch(r"(19|20)[0-9]{2}", piece):
        return math.log2(_YEARS)
    if is_number or not re.search("[aeiouy]", piece.lower()):
        return plain
    # More than eight letters are probably several words.
    return min(plain, math.log2(_WORDS) * max(1.0, len(piece) / 8))
