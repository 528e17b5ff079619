"""RS-03, KPIS "Members": who joined, left and came back, who is active, and what they pay each month."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from sonnys_pipeline.marts.members.columns import MEMBERSHIP_MOVEMENT
from sonnys_pipeline.marts.members.movement import membership_movement
from sonnys_pipeline_tests.support.members import Club, account, change, days

MARCH = days(date(2026, 2, 27), date(2026, 3, 31))
LAST = date(2026, 3, 31)


def march(day: int) -> date:
    return date(2026, 3, day)


def rows(club: Club, *business_dates: date) -> list[dict[str, Any]]:
    return membership_movement(club.members(), business_dates).table.to_pylist()


def row(club: Club, day: date, plan: str | None = "Basic Monthly", site: str = "MAIN") -> dict[str, Any]:
    [found] = [one for one in rows(club, day) if one["plan"] == plan and one["site"] == site]
    return found


def figures(club: Club, day: date, *names: str) -> list[Any]:
    found = row(club, day)
    return [found[name] for name in names]


def test_a_failed_payment_a_return_and_a_cancellation() -> None:
    """RS-03: one reading at the end: an account fails on the 10th, is back on the 12th and cancels on the 20th."""
    club = Club(
        [(LAST, [account(1), account(2, status="Cancelled")])],
        MARCH,
        [
            change(2, "2026-03-10T18:00:00+00:00", "Active", "Payment Failed"),
            change(2, "2026-03-12T18:00:00+00:00", "Payment Failed", "Active"),
            change(2, "2026-03-20T18:00:00+00:00", "Active", "Cancelled"),
        ],
    )
    names = ("active", "left_voluntary", "left_involuntary", "came_back", "net", "left_in_month", "monthly_churn")
    assert figures(club, march(9), *names) == [2, 0, 0, 0, 0, 0, 0.0]
    assert figures(club, march(10), *names) == [1, 0, 1, 0, -1, 1, 0.5]
    assert figures(club, march(11), *names) == [1, 0, 0, 0, 0, 1, 0.5]
    assert figures(club, march(12), *names) == [2, 0, 0, 1, 1, 1, 0.5]
    assert figures(club, march(20), *names) == [1, 1, 0, 0, -1, 2, 1.0]
    assert membership_movement(club.members(), [march(9)]).table.schema == MEMBERSHIP_MOVEMENT


def test_a_failure_and_a_return_of_one_day_are_both_counted() -> None:
    """Two changes of a day: one left, one came back, and the day's end is as before it."""
    club = Club(
        [(LAST, [account(1)])],
        MARCH,
        [
            change(1, "2026-03-10T08:00:00+00:00", "Active", "Declined"),
            change(1, "2026-03-10T20:00:00+00:00", "Declined", "Active"),
        ],
    )
    assert figures(club, march(10), "left_involuntary", "came_back", "net", "active") == [1, 1, 0, 1]


def test_changes_between_other_statuses_move_nobody() -> None:
    """An account that has left already does not leave again when its unpaid plan is cancelled."""
    club = Club(
        [(LAST, [account(1, status="Cancelled")])],
        MARCH,
        [
            change(1, "2026-03-10T18:00:00+00:00", "Active", "Payment Failed"),
            change(1, "2026-03-15T18:00:00+00:00", "Payment Failed", "Cancelled"),
        ],
    )
    assert figures(club, march(15), "left_voluntary", "left_involuntary", "net", "active") == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("status", "column"),
    [
        ("Cancelled", "left_voluntary"),
        ("Expired", "left_voluntary"),
        ("Suspended", "left_voluntary"),
        ("Payment CC Expired", "left_involuntary"),
        ("Payment Retries Exceeded", "left_involuntary"),
        ("Cleared Tokens", "left_involuntary"),
        ("Frozen", "left_involuntary"),
    ],
)
def test_why_a_member_left(status: str, column: str) -> None:
    """Voluntary are three statuses; a status that the API adds is counted as involuntary, and named."""
    club = Club([(LAST, [account(1, status=status)])], MARCH, [change(1, "2026-03-10T18:00:00Z", "Active", status)])
    other = {"left_voluntary": "left_involuntary", "left_involuntary": "left_voluntary"}[column]
    assert figures(club, march(10), column, other) == [1, 0]
    named = "unknown status counted as involuntary: Frozen" if status == "Frozen" else None
    assert row(club, march(10))["unknown"] == named


def test_a_missing_day_makes_figures_unknown_and_is_named() -> None:
    """Null with a reason, never 0: the 15th is missing between the day and the reading; who joined is known."""
    club = Club([(LAST, [account(1)])], [day for day in MARCH if day != march(15)])
    found = row(club, march(10))
    assert [found[name] for name in ("active", "mrr", "on_trial", "switched_in", "monthly_churn")] == [None] * 5
    assert [found[name] for name in ("joined", "left_voluntary", "net", "left_in_month")] == [0, 0, 0, 0]
    assert found["unknown"] == (
        "recurring_status_changes: not landed in full: 2026-03-15 (switched_in, switched_out, active, on_trial, mrr, "
        "trial_mrr, active_at_month_start, monthly_churn)"
    )
    own = row(club, march(15))
    assert [own[name] for name in ("left_voluntary", "left_involuntary", "came_back", "net", "left_in_month")] == [
        None
    ] * 5
    assert own["active"] == 1


def test_many_missing_days_are_named_in_short() -> None:
    """Five days by name, and how many more."""
    club = Club([(LAST, [account(1)])], [march(10)])
    assert "2026-03-15 and 16 more (switched_in" in row(club, march(10))["unknown"].replace("2026-03-11, ", "")


def test_a_day_that_ended_after_the_last_reading_is_not_known() -> None:
    """Accounts that signed up since are not listed, so neither who joined nor who is active is known."""
    club = Club([(march(9), [account(1)])], MARCH, read_at=datetime(2026, 3, 10, 12, tzinfo=UTC))
    found = row(club, march(10))
    assert [found[name] for name in ("joined", "net", "active", "mrr")] == [None] * 4
    assert found["left_voluntary"] == 0
    assert (
        "recurring_accounts: last read 2026-03-10 12:00 UTC, before the end of 2026-03-10 (joined, net"
        in (found["unknown"])
    )
    assert row(club, march(9))["active"] == 1


def test_the_day_before_this_morning_is_known() -> None:
    """Read each morning: yesterday is walked forward from yesterday's reading; today need not be landed.

    An account that signed up after that reading is active until a change says otherwise.
    """
    signed = datetime(2026, 3, 10, 20, tzinfo=UTC)
    old, new = account(1), account(2, sign_up_date=signed)
    left = account(3, sign_up_date=signed, status="Cancelled")
    club = Club(
        [(march(9), [old]), (march(10), [old]), (march(11), [account(1, status="Suspended"), new, left])],
        days(march(1), march(10)),
        [
            change(1, "2026-03-10T17:00:00Z", "Active", "Suspended"),
            change(3, "2026-03-10T22:00:00Z", "Active", "Cancelled"),
        ],
        read_at=datetime(2026, 3, 11, 12, tzinfo=UTC),
    )
    assert figures(club, march(10), "joined", "left_voluntary", "net", "active") == [2, 2, 0, 1]


def test_a_change_of_plan_is_a_switch() -> None:
    """What is active is what was active, plus the net, plus those who switched in, minus those who switched out."""
    before = [account(1), account(2), account(3)]
    after = [account(1, plan_name="Gold Monthly"), account(2, plan_name="Gold Monthly"), account(3)]
    club = Club(
        [(march(9), before), (march(10), after), (march(11), after)],
        days(date(2026, 2, 27), march(11)),
        [change(2, "2026-03-10T18:00:00Z", "Active", "Cancelled")],
        read_at=datetime(2026, 3, 12, 12, tzinfo=UTC),
    )
    gold, basic = row(club, march(10), "Gold Monthly"), row(club, march(10))
    assert (basic["active"], basic["net"], basic["switched_in"], basic["switched_out"]) == (1, 0, 0, 2)
    assert (gold["active"], gold["net"], gold["switched_in"], gold["switched_out"]) == (1, -1, 2, 0)


def test_revenue_of_yearly_plans_and_trials() -> None:
    """A twelfth of the sum of yearly plans, rounded once; the dates of charges decide, and the name without dates."""
    yearly = {"billing_amount": 100.0, "next_bill_date": date(2027, 1, 5), "last_bill_date": date(2026, 1, 5)}
    undated = {"next_bill_date": None, "last_bill_date": None}
    club = Club(
        [
            (
                LAST,
                [
                    account(1, **yearly),
                    account(2, **yearly),
                    account(3, is_on_trial=True, billing_amount=29.99),
                    account(4, is_on_trial=True, **yearly),
                    account(5, plan_name="Basic Annual", billing_amount=120.1, **undated),
                    account(6, plan_name="New Year Deal", billing_amount=9.99),
                ],
            )
        ],
        MARCH,
    )
    assert figures(club, march(10), "active", "on_trial", "mrr", "trial_mrr", "unknown") == [
        4, 2, Decimal("54.99"), Decimal("38.32"), None,
    ]  # fmt: skip
    assert row(club, march(10), "Basic Annual")["mrr"] == Decimal("10.01")
    assert row(club, march(10), "New Year Deal")["mrr"] == Decimal("9.99")


def test_what_accounts_do_not_say_is_counted_in_the_reason() -> None:
    """An amount, a status, a period that is missing: the figures cover the other accounts, and say so."""
    undated = {"plan_name": "Basic", "next_bill_date": None}
    club = Club(
        [
            (
                LAST,
                [
                    account(1, plan_name="Basic", billing_amount=None),
                    account(2, plan_name="Basic", status=None),
                    account(3, **undated),
                    account(4, **undated),
                    account(5, plan_name="Basic", status="Cancelled"),
                ],
            )
        ],
        MARCH,
        [change(5, "2026-03-10T18:00:00Z", None, "Cancelled"), change(9, "2026-03-10T18:00:00Z", "Active", "Expired")],
    )
    found = row(club, march(10), "Basic")
    assert (found["active"], found["mrr"], found["left_voluntary"]) == (3, Decimal("40.00"), 0)
    assert found["unknown"] == (
        "1 account has no status, counted as not active; 1 active account has no billing_amount; "
        "2 active accounts have no billing dates, counted as billed monthly; "
        "1 change names no old or new status and cannot be counted"
    )
    assert membership_movement(club.members(), [march(10)]).unlisted == ("9",)


def test_an_account_that_leaves_the_list_is_named() -> None:
    """It is active until the list that no longer has it; the day after says that it cannot be found."""
    club = Club(
        [(march(9), [account(1), account(2)]), (march(12), [account(1)])],
        MARCH,
        read_at=datetime(2026, 3, 20, 12, tzinfo=UTC),
    )
    assert figures(club, march(11), "active", "unknown") == [2, None]
    assert figures(club, march(12), "active", "net", "unknown") == [
        1, 0, "1 account active the day before can no longer be found in the list",
    ]  # fmt: skip


def test_an_old_account_that_is_first_listed_when_it_changes() -> None:
    """Active until that change, also on the days before the reading that lists it; without a change it is in doubt."""
    old = [account(1)]
    new = [account(1), account(2, status="Declined"), account(3)]
    club = Club(
        [(march(1), old), (march(10), old), (march(11), new)],
        MARCH,
        [change(2, "2026-03-11T08:00:00Z", "Active", "Declined")],
        read_at=datetime(2026, 3, 12, 12, tzinfo=UTC),
    )
    doubt = "1 account was listed long after the sign-up, counted with the status of then"
    assert figures(club, march(10), "active", "left_involuntary", "unknown") == [3, 0, doubt]
    assert figures(club, march(11), "active", "left_involuntary", "net", "unknown") == [2, 1, -1, None]


def test_accounts_that_no_list_has_are_known_by_their_changes() -> None:
    """At the site of the change, active until it, without a plan and an amount; gone when it has left."""
    club = Club(
        [(LAST, [account(1)])],
        MARCH,
        [
            change(9, "2026-03-10T18:00:00Z", "Active", "Cancelled"),
            change(8, "2026-03-12T18:00:00Z", "Declined", "Active"),
        ],
    )
    before, then = row(club, march(9), None), row(club, march(10), None)
    assert (before["active"], before["mrr"], before["left_voluntary"]) == (1, Decimal(0), 0)
    assert before["unknown"] == "1 active account has no billing_amount"
    assert (then["active"], then["left_voluntary"], then["net"], then["unknown"]) == (0, 1, -1, None)
    assert [row(club, march(day), None)["active"] for day in (11, 12, 20)] == [0, 1, 1]
    assert row(club, march(12), None)["came_back"] == 1


def test_changes_that_were_read_before_the_end_of_their_day_are_not_complete() -> None:
    """A file of a day that was not over says nothing of its evening, in the zone of the site."""
    club = Club([(march(9), [account(1)]), (march(11), [account(1)])], MARCH, zones={"MAIN": "America/Los_Angeles"})
    members = club.members()
    read = {**members.landed, march(10): datetime(2026, 3, 11, 6, 30, tzinfo=UTC)}  # 23:30 there
    [found] = membership_movement(replace(members, landed=read), [march(10)]).table.to_pylist()
    assert (found["left_voluntary"], found["net"], found["joined"]) == (None, None, 0)
    assert found["active"] == 1  # led back from the reading after it
    assert "recurring_status_changes: not landed in full: 2026-03-10 (left_voluntary, " in found["unknown"]


def test_days_are_those_of_the_site() -> None:
    """One instant is the 10th in Los Angeles and the 11th in New York; codes are compared in any spelling."""
    late = datetime(2026, 3, 11, 5, tzinfo=UTC)
    zones = {"West": "America/Los_Angeles", "EAST": "America/New_York"}
    club = Club(
        [
            (
                LAST,
                [
                    account(1, billing_site_code="WEST", sign_up_date=late),
                    account(2, billing_site_code="EAST", sign_up_date=late),
                    account(3, billing_site_code="West", status="Cancelled"),
                    account(4, billing_site_code="EAST", status="Cancelled"),
                ],
            )
        ],
        MARCH,
        [
            change(3, "2026-03-11T05:00:00Z", "Active", "Cancelled", "West"),
            change(4, "2026-03-11T05:00:00Z", "Active", "Cancelled", "EAST"),
        ],
        zones=zones,
    )
    found = rows(club, march(10), march(11))
    assert [(one["site"], one["business_date"].day, one["joined"], one["left_voluntary"]) for one in found] == [
        ("EAST", 10, 0, 0), ("EAST", 11, 1, 1), ("West", 10, 1, 1), ("West", 11, 0, 0),
    ]  # fmt: skip


def test_nothing_is_made_of_nothing() -> None:
    """Without accounts, or without days, there are no rows."""
    assert rows(Club([], MARCH), march(10)) == []
    assert rows(Club([(LAST, [account(1)])], MARCH)) == []
