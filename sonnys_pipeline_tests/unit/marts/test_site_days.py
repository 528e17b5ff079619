"""KPIS, every row of the table and the columns of `site_day_kpis`, on tickets that a person can count."""

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.calendar.business_days import MissingDay
from sonnys_pipeline.client import TransactionJobItem
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.lake.sql import KPI_INPUT
from sonnys_pipeline.lake.states import TRANSACTION_STATES
from sonnys_pipeline.marts.columns import descriptions_of, lineage_of
from sonnys_pipeline.marts.kpi_columns import (
    DISCOUNT_MIX_COLUMNS,
    MEMBERSHIP_DAILY_LINEAGE,
    SITE_DAY_COLUMNS,
    SITE_DAY_KPIS,
    SITE_DAY_KPIS_LINEAGE,
    SITE_HOUR_KPIS_LINEAGE,
    TENDER_MIX_COLUMNS,
)
from sonnys_pipeline.marts.kpis import daily_sales, sales_total, site_day_kpis
from sonnys_pipeline.marts.people.columns import LABOR_DAILY_LINEAGE
from sonnys_pipeline_tests.support.clock_entries import CLOCK_ENTRIES
from sonnys_pipeline_tests.support.tickets import line, off, paid, rows, sites, ticket, with_online_store

CHICAGO = "America/Chicago"
TUESDAY, WEDNESDAY = date(2026, 3, 10), date(2026, 3, 11)
NOON, EVENING = "2026-03-10T17:00:00Z", "2026-03-11T01:00:00Z"
MEMBER = {"isRecurringRedemption": True, "isRecurringPlanRedemption": True}
NEW_MEMBER = {"isRecurringSale": True, "isRecurringPlanSale": True}
NO_V2_FLAGS = {"isRecurringPlanSale": None, "isRecurringPlanRedemption": None, "transactionStatus": None}
CHAIN = sites(MAIN=CHICAGO)


def day_of(*tickets: TransactionJobItem) -> dict[str, Any]:
    """The Tuesday of MAIN that has these tickets."""
    table = site_day_kpis(rows(*tickets), CHAIN, [TUESDAY], landed=[TUESDAY, WEDNESDAY]).table
    [row] = table.to_pylist()
    return row


def counts(*tickets: TransactionJobItem) -> dict[str, Any]:
    """What is known and not 0 of that Tuesday, place and number of transactions aside; dollars as text."""
    row = day_of(*tickets)
    assert row["transactions"] == len(tickets)
    said = {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    aside = {"site", "business_date", "transactions", "unknown"}
    return {name: said[name] for name in row if row[name] and name not in aside}


RETAIL = {
    "total_cars": 1, "retail_washes": 1, "eligible_washes": 1, "sales": "10.00", "retail_sales": "10.00",
    "average_ticket": "10.00", "average_retail_ticket": "10.00", "net_cars": 1, "net_sales": "10.00",
}  # fmt: skip
MEMBERS = {"total_cars": 1, "member_washes": 1, "net_cars": 1}
ONLY_SALE = {"sales": "10.00", "retail_sales": "10.00", "net_sales": "10.00"}
ONLY_PLAN = {
    "new_memberships": 1, "new_memberships_in_lane": 1, "sales": "10.00", "plan_sales": "10.00", "net_sales": "10.00",
}  # fmt: skip
PLAN_AND_WASH = {
    **ONLY_PLAN, "total_cars": 1, "eligible_washes": 1, "conversion_rate": 1.0, "conversion_rate_in_lane": 1.0,
    "average_ticket": "10.00", "net_cars": 1,
}  # fmt: skip
RETURNED = {
    **RETAIL, "sales": "-10.00", "retail_sales": "-10.00", "average_ticket": "-10.00",
    "average_retail_ticket": "-10.00", "net_cars": -1, "net_sales": "-10.00",
}  # fmt: skip


def gross(figures: dict[str, Any]) -> dict[str, Any]:
    """Without the net figures."""
    return {name: value for name, value in figures.items() if not name.startswith("net_")}


COUNTS = {"total_cars", "retail_washes", "eligible_washes", "net_cars"}
PLAN = line("Recurring Plan")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, RETAIL, id="retail wash"),
        pytest.param(MEMBER, MEMBERS, id="member wash: a car, no sale"),
        pytest.param(
            {**NO_V2_FLAGS, "isRecurringRedemption": True},
            {"total_cars": 1, "member_washes": 1},
            id="member wash without v2 flags: the older flag decides, the net figure is not known",
        ),
        pytest.param({**MEMBER, "isRecurringPlanRedemption": False}, RETAIL, id="the v2 flag wins over the older one"),
        pytest.param(
            {**MEMBER, "items": [line("Add On")]}, MEMBERS, id="redemption without a wash"
        ),
        pytest.param(
            {"total": 0.0, "items": [line(price=0.0)]},
            {"total_cars": 1, "retail_washes": 1, "free_washes": 1, "net_cars": 1},
            id="free wash: a car, not eligible",
        ),
        pytest.param({**NEW_MEMBER, "items": [PLAN]}, ONLY_PLAN, id="plan sale: no car"),
        pytest.param({**NEW_MEMBER, "items": [PLAN, line()]}, PLAN_AND_WASH, id="plan sale that is also a wash"),
        pytest.param(
            {**NO_V2_FLAGS, "isRecurringSale": True, "items": [PLAN]},
            gross(ONLY_PLAN),
            id="plan sale without v2 flags",
        ),
        pytest.param(
            {"isRecurringPlanSale": True, "items": [PLAN]},
            {"sales": "10.00", "plan_sales": "10.00", "net_sales": "10.00"},
            id="upgrade: a plan sale, no new membership",
        ),
        pytest.param({"isRecurringPayment": True, "items": [PLAN]}, ONLY_SALE, id="recharge: no car"),
        pytest.param({"isRecurringPayment": True}, RETAIL, id="recharge beside a wash: a retail car"),
        pytest.param({"isPrepaidSale": True, "items": [line("Prepaid Wash")]}, ONLY_SALE, id="prepaid sale: no car"),
        pytest.param({"isPrepaidSale": True}, RETAIL, id="prepaid sale beside a wash: a retail car"),
        pytest.param(
            {"total": 50.0, "items": [line(), line("GiftCard", 40.0)]},
            {**dict.fromkeys(set(RETAIL) - COUNTS, "50.00"), **dict.fromkeys(set(RETAIL) & COUNTS, 1)},
            id="gift card beside a wash: a retail car",
        ),
        pytest.param({"items": [line("GiftCard")]}, ONLY_SALE, id="gift-card sale: no car"),
        pytest.param({"isPrepaidRedemption": True}, RETAIL, id="prepaid redemption: a wash like any other"),
        pytest.param({"items": [line(), line()]}, RETAIL, id="two washes on a ticket: one car"),
        pytest.param({"items": []}, ONLY_SALE, id="no items"),
        pytest.param(
            {"items": [line(isVoided=True), line("Merchandise")]},
            {**ONLY_SALE, "voided_items": 1},
            id="a wash taken off the ticket: no car",
        ),
        pytest.param(
            {"transactionStatus": "Voided", "total": 0.0, "items": [line(isVoided=True)]},
            {"voided_transactions": 1, "voided_items": 1},
            id="voided ticket",
        ),
        pytest.param(
            {"transactionStatus": "Voided"},
            {**gross(RETAIL), "voided_transactions": 1},
            id="voided ticket that keeps wash and total: in no net figure",
        ),
        pytest.param(
            {"transactionStatus": "Voided", "type": "Return", "total": -10.0, "items": [line(price=-10.0)]},
            {**gross(RETURNED), "voided_transactions": 1},
            id="voided return: in no net figure",
        ),
        pytest.param(
            {"type": "Return", "total": -10.0, "items": [line("Merchandise", -10.0)]},
            {"sales": "-10.00", "retail_sales": "-10.00", "net_sales": "-10.00"},
            id="return of goods: no car, net neither",
        ),
        pytest.param({**MEMBER, "type": "Return"}, {**MEMBERS, "net_cars": -1}, id="return of a redemption"),
        pytest.param(
            {**NEW_MEMBER, "items": [PLAN, line()], "salesDeviceName": "MAIN E-COMM 1"},
            {name: value for name, value in PLAN_AND_WASH.items() if not name.endswith("_in_lane")},
            id="plan sold by an online terminal",
        ),
        pytest.param(
            {"tenders": [paid(10.0), paid(-10.0, "Void"), paid(10.0)]}, {**RETAIL, "void_tenders": 1}, id="void tender"
        ),
        pytest.param(
            {"type": "Return", "total": -10.0},
            RETURNED,
            id="return: lowers sales, and is a car but in the net figure",
        ),
        pytest.param({"discount": [off(2.5), off(0.07)]}, {**RETAIL, "discounts": "2.57"}, id="discounts"),
        *[
            pytest.param({"transactionStatus": status}, {**RETAIL, "unsettled_transactions": 1}, id=status)
            for status in ("Incomplete", "In-Progress", "Suspended")
        ],
        *[
            pytest.param({"transactionStatus": status}, RETAIL, id=f"{status}: settled")
            for status in ("Completed", "Recalled", "Pre-Sell", "N/A", "Invented")
        ],
    ],
)  # fmt: skip
def test_what_a_ticket_counts_as(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """One ticket of ten dollars by itself; every figure that is not named is 0."""
    assert counts(ticket(1, NOON, **fields)) == expected


def test_columns_are_those_of_the_definition() -> None:
    """In the order that KPIS gives them."""
    assert " ".join(SITE_DAY_KPIS.names) == (
        "site business_date total_cars member_washes retail_washes free_washes eligible_washes new_memberships "
        "conversion_rate sales plan_sales retail_sales average_ticket average_retail_ticket discounts "
        "voided_transactions voided_items void_tenders unsettled_transactions transactions new_memberships_in_lane "
        "conversion_rate_in_lane net_cars net_sales overpayments unknown"
    )
    assert site_day_kpis(rows(), CHAIN, [TUESDAY], landed=[TUESDAY, WEDNESDAY]).table.schema == SITE_DAY_KPIS


def test_every_kpi_says_what_it_is() -> None:
    """A sentence, a status, and input columns that exist."""
    told = descriptions_of(SITE_DAY_KPIS)
    assert all(text.endswith(".") for text in told.values())
    assert all(told[column.name].startswith(f"[{column.status}] ") for column in SITE_DAY_COLUMNS[2:])
    marts = (
        SITE_HOUR_KPIS_LINEAGE,
        MEMBERSHIP_DAILY_LINEAGE,
        LABOR_DAILY_LINEAGE,
        *map(lineage_of, (TENDER_MIX_COLUMNS, DISCOUNT_MIX_COLUMNS)),
    )
    known = {("transactions", name) for name in TRANSACTIONS.names} | {("sites", "code"), ("sites", "timezone")}
    known |= {("transaction_states", name) for name in TRANSACTION_STATES.names}
    known |= {("clock_entries", name) for name in CLOCK_ENTRIES.names}
    known |= {("site_day_kpis", name) for name in SITE_DAY_KPIS.names}
    for lineage in (SITE_DAY_KPIS_LINEAGE, *marts):
        for origins in lineage.values():
            assert origins
            assert set(origins) <= known
    assert set(KPI_INPUT.names) <= set(TRANSACTIONS.names)


def test_parts_of_a_day_add_up() -> None:
    """Two retail washes, a free one, two members, a new one with a wash and one without, a recharge."""
    day = day_of(
        ticket(1, NOON, total=0.1),
        ticket(2, NOON, total=0.2),
        ticket(3, NOON, total=0.0),
        ticket(4, NOON, **MEMBER),
        ticket(5, NOON, **MEMBER),
        ticket(6, NOON, total=30.0, items=[PLAN, line()], **NEW_MEMBER),
        ticket(7, NOON, total=40.0, items=[PLAN], **NEW_MEMBER),
        ticket(8, NOON, total=20.0, items=[PLAN], isRecurringPayment=True),
    )
    assert (day["total_cars"], day["member_washes"], day["retail_washes"], day["free_washes"]) == (6, 2, 3, 1)
    assert (day["eligible_washes"], day["new_memberships"], day["conversion_rate"]) == (3, 2, 2 / 3)
    # 0.1 + 0.2 is 0.30; a recharge is no plan sale
    assert (day["sales"], day["plan_sales"], day["retail_sales"]) == (Decimal("90.30"), Decimal(70), Decimal("20.30"))
    assert day["average_ticket"] == Decimal("15.05")  # 90.30 ÷ 6
    assert day["average_retail_ticket"] == Decimal("0.10")  # 0.30 ÷ 3: the recharge has no part in it


def test_half_cents_are_rounded_away_from_zero() -> None:
    """0.05 ÷ 2 is 0.03, and -0.05 ÷ 2 is -0.03; a double would be now above the half and now below it."""
    assert day_of(ticket(1, NOON, total=0.05), ticket(2, NOON, total=0.0))["average_ticket"] == Decimal("0.03")
    assert day_of(ticket(1, NOON, total=-0.05), ticket(2, NOON, total=0.0))["average_ticket"] == Decimal("-0.03")


def test_a_cent_shows_beside_any_amount() -> None:
    """Sums are made in decimals."""
    day = day_of(
        *[ticket(number, NOON, total=total) for number, total in enumerate((9_999_999.99, 0.01, -9_999_999.99))]
    )
    assert day["sales"] == Decimal("0.01")


def test_the_business_day_is_the_sites_own() -> None:
    """20:00 in Chicago is the next day in UTC; in Auckland the same instant is a day later still."""
    table = site_day_kpis(
        rows(ticket(1, EVENING), ticket(2, EVENING, "KIWI")),
        sites(MAIN=CHICAGO, KIWI="Pacific/Auckland"),
        [TUESDAY, WEDNESDAY],
        landed=[date(2026, 3, 9), TUESDAY, WEDNESDAY, date(2026, 3, 12)],
    ).table
    found = {(row["site"], row["business_date"]): row["transactions"] for row in table.to_pylist()}
    assert found == {("KIWI", TUESDAY): 0, ("KIWI", WEDNESDAY): 1, ("MAIN", TUESDAY): 1, ("MAIN", WEDNESDAY): 0}


@pytest.mark.parametrize("instant", ["2026-03-10T05:00:00Z", "2026-03-11T04:59:59.999999Z"])
def test_the_edges_of_a_day(instant: str) -> None:
    """Chicago's midnight belongs to the day that it begins, the last microsecond before it to the day that it ends."""
    assert day_of(ticket(1, instant))["transactions"] == 1


@pytest.mark.parametrize("instant", ["2026-03-10T04:59:59.999999Z", "2026-03-11T05:00:00Z"])
def test_beyond_the_edges_of_a_day(instant: str) -> None:
    """A microsecond before the day, and the instant that ends it, are other days."""
    assert day_of(ticket(1, instant))["transactions"] == 0


def test_half_a_night_is_not_counted() -> None:
    """Chicago's Tuesday ends in Wednesday's partition: without it there is no row, and the day is named."""
    mart = site_day_kpis(rows(ticket(1, NOON)), CHAIN, [TUESDAY], landed=[TUESDAY])
    assert mart.table.num_rows == 0
    assert mart.table.schema == SITE_DAY_KPIS
    assert mart.missing == (MissingDay("MAIN", TUESDAY, (WEDNESDAY,)),)


def test_each_site_waits_for_its_own_partitions() -> None:
    """On UTC partitions, Tuesday alone is enough for a site in UTC, and not for Chicago."""
    mart = site_day_kpis(
        rows(ticket(1, NOON), ticket(2, NOON, "QUAY")), sites(MAIN=CHICAGO, QUAY="Etc/UTC"), [TUESDAY], landed=[TUESDAY]
    )
    assert mart.table["site"].to_pylist() == ["QUAY"]
    assert [day.site for day in mart.missing] == ["MAIN"]


def test_closed_days_of_physical_sites_show_as_zero() -> None:
    """A site with code and zone has a row of zeros; the online store, and a site without a zone, have none."""
    listed = with_online_store(sites(MAIN=CHICAGO, BARE=None))
    table = site_day_kpis(rows(), listed, [TUESDAY], landed=[TUESDAY, WEDNESDAY]).table
    [row] = table.to_pylist()
    assert (row.pop("site"), row.pop("business_date")) == ("MAIN", TUESDAY)
    assert row.pop("unknown") is None
    assert set(row.values()) == {0}


@pytest.mark.parametrize("code", ["", "BARE"])
def test_sites_without_a_zone_follow_the_pipeline(code: str) -> None:
    """The online store, and a site without a zone: a row where they have tickets."""
    listed = with_online_store(sites(MAIN=CHICAGO, BARE=None))
    tickets = rows(ticket(1, EVENING, code), ticket(2, "2026-03-11T06:00:00Z", code))
    found = [
        (zone, row["business_date"], row["transactions"])
        for zone in ("UTC", CHICAGO)
        for row in site_day_kpis(
            tickets, listed, [TUESDAY, WEDNESDAY], landed=[TUESDAY, WEDNESDAY], timezone=zone
        ).table.to_pylist()
        if row["site"] == code
    ]
    assert found == [("UTC", WEDNESDAY, 2), (CHICAGO, TUESDAY, 1), (CHICAGO, WEDNESDAY, 1)]


def test_only_the_days_asked_for() -> None:
    """Rows of the neighbouring days in the same partitions are left alone."""
    tickets = rows(ticket(1, NOON), ticket(2, "2026-03-10T01:00:00Z"), ticket(3, "2026-03-11T17:00:00Z", "UNLISTED"))
    table = site_day_kpis(tickets, CHAIN, [TUESDAY], landed=[TUESDAY, WEDNESDAY]).table
    assert table.select(["site", "business_date", "transactions"]).to_pylist() == [
        {"site": "MAIN", "business_date": TUESDAY, "transactions": 1}
    ]


def test_nothing_asked_nothing_landed() -> None:
    """Zero rows with the schema: no dates, no sites, no files."""
    for mart in (
        site_day_kpis(rows(ticket(1, NOON)), CHAIN, [], landed=[TUESDAY]),
        site_day_kpis(rows(), sites(), [TUESDAY], landed=[TUESDAY]),
        site_day_kpis([], CHAIN, [TUESDAY], landed=[]),
    ):
        assert mart.table.schema == SITE_DAY_KPIS
        assert mart.table.num_rows == 0


def test_no_files_are_no_rows() -> None:
    """Days whose partitions are landed and empty, given as no files at all: zeros."""
    assert site_day_kpis([], CHAIN, [TUESDAY], landed=[TUESDAY, WEDNESDAY]).table["transactions"].to_pylist() == [0]


def test_files_give_what_tables_give(tmp_path) -> None:
    """Parquet under the lake's own folders, read as it stands, and only the columns of `KPI_INPUT`."""
    tuesday, wednesday = rows(ticket(1, NOON), ticket(2, NOON, **MEMBER)), rows(ticket(3, EVENING, **NO_V2_FLAGS))
    paths = []
    for day, table in (("2026-03-10", tuesday), ("2026-03-11", wednesday)):
        paths.append(tmp_path / f"date={day}" / "part-0.parquet")
        paths[-1].parent.mkdir()
        pq.write_table(table, paths[-1])
    landed = [TUESDAY, WEDNESDAY]
    whole = pa.concat_tables([tuesday, wednesday])
    expected = site_day_kpis(whole, CHAIN, [TUESDAY], landed=landed).table
    assert expected["transactions"].to_pylist() == [3]
    assert site_day_kpis(paths, CHAIN, [TUESDAY], landed=landed).table.equals(expected)
    assert site_day_kpis(whole.select(KPI_INPUT.names), CHAIN, [TUESDAY], landed=landed).table.equals(expected)


def test_daily_sales_agree() -> None:
    """In the pipeline's own zone the older table has the same cars, sales and transactions."""
    tickets = rows(
        ticket(1, NOON),
        ticket(2, NOON, **MEMBER),
        ticket(3, NOON, total=40.0, items=[PLAN, line()], **NEW_MEMBER),
        ticket(4, NOON, total=20.0, isRecurringPayment=True),
        ticket(7, NOON, total=0.0, items=[]),
        ticket(5, NOON, items=[line(isVoided=True)], transactionStatus="Voided"),
        ticket(6, NOON, transactionStatus="Incomplete"),
    )
    table = site_day_kpis(tickets, CHAIN, [TUESDAY], landed=[TUESDAY], timezone=CHICAGO).table
    with_day = tickets.add_column(0, "date", pa.array([TUESDAY] * 7, pa.date32()))
    ours = table.select(["site", "business_date", "total_cars", "sales", "transactions"])
    assert ours.rename_columns(["site", "business_date", "cars", "sales", "transactions"]).to_pylist() == (
        daily_sales(with_day).to_pylist()
    )
    assert float(table["sales"][0].as_py()) == sales_total(tickets) == 90.0
