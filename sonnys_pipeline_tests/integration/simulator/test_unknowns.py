"""What is unknown of the live API, in each position that the simulator can be set to.

Covers the contract, L6, and what the contract marks as unknown.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.simulator.conftest import DAY, START, LiveApi

# L6: the budget, and what is not known of it.


def hammer(api: LiveApi, path: str, times: int, **params: Any) -> list[int]:
    return [api.get(path, **params).status_code for _ in range(times)]


def test_the_21st_request_of_a_block_is_a_429(open_api):
    api = open_api(rate_limit=20)
    assert hammer(api, "/site/list", 21) == [200] * 20 + [429]


@pytest.mark.parametrize(("budget_per", "elsewhere"), [("api_id", 429), ("endpoint", 200)])
def test_one_budget_or_one_for_each_endpoint(open_api, budget_per, elsewhere):
    api = open_api(rate_limit=2, budget_per=budget_per)
    assert hammer(api, "/transaction/0:1", 2) == [404, 404]
    assert hammer(api, "/transaction/0:2", 1) == [429], "one endpoint, whichever transaction is asked for"
    assert hammer(api, "/site/list", 1) == [elsewhere]


@pytest.mark.parametrize(("lengthens", "after"), [(False, 200), (True, 429)])
def test_a_429_lengthens_the_block_or_not(open_api, lengthens, after):
    api = open_api(rate_limit=2, refused_lengthens=lengthens)
    assert hammer(api, "/site/list", 2) == [200, 200]
    api.simulator.advance(10)
    assert hammer(api, "/site/list", 1) == [429]
    api.simulator.advance(10)
    assert hammer(api, "/site/list", 1) == [after]


# What else is unknown.


@pytest.mark.parametrize(("ends", "included"), [("both", (1, 1)), ("start", (1, 0)), ("neither", (0, 0))])
def test_rows_on_the_ends_are_there_as_set(open_api, ends, included):
    api = open_api(ends=ends, rows_per_day=90, sites=1)
    begin, end = api.total(), api.total(startDate=DAY + 7200)
    assert begin is not None
    assert end is not None
    api.simulator.world.add_late_rows(START)
    assert (api.total() or 0) - begin == included[0]
    assert len(api.job(site="MAIN")["data"]) - begin == included[0]
    api.simulator.world.add_late_rows(START + timedelta(days=1))
    assert (api.total(startDate=DAY + 7200) or 0) - end == included[1]


@pytest.mark.parametrize(
    ("fail_body", "fields"),
    [(True, {"hash", "status", "data", "offset", "limit", "total"}), (False, {"hash", "status"})],
)
def test_a_fail_comes_with_a_body_or_without(open_api, fail_body, fields):
    api = open_api(fail_body=fail_body)
    api.simulator.set_faults(Faults(fail_jobs=1))
    failed = api.job(site="MAIN")
    assert failed.keys() == fields
    assert failed["status"] == "fail"


def test_a_job_may_be_pending_first(open_api):
    api = open_api(pending_status=True, job_seconds=(1000.0, 1000.0))
    assert api.job(site="MAIN")["status"] == "pending"
    api.simulator.advance(600)
    assert api.job(site="MAIN")["status"] == "working"
    api.simulator.advance(400)
    assert api.job(site="MAIN")["status"] == "pass"


def test_rows_of_a_site_without_a_code_are_in_no_sites_job(open_api):
    api = open_api(codeless_rows=True, rows_per_day=200)
    named = [api.total(site=code) or 0 for code in api.site_codes() if code]
    codeless = [row for row in api.simulator.world.rows(START, START + timedelta(days=1)) if row["locationCode"] == ""]
    assert api.total() == 200 == sum(named) + len(codeless)
    assert codeless


def test_rows_of_an_unlisted_site_are_in_the_count_of_all_and_in_no_listed_sites(open_api):
    api = open_api(unlisted_site_rows=7, rows_per_day=200)
    assert "Annex" not in api.site_codes()
    assert api.total() == 207
    assert sum(api.total(site=code) or 0 for code in api.site_codes() if code) == 200
    assert len(api.job(site="annex")["data"]) == 7, "whoever knows its code can read it"


def test_the_virtual_site_may_have_rows_of_its_own(open_api):
    assert open_api(rows_per_day=400).total(site="ECOMM") is None
    assert (open_api(rows_per_day=400, virtual_rows=True).total(site="ECOMM") or 0) > 5


def test_one_site_is_closed_and_one_opens_in_the_middle(open_api):
    api = open_api(closed={"HARBOR": {date(2026, 11, 3)}}, opened={"SUNSET": date(2026, 11, 4)}, rows_per_day=90)
    totals = {code: api.total(site=code) for code in ("MAIN", "Harbor", "SUNSET")}
    assert totals == {"MAIN": 90, "Harbor": None, "SUNSET": None}
    next_day = {"startDate": DAY + 86_400, "endDate": DAY + 2 * 86_400 - 1}
    assert all(api.total(**next_day, site=code) for code in ("MAIN", "Harbor", "SUNSET"))
