"""DG-01, DG-03, BM-05, BX-06: `sonnys doctor` on a simulator over HTTP, and on each thing that can be broken.

Every case is run as a person would run it: the environment says what there is, and the report what is wrong with it.
"""

import json
import os
import shutil
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.batch.jobs import JobStatus
from sonnys_pipeline.batch.ledger import open_ledger
from sonnys_pipeline.batch.tables import VERSION_TABLE
from sonnys_pipeline.cli import main
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.simulator import Account, Faults, Simulator

API_ID, API_KEY = "id-that-must-not-show-0815", "key-that-must-not-show-4711"
ALL = [
    "versions", "settings", ".env", "credentials", "TLS", "API", "site", "clock", "time zone", "request budget",
    "ledger", "state folder", "lake", "first partition", "Dagster instance", "Dagster daemon", "recorded days",
]  # fmt: skip


class Report:
    """What `sonnys doctor --json` said."""

    def __init__(self, result: Result) -> None:
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        document = json.loads(result.stdout)
        self.exit_code, self.ok = result.exit_code, document["ok"]
        self.findings = {finding["subject"]: finding for finding in document["findings"]}
        self.subjects = [finding["subject"] for finding in document["findings"]]

    def in_state(self, state: str) -> set[str]:
        return {subject for subject, finding in self.findings.items() if finding["state"] == state}

    def of(self, subject: str) -> tuple[str, str, str]:
        finding = self.findings[subject]
        return finding["state"], finding["detail"], finding["remedy"]


@pytest.fixture
def diagnose() -> Callable[..., Report]:
    """Runs the command and reads its report; whatever it printed must not hold the credentials."""

    def run(*arguments: str) -> Report:
        result = CliRunner().invoke(main, ["doctor", "--json", *arguments])
        assert API_ID not in result.output
        assert API_KEY not in result.output
        return Report(result)

    return run


@pytest.fixture
def healthy(
    start_simulator: Callable[..., Simulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Simulator]:
    """Points the environment at a simulator whose clock is ours, and at folders where all is well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").touch()

    def start(**config: Any) -> Simulator:
        config = {"now": datetime.now(UTC), "api_id": API_ID, "api_key": API_KEY, **config}
        simulator = start_simulator(**config)
        variables = {
            "SONNYS_API_ID": API_ID,
            "SONNYS_API_KEY": API_KEY,
            "SONNYS_BASE_URL": simulator.base_url,
            "SONNYS_DATA_URL": str(tmp_path / "data"),
            "SONNYS_STATE_DIR": str(tmp_path / "state"),
            "SONNYS_TIMEZONE": "America/Chicago",
            "SONNYS_START_DATE": (datetime.now(UTC) - timedelta(days=90)).date().isoformat(),
            "DAGSTER_HOME": str(tmp_path / "dagster"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return simulator

    return start


def test_where_all_is_well_it_says_so_and_spends_one_request(healthy, diagnose, tmp_path):
    """Every check in its order, exit code 0, one request through the shared budget; only no daemon runs yet."""
    simulator = healthy()

    report = diagnose()

    assert (report.exit_code, report.ok, report.subjects) == (0, True, ALL)
    assert report.in_state("ok") == set(ALL) - {"Dagster daemon"}
    assert report.in_state("warning") == {"Dagster daemon"}
    assert "3 sites" in report.of("API")[1]
    assert "20 requests in 15 s; 1 of them taken now" in report.of("request budget")[1]
    assert simulator.stats().requests == 1
    assert list((tmp_path / "data").iterdir()) == []  # nothing stays of the probe


def test_for_people_each_finding_is_a_line_with_its_remedy_below(healthy):
    """Symbol, subject, detail; where something is to be done an arrow follows; the key is nowhere."""
    healthy()

    result = CliRunner().invoke(main, ["doctor"])

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [line.split("  ")[0].strip("✓!✗· ") for line in lines if "→" not in line] == ALL
    assert sum("→" in line for line in lines) == 1
    assert lines[0].startswith("✓ versions  ")
    assert "Python 3." in lines[0]
    assert API_KEY not in result.output
    assert API_ID not in result.output


def test_offline_it_sends_nothing(healthy, diagnose):
    """What only the API can tell is skipped with the reason; the rest is looked at."""
    simulator = healthy()

    report = diagnose("--offline")

    assert report.exit_code == 0
    assert report.in_state("skipped") == {"API", "clock"}
    assert "--offline" in report.of("API")[1]
    assert simulator.stats().requests == 0


def test_without_anything_set_it_looks_at_the_rest(monkeypatch, tmp_path, diagnose):
    """No variable at all: credentials are the problem, and `sonnys demo` the way on; no check is lost."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    report = diagnose()

    assert (report.exit_code, report.subjects) == (1, ALL)
    assert report.in_state("problem") == {"credentials"}
    assert report.in_state("skipped") == {"TLS", "API", "clock", "Dagster daemon", "recorded days"}
    assert "sonnys demo" in report.of("credentials")[2]
    assert report.of("Dagster instance")[0] == "warning"


@pytest.mark.parametrize(
    ("variables", "problems", "subject", "said", "remedy"),
    [
        ({"API_KEY": "wrong"}, {"API"}, "API", "403 BadClientCredentialsError", "copy SONNYS_API_ID"),
        ({"API_ID": "live", "API_KEY": "l"}, {"API"}, "API", "MismatchCredentials", "sandbox"),
        ({"API_ID": "poor", "API_KEY": "p"}, {"API"}, "API", "NotAuthorizedError", "license"),
        ({"SITE_CODE": "NOWHERE"}, {"site"}, "site", "NOWHERE", "leave it out"),
        ({"BASE_URL": "http://127.0.0.1:9/v1"}, {"API"}, "API", "Connection refused", "check SONNYS_BASE_URL"),
        ({"BASE_URL": "http://api.test/v1"}, {"settings"}, "settings", "in the clear", "correct it"),
        ({"RATE_LIMIT": "20"}, {"settings"}, "settings", "SONNYS_RATE_LIMIT", ".env.example"),
        ({"TIMEZONE": "Chicago"}, {"settings"}, "settings", "is not a time zone", "correct it"),
        ({"API_KEY": "key-that-must-not-show-4711\n"}, {"settings"}, "settings", "SONNYS_API_KEY", "correct it"),
        ({"DATA_URL": "file/below"}, {"lake"}, "lake", "cannot be written", "SONNYS_DATA_URL"),
        ({"BUDGET_URL": "sqlite:///folder"}, {"request budget"}, "request budget", "SONNYS_BUDGET_URL", "name a place"),
        ({"BUDGET_URL": "mysql://me:hunter2@host"}, {"request budget"}, "request budget", "not a budget", "sqlite"),
        ({"LEDGER_URL": "sqlite:///folder"}, {"ledger"}, "ledger", "cannot be used", "SONNYS_LEDGER_URL"),
        ({"LEDGER_URL": "sqlite:///garbage"}, {"ledger"}, "ledger", "not a database", "Look at"),
        ({"LEDGER_URL": "mysql://me:hunter2@host/x"}, {"ledger"}, "ledger", "not a ledger", "postgresql://user"),
        (
            {"STATE_DIR": "file/below"},
            {"request budget", "ledger", "state folder"},
            "state folder",
            "cannot be made",
            "name one that can be written",
        ),
    ],
)
def test_each_broken_thing_is_named_with_its_remedy_and_hides_no_other(
    healthy, diagnose, tmp_path, monkeypatch, variables, problems, subject, said, remedy
):
    """Exit code 1; exactly these subjects are problems, the others are looked at or skipped with a reason."""
    healthy(
        accounts=(
            Account(api_id="live", api_key="l", environment="production"),
            Account(api_id="poor", api_key="p", licensed=False),
        )
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "garbage").write_text("no database " * 1000)
    for name, value in variables.items():
        monkeypatch.setenv(f"SONNYS_{name}", value)

    report = diagnose()

    assert (report.exit_code, report.ok, report.subjects) == (1, False, ALL)
    assert report.in_state("problem") == problems
    state, detail, to_do = report.of(subject)
    assert state == "problem"
    assert said in detail
    assert remedy in to_do
    assert "hunter2" not in json.dumps(report.findings)
    assert all(finding["detail"] for finding in report.findings.values())
    unhealthy = report.in_state("problem") | report.in_state("warning")
    assert all(report.findings[one]["remedy"] for one in unhealthy)


@pytest.mark.parametrize(("code", "allowed"), [("NOWHERE", None), ("HARBOR", frozenset({"MAIN"}))])
def test_a_refused_site_is_no_fault_of_the_credentials(healthy, diagnose, monkeypatch, code, allowed):
    """The API refuses the whole request for its site header: the finding is the site's, the credentials are good."""
    healthy(accounts=(Account(api_id="one", api_key="o", sites=allowed),))
    monkeypatch.setenv("SONNYS_API_ID", "one")
    monkeypatch.setenv("SONNYS_API_KEY", "o")
    monkeypatch.setenv("SONNYS_SITE_CODE", code)

    report = diagnose()

    assert report.in_state("problem") == {"site"}
    assert "accepts the credentials" in report.of("API")[1]


@pytest.mark.parametrize(
    ("seconds", "state", "said"),
    [(30, "ok", " s from the server's"), (120, "warning", "ahead of"), (-400, "problem", "behind")],
)
def test_a_clock_that_is_off_is_told_in_seconds(healthy, diagnose, seconds, state, said):
    """From a minute on a warning, from five a problem; ours is compared with the `Date` of the answer."""
    healthy(now=datetime.now(UTC) - timedelta(seconds=seconds))

    report = diagnose()

    assert report.of("clock")[0] == state
    assert said in report.of("clock")[1]
    told = next(int(word.strip("+")) for word in report.of("clock")[1].split() if word.strip("+-").isdigit())
    assert abs(abs(told) - abs(seconds)) <= 5


@pytest.mark.parametrize(
    ("fault", "state", "said", "remedy"),
    [
        ("clock_errors", "problem", "InvalidPayloadRequestTimestampError", "NTP"),
        ("server_errors", "problem", "HTTP 500", "helpdesk"),
        ("rate_limit_storm", "warning", "HTTP 429", "SONNYS_RATE_LIMIT"),
        ("html_answers", "problem", "Please try again later", "login page"),
        ("redirects", "problem", "redirected", "SONNYS_BASE_URL"),
        ("drop_before", "problem", "no answer", "network"),
    ],
)
def test_an_ailing_api_is_asked_once_and_quoted(healthy, diagnose, fault, state, said, remedy):
    """No request is repeated; what came is told, with what to do; the clock is told wherever an answer came."""
    simulator = healthy(faults=Faults(**{fault: 100}))

    report = diagnose()

    assert report.of("API")[0] == state
    assert said in report.of("API")[1]
    assert remedy in report.of("API")[2]
    assert report.of("clock")[0] == ("skipped" if fault == "drop_before" else "ok")
    assert simulator.stats().requests <= 1


def test_a_server_without_tls_is_told_apart_from_one_that_is_down(healthy, diagnose, monkeypatch):
    """`https` on a port that speaks plain HTTP."""
    monkeypatch.setenv("SONNYS_BASE_URL", healthy().base_url.replace("http:", "https:"))

    report = diagnose()

    assert report.in_state("problem") == {"TLS"}
    assert {"API", "clock"} <= report.in_state("skipped")
    assert "does not speak TLS" in report.of("TLS")[1]


@pytest.fixture
def self_signed(tmp_path: Path) -> Iterator[str]:
    """The address of a TLS server whose certificate nobody vouches for."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """The client hangs up, as it should."""

    with Quiet(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}/v1"
        server.shutdown()
        thread.join()


def test_a_certificate_that_does_not_hold_says_why(healthy, diagnose, monkeypatch, self_signed):
    """The reason of the TLS library, and what to do behind a proxy that opens TLS."""
    healthy()
    monkeypatch.setenv("SONNYS_BASE_URL", self_signed)

    report = diagnose()

    state, detail, remedy = report.of("TLS")
    assert (state, report.in_state("problem")) == ("problem", {"TLS"})
    assert "self-signed certificate" in detail
    assert "REQUESTS_CA_BUNDLE" in remedy


def test_a_ledger_of_a_newer_version_is_not_touched(healthy, diagnose, tmp_path, monkeypatch):
    """It says which schema was found, and to upgrade."""
    healthy()
    monkeypatch.setenv("SONNYS_LEDGER_URL", f"sqlite:///{tmp_path / 'newer.sqlite'}")
    open_ledger(f"sqlite:///{tmp_path / 'newer.sqlite'}").close()
    database = sqlite3.connect(tmp_path / "newer.sqlite")
    database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608 - our own name
    database.commit()
    database.close()

    report = diagnose("--offline")

    assert report.in_state("problem") == {"ledger"}
    assert "9999" in report.of("ledger")[1]
    assert "Upgrade" in report.of("ledger")[2]


def test_interrupted_jobs_are_counted_and_can_be_resumed(healthy, diagnose, tmp_path):
    """A job that says running and is held by nobody: a warning with the command; Dagster's own name their run."""
    healthy()
    (tmp_path / "state").mkdir(mode=0o700)
    with open_ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}") as ledger:
        made = [ledger.create_job(name) for name in ("March", "dagster:0123456789abcdef")]
        for job in made:
            ledger.update_status(job.id, JobStatus.RUNNING, by="an executor that was killed")

    report = diagnose("--offline")

    state, detail, remedy = report.of("ledger")
    assert (report.exit_code, state) == (0, "warning")
    assert "2 jobs say running" in detail
    assert f"sonnys backfill resume {made[0].id}" in remedy
    assert "run 01234567 from failure" in remedy


def test_a_first_day_that_the_api_has_no_more_is_told_with_the_value_to_set(healthy, diagnose, monkeypatch):
    """A warning, not a problem; set to the value, the next report has none."""
    healthy()
    monkeypatch.setenv("SONNYS_START_DATE", "2020-01-01")

    state, _, remedy = diagnose("--offline").of("first partition")
    assert state == "warning"
    monkeypatch.setenv(*remedy.removeprefix("set ").split("="))

    assert date.fromisoformat(os.environ["SONNYS_START_DATE"]) > datetime.now(UTC).date() - timedelta(days=190)
    assert diagnose("--offline").of("first partition")[0] == "ok"


def test_an_open_state_folder_is_told(healthy, diagnose, tmp_path):
    """One that everybody may enter: a warning, with the command that closes it, which does."""
    healthy()
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)

    state, _, remedy = diagnose("--offline").of("state folder")
    assert state == "warning"
    subprocess.run(remedy.split(), check=True)

    assert diagnose("--offline").of("state folder")[0] == "ok"


def test_an_env_file_beside_it_is_read_and_compared(healthy, diagnose, tmp_path, monkeypatch):
    """Settings come from it where the environment has none; where both differ the variable is named, not the value."""
    simulator = healthy()
    for name in ("SONNYS_API_ID", "SONNYS_API_KEY"):
        monkeypatch.delenv(name)
    lines = f"SONNYS_API_ID={API_ID}\nSONNYS_API_KEY={API_KEY}\n"
    (tmp_path / ".env").write_text(lines)
    (tmp_path / ".env").chmod(0o600)
    assert diagnose().of(".env")[0] == "ok"
    assert simulator.stats().requests == 1

    (tmp_path / ".env").write_text(f"{lines}SONNYS_TIMEZONE=\nSONNYS_DATA_URL=./other-lake\n")
    state, detail, _ = diagnose("--offline").of(".env")

    assert state == "warning"
    assert "SONNYS_DATA_URL, SONNYS_TIMEZONE" in detail
    assert "other-lake" not in detail


@pytest.mark.parametrize(
    ("home", "said", "remedy"),
    [
        ("relative", "relative path", "{tmp}/relative"),
        ("{tmp}/nowhere", "is no folder", "mkdir -p {tmp}/nowhere"),
        ("{tmp}/file", "is no folder", "another one"),
        ("{tmp}/broken", "cannot be opened (ParserError", "dagster.yaml"),
        ("{tmp}/unknown", 'unexpected config entry "nonsense"', "dagster.yaml"),
        ("{tmp}/elsewhere", "cannot be opened", "install the package"),
        ("{tmp}/damaged", "file is not a database", "mend the storage"),
    ],
)
def test_an_instance_that_cannot_be_opened_says_why(healthy, diagnose, tmp_path, monkeypatch, home, said, remedy):
    """What `DAGSTER_HOME` names is a problem; what would have been asked of it is skipped."""
    healthy()
    (tmp_path / "file").touch()
    postgres = "storage:\n  postgres:\n    postgres_url: postgresql://me:hunter2@127.0.0.1:9/x\n"
    for name, yaml in (("broken", "storage: ["), ("unknown", "nonsense: 1"), ("elsewhere", postgres), ("damaged", "")):
        (tmp_path / name / "history").mkdir(parents=True)
        (tmp_path / name / "dagster.yaml").write_text(yaml)
    (tmp_path / "damaged" / "history" / "runs.db").write_text("no database " * 1000)
    monkeypatch.setenv("DAGSTER_HOME", home.format(tmp=tmp_path))

    report = diagnose("--offline")

    assert report.in_state("problem") == {"Dagster instance"}
    assert {"Dagster daemon", "recorded days"} <= report.in_state("skipped")
    assert said in report.of("Dagster instance")[1]
    assert remedy.format(tmp=tmp_path) in report.of("Dagster instance")[2]
    assert "hunter2" not in json.dumps(report.findings)


def test_landed_days_that_dagster_does_not_know_are_counted(healthy, diagnose, tmp_path):
    """Three days are landed, one has a materialization: two are told, the first and the last of them by name."""
    healthy()
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        Lake(tmp_path / "data").land("transactions", TRANSACTIONS.empty_table(), partition=day)
    with dg.DagsterInstance.get() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("transactions", partition="2026-03-02"))

    state, detail, remedy = diagnose("--offline").of("recorded days")

    assert state == "warning"
    assert "2 of 3 landed days" in detail
    assert "2026-03-01 … 2026-03-03" in detail
    assert remedy
