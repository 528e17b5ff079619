"""RS-04: a forgotten customer is taken out of pages, however odd the rows beside theirs are."""

import json

from sonnys_pipeline.extract.pages.forgotten import Forgotten, customer_of, erase_body, read_list, write_list

FORGOTTEN = Forgotten(b"salt", frozenset({Forgotten(b"salt").digest("1:7")}))


def test_rows_of_any_json_type_are_survived() -> None:
    """A customer number that is a list or an object is no reason to keep a day from landing."""
    rows = [
        {"id": "1", "customerId": "1:7", "customerName": "Ada", "tenders": [{"creditCardLastFour": "1234"}]},
        {"id": "2", "customerId": ["1:7"], "customerName": "Bob"},
        {"id": "3", "customerId": {}, "tenders": "none"},
        "no object", None,
    ]  # fmt: skip
    body = json.dumps({"data": {"hash": "h", "status": "pass", "data": rows}}).encode()
    cleaned = json.loads(erase_body(body, FORGOTTEN.has))["data"]["data"]
    assert cleaned[0] == {
        "id": "1",
        "customerId": None,
        "customerName": None,
        "tenders": [{"creditCardLastFour": None}],
    }
    assert cleaned[1:] == rows[1:]


def test_a_page_without_them_keeps_its_bytes() -> None:
    for body in (b"<html>", b'{"data": null}', b'{"data": {"data": [{"customerId": "1:8"}]}}'):
        assert erase_body(body, FORGOTTEN.has) is body


def test_the_list_has_no_number_in_clear() -> None:
    """And reads as it was written."""
    content = write_list(FORGOTTEN)
    assert read_list(content) == FORGOTTEN
    assert b"1:7" not in content
    assert FORGOTTEN.has("1:7")
    assert not any(FORGOTTEN.has(number) for number in ("", None, "1:8", 17))
    assert customer_of({"customerId": ""}) is None
