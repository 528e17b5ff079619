"""LV-01, LV-03, BM-01: a chain read site by site costs two requests a page and the lists' own, and wastes no block.

The benchmark `benchmarks/by_site.py` measures the same on a larger chain.
"""

import random
from datetime import timedelta

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline_tests.support.loader_scene import Scene, keys
from sonnys_pipeline_tests.support.virtual_clock import EPOCH

DAYS = 10
FIRST = int(EPOCH.timestamp()) // 86400


def rows_of(number):
    """150 to 250 rows a day: two or three pages; site 1 opens in the middle, site 2 is closed on three days."""

    def told(day):
        place = day - FIRST
        if (number == 1 and place < DAYS // 2) or (number == 2 and place in {2, 3, 7}):
            return 0
        return random.Random(f"{number},{day}").randint(150, 250)

    return told


def read(*, states="auto", **api):
    """The chain's days; each is whole, by its rows and by its count."""
    sites = {f"Site{number}": rows_of(number) for number in range(5)}
    scene = Scene(options=LoaderOptions(proof=True, states=states, in_order=True), sites=sites, **api)
    days = scene.load(DayRequest(Day.of(key), sites=tuple(sites)) for key in keys(DAYS))
    for day in days:
        (window,) = day.day.windows
        has = [
            scene.api.row(*row)["id"]
            for row in scene.api.instants(window.params["startDate"], window.params["endDate"] - 1)
        ]
        assert sorted(day.table["id"].to_pylist()) == sorted(has)
        assert day.proof.missing == 0
        assert day.sites == tuple(sites)
    return scene, days


@pytest.mark.parametrize("states", ["off", "auto"])
def test_two_requests_a_page_and_full_blocks(states):
    """One count a day, a request for 100 states; first to last request within 1.06 of the floor of as many requests."""
    scene, days = read(states=states)
    counts, pages = scene.api.counts, sum(len(day.job_hashes) for day in days)
    assert counts["submit"] + counts["poll"] <= 2.02 * pages
    assert counts["count"] == DAYS
    assert counts["429"] == 0
    assert counts["states"] == (sum(-(-day.proof.counted // 100) for day in days) if states == "auto" else 0)
    floor = (counts["requests"] - 1) // 20 * 15
    assert scene.elapsed <= 1.06 * floor


def test_lists_that_need_a_site_are_asked_for_each():
    """Days that had asked before the first refusal came are refused; then each site is counted by itself, and read."""
    scene, days = read(lists_need_site=True)
    assert 5 * DAYS < scene.api.counts["count"] <= 5 * DAYS + DAYS // 2
    assert {len(day.states.windows) for day in days} == {5}
    assert scene.loader.requests == scene.api.counts["requests"]


def test_a_site_that_moved_is_read_again_by_new_criteria():
    """In halves, since the API answers the old criteria with the old job for 20 minutes (contract, "Batch jobs")."""
    scene = Scene(options=LoaderOptions(proof=True), sites={"A": 50, "B": 50})
    count = scene.api.count

    def counted(**params):
        scene.api.sites["B"] = 51  # a row comes after B was read, and before it is counted
        scene.api.spans.clear()
        return count(**params)

    scene.api.count = counted
    (day,) = scene.load([DayRequest(Day.of(keys(1)[0]), sites=("A", "B"))])
    assert day.table.num_rows == 101
    assert day.proof.missing == 0
    hours = [(window.site, (window.window.end - window.window.start) // timedelta(hours=1)) for window in day.windows]
    assert hours == [("A", 24), ("B", 12), ("B", 12)]
