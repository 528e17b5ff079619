"""BM-10: `sonnys probe` on the simulator over HTTP: right days, bounded requests, exit codes, one JSON document."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline.simulator import Faults, Simulator

Open = Callable[..., Simulator]
DAY = timedelta(days=1)


def run(*arguments: str) -> Result:
    """`sonnys probe` with these arguments."""
    return CliRunner().invoke(main, ["probe", *arguments], prog_name="sonnys")


def document(*arguments: str, exit_code: int = 0) -> dict[str, Any]:
    """What `--json` prints, and nothing beside it."""
    result = run("--json", *arguments)
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def today() -> date:
    """The present day of the real clock, which the command reads; UTC is the zone of its days."""
    return datetime.now(UTC).date()


@pytest.fixture
def open_api(start_simulator: Open, tmp_path, monkeypatch) -> Open:
    """Starts a simulator at the real present, with few rows a day, and points the environment at it."""
    monkeypatch.chdir(tmp_path)

    def start(**config: Any) -> Simulator:
        simulator = start_simulator(**{"now": None, "rows_per_day": 6, **config})
        variables = {
            "API_ID": simulator.config.api_id,
            "API_KEY": simulator.config.api_key,
            "BASE_URL": simulator.base_url,
            "RATE_LIMIT": f"{simulator.config.rate_limit}/0.3",
            "POLL_INTERVAL": "0.01",
            "STATE_DIR": str(tmp_path / "state"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(f"SONNYS_{name}", value)
        return simulator

    return start


@pytest.mark.parametrize("age", [1, 47, 180])
def test_the_first_day_is_found_past_closed_days_and_a_ten_day_gap(open_api: Open, today: date, age: int) -> None:
    """Opened so many days ago, shut on Sundays, on the second day, and for ten days a month ago: both days, proven."""
    opened = today - age * DAY
    gap = {today - back * DAY for back in range(30, 40)}
    sundays = {opened + number * DAY for number in range(2, age) if (opened + number * DAY).weekday() == 6}
    closed = gap | (sundays - {today - DAY}) | ({opened + DAY} if age > 2 else set())
    simulator = open_api(opened=opened, closed=frozenset(closed))
    told = document()
    assert (told["earliest"], told["proven"]) == (opened.isoformat(), True)
    assert told["latest"] == (today - DAY).isoformat()
    assert told["probes"] == simulator.stats().requests == simulator.stats().lists < 50
    assert told["command"] == f"sonnys backfill preview --start {opened} --end {today - DAY}"


def test_a_gap_right_after_the_opening_and_one_before_today(open_api: Open, today: date) -> None:
    """A single day 47 days ago, then ten closed ones; nothing for the last ten days either."""
    opened = today - 47 * DAY
    closed = {opened + number * DAY for number in range(1, 11)} | {today - back * DAY for back in range(11)}
    simulator = open_api(opened=opened, closed=frozenset(closed))
    told = document()
    assert (told["earliest"], told["latest"]) == (opened.isoformat(), (today - 11 * DAY).isoformat())
    assert told["proven"]
    assert told["probes"] == simulator.stats().requests < 50


def test_the_row_on_midnight_belongs_to_the_day_that_it_begins(open_api: Open, today: date) -> None:
    """The API includes both ends of a span; the day before the first one is not taken for it."""
    opened = today - 33 * DAY
    open_api(opened=opened, rows_per_day=1, midnight_row=True)
    assert document()["earliest"] == opened.isoformat()


def test_one_site_is_asked_for_alone(open_api: Open, today: date) -> None:
    """`--site` reaches every request, and the command to type."""
    openings = {"MAIN": today - 150 * DAY, "HARBOR": today - 12 * DAY, "SUNSET": today - 90 * DAY}
    simulator = open_api(sites=3, opened=openings)
    told = document("--site", "HARBOR")
    assert told["earliest"] == openings["HARBOR"].isoformat()
    assert told["command"].endswith(" --site HARBOR")
    assert all("site=HARBOR" in record.query for record in simulator.log)


def test_an_account_older_than_the_api_keeps_is_told_so(open_api: Open, today: date) -> None:
    """The earliest day is the oldest that the API keeps, and the words say that there may be more."""
    open_api()
    result = run()
    assert result.exit_code == 0
    assert "oldest day that the API keeps; older records may exist" in result.stdout
    assert f"Latest day with records:   {today - DAY}" in result.stdout
    assert "sonnys backfill preview --start " in result.stdout
    assert result.stderr.count(" … ") == int(result.stdout.split(" requests: ")[0].split()[-1])
    asked = [line.split(" … ")[0] for line in result.stderr.splitlines() if " … " in line]
    assert asked == sorted(asked)


def test_no_records_at_all_is_an_answer(open_api: Open, today: date) -> None:
    """A site that has not opened yet: null, proven, exit code 0, and no command to type."""
    open_api(opened=today + 3 * DAY)
    told = document()
    assert (told["earliest"], told["latest"], told["command"], told["proven"]) == (None, None, None, True)
    result = run()
    assert result.exit_code == 0
    assert "There are no records since " in result.stdout


def test_the_trail_is_every_request_and_adds_up(open_api: Open, today: date) -> None:
    """Failed ones and their repetitions too; an empty list that comes as 404 is no record, and no failure."""
    faults = Faults(server_errors=2, empty_list_as_404=True)
    simulator = open_api(opened=today - 20 * DAY, faults=faults)
    told = document()
    assert told["earliest"] == (today - 20 * DAY).isoformat()
    assert sum(told["outcomes"].values()) == len(told["trail"]) == told["probes"] == simulator.stats().requests
    assert set(told["outcomes"]) == {"success", "no-record", "failed"}
    assert told["outcomes"]["failed"] == 2
    assert all(set(step) == {"from", "to", "outcome", "rows"} for step in told["trail"])
    assert {step["rows"] for step in told["trail"] if step["outcome"] == "failed"} == {None}


@pytest.mark.parametrize("budget", [1, 2, 5])
def test_the_budget_bounds_requests_and_what_is_known_is_told(open_api: Open, today: date, budget: int) -> None:
    """Too small for a proof, and with a failure to repeat: exit code 1, never a request more, a bound to go on with."""
    simulator = open_api(opened=today - 60 * DAY, faults=Faults(server_errors=1))
    told = document("--budget", str(budget), exit_code=1)
    assert told["probes"] == simulator.stats().requests == budget
    assert not told["proven"]
    assert told["reason"] == "the budget ran out"
    assert told["earliest"] is None or told["earliest"] >= (today - 60 * DAY).isoformat()
    simulator.set_faults()
    again = run("--budget", str(budget))
    assert again.exit_code == 1
    assert "Not proven: the budget ran out." in again.stderr
    assert "there may be earlier or later ones" in again.stdout


def test_an_api_that_is_down_ends_it(open_api: Open) -> None:
    """Every request fails: it stops by itself, exit code 1, nothing known."""
    simulator = open_api(faults=Faults(unavailable=-1))
    told = document(exit_code=1)
    assert (told["earliest"], told["proven"]) == (None, False)
    assert told["outcomes"]["failed"] == simulator.stats().requests < 50


def test_an_unknown_site_is_wrong_usage(open_api: Open) -> None:
    """One line that names the site, exit code 2, nothing on standard output, one request."""
    simulator = open_api()
    result = run("--json", "--site", "NOWHERE")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no site has the code 'NOWHERE'" in result.stderr.splitlines()[-1]
    assert simulator.stats().requests == 1


def test_refused_credentials_end_it_with_what_to_check(open_api: Open, monkeypatch) -> None:
    """One line, exit code 1, and no key in it."""
    open_api()
    monkeypatch.setenv("SONNYS_API_KEY", "not-the-key-4711")
    result = run("--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "SONNYS_API_KEY" in result.stderr.splitlines()[-1]
    assert "not-the-key-4711" not in result.stderr


def test_missing_credentials_end_it_before_any_request(open_api: Open, monkeypatch) -> None:
    """Exit code 2, as everywhere, naming the variables."""
    simulator = open_api()
    monkeypatch.delenv("SONNYS_API_KEY")
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "SONNYS_API_KEY not set" in result.stderr
    assert simulator.stats().requests == 0


def test_a_budget_below_one_is_wrong_usage() -> None:
    """Refused by the option itself."""
    result = run("--budget", "0")
    assert result.exit_code == 2
    assert "--budget" in result.stderr
