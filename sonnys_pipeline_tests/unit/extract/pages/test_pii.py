"""RS-04, LJ-02: what each policy leaves of a page, field by field, and that nothing slips through."""

import copy
import hmac
import json
import re
import string
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonnys_pipeline.client import ResponseFormatError, TransactionJobItem, TransactionV2ListItem, UnparsableRowError
from sonnys_pipeline.client.models import ApiModel, Discount, LineItem, OptionalText, Tender
from sonnys_pipeline.extract.pages import pii as privacy
from sonnys_pipeline.extract.pages.decode import decode_page, without_empty_text
from sonnys_pipeline.extract.pages.page import PageRows, parse_page
from sonnys_pipeline.extract.pages.pii import IMPERSONAL, PERSONAL, Policy, Privacy, privacy_problem
from sonnys_pipeline.extract.pages.transforms import is_text
from sonnys_pipeline_tests.conftest import ROW

DOCUMENT = (Path(__file__).parents[4] / "docs" / "personal-data.md").read_text()
KEY = b"sixteen bytes key"
KEEP, HASH, DROP = Privacy(), Privacy(Policy.HASH, KEY), Privacy(Policy.DROP)
STRICT = pytest.mark.parametrize("strict", [HASH, DROP], ids=lambda strict: strict.policy)
#: Column prefix → model, for every model of a page.
MODELS: dict[str, type[ApiModel]] = {
    "": TransactionJobItem, "tenders.": Tender, "items.": LineItem, "discounts.": Discount,
    "transaction_states.": TransactionV2ListItem,
}  # fmt: skip
#: Field of a row or of its tender, as the wire spells it → column.
FIELDS = {
    "customerName": "customer_name",
    "customerId": "customer_id",
    "vehicleLicensePlate": "vehicle_license_plate",
    "employeeCashier": "employee_cashier",
    "employeeGreeter": "employee_greeter",
    "referenceNumber": "reference_number",
    "creditCardLastFour": "credit_card_last_four",
    "creditCardExpirationDate": "credit_card_expiration_date",
}
OF_A_ROW = tuple(FIELDS)[:5]
OF_A_TENDER = tuple(FIELDS)[5:]


def body_of(*rows: Any, **envelope: Any) -> bytes:
    page = {"hash": "h", "status": "pass", "data": list(rows), "limit": 100, "total": len(rows), **envelope}
    return json.dumps({"data": page}).encode()


def row_with(**fields: Any) -> dict[str, Any]:
    """A row with these fields of a row, and these of a tender in both of its two tenders."""
    row = copy.deepcopy(dict(ROW))
    row["tenders"] = [row["tenders"][0], dict(row["tenders"][0])]
    for name, value in fields.items():
        for place in row["tenders"] if name in OF_A_TENDER else [row]:
            place[name] = value
    return row


def columns(body: bytes) -> list[dict[str, Any]]:
    page = parse_page("h", body)
    assert isinstance(page, PageRows)
    return without_empty_text(page.table).to_pylist()


def refused(body: bytes) -> UnparsableRowError:
    with pytest.raises(UnparsableRowError) as caught:
        parse_page("h", body)
    return caught.value


def test_every_text_field_of_the_models_is_named_once() -> None:
    """As personal or as impersonal, in the code; a new one is refused when the package is imported."""
    for model in MODELS.values():
        text = {name for name, info in model.model_fields.items() if is_text(info.annotation)}
        named = (*PERSONAL.get(model, ()), *IMPERSONAL.get(model, ()))
        assert sorted(named) == sorted(text)
    assert set(PERSONAL) | set(IMPERSONAL) == set(MODELS.values())


def test_the_document_names_every_text_column_and_what_becomes_of_it() -> None:
    """`docs/personal-data.md` and the code say the same."""
    rows = re.findall(r"^\| (`[^|]*`) \|[^|]*\| ([^|]*) \| ([^|]*) \|$", DOCUMENT, re.MULTILINE)
    said = {column: verdicts for names, *verdicts in rows for column in re.findall(r"`([^`]+)`", names)}
    assert said.pop("extra") == ["their names, with null for each value", "the same"]
    for prefix, model in MODELS.items():
        for name in PERSONAL.get(model, ()):
            assert said.pop(prefix + name) == ["hashed", "null"]
        for name in IMPERSONAL.get(model, ()):
            assert said.pop(prefix + name) == ["as received", "as received"]
    assert said == {}


def test_a_new_text_field_cannot_slip_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that has one which nobody has named makes no reader of pages."""

    class Grown(TransactionJobItem):
        customer_phone: OptionalText = None

    monkeypatch.setattr(privacy, "TransactionJobItem", Grown)
    monkeypatch.setattr(privacy, "PERSONAL", {**PERSONAL, Grown: PERSONAL[TransactionJobItem]})
    monkeypatch.setattr(privacy, "IMPERSONAL", {**IMPERSONAL, Grown: IMPERSONAL[TransactionJobItem]})
    with pytest.raises(TypeError, match=r"Grown\.customer_phone is text"):
        Privacy(Policy.DROP)


def test_kept_bytes_are_the_very_bytes() -> None:
    """Spaces, order and spelling as received; not even JSON is asked for."""
    body = b'{ "data" : 1.50 }'
    assert KEEP.apply(body) is body
    assert KEEP.metadata == {"pii": "keep", "pii_key": ""}


@pytest.mark.parametrize("field", FIELDS)
def test_each_personal_field_is_hashed_or_dropped(field: str) -> None:
    """In the columns and in the bytes; whatever it is about, and in every tender."""
    body = body_of(row_with(**{field: "Zoë 4711"}))
    for strict, expected in ((HASH, r"h:[0-9a-f]{32}"), (DROP, None)):
        treated = strict.apply(body)
        (row,) = columns(treated)
        places = row["tenders"] if field in OF_A_TENDER else [row]
        for place in places:
            value = place[FIELDS[field]]
            assert value is None if expected is None else re.fullmatch(expected, value)
        assert "4711" not in treated.decode()
        assert "Zo" not in treated.decode()


def test_hashes_join_within_one_key() -> None:
    """The same text is the same hash in every field and row, another text or key another one; the key is not in it."""
    rows = [row_with(customerName="Ana", employeeCashier="Ana"), row_with(customerName="Ana", employeeCashier="Ann")]
    rows[1]["id"] = "2:1"
    (one, two), (other, _) = (columns(Privacy(Policy.HASH, key).apply(body_of(*rows))) for key in (KEY, b"k" * 16))
    assert one["customer_name"] == one["employee_cashier"] == two["customer_name"] != two["employee_cashier"]
    assert other["customer_name"] != one["customer_name"]
    assert HASH.key_fingerprint != Privacy(Policy.HASH, b"k" * 16).key_fingerprint
    assert HASH.metadata == {"pii": "hash", "pii_key": HASH.key_fingerprint}
    assert KEY.decode() not in repr(vars(HASH)["policy"]) + repr(HASH) + str(HASH.metadata)


def test_a_hash_is_the_hmac_that_the_document_promises() -> None:
    """Whoever has the key finds a customer: HMAC-SHA256, hexadecimal, cut to 32 digits."""
    (row,) = columns(HASH.apply(body_of(row_with(customerName="José Núñez"))))
    known = "b672ecf4"  # by another tool: printf 'José Núñez' | openssl dgst -sha256 -hmac 'sixteen bytes key'
    assert row["customer_name"].startswith(f"h:{known}")


def test_a_hash_needs_a_key() -> None:
    """A short one would be found by trying."""
    with pytest.raises(ValueError, match="16"):
        Privacy(Policy.HASH, b"short")


VALUES = st.one_of(st.none(), st.just(""), st.text(string.printable, min_size=1, max_size=12), st.text(min_size=1))
PEOPLE = st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES)), min_size=1, max_size=4)


@settings(max_examples=50)
@given(people=PEOPLE)
def test_columns_are_what_was_received_but_for_people(people: list[dict[str, Any]]) -> None:
    """Bytes and columns agree: what is landed of a treated page is the clear page with each personal value replaced."""
    rows = [{**row_with(**fields), "id": f"{number}:1"} for number, fields in enumerate(people)]
    body = json.dumps({"data": {"hash": "h", "status": "pass", "data": rows, "total": len(rows)}}).encode()
    clear = columns(body)
    for strict in (HASH, DROP):
        treated = strict.apply(body)
        expected = copy.deepcopy(clear)
        for row in expected:
            for place in (row, *row["tenders"]):
                for name in FIELDS.values():
                    if place.get(name) is not None:
                        place[name] = hashed(place[name]) if strict is HASH else None
        assert columns(treated) == expected
        assert strict.apply(body) == treated


def hashed(text: str) -> str:
    """As the document says it."""
    return "h:" + hmac.new(KEY, text.encode(), "sha256").hexdigest()[:32]


@STRICT
def test_a_treated_page_is_read_the_fast_way(strict: Privacy) -> None:
    """Arrow reads it as it reads a clear one; the models are asked only where they would have been."""
    assert decode_page(strict.apply(body_of(row_with()))) is not None


@STRICT
def test_of_unknown_fields_the_names_are_kept(strict: Privacy) -> None:
    """Nobody knows what is in them; that they came, and how often, is seen as before."""
    row = row_with(loyaltyTier="Ana Gold", contact={"phone": "555-0199"})
    row["items"][0]["engraving"] = "Ana"
    body = strict.apply(body_of(row, requestedBy="Ana"))
    page = parse_page("h", body)
    assert isinstance(page, PageRows)
    assert json.loads(page.table["extra"][0].as_py()) == {
        "contact": None, "loyaltyTier": None, "items": {"0": {"engraving": None}},
    }  # fmt: skip
    clear = parse_page("h", body_of(row))
    assert isinstance(clear, PageRows)
    assert page.unknown_fields == clear.unknown_fields
    assert b"Ana" not in body
    assert b"555" not in body


@STRICT
@pytest.mark.parametrize("beside", [True, False])
def test_a_field_under_our_own_name_is_treated_and_refused(strict: Privacy, beside: bool) -> None:
    """The API spells it otherwise: refused as without the policy, and nothing of it is told."""
    row = row_with(customer_name="Zoë Lee")
    if not beside:
        del row["customerName"]
    treated = strict.apply(body_of(row))
    assert "Lee" not in treated.decode()
    assert (refused(treated).field, refused(body_of(row)).field) == ("customer_name", "customer_name")


@STRICT
def test_a_field_twice_is_refused_under_every_policy(strict: Privacy) -> None:
    """One of the two would be dropped before anybody could see that there are two."""
    body = body_of(row_with()).replace(b'"total"', b'"total": 1.0, "total"', 1)
    for treated in (lambda: parse_page("h", body), lambda: parse_page("h", strict.apply(body, "load job h"))):
        with pytest.raises(ResponseFormatError, match="load job h: the field total occurs twice"):
            treated()


@STRICT
def test_what_is_no_name_of_a_field_is_not_kept(strict: Privacy) -> None:
    """A person may stand where a name of a field should: in a row, a part of it, or the envelope."""
    row = row_with(**{"Zoë Lee": 1, "Lee, Ana": None, "loyaltyTier": 2})
    row["items"][0]["(555) 010-0199"] = 1
    body = json.dumps({"Ana Lee": 1, "data": {"status": "pass", "data": [row], "total": 1, "Ana Lee": 2}}).encode()
    treated = strict.apply(body)
    assert not re.search(b"Lee|Ana|555", treated)
    page = parse_page("h", treated)
    assert isinstance(page, PageRows)
    assert page.unknown_fields == {"?": 1, "loyaltyTier": 1, "items.?": 1}


@STRICT
def test_half_a_character_is_treated_like_a_whole_one(strict: Privacy) -> None:
    """A name that was cut in the middle of an emoji, or has a byte of Latin-1, keeps no day from landing."""
    for broken in (rb"Zo \ud83d Lee", b"Zo\xeb Lee"):
        treated = strict.apply(body_of(row_with(customerName="NAME")).replace(b"NAME", broken))
        assert b"Lee" not in treated
        (line,) = columns(treated)
        assert (line["customer_name"] is None) is (strict is not HASH)


@STRICT
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total", "Zoë Lee"),
        ("completeDate", "Zoë Lee"),
        ("isRecurringSale", "Zoë Lee"),
        ("id", {"of": "Zoë Lee"}),
        ("type", ["Zoë Lee"]),
        ("customerName", {"first": "Zoë Lee"}),
        ("customerName", ["Zoë Lee"]),
        ("creditCardLastFour", 4711),
        ("creditCardLastFour", True),
        ("creditCardLastFour", 47.11),
        ("tenders", "Zoë Lee"),
        ("tenders", ["Zoë Lee"]),
        ("items", {"of": "Zoë Lee"}),
        ("discount", [["Zoë Lee"]]),
    ],
)
def test_what_is_not_of_its_kind_is_refused_as_before_and_not_kept(strict: Privacy, field: str, value: Any) -> None:
    """The models say the same of the treated page as of the clear one, and nothing of the value is in it."""
    body = body_of(row_with(), row_with(**{field: value}))
    clear, treated = refused(body), refused(strict.apply(body))
    assert treated.field.split(".")[0] == clear.field.split(".")[0]
    everything = strict.apply(body).decode() + repr(treated.page) + str(treated)
    assert "Lee" not in everything
    assert not re.search(r"\b47\.?11\b", everything)


@STRICT
def test_numbers_written_as_text_are_taken_as_before(strict: Privacy) -> None:
    """What the models read as a number or an instant is one, however it is written."""
    row = row_with(total="19.49", number="876")
    assert [line["total"] for line in columns(strict.apply(body_of(row)))] == [19.49]


@STRICT
@pytest.mark.parametrize(
    "body",
    [b"<html>Zoe Lee</html>", b'{"data": {"data": [{"customerName": "Zoe Lee"', b"Zoe Lee", b"\xff", b'{"a": NaN}'],
)
def test_what_is_not_json_is_not_quoted(strict: Privacy, body: bytes) -> None:
    """A part of a page, or something else altogether: how long it was is all that is said."""
    with pytest.raises(ResponseFormatError, match=f"not JSON: {len(body)} bytes") as caught:
        strict.apply(body)
    assert "Lee" not in str(caught.value)


@STRICT
@pytest.mark.parametrize("answer", [["Zoë Lee"], "Zoë Lee", {"data": "Zoë Lee"}, {"data": ["Zoë Lee"]}, None, 7])
def test_an_answer_of_another_shape_is_refused_as_before(strict: Privacy, answer: Any) -> None:
    """Without its content."""
    body = json.dumps(answer).encode()
    with pytest.raises(ResponseFormatError) as clear:
        parse_page("h", body)
    with pytest.raises(ResponseFormatError) as treated:
        parse_page("h", strict.apply(body))
    assert str(treated.value) == str(clear.value)
    assert b"Lee" not in strict.apply(body)


@STRICT
def test_the_envelope_keeps_its_machinery(strict: Privacy) -> None:
    """Status, hash and numbers; what else it brings is nobody's business."""
    said = {"hash": "h7", "status": "fail", "total": 3, "limit": 100, "offset": 2, "reason": "Zoë Lee", "data": []}
    treated = json.loads(strict.apply(json.dumps({"data": said, "by": "Zoë Lee"}).encode()))
    assert treated == {"data": {**said, "reason": None}, "by": None}
    odd = strict.apply(json.dumps({"data": {"status": "Zoë Lee", "hash": 7, "total": "Lee"}}).encode())
    assert json.loads(odd) == {"data": {"status": "?", "hash": 0, "total": "?"}}


@STRICT
@pytest.mark.parametrize("total", ["7", "", [], {}, 1.5, True, -1, 10**9, 10**400])
def test_a_total_that_cannot_be_one_stays_none(strict: Privacy, total: object) -> None:
    """L2 reads a null `total` as no rows: a treated answer must not turn any other kind into null."""
    body = json.dumps({"data": {"hash": "h", "status": "pass", "data": [], "total": total}}).encode()
    with pytest.raises(ResponseFormatError, match="`total` should be"):
        parse_page("h", strict.apply(body))


@STRICT
def test_a_number_beyond_all_numbers_is_refused_as_before(strict: Privacy) -> None:
    """JSON can write it, a double cannot hold it: the row is named, under every policy."""
    body = body_of(row_with(total=1)).replace(b'"total": 1,', b'"total": 1e999,')
    assert (refused(strict.apply(body)).field, refused(body).field) == ("total", "total")


def test_which_policies_may_follow_which() -> None:
    """From clear to anything, from hash to nothing, and from each to itself; metadata of older files mean clear."""
    other = Privacy(Policy.HASH, b"k" * 16)
    for kept, asked, expected in (
        (KEEP, KEEP, ""), (KEEP, HASH, ""), (KEEP, DROP, ""), (HASH, HASH, ""), (HASH, DROP, ""), (DROP, DROP, ""),
        (HASH, KEEP, "cannot be reversed"), (HASH, other, "another key"),
        (DROP, KEEP, "dropped"), (DROP, HASH, "dropped"),
    ):  # fmt: skip
        problem = privacy_problem(kept.metadata, asked)
        assert expected in problem
        assert bool(problem) is bool(expected)
    assert privacy_problem({}, HASH) == ""


def test_a_fingerprint_cannot_be_tried_out_by_the_thousand() -> None:
    """A guess at the key costs milliseconds, not microseconds; of one key it is computed once."""
    privacy._fingerprint.cache_clear()
    started = time.process_time()
    Privacy(Policy.HASH, b"a guess at a key")
    once = time.process_time() - started
    Privacy(Policy.HASH, b"a guess at a key")
    assert once > 0.02
    assert privacy._fingerprint.cache_info().misses == 1
    assert HASH.key_fingerprint != privacy._hmac(KEY, "key of sonnys-pipeline")[:12]


def test_an_older_fingerprint_is_known_again() -> None:
    """Files that carry the fast one of the same key need not be read again; those of another key stay others."""
    older = {"pii": "hash", "pii_key": privacy._hmac(KEY, "key of sonnys-pipeline")[:12]}
    assert HASH.matches_metadata(older)
    assert privacy_problem(older, HASH) == ""
    assert "another key" in privacy_problem(older, Privacy(Policy.HASH, b"k" * 16))
