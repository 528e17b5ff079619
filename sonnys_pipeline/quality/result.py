"""Result of a check: how many rows it checked, how many are wrong, and sentences that name the first ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sonnys_pipeline.runtime.text import first_few

#: Ids named; all are counted.
NAMED_IDS = 20


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        checked: number of rows or ids that were checked.
        count: how many of them are wrong.
        ids: the first of those, sorted; at most `NAMED_IDS`.
        problems: sentences that name what is wrong, with ids.
        unchecked: sentences that name what could not be checked; the check does not pass then.
        notes: sentences about what is unusual but not wrong.
    """

    checked: int
    count: int = 0
    ids: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was checked and nothing is wrong."""
        return not (self.problems or self.unchecked)

    @property
    def sentences(self) -> list[str]:
        """Why the check does not pass."""
        return [*self.problems, *self.unchecked]


def finding(
    checked: int,
    offending: Iterable[tuple[str, Iterable[str]]],
    *,
    unchecked: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> Finding:
    """Make a result; `offending` has (what is wrong, ids) for each kind of problem; kinds without ids are left out."""
    kinds = [(what, sorted(set(ids))) for what, ids in offending]
    every = sorted({row_id for _, ids in kinds for row_id in ids})
    return Finding(
        checked,
        len(every),
        tuple(every[:NAMED_IDS]),
        tuple(f"{what}: {named(ids)}" for what, ids in kinds if ids),
        tuple(unchecked),
        tuple(notes),
    )


def named(ids: list[str]) -> str:
    """`3 ids: a, b, c`, with at most `NAMED_IDS` names."""
    return f"{len(ids)} id{'' if len(ids) == 1 else 's'}: {first_few(ids, NAMED_IDS)}"
