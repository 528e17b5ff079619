"""DG-03, DG-04, LJ-09: the `sonnys` command in processes of its own, and the client without Dagster."""

import json
import re
import signal
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import requests

from sonnys_pipeline.client import AuthError, SonnysClient
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.simulator import World

pytestmark = pytest.mark.acceptance


def announced(process) -> dict[str, str]:
    """The variables that `sonnys simulate` prints, once all of them are there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.popen.poll() is None:
        if "SONNYS_HASH_LIFETIME" in process.stdout.read_text() and process.stdout.read_text().endswith("\n"):
            return dict(re.findall(r"(SONNYS_\w+)=(\S+)", process.stdout.read_text()))
        time.sleep(0.05)
    raise AssertionError(f"the simulator did not come up: {process.output}")


def test_the_client_needs_no_dagster(start):
    """`sonnys_pipeline.client` in a fresh interpreter: of the whole house, only the ground floor is loaded with it."""
    program = (
        "import sys, sonnys_pipeline.client\n"
        "roots = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(roots & {'dagster', 'duckdb', 'pandas', 'pyarrow', 'starlette'}))\n"
        "print(sorted({'.'.join(name.split('.')[:2]) for name in sys.modules if name.startswith('sonnys_pipeline.')}))"
    )

    process = start([Path(sys.executable), "-c", program])

    assert process.wait() == 0, process.output
    assert process.stdout.read_text().splitlines() == ["[]", "['sonnys_pipeline.client', 'sonnys_pipeline.runtime']"]


def test_demo_lands_days_and_prints_one_document(start, tmp_path, monkeypatch):
    """`sonnys demo --days 2 --json`: exit code 0, one JSON document, and the files hold what the document says.

    No asset check warns: a newcomer who opens Dagster's UI sees nothing but green.
    The day before them is landed as well: with it the two are whole at every site. Days are cut at the midnights of the
    westernmost site's zone. The user's own settings stay out of it, those of a `.env` in the working directory too, and
    the demo out of the user's lake.
    """
    (tmp_path / ".env").write_text(
        "SONNYS_API_ID=the-user\nSONNYS_API_KEY=the-users-own-key\nSONNYS_BASE_URL=http://127.0.0.1:9/v1\n"
        f"SONNYS_DATA_URL={tmp_path / 'the-users-lake'}\n"
    )
    monkeypatch.setenv("SONNYS_API_KEY", "the-users-own-key")
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "the-users-lake"))
    monkeypatch.setenv("SONNYS_TIMEZONE", "Pacific/Honolulu")

    process = start(["sonnys", "demo", "--days", "2", "--json", "--folder", tmp_path / "demo"], forked=True)

    assert process.wait() == 0, process.output
    document = json.loads(process.stdout.read_text())
    assert document["folder"] == str(tmp_path / "demo")
    before, first, second = (date.fromisoformat(day["day"]) for day in document["days"])
    assert (first - before, second - first) == (timedelta(days=1), timedelta(days=1))
    lake, world = Lake(tmp_path / "demo" / "data"), World()
    for day in document["days"]:
        assert Path(day["path"]) == lake.path("transactions", day["day"])
        landed = lake.read("transactions", [day["day"]], ["id"])["id"].to_pylist()
        midnights = [date.fromisoformat(day["day"]) + timedelta(days=step) for step in (0, 1)]
        begin, end = (datetime(*each.timetuple()[:3], tzinfo=ZoneInfo("America/Los_Angeles")) for each in midnights)
        rows = world.rows(begin.astimezone(UTC), end.astimezone(UTC) - timedelta(milliseconds=1))
        assert sorted(landed) == sorted(row["id"] for row in rows)
        assert day["rows"] == len(rows)
        by_site = Counter(row["locationCode"] for row in rows)
        assert day["pages"] == sum(max(1, -(-by_site[site.code] // 100)) for site in world.sites if site.code)
    assert (document["days"][0]["cars"], document["days"][0]["sales"]) == (None, None)
    assert all(day["cars"] > 0 and day["sales"] > 0 for day in document["days"][1:])
    with dg.DagsterInstance.from_config(str(tmp_path / "demo" / "dagster")) as instance:
        checked = [
            entry.get_dagster_event().asset_check_evaluation_data
            for run in instance.get_runs()
            for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
    assert {each.check_name for each in checked} >= {"ageing", "items_add_up", "every_site_counted"}
    assert [(each.check_name, each.description) for each in checked if not each.passed] == []
    assert not (tmp_path / "the-users-lake").exists()
    assert "the-users-own-key" not in process.output
    assert b"the-users-own-key" not in b"".join(
        path.read_bytes() for path in (tmp_path / "demo").rglob("*") if path.is_file()
    )


def test_simulate_serves_until_interrupted(start):
    """The exports that it prints are all that a client needs; Ctrl-C ends it with 130."""
    process = start(["sonnys", "simulate", "--port", "0", "--speed", "20", "--sites", "2"])
    printed = announced(process)

    assert printed["SONNYS_RATE_LIMIT"] == "20/0.75"
    url, api_id = printed["SONNYS_BASE_URL"], printed["SONNYS_API_ID"]
    with SonnysClient(api_id, printed["SONNYS_API_KEY"], base_url=url) as client:
        first, *_ = client.sites.list()
        assert first.code == "MAIN"
    with SonnysClient(api_id, "another", base_url=url) as stranger, pytest.raises(AuthError):
        stranger.sites.list()
    process.send(signal.SIGINT)
    assert process.wait() == 130
    assert "Traceback" not in process.output


def test_simulate_ends_cleanly_when_terminated(start):
    """SIGTERM, as a supervisor sends it: an orderly end without a stack of errors, even with a request in flight."""
    process = start(["sonnys", "simulate", "--port", "0", "--latency", "30"])
    url = announced(process)["SONNYS_BASE_URL"]
    with pytest.raises(requests.Timeout):
        requests.get(f"{url}/site/list", timeout=0.5)

    process.send(signal.SIGTERM)
    assert process.wait() in {-signal.SIGTERM, 128 + signal.SIGTERM, 0}
    assert "Traceback" not in process.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "loopback"),  # noqa: S104 - it is refused
        (["--faults", "{not json"], "--faults is not JSON"),
        (["--faults", '{"server_erors": 5}'], "server_erors"),
    ],
    ids=["public host", "broken JSON", "unknown fault"],
)
def test_simulate_refuses_wrong_usage(start, arguments, said):
    """Exit code 2, the reason, and nothing on standard output."""
    process = start(["sonnys", "simulate", "--port", "0", *arguments])

    assert process.wait() == 2
    assert said in process.stderr.read_text()
    assert process.stdout.read_text() == ""
