"""KT-02, DG-02: past figures change when rows or a confirmed zone change, never since a list was read again."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.landing.sites.answers import zone_of_site
from sonnys_pipeline.landing.sites.history import change_sites
from sonnys_pipeline.marts.incremental.inputs import MartInputs, missing_site_days
from sonnys_pipeline.report.daily import make_report
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline_tests.support.second_count import day_figures
from sonnys_pipeline_tests.support.site_lists import DATES, DAYS, PARTITIONS, RECIPE, ListedChain, listed_site, zoned

SMALL: dict[str, Any] = {"sites": 3, "rows_per_day": 180, "virtual_site": False, "codeless_site": False}
ZONES = {"MAIN": "America/Chicago", "Harbor": "America/New_York", "SUNSET": "America/Los_Angeles"}


@pytest.fixture
def open_chain(tmp_path: Path) -> Callable[..., ListedChain]:
    def made(**config: Any) -> ListedChain:
        world = World(seed=5, **{**SMALL, **config})
        return ListedChain(Lake(tmp_path / "data"), world)

    return made


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> ListedChain:
    """Three sites and 13 business days, landed, listed and counted: 39 site days. Tests get copies of its lake."""
    made = ListedChain(Lake(tmp_path_factory.mktemp("counted") / "data"), World(seed=5, **SMALL))
    made.land_days()
    made.read_list()
    assert made.follow() == DAYS
    assert len(made.figures()) == 39
    return made


@pytest.fixture
def chain(counted: ListedChain, open_chain: Callable[..., ListedChain]) -> ListedChain:
    """The chain of `counted`, of this test alone."""
    made = open_chain()
    shutil.copytree(counted.lake.root, made.lake.root)
    made.at = counted.at
    return made


def expected(chain: ListedChain, zones: dict[str, str] = ZONES) -> dict[tuple[str, date], dict[str, Any]]:
    """A second count in plain Python, by zones that the list is not asked for."""
    return {(code, day): day_figures(chain.site_rows(code, zone, day)) for code, zone in zones.items() for day in DATES}


def assert_equal(found: dict[tuple[str, date], dict[str, Any]], wanted: dict[tuple[str, date], dict[str, Any]]) -> None:
    """Every figure that both counts have; the job rows of this chain have no status."""
    assert found.keys() == wanted.keys()
    for key, figures in wanted.items():
        counted = {name: found[key][name] for name in ("total_cars", "sales", "transactions", "new_memberships")}
        assert counted == {name: figures[name] for name in counted}, key


@pytest.mark.parametrize("kept", [0, 1])
def test_a_list_that_is_empty_or_much_shorter_is_refused(chain: ListedChain, kept: int) -> None:
    """b: 39 of 39 site days were rewritten in the pipeline's zone; now the history stays, and the error has a remedy.

    Its file keeps the refusal, so that checks can tell.
    """
    before = chain.figures()
    chain.world.list_sites(chain.world.sites[:kept])
    with pytest.raises(RowsWouldVanishError, match=f"lacks {3 - kept} of 3 known sites .*--accept-shorter"):
        chain.read_list()
    assert chain.lake.read("sites")["code"].to_pylist() == list(ZONES)
    assert "lacks" in chain.lake.metadata("sites")["refused"]
    assert chain.follow() == []
    assert chain.figures() == before
    assert_equal(before, expected(chain))


def test_a_list_of_one_site_adds_and_never_removes(chain: ListedChain) -> None:
    """b: read once under SONNYS_SITE_CODE."""
    chain.read_list(chain.world.sites[1], narrowed=True)
    assert chain.lake.read("sites")["is_current"].to_pylist() == [True] * 3
    assert chain.follow() == []
    assert_equal(chain.figures(), expected(chain))


def test_a_site_that_leaves_the_list_keeps_its_days(chain: ListedChain) -> None:
    """b: its days stay as they are, those after it has left are not counted as 0, and the others are not touched."""
    before = chain.figures()
    chain.world.list_sites(chain.world.sites[:2])
    chain.read_list()
    assert chain.follow() == []
    assert chain.figures() == before
    gone = chain.lake.read("sites").to_pylist()[2]
    assert (gone["code"], gone["is_current"], gone["valid_to"]) == ("SUNSET", False, date(2026, 3, 16))
    later = (date(2026, 3, 16) + timedelta(days=1)).isoformat()
    chain.land_days([later, "2026-03-18"], codes=["MAIN", "Harbor"])
    inputs = MartInputs(chain.lake, "UTC")
    assert [zone.site for zone in inputs.history.on(date.fromisoformat(later))] == ["Harbor", "MAIN"]


def test_a_code_that_changes_is_one_site(chain: ListedChain) -> None:
    """b: KPIs of all past days were rewritten, with zeros for the new code.

    Past days keep the code that was valid then, also where they are read again under the new one.
    """
    before = chain.figures()
    chain.world.rename_site("SUNSET", "SUNSET2")
    chain.read_list()
    assert chain.follow() == []
    chain.land_days(PARTITIONS[-4:])
    chain.read_list()
    chain.follow()
    assert chain.figures() == before
    rows = [row for row in chain.lake.read("sites").to_pylist() if row["site"] == "sunset"]
    assert [(row["code"], row["is_current"]) for row in rows] == [("SUNSET", False), ("SUNSET2", True)]
    assert rows[1]["because"] == "code SUNSET changed to SUNSET2, with the same number"


def test_a_zone_that_changes_in_the_list_holds_from_the_next_day_on(chain: ListedChain) -> None:
    """Introduction: 12 days of a site were moved by its zone (42 cars shown, 37 true)."""
    before = chain.figures()
    main, *others = chain.world.sites
    chain.world.list_sites([zoned(main, "Asia/Tokyo"), *others])
    chain.read_list()
    assert chain.follow() == []
    assert chain.figures() == before
    rows = chain.lake.read("sites").to_pylist()[:2]
    assert [(row["timezone"], row["valid_from"], row["valid_to"]) for row in rows] == [
        ("America/Chicago", None, date(2026, 3, 19)),
        ("Asia/Tokyo", date(2026, 3, 19), None),
    ]


def test_a_site_that_is_new_in_the_list_is_counted_from_its_first_row_on(
    open_chain: Callable[..., ListedChain],
) -> None:
    """k: there were zeros for all the past, and every file of the mart was written again."""
    chain = open_chain(opened={"SUNSET": DATES[9]})
    opened = DATES[8]  # in Los Angeles the UTC day begins in the evening before
    everyone = chain.world.sites
    chain.land_days(codes=["MAIN", "Harbor"])
    chain.world.list_sites(everyone[:2])
    chain.read_list()
    assert chain.follow() == DAYS
    before = {key: figures for key, figures in chain.figures().items() if key[1] < opened}
    chain.world.list_sites(everyone)
    chain.land_days(PARTITIONS[8:])
    chain.read_list()
    assert chain.follow() == DAYS[8:]
    figures = chain.figures()
    assert {key: row for key, row in figures.items() if key[1] < opened} == before
    assert min(day for site, day in figures if site == "SUNSET") == opened
    wanted = {key: row for key, row in expected(chain).items() if key[0] != "SUNSET" or key[1] >= opened}
    assert_equal(figures, wanted)


def test_rows_of_a_site_whose_zone_is_not_known_are_named_and_not_counted(chain: ListedChain) -> None:
    """k: they followed the pipeline's zone until the site was listed, and then they moved."""
    sites = chain.lake.read("sites")
    lone = Lake(chain.lake.root / "lone")
    lone.land("sites", sites.slice(0, 2))
    for day in PARTITIONS:
        lone.land("transactions", chain.lake.read("transactions", [day]), partition=day,
                  metadata=chain.lake.metadata("transactions", day))  # fmt: skip
    copy = ListedChain(lone, chain.world)
    assert copy.follow() == DAYS
    assert {site for site, _ in copy.figures()} == {"MAIN", "Harbor"}
    [said] = [one for one in missing_site_days(lone, RECIPE.asset, DAYS[3]) if "time zone" in one]
    assert said.startswith(f"SUNSET {DAYS[3]}: its rows are not counted")
    assert "sonnys sites zone SUNSET" in said


def test_a_site_that_a_list_writes_in_another_case_is_one_site(chain: ListedChain) -> None:
    """L7: MAIN and Main were two sites, one in the pipeline's zone and one with zeros."""
    before = chain.figures()
    chain.read_list(*(replace(one, code=one.code.swapcase()) for one in chain.world.sites))
    chain.read_list(*chain.world.sites)
    assert chain.follow() == []
    assert chain.figures() == before
    assert chain.lake.read("sites")["spellings"].to_pylist()[1] == ["Harbor", "hARBOR"]


def test_an_old_file_is_one_list_that_holds_for_all_the_past(chain: ListedChain) -> None:
    """A lake of before histories is read as it is, and its next list joins it."""
    before, columns = chain.figures(), ["site_id", "code", "name", "timezone", "extra"]
    chain.lake.land("sites", chain.lake.read("sites").select(columns), metadata={"loaded_at": chain.at.isoformat()})
    assert chain.follow() == []
    chain.read_list()
    assert chain.follow() == []
    assert chain.figures() == before
    assert chain.lake.read("sites")["valid_from"].null_count == 3
    assert [listed_site(one).code for one in chain.world.sites] == chain.lake.read("sites")["code"].to_pylist()


def test_a_report_compares_a_renamed_site_with_itself(chain: ListedChain) -> None:
    """By the code that it had on the report's day; there are not two sites, one without a past."""
    made_at = chain.at + timedelta(days=3)
    before = make_report(chain.lake, DATES[10], timezone="UTC", made_at=made_at)
    chain.world.rename_site("SUNSET", "SUNSET2")
    chain.at = datetime(2026, 3, 11, 6, tzinfo=UTC)
    chain.read_list(days_later=0)
    after = make_report(chain.lake, DATES[10], timezone="UTC", made_at=made_at)
    assert sorted(site.code for site in after.sites) == ["Harbor", "MAIN", "SUNSET2"]
    assert {one.name: one.figures for one in after.sites} == {one.name: one.figures for one in before.sites}
    assert after.figures == before.figures


def test_a_report_does_not_compare_a_new_site_with_days_before_it(open_chain: Callable[..., ListedChain]) -> None:
    """k: they counted as 0, so the chain had grown by a site's sales; one that has left is named."""
    chain = open_chain(opened={"SUNSET": DATES[8]})
    everyone = chain.world.sites
    chain.world.list_sites(everyone[:2])
    chain.land_days()
    chain.read_list()
    chain.world.list_sites(everyone)
    chain.land_days(PARTITIONS[7:])
    chain.read_list()
    report = make_report(chain.lake, DATES[10], timezone="UTC", made_at=chain.at)
    [sunset] = [site for site in report.sites if site.code == "SUNSET"]
    assert sunset.figures["sales"].value
    assert sunset.figures["sales"].last_week.base is None
    against = report.figures["sales"].last_week
    assert (against.sites, against.of_sites) == (2, 3)
    old = [site for site in report.sites if site.code != "SUNSET"]
    assert against.base == sum(site.figures["sales"].last_week.base or 0 for site in old)
    assert not any("earlier day" in caveat.text and "SUNSET" in caveat.text for caveat in report.caveats)
    chain.world.list_sites(everyone[1:])
    chain.read_list()
    later = make_report(chain.lake, date(2026, 3, 14), timezone="UTC", made_at=chain.at)
    assert later.missing_sites == ()


def test_a_zone_that_a_person_confirms_moves_the_figures_and_the_history_says_so(chain: ListedChain) -> None:
    """From the day that was said, and no other site; the second count has the same."""
    since = DATES[6]
    change_sites(chain.lake, lambda landed, rows: zone_of_site(landed, rows, "MAIN", "Asia/Tokyo", since))
    before = chain.figures()
    stale = chain.follow()
    assert set(stale) <= set(DAYS[5:])
    figures = chain.figures()
    assert {key for key in figures if figures[key] != before[key]} <= {("MAIN", day) for day in DATES[5:]}
    tokyo = expected(chain, {"MAIN": "Asia/Tokyo"})
    later = {key for key in figures if key[0] == "MAIN" and key[1] >= since}
    assert {key: figures[key]["transactions"] for key in later} == {key: tokyo[key]["transactions"] for key in later}
    assert "said by a person" in chain.lake.read("sites")["because"].to_pylist()[1]
