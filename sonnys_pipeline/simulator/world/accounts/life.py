"""The life of one recurring account: sign-up, charges, failures, suspensions, its end and perhaps a return.

The first charge is made at the till, by the plan sale; later ones at night, by the billing service. All charges fall on
days with rows. A charge is the plan's price and the site's tax on it, as in the total of its transaction.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sonnys_pipeline.simulator.world.accounts.days import Moment, SiteDays, utc, whole_ms
from sonnys_pipeline.simulator.world.catalog import EMPLOYEES, PLANS, Plan, SiteSpec
from sonnys_pipeline.simulator.world.row_parts import tax_on

DAYS_BETWEEN_SIGN_UPS = 400
MONTH = 30
"""Days from one charge to the next."""
_LONGEST = 384
"""Days from sign-up until an account has ended, so that it is over before the member signs up anew."""
_FAILS, _SUSPENDS = 0.12, 0.03
_RETRIES = (3, 6)
"""Days after a failed charge on which it is tried again; nine days after it the account ends."""
_RETRY_SUCCEEDS = 0.6
_COMES_BACK = 0.15
_BILLING = "Billing Service"


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A change of an account's status."""

    at: datetime
    old: str
    new: str
    employee: str


@dataclass(frozen=True, slots=True)
class Membership:
    """One account, with its past and its future.

    `charges` are those that succeed, the first at sign-up; `attempts` also those that fail. `turns` are changes of
    status after the sign-up, as moment, new status and employee; the last one ends the account.
    """

    site: SiteSpec
    member: int
    sequence: int
    charges: Sequence[Moment]
    attempts: Sequence[Moment]
    turns: Sequence[tuple[Moment, str, str]]

    @property
    def id(self) -> str:
        """The account's id."""
        return f"{self.sequence}:{self.site.site_id}"

    @property
    def customer_id(self) -> str:
        """The id of its member."""
        return f"{self.member + 1}:{self.site.site_id}"

    @property
    def plan(self) -> Plan:
        """What is paid for."""
        return PLANS[self.member % len(PLANS)]

    @property
    def charged(self) -> int:
        """What is charged each month, in cents, tax included."""
        return self.plan.price + tax_on(self.plan.price, self.site.tax_basis_points)

    @property
    def signed_up(self) -> datetime:
        """Time of the sign-up."""
        return utc(self.charges[0][1])

    @property
    def changes(self) -> Sequence[StatusChange]:
        """Past and future changes of status, without the sign-up."""
        olds = ("Active", *(new for _, new, _ in self.turns))
        return [
            StatusChange(utc(moment[1]), old, new, by) for old, (moment, new, by) in zip(olds, self.turns, strict=False)
        ]

    def status(self, now: datetime) -> str:
        """The status at a time."""
        until = whole_ms(now)
        return next((new for (_, ms), new, _ in reversed(self.turns) if ms <= until), "Active")

    def bills(self, now: datetime) -> Sequence[datetime]:
        """Times of charges until a time."""
        until = whole_ms(now)
        return [utc(ms) for _, ms in self.charges if ms <= until]

    def active_days(self) -> Iterator[tuple[int, int]]:
        """First and last of the days through which the account is active, span by span."""
        since, status = self.charges[0][0], "Active"
        for (day, _), new, _ in self.turns:
            if status == "Active" and since + 1 < day:
                yield since + 1, day - 1
            since, status = day, new


class Life:
    """Writes what happens to an account after its sign-up; `rng` decides."""

    def __init__(self, days: SiteDays, rng: random.Random, signed_up: Moment) -> None:
        self.charges, self.attempts = [signed_up], [signed_up]
        self.turns: list[tuple[Moment, str, str]] = []
        self._days, self._draw = days, rng.random
        self._latest = signed_up[0] + _LONGEST
        self._leaves = signed_up[0] + 35 + int(self._draw() * 340)
        self._due = signed_up[0] + MONTH
        while self._goes_on():
            pass

    def _goes_on(self) -> bool:
        if self._due >= self._leaves:
            return self._leave()
        chance, day = self._draw(), self._days.next_open(self._due)
        self._due += MONTH
        if chance < _FAILS:
            return self._fail(day)
        self._charge(day)
        if chance < _FAILS + _SUSPENDS and day + 2 * MONTH < self._leaves:
            self._change(self._days.by_day(day + 2, self._draw()), "Suspended")
            self._return(day + 2 + MONTH)
        return True

    def _leave(self) -> bool:
        if self.turns:
            self._leaves = max(self._leaves, self.turns[-1][0][0] + 1)
        leaves = self._leaves
        ending = "Cancelled" if self._draw() < 0.8 else "Expired"
        self._change(self._days.by_day(leaves, self._draw()), ending)
        back = leaves + 3 + int(self._draw() * 18)
        if ending == "Expired" or back + 2 * MONTH > self._latest or self._draw() > _COMES_BACK:
            return False
        self._return(back)
        self._leaves = back + 5 + int(self._draw() * (self._latest - back - 5))
        return True

    def _fail(self, day: int) -> bool:
        failed = self._days.at_night(day, self._draw())
        self.attempts.append(failed)
        self._change(failed, "Payment Failed" if self._draw() < 0.7 else "Payment CC Expired")
        for later in _RETRIES:
            again = self._days.next_open(day + later)
            if self._draw() < _RETRY_SUCCEEDS:
                self._change(self._charge(again), "Active", _BILLING)
                return True
            self.attempts.append(self._days.at_night(again, self._draw()))
        ending = "Payment Retries Exceeded" if self._draw() < 0.6 else "Declined"
        self._change(self._days.by_day(again + 3, self._draw()), ending)
        return False

    def _return(self, day: int) -> None:
        charged = self._charge(self._days.next_open(day))
        self._change(charged, "Active")
        self._due = charged[0] + MONTH

    def _charge(self, day: int) -> Moment:
        moment = self._days.at_night(day, self._draw())
        self.charges.append(moment)
        self.attempts.append(moment)
        return moment

    def _change(self, moment: Moment, new: str, employee: str | None = None) -> None:
        if employee is None:
            by_service = new.startswith(("Payment", "Declined"))
            employee = _BILLING if by_service else EMPLOYEES[int(self._draw() * len(EMPLOYEES))]
        self.turns.append((moment, new, employee))
