"""LV-04: what `version-2` says of a day lands beside its rows, is kept as it came, and is made again from that."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.simulator import Faults, Simulator
from sonnys_pipeline_tests.integration.conftest import Pipeline
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days
from sonnys_pipeline_tests.support.pipelines.sites import DAYS, Chain

TWO_DAYS = last_days(2)
KEY = "key-of-hashes-that-must-not-show-0123"


@pytest.fixture
def open_chain(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Callable[..., Chain]:
    """Two sites with 230 rows a day between them: three pages of states."""
    return lambda **config: Chain(start_simulator(**{"sites": 2, "rows_per_day": 230, **config}), tmp_path)


def replayed() -> dict[str, Any]:
    """The document of `sonnys replay` of everything that is archived."""
    result = CliRunner().invoke(main, ["replay", "--json"], prog_name="sonnys")
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def contents(lake: Lake, asset: str) -> dict[str, tuple[bytes, int]]:
    """Bytes of each day's file, and when it was written."""
    paths = {day: lake.path(asset, day) for day in lake.partitions(asset)}
    return {day: (path.read_bytes(), path.stat().st_mtime_ns) for day, path in paths.items()}


def customers(lake: Lake, asset: str, days: list[str]) -> list[str | None]:
    """Customer ids, in the order of the transactions."""
    key = "id" if asset == "transactions" else "transaction_id"
    found: list[str | None] = lake.read(asset, days, [key, "customer_id"]).sort_by(key)["customer_id"].to_pylist()
    return found


def test_states_are_those_of_the_world(open_chain: Callable[..., Chain]) -> None:
    """Flags and status of each row, which the rows themselves lack; one request for 100 rows of the day."""
    chain = open_chain()
    assert chain.run().success
    landed = {row["transaction_id"]: row for row in chain.lake.read("transaction_states", DAYS).to_pylist()}
    world = {row["id"]: row for day in DAYS for row in chain.rows_of(day)}
    assert set(landed) == set(world)
    for row_id, row in world.items():
        assert landed[row_id]["transaction_status"] == row["transactionStatus"]
        assert landed[row_id]["is_recurring_plan_sale"] == row["isRecurringPlanSale"]
        assert landed[row_id]["is_recurring_plan_redemption"] == row["isRecurringPlanRedemption"]
    rows = chain.lake.read("transactions", DAYS)
    assert rows["transaction_status"].null_count == rows.num_rows
    assert len(chain.asked("list", "/version-2")) == 3 * len(DAYS)


def test_both_are_made_again_byte_for_byte(open_desk: Callable[..., Desk]) -> None:
    """From `transaction_states_raw` as from `transactions_raw`; a second replay writes neither."""
    desk = open_desk(sites=2)
    desk.types("run", desk.approved(TWO_DAYS))
    assert desk.lake.partitions("transaction_states_raw") == TWO_DAYS
    before = {asset: contents(desk.lake, asset) for asset in ("transactions", "transaction_states")}
    assert replayed()["unchanged"] == TWO_DAYS
    assert {asset: contents(desk.lake, asset) for asset in before} == before
    asked = desk.requests
    for asset in before:
        for day in TWO_DAYS:
            desk.lake.remove(asset, day)
    assert replayed()["landed"] == TWO_DAYS
    for asset, files in before.items():
        now = contents(desk.lake, asset)
        assert {day: body for day, (body, _) in now.items()} == {day: body for day, (body, _) in files.items()}
    assert desk.requests == asked


@pytest.mark.parametrize("policy", ["hash", "drop"])
def test_customers_are_treated_in_states_too(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    """A hash is the same in both files, so that they join; dropped ones are in neither, nor in the archived pages."""
    monkeypatch.setenv("SONNYS_PII", policy)
    monkeypatch.setenv("SONNYS_PII_KEY", KEY)
    desk = open_desk(sites=2)
    desk.types("run", desk.approved(TWO_DAYS))
    world = {row["id"]: row for day in TWO_DAYS for row in Chain(desk.simulator, desk.folder).rows_of(day)}
    real = {row["customerId"] for row in world.values() if row.get("customerId")}
    assert real
    states = customers(desk.lake, "transaction_states", TWO_DAYS)
    if policy == "drop":
        assert set(states) == {None}
    else:
        assert states == customers(desk.lake, "transactions", TWO_DAYS)
        assert len(set(states) - {None}) == len(real)
        assert not real & set(states)
    kept = desk.lake.read("transaction_states_raw", TWO_DAYS, ["body"])["body"].to_pylist()
    listed = [row for body in kept for row in json.loads(body)["data"]["transactions"]]
    assert len(listed) == len(world)
    assert not real & {row.get("customerId") for row in listed}
    assert replayed()["unchanged"] == TWO_DAYS


def test_the_asset_reads_days_that_were_landed_without(
    open_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By lists alone, no row is read again; days that have their states cost nothing more."""
    monkeypatch.setenv("SONNYS_STATES", "off")
    pipeline = open_pipeline(sites=2)
    assert pipeline.run("transactions", days=DAYS).success
    assert pipeline.lake.partitions("transaction_states") == []
    before = pipeline.simulator.stats()
    monkeypatch.setenv("SONNYS_STATES", "auto")
    assert pipeline.run("transaction_states", days=DAYS).success
    read = pipeline.simulator.stats()
    assert (read.submissions, read.polls) == (before.submissions, before.polls)
    states = pipeline.lake.read("transaction_states", DAYS, ["transaction_id"])["transaction_id"].to_pylist()
    assert sorted(states) == pipeline.landed_ids(*DAYS)
    assert pipeline.run("transaction_states", days=DAYS).success
    assert pipeline.simulator.stats().requests == read.requests


def test_rows_land_though_version_2_fails(open_chain: Callable[..., Chain], caplog: pytest.LogCaptureFixture) -> None:
    """The day is whole; that its states are missing is said, and a later run reads them."""
    chain = open_chain()
    chain.simulator.set_faults(Faults(server_errors=-1, on={"server_errors": "list"}))
    assert chain.run(proof="off", max_retries=1).success
    assert chain.landed() == chain.expected()
    assert [landed_sites(chain.lake, day) for day in DAYS] == [None, None]
    assert chain.lake.partitions("transaction_states") == []
    for day in DAYS:
        assert f"{day}: landed without its states: version-2 could not be read" in caplog.text
    chain.simulator.set_faults()
    assert chain.run().success
    assert chain.with_states() == chain.expected()
