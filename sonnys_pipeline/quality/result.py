"""What a check found: how much it looked at, how much offends, and sentences that name the first ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sonnys_pipeline.runtime.text import first_few

#: How many offending ids are named; all are counted.
NAMED_IDS = 20


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Attributes:
        checked: how many rows, or ids, were looked at.
        count: how many of them offend.
        ids: the first of those, sorted; at most `NAMED_IDS`.
        problems: sentences that say what offends and name ids; none where all is well.
        blind: sentences that say what could not be looked at; nothing is known of it, so that the check does not pass.
        notes: sentences that say what was seen and is no offence.
    """

    checked: int
    count: int = 0
    ids: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    blind: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything was looked at, and nothing offends."""
        return not (self.problems or self.blind)

    @property
    def sentences(self) -> list[str]:
        """What keeps the check from passing."""
        return [*self.problems, *self.blind]


def finding(
    checked: int,
    offending: Iterable[tuple[str, Iterable[str]]],
    *,
    blind: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> Finding:
    """One answer from kinds of offence.

    Args:
        checked: how much was looked at.
        offending: (what is wrong, ids) of each kind; a kind without ids is no problem.
        blind: what could not be looked at, in sentences.
        notes: what was seen and is no offence, in sentences.
    """
    kinds = [(what, sorted(set(ids))) for what, ids in offending]
    every = sorted({row_id for _, ids in kinds for row_id in ids})
    return Finding(
        checked,
        len(every),
        tuple(every[:NAMED_IDS]),
        tuple(f"{what}: {named(ids)}" for what, ids in kinds if ids),
        tuple(blind),
        tuple(notes),
    )


def named(ids: list[str]) -> str:
    """How many ids, the first of them by name."""
    return f"{len(ids)} id{'' if len(ids) == 1 else 's'}: {first_few(ids, NAMED_IDS)}"
