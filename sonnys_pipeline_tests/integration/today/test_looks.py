"""KT-04: looks at the day so far: which rows come, at how many requests, through late rows, midnights and crashes."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.client import Site
from sonnys_pipeline.extract.events import LISTS_NEED_SITE
from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.landing.account_sites import keep_sites, knows
from sonnys_pipeline.simulator import Faults, Simulator
from sonnys_pipeline.today.file import ASSET
from sonnys_pipeline.today.state import ALL_SITES
from sonnys_pipeline_tests.support.pipelines.looks import Watch, watching

CHICAGO, PACIFIC = "America/Chicago", "America/Los_Angeles"
#: Of 2026-03-20, in summer time: noon in Chicago, and midnight.
NOON = datetime(2026, 3, 20, 17, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 20, 5, tzinfo=UTC)
#: With 400 rows a day, nothing happens at any site from 05:54 to 07:00 in Chicago.
QUIET = datetime(2026, 3, 20, 10, 55, tzinfo=UTC)
#: The simulated sites' own midnights: Chicago, New York, Los Angeles.
MIDNIGHTS = {
    "MAIN": MIDNIGHT,
    "Harbor": MIDNIGHT - timedelta(hours=1),
    "SUNSET": MIDNIGHT + timedelta(hours=2),
}

Open = Callable[..., Watch]


@pytest.fixture
def watch(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Iterator[Open]:
    """Opens a chain of three sites with 400 rows a day, at noon in Chicago."""
    with ExitStack() as opened:

        def open_one(settings: dict[str, Any] | None = None, **config: Any) -> Watch:
            chain = {"sites": 3, "rows_per_day": 400, "now": NOON, **config}
            given = {"timezone": PACIFIC, **(settings or {})}
            return opened.enter_context(watching(start_simulator(**chain), tmp_path, **given))

        yield open_one


def complete(one: Watch) -> bool:
    """Whether the file has each site's rows since its own midnight, once each, and no others."""
    return one.ids() == sorted(row for site, start in MIDNIGHTS.items() for row in one.expected(start, site))


def test_the_first_look_reads_the_day_so_far(watch: Open) -> None:
    """Each site since its own midnight, in a file apart from landed days, which stays provisional by name."""
    one = watch()
    result = one.look()
    assert (result.problems, result.sites) == ((), 3)
    assert result.new_rows == len(one.ids()) > 100
    assert complete(one)
    assert one.workspace.lake.partitions("transactions") == []
    assert one.workspace.lake.metadata(ASSET)["provisional"] == "true"
    assert result.requests == sum(one.requests().values()) == 6


def test_a_later_look_costs_two_requests_a_site(watch: Open) -> None:
    """One page holds the new rows, and some that are known: nothing is missed on the edge of two looks."""
    one = watch(rows_per_day=1500)
    one.look()
    for _ in range(3):
        one.requests()
        one.wait(minutes=10)
        assert one.look().problems == ()
        assert one.requests() == {"submit": 3, "poll": 3}
        assert complete(one)


def test_rows_that_come_late_and_rows_that_go(watch: Open) -> None:
    """A row completed earlier than the last look, and one that was edited; within what a page has room for."""
    one = watch()
    one.look()
    (late,) = one.simulator.world.add_late_rows(one.now() - timedelta(minutes=40), site="MAIN")
    start = one.now() - timedelta(minutes=50)
    edited = one.simulator.world.edit_rows(start, one.now())
    one.wait(minutes=10)
    result = one.look()
    assert late in one.ids()
    assert complete(one)
    assert result.new_rows >= 1
    totals = dict(zip(*(one.file().rows[name].to_pylist() for name in ("id", "total")), strict=True))
    world = {row["id"]: row["total"] for row in one.simulator.world.rows(start, one.now())}
    assert totals[edited[0]] == world[edited[0]]


@pytest.mark.parametrize("lists_need_site", [False, True])
def test_a_quiet_night_costs_one_request_a_look(watch: Open, lists_need_site: bool) -> None:
    """Once a look has found nothing new; where lists need a site, which is found out once, one for each site."""
    one = watch(now=QUIET, lists_need_site=lists_need_site)
    spent = []
    for _ in range(4):
        one.requests()
        assert one.look().problems == ()
        spent.append(dict(one.requests()))
        one.wait(minutes=3)
    assert complete(one)
    assert spent[:2] == [{"submit": 3, "poll": 3}] * 2
    assert spent[2:] == ([{"list": 4}, {"list": 3}] if lists_need_site else [{"list": 1}] * 2)
    digest = one.workspace.options.source.api_id_digest
    assert knows(one.workspace.jobs, digest, LISTS_NEED_SITE) is lists_need_site


def test_the_first_row_after_a_quiet_time_is_found(watch: Open) -> None:
    """By one list over all sites; only the site of the row's sales device is read then."""
    one = watch(now=QUIET)
    one.look()
    one.wait(minutes=3)
    one.look()
    (row,) = one.simulator.world.add_late_rows(one.now(), site="SUNSET")
    one.wait(minutes=3)
    one.requests()
    one.look()
    assert row in one.ids()
    assert one.requests() == {"list": 1, "submit": 1, "poll": 1}


def test_a_site_that_opens_is_read_from_its_first_look_on(watch: Open) -> None:
    """Also in a quiet time, when one list tells of the others."""
    one = watch(now=QUIET)
    one.look()
    one.wait(minutes=3)
    one.look()
    opened = Site(code="NEW", name="New", timezone=CHICAGO)
    keep_sites(
        one.workspace.jobs,
        one.workspace.options.source.api_id_digest,
        [*one.workspace.client.sites.list(), opened],
    )
    one.wait(minutes=3)
    one.requests()
    result = one.look()
    assert one.requests() == {"list": 1, "submit": 1}
    assert result.sites == 3
    assert result.errors == {"ValidationError"}  # of the new site, which the simulator does not have
    assert complete(one)


def test_a_missed_look_is_made_good_by_the_next(watch: Open) -> None:
    """Five hours without a look, and a look that the API failed: afterwards nothing is missing."""
    one = watch()
    one.look()
    one.wait(hours=5)
    one.simulator.set_faults(Faults(server_errors=1000))
    before = one.file()
    failed = one.look()
    assert (failed.landed, failed.sites) == (None, 0)
    assert failed.problems != ()
    assert one.file().state == before.state
    one.simulator.set_faults()
    assert one.look().problems == ()
    assert complete(one)


def test_a_site_that_fails_keeps_its_rows(watch: Open) -> None:
    """The others go on; what could not be read is said in the file."""
    one = watch(settings={"max_retries": 0})
    one.look()
    before = one.file()
    one.wait(minutes=10)
    one.simulator.set_faults(Faults(fail_jobs=1))
    result = one.look()
    assert result.sites == 2
    assert result.errors == {"JobFailedError"}
    (problem,) = one.file().state.problems
    (stale,) = [key for key, read in one.file().state.sites.items() if read == before.state.sites[key]]
    assert problem.lower().startswith(f"{stale}: ")
    one.simulator.set_faults()
    one.look()
    assert one.file().state.problems == ()
    assert complete(one)


def test_a_crash_while_the_file_is_written_loses_nothing(watch: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old file stays whole, and the next look begins where it ends."""
    one = watch()
    one.look()
    before, lake = one.ids(), one.workspace.lake
    one.wait(minutes=10)

    def full(path: object, write: Callable[[Any], None]) -> int:
        raise UnwritableLakeError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(lake.storage, "put", full)
        with pytest.raises(UnwritableLakeError):
            one.look()
    assert one.ids() == before
    one.wait(minutes=10)
    one.look()
    assert complete(one)


@pytest.mark.parametrize("load_by", ["site", "all"])
def test_each_site_changes_its_day_at_its_own_midnight(watch: Open, load_by: str) -> None:
    """At 00:20 in Chicago New York and Chicago have begun anew, while Los Angeles goes on."""
    day = timedelta(days=1)
    one = watch({"load_by": load_by}, now=MIDNIGHT + timedelta(hours=23), api="documented")
    one.look()
    one.go_to(MIDNIGHT + day + timedelta(minutes=20))
    one.look()
    days = {site.code: str(site.business_date) for site in one.figures().sites if site.as_of is not None}
    assert days == {"HARBOR": "2026-03-21", "MAIN": "2026-03-21", "SUNSET": "2026-03-20"}
    starts = {"MAIN": MIDNIGHT + day, "HARBOR": MIDNIGHTS["Harbor"] + day, "SUNSET": MIDNIGHTS["SUNSET"]}
    assert one.ids() == sorted(row for site, start in starts.items() for row in one.expected(start, site))


def test_one_load_job_for_all_sites(watch: Open) -> None:
    """`SONNYS_LOAD_BY=all`, where a key takes it: two requests for 100 rows of the whole chain."""
    one = watch(settings={"load_by": "all"}, api="documented")
    one.look()
    one.wait(minutes=10)
    one.requests()
    one.look()
    assert one.requests() == {"submit": 1, "poll": 1}
    assert list(one.file().state.sites) == [ALL_SITES]
    starts = {code.upper(): start for code, start in MIDNIGHTS.items()}  # as this profile writes codes
    assert one.ids() == sorted(row for site, start in starts.items() for row in one.expected(start, site))


def test_personal_data_is_treated_as_in_landed_days(watch: Open) -> None:
    """Hashed before anything is written; a file of another policy is not added to, but read again."""
    one = watch()
    one.look()
    plain = set(one.file().rows["customer_name"].to_pylist()) - {None}
    assert plain
    with watching(
        one.simulator,
        one.workspace.settings.state_dir.parent,
        timezone=PACIFIC,
        pii="hash",
        pii_key="c" * 8 + "4f" * 28,
    ) as careful:
        careful.look()
        hashed = set(careful.file().rows["customer_name"].to_pylist()) - {None}
        assert len(hashed) == len(plain)
        assert hashed.isdisjoint(plain)
        assert complete(careful)
        content = careful.workspace.lake.path(ASSET).read_bytes()
        assert not any(name.encode() in content for name in plain)


def test_a_chain_that_is_larger_than_the_share_takes_turns(watch: Open) -> None:
    """Two sites a look at most: those that were read longest ago; all of them are read in turn."""
    # Of the simulator's wide budget, 10,000 requests in 0.3 s, the share is 4 in ten minutes.
    one = watch(settings={"today_share": 4 / (10_000 / 0.3 * 600)}, rows_per_day=1500)
    while len(one.file().state.sites) < 3:
        one.wait(minutes=10)
        assert one.look().problems == ()
    read = []
    for _ in range(3):
        before = one.file().state.sites
        one.wait(minutes=10)
        one.look()
        after = one.file().state.sites
        read.append(sorted(key for key in after if after[key].as_of > before[key].as_of))
    assert [len(sites) for sites in read] == [2, 2, 2]
    assert sorted({site for sites in read for site in sites}) == ["harbor", "main", "sunset"]


def test_how_far_off_the_evening_was(watch: Open) -> None:
    """Shown at 20:00 and at the last look, beside the landed day, once that is there for every site (KT-04)."""
    one = watch(now=MIDNIGHT + timedelta(hours=22, minutes=30))  # 20:30 in Los Angeles
    one.look()
    one.wait(hours=1)
    one.simulator.world.add_late_rows(MIDNIGHT + timedelta(hours=12), 5, site="MAIN")  # too late for the overlap
    one.look()
    one.go_to(MIDNIGHT + timedelta(hours=35))
    one.look()
    assert one.file().state.accuracy == ()
    one.land("2026-03-19", "2026-03-20")
    one.wait(minutes=10)
    one.look()
    evening, close = one.file().state.accuracy
    assert (evening.at, close.at, evening.sites, close.sites) == ("20:00", "close", 3, 3)
    assert str(evening.business_date) == "2026-03-20"
    world = sum(
        len(one.simulator.world.rows(start, start + timedelta(days=1) - timedelta(milliseconds=1), site))
        for site, start in MIDNIGHTS.items()
    )
    assert close.landed.rows == world
    assert evening.landed.rows - evening.shown.rows == 5
    assert close.landed.rows - close.shown.rows >= 5
    one.wait(minutes=10)
    one.look()
    assert len(one.file().state.accuracy) == 2  # once
    assert json.loads(one.workspace.lake.metadata(ASSET)["state"])["accuracy"]


def test_figures_are_beside_the_same_weekday_until_the_same_time(watch: Open) -> None:
    """Null with a reason where that is not landed; where it is, no row after that time counts."""
    one = watch()
    one.look()
    alone = one.figures()
    assert {site.reason for site in alone.sites} >= {"transactions of 2026-03-13 are not landed"}
    assert alone.total.before is None
    one.land("2026-03-12", "2026-03-13")
    figures = one.figures()
    assert {site.code: site.reason for site in figures.sites} == dict.fromkeys(MIDNIGHTS, "")
    week = timedelta(weeks=1)
    for site in figures.sites:
        start, as_of = MIDNIGHTS[site.code] - week, one.file().state.sites[site.code.lower()].as_of - week
        rows = one.simulator.world.rows(start, as_of - timedelta(milliseconds=1), site.code)
        sales = sum(round(100 * row["total"]) for row in rows if not row["isRecurringPlanRedemption"])
        assert site.line.before is not None
        assert round(100 * site.line.before["sales"]) == sales
        assert site.line.sums is not None
        assert sum(line.sums["total_cars"] for line in site.hours.values() if line.sums) == site.line.sums["total_cars"]
    assert figures.total.compared == 3
    assert figures.as_of == NOON.replace(second=0) - timedelta(seconds=30)
