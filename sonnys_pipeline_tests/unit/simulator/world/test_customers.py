"""The simulated customers change with time: another phone number, some leave; `modifiedDate` says when."""

from datetime import UTC, datetime

from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.customers import Customers

THEN, NOW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


def test_whoever_was_modified_is_another_in_the_list() -> None:
    """And nobody else is."""
    sites = [site for site in World(seed=7, sites=1).sites if site.timezone]
    customers = Customers(7, sites, live=True)
    codes = {site.code for site in sites}
    before = {row["customerId"]: row for row in (customers.listed(one, THEN) for one in customers.all(codes, THEN))}
    after = {row["customerId"]: row for row in (customers.listed(one, NOW) for one in customers.all(codes, NOW))}
    assert before.keys() < after.keys()
    changed = {key for key, row in before.items() if after[key] != row}
    assert changed == {key for key, row in before.items() if after[key]["modifiedDate"] != row["modifiedDate"]}
    assert len(changed) > 100
    phones = [key for key in changed if before[key]["phoneNumber"] != after[key]["phoneNumber"]]
    left = [key for key in changed if before[key]["isActive"] and not after[key]["isActive"]]
    assert len(phones) > 50
    assert left


def test_a_site_has_as_many_customers_as_set_and_the_first_are_the_members() -> None:
    """From its second year on; one more every five days."""
    world = World(seed=7, sites=2, accounts_per_site=10)
    sites = [book.site for book in world.books]
    customers = Customers(7, sites, live=True, members=10, at_first=25)
    codes = {site.code for site in sites}
    year = datetime(2015, 12, 31, tzinfo=UTC)
    first = list(customers.all(codes, year))
    late = [one for one in first if one.position >= 25]
    assert len(first) - len(late) == 2 * 25
    assert 2 * 71 <= len(late) <= 2 * 73
    assert len(list(customers.all(codes, datetime(2016, 12, 30, tzinfo=UTC)))) - len(first) == 2 * 73
    assert {one.id for one in first} >= {
        account.customer_id for book in world.books for account in book.between(year.date(), year.date())
    }
