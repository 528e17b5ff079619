"""Lists in sentences: the first few by name, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(names: Sequence[str], most: int, *, separator: str = ", ", noun: str = "", total: int = 0) -> str:
    """`a, b, c and 1,204 more`; with the separator `; ` it is `a; b; c; and 1,204 more`.

    Args:
        names: what there is, in order; may end after the first `most`.
        most: how many to name.
        separator: what stands between them.
        noun: what follows `more`, such as "days".
        total: how many there are, where `names` does not hold all of them.
    """
    named = separator.join(names[:most])
    more = max(total, len(names)) - most
    if more <= 0:
        return named
    return f"{named}{separator.rstrip().rstrip(',')} and {more:,} more{noun and f' {noun}'}"
