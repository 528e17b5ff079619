"""`SONNYS_REVISIT`: how landed days of each age are looked at again (KT-01).

Written as rules, youngest days first: `4 days: full daily; 35 days: states twice a week; 6 months: count weekly`. A
rule holds for days up to that age (yesterday is one day old) that no earlier rule covers; `off` means no rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Self

#: The default policy.
DEFAULT = "4 days: full daily; 35 days: states twice a week; 6 months: count weekly"
_OFF = "off"
_RULE = re.compile(r"(?P<age>\d{1,3}) ?(?P<unit>days?|months?) ?: ?(?P<look>\w+) (?P<often>.+)")
_EVERY = re.compile(r"every (\d{1,2}) days")
#: Days between two looks.
_OFTEN = {"daily": Fraction(1), "twice a week": Fraction(7, 2), "weekly": Fraction(7)}
_DAYS_OF_A_MONTH = 31
#: The API keeps six months (contract, "Batch jobs").
_OLDEST = 6 * _DAYS_OF_A_MONTH
_FORM = f"write off, or rules such as: {DEFAULT} (full, states, count; daily, twice a week, weekly, every 5 days)"


class Look(StrEnum):
    """How a landed day is compared with the API, the most thorough first."""

    FULL = "full"
    """Read every row again: finds every change, at two requests for 100 rows and more."""
    STATES = "states"
    """`version-2`: finds rows that came, went or moved, other totals, statuses, customers; a request for 100 rows."""
    COUNT = "count"
    """The list's total: finds days with more or fewer rows; one request a day."""

    @property
    def satisfied_by(self) -> tuple[Look, ...]:
        """The looks that find all that this one finds."""
        return tuple(Look)[: tuple(Look).index(self) + 1]


@dataclass(frozen=True)
class Rule:
    """Days up to `until` days of age get this look once in `every` days."""

    until: int
    look: Look
    every: Fraction

    def slot(self, age: int) -> int:
        """Number of the look that a day of this age should have had."""
        return int(age / self.every)


@dataclass(frozen=True)
class RevisitPolicy:
    """The rules, by age; `str` gives the text that `parse` reads."""

    rules: tuple[Rule, ...] = ()
    text: str = _OFF

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a policy; `ValueError`, with the form, for anything that cannot be meant."""
        said = " ".join(text.split())
        if said.casefold() == _OFF:
            return cls()
        rules = tuple(_rule(part.strip()) for part in said.casefold().split(";") if part.strip())
        if not rules:
            raise ValueError(f"there is no rule; {_FORM}")
        for younger, older in pairwise(rules):
            if older.until <= younger.until:
                raise ValueError(
                    f"the rule up to {older.until} days follows the one up to {younger.until} days, so it would never "
                    "hold; order the rules by age"
                )
        if rules[-1].until > _OLDEST:
            raise ValueError(f"{rules[-1].until} days are more than the six months that the API keeps; write 6 months")
        return cls(rules, said)

    def rule_for(self, age: int) -> Rule | None:
        """The rule for days of an age; `None` for days that are not looked at."""
        return next((rule for rule in self.rules if 1 <= age <= rule.until), None)

    def __str__(self) -> str:
        return self.text


def _rule(text: str) -> Rule:
    found = _RULE.fullmatch(text)
    look = found["look"] if found else ""
    every = _every(found["often"]) if found else None
    if found is None or look not in set(Look) or not every:
        raise ValueError(f"{text!r} is not a rule; {_FORM}")
    until = int(found["age"]) * (_DAYS_OF_A_MONTH if found["unit"].startswith("month") else 1)
    if not until:
        raise ValueError(f"{text!r} is about no day; yesterday is 1 day old")
    return Rule(until, Look(look), every)


def _every(text: str) -> Fraction | None:
    counted = _EVERY.fullmatch(text)
    return Fraction(int(counted[1])) if counted else _OFTEN.get(text)


def age_of(day: str, today: date) -> int:
    """Age of a day (`YYYY-MM-DD`) in days; yesterday is 1."""
    return (today - date.fromisoformat(day)).days
