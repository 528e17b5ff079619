"""BM-07, LJ-11, DG-03: four Dagster processes on one API id keep to one request budget.

The store is the default one, a file in the state folder that the processes share. The simulator's clock is only twice
as fast here: the margin between departures and arrivals shrinks with it, and this test is about that margin. At four
times the speed, a request of a busy machine was once later than that.
"""

from datetime import UTC, datetime

import pytest

pytestmark = pytest.mark.acceptance

DAYS = [f"2026-11-{day:02d}" for day in range(10, 14)]


def test_four_processes_at_once_meet_no_429(open_site, materialize):
    """Four days of a chain, a process each, all at once: no 429 at the server, all rows once, the budget fully used."""
    site = open_site(
        speed=2, sites=3, virtual_site=True, rows_per_day=699, midnight_row=True,
        now=datetime(2026, 11, 20, 12, tzinfo=UTC),
    )  # fmt: skip
    expected = {day: site.expected_ids(day) for day in DAYS}  # also lets the world be made before it is asked for

    processes = [materialize(site, day, home=site.new_dagster_home(day)) for day in DAYS]

    assert [process.wait() for process in processes] == [0] * 4, "\n".join(process.output for process in processes)
    stats = site.simulator.stats()
    assert stats.by_status == {"200": stats.requests}
    for day in DAYS:
        assert site.landed_ids(day) == expected[day]
    assert len(set(site.landed_ids(*DAYS))) == len(site.landed_ids(*DAYS)) == 4 * 699
    assert stats.jobs_created == sum(map(site.load_jobs, DAYS)) > 4 * 9
    # A page takes two requests at least: more than three blocks' worth, so the budget was what they waited for.
    assert stats.requests >= 2 * stats.jobs_created > 3 * site.simulator.config.rate_limit
    waited = [
        metadata["seconds_waited_for_budget"]
        for day in DAYS
        for _, metadata in site.materializations(str(site.folder / day))
    ]
    assert len(waited) == 4
    assert sum(waited) > 0
    assert (site.folder / "state" / "budget.sqlite").exists() or "SONNYS_BUDGET_URL" in site.environment
