"""LV-01: which site a load job names, on keys of one site and of several, and days whose sites are read one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.lake.transactions import is_landed, landed_sites
from sonnys_pipeline.simulator import Account, Simulator
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days
from sonnys_pipeline_tests.support.pipelines.sites import DAYS, Chain, sites_of

ONE_SITE: dict[str, Any] = {"sites": 1, "virtual_site": False, "codeless_site": False}
TWO_DAYS = last_days(2)


@pytest.fixture
def open_chain(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Callable[..., Chain]:
    """Two sites with 230 rows a day between them."""
    return lambda **config: Chain(start_simulator(**{"sites": 2, "rows_per_day": 230, **config}), tmp_path)


def test_each_load_job_names_its_site_as_the_list_spells_it(open_chain: Callable[..., Chain]) -> None:
    """Every site that has a code, the online one too; the list is asked for once, and not again by the next run."""
    chain = open_chain(virtual_site=True)
    assert chain.run().success
    assert {asked["site"] for asked in chain.asked("submit")} == set(sites_of(chain)) == {"MAIN", "Harbor", "ECOMM"}
    assert chain.run().success
    assert len(chain.asked("sites")) == 1
    assert chain.landed() == chain.expected()


@pytest.mark.parametrize("config", [{"api": "documented"}, ONE_SITE], ids=["as documented", "a key of one site"])
def test_one_job_for_all_sites_where_the_key_takes_it(open_chain: Callable[..., Chain], config: dict[str, Any]) -> None:
    """`SONNYS_LOAD_BY=all`: no load job names a site, nobody asks which there are, and the days are whole."""
    chain = open_chain(**config)
    assert chain.run(load_by="all", states="on").success
    assert [asked for asked in chain.asked("submit") if "site" in asked] == []
    assert chain.landed() == chain.expected() == chain.with_states()
    assert [landed_sites(chain.lake, day) for day in DAYS] == [None, None]


def test_a_key_of_one_site_is_read_by_its_name(open_chain: Callable[..., Chain]) -> None:
    """The default works there as well, in as many requests."""
    chain = open_chain(**ONE_SITE)
    assert chain.run().success
    assert {asked["site"] for asked in chain.asked("submit")} == {"MAIN"}
    assert chain.landed() == chain.expected()
    assert [landed_sites(chain.lake, day) for day in DAYS] == [None, None]


def test_a_key_of_several_sites_refuses_a_job_for_all_of_them_once(open_chain: Callable[..., Chain]) -> None:
    """One request, whatever the days: the run stops with the setting that works. The next one does not even ask."""
    chain = open_chain()
    days = [f"2026-03-{day:02d}" for day in range(1, 12)]
    result = chain.run(days, load_by="all")
    assert (result.success, result.processed, result.pending) == (False, 1, 10)
    assert "set SONNYS_LOAD_BY=site" in result.stopped
    assert [record.outcome for record in chain.simulator.log] == ["PayloadValidationError"]
    with pytest.raises(ValueError, match="SONNYS_LOAD_BY"):
        chain.run(days, load_by="all")
    assert len(chain.simulator.log) == 1
    assert chain.run().success


def test_the_site_of_the_settings_is_in_header_and_load_job(open_chain: Callable[..., Chain]) -> None:
    """`SONNYS_SITE_CODE`: that site in every load job; the day holds it, and is whole as no list has another.

    The header goes with it, for a site that no header may name is refused as a header (BadSiteCredentialsError).
    """
    chain = open_chain(lists_need_site=True)
    assert chain.run(site_code="Harbor").success
    assert {asked["site"] for asked in chain.asked("submit")} == {"Harbor"}
    own = [row["id"] for day in DAYS for row in chain.rows_of(day) if row["locationCode"] == "Harbor"]
    assert sorted(chain.landed()) == sorted(own)
    assert set(chain.with_states()) == set(own)
    assert [landed_sites(chain.lake, day) for day in DAYS] == [{"Harbor"}, {"Harbor"}]
    assert [is_landed(chain.lake, day, None) for day in DAYS] == [True, True]
    refused = chain.run(["2026-03-12"], site_code="NOWHERE")
    assert "BadSiteCredentialsError" in refused.failures[0].message


def test_an_account_narrowed_to_one_site_need_not_know_of_others(open_chain: Callable[..., Chain]) -> None:
    """A key that may see one of the chain's sites: its list has that one, and its rows are the whole day."""
    narrow = Account(api_id="narrow", api_key="narrow-key", sites=frozenset({"Harbor"}))
    chain = open_chain(accounts=(narrow,))
    assert chain.run(api_id="narrow", api_key="narrow-key").success
    assert {row["location_code"] for row in chain.lake.read("transactions", DAYS).to_pylist()} == {"Harbor"}
    assert [landed_sites(chain.lake, day) for day in DAYS] == [None, None]


def test_a_site_is_asked_for_in_any_case_and_lands_as_its_rows_write_it(open_desk: Callable[..., Desk]) -> None:
    """`--site hARBOR` is Harbor: one file, once, and not missing any more for whoever writes it otherwise."""
    desk = open_desk(sites=2)
    span = ("--start", TWO_DAYS[0], "--end", TWO_DAYS[-1])
    desk.types("run", desk.approved(TWO_DAYS, "--site", "hARBOR"))
    for day in TWO_DAYS:
        assert landed_sites(desk.lake, day) == {"Harbor"}
        assert desk.landed_ids(day) == desk.expected_ids(day, "Harbor")
    assert desk.asks("preview", *span, "--site", "HARBOR", "--missing-only")["total_rows"] == 0
    assert desk.asks("preview", *span, "--site", "main", "--missing-only")["total_rows"] == 2


def test_days_are_whole_when_all_sites_were_read_one_by_one(open_desk: Callable[..., Desk], tmp_path: Path) -> None:
    """By a CSV of days and sites: before the last of its sites a day is missing, after it it is not."""
    desk = open_desk(sites=2)
    codes = [site.code for site in desk.simulator.world.sites if site.code]
    span = ("--start", TWO_DAYS[0], "--end", TWO_DAYS[-1], "--missing-only")
    for chosen in (codes[:-1], codes[-1:]):
        assert desk.asks("preview", *span)["total_rows"] == 2
        path = tmp_path / f"{chosen[0]}.csv"
        lines = [f"{day},{code.lower()}" for day in TWO_DAYS for code in chosen]
        path.write_text("\n".join(["date,site_code", *lines]) + "\n")
        desk.types("run", desk.asks("preview", "--from-csv", path)["job_id"], "--mode", "auto")
    assert desk.asks("preview", *span)["total_rows"] == 0
    for day in TWO_DAYS:
        assert landed_sites(desk.lake, day) is None
        assert desk.landed_ids(day) == desk.expected_ids(day)
