"""What the lists show of the world's rows."""

from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline.quality.rules import SETTLES_WITHIN
from sonnys_pipeline.simulator import World
from sonnys_pipeline.simulator.api.lists import as_of
from sonnys_pipeline.simulator.world.chain import epoch_ms
from sonnys_pipeline.simulator.world.row_parts import Row
from sonnys_pipeline.simulator.world.transactions import UNFINISHED

DAY = timedelta(days=1)
START = datetime(2026, 9, 1, tzinfo=UTC)


def unfinished(world: World, day: datetime, now: datetime) -> list[Row]:
    codes = frozenset(site.code for site in world.all_sites)
    shown = as_of(world.window(epoch_ms(day), epoch_ms(day + DAY) - 1, codes), now)
    return [row for row in shown if row["transactionStatus"] in UNFINISHED]


@pytest.mark.no_cover
def test_unfinished_tickets_are_completed_within_days():
    """Whatever the date of the demo, its oldest day, which is a week old when it lands, has nothing unsettled."""
    world = World()
    by_age = dict.fromkeys(range(5), 0)
    for number in range(120):
        day = START + number * DAY
        for age in by_age:
            by_age[age] += len(unfinished(world, day, day + DAY + age * DAY))

    assert by_age[0] > by_age[1] > by_age[2] > by_age[3] == by_age[4] == 0
    assert timedelta(days=4) < SETTLES_WITHIN


def test_an_unfinished_ticket_stays_the_same_beside_its_status():
    world = World()
    (early, *_), day = unfinished(world, START, START + DAY), START
    entries = world.window(epoch_ms(day), epoch_ms(day + DAY), frozenset(site.code for site in world.all_sites))

    late = next(row for row in as_of(entries, day + 30 * DAY) if row["id"] == early["id"])

    assert late == {**early, "transactionStatus": "Completed"}
