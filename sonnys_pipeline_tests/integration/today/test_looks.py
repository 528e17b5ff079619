"""KT-04: looks at the day so far: which rows come, at how many requests, through late rows, midnights and crashes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.looks import Watch, watching

NOON = datetime(2026, 3, 20, 18, tzinfo=UTC)
#: Sites are in Chicago (CDT, from 05:00 UTC).
MIDNIGHT = datetime(2026, 3, 20, 5, tzinfo=UTC)
CHICAGO = "America/Chicago"

Open = Callable[..., Watch]


@pytest.fixture
def watch(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Iterator[Open]:
    """Opens a chain of three sites with 400 rows a day, at noon in Chicago."""
    with ExitStack() as opened:

        def open_one(settings: dict[str, Any] | None = None, **config: Any) -> Watch:
            chain = {"sites": 3, "rows_per_day": 400, "now": NOON, **config}
            given = {"timezone": CHICAGO, **(settings or {})}
            return opened.enter_context(watching(start_simulator(**chain), tmp_path, **given))

        yield open_one


def test_the_first_look_reads_the_day_so_far(watch: Open) -> None:
    """KT-04: every row of each site since its own midnight, once each, in a file apart from landed days."""
    one = watch()
    result = one.look()
    assert result.problems == ()
    assert result.sites == 3
    state = one.file().state
    print(state, one.requests(), result.requests, result.new_rows)
    for site in one.simulator.world.sites:
        print(site.code, site.timezone)
    one.wait(minutes=10)
    r = one.look()
    print(r.requests, r.new_rows, one.requests())
    one.land("2026-03-13")
    f = one.figures()
    print(f.as_of, f.business_date)
    for s in f.sites:
        print(s)
    print(f.total)
    assert 0
