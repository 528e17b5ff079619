"""DG-03: the `sonnys` command: its verbs, its exit codes, what it prints and where (docs/compatibility.md).

The acceptance tests run it in processes of its own; here nothing is started but the command's own code.
"""

import json
import os
import signal
import socket
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import sonnys_pipeline.cli.demo_pipeline
from sonnys_pipeline.calendar.mornings import last_expected_day
from sonnys_pipeline.calendar.windows import last_complete_day
from sonnys_pipeline.cli import main
from sonnys_pipeline.cli.demo_pipeline import DemoDay, DemoError, last_days
from sonnys_pipeline.cli.simulate import _next_steps
from sonnys_pipeline.lake.errors import LakeError


def run(*arguments: str | Path) -> Result:
    """The command with these arguments."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="sonnys")


@pytest.fixture
def landed_days(monkeypatch, tmp_path) -> list[DemoDay]:
    """Two days that the demo is made to believe it has landed, instead of starting Dagster."""
    days = [
        DemoDay("2026-03-10", 1234, 13, 900, 12345.67, str(tmp_path / "demo/data/a.parquet")),
        DemoDay("2026-03-11", 2, 1, 1, 0.5, str(tmp_path / "demo/data/b.parquet")),
    ]
    monkeypatch.setattr(sonnys_pipeline.cli.demo_pipeline, "materialize", lambda *_: days)
    monkeypatch.setattr(
        sonnys_pipeline.cli.demo_pipeline, "report", lambda *_: tmp_path / "demo/data/daily_report/report.html"
    )
    return days


@pytest.mark.parametrize("half_hour", range(48))
def test_the_demo_lands_the_last_day_that_is_expected_at_any_time_of_day(half_hour):
    """The check `freshness` is content when the demo begins and when it ends; the day is over."""
    zone, now = "America/Los_Angeles", datetime(2026, 11, 27, tzinfo=UTC) + half_hour * timedelta(minutes=30)

    days = last_days(3, zone, now)

    last = date.fromisoformat(days[-1])
    assert days == [(last - timedelta(days=back)).isoformat() for back in (2, 1, 0)]
    assert last_expected_day(now, zone) <= last_expected_day(now + timedelta(minutes=25), zone) <= last
    assert last <= last_complete_day(now, zone)


def test_help_names_every_verb_in_a_sentence():
    """`sonnys --help` exits with 0 and has a line for each verb."""
    result = run("--help")

    assert result.exit_code == 0
    for name, command in main.commands.items():
        assert f"  {name} " in result.output
        assert command.get_short_help_str().endswith((".", "…", "..."))


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_every_verb_explains_each_of_its_options(verb):
    """`--help` and `-h` exit with 0; an option without a word of explanation is only allowed where it has a default."""
    result = run(verb, "--help")

    assert result.exit_code == run(verb, "-h").exit_code == 0
    for option in main.commands[verb].params:
        assert isinstance(option, click.Option)
        assert option.opts[0] in result.output
        assert option.help or option.default is not None


@pytest.mark.parametrize("group", [[], ["backfill"]])
def test_help_is_not_cut_off(group):
    """On 80 columns as on any other: the whole first sentence of each verb, wrapped."""
    result = CliRunner().invoke(main, [*group, "--help"], prog_name="sonnys", env={"COLUMNS": "80"}, terminal_width=80)
    shown = " ".join(result.output.split())
    verbs = main.commands["backfill"].commands if group else main.commands
    for command in verbs.values():
        assert command.get_short_help_str(limit=1000) in shown
    assert "..." not in shown.replace("[OPTIONS] COMMAND [ARGS]...", "")
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--date", "\udcff"],
        ["backfill", "status", "\udcff"],
        ["backfill", "preview", "--site=\udcff", "--start", "2026-11-01", "--end", "2026-11-01"],
        ["backfill", "cancel", "x", "--why", "\udcff"],
        ["probe", "--site", "\udcff"],
        ["\udcff"],
    ],
)
def test_an_argument_that_is_no_text_is_refused(arguments, tmp_path, monkeypatch):
    """Bytes of another encoding: one line and exit code 2, before anything is opened."""
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    assert "is not UTF-8 text" in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_be_any_bytes(tmp_path, monkeypatch):
    """File names are the file system's business: such a file is looked for, and not refused for its name."""
    monkeypatch.chdir(tmp_path)
    result = run("backfill", "preview", "--from-csv", "\udcff.csv")
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


def test_version_is_that_of_the_package():
    """`--version` tells the installed version."""
    assert run("--version").output.startswith("sonnys, version ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["simulate", "--host", "192.0.2.1"], "loopback"),
        (["simulate", "--faults", "{"], "--faults is not JSON"),
        (["simulate", "--faults", "[]"], "faults"),
        (["simulate", "--faults", '{"server_errors": -2}'], "faults.server_errors"),
        (["simulate", "--config", "{"], "--config is not JSON"),
        (["simulate", "--config", "[]"], "--config must be a JSON object"),
        (["simulate", "--config", '{"ends": "end"}'], "ends"),
        (["simulate", "--api", "sandbox"], "sandbox"),
        (["simulate", "--now", "2026-03-20T12:00:00"], "now"),
        (["simulate", "--job-seconds", "4", "1"], "job_seconds must be (shortest, longest)"),
        (["simulate", "--speed", "0"], "speed"),
        (["simulate", "--speed", "inf"], "speed"),
        (["simulate", "--sites", "901"], "sites"),
        (["simulate", "--latency", "-1"], "latency_seconds"),
        (["simulate", "--midnight-row"], "rows_per_day"),
        (["demo", "--days", "0"], "--days"),
        (["demo", "--port", "0"], "--port"),
        (["no-such-verb"], "no-such-verb"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_wrong(arguments, said):
    """The message is on standard error, without a stack, and nothing is on standard output."""
    result = run(*arguments)

    assert result.exit_code == 2
    assert said in result.stderr
    assert "Error: :" not in result.stderr
    assert result.stdout == ""


def test_simulate_on_a_port_in_use_says_which_option_to_change():
    """Somebody else listens there: exit code 1, the address, and `--port`."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("simulate", "--port", str(port))

    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.stderr
    assert "--port" in result.stderr


def test_simulate_scales_what_it_exports_by_the_speed_it_has(monkeypatch):
    """Also where the speed and the sites come from `--config`: durations of another clock would fit no run."""
    monkeypatch.setattr("sonnys_pipeline.simulator.serve", lambda *_, on_start: on_start("http://127.0.0.1:1/v1"))
    result = run("simulate", "--config", '{"speed": 5, "sites": 4}')
    assert "SONNYS_RATE_LIMIT=20/3\n" in result.stdout
    assert "SONNYS_POLL_INTERVAL=0.4\nexport SONNYS_JOB_TIMEOUT=60\n" in result.stdout
    assert "SONNYS_HASH_LIFETIME=240\n" in result.stdout
    assert "Simulating 4 sites" in result.stderr


def test_demo_prints_what_landed_where_and_what_to_do_next(landed_days, tmp_path):
    """A line a day and the sum on standard output; what is going on meanwhile on standard error."""
    result = run("demo", "--days", "2", "--folder", tmp_path / "demo")

    assert result.exit_code == 0
    for said in ("2026-03-10", "1,234", "13", "900", "$12,345.67", "2026-03-11", "1,236", "$12,346.17"):
        assert said in result.stdout
    assert "b.parquet" in result.stdout
    assert " sql -c " in result.stdout
    assert "make dev" in result.stdout
    assert ".env.example" in result.stdout
    assert "daily_report/report.html" in result.stdout
    assert "Landing 2 days of 3 simulated sites" in " ".join(result.stderr.split())


def test_demo_as_json_prints_one_document_and_nothing_else(landed_days, tmp_path):
    """Standard output is the document alone; the numbers are those of the days."""
    result = run("demo", "--days", "2", "--folder", tmp_path / "demo", "--json")

    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["folder"] == str(tmp_path / "demo")
    assert [(day["day"], day["rows"], day["pages"]) for day in document["days"]] == [
        ("2026-03-10", 1234, 13),
        ("2026-03-11", 2, 1),
    ]


def test_the_demo_of_a_wheel_names_what_its_users_have(landed_days, tmp_path, monkeypatch):
    """Without a checkout there is no Makefile, and no .env.example."""
    monkeypatch.setitem(_next_steps.__globals__, "__file__", str(tmp_path / "a" / "b" / "simulate.py"))
    result = run("demo", "--days", "2", "--folder", tmp_path / "demo")
    assert "sonnys demo --ui" in result.stdout
    assert "make dev" not in result.stdout
    assert ".env.example" not in result.stdout


def test_the_demo_closes_the_folder_above_it(landed_days, tmp_path, monkeypatch):
    """A user's own state will lie in `.sonnys`: it is its owner's alone from the beginning, and where it was open."""
    monkeypatch.chdir(tmp_path)
    for was in (None, 0o755):
        if was:
            (tmp_path / ".sonnys").chmod(was)
        assert run("demo", "--days", "2").exit_code == 0
        assert (tmp_path / ".sonnys").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / ".sonnys" / "demo").stat().st_mode & 0o777 == 0o700


def test_demo_that_fails_exits_with_1_and_says_where_to_look(monkeypatch, tmp_path):
    """Dagster's run failed: its log is named, and no document is printed."""

    def fail(*_):
        raise DemoError("Dagster's run failed; its log is elsewhere/dagster.log")

    monkeypatch.setattr(sonnys_pipeline.cli.demo_pipeline, "materialize", fail)
    result = run("demo", "--folder", tmp_path / "demo", "--json")

    assert result.exit_code == 1
    assert "elsewhere/dagster.log" in result.stderr
    assert result.stdout == ""


def test_demo_in_a_place_that_cannot_be_written_names_the_option(tmp_path):
    """A folder below a regular file: exit code 1, the path, `--folder`, and no stack."""
    (tmp_path / "file").write_text("in the way")

    result = run("demo", "--folder", tmp_path / "file" / "demo")

    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert str(tmp_path / "file" / "demo") in result.stderr
    assert "--folder" in result.stderr


@pytest.mark.parametrize("error", [RuntimeError("Query interrupted"), LakeError("it cannot be read"), click.Abort()])
def test_what_ctrl_c_breaks_is_no_failure(monkeypatch, error):
    """Libraries make errors of it, such as DuckDB's: no file is damaged, and the exit code says what happened."""

    def interrupted_while_it_reads() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)  # until the signal is handled
        except KeyboardInterrupt:
            raise error from None

    monkeypatch.setitem(main.commands, "read", click.Command("read", callback=interrupted_while_it_reads))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        result = run("read")
        after = signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert (result.exit_code, result.output) == (130, "Interrupted.\n")
    assert after is signal.default_int_handler


def test_the_same_error_without_ctrl_c_is_a_failure(monkeypatch):
    """Nobody has pressed it: the error goes on as it is."""

    def failing() -> None:
        raise LakeError("it cannot be read")

    monkeypatch.setitem(main.commands, "read", click.Command("read", callback=failing))

    assert isinstance(run("read").exception, LakeError)
