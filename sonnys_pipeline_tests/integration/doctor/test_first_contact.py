"""LV-05: `sonnys first-contact` on the simulator over HTTP, in each position of what the contract leaves open ([?])."""

import json
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import BaseModel

from sonnys_pipeline.backfill.workspace import open_job_service
from sonnys_pipeline.cli import main
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.simulator import Account, Faults, Simulator

Open = Callable[..., Simulator]
#: How many times faster than the API the simulator is.
SPEED = 50
PENDING_FIELDS = ["data", "hash", "limit", "offset", "status", "total"]
V2_FIELDS = ["isRecurringPlanRedemption", "isRecurringPlanSale", "transactionStatus"]


def run(*arguments: str, exit_code: int = 0) -> Result:
    """`sonnys first-contact` with these arguments."""
    result = CliRunner().invoke(main, ["first-contact", *arguments], prog_name="sonnys")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def told(*arguments: str) -> dict[str, Any]:
    """What `--json` prints, and nothing beside it."""
    return json.loads(run("--json", *arguments).stdout)


def values(document: dict[str, Any]) -> dict[str, Any]:
    """The answers alone."""
    return {name: one["answer"] for name, one in document["answers"].items()}


@pytest.fixture
def open_api(start_simulator: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Starts a simulator with the API's own budget, at the real present, and points the environment at it."""
    monkeypatch.chdir(tmp_path)

    def start(**config: Any) -> Simulator:
        simulator = start_simulator(
            **{
                "now": datetime.now(UTC),
                "rate_limit": 20,
                "block_seconds": 30.0,
                "job_seconds": (3.0, 3.0),
                "rows_per_day": 150,
                "sites": 3,  # and those that the profile adds: one online, live also one without a code
                "virtual_site": None,
                **config,
            }
        )
        account = simulator.config.all_accounts()[-1]
        variables = {
            "API_ID": account.api_id,
            "API_KEY": account.api_key,
            "BASE_URL": simulator.base_url,
            "RATE_LIMIT": f"20/{simulator.config.block_seconds / SPEED}",
            "POLL_INTERVAL": "0.04",
            "STATE_DIR": str(tmp_path / "state"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(f"SONNYS_{name}", value)
        return simulator

    return start


def refused(simulator: Simulator) -> int:
    """Requests that met a 429."""
    return sum(record.status == 429 for record in simulator.log)


def one_site(*codes: str) -> tuple[Account, ...]:
    """An account that sees these sites alone."""
    return (Account(api_id="narrow-id", api_key="narrow-key", sites=frozenset(codes)),)


#: What the simulator does by default, as its documentation says.
USUAL = {
    "load_job_needs_site": True,
    "lists_need_site": False,
    "list_ends": "both",
    "job_ends": "both",
    "same_hash": True,
    "empty_job_total": "null",
    "empty_list_total": "null",
    "fail_fields": None,
    "unknown_fields": {"job": [], "list": [], "version_2": []},
    "absent_fields": {"job": V2_FIELDS, "list": [], "version_2": []},
    "refused_fields": {},
    "budget_per": None,
}


def in_order(value: Any) -> str:
    """A name of a case that is the same in every process, whatever the order of its sets."""
    if isinstance(value, dict):
        return ",".join(f"{name}={in_order(part)}" for name, part in value.items()) or "default"
    if isinstance(value, frozenset | set):
        return "+".join(sorted(map(str, value)))
    if isinstance(value, tuple):
        return "+".join(map(in_order, value))
    if isinstance(value, BaseModel):
        return ",".join(f"{name}={in_order(getattr(value, name))}" for name in sorted(value.model_fields_set))
    return str(value)


@pytest.mark.parametrize(
    ("config", "differs"),
    [
        ({}, {}),
        ({"api": "documented"}, {"load_job_needs_site": False, "empty_job_total": "zero", "empty_list_total": "zero",
                                 "absent_fields": None, "e_comm_rows": None}),
        ({"api": "documented", "lists_need_site": True}, {"load_job_needs_site": False, "lists_need_site": True,
                                 "empty_job_total": "zero", "empty_list_total": "zero", "absent_fields": None}),
        ({"lists_need_site": True}, {"lists_need_site": True}),
        ({"ends": "start"}, {"list_ends": "start", "job_ends": "start"}),
        ({"ends": "neither"}, {"list_ends": "neither", "job_ends": "neither"}),
        ({"ends": "neither", "lists_need_site": True},
         {"list_ends": "neither", "job_ends": "neither", "lists_need_site": True}),
        ({"stable_hashes": True}, {}),
        ({"count_refused": True}, {}),
        ({"refused_lengthens": True}, {}),
        ({"budget_per": "endpoint"}, {}),
        ({"fail_body": False}, {}),
        ({"fail_body": False, "faults": Faults(fail_jobs=1)}, {"fail_fields": ["hash", "status"], "job_ends": None}),
        ({"fail_body": True, "faults": Faults(fail_jobs=1)}, {"fail_fields": PENDING_FIELDS, "job_ends": None}),
        ({"faults": Faults(empty_as_404=True, empty_list_as_404=True)},
         {"empty_job_total": "not found (404)", "empty_list_total": "not found (404)"}),
        ({"faults": Faults(unknown_field=-1)},
         {"unknown_fields": {"job": ["loyaltyTier"], "list": [], "version_2": []}}),
        ({"faults": Faults(malformed_rows=-1)}, {"refused_fields": {"job": "total"}}),
        ({"accounts": one_site("MAIN")}, {"load_job_needs_site": False}),
        ({"accounts": one_site("MAIN"), "lists_need_site": True}, {"load_job_needs_site": False}),
        ({"accounts": one_site("MAIN", "SUNSET"), "lists_need_site": True}, {"lists_need_site": True}),
        ({"rows_per_day": 6}, {}),
    ],
    ids=in_order,
)  # fmt: skip
def test_each_position_of_the_simulator_is_told_as_it_is(
    open_api: Open, config: dict[str, Any], differs: dict[str, Any]
) -> None:
    """The true answer each time, within 24 requests that all take their places, so that none meets a 429."""
    simulator = open_api(**config)
    document = told()
    answers = values(document)
    expected = {**USUAL, **differs}
    if simulator.config.api == "documented":  # there the newer fields are in some rows and lacking in others
        del expected["absent_fields"]
    assert {name: answers[name] for name in expected} == expected
    assert all(one["reason"] for one in document["answers"].values() if one["answer"] is None)
    assert all(one["means"] for one in document["answers"].values() if one["answer"] is not None)
    assert document["requests"] == simulator.stats().requests <= 24
    assert refused(simulator) == 0


@pytest.mark.parametrize(
    ("config", "per", "requests"),
    [
        ({}, "api_id", 21),
        ({"count_refused": True}, "api_id", 21),
        ({"refused_lengthens": True}, "api_id", 21),
        ({"budget_per": "endpoint"}, "endpoint", 22),
    ],
    ids=in_order,
)
def test_a_spent_block_tells_whose_budget_it_is_by_a_single_429(
    open_api: Open, config: dict[str, Any], per: str, requests: int
) -> None:
    """One 429, and those who share the budget wait for the block's end: the next verb meets none."""
    simulator = open_api(**config, block_seconds=120.0)  # long enough to be full before it is over
    document = told("--spend-a-block")
    assert values(document)["budget_per"] == per
    assert [sent["asked"] for sent in document["trail"]].count("block") == requests
    assert document["requests"] == simulator.stats().requests <= 46
    assert refused(simulator) == 1
    assert CliRunner().invoke(main, ["probe", "--budget", "3"]).exit_code == 1
    assert refused(simulator) == 1


def test_a_budget_below_a_block_is_not_exceeded(open_api: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever leaves room for others has it left: the question stays open, and names what to change."""
    simulator = open_api()
    monkeypatch.setenv("SONNYS_RATE_LIMIT", f"18/{30.0 / SPEED}")
    answer = told("--spend-a-block")["answers"]["budget_per"]
    assert answer["answer"] is None
    assert "SONNYS_RATE_LIMIT" in answer["reason"]
    assert refused(simulator) == 0


@pytest.mark.parametrize("seconds", [1.0, 6.0, 25.0])
def test_job_times_are_bounded_from_both_sides(open_api: Open, seconds: float) -> None:
    """The true running time lies between the last `working` and the first pass; jobs that say `pending` are running."""
    open_api(job_seconds=(seconds, seconds), pending_status=True)
    document = told()
    answer = values(document)["job_seconds"]
    assert answer["longer_than"] * SPEED <= seconds + 0.5  # rounded to hundredths
    assert answer["first_guess"] * SPEED >= seconds - 0.5
    assert answer["at_most"] >= answer["first_guess"]
    if seconds == 25.0:
        assert "pending" in document["job_statuses"]
        assert answer["longer_than"] > 0
    assert values(document)["job_ends"] == "both"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"without_code": 1, "listed_in_two_spellings": 0, "in_rows_spelt_otherwise": 0}),
        ({"codeless_site": False}, {"without_code": 0}),
        ({"site_spellings": True}, {"listed_in_two_spellings": 1, "in_rows_not_listed": 0}),
        ({"list_in_other_case": True}, {"in_rows": 1, "in_rows_spelt_otherwise": 1, "in_rows_not_listed": 0}),
        ({"accounts": one_site("Harbor")}, {"sites": 1, "in_rows": 1, "in_rows_spelt_otherwise": 0}),
    ],
    ids=in_order,
)
def test_spellings_of_site_codes_are_counted(open_api: Open, config: dict[str, Any], expected: dict[str, int]) -> None:
    """The list against itself and against rows; counts alone."""
    open_api(**config)
    answer = values(told())["site_codes"]
    assert {name: answer[name] for name in expected} == expected


def test_terminals_of_the_web_shop_are_counted_where_they_are(open_api: Open) -> None:
    """Of a site that sells online alone every row has one; none seen is no proof that there is none."""
    open_api(accounts=one_site("ECOMM"), virtual_rows=True, rows_per_day=None)
    answer = values(told())["e_comm_rows"]
    assert answer["rows"] == answer["of"] > 50


@pytest.mark.parametrize("seconds", [-200, 0, 90])
def test_the_clock_is_compared_with_the_servers(open_api: Open, seconds: int) -> None:
    """Within a second or two; a step that the API would refuse is not hidden by the failures that it makes."""
    open_api(now=datetime.now(UTC) - timedelta(seconds=seconds))
    assert abs(values(told())["clock_seconds"] - seconds) <= 2
    assert values(told())["list_ends"] == "both"


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
    with open_job_service(settings) as jobs:
        kept = {name: one.content for name, one in jobs.recall_all(settings.api_id_digest).items()}
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
    with open_job_service(settings) as jobs:
        assert not {"lists_need_site", "sites"} & set(jobs.recall_all(settings.api_id_digest))


def test_a_chain_without_a_row_is_told_what_lists_tell(open_api: Open) -> None:
    """Not opened yet: no instant, hence no ends; null totals and refusals are known all the same."""
    simulator = open_api(opened=(datetime.now(UTC) + timedelta(days=3)).date())
    document = told()
    known = values(document)
    assert (known["load_job_needs_site"], known["lists_need_site"]) == (True, False)
    assert (known["empty_list_total"], known["list_ends"], known["job_ends"]) == ("null", None, None)
    assert "no row in 27 days" in document["answers"]["list_ends"]["reason"]
    assert document["requests"] == simulator.stats().requests <= 24
