"""DG-01, DG-03, BM-05, BX-06: `sonnys doctor` on a simulator over HTTP, and on each thing that can be broken:
settings, credentials and the API. What this machine holds is asked of in `test_doctor_machine.py`.

Every case is run as a person would run it: the environment says what there is, and the report what is wrong with it.
"""

import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.simulator import Account, Faults
from sonnys_pipeline_tests.support.pipelines.doctor import API_ID, API_KEY

ALL = [
    "versions", "settings", ".env", "credentials", "TLS", "API", "site", "clock", "time zone", "request budget",
    "ledger", "first contact", "state folder", "lake", "source", "first partition", "landed days", "sites",
    "Dagster instance", "Dagster daemon", "recorded days",
]  # fmt: skip


def test_where_all_is_well_it_says_so_and_spends_one_request(healthy, diagnose, tmp_path):
    """Every check in its order, exit code 0, one request through the shared budget; only no daemon runs yet."""
    simulator = healthy()

    report = diagnose()

    assert (report.exit_code, report.ok, report.subjects) == (0, True, ALL)
    assert report.in_state("ok") == set(ALL) - {"Dagster daemon"}
    assert report.in_state("warning") == {"Dagster daemon"}
    assert "sites" in report.of("API")[1]
    assert "20 requests in 15 s; 1 of them used now" in report.of("request budget")[1]
    assert simulator.stats().requests == 1
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]  # nothing stays of the probe


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
        ({"SITE_CODE": "NOWHERE"}, {"site"}, "site", "NOWHERE", "remove it to read all sites"),
        ({"BASE_URL": "http://127.0.0.1:9/v1"}, {"API"}, "API", "Connection refused", "check SONNYS_BASE_URL"),
        ({"BASE_URL": "http://api.test/v1"}, {"settings"}, "settings", "in the clear", "correct it"),
        ({"RATE_LIMIT": "20"}, {"settings"}, "settings", "SONNYS_RATE_LIMIT", ".env.example"),
        ({"TIMEZONE": "Chicago"}, {"settings"}, "settings", "is not a time zone", "correct it"),
        ({"API_KEY": "key-that-must-not-show-4711\n"}, {"settings"}, "settings", "SONNYS_API_KEY", "correct it"),
        ({"DATA_URL": "file/below"}, {"lake"}, "lake", "cannot be written", "SONNYS_DATA_URL"),
        (
            {"BUDGET_URL": "sqlite:///folder"},
            {"request budget"},
            "request budget",
            "SONNYS_BUDGET_URL",
            "name another path",
        ),
        ({"BUDGET_URL": "mysql://me:hunter2@host"}, {"request budget"}, "request budget", "not a budget", "sqlite"),
        ({"LEDGER_URL": "sqlite:///folder"}, {"ledger"}, "ledger", "cannot be used", "SONNYS_LEDGER_URL"),
        ({"LEDGER_URL": "sqlite:///garbage"}, {"ledger"}, "ledger", "not a database", "Check"),
        ({"LEDGER_URL": "mysql://me:hunter2@host/x"}, {"ledger"}, "ledger", "not a ledger", "postgresql://user"),
        (
            {"STATE_DIR": "file/below"},
            {"request budget", "ledger", "state folder"},
            "state folder",
            "cannot be used",
            "name a directory of your own",
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
    healthy(sites=3, accounts=(Account(api_id="one", api_key="o", sites=allowed),))
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
