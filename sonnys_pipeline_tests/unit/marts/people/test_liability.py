"""RS-03, KPIS "Gift-card liability", "Prepaid washes outstanding": by site and day, as the lists were read."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sonnys_pipeline.marts.people.columns import GIFTCARD_LIABILITY
from sonnys_pipeline.marts.people.liability import CARD_INPUT, WASHBOOK_INPUT, Readings, giftcard_liability

FIRST = date(2026, 3, 10)
SECOND, THIRD, LATER = (FIRST + timedelta(days=shift) for shift in (1, 2, 3))
SITES = pa.table(
    {"site_id": [7, 8], "code": ["MAIN", "WEST"], "name": ["Main", "West"], "timezone": ["America/Chicago"] * 2}
)
NO_CARDS, NO_BOOKS = Readings(CARD_INPUT.empty_table()), Readings(WASHBOOK_INPUT.empty_table())


def card(value: float | None, used: float | None, site: str | None = "MAIN", **fields: Any) -> dict[str, Any]:
    """A version of a card that was sold in January and is valid since the first reading."""
    sold = datetime(2026, 1, 5, 17, tzinfo=UTC)
    valid = {"valid_from": FIRST, "valid_to": None}
    return {"site_code": site, "complete_date": sold, "value": value, "amount_used": used, **valid, **fields}


def cards(*rows: dict[str, Any], last: date = THIRD) -> Readings:
    """A history that was read from the first to the last day."""
    return Readings(pa.Table.from_pylist(list(rows), CARD_INPUT), FIRST, last)


def books(*balances: tuple[str | None, float | None]) -> Readings:
    """Washbooks by site and balance."""
    rows = [
        {"billing_site_id": site, "balance": balance, "valid_from": FIRST, "valid_to": None}
        for site, balance in balances
    ]
    return Readings(pa.Table.from_pylist(rows, WASHBOOK_INPUT), FIRST, THIRD)


def owed(
    giftcards: Readings, washbooks: Readings = NO_BOOKS, days: Sequence[date] = (FIRST,), sites: pa.Table = SITES
) -> list[dict[str, Any]]:
    """The rows, without sites at which nothing is owed."""
    rows = giftcard_liability(giftcards, washbooks, sites, days, "America/Chicago").to_pylist()
    return [row for row in rows if row["cards"] or row["washbooks"]]


def test_a_day_of_cards_and_washbooks() -> None:
    """Cents exactly; a card without a date is counted with the others and apart; sites by code or number."""
    found = owed(
        cards(card(50.0, 12.35), card(25.1, 25.1), card(0.3, 0.1, "main ", complete_date=None)),
        books(("7", 5.0), ("7", 0.0), ("8", 2.0)),
    )
    assert found == [
        {
            "site": "MAIN",
            "business_date": FIRST,
            "cards": 3,
            "undated_cards": 1,
            "sold_value": Decimal("75.40"),
            "used_value": Decimal("37.55"),
            "liability": Decimal("37.85"),
            "washbooks": 2,
            "washes_outstanding": 5.0,
            "unknown": None,
        },
        {
            "site": "WEST",
            "business_date": FIRST,
            "cards": 0,
            "undated_cards": 0,
            "sold_value": Decimal(0),
            "used_value": Decimal(0),
            "liability": Decimal(0),
            "washbooks": 1,
            "washes_outstanding": 2.0,
            "unknown": None,
        },
    ]


def test_a_day_has_what_the_last_reading_before_it_saw() -> None:
    """A card is used on the third day and another one sold; the second day was not read."""
    history = cards(
        card(50.0, 0.0, valid_to=THIRD),
        card(50.0, 20.0, valid_from=THIRD),
        card(30.0, 0.0, valid_from=THIRD),
    )
    found = owed(history, days=[FIRST, SECOND, THIRD])
    assert [(row["business_date"], row["cards"], row["liability"]) for row in found] == [
        (FIRST, 1, Decimal("50.00")), (SECOND, 1, Decimal("50.00")), (THIRD, 2, Decimal("60.00")),
    ]  # fmt: skip


def test_days_without_a_reading_are_not_known() -> None:
    """LV-04: before the first and after the last reading, and of a list that was never read, figures are null."""
    days = [FIRST - timedelta(days=1), FIRST, LATER]
    rows = giftcard_liability(cards(card(50.0, 0.0)), NO_BOOKS, SITES, days, "UTC").to_pylist()
    main = {row["business_date"]: row for row in rows if row["site"] == "MAIN"}
    assert [main[day]["liability"] for day in days] == [None, Decimal("50.00"), None]
    assert main[FIRST]["unknown"] == "washbooks: not read by this day"
    assert main[LATER]["unknown"] == "giftcards: not read by this day; washbooks: not read by this day"
    assert {row["washes_outstanding"] for row in rows} == {None}


def test_an_empty_list_is_zero() -> None:
    """It was read, and nobody has a card."""
    rows = giftcard_liability(cards(), NO_BOOKS, SITES, [FIRST], "UTC").to_pylist()
    assert [(row["site"], row["cards"], row["liability"]) for row in rows] == [("MAIN", 0, 0), ("WEST", 0, 0)]


def test_values_that_are_missing_are_named() -> None:
    """A sum is made of the others; without any it is null."""
    [row] = owed(cards(card(50.0, 10.0), card(None, 5.0), card(20.0, None)), books(("7", None)))
    assert (row["cards"], row["liability"], row["washes_outstanding"]) == (3, Decimal("40.00"), None)
    assert row["unknown"] == (
        "value, amount_used: 2 of 3 cards lack one of them, left out of liability; "
        "balance: 1 of 1 washbooks lack it, left out of washes_outstanding"
    )


def test_cards_and_washbooks_of_unknown_sites_are_not_lost() -> None:
    """A code that no list has stays; a number that no list has is an empty code, as is none at all."""
    found = owed(cards(card(5.0, 0.0, "OLD"), card(7.0, 0.0, None)), books(("99", 3.0), (None, 1.0)))
    assert [(row["site"], row["liability"], row["washes_outstanding"]) for row in found] == [
        ("", Decimal("7.00"), 4.0), ("OLD", Decimal("5.00"), 0.0),
    ]  # fmt: skip


def test_a_renamed_site_is_named_as_on_the_day() -> None:
    """One site by both codes, and by its number."""
    names = ["site_id", "code", "name", "timezone", "site", "spellings", "valid_from", "valid_to"]
    versions = [
        (7, "OLD", "Main", "America/Chicago", "old", ["OLD"], None, SECOND),
        (7, "MAIN", "Main", "America/Chicago", "old", ["MAIN"], SECOND, None),
    ]
    sites = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in versions])
    found = owed(cards(card(5.0, 0.0, "OLD")), books(("7", 3.0)), [FIRST, SECOND], sites)
    assert [(row["site"], row["liability"], row["washes_outstanding"]) for row in found] == [
        ("OLD", Decimal("5.00"), 3.0), ("MAIN", Decimal("5.00"), 3.0),
    ]  # fmt: skip


def test_no_day_is_no_row() -> None:
    """The columns are there."""
    assert giftcard_liability(NO_CARDS, NO_BOOKS, SITES, []).schema == GIFTCARD_LIABILITY
