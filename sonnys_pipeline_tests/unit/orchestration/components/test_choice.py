"""EC-01: which lists and marts a component defines."""

import dagster as dg
import pytest

from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.orchestration.components.choice import EVERYTHING, Choice, checks_of, left_out


def asset(name: str, *reads: str) -> dg.AssetsDefinition:
    """An asset that reads others."""
    return dg.asset(name=name, deps=list(reads))(lambda: None)


ACCOUNTS, CHARGES, ITEMS = asset("accounts"), asset("charges", "accounts"), asset("items")
LISTS = [[ACCOUNTS, ITEMS], [CHARGES]]
KPIS, MIX = asset("kpis", "transactions"), asset("mix", "items", "kpis")
REPORT = asset("report", "transactions", "kpis", "mix")
MARTS = [KPIS, MIX, REPORT]


def test_everything_is_the_default():
    """Nothing is left out, in the order given."""
    assert EVERYTHING.of_resources(LISTS) == LISTS
    assert EVERYTHING.of_marts(MARTS, frozenset()) == MARTS


def test_marts_that_are_made_of_a_missing_list_are_left_out():
    """What reads transactions, too, can do without: its figures from there are null, with a reason."""
    choice = Choice(resources=frozenset({"accounts", "charges"}))

    chosen = choice.of_resources(LISTS)

    assert chosen == [[ACCOUNTS], [CHARGES]]
    assert choice.of_marts(MARTS, left_out(LISTS, chosen)) == [KPIS, REPORT]
    further = asset("further", "mix")
    assert choice.of_marts([*MARTS, further], left_out(LISTS, chosen)) == [KPIS, REPORT]


def test_a_named_mart_must_have_what_it_needs():
    """An error names what is missing, and where to add it."""
    choice = Choice(resources=frozenset(), marts=frozenset({"mix", "kpis"}))
    missing = left_out(LISTS, choice.of_resources(LISTS))
    with pytest.raises(SettingsError, match="mix reads items: add items to marts or resources"):
        choice.of_marts(MARTS, missing)
    with pytest.raises(SettingsError, match="report reads kpis: add kpis to marts or resources"):
        Choice(marts=frozenset({"report"})).of_marts(MARTS, frozenset())
    with pytest.raises(SettingsError, match="charges reads accounts: add accounts to resources"):
        Choice(resources=frozenset({"charges"})).of_resources(LISTS)
    assert Choice(marts=frozenset({"report", "kpis"})).of_marts(MARTS, frozenset()) == [KPIS, REPORT]


def test_unknown_names_are_refused():
    """With those that there are."""
    with pytest.raises(SettingsError, match="resources: unknown item, prices; choose from accounts, charges, items"):
        Choice(resources=frozenset({"item", "prices", "items"})).of_resources(LISTS)
    with pytest.raises(SettingsError, match="marts: unknown days; choose from kpis, mix, report"):
        Choice(marts=frozenset({"days"})).of_marts(MARTS, frozenset())


def test_checks_go_with_their_assets():
    """A check of an asset that is not defined is not defined either."""
    checks = [
        dg.asset_check(asset=one, name="known")(lambda: dg.AssetCheckResult(passed=True)) for one in (ITEMS, ACCOUNTS)
    ]

    assert checks_of(checks, [ITEMS]) == checks[:1]
