"""LV-05: `sonnys first-contact` on the simulator over HTTP, in each position of what the contract leaves open ([?])."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from sonnys_pipeline.cli import main
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.doctor.conftest import SPEED, USUAL, Open, one_site, refused, told, values

PENDING_FIELDS = ["data", "hash", "limit", "offset", "status", "total"]


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
    assert answer["rows"] == answer["of"] > 10  # how many depends on the date


@pytest.mark.parametrize("seconds", [-200, 0, 90])
def test_the_clock_is_compared_with_the_servers(open_api: Open, seconds: int) -> None:
    """Within a second or two; a step that the API would refuse is not hidden by the failures that it makes."""
    open_api(now=datetime.now(UTC) - timedelta(seconds=seconds))
    assert abs(values(told())["clock_seconds"] - seconds) <= 2
    assert values(told())["list_ends"] == "both"
