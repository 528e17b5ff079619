"""RS-04: a customer is erased from the landed lists and the charges, too."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.cli import main
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.erasure.files import contents, landed_files
from sonnys_pipeline.extract.lists.kept import READINGS
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS, CUSTOMERS, WASHBOOKS, Dimension
from sonnys_pipeline.landing.facts.tables import BILLINGS
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY

NUMBER, OTHER = "40017733:1", "50028844:1"
TRACES = ("Quillfeather", "PLT 9917", "4711-0815-2", "zoe@example.org", "0815471123", NUMBER)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def row(dimension: Dimension, **values: Any) -> dict[str, Any]:
    named = dict.fromkeys(dimension.schema.names) | {"valid_from": date(2026, 11, 20), "is_current": True}
    return named | values


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """The customer in every table of the lists that names customers, beside another one."""
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))
    monkeypatch.setenv("SONNYS_STATE_DIR", str(tmp_path / "state"))
    made = Lake(tmp_path / "data")
    personal = {"last_name": "Quillfeather", "email": "zoe@example.org", "phone_number": "0815471123", "extra": None}
    customers = [
        row(CUSTOMERS, customer_id=NUMBER, **personal),
        row(CUSTOMERS, customer_id=NUMBER, **personal, valid_to=date(2026, 11, 21), is_current=False),
        row(CUSTOMERS, customer_id=OTHER, last_name="Other"),
    ]
    made.land("customers", pa.Table.from_pylist(customers, CUSTOMERS.schema), metadata={"account": "x"})
    lists: dict[str, list[Any]] = {
        "tags": [{"id": "1", "number": "4711-0815-2", "enabled": True}],
        "vehicles": [{"id": "1", "plate": "PLT 9917"}],
        "recurring_statuses": [],
        "recurring_billings": [
            {"amount_charged": 30.0, "date": AT, "last_four_cc": "9317", "credit_card_expiration_date": "2029-01"}
        ],
    }
    accounts = [
        row(ACCOUNTS, id="7:1", customer_id=NUMBER, billing_amount=30.0, extra='{"nick": "Quillfeather"}', **lists),
        row(ACCOUNTS, id="8:1", customer_id=OTHER, billing_amount=20.0, **{name: [] for name in lists}),
    ]
    made.land("recurring_accounts", pa.Table.from_pylist(accounts, ACCOUNTS.schema))
    made.land("washbooks", pa.Table.from_pylist([row(WASHBOOKS, id="9:1", customer_id=NUMBER)], WASHBOOKS.schema))
    charge = dict.fromkeys(BILLINGS.schema.names) | {"account_id": "7:1", "customer_id": NUMBER, "amount_charged": 30.0}
    charge |= {"last_four_cc": "9317", "charged_at": AT}
    made.land("recurring_billings", pa.Table.from_pylist([charge], BILLINGS.schema), partition="2026-11-20")
    often = [
        {"business_date": date(2026, 11, 20), "customer_id": number, "member_washes": 3}
        for number in (NUMBER, OTHER, None)
    ]
    made.land("wash_frequency", pa.Table.from_pylist(often, WASH_FREQUENCY), partition="2026-11-20")
    unfinished = tmp_path / "data" / READINGS / "customers" / "page.json"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_text(json.dumps({"data": {"customers": [{"customerId": NUMBER, **personal}]}}))
    return made


def traces(lake: Lake, tmp_path: Path) -> set[str]:
    return {
        trace
        for _, content in contents(lake, tmp_path / "state")
        for trace in TRACES
        if trace.encode() in content
    }  # fmt: skip


def test_no_byte_of_a_customer_is_left_in_the_lists(lake: Lake, tmp_path: Path) -> None:
    """Every trace is found before and none after; amounts, and rows of others, stay."""
    assert traces(lake, tmp_path) == set(TRACES)
    arguments = ["forget", "--customer", NUMBER, "--json"]
    shown = json.loads(CliRunner().invoke(main, arguments).stdout)
    assert traces(lake, tmp_path) == set(TRACES)
    result = CliRunner().invoke(main, [*arguments, "--yes"])
    done = json.loads(result.stdout)
    assert (result.exit_code, done["found"]) == (0, [])
    assert shown["changes"] == done["changes"]
    assert {(change["table"], change["day"], change["rows"]) for change in done["changes"]} == {
        ("customers", "", 2), ("recurring_accounts", "", 1), ("washbooks", "", 1),
        ("recurring_billings", "2026-11-20", 1), ("wash_frequency", "2026-11-20", 1),
    }  # fmt: skip
    assert traces(lake, tmp_path) == set()
    assert lake.read("wash_frequency", ["2026-11-20"])["customer_id"].to_pylist() == [OTHER, None]
    assert lake.read("customers")["customer_id"].to_pylist() == [OTHER]
    assert lake.metadata("customers") == {"account": "x"}
    mine, other = lake.read("recurring_accounts").to_pylist()
    assert (mine["id"], mine["customer_id"], mine["billing_amount"]) == ("7:1", None, 30.0)
    assert (mine["tags"], mine["extra"]) == ([{"id": None, "number": None, "enabled": True}], '{"nick": null}')
    assert mine["recurring_billings"][0]["amount_charged"] == 30.0
    assert other["customer_id"] == OTHER
    (charge,) = lake.read("recurring_billings", ["2026-11-20"]).to_pylist()
    assert (charge["customer_id"], charge["last_four_cc"], charge["amount_charged"]) == (None, None, 30.0)


def test_an_account_is_not_taken_for_a_sale_of_the_same_number(lake: Lake) -> None:
    """Ids of accounts and of transactions look alike: only the customer's number tells whose an account is."""
    before = lake.read("recurring_accounts")
    with Workspace(Settings()) as workspace:
        assert workspace.lake.has("recurring_accounts")
    transactions = pa.table({"id": ["8:1"], "customer_id": ["77:1"]})
    lake.land("transactions", transactions, partition="2026-11-20")
    CliRunner().invoke(main, ["forget", "--customer", "77:1", "--yes"])
    assert lake.read("recurring_accounts").equals(before)


def test_what_is_computed_of_transactions_is_erased_after_them(lake: Lake) -> None:
    """A mart that is made in between would have the customer again."""
    lake.land("transactions", pa.table({"id": ["8:1"], "customer_id": ["77:1"]}), partition="2026-11-20")
    assets = [asset for asset, _ in landed_files(lake)]
    assert assets.index("transactions") < assets.index("wash_frequency")
