"""RS-04: a customer is erased from everything that was written, and no later read brings them back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.cli import main
from sonnys_pipeline.client import UnparsableRowError
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.erasure import erase
from sonnys_pipeline.erasure.files import contents
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.storage.objects import ObjectStorage
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.archive import ARCHIVE
from sonnys_pipeline.landing.quarantine import set_aside
from sonnys_pipeline.landing.replay import Outcome, replay_day
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline_tests.support.archived_days import FIRST_READ, KEY, read_day

MakeRow = Callable[..., dict[str, Any]]
SOURCE = Source("0123456789abcdef")
NUMBER, OTHER = "40017733", "50028844"
TRACES = (NUMBER, "Zoë Quill", "PLT 9917", "REF-77120031")
SECRET = "3f9a1c5be07d42688e1b7a90cd24f6131c"


@pytest.fixture(params=["keep", "hash"])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The policy of the account, whose folders are temporary."""
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))
    monkeypatch.setenv("SONNYS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SONNYS_PII", request.param)
    monkeypatch.setenv("SONNYS_PII_KEY", SECRET)
    return str(request.param)


@pytest.fixture
def rows(make_row: MakeRow) -> list[dict[str, Any]]:
    """Seven rows on three pages: two of the customer, one of another customer."""

    def tender(reference: str, digits: str) -> list[dict[str, Any]]:
        return [{**make_row()["tenders"][0], "referenceNumber": reference, "creditCardLastFour": digits}]

    return [
        make_row(
            number,
            customerId=NUMBER if number in {1, 5} else OTHER if number == 2 else "",
            membershipNote="vip",  # a field that this version does not know
            customerName="Zoë Quill" if number in {1, 5} else "Other Person" if number == 2 else "",
            vehicleLicensePlate="PLT 9917" if number == 1 else "OTH 1111" if number == 2 else "",
            tenders=tender("REF-77120031", "9317") if number == 1 else tender("REF-1", "1234"),
        )
        for number in range(7)
    ]


def read_again(rows: list[dict[str, Any]], number: int = 0) -> None:
    """Read and land the day with its pages, under the present settings."""
    with Workspace(Settings()) as workspace:
        privacy = workspace.privacy
        land_day(workspace.lake, read_day(rows, number=number, privacy=privacy), source=SOURCE, privacy=privacy)


def lands(rows: list[dict[str, Any]]) -> None:
    """Everything that holds the customer: day, archive, states, payments, a recorded change, quarantine, a page."""
    read_again(rows)
    with Workspace(Settings()) as workspace:
        lake, privacy = workspace.lake, workspace.privacy
        states = {
            "transaction_id": "1:1", "customer_id": privacy.apply_to_text(NUMBER), "is_recurring_plan_sale": False,
            "is_recurring_plan_redemption": False, "transaction_status": "x", "total": 1.0, "read_at": FIRST_READ,
        }  # fmt: skip
        lake.land(STATES, pa.Table.from_pylist([states], TRANSACTION_STATES), partition=KEY, metadata={"pii": "x"})
        payments = {"transaction_id": ["1:1", "2:1"], "credit_card_last_four": [privacy.apply_to_text("9317"), "1234"]}
        lake.land("tenders", pa.table(payments), partition=KEY)
        changed = {"transaction_id": ["1:1"], "field": ["vehicle_license_plate"], "old": ["old"]}
        changed["new"] = [privacy.apply_to_text("PLT 9917")]
        lake.land("transaction_changes", pa.table(changed), partition=KEY)
        lake.land_page("daily_report", "report.html", "<p>2 cars</p>", partition=KEY)
        page = [{**row, "customerId": privacy.apply_to_text(row["customerId"])} for row in rows[:3]]
        wrong = UnparsableRowError("9:1", "total", "not a number", page, "hash-9")
        set_aside(workspace.settings.prepared_state_dir() / "quarantine", KEY, wrong)


def traces(policy: str) -> set[str]:
    """The customer's values as they lie in files, and in which of them the search sees one."""
    with Workspace(Settings()) as workspace:
        kept = {workspace.privacy.apply_to_text(trace) or trace for trace in TRACES} | set(TRACES)
        seen = {
            (trace, name)
            for name, content in contents(workspace.lake, workspace.settings.state_dir)
            for trace in kept
            if trace.encode() in content
        }
        if policy == "hash":
            assert not [name for trace, name in seen if trace == NUMBER and "quarantine" not in name]
        return {name for _, name in seen}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".locks" not in str(path)}


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(main, ["forget", "--customer", NUMBER, "--json", *arguments])
    return result.exit_code, json.loads(result.stdout)


def test_a_customer_is_erased_and_the_search_finds_nothing(
    policy: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Six kinds of files hold the customer before, none after; rows of others and all amounts stay."""
    lands(rows)
    lake = Lake(tmp_path / "data")
    before = lake.read(ASSET, [KEY])
    assert len(traces(policy)) >= 5
    code, done = run("--yes")
    assert (code, done["erased"], done["found"], done["pii"]) == (0, True, [], policy)
    assert {(change["table"], change["rows"]) for change in done["changes"]} == {
        (ASSET, 2), (ARCHIVE, 2), (STATES, 1), ("tenders", 1), ("transaction_changes", 1), ("quarantine", 1),
    }  # fmt: skip
    assert done["searched"] >= 8
    assert traces(policy) == set()
    after = lake.read(ASSET, [KEY])
    assert after.schema.equals(before.schema)
    theirs = [place for place, row in enumerate(before.to_pylist()) if row["id"] in {"1:1", "5:1"}]
    for place in range(before.num_rows):
        old, new = before.slice(place, 1).to_pylist()[0], after.slice(place, 1).to_pylist()[0]
        if place not in theirs:
            assert new == old
        else:
            gone = {"customer_id", "customer_name", "vehicle_license_plate", "tenders", "extra"}
            assert {name: new[name] for name in new if name not in gone} == {
                name: old[name] for name in old if name not in gone
            }
            assert new["customer_id"] is new["customer_name"] is new["tenders"][0]["credit_card_last_four"] is None
    assert lake.read("tenders", [KEY])["credit_card_last_four"].to_pylist() == [None, "1234"]
    with Workspace(Settings()) as workspace:  # day and archive agree
        assert replay_day(lake, KEY, workspace.privacy).outcome is Outcome.UNCHANGED


def test_a_preview_changes_no_byte(policy: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """With `--dry-run` and with neither option: the same counts as the erasure, and every file as it was."""
    lands(rows)
    before = everything(tmp_path)
    assert run() == run("--dry-run")
    assert everything(tmp_path) == before
    code, planned = run()
    assert (code, planned["erased"], planned["searched"]) == (0, False, 0)
    assert planned["changes"] == run("--yes")[1]["changes"], policy


def test_later_reads_and_replays_do_not_bring_the_customer_back(
    policy: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """The day is read again, then replayed from an archive that was restored from a copy."""
    lands(rows)
    archive = Lake(tmp_path / "data").path(ARCHIVE, KEY)
    copy = archive.read_bytes()
    run("--yes")
    read_again(rows, number=1)
    assert traces(policy) == set()
    archive.write_bytes(copy)
    Lake(tmp_path / "data").remove(ASSET, KEY)
    assert traces(policy) == {str(archive)}
    with Workspace(Settings()) as workspace:
        assert replay_day(workspace.lake, KEY, workspace.privacy).outcome is Outcome.LANDED
    assert traces(policy) == set()
    assert run()[1]["changes"] == []


@pytest.mark.parametrize("policy", ["keep"], indirect=True)
def test_earlier_versions_are_erased(
    policy: str, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a lake of Iceberg tables nothing of the customer is left in any version of any file."""
    monkeypatch.setenv("SONNYS_LAKE_FORMAT", "iceberg")
    lands(rows)
    read_again(rows, number=1)
    assert any(f"{ASSET}/data/date={KEY}" in name for name in traces(policy)), "an earlier version has the customer"
    code, done = run("--yes")
    assert (code, done["found"]) == (0, [])
    assert traces(policy) == set()
    written = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert not any(trace.encode() in content for trace in TRACES for content in written)


@pytest.mark.parametrize("written", range(5))
def test_an_interrupted_erasure_is_finished_by_running_it_again(
    policy: str, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """The process ends after each number of tables; the second run erases the rest, recorded changes included."""
    lands(rows)
    land, left = Lake.land, [written]

    def until_killed(*args: Any, **named: Any) -> Any:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return land(*args, **named)

    with monkeypatch.context() as patched, Workspace(Settings()) as workspace:
        patched.setattr(Lake, "land", until_killed)
        with pytest.raises(KeyboardInterrupt):
            erase.forget(workspace, NUMBER)
    assert traces(policy)
    code, done = run("--yes")
    assert (code, done["found"]) == (0, [])
    assert traces(policy) == set()


def test_a_run_that_began_before_lands_nothing(policy: str, rows: list[dict[str, Any]]) -> None:
    """Its rows were read with the list as it was; the message says what to do."""
    lands(rows)
    with Workspace(Settings()) as workspace:
        loaded, privacy = read_day(rows, number=1, privacy=workspace.privacy), workspace.privacy
        run("--yes")
        with pytest.raises(UnwritableLakeError, match="Run it again"):
            land_day(workspace.lake, loaded, source=SOURCE, privacy=privacy)
    assert traces(policy) == set()


def test_neither_list_nor_audit_names_the_customer(policy: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Both have a salted digest, and it is the same in both; the salt is new for each lake."""
    lands(rows)
    run("--yes")
    (audit,) = (tmp_path / "state" / "audit" / "erasures").iterdir()
    listed = json.loads((tmp_path / "data" / "forgotten.json").read_bytes())
    entry = json.loads(audit.read_bytes())
    assert entry["customer"] in listed["digests"], policy
    assert len(bytes.fromhex(listed["salt"])) == 32
    assert NUMBER.encode() not in audit.read_bytes() + (tmp_path / "data" / "forgotten.json").read_bytes()


def test_what_is_left_fails_the_command(policy: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """A file that the command does not treat is named, and the command fails."""
    lands(rows)
    (tmp_path / "data" / "notes.html").write_text("customer 40017733 called" if policy == "keep" else NUMBER)
    code, done = run("--yes")
    assert (code, [Path(name).name for name in done["found"]]) == (1, ["notes.html"])


def test_an_unreadable_list_stops_reads(policy: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Without its list the lake would get its customers back, so nothing is read; the error says what to do."""
    lands(rows)
    (tmp_path / "data" / "forgotten.json").write_text("{}")
    result = CliRunner().invoke(main, ["forget", "--customer", NUMBER, "--yes"])
    assert result.exit_code == 1, policy
    assert "forgotten.json cannot be read" in result.stderr


def test_wrong_usage_is_refused(policy: str) -> None:
    """Two options that exclude each other, and an empty number."""
    for arguments in (["--customer", "1", "--dry-run", "--yes"], ["--customer", " "]):
        assert CliRunner().invoke(main, ["forget", *arguments]).exit_code == 2, policy


@pytest.mark.no_cover
@pytest.mark.parametrize("lake_format", ["parquet", "iceberg"])
def test_a_customer_is_erased_from_an_object_store(
    policy: str, rows: list[dict[str, Any]], s3_url: str, monkeypatch: pytest.MonkeyPatch, lake_format: str
) -> None:
    """Tables, archive and list are objects, and so are earlier versions; the search reads them as it reads files."""
    monkeypatch.setenv("SONNYS_DATA_URL", s3_url)
    monkeypatch.setenv("SONNYS_LAKE_FORMAT", lake_format)
    lands(rows)
    assert len(traces(policy)) >= 5
    code, done = run("--yes")
    assert (code, done["found"]) == (0, [])
    assert traces(policy) == set()
    read_again(rows, number=1)
    assert traces(policy) == set()
    files = ObjectStorage(s3_url, has_tables=True)
    written = [files.content(files.root / name) for name in files.below(files.root)]
    assert not any(trace.encode() in content for trace in TRACES for content in written)
