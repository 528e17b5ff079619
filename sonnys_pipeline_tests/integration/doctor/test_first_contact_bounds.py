"""LV-05: what `sonnys first-contact` asks, keeps and says: bounds, errors, its file, and what is remembered."""

import json
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.doctor.conftest import USUAL, Open, run, told, values
from sonnys_pipeline_tests.support.workspaces import ledger_of


def test_a_question_that_fails_leaves_the_others_their_answers(open_api: Open) -> None:
    """No list of sites: what needs a site stays open with the reason, and the rest is known."""
    simulator = open_api(faults=Faults(server_errors=-1, on={"server_errors": "sites"}))
    document = told()
    answers = document["answers"]
    assert answers["site_codes"] == {"answer": None, "means": "", "reason": "HTTP 500 ServerUnexpectedFailure"}
    assert answers["job_ends"]["reason"] == "HTTP 422 PayloadValidationError"
    known = values(document)
    assert (known["load_job_needs_site"], known["lists_need_site"], known["list_ends"]) == (True, False, "both")
    assert document["requests"] == simulator.stats().requests <= 24


def test_jobs_that_never_end_do_not_hold_it_up(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound holds, and what lists tell is known."""
    simulator = open_api(faults=Faults(endless_jobs=-1))
    monkeypatch.setenv("SONNYS_JOB_TIMEOUT", "0.5")
    document = told()
    assert "longer than" in document["answers"]["job_seconds"]["reason"]
    assert (values(document)["job_ends"], values(document)["list_ends"]) == (None, "both")
    assert document["requests"] == simulator.stats().requests <= 24


@pytest.mark.parametrize("fault", ["server_errors", "drop_before", "truncated_json", "rate_limit_storm"])
def test_single_failures_are_repeated_within_the_bound(open_api: Open, fault: str) -> None:
    """One of a kind costs one request, or one answer: never more than 24, and never a wrong answer."""
    simulator = open_api(faults=Faults(**{fault: 1}))
    document = told()
    answers = values(document)
    assert all(answers[name] in (USUAL[name], None) for name in ("load_job_needs_site", "list_ends", "job_ends"))
    assert document["requests"] == len(simulator.log) <= 24


@pytest.mark.parametrize("fault", ["unavailable", "drop_before", "html_answers"])
def test_an_api_that_answers_nothing_ends_it(open_api: Open, fault: str) -> None:
    """Exit code 1, one line, nothing on standard output, never more requests than were promised."""
    simulator = open_api(faults=Faults(**{fault: -1}))
    result = run("--json", exit_code=1)
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert len(simulator.log) <= 24


def test_refused_credentials_end_it_at_the_first_request(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1 with what to check, and no key in it; an unknown site code is wrong usage."""
    simulator = open_api()
    monkeypatch.setenv("SONNYS_API_KEY", "not-the-key-4711")
    result = run(exit_code=1)
    assert "SONNYS_API_KEY" in result.stderr.splitlines()[-1]
    assert "not-the-key-4711" not in result.output
    assert simulator.stats().requests == 1
    monkeypatch.setenv("SONNYS_API_KEY", simulator.config.api_key)
    monkeypatch.setenv("SONNYS_SITE_CODE", "NOWHERE")
    run(exit_code=2)


def test_dry_run_tells_the_cost_and_sends_nothing(open_api: Open) -> None:
    """Every question with its requests; together no more than the bound that is told; no file."""
    simulator = open_api()
    document = told("--dry-run", "--spend-a-block")
    assert document["most_requests"] == 46
    assert sum(one["most"] for one in document["questions"]) == 46
    printed = run("--dry-run").stdout
    assert "24 requests at most" in printed
    assert "Nothing was sent." in printed
    assert simulator.stats().requests == 0
    assert not Path("state").exists()


def test_the_bound_is_said_before_anything_is_sent(open_api: Open) -> None:
    """The first line; then a line for each request, and a table with what each answer means."""
    open_api()
    result = run()
    assert "24 requests at most" in result.stderr.splitlines()[0]
    assert sum(" of 24 at most " in line for line in result.stderr.splitlines()) <= 24
    assert "Must a load job name its" in " ".join(result.stdout.split())
    assert "meaning" in result.stdout


def test_nothing_personal_is_in_the_file(open_api: Open, tmp_path: Path) -> None:
    """Byte by byte: no name, plate, card, reference, id, site, code, hash, address or credential of this world."""
    simulator = open_api(faults=Faults(unknown_field=-1))
    document = told("--spend-a-block")
    path = Path(document.pop("file"))
    assert path.parent == tmp_path / "state"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert json.loads(text) == document
    text = text.replace(document["asked_at"], "")  # a date and a time: digits of ours

    now = simulator.state.clock.now()
    rows = simulator.world.rows(now - timedelta(days=28), now)
    assert len(rows) > 3_000
    names = ("customerName", "vehicleLicensePlate", "employeeCashier", "employeeGreeter")
    whole = {str(row[name]) for row in rows for name in names if row.get(name)}
    whole |= {site.name for site in simulator.world.all_sites} | {record.path for record in simulator.log}
    whole |= {value for record in simulator.log for value in re.findall(r"hash=(\w+)", record.query)}
    whole |= {simulator.config.api_id, simulator.config.api_key, simulator.root_url, str(simulator.root_url)[-5:]}
    whole |= {part for row in rows for item in row["items"] for part in (item["name"], item["department"])}
    whole |= {row["salesDeviceName"] for row in rows} | {row["completeDate"][:10] for row in rows}
    assert {one for one in whole if re.search(rf"(?<!\w){re.escape(one)}(?!\w)", text)} == set()

    numbers = {row["id"] for row in rows} | {row["customerId"] for row in rows if row.get("customerId")}
    cards = ("referenceNumber", "creditCardLastFour", "creditCardExpirationDate")
    numbers |= {str(tender[name]) for row in rows for tender in row["tenders"] for name in cards if tender[name]}
    numbers |= {site.code for site in simulator.world.all_sites if site.code}
    tokens = set(re.findall(r"[\w:.-]+", text))
    assert numbers & tokens == set()


def test_what_was_learned_is_remembered_shown_and_used(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger has it, `doctor` shows it, and load jobs that this key refuses are not even asked for."""
    simulator = open_api()
    known = values(told())
    settings = Settings.load()
    with ledger_of(settings) as jobs:
        kept = {name: one.content for name, one in jobs.knowledge.recall_all(settings.api_id_digest).items()}
    assert (kept["load_job_needs_site"], kept["lists_need_site"]) == (True, False)
    assert kept["job_seconds"] == known["job_seconds"]["first_guess"]
    assert "fail_fields" not in kept  # not known
    assert len(kept["sites"]) == known["site_codes"]["sites"]

    def finding() -> dict[str, str]:
        result = CliRunner().invoke(main, ["doctor", "--json", "--offline"])
        return next(one for one in json.loads(result.stdout)["findings"] if one["subject"] == "first contact")

    assert finding()["state"] == "ok"
    assert "load jobs must name a site (today)" in finding()["detail"]
    assert "lists need not name a site (today)" in finding()["detail"]

    sent = simulator.stats().requests
    monkeypatch.setenv("SONNYS_LOAD_BY", "all")
    assert (finding()["state"], finding()["remedy"]) == ("problem", "set SONNYS_LOAD_BY=site")
    day = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
    result = CliRunner().invoke(main, ["backfill", "preview", "--start", day, "--end", day])
    assert result.exit_code == 2
    assert "set SONNYS_LOAD_BY=site" in result.stderr
    assert simulator.stats().requests == sent


def test_a_site_code_leaves_open_what_it_hides(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is answered to narrowed requests says nothing of the key; a refusal does."""
    open_api(lists_need_site=False)
    monkeypatch.setenv("SONNYS_SITE_CODE", "MAIN")
    answers = told()["answers"]
    assert answers["load_job_needs_site"]["answer"] is True
    assert answers["lists_need_site"]["answer"] is None
    assert "SONNYS_SITE_CODE" in answers["lists_need_site"]["reason"]
    settings = Settings.load()
    with ledger_of(settings) as jobs:
        assert not {"lists_need_site", "sites"} & set(jobs.knowledge.recall_all(settings.api_id_digest))


def test_a_chain_without_a_row_is_told_what_lists_tell(open_api: Open) -> None:
    """Not opened yet: no instant, hence no ends; null totals and refusals are known all the same."""
    simulator = open_api(opened=(datetime.now(UTC) + timedelta(days=3)).date())
    document = told()
    known = values(document)
    assert (known["load_job_needs_site"], known["lists_need_site"]) == (True, False)
    assert (known["empty_list_total"], known["list_ends"], known["job_ends"]) == ("null", None, None)
    assert "no row in 27 days" in document["answers"]["list_ends"]["reason"]
    assert document["requests"] == simulator.stats().requests <= 24
