"""KPIS, "How sure a definition is": landed rows beside the API's own lists."""

from sonnys_pipeline.quality.reconciliation import rows_apart, wash_disagreements
from sonnys_pipeline.quality.result import Finding
from sonnys_pipeline_tests.support.tickets import line, rows, ticket

NOON = "2026-03-10T17:00:00Z"


def test_the_same_ids_in_any_order() -> None:
    """No difference; nor on a day without any."""
    assert rows_apart({"1:1": 1.0, "2:1": 19.99}, {"2:1": 19.990000001, "1:1": 1}) == Finding(2)
    assert rows_apart({}, {}) == Finding(0)


def test_ids_that_only_one_side_has() -> None:
    """Both directions are told apart: a row that we lack, and one that the API no longer lists."""
    assert rows_apart({"1:1": 1.0, "2:1": 2.0}, {"2:1": 2.0, "3:1": 3.0}).problems == (
        "listed by the API but not landed: 1 id: 3:1",
        "landed but not listed by the API: 1 id: 1:1",
    )


def test_totals_that_differ() -> None:
    """KT-02: an edited row has the same id and another total: by a cent, it is named."""
    assert rows_apart({"1:1": 1.0, "2:1": 2.0}, {"1:1": 1.01, "2:1": 2.0}).problems == (
        "landed with another total than the API lists: 1 id: 1:1",
    )


def test_washes_on_which_both_agree() -> None:
    """An unvoided wash item, and a place in the API's list."""
    tickets = rows(ticket(1, NOON), ticket(2, NOON, items=[line("Merchandise")]))
    assert wash_disagreements(tickets, ["1:1"]) == Finding(2)


def test_washes_on_which_we_disagree() -> None:
    """Ours alone, theirs alone, and theirs that is not landed."""
    tickets = rows(ticket(1, NOON), ticket(2, NOON, items=[line(isVoided=True)]), ticket(3, NOON))
    found = wash_disagreements(tickets, ["2:1", "3:1", "9:1"])
    assert (found.checked, found.count) == (4, 3)
    assert found.problems == (
        "a wash by its items, but not in the API's list: 1 id: 1:1",
        "in the API's list of washes, without an unvoided wash item: 1 id: 2:1",
        "in the API's list of washes, but not landed: 1 id: 9:1",
    )
