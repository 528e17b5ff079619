"""The fast way from a page's body to columns gives the models' answer, or none: LJ-02; contract, "A row"."""

import copy
import json
import math
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.client import ResponseFormatError, TransactionJobItem, UnparsableRowError
from sonnys_pipeline.client.models import parse_rows
from sonnys_pipeline.extract.pages import decode as decoding
from sonnys_pipeline.extract.pages.decode import decode_page, without_empty_text
from sonnys_pipeline.extract.pages.page import parse_page
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.simulator import World


def page_body(rows, **envelope):
    page = {"hash": "h", "status": "pass", "data": rows, "offset": 1, "limit": 100, "total": len(rows), **envelope}
    return json.dumps({"data": page}).encode()


def by_models(rows):
    """The slow way: what a page must come to."""
    return to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS)


@pytest.fixture(scope="module")
def lifelike():
    """Two hours of a chain with everything that rows can have: quirks, voids, discounts in both spellings."""
    noon = datetime(2026, 3, 10, 18, tzinfo=UTC)
    rows = list(World(seed=3, sites=12, api="documented").rows(noon, noon + timedelta(hours=2)))
    assert len(rows) > 200
    return rows


def test_a_lifelike_page_comes_to_the_same_columns(lifelike):
    """Every value, null and nested list, over hundreds of rows."""
    total, table = decode_page(page_body(lifelike))
    assert total == len(lifelike)
    assert without_empty_text(table).equals(by_models(lifelike))


@pytest.mark.parametrize("body", [b"null", b" null", b"\nnull\n", b"[]", b'"text"', b"7", b"true", b""])
def test_an_answer_that_is_no_object_is_left_to_the_models(body):
    """Arrow's reader ends the whole process at some of these: they are not given to it."""
    assert decode_page(body) is None
    with pytest.raises(ResponseFormatError):
        parse_page("h", body)


def test_a_lifelike_chain_sends_the_quirks_that_matter(lifelike):
    """The page above is a test only if these occur in it."""
    assert any(row["customerName"] == "" for row in lifelike)
    assert any("transactionStatus" not in row for row in lifelike)
    spellings = {key for row in lifelike for part in row["discount"] for key in part}
    assert {"discount", "discountAmount"} <= spellings


def test_empty_text_in_lists_and_slices_becomes_null(make_row):
    """`""` is unset in nested columns, too; required text may be empty."""
    rows = [make_row(number) for number in range(4)]
    rows[1]["tenders"][0]["referenceNumber"] = ""
    rows[2]["items"][0].update(sku="", name="")
    rows[3]["tenders"] = []
    expected = by_models(rows)
    _, table = decode_page(page_body(rows))
    assert without_empty_text(table).equals(expected)
    assert without_empty_text(table.slice(2)).equals(expected.slice(2))


def test_no_rows_are_a_table_without_rows():
    """The columns stand, whatever came."""
    total, table = decode_page(page_body([]))
    assert (total, table.num_rows, table.schema) == (0, 0, TRANSACTIONS)
    assert without_empty_text(table).equals(TRANSACTIONS.empty_table())


DOUBTFUL = {
    "unknown field": lambda row: row.update(loyaltyTier="gold"),
    "unknown nested field": lambda row: row["items"][0].update(colour="red"),
    "text for a number": lambda row: row.update(total="abc"),
    "number as text": lambda row: row.update(total="7.99"),
    "missing id": lambda row: row.pop("id"),
    "empty id": lambda row: row.update(id=""),
    "null id": lambda row: row.update(id=None),
    "missing nested amount": lambda row: row["tenders"][0].pop("total"),
    "null in a list": lambda row: row["items"].append(None),
    "null list": lambda row: row.update(tenders=None),
    "missing discounts": lambda row: row.pop("discount"),
    "time without a zone": lambda row: row.update(completeDate="2026-03-10T12:00:00"),
    "time of another zone": lambda row: row.update(completeDate="2026-03-10T12:00:00+05:00"),
    "not a time": lambda row: row.update(completeDate="yesterday"),
    "not a number": lambda row: row.update(total=math.nan),
    "endless": lambda row: row.update(total=math.inf),
    "too large": lambda row: row.update(number=2**70),
    "a fraction of a thing": lambda row: row["items"][0].update(quantity=1.5),
    "a flag as a number": lambda row: row.update(isPrepaidSale=1),
    "a number for text": lambda row: row.update(locationCode=7),
    "an absurd amount": lambda row: row.update(total=1e16),
    "an absurd amount owed": lambda row: row["tenders"][0].update(change=-10_000_000.01),
    "an absurd discount": lambda row: row.update(discount=[{"discountName": "x", "discountAmount": 1e12}]),
    "an absurd quantity": lambda row: row["items"][0].update(quantity=10**9),
    "an absurd number": lambda row: row.update(number=-(10**16)),
    "a flag as an amount": lambda row: row.update(total=True),
    "null discounts": lambda row: row.update(discount=None),
    "two spellings of the list": lambda row: row.update(discounts=[]),
    "two spellings of an amount": lambda row: row.update(
        discount=[{"discountName": "x", "discount": 1.0, "discountAmount": 1.0}]
    ),
    "our own name": lambda row: row.update(location_code="EVIL"),
    "our own name in a list": lambda row: row["items"][0].update(is_voided=True),
    "the other spelling of the list": lambda row: row.update(discounts=row.pop("discount")),
}


@pytest.mark.parametrize("change", DOUBTFUL.values(), ids=DOUBTFUL.keys())
def test_what_is_in_doubt_goes_to_the_models(make_row, change):
    """The fast way says nothing; the whole page then is what the models make of it, or their refusal."""
    rows = [make_row(number) for number in range(3)]
    change(rows[1])
    body = page_body(rows)
    assert decode_page(body) is None
    landed, refused = verdict(lambda: by_models(rows))
    page, page_refused = verdict(lambda: parse_page("h", body))
    assert (page is None) == (landed is None)
    if page is not None:
        assert without_empty_text(page.table).equals(landed)
    elif isinstance(page_refused, UnparsableRowError):
        assert (page_refused.row_id, page_refused.field) == (refused.row_id, refused.field)
    else:
        assert b"NaN" in body or b"Infinity" in body  # no JSON at all, so no row to name


def verdict(make):
    """What comes out: a result, or the refusal."""
    try:
        return make(), None
    except ResponseFormatError as refusal:
        return None, refusal


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"data": {"status": "pass"}}', b'{"data": 1}\n{}'])
def test_what_is_no_page_goes_to_the_models(body):
    """Nothing is guessed from a foreign body."""
    assert decode_page(body) is None


@pytest.mark.parametrize("status", ["working", "fail", "queued"])
def test_a_job_that_has_not_passed_is_not_decoded(make_row, status):
    """Only `pass` has rows."""
    assert decode_page(page_body([make_row()], status=status)) is None


def test_an_empty_second_spelling_is_none(make_row):
    """Null beside the amount says nothing, in either order; both ways agree."""
    for spellings in ({"discount": None, "discountAmount": 2.5}, {"discount": 2.5, "discountAmount": None}):
        row = make_row(discount=[{"discountName": "x", **spellings}])
        _, table = decode_page(page_body([row]))
        assert without_empty_text(table).equals(by_models([row]))
        assert table["discounts"].to_pylist()[0][0]["discount"] == 2.5


def test_every_number_has_a_bound():
    """What stands behind the models (sums, decimals, reports) can hold whatever they let through."""
    for reader in (decoding._ROW, *[column.part for column in decoding._ROW._plan if column.part]):
        for column in reader._plan:
            is_number = pa.types.is_floating(column.kind) or pa.types.is_integer(column.kind)
            assert (column.largest is not None) is is_number, column.name


def test_broken_text_is_refused(make_row):
    """Bytes that are no UTF-8 do not land."""
    body = page_body([make_row(customerName="Jose")]).replace(b"Jose", b"Jos\xe9")
    assert decode_page(body) is None


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(allow_nan=False), st.text(max_size=5),
    st.sampled_from(["", "2026-03-10T12:00:00.123Z", "2026-03-10", "12"]), st.just([]), st.just({}),
)  # fmt: skip


@pytest.mark.no_cover
@given(data=st.data())
def test_whatever_a_field_holds_both_ways_agree(data):
    """Any JSON value in any field: the same columns, or no answer; never columns from what the models refuse."""
    from sonnys_pipeline_tests.conftest import ROW

    row = copy.deepcopy(dict(ROW))
    target = data.draw(st.sampled_from([row, row["tenders"][0], row["items"][0]]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(scalars)
    body = page_body([row])
    decoded = decode_page(body)
    if decoded is not None:
        assert without_empty_text(decoded[1]).equals(by_models([row]))
        assert isinstance(decoded[1], pa.Table)
