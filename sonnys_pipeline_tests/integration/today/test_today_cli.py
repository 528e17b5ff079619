"""KT-04: `sonnys today`: what it prints, when it looks, which code it ends with; and the page that it writes."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline.cli.today_so_far import command
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, days_ago


@pytest.fixture
def desk(open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Three sites, each with some 400 rows a day."""
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Los_Angeles")
    return open_desk(rows_per_day=1200)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["today", *arguments], prog_name="sonnys")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_it_looks_and_prints_a_table(desk: Desk) -> None:
    """On standard output; the page's path on standard error; there is no terminal here, so it does not go on."""
    result = run()
    assert result.exit_code == 0, result.output
    assert "so far" in result.stdout
    for site in ("Main Street", "Harbor Road", "Sunset Boulevard", "All sites"):
        assert site in result.stdout
    assert "are not landed" in result.stdout.replace("\n", " ")
    page = desk.folder / "data" / "daily_report" / "today.html"
    assert str(page) in result.stderr.replace("\n", "")
    assert "Main Street" in page.read_text(encoding="utf-8")


def test_json_is_one_document(desk: Desk) -> None:
    """`as_of` and `sites`, each with its figures beside last week's; null with a reason where those are not landed."""
    document = json.loads(run("--json").stdout)
    assert document["as_of"]
    assert document["requests"] == desk.requests - 1  # the list of sites
    assert document["problems"] == []
    assert {site["site"] for site in document["sites"]} == {"MAIN", "Harbor", "SUNSET"}
    for site in document["sites"]:
        assert site["as_of"]
        assert site["reason"].endswith("are not landed")
        assert site["sales"]["value"] is not None
        assert site["sales"]["last_week"] is None
        assert sum(hour["cars"]["value"] for hour in site["hours"]) == site["cars"]["value"]
    assert document["total"]["cars"]["value"] == sum(site["cars"]["value"] for site in document["sites"])


def test_it_compares_with_last_week_where_that_is_landed(desk: Desk) -> None:
    """A week ago, with the days around it, since each site has its own midnight."""
    job = desk.preview([days_ago(day) for day in (9, 8, 7, 6)])
    desk.types("approve", job)
    desk.types("run", job)
    document = json.loads(run("--json", "--once").stdout)
    assert [site["reason"] for site in document["sites"]] == [None] * 3
    assert document["total"]["sales"]["last_week"] is not None
    assert "by this time" in run("--once").stdout


def test_a_fresh_file_costs_nothing(desk: Desk) -> None:
    """Whoever looked: within ten minutes, or SONNYS_TODAY_EVERY, the file is shown as it is."""
    run("--once")
    before = desk.requests
    assert run("--once").exit_code == 0
    assert desk.requests == before


def test_what_could_not_be_read_is_said(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, in one line; what was read before is shown."""
    desk.simulator.set_faults(Faults(server_errors=1000))
    nothing = run("--json")
    assert nothing.exit_code == 1
    assert json.loads(nothing.stdout)["as_of"] is None
    assert "sonnys doctor" in nothing.stderr
    desk.simulator.set_faults()
    assert run("--once").exit_code == 0
    monkeypatch.setenv("SONNYS_TODAY_EVERY", "0.01")
    desk.simulator.set_faults(Faults(server_errors=1000))
    late = run("--once")
    assert late.exit_code == 1
    assert "Main Street" in late.stdout
    assert "warning: " in late.stderr


def test_in_a_terminal_it_follows_the_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is interrupted; the file that somebody else replaces is shown, too."""
    pauses: list[float] = []

    def interrupted(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    class Terminal(command.Screen):
        @property
        def is_terminal(self) -> bool:
            return True

    monkeypatch.setattr(command, "Screen", Terminal)
    monkeypatch.setattr(command, "time", SimpleNamespace(sleep=interrupted))
    monkeypatch.setenv("SONNYS_TODAY_EVERY", "3600")
    result = run()
    assert result.exit_code == 130
    assert pauses == [15.0, 15.0]
    assert "Main Street" in result.stdout


def test_without_credentials_it_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As every verb that asks the API."""
    monkeypatch.chdir(tmp_path)
    result = run("--once")
    assert result.exit_code == 2
    assert "SONNYS_API_ID" in result.stderr
