"""Lists in sentences: the first few names, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(names: Sequence[str], most: int, *, separator: str = ", ", noun: str = "", total: int = 0) -> str:
    """`a, b, c and 1,204 more`; with the separator `; ` it is `a; b; c; and 1,204 more`.

    `most` limits the names, `noun` follows `more` (such as "days"), `total` counts all where `names` is incomplete.
    """
    named = separator.join(names[:most])
    more = max(total, len(names)) - most
    if more <= 0:
        return named
    return f"{named}{separator.rstrip().rstrip(',')} and {more:,} more{noun and f' {noun}'}"


def fold(code: str | None) -> str:
    """A site code for comparison, equal for every spelling of one site (contract, L7)."""
    return (code or "").strip().lower()
