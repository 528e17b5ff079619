"""DG-03, BX-02, BX-03, BX-06, JS-01: `sonnys` with several accounts: `--account`, `SONNYS_ACCOUNT`, or neither."""

import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.ledger.models import JobMode, RowSpec
from sonnys_pipeline_tests.support.pipelines.backfills import days_ago, last_days
from sonnys_pipeline_tests.support.pipelines.chains import DAYS, NAMES, SECRET, Chains
from sonnys_pipeline_tests.support.pipelines.snapshots import Beginning
from sonnys_pipeline_tests.support.workspaces import ledger_of

VERBS = [
    ["probe"],
    ["first-contact"],
    ["report"],
    ["replay"],
    ["verify"],
    ["backfill", "preview", "--start", "2026-03-10", "--end", "2026-03-10"],
    *(["backfill", verb, "job"] for verb in ("approve", "run", "resume", "cancel", "status", "write-back")),
    ["backfill", "list"],
    ["backfill", "reconcile"],
]


def types(*arguments: str, exit_code: int = 0) -> Result:
    """`sonnys` with these arguments; anything but this exit code, or a secret that shows, fails the test."""
    result = CliRunner().invoke(main, list(arguments), prog_name="sonnys")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    assert SECRET not in result.output
    return result


@pytest.fixture
def today(open_chains: Callable[..., Chains], monkeypatch: pytest.MonkeyPatch) -> Chains:
    """Two chains whose present is ours, as the command knows no other; no Dagster to be told."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return open_chains(now=datetime.now(UTC), START_DATE=days_ago(170), MAX_RETRIES="1")


@pytest.fixture
def landed(chains: Chains, beginning: Beginning) -> Chains:
    """Both chains with their days and lists of sites."""
    whole = SimpleNamespace(lake=Lake(chains.folder / "data"), instance=chains.instance)
    beginning.of(whole, lambda: chains.land(*NAMES, marts=False))
    return chains


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_verb_without_an_account_is_refused(chains, verb):
    """Exit code 2, naming the accounts and both ways to choose; nothing is asked, nothing is made."""
    refused = types(*verb, exit_code=2)

    assert "--account north|south" in refused.stderr
    assert "SONNYS_ACCOUNT" in refused.stderr
    assert all(simulator.stats().requests == 0 for simulator in chains.simulators.values())
    assert [path.name for path in chains.folder.iterdir()] == []


@pytest.mark.parametrize("verb", [*VERBS, ["doctor"]], ids=" ".join)
def test_an_account_that_there_is_not_is_refused(chains, verb, monkeypatch):
    """By option or by variable: exit code 2, naming those that there are."""
    assert "west is not an account; SONNYS_ACCOUNTS names north, south" in types(
        *verb, "--account", "west", exit_code=2
    ).stderr  # fmt: skip
    monkeypatch.setenv("SONNYS_ACCOUNT", "west")
    assert "SONNYS_ACCOUNT: west is not an account" in types(*verb, exit_code=2).stderr


def test_an_account_where_there_are_none_is_refused(monkeypatch, tmp_path):
    """Rather than passed over: whoever types it believes that there are several."""
    monkeypatch.chdir(tmp_path)
    assert "SONNYS_ACCOUNTS is not set" in types("report", "--account", "north", exit_code=2).stderr


def test_a_backfill_of_one_account(today, monkeypatch, tmp_path):
    """Preview, approve, run: the south's days land from its API into its lake, and Dagster is told by its keys."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    days = last_days(2)
    previewed = types("backfill", "preview", "--start", days[0], "--end", days[1], "--account", "south")
    (approve,) = [line.split() for line in previewed.stdout.splitlines() if "backfill approve" in line]
    job = approve[3]
    assert approve == ["sonnys", "backfill", "approve", job, "--account", "south"]

    types(*approve[1:])
    monkeypatch.setenv("SONNYS_ACCOUNT", "south")
    ran = json.loads(types("backfill", "run", job, "--json").stdout)

    assert (ran["success"], ran["dagster"]["reported"]) == (True, days)
    assert today.landed_ids("south", *days) == today.expected_ids("south", *days)
    assert not (tmp_path / "data" / "north").exists()
    assert today.simulators["north"].stats().requests == 0
    with dg.DagsterInstance.from_config(str(home)) as instance:
        known = {
            key: instance.get_materialized_partitions(dg.AssetKey(key.split("/")))
            for key in ("south/transactions", "north/transactions", "transactions")
        }
    assert known == {"south/transactions": set(days), "north/transactions": set(), "transactions": set()}
    assert json.loads(types("backfill", "reconcile", "--json").stdout)["reported"] == []


def test_jobs_of_another_account_are_not_there(today, monkeypatch, tmp_path):
    """In one ledger: an account lists, runs, and recovers its own jobs alone, interrupted ones included."""
    monkeypatch.setenv("SONNYS_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    found = {}
    for name in NAMES:
        with ledger_of(Settings.load(name)) as jobs:
            job = jobs.create_job("the same", mode=JobMode.AUTO, rows=[RowSpec(days_ago(3))])
            jobs.leases.acquire(job.id, "another:machine:1:x", 0.001)
            found[name] = jobs.update_status(job.id, "running", by="another:machine:1:x").id

    listed = json.loads(types("backfill", "list", "--account", "north", "--json").stdout)["jobs"]
    assert [job["job_id"] for job in listed] == [found["north"]]
    for verb in ("run", "resume", "status", "cancel", "approve", "write-back"):
        refused = types("backfill", verb, found["south"], "--account", "north", exit_code=2)
        assert f"has no job '{found['south']}'" in refused.stderr
    recovered = json.loads(
        types("backfill", "run", "--recover", "resume", "--account", "north", "--json").stdout
    )  # fmt: skip
    assert [job["job_id"] for job in recovered["jobs"]] == [found["north"]]
    assert today.simulators["south"].stats().requests == 0
    with ledger_of(Settings.load("south")) as jobs:
        assert jobs.get_job(found["south"]).status == "running"


def test_the_report_says_whose_it_is(landed):
    """In the page's title and in the document; each account has a page of its own."""
    pages = {}
    for name in NAMES:
        document = json.loads(types("report", "--date", "2026-03-11", "--account", name, "--json").stdout)
        assert document["account"] == name
        pages[name] = document["path"]
        text = (landed.lake(name).path("daily_report", "2026-03-11").parent / "report.html").read_text()
        assert f" · {name} · daily report</title>" in text
        assert f" · {name}</h1>" in text
    assert all(f"/data/{name}/daily_report/" in path for name, path in pages.items())
    lacking = types("report", "--date", "2026-03-20", "--account", "north", exit_code=1)
    assert "--select north/transactions --partition" in lacking.stderr


def test_a_replay_of_one_account(landed):
    """Of its own archive, without a request; the other's days are not touched."""
    before = [simulator.stats().requests for simulator in landed.simulators.values()]

    document = json.loads(types("replay", "--account", "south", "--json").stdout)

    first, last = (date.fromisoformat(day) for day in DAYS)
    assert document["unchanged"] == [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
    assert document["rows"] == len(landed.expected_ids("south", *document["unchanged"]))
    assert [simulator.stats().requests for simulator in landed.simulators.values()] == before


def test_one_account_becomes_one_of_several(today, monkeypatch, tmp_path):
    """As docs/accounts.md says: folders are moved, nothing is read again, Dagster is told; and the days go on there."""
    own = {name: value for name, value in os.environ.items() if name.startswith("SONNYS_") and "__" in name}
    for name in ("SONNYS_ACCOUNTS", *own):
        monkeypatch.delenv(name)
    for name, value in own.items():
        if "_NORTH__" in name:
            monkeypatch.setenv(name.replace("NORTH__", ""), value)
    days = last_days(2)
    job = json.loads(types("backfill", "preview", "--start", days[0], "--end", days[1], "--json").stdout)["job_id"]
    types("backfill", "run", job, "--mode", "auto")
    sent = today.simulators["north"].stats().requests

    for place in ("data", "state"):
        (tmp_path / place).rename(tmp_path / f"{place}-before")
        (tmp_path / place).mkdir()
        (tmp_path / f"{place}-before").rename(tmp_path / place / "north")
    for name, value in {"SONNYS_ACCOUNTS": "north,south", **own}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.delenv(name.replace("NORTH__", "") if "_NORTH__" in name else "SONNYS_NOTHING", raising=False)
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))

    assert json.loads(types("backfill", "reconcile", "--account", "north", "--json").stdout)["reported"] == days
    assert today.landed_ids("north", *days) == today.expected_ids("north", *days)
    assert today.simulators["north"].stats().requests == sent
    span = ["--start", days_ago(4), "--end", days_ago(2), "--missing-only", "--account", "north", "--json"]
    more = json.loads(types("backfill", "preview", *span).stdout)
    assert [row["day"] for row in more["rows"]] == [days_ago(4)]
    types("backfill", "run", more["job_id"], "--mode", "auto", "--account", "north")
    assert today.lake("north").partitions("transactions") == [days_ago(4), *days]


def test_the_doctor_looks_at_every_account(today, monkeypatch):
    """A section each, one request each; what ails one is said there, by the name of its variable."""
    monkeypatch.delenv("SONNYS_SOUTH__API_KEY")

    document = json.loads(types("doctor", "--json", exit_code=1).stdout)

    of = {
        name: {one["subject"]: one for one in document["findings"] if one["account"] == name} for name in NAMES
    }  # fmt: skip
    assert set(of["north"]) == set(of["south"])
    assert of["north"]["credentials"]["detail"] == "SONNYS_NORTH__API_ID and SONNYS_NORTH__API_KEY are set"
    assert of["north"]["API"]["state"] == "ok"
    assert "SONNYS_SOUTH__API_KEY not set" in of["south"]["credentials"]["detail"]
    assert of["south"]["API"]["state"] == "skipped"
    assert [simulator.stats().requests for simulator in today.simulators.values()] == [1, 0]
    printed = types("doctor", "--offline", exit_code=1).stdout
    assert [line for line in printed.splitlines() if line.startswith("account ")] == ["account north", "account south"]
    chosen = types("doctor", "--offline", "--account", "north").stdout
    assert [line for line in chosen.splitlines() if line.startswith("account ")] == ["account north"]
