"""How late do edits come here? Measured from `transaction_changes`, with the policy that it suggests (KT-02)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from sonnys_pipeline.config.revisit import Look, RevisitPolicy
from sonnys_pipeline.lake.changes import Change
from sonnys_pipeline.runtime.text import first_few

#: Fields that `version-2` has, so that a look by states sees an edit.
LISTED_FIELDS = frozenset(
    {"total", "transaction_status", "customer_id", "is_recurring_plan_sale", "is_recurring_plan_redemption"}
)
#: Fewer changes of a kind say nothing about the policy.
_ENOUGH = 20
#: The API keeps six months (contract, "Batch jobs").
_KEPT = 183
#: The policy is never shortened below these ages in days.
_LEAST_FULL, _LEAST_STATES = 2, 7
#: Transactions named in one sentence.
_NAMED = 5


@dataclass(frozen=True)
class Looks:
    """Ages in days up to which landed days are looked at: read in full, by `version-2` (states), by count."""

    full: int = 4
    states: int = 35
    count: int = 183

    @classmethod
    def of(cls, policy: RevisitPolicy) -> Looks:
        """Those of a policy; 0 for a look that it does not ask for."""

        def last(look: Look) -> int:
            return max((rule.until for rule in policy.rules if rule.look in look.satisfied_by), default=0)

        return cls(last(Look.FULL), last(Look.STATES), min(last(Look.COUNT), _KEPT))


@dataclass(frozen=True)
class ChangedRow:
    """A transaction that one read found changed.

    Attributes:
        hours: from the end of its day to the read; the change came at some time before.
        fields: what differs; empty if the row came, went or moved.
    """

    id: str
    day: date
    seen: datetime
    hours: float
    found_by: str
    fields: frozenset[str]

    @property
    def age(self) -> int:
        """Age of the day in days when the change was found; yesterday is 1."""
        return math.floor(self.hours / 24) + 1

    def deadline(self, looks: Looks) -> int:
        """Last age at which a look sees such a change."""
        if not self.fields:
            return looks.count
        return looks.states if self.fields & LISTED_FIELDS else looks.full


@dataclass(frozen=True)
class LateEdits:
    """The measured answer; hours are null without changes.

    Attributes:
        changed: transactions found changed, once for each read that found one.
        by_look: how many of them each look found.
        too_late: those that no look of the policy would have found.
        recommended: ages that the measured ones suggest.
    """

    changed: int
    p50_hours: float | None
    p95_hours: float | None
    last_hours: float | None
    by_look: Mapping[str, int]
    too_late: Sequence[ChangedRow]
    present: Looks
    recommended: Looks

    @property
    def sentences(self) -> list[str]:
        """The answer for people."""
        if not self.changed:
            return ["no landed transaction was found changed so far"]
        found = ", ".join(f"{look} {count:,}" for look, count in self.by_look.items())
        advice, now = self.recommended, self.present
        fits = "they are too few to recommend another policy" if self.too_late else "the policy fits"
        if advice != now:
            fits = (
                f"recommended: read days in full for {advice.full} days, by version-2 for {advice.states}, by count "
                f"for {advice.count} (now {now.full}, {now.states}, {now.count})"
            )
        late = (
            f"{self.changed:,} landed transactions were found changed: half of them within {self.p50_hours:,.0f} hours "
            f"after the end of their day, 95 % within {self.p95_hours:,.0f}, the last after {self.last_hours:,.0f}"
        )
        said = [late, f"found by: {found}", fits]
        if self.too_late:
            named = first_few([f"{one.id} of {one.day} after {one.age} days" for one in self.too_late], _NAMED)
            said.append(f"{len(self.too_late):,} came later than such changes are looked for: {named}")
        return said


def late_edits(changes: pa.Table, looks: Looks | None = None) -> LateEdits:
    """Measure recorded changes (schema `TRANSACTION_CHANGES`) against the ages at which days are looked at."""
    looks = looks or Looks()
    rows = changed_rows(changes)
    hours = sorted(one.hours for one in rows)
    return LateEdits(
        changed=len(rows),
        p50_hours=_quantile(hours, 0.5),
        p95_hours=_quantile(hours, 0.95),
        last_hours=hours[-1] if hours else None,
        by_look=dict(Counter(one.found_by for one in rows).most_common()),
        too_late=tuple(one for one in rows if one.age > one.deadline(looks)),
        present=looks,
        recommended=recommended(rows, looks),
    )


def recommended(rows: Collection[ChangedRow], looks: Looks) -> Looks:
    """Ages that fit the changes found.

    Where changes are still found at the last age that is looked at, look twice as long; where the last one came in less
    than half of that time, twice its age suffices. Counts cost one request a day and stay.
    """
    full = [one.age for one in rows if one.fields and not one.fields & LISTED_FIELDS]
    states = [one.age for one in rows if one.fields & LISTED_FIELDS]
    fitting = replace(
        looks, full=_fitting(full, looks.full, _LEAST_FULL), states=_fitting(states, looks.states, _LEAST_STATES)
    )
    return replace(fitting, states=max(fitting.states, fitting.full))


def changed_rows(changes: pa.Table) -> list[ChangedRow]:
    """One for each transaction and read, in the order of the reads."""
    found: dict[tuple[Any, ...], ChangedRow] = {}
    for row in changes.to_pylist():
        key = row["transaction_id"], row["day"], row["first_seen"]
        fields = {row["field"]} if row["change"] == Change.EDITED else set()
        known = found.get(key)
        found[key] = ChangedRow(
            *key, row["hours_after_day"], row["found_by"], frozenset(fields | (known.fields if known else set()))
        )
    return sorted(found.values(), key=lambda one: (one.seen, one.day, one.id))


def _fitting(ages: Sequence[int], present: int, least: int) -> int:
    if len(ages) < _ENOUGH:
        return present
    last = max(ages)
    if last >= present:
        return min(2 * last, _KEPT)
    return max(2 * last, least) if 2 * last < present else present


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of the values does not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
