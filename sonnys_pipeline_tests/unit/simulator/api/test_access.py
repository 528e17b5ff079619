"""Credentials, sites and the request budget.

Covers the contract, "Reaching it", "The request budget" and the 403 types under "Errors"; what BM-07 and LJ-11 run
against.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.simulator import Account
from sonnys_pipeline.simulator.api.access import AccessControl, RequestBudget
from sonnys_pipeline.simulator.api.errors import ApiError

ACCOUNTS = (
    Account(api_id="all", api_key="k"),
    Account(api_id="some", api_key="k", sites=frozenset({"MAIN", "HARBOR"})),
    Account(api_id="live", api_key="k", environment="production"),
    Account(api_id="lapsed", api_key="k", licensed=False),
)
ACCESS = AccessControl(ACCOUNTS, ["MAIN", "HARBOR", "SUNSET"])


def headers(api_id: str = "all", api_key: str = "k") -> dict[str, str]:
    return {"X-Sonnys-API-ID": api_id, "X-Sonnys-API-Key": api_key}


@pytest.mark.parametrize(
    ("sent", "error_type"),
    [
        ({}, "MissingClientCredentialsError"),
        ({"X-Sonnys-API-ID": "all"}, "MissingClientCredentialsError"),
        ({"X-Sonnys-API-Key": "k"}, "MissingClientCredentialsError"),
        (headers(""), "MissingClientCredentialsError"),
        (headers("nobody"), "BadClientCredentialsError"),
        (headers(api_key="wrong"), "BadClientCredentialsError"),
        (headers("live"), "MismatchCredentialsError"),
        (headers("lapsed"), "NotAuthorizedError"),
    ],
)
def test_bad_credentials_are_refused_by_type(sent, error_type):
    with pytest.raises(ApiError) as caught:
        ACCESS.authenticate(sent)
    assert (caught.value.status, caught.value.error_type) == (403, error_type)


def test_good_credentials_name_their_account():
    assert ACCESS.authenticate(headers("some")) == ACCOUNTS[1]


@pytest.mark.parametrize(
    ("account", "header", "argument", "sites"),
    [
        (0, None, None, {"MAIN", "HARBOR", "SUNSET"}),
        (1, None, None, {"MAIN", "HARBOR"}),
        (1, "MAIN", None, {"MAIN"}),
        (1, "MAIN", "MAIN", {"MAIN"}),
        (1, None, "HARBOR", {"HARBOR"}),
        (0, "", "", {"MAIN", "HARBOR", "SUNSET"}),
    ],
)
def test_sites_in_view(account, header, argument, sites):
    assert ACCESS.visible_sites(ACCOUNTS[account], header, argument) == sites


@pytest.mark.parametrize(
    ("header", "argument", "status", "error_type"),
    [
        ("NOWHERE", None, 403, "BadSiteCredentialsError"),
        ("SUNSET", None, 403, "NotAuthorizedSiteCredentialsError"),
        ("MAIN", "HARBOR", 403, "NotAuthorizedSiteArgsError"),
        (None, "SUNSET", 403, "NotAuthorizedSiteArgsError"),
        (None, "NOWHERE", 422, "PayloadValidationError"),
    ],
)
def test_sites_out_of_view(header, argument, status, error_type):
    with pytest.raises(ApiError) as caught:
        ACCESS.visible_sites(ACCOUNTS[1], header, argument)
    assert (caught.value.status, caught.value.error_type) == (status, error_type)


@pytest.mark.parametrize(
    ("header", "argument"), [(None, "Harbor"), ("harbor", None), ("HARBOR", "harbor"), (None, "HARBOR")]
)
def test_codes_compare_without_case_where_the_api_mixes_them(header, argument):
    """L7: what is read is named as rows write it."""
    access = AccessControl(
        [Account(api_id="a", api_key="k", sites=frozenset({"HARBOR"}))], ["Harbor"], ignore_case=True
    )
    (account,) = (access.authenticate(headers("a")),)
    assert access.visible_sites(account, header, argument) == {"Harbor"}
    assert access.visible_sites(account, None, None) == {"Harbor"}
    with pytest.raises(ApiError, match="NOWHERE"):
        access.visible_sites(account, None, "NOWHERE")


def test_case_counts_where_the_document_alone_is_followed():
    with pytest.raises(ApiError, match="main"):
        ACCESS.visible_sites(ACCOUNTS[0], None, "main")


@pytest.mark.parametrize(
    ("codes", "sites", "several"),
    [
        (["MAIN", "HARBOR"], None, True),
        (["MAIN", "HARBOR"], {"MAIN"}, False),
        (["MAIN", "HARBOR", "PINE"], {"MAIN", "PINE"}, True),
        (["MAIN", ""], None, False),
        (["MAIN"], None, False),
    ],
)
def test_a_key_sees_several_sites_where_it_could_name_more_than_one(codes, sites, several):
    account = Account(api_id="a", api_key="k", sites=sites if sites is None else frozenset(sites))
    assert AccessControl([account], codes).sees_several(account) is several


def test_an_unknown_site_is_named_in_the_finding():
    with pytest.raises(ApiError) as caught:
        ACCESS.visible_sites(ACCOUNTS[0], None, "NOWHERE")
    assert caught.value.body() == {
        "type": "PayloadValidationError",
        "messages": ["site: no site has the code 'NOWHERE'."],
    }


def test_accounts_must_fit_the_chain():
    with pytest.raises(ValueError, match="two accounts"):
        AccessControl([ACCOUNTS[0], ACCOUNTS[0]], ["MAIN"])
    with pytest.raises(ValueError, match="SUNSET"):
        AccessControl([Account(api_id="a", api_key="k", sites=frozenset({"SUNSET"}))], ["MAIN"])


def test_a_key_does_not_show_in_a_repr():
    assert "secret" not in repr(Account(api_id="a", api_key="secret"))


def test_the_twenty_first_request_of_a_block_is_refused():
    budget = RequestBudget(20, 15.0)
    assert [budget.acquire("id", 100 + second * 0.1) for second in range(21)] == [True] * 20 + [False]
    assert budget.used("id", 102) == 20


def test_a_block_opens_with_its_first_request_and_ends_after_its_length():
    budget = RequestBudget(2, 15.0)
    assert budget.acquire("id", 100.0)
    assert budget.acquire("id", 114.0)
    assert not budget.acquire("id", 114.9)
    assert budget.acquire("id", 115.0), "15 s after the first request, however late the second was"
    assert budget.used("id", 115.0) == 1
    assert budget.used("id", 130.0) == 0


def test_refusals_neither_count_nor_lengthen_the_block():
    budget = RequestBudget(1, 15.0)
    budget.acquire("id", 100.0)
    assert [budget.acquire("id", at) for at in (101.0, 108.0, 114.9)] == [False] * 3
    assert budget.used("id", 114.9) == 1
    assert budget.acquire("id", 115.0)


def test_refusals_count_when_set_so():
    budget = RequestBudget(1, 15.0, count_refused=True)
    assert [budget.acquire("id", at) for at in (100.0, 101.0, 102.0)] == [True, False, False]
    assert budget.used("id", 103.0) == 3
    assert budget.acquire("id", 115.0)


def test_refusals_start_the_block_anew_when_set_so():
    budget = RequestBudget(1, 15.0, refused_lengthens=True)
    assert [budget.acquire("id", at) for at in (100.0, 110.0, 124.9)] == [True, False, False]
    assert not budget.acquire("id", 139.8), "15 s after the last refusal, not after the first request"
    assert budget.acquire("id", 154.8)


def test_api_ids_have_budgets_of_their_own():
    budget = RequestBudget(1, 15.0)
    assert budget.acquire("one", 100.0)
    assert budget.acquire("other", 100.0)
    assert not budget.acquire("one", 101.0)
    budget.clear()
    assert budget.acquire("one", 101.0)


@given(st.lists(st.floats(0, 60), max_size=80))
def test_no_block_ever_serves_more_than_its_limit(gaps):
    budget, at, served = RequestBudget(3, 15.0), 0.0, []
    for gap in gaps:
        at += gap / 10
        if budget.acquire("id", at):
            served.append(at)
    opened, used = None, 0
    for moment in served:
        if opened is None or moment - opened >= 15.0:
            opened, used = moment, 0
        used += 1
        assert used <= 3
