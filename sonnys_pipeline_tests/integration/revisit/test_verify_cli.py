"""KT-01, KT-02: `sonnys verify` as a person types it: plan, differences, repairs, exit codes, and its document."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.backfill.executor import BatchExecutor, JobIdentity
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.cli import main
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline.simulator.edits import Edit
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, days_ago

KEYS = {"checked", "different", "repaired", "requests"}
#: Six days in order. The youngest is five days old: up to three days after it, a row's status may still settle, and the
#: simulated clock moves on from test step to test step.
DAYS = [days_ago(number) for number in range(10, 4, -1)]


def types(desk: Desk, *arguments: str, exit_code: int = 0) -> Result:
    """`sonnys verify` with these arguments; anything but this exit code fails the test."""
    desk.simulator.advance(1300)  # hashes and lists expire
    result = CliRunner().invoke(main, ["verify", *arguments], prog_name="sonnys")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def asks(desk: Desk, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """The same with `--json`: the one document on stdout."""
    document: dict[str, Any] = json.loads(types(desk, *arguments, "--json", exit_code=exit_code).stdout)
    return document


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """Six landed days of three sites."""
    found = open_desk(virtual_site=False, codeless_site=False)
    with Workspace(Settings.load()) as workspace:
        assert BatchExecutor(workspace).load(DAYS, JobIdentity(["landed"])).success
    return found


def edit(desk: Desk, day: str, kind: Edit = Edit.TOTAL) -> str:
    """Edit one row of a day; returns its id."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    (row_id,) = desk.simulator.world.edit_rows(start, start + timedelta(hours=23), edit=kind)
    return row_id


def test_a_difference_is_told_with_its_remedy_and_repaired_on_request(desk: Desk) -> None:
    """KT-02: exit code 1 while days differ and were not repaired, 0 afterwards."""
    row_id = edit(desk, DAYS[1])
    told = asks(desk, "--start", DAYS[0], "--end", DAYS[-1], "--by", "states", exit_code=1)
    assert told.keys() >= KEYS
    assert (told["checked"], told["different"], told["repaired"]) == (6, [DAYS[1]], [])
    assert told["differences"] == {DAYS[1]: f"1 total changed: {row_id}"}
    said = types(desk, "--by", "states", exit_code=1)
    assert f"{DAYS[1]}: 1 total changed: {row_id}" in said.stderr
    assert f"sonnys verify --start {DAYS[1]} --end {DAYS[1]} --repair" in said.stdout
    repaired = asks(desk, "--start", DAYS[0], "--end", DAYS[-1], "--by", "states", "--repair")
    assert (repaired["different"], repaired["repaired"]) == ([DAYS[1]], [DAYS[1]])
    assert 0 < repaired["repair_requests"] < repaired["requests"]
    again = asks(desk, "--by", "full", "--end", DAYS[-1])
    assert (again["checked"], again["different"]) == (6, [])
    assert desk.landed_ids(DAYS[1]) == desk.expected_ids(DAYS[1])


def test_the_plan_shows_looks_and_price_and_sends_nothing(desk: Desk) -> None:
    """KT-01: before anything is spent: the days, the look of each, its price, and when it was last verified."""
    before = desk.requests
    planned = asks(desk, "--plan", "--by", "count")
    assert desk.requests == before
    assert planned["requests"] == 6
    assert [one["day"] for one in planned["looks"]] == DAYS
    assert {one["verified_by"] for one in planned["looks"]} == {"full"}
    assert planned["policy"] == "4 days: full daily; 35 days: states twice a week; 6 months: count weekly"
    assert planned["requests_a_day"] > 0
    said = types(desk, "--plan", "--by", "states").stdout
    assert "6 days to look at (6 by states), about 8 requests if nothing has changed." in said
    assert "requests a day, the morning's run included" in said
    assert "0 days to look at" in types(desk, "--plan").stdout, "all days were read today"


def test_a_sweep_that_could_not_look_is_no_success(desk: Desk) -> None:
    """KT-01: the day is named with the reason, and the same command goes on with what was not looked at."""
    desk.simulator.set_faults(Faults(html_answers=-1, on={"html_answers": "list"}))
    failed = asks(desk, "--by", "count", exit_code=1)
    assert failed["checked"] == 0
    assert failed["failed"] or failed["stopped"]
    desk.simulator.set_faults()
    assert asks(desk, "--by", "count")["checked"] == 6


def test_wrong_days_and_looks_are_refused(desk: Desk) -> None:
    """KT-01: exit code 2, nothing is sent."""
    before = desk.requests
    assert "reversed" in types(desk, "--start", DAYS[1], "--end", DAYS[0], exit_code=2).stderr
    assert "not a day" in types(desk, "--start", "soon", exit_code=2).stderr
    assert "'twice' is not one of" in types(desk, "--by", "twice", exit_code=2).stderr
    assert desk.requests == before
