"""DG-02, DG-03, LJ-05: `dagster asset materialize` in processes of its own lands whole days, each row exactly once.

The arithmetic of the first two tests: the simulated world has 799 rows on each UTC day, one of them exactly on
midnight. A day's window is asked for with both ends, so it holds 799 rows and the midnight row of the next day: 800
rows, eight full pages of 100. 799 of them land; the 800th lands with the day that it begins.
"""

from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline_tests.support.processes.run_records import fewest_seconds

pytestmark = pytest.mark.acceptance

DAYS = [f"2026-11-{day:02d}" for day in range(10, 15)]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_800_rows_on_8_pages_land_exactly_once(open_site, materialize):
    """One partition: eight load jobs, every row once, the row on the next midnight left to the next day."""
    site = open_site(speed=40, rows_per_day=799, midnight_row=True, now=NOW)
    today, tomorrow = site.expected_ids(DAYS[0]), site.expected_ids(DAYS[1])

    process = materialize(site, DAYS[0])

    assert process.wait() == 0, process.output
    assert len(set(today)) == len(today) == 799
    assert site.landed_ids(DAYS[0]) == today
    assert not set(site.landed_ids(DAYS[0])) & set(tomorrow)
    stats = site.simulator.stats()
    assert (stats.jobs_created, stats.passed_polls, stats.rows_served) == (8, 8, 800)
    took, allowed = fewest_seconds(site)
    assert took >= allowed
    ((partition, metadata),) = site.materializations()
    assert partition == DAYS[0]
    assert metadata["dagster/partition_row_count"] == 799
    assert metadata["api_total"] == 800
    assert metadata["pages"] == 8
    assert metadata["requests"] == stats.requests - 1, "the list of sites is of no day"
    for secret in (site.simulator.config.api_key, site.simulator.config.api_id):
        assert secret not in process.output


def test_a_range_of_five_days_lands_exactly_once(open_site, materialize):
    """One process over five days: 40 load jobs, 3,995 rows, each midnight row in one day only, one event a day."""
    site = open_site(speed=20, rows_per_day=799, midnight_row=True, now=NOW)
    expected = {day: site.expected_ids(day) for day in DAYS}

    process = materialize(site, DAYS[0], DAYS[-1])

    assert process.wait() == 0, process.output
    for day in DAYS:
        assert site.landed_ids(day) == expected[day]
    everything = site.landed_ids(*DAYS)
    assert len(everything) == len(set(everything)) == 5 * 799
    stats = site.simulator.stats()
    assert (stats.jobs_created, stats.rows_served) == (40, 4000)
    took, allowed = fewest_seconds(site)
    assert took >= allowed
    found = site.materializations()
    assert sorted(partition for partition, _ in found) == DAYS
    assert [metadata["pages"] for _, metadata in found] == [8] * 5
    assert sum(metadata["requests"] for _, metadata in found) == stats.requests - 1, "the list of sites is of no day"


@pytest.mark.parametrize(
    ("day", "hours", "windows", "now"),
    [
        (
            "2026-11-01",
            25,
            ["2026-11-01T05:00:00Z/2026-11-02T05:00:00Z", "2026-11-02T05:00:00Z/2026-11-02T06:00:00Z"],
            datetime(2026, 11, 3, 12, tzinfo=UTC),
        ),
        (
            "2026-03-08",
            23,
            ["2026-03-08T06:00:00Z/2026-03-09T05:00:00Z"],
            datetime(2026, 3, 10, 12, tzinfo=UTC),
        ),
    ],
    ids=["25 hours", "23 hours"],
)
def test_a_day_of_a_clock_change_lands_whole(open_site, materialize, day, hours, windows, now):
    """Chicago's longest and shortest day: one partition, no hour missing or double, rows on the cuts once.

    A row is put on the first instant of every hour, so also on each window's start, and on the day's end, which is no
    more its own.
    """
    site = open_site("America/Chicago", speed=40, rows_per_day=240, now=now)
    midnight = datetime.fromisoformat(windows[0][:20])
    instants = [midnight + timedelta(hours=hour) for hour in range(hours + 1)]
    *hourly, on_end = [row_id for instant in instants for row_id in site.simulator.world.add_late_rows(instant)]
    expected = site.expected_ids(day, "America/Chicago")

    process = materialize(site, day)

    assert process.wait() == 0, process.output
    assert site.landed_ids(day) == expected
    assert set(hourly) <= set(expected)
    assert on_end not in expected
    rows = site.lake.read("transactions", [day])
    assert set(instants[:-1]) <= set(rows["complete_date"].to_pylist())
    ((_, metadata),) = site.materializations()
    assert metadata["windows"] == ", ".join(windows)
    # The row on a window's end is promised by it, too: the next window's, or the next day's.
    assert metadata["api_total"] == len(expected) + len(windows)
    assert site.simulator.stats().rate_limited == 0
