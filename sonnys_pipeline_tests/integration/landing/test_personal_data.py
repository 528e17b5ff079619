"""RS-04, DG-02, BM-08: every byte that runs leave behind is searched for the people of the world.

Days are landed through both doors, one site is read alone, fields appear, rows and answers break, days are replayed.
The same search finds them under `keep`, so that finding nothing means that there is nothing.
"""

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.conftest import range_tags
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs
from sonnys_pipeline_tests.support.traces import Traces, numbers_in

DAYS = last_days(6)
KEY = "key-of-hashes-that-must-not-show-0123"
#: Under these names stand people, in tables and in the API's JSON.
OF_A_ROW = ("customerName", "customerId", "vehicleLicensePlate", "employeeCashier", "employeeGreeter")
OF_A_TENDER = ("referenceNumber", "creditCardLastFour", "creditCardExpirationDate")
COLUMNS = (
    "customer_name", "customer_id", "vehicle_license_plate", "employee_cashier", "employee_greeter",
    "reference_number", "credit_card_last_four", "credit_card_expiration_date",
)  # fmt: skip


@dataclass(frozen=True)
class People:
    """Whom the simulated world has, on the days that are read.

    Attributes:
        telling: names and plates, which are nothing else wherever they stand.
        digits: reference numbers, which are nothing else where they stand alone.
        short: customer numbers, card digits and expiries, which are people's only as a value of their own.
    """

    telling: frozenset[str]
    digits: frozenset[str]
    short: frozenset[str]

    @classmethod
    def of(cls, desk: Desk) -> "People":
        """Everybody, straight from the world."""
        start = datetime.fromisoformat(DAYS[0]).replace(tzinfo=UTC)
        rows = desk.simulator.world.rows(start, start + timedelta(days=len(DAYS)))
        found: dict[str, set[str]] = {name: set() for name in (*OF_A_ROW, *OF_A_TENDER)}
        for row in rows:
            for name in OF_A_ROW:
                found[name].add(row.get(name) or "")
            for tender in row["tenders"]:
                for name in OF_A_TENDER:
                    found[name].add(tender[name] or "")
        references = found.pop("referenceNumber")
        short = found.pop("customerId") | found.pop("creditCardLastFour") | found.pop("creditCardExpirationDate")
        digits = {text for text in references if len(text) > 6}
        short |= references - digits  # house accounts: HA000 to HA039
        return cls(*(frozenset(texts - {""}) for texts in (set().union(*found.values()), digits, short)))


@dataclass(frozen=True)
class Said:
    """What was logged and printed."""

    logs: pytest.LogCaptureFixture
    output: pytest.CaptureFixture[str]
    printed: list[str]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join([self.logs.text, *self.output.readouterr(), *self.printed])


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Said:
    caplog.set_level(logging.DEBUG)
    return Said(caplog, capfd, [])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "dagster"
    folder.mkdir()
    return folder


@pytest.fixture
def live_through(
    open_desk: Callable[..., Desk], home: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Desk]:
    """Everything that lands, breaks and is repaired, under a policy."""

    def live(policy: str) -> Desk:
        desk = open_desk()
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        monkeypatch.setenv("SONNYS_PII", policy)
        monkeypatch.setenv("SONNYS_PII_KEY", KEY)
        with dg.DagsterInstance.get() as instance:
            assert materialize(instance, DAYS[0], DAYS[1]).success
            desk.simulator.set_faults(Faults(malformed_rows=-1))
            assert not materialize(instance, DAYS[2], DAYS[2]).success
        desk.simulator.set_faults(Faults(unknown_field=-1))
        said.printed.append(desk.types("run", desk.approved(DAYS[3:4])).output)
        desk.simulator.set_faults(Faults(truncated_json=-1, on={"truncated_json": "poll"}))
        said.printed.append(desk.types("run", desk.approved(DAYS[4:5]), exit_code=1).output)
        desk.simulator.set_faults(Faults(malformed_rows=-1))
        said.printed.append(desk.types("run", desk.approved(DAYS[5:6]), exit_code=1).output)
        desk.simulator.set_faults(Faults())
        site = desk.simulator.world.sites[0].code
        desk.types("run", desk.approved(DAYS[:1], "--site", site))
        desk.lake.remove("transactions", DAYS[1])
        said.printed.append(CliRunner().invoke(main, ["replay", "--json"], prog_name="sonnys").output)
        assert desk.lake.partitions("transactions") == [DAYS[0], DAYS[1], DAYS[3]]
        return desk

    return live


def materialize(instance: dg.DagsterInstance, first: str, last: str) -> dg.ExecuteInProcessResult:
    """A run over a range, with what stands downstream and its checks."""
    defs = built_defs()
    return dg.materialize(
        [*(defs.assets or ()), *(defs.asset_checks or ())],
        selection=dg.AssetSelection.assets("transactions").downstream(),
        resources=dict(defs.resources or {}),
        instance=instance,
        tags=range_tags(first, last),
        raise_on_error=False,
    )


def left_in(desk: Desk) -> Traces:
    """What lies in lake, state and Dagster's home."""
    traces = Traces.below(desk.folder)
    kinds = {path.relative_to(desk.folder).parts[0] for path in traces.files}
    assert kinds == {"data", "state", "dagster"}
    assert any("quarantine" in path.parts for path in traces.files)
    assert any("transactions_raw" in path.parts for path in traces.files)
    return traces


@pytest.mark.parametrize("policy", ["hash", "drop"])
def test_nobody_is_left_anywhere(policy: str, live_through: Callable[[str], Desk], said: Said) -> None:
    """No file, table, metadata, ledger row, event or log has anybody's name, plate, card digits or number."""
    desk = live_through(policy)
    people, traces, spoken = People.of(desk), left_in(desk), said.text

    assert [text for text in people.telling if traces.holds(text) or text in spoken] == []
    assert people.digits & (traces.numbers | numbers_in(spoken.encode())) == set()
    assert people.short & traces.values <= likenesses(desk)
    kept = traces.of(*OF_A_ROW, *OF_A_TENDER, *COLUMNS) - {""}
    assert [text for text in kept if not re.fullmatch(r"h:[0-9a-f]{32}", text)] == []
    assert bool(kept) is (policy == "hash")
    assert traces.of("loyaltyTier") == set(), "values of fields that nobody knows"
    assert traces.holds("loyaltyTier"), "their names"
    assert not traces.holds(KEY)
    assert KEY not in spoken


def test_the_search_finds_whom_it_looks_for(live_through: Callable[[str], Desk], said: Said) -> None:
    """Under `keep` they are where they are expected: in tables, archive and quarantine, and still not in logs."""
    desk = live_through("keep")
    people, traces, spoken = People.of(desk), left_in(desk), said.text

    found = {text for text in people.telling if traces.holds(text)}
    assert len(found) > 0.4 * len(people.telling)
    assert len(people.digits & traces.numbers) > 0.4 * len(people.digits)
    assert len(people.short & traces.values) > 0.4 * len(people.short)
    assert traces.of(*OF_A_ROW, *OF_A_TENDER) & people.telling
    assert traces.of(*COLUMNS) & people.telling
    assert traces.of("loyaltyTier"), "values of fields that nobody knows"
    assert [text for text in people.telling if text in spoken] == []
    elsewhere = Traces.below(*(path for path in (desk.folder / "state").iterdir() if path.name != "quarantine"))
    assert elsewhere.files
    assert [text for text in people.telling if elsewhere.holds(text)] == []


def likenesses(desk: Desk) -> set[str]:
    """Texts like a customer's number or a card's digits that are none: ids of transactions, and this process."""
    return {id_ for day in DAYS for id_ in desk.expected_ids(day)} | {str(os.getpid())}


def test_a_clear_lake_is_brought_under_a_stricter_policy(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sonnys replay` under `hash`: days and archive hold nobody afterwards, and not a request was sent."""
    desk = open_desk()
    desk.types("run", desk.approved(DAYS[:3]))
    people, asked = People.of(desk), desk.requests
    clear = Traces.below(desk.lake.root)
    assert [text for text in people.telling if clear.holds(text)]
    monkeypatch.setenv("SONNYS_PII", "hash")
    monkeypatch.setenv("SONNYS_PII_KEY", KEY)
    result = CliRunner().invoke(main, ["replay"], prog_name="sonnys")
    assert result.exit_code == 0, result.output
    assert desk.requests == asked
    traces = Traces.below(desk.folder)
    assert [text for text in people.telling if traces.holds(text)] == []
    assert people.digits & traces.numbers == set()
    assert people.short & traces.values <= likenesses(desk)
    names = [text for text in desk.lake.read("transactions", DAYS[:3])["customer_name"].to_pylist() if text]
    assert len(set(names)) > 1
    assert all(name.startswith("h:") for name in names)


def test_no_way_back_is_said(open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashed days stay hashed: `sonnys replay` under `keep` names each of them and changes nothing."""
    desk = open_desk()
    monkeypatch.setenv("SONNYS_PII", "hash")
    monkeypatch.setenv("SONNYS_PII_KEY", KEY)
    desk.types("run", desk.approved(DAYS[:1]))
    before = desk.lake.path("transactions", DAYS[0]).read_bytes()
    monkeypatch.setenv("SONNYS_PII", "keep")
    result = CliRunner().invoke(main, ["replay"], prog_name="sonnys")
    assert result.exit_code == 1
    assert f"{DAYS[0]}: NotReplayableError" in result.stderr
    assert "a hash cannot be reversed" in " ".join(result.stderr.split())
    assert desk.lake.path("transactions", DAYS[0]).read_bytes() == before


def test_hashed_customers_can_be_joined(open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    """As many different customers, plates and cards as there are, the same ones on every day."""
    desk = open_desk()
    monkeypatch.setenv("SONNYS_PII", "hash")
    monkeypatch.setenv("SONNYS_PII_KEY", KEY)
    desk.types("run", desk.approved(DAYS[:2]))
    start = datetime.fromisoformat(DAYS[0]).replace(tzinfo=UTC)
    rows = desk.simulator.world.rows(start, start + timedelta(days=2) - timedelta(milliseconds=1))
    clear = {row["id"]: row for row in rows}
    landed: list[dict[str, Any]] = desk.lake.read("transactions", DAYS[:2]).to_pylist()
    pairs = {(clear[row["id"]]["vehicleLicensePlate"] or None, row["vehicle_license_plate"]) for row in landed}
    assert len(pairs) == len({plate for plate, _ in pairs}) == len({hashed for _, hashed in pairs}) > 10
    assert (None, None) in pairs
