"""The simulated chain: the gift cards and washbooks that are sold and used in rows are those of the lists."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.prepaid import Prepaid

#: With a clock change.
START, DAYS = datetime(2026, 2, 20, tzinfo=UTC), 35
END = START + timedelta(days=DAYS, milliseconds=-1)
CODES = frozenset({"MAIN", "HARBOR", "SUNSET"})


@pytest.mark.parametrize("seed", [7, 12])
def test_sales_and_uses_of_rows_are_those_of_the_lists(seed: int) -> None:
    """By site, second and amount; by number of the gift card and id of the washbook; 35 days of three sites."""
    world = World(seed=seed, api="documented")
    prepaid = Prepaid(world.prepaid_books, live=False)
    sales: dict[str, Counter[tuple[object, ...]]] = defaultdict(Counter)
    used, uses = Counter[str](), Counter[str]()
    for row in world.rows(START, END):
        department, at = row["items"][0]["department"], row["completeDate"][:19]
        if department == "GiftCard":
            sales[department][row["locationCode"], at, row["total"]] += 1
        elif department == "WashBook":
            sales[department][row["locationCode"], at, row["items"][0]["name"]] += 1
        if row["isPrepaidRedemption"] and row["tenders"][0]["tenderSubType"] != "Code":
            reference = row["tenders"][0]["referenceNumber"]
            used[reference] += round(row["total"] * 100)
            uses[reference] += 1

    cards = [prepaid.giftcard(one, END) for one in prepaid.giftcards(CODES, START, END)]
    listed = Counter((card["siteCode"], card["completeDate"].replace(" ", "T"), card["value"]) for card in cards)
    assert sales["GiftCard"] == listed
    assert listed.total() > 280
    assert {card["number"]: round(card["amountUsed"] * 100) for card in cards if card["amountUsed"]} == {
        card["number"]: used[card["number"]] for card in cards if used[card["number"]]
    }
    assert sum(used[card["number"]] > 0 for card in cards) > 100

    books = [prepaid.listed_washbook(one, END) for one in prepaid.washbooks(CODES, START, END)]
    code = {site.site_id: site.code for site in world.sites}
    assert sales["WashBook"] == Counter(
        (code[book["billingSiteId"]], book["signUpDate"].replace(" ", "T"), book["name"]) for book in books
    )
    for book in books:
        washes = int(book["name"].split()[1])
        assert washes - int(book["balance"]) == uses[book["id"]]
    assert sum(uses[book["id"]] > 0 for book in books) > 100

    # Nothing else is redeemed: items that were sold before the days are in the lists too.
    sold_before = START - timedelta(days=240)
    numbers = {card.reference for card in prepaid.giftcards(CODES, sold_before, END)}
    assert used.keys() <= numbers | {book.reference for book in prepaid.washbooks(CODES, sold_before, END)}


def test_a_washbook_that_is_used_names_its_holder() -> None:
    """Also the id is that of the customer, where the list has one."""
    world = World(seed=7, sites=1)
    prepaid = Prepaid(world.prepaid_books, live=True)
    seen = Counter[bool]()
    for row in world.rows(START, END):
        if row["isPrepaidRedemption"] and row["tenders"][0]["tenderSubType"] == "Washbook":
            book = prepaid.find_washbook(row["tenders"][0]["referenceNumber"], END)
            assert book is not None
            holder = prepaid.listed_washbook(book, END)["customerId"]
            assert (row["customerId"] or None) == holder
            seen[holder is None] += 1
    assert min(seen[True], seen[False]) > 50
