"""RS-03; KPIS "Wash frequency": how often a member washed in 30 business days, and what is not known of it."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from sonnys_pipeline.client.models import MAX_AMOUNT, TransactionJobItem
from sonnys_pipeline.lake.sql import WithStates
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY
from sonnys_pipeline.marts.frequency.washes import MEMBER_WASHES, member_washes, wash_frequency, window_of
from sonnys_pipeline_tests.support.tickets import rows, sites, states, ticket, without_v2

CHICAGO = "America/Chicago"
DAY = date(2026, 3, 10)
#: Chicago's clocks are put forward on 2026-03-08, on the 28th of the 30 days.
WINDOW = window_of(DAY)
ONE_WASH = "days_between: one wash"


def member(number: int, customer: str | None, day: date, site: str = "MAIN", hour: int = 18, **fields: Any) -> Any:
    """A redemption, at an hour in UTC."""
    return ticket(
        number, f"{day}T{hour:02d}:00:00Z", site, 0.0, isRecurringRedemption=True, isRecurringPlanRedemption=True,
        customerId=customer, **fields,
    )  # fmt: skip


def frequency(
    *tickets: TransactionJobItem,
    landed: Collection[date] | None = None,
    zone: str | None = CHICAGO,
    notes: Sequence[str] = (),
) -> dict[str | None, dict[str, Any]]:
    """Customer → row of `DAY`."""
    washes = member_washes(
        rows(*tickets),
        sites(MAIN=CHICAGO, MESA=zone),
        WINDOW,
        landed=WINDOW if landed is None else landed,
        timezone=CHICAGO,
    )
    assert washes.table.schema == MEMBER_WASHES
    table = wash_frequency(washes, [DAY], {DAY: notes})
    assert table.schema == WASH_FREQUENCY
    assert set(table["business_date"].to_pylist()) <= {DAY}
    found = {row.pop("customer_id"): row for row in table.drop_columns(["business_date"]).to_pylist()}
    assert len(found) == table.num_rows
    return found


def test_washes_of_the_last_thirty_business_days() -> None:
    """The first of them counts and the day before it does not; days are those of the site's clocks."""
    found = frequency(
        member(1, "7:1", WINDOW[0], hour=6),  # just after midnight in Chicago
        member(2, "7:1", WINDOW[0], hour=5),  # just before it
        member(3, "7:1", date(2026, 3, 5)),
        member(4, "7:1", DAY + timedelta(days=1), hour=4),  # an hour before DAY is over
        member(5, "7:1", DAY + timedelta(days=1), hour=5),  # the day after
        ticket(6, f"{DAY}T18:00:00Z", customerId="7:1"),  # a wash that is no redemption
    )
    assert found == {
        "7:1": {
            "member_washes": 3, "days_between": 14.5, "last_wash": DAY, "site_most_used": "MAIN", "unknown": None,
        }
    }  # fmt: skip


def test_the_site_most_used() -> None:
    """By washes; of equals the one used last. One wash has no days between, and the row says so."""
    before = DAY - timedelta(days=4)
    found = frequency(
        member(1, "7:1", before, "MESA"), member(2, "7:1", DAY, "MAIN"),
        member(3, "8:1", before, "MAIN"), member(4, "8:1", before, "MAIN"), member(5, "8:1", DAY, "MESA"),
        member(6, "9:1", before, "MESA"),
    )  # fmt: skip
    assert {name: row["site_most_used"] for name, row in found.items()} == {"7:1": "MAIN", "8:1": "MAIN", "9:1": "MESA"}
    assert {name: row["days_between"] for name, row in found.items()} == {"7:1": 4.0, "8:1": 2.0, "9:1": None}
    assert {name: row["unknown"] for name, row in found.items()} == {"7:1": None, "8:1": None, "9:1": ONE_WASH}


def test_voids_and_returns_count_as_in_member_washes() -> None:
    """KPIS counts each redemption as the API gives it, whatever its type and status."""
    found = frequency(
        member(1, "7:1", DAY), member(2, "7:1", DAY, type="Return"), member(3, "7:1", DAY, transactionStatus="Voided")
    )
    assert (found["7:1"]["member_washes"], found["7:1"]["days_between"]) == (3, 0.0)


def test_washes_without_a_customer_are_one_row() -> None:
    """None is lost: they are counted beside the members, and a note says why there are no others."""
    found = frequency(member(1, None, DAY), member(2, "", DAY), member(3, "7:1", DAY), notes=["because"])
    assert found.keys() == {None, "7:1"}
    assert found[None] == {
        "member_washes": 2, "days_between": None, "last_wash": None, "site_most_used": None,
        "unknown": "customer_id: these washes name no customer; because",
    }  # fmt: skip
    assert found["7:1"]["unknown"] == f"{ONE_WASH}; because"


def test_a_customer_that_only_the_state_names() -> None:
    """Live rows have neither customer nor flag: `version-2` has both."""
    row = rows(ticket(1, f"{DAY}T18:00:00Z", total=0.0), ticket(2, f"{DAY}T18:00:00Z", total=0.0))
    known = states({"number": 1, "customer_id": "7:1", "is_recurring_plan_redemption": True})
    washes = member_washes(
        WithStates(without_v2(row), known), sites(MAIN=CHICAGO), WINDOW, landed=WINDOW, timezone=CHICAGO
    )
    assert [tuple(one.values()) for one in washes.table.to_pylist()] == [("MAIN", DAY, "7:1", 1, 0)]


def test_a_day_that_is_not_landed_makes_figures_unknown() -> None:
    """Null with the reason, not a smaller number; a last wash that no such day follows is still known."""
    missing = date(2026, 3, 1)
    landed = [day for day in WINDOW if day != missing]
    found = frequency(
        member(1, "7:1", DAY), member(2, "8:1", date(2026, 2, 20)), member(3, None, DAY), landed=landed
    )  # fmt: skip
    nothing = {"member_washes": None, "days_between": None, "site_most_used": None}
    reason = "member_washes, days_between, site_most_used: transactions not landed for all sites: 2026-03-01"
    assert found["7:1"] == {**nothing, "last_wash": DAY, "unknown": reason}
    assert found["8:1"] == {**nothing, "last_wash": None, "unknown": reason}
    assert found[None]["member_washes"] is None


def test_many_missing_days_are_counted() -> None:
    """Three are named."""
    found = frequency(member(1, "7:1", DAY), landed=[DAY])
    assert str(found["7:1"]["unknown"]).endswith(": 2026-02-09, 2026-02-10, 2026-02-11 and 26 more")


def test_rows_in_no_figure_are_named() -> None:
    """An absurd amount leaves a redemption out, as in every other mart."""
    absurd = member(2, "7:1", DAY, tenders=[])
    found = frequency(member(1, "7:1", DAY), absurd.model_copy(update={"total": MAX_AMOUNT * 2.0}))
    assert found["7:1"]["member_washes"] == 1
    assert found["7:1"]["unknown"] == (
        f"{ONE_WASH}; 1 row left out of every figure, having an amount beyond {MAX_AMOUNT:,} dollars"
    )


def test_no_wash_is_no_row() -> None:
    """An empty table has the schema."""
    assert frequency() == {}
    empty = wash_frequency(member_washes(rows(), sites(MAIN=CHICAGO), WINDOW, landed=[]), [DAY])
    assert empty == pa.Table.from_pylist([], WASH_FREQUENCY)
