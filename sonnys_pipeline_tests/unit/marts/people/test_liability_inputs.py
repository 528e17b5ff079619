"""RS-03, DG-02: days of `giftcard_liability` that have to be computed; 40 days recomputed in plain Python."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.history import history_schema, with_reading
from sonnys_pipeline.marts.incremental.inputs import metadata_of
from sonnys_pipeline.marts.people.inputs import inputs_of, outdated_days
from sonnys_pipeline.marts.people.liability_inputs import LiabilityInputs

ZONE = "America/Chicago"
DAYS = [date(2026, 2, 16) + timedelta(days=shift) for shift in range(40)]
KEYS = [day.isoformat() for day in DAYS]
CARD = pa.schema(
    [
        ("giftcard_id", pa.string()),
        ("number", pa.string()),
        ("site_code", pa.string()),
        ("complete_date", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("amount_used", pa.float64()),
        ("extra", pa.string()),
    ]
)
BOOK = pa.schema(
    [("id", pa.string()), ("billing_site_id", pa.string()), ("balance", pa.float64()), ("extra", pa.string())]
)
Row = dict[str, Any]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two sites."""
    lake = Lake(tmp_path)
    sites = {"site_id": [7, 8], "code": ["MAIN", "WEST"], "name": ["Main", "West"], "timezone": [ZONE, ZONE]}
    lake.land("sites", pa.table(sites))
    return lake


def read(lake: Lake, asset: str, rows: list[Row], day: date) -> None:
    """One more reading of a list in the morning of a day, as its asset lands it."""
    schema, key = (CARD, "giftcard_id") if asset == "giftcards" else (BOOK, "id")
    before = lake.read(asset) if lake.has(asset) else history_schema(schema).empty_table()
    table = with_reading(before, pa.Table.from_pylist(rows, schema), [key], day, accept_shorter=True)
    read_at = datetime.combine(day, time(7, 5), ZoneInfo(ZONE))
    lake.land(asset, table, metadata={"read_at": read_at.isoformat()})


def land(lake: Lake, keys: list[str]) -> None:
    """The mart of some days as its asset lands it."""
    inputs = LiabilityInputs(lake, ZONE)
    rows, digests = inputs.count(keys), inputs.digests(keys)
    for key in keys:
        of_day = rows.filter(pa.compute.equal(rows["business_date"], pa.scalar(date.fromisoformat(key))))
        kept = metadata_of(digests[key], inputs_of(inputs, key), rows=of_day)
        lake.land("giftcard_liability", of_day, partition=key, metadata=kept)


def outdated(lake: Lake) -> list[str]:
    """Days to compute, of the 40."""
    return list(outdated_days(lake, "giftcard_liability", LiabilityInputs(lake, ZONE), KEYS))


def card(number: int, value: float, used: float = 0.0, site: str = "MAIN") -> Row:
    """A card as the list has it; every fifth has no date."""
    sold = None if number % 5 == 0 else datetime(2026, 1, 5, 17, tzinfo=UTC)
    return {"giftcard_id": str(number), "site_code": site, "complete_date": sold, "value": value, "amount_used": used}


def test_nothing_is_computed_without_the_lists(lake: Lake) -> None:
    """A lake of an account whose lists are not read."""
    assert outdated(lake) == []


def test_a_reading_asks_for_its_day_and_leaves_earlier_ones(lake: Lake) -> None:
    """The first reading asks for its own day, the next one for the days up to it; nothing is computed twice."""
    read(lake, "giftcards", [card(1, 50.0)], DAYS[0])
    assert outdated(lake) == KEYS[:1]
    land(lake, KEYS[:1])
    assert outdated(lake) == []

    read(lake, "giftcards", [card(1, 50.0, 20.0)], DAYS[2])
    assert outdated(lake) == KEYS[1:3]
    land(lake, KEYS[1:3])
    assert outdated(lake) == []


def test_a_second_reading_of_a_day_replaces_its_figures(lake: Lake) -> None:
    """Only if it saw something else."""
    read(lake, "giftcards", [card(1, 50.0)], DAYS[0])
    land(lake, KEYS[:1])
    read(lake, "giftcards", [card(1, 50.0)], DAYS[0])
    assert outdated(lake) == []
    read(lake, "giftcards", [card(1, 50.0, 1.0)], DAYS[0])
    assert outdated(lake) == KEYS[:1]


def test_washbooks_alone_are_enough(lake: Lake) -> None:
    """An account may have no gift cards, or not read them."""
    read(lake, "washbooks", [{"id": "1", "billing_site_id": "7", "balance": 3.0}], DAYS[0])
    land(lake, KEYS[:1])
    main = lake.read("giftcard_liability", KEYS[:1]).to_pylist()[0]
    assert (main["washes_outstanding"], main["cards"]) == (3.0, None)
    assert main["unknown"] == "giftcards: not read by this day"


def test_forty_days_equal_the_recomputation(lake: Lake) -> None:
    """Cards are sold, used, corrected and removed; washbooks are sold and washed from; some days have no reading."""
    chance = random.Random(7)
    cards = {number: card(number, float(chance.choice([25, 50, 100])), site="MAIN") for number in range(1, 31)}
    books = {number: {"id": str(number), "billing_site_id": "7", "balance": 5.0} for number in range(1, 11)}
    seen: dict[date, tuple[list[Row], list[Row]]] = {}
    for position, day in enumerate(DAYS):
        for number in range(31 + 3 * position, 34 + 3 * position):
            cards[number] = card(number, round(chance.uniform(5, 150), 2), site=chance.choice(["MAIN", "WEST"]))
            books[number] = {"id": str(number), "billing_site_id": chance.choice(["7", "8"]), "balance": 10.0}
        for one in chance.sample(sorted(cards), 12):
            left = cards[one]["value"] - cards[one]["amount_used"]
            cards[one] = {**cards[one], "amount_used": round(cards[one]["amount_used"] + chance.uniform(0, left), 2)}
        for one in chance.sample(sorted(books), 8):
            books[one] = {**books[one], "balance": max(books[one]["balance"] - 1, 0.0)}
        if position % 11 == 10:
            del cards[chance.choice(sorted(cards))]
        if position % 7 != 3:
            read(lake, "giftcards", list(cards.values()), day)
            read(lake, "washbooks", list(books.values()), day)
            seen[day] = list(cards.values()), list(books.values())
    land(lake, outdated(lake))

    assert lake.partitions("giftcard_liability") == KEYS
    found = {(row["site"], row["business_date"]): row for row in lake.read("giftcard_liability", KEYS).to_pylist()}
    assert len(found) == 2 * len(DAYS)
    for day in DAYS:
        cards_then, books_then = seen[max(one for one in seen if one <= day)]
        sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for row in cards_then:
            total = sums[row["site_code"]]
            total["cards"] += 1
            total["undated"] += row["complete_date"] is None
            total["sold"] += Decimal(str(row["value"]))
            total["used"] += Decimal(str(row["amount_used"]))
        for row in books_then:
            total = sums[{"7": "MAIN", "8": "WEST"}[row["billing_site_id"]]]
            total["books"] += 1
            total["washes"] += Decimal(str(row["balance"]))
        for site in ("MAIN", "WEST"):
            row, total = found[site, day], sums[site]
            assert (row["cards"], row["undated_cards"]) == (total["cards"], total["undated"])
            assert (row["sold_value"], row["used_value"]) == (total["sold"], total["used"])
            assert row["liability"] == total["sold"] - total["used"]
            assert (row["washbooks"], row["washes_outstanding"]) == (total["books"], float(total["washes"]))
            assert row["unknown"] is None
