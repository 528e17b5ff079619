"""RS-04: which rows are a customer's."""

from sonnys_pipeline.erasure.person import Person

PERSON = Person(frozenset({"17"}), sales={"5:1"})


def test_a_row_without_a_number_belongs_by_its_transaction() -> None:
    """Payments, states without a number, and recorded changes have the transaction's id alone."""
    assert PERSON.owns({"transaction_id": "5:1", "reference_number": "x"})
    assert PERSON.owns({"id": "5:1", "customer_id": None})
    assert not PERSON.owns({"transaction_id": "6:1"})


def test_the_same_transaction_id_of_another_customer_is_not_theirs() -> None:
    """Ids are unique in one database only; the customer number decides where there is one."""
    assert PERSON.owns({"id": "9:1", "customer_id": "17"})
    assert not PERSON.owns({"id": "5:1", "customer_id": "18"})
