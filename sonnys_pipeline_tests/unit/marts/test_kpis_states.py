"""LV-04, KPIS "Where flags and status come from": what a row does not say, its state says; null is not 0."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.lake.sql import Rows, WithStates
from sonnys_pipeline.marts.digests import content_digest, site_day_digests
from sonnys_pipeline.marts.kpis import site_day_kpis, site_hour_kpis
from sonnys_pipeline.marts.memberships import membership_daily
from sonnys_pipeline.marts.mixes import discount_mix, tender_mix
from sonnys_pipeline_tests.support.tickets import line, rows, sites, states, ticket, without_v2

CHICAGO = "America/Chicago"
TUESDAY, WEDNESDAY = date(2026, 3, 10), date(2026, 3, 11)
NOON, EVENING = "2026-03-10T17:00:00Z", "2026-03-11T01:00:00Z"
PLAN = line("Recurring Plan")
DAYS: dict[str, Any] = {"sites": sites(MAIN=CHICAGO), "business_dates": [TUESDAY], "landed": [TUESDAY, WEDNESDAY]}
NEEDS_STATUS = {"voided_transactions", "unsettled_transactions", "net_cars", "net_sales"}
NO_STATUS = (
    "transaction_status: no row of this day has it (voided_transactions, unsettled_transactions, net_cars, net_sales)"
)
NO_FLAG = (
    "is_recurring_plan_sale: no row of this day has it, plan sales are counted by is_recurring_sale, so that upgrades "
    "of plans are in retail_sales"
)

#: A wash, an upgrade with its wash, a member's wash, a voided wash, one in progress, a returned wash.
LIFE = rows(
    ticket(1, NOON),
    ticket(2, NOON, total=15.0, items=[PLAN, line(price=5.0)], isRecurringPlanSale=True),
    ticket(3, NOON, isRecurringRedemption=True, isRecurringPlanRedemption=True),
    ticket(4, NOON, total=7.0, transactionStatus="Voided"),
    ticket(5, NOON, transactionStatus="In-Progress"),
    ticket(6, EVENING, total=-10.0, items=[line(price=-10.0)], type="Return"),
)
KNOWN = states(
    *[
        {
            "number": number,
            "is_recurring_plan_sale": number == 2,
            "is_recurring_plan_redemption": number == 3,
            "transaction_status": {4: "Voided", 5: "In-Progress"}.get(number, "Completed"),
        }
        for number in range(1, 7)
    ]
)


def day_of(found: Rows) -> dict[str, Any]:
    """The Tuesday of MAIN."""
    [row] = site_day_kpis(found, **DAYS).table.to_pylist()
    return row


def test_states_give_what_the_rows_themselves_would() -> None:
    """Rows as they come live, with their states, make the same marts as rows that carry the fields."""
    joined = WithStates(without_v2(LIFE), KNOWN)
    for count in (site_day_kpis, membership_daily, site_hour_kpis, tender_mix, discount_mix):
        assert count(joined, **DAYS).table.equals(count(LIFE, **DAYS).table)
    day = day_of(joined)
    assert (day["voided_transactions"], day["unsettled_transactions"], day["unknown"]) == (1, 1, None)
    # All but the ticket that is voided; the return takes back one of the five cars.
    assert (day["total_cars"], day["net_cars"]) == (6, 3)
    assert (day["sales"], day["net_sales"]) == (Decimal("32.00"), Decimal("25.00"))


def test_what_nobody_knows_is_null_with_its_reason() -> None:
    """Without v2 fields and without states: no 0 where nothing is known, and every other figure as it is."""
    live, whole = day_of(without_v2(LIFE)), day_of(LIFE)
    assert {name for name, value in live.items() if value is None} == NEEDS_STATUS
    assert live["unknown"] == f"{NO_STATUS}; {NO_FLAG}"
    # The upgrade is a plan sale by the v2 flag alone.
    moved = {"retail_washes", "plan_sales", "retail_sales", "average_retail_ticket"}
    assert {name for name in live if live[name] != whole[name]} == {*NEEDS_STATUS, *moved, "unknown"}
    [sold] = membership_daily(without_v2(LIFE), **DAYS).table.to_pylist()
    assert sold["plan_upgrades"] is None
    assert sold["unknown"] == "is_recurring_plan_sale: no row of this day has it (plan_upgrades)"
    assert sold["recharges"] == 0


def test_a_day_without_rows_is_known_to_be_zero() -> None:
    """Closed is not unknown."""
    day = day_of(without_v2(rows()))
    assert day["voided_transactions"] == day["net_cars"] == day["new_memberships_in_lane"] == 0
    assert day["unknown"] is None


def test_rows_that_lack_a_field_beside_others_are_counted_in_the_reason() -> None:
    """The figure is made of those that have it, and says how many have not."""
    some = rows(*[ticket(number, NOON, transactionStatus=None) for number in (1, 2)], ticket(3, NOON))
    day = day_of(some)
    assert (day["voided_transactions"], day["net_cars"]) == (0, 3)
    assert day["unknown"] == (
        "transaction_status: 2 rows of this day lack it, counted as neither voided nor unsettled "
        "(voided_transactions, unsettled_transactions, net_cars, net_sales)"
    )


def test_sold_by_which_terminal_is_unknown_without_its_name() -> None:
    """No device on any row: nobody can say what was sold in the lane; on one of two new memberships: one is named."""
    sold = {"isRecurringSale": True, "isRecurringPlanSale": True, "items": [PLAN]}
    none = day_of(rows(ticket(1, NOON, **sold, salesDeviceName=None), ticket(2, NOON, salesDeviceName=None)))
    assert (none["new_memberships"], none["new_memberships_in_lane"], none["conversion_rate_in_lane"]) == (
        1,
        None,
        None,
    )
    assert none["unknown"] == (
        "sales_device_name: no row of this day has it (new_memberships_in_lane, conversion_rate_in_lane)"
    )
    one = day_of(rows(ticket(1, NOON, **sold, salesDeviceName=None), ticket(2, NOON, **sold)))
    assert one["new_memberships_in_lane"] == 2
    assert "sales_device_name: 1 row of this day lacks it, counted as sold in the lane" in one["unknown"]
    # A wash without a device is no matter of memberships.
    assert day_of(rows(ticket(1, NOON, salesDeviceName=None), ticket(2, NOON)))["unknown"] is None


def test_the_rows_own_word_goes_first() -> None:
    """A state that says otherwise than the row changes nothing; one that knows nothing, neither."""
    other = states(
        {"number": 1, "transaction_status": "Voided", "is_recurring_plan_redemption": True},
        {"number": 2},
        {"number": 9},
    )
    assert day_of(WithStates(LIFE, other)) == day_of(LIFE)


def test_a_state_that_is_there_twice_counts_once() -> None:
    """The newer fact of the two, and the row stays one row."""
    early, late = (KNOWN["read_at"][0].as_py().replace(hour=hour) for hour in (1, 2))
    twice = states(
        {"number": 1, "transaction_status": "In-Progress", "read_at": early},
        {"number": 1, "transaction_status": "Completed", "read_at": late},
    )
    day = day_of(WithStates(without_v2(rows(ticket(1, NOON))), twice))
    assert (day["transactions"], day["unsettled_transactions"], day["net_cars"]) == (1, 0, 1)


def written(folder: Path, days: dict[date, pa.Table]) -> list[Path]:
    """Files as the lake lays them."""
    paths = []
    for day, table in days.items():
        paths.append(folder / f"date={day}" / "part-0.parquet")
        paths[-1].parent.mkdir(parents=True)
        pq.write_table(table, paths[-1])
    return paths


@pytest.mark.parametrize("form", ["files", "datasets", "tables"])
def test_a_state_belongs_to_the_row_of_its_own_partition(tmp_path: Path, form: str) -> None:
    """A ticket that moved to another day has a state in both: each row takes its own day's, wherever the lake lies."""
    live = without_v2(rows(ticket(1, NOON)))
    landed = {TUESDAY: live, WEDNESDAY: without_v2(rows(ticket(1, EVENING), ticket(2, EVENING)))}
    known = {TUESDAY: states({"number": 1, "transaction_status": "Voided"})}
    below = tmp_path / "date=1999-01-01"  # a lake may lie below any folder
    found: Rows
    if form == "tables":

        def dated(days: dict[date, pa.Table]) -> pa.Table:
            return pa.concat_tables(
                table.add_column(0, "date", pa.array([day] * table.num_rows, pa.date32()))
                for day, table in days.items()
            )

        found = WithStates(dated(landed), dated(known))
    else:
        files, knowing = written(below / "transactions", landed), written(below / "transaction_states", known)
        found = WithStates(files, knowing)
        if form == "datasets":
            hive = ds.partitioning(pa.schema([("date", pa.date32())]), flavor="hive")

            def dataset(asset: str, paths: list[Path]) -> ds.Dataset:
                base = str(below / asset)
                return ds.dataset([str(path) for path in paths], partitioning=hive, partition_base_dir=base)

            found = WithStates(dataset("transactions", files), dataset("transaction_states", knowing))
    day = day_of(found)
    assert (day["transactions"], day["voided_transactions"]) == (3, 1)
    assert "transaction_status: 2 rows of this day lack it" in day["unknown"]


def test_digests_follow_what_states_say_and_nothing_else() -> None:
    """States that arrive or change make another digest; read again with the same words they make none."""
    live = without_v2(LIFE)
    again = KNOWN.set_column(
        KNOWN.schema.get_field_index("read_at"),
        KNOWN.schema.field("read_at"),
        pa.array([KNOWN["read_at"][0].as_py().replace(day=13)] * KNOWN.num_rows, KNOWN.schema.field("read_at").type),
    )
    edited = states({"number": 1, "transaction_status": "Voided"})
    digests = [
        (content_digest(found), site_day_digests(found, **DAYS).table["digest"].to_pylist())
        for found in (live, WithStates(live, KNOWN), WithStates(live, again), WithStates(live, edited), LIFE)
    ]
    assert digests[1] == digests[2]
    assert len({content for content, _ in digests}) == len({str(of_day) for _, of_day in digests}) == 3
    assert digests[4] == digests[1]  # what the rows would say themselves
