"""Whether the members of a day are those of the day before, plus and minus who came and went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MOVES = ("net", "switched_in", "switched_out", "active")


def imbalances(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sites and plans of `membership_movement` whose figures of two days following each other do not add up.

    A change that the API did not list, or an account that left the list, shows so. Rows with unknown figures are left
    out.

    Returns:
        Sentences.
    """
    was = {(row["site"], row["plan"]): row["active"] for row in before}
    found = []
    for row in after:
        key = row["site"], row["plan"]
        active = was.get(key, 0)
        if active is None or any(row[name] is None for name in _MOVES):
            continue
        expected = active + row["net"] + row["switched_in"] - row["switched_out"]
        if row["active"] != expected:
            found.append(
                f"{row['site'] or '(no code)'}, {row['plan'] or 'no plan'}: {row['active']} active, but {expected} by "
                f"the day before and its changes; read recurring_status_changes and recurring_accounts again"
            )
    return found
