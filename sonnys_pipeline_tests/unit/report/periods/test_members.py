"""RS-03, KPIS "Members": members in a week and a month, beside a second count in plain Python."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.periods.figures import Period
from sonnys_pipeline.report.periods.lists import Chain, Section
from sonnys_pipeline.report.periods.members import period_members
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline_tests.support.landed_members import land_movement, movement

DAY = timedelta(days=1)
MONDAY, SUNDAY = date(2026, 3, 16), date(2026, 3, 22)
WEEK, MONTH = Span.of(Kind.WEEK, MONDAY), Span.of(Kind.MONTH, MONDAY)
CHAIN = Chain({"A": "Site 10", "B": "Site 2"}, {"old-a": "A"})
FLOWS = ("joined", "came_back", "left_voluntary", "left_involuntary", "net")
LEVELS = ("active", "mrr")
Rows = dict[date, list[dict[str, Any]]]


def between(first: date, last: date) -> list[date]:
    return [first + shift * DAY for shift in range((last - first).days + 1)]


def rows_of(first: date, last: date) -> Rows:
    """Two sites with two plans; the first had another code until the 18th."""
    random = Random(4)
    found: Rows = {}
    for day in between(first, last):
        found[day] = []
        for site in ("OLD-A" if day < date(2026, 3, 18) else "A", "B"):
            for plan in ("Basic", None):
                numbers = {name: random.randrange(9) for name in FLOWS[:4]}
                net = numbers["joined"] + numbers["came_back"] - numbers["left_voluntary"] - numbers["left_involuntary"]
                mrr = Decimal(random.randrange(10**7)).scaleb(-2)
                found[day].append(movement(site, plan, **numbers, net=net, active=random.randrange(500), mrr=mrr))
    return found


def landed(folder: Path, rows: Rows) -> Lake:
    lake = Lake(folder)
    for day, found in rows.items():
        land_movement(lake, day, *found)
    return lake


def second_count(rows: Rows, days: Sequence[date], site: str | None = None) -> dict[str, Decimal]:
    """Flows are sums of the days, levels those of the last one."""
    mine = {day: [row for row in rows[day] if site in {None, row["site"].removeprefix("OLD-")}] for day in days}
    sums = {name: sum(Decimal(row[name]) for day in days for row in mine[day]) for name in FLOWS}
    return {**sums, **{name: sum(Decimal(row[name]) for row in mine[days[-1]]) for name in LEVELS}}  # type: ignore[dict-item]


def period_of(section: Section) -> Period:
    assert section.period is not None, section.note
    return section.period


def values(period: Period, names: Iterable[str] = (*FLOWS, *LEVELS)) -> Mapping[str, Decimal | None]:
    return {name: period.figures[name].value for name in names}


@pytest.mark.parametrize(
    ("span", "own", "before"),
    [
        (WEEK, between(MONDAY, SUNDAY), between(date(2026, 3, 9), date(2026, 3, 15))),
        (
            Span.of(Kind.WEEK, MONDAY, date(2026, 3, 19)),
            between(MONDAY, date(2026, 3, 19)),
            between(date(2026, 3, 9), date(2026, 3, 12)),
        ),
        (MONTH, between(date(2026, 3, 1), date(2026, 3, 31)), between(date(2026, 2, 1), date(2026, 2, 28))),
    ],
)
def test_sums_and_levels_equal_a_second_count(
    tmp_path: Path, span: Span, own: list[date], before: list[date]
) -> None:  # fmt: skip
    """Each site, by its code of today, each plan and all; against the week or month before, or its same days."""
    rows = rows_of(date(2026, 2, 1), date(2026, 3, 31))
    found = period_members(landed(tmp_path, rows), span, CHAIN)
    period = period_of(found)
    assert [site.name for site in period.sites] == ["Site 2", "Site 10"]
    for figures, site in ((period.figures, None), *((one.figures, one.code) for one in period.sites)):
        for name, value in second_count(rows, own, site).items():
            assert figures[name].value == value
            assert figures[name].before.base == second_count(rows, before, site)[name]
    assert found.parts is not None
    assert [part.name for part in found.parts.sites] == ["Basic", "No plan"]
    assert sum(part.figures["mrr"].value or 0 for part in found.parts.sites) == period.figures["mrr"].value
    assert found.caveats == ()


def test_churn_is_that_of_the_month(tmp_path: Path) -> None:
    """A quotient of sums at the month's end, and of the month before; a week has none."""
    rows: Rows = {
        date(2026, 2, 28): [movement("A", left_in_month=5, active_at_month_start=100)],
        date(2026, 3, 31): [movement("A"), movement("B", left_in_month=12, active_at_month_start=120)],
    }
    lake = landed(tmp_path, rows)
    found = period_members(lake, MONTH, CHAIN)
    churn = period_of(found).figures["churn"]
    assert (churn.value, churn.before.base) == (Decimal(16) / 200, Decimal("0.05"))
    assert "churn of 8.0% since Mar 1 (5.0% before)" in found.note
    assert "churn" not in period_of(period_members(lake, Span.of(Kind.WEEK, date(2026, 3, 31)), CHAIN)).figures


def test_a_missing_day_leaves_its_sums_null_with_a_reason(tmp_path: Path) -> None:
    """Never a sum of the other days; the level at the end is known all the same."""
    rows = rows_of(date(2026, 3, 9), SUNDAY)
    del rows[date(2026, 3, 18)], rows[date(2026, 3, 20)]
    found = period_members(landed(tmp_path, rows), WEEK, CHAIN)
    period = period_of(found)
    known = second_count(rows, [SUNDAY])
    assert values(period) == {**dict.fromkeys(FLOWS), **{name: known[name] for name in LEVELS}}
    assert [site.figures["joined"].value for site in period.sites] == [None, None]
    [caveat] = found.caveats
    assert caveat.severity == "warning"
    assert caveat.text == (
        "Members, not known: Joined, Came back, Left by choice, Left by payment, Net: "
        "membership_movement: not landed: Mar 18, Mar 20."
    )
    assert period.figures["active"].before.base == second_count(rows, [date(2026, 3, 15)])["active"]


def test_a_week_that_is_not_landed_to_its_end_has_no_level(tmp_path: Path) -> None:
    """Neither that of the last landed day, nor 0."""
    rows = rows_of(date(2026, 3, 9), date(2026, 3, 21))
    period = period_of(period_members(landed(tmp_path, rows), WEEK, CHAIN))
    assert set(values(period).values()) == {None}
    assert str(period.figures["mrr"].unknown).startswith("membership_movement: not landed: Mar 22 (")


def test_figures_that_the_mart_does_not_know_are_not_known_here(tmp_path: Path) -> None:
    """Of the site, and of all; with the mart's reason."""
    reason = "recurring_status_changes: not landed: 2026-03-17 (left_voluntary, left_involuntary, came_back, net)"
    unknown = dict.fromkeys(("left_voluntary", "left_involuntary", "came_back", "net"))
    rows = rows_of(MONDAY, SUNDAY)
    rows[date(2026, 3, 17)][-1] |= {**unknown, "unknown": reason}
    rows[SUNDAY][0] |= {"unknown": "1 account has no amount, left out of mrr"}
    found = period_members(landed(tmp_path, rows), WEEK, CHAIN)
    period = period_of(found)
    by_name = {site.name: site.figures for site in period.sites}
    assert (by_name["Site 2"]["net"].value, by_name["Site 2"]["net"].unknown) == (None, reason)
    all_known = rows_of(MONDAY, SUNDAY)
    assert by_name["Site 10"]["net"].value == second_count(all_known, between(MONDAY, SUNDAY), "A")["net"]
    assert period.figures["net"].value is None
    assert period.figures["joined"].value == second_count(all_known, between(MONDAY, SUNDAY))["joined"]
    assert [(one.severity, one.text) for one in found.caveats] == [
        (
            "warning",
            f"Members, not known: Came back, Left by choice, Left by payment, Net: {reason.partition(' (')[0]}.",
        ),
        (
            "info",
            "Members: 1 account has no amount, left out of mrr; see the column unknown of membership_movement.",
        ),
    ]


def test_the_first_week_is_compared_with_nothing(tmp_path: Path) -> None:
    """Nothing is known of the week before: not that nobody was a member."""
    found = period_members(landed(tmp_path, rows_of(MONDAY, SUNDAY)), WEEK, CHAIN)
    period = period_of(found)
    assert {figure.before.base for figure in period.figures.values()} == {None}
    assert found.note.endswith(
        "active members at the end of Mar 22. Nothing is compared: Mar 9 to Mar 15 is not known."
    )


def test_lists_that_began_in_the_week(tmp_path: Path) -> None:
    """The state at the end is shown, and no sum of a part of the days."""
    period = period_of(period_members(landed(tmp_path, rows_of(date(2026, 3, 19), SUNDAY)), WEEK, CHAIN))
    assert period.figures["joined"].value is None
    assert period.figures["active"].value is not None
    assert "not landed: Mar 16, Mar 17, Mar 18 (" in str(period.figures["joined"].unknown)


def test_without_lists_there_is_a_sentence(tmp_path: Path) -> None:
    """No table and no caveat: a chain may do without them."""
    found = period_members(Lake(tmp_path), WEEK, CHAIN)
    assert found == Section("No members: membership_movement of this week is not landed, or has no account.")
