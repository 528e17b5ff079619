"""`sonnys backfill` on a site: in a process of its own, where signals matter, and in this one, where they do not."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline_tests.acceptance.conftest import Process, Site

#: Over by any zone's calendar; the command knows only the real present.
DAYS = [(datetime.now(UTC).date() - timedelta(days=number)).isoformat() for number in range(21, 1, -1)]
ROWS = 120


def environment_of(site: Site) -> dict[str, str]:
    """The site's, without a Dagster to be told: opening its storage would take most of the time."""
    first = {"SONNYS_START_DATE": DAYS[0]}
    return {name: value for name, value in {**site.environment, **first}.items() if name != "DAGSTER_HOME"}


def begin(
    start: Callable[..., Process], site: Site, *arguments: str, forked: bool = True, **settings: str
) -> Process:  # fmt: skip
    """A process, started; unless it is `forked`, from nothing, as a shell does."""
    return start(["sonnys", "backfill", *arguments], {**environment_of(site), **settings}, forked=forked)


def sonnys(site: Site, *arguments: str) -> Result:
    """The same in this process, to its end; it has no terminal."""
    environment = {**environment_of(site), "DAGSTER_HOME": None}
    result = CliRunner().invoke(main, ["backfill", *arguments], env=environment, prog_name="sonnys")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def approved(site: Site) -> str:
    """A job of all the days, approved; its id."""
    previewed = sonnys(site, "preview", "--start", DAYS[0], "--end", DAYS[-1], "--json")
    assert previewed.exit_code == 0, previewed.output
    job = str(json.loads(previewed.stdout)["job_id"])
    assert sonnys(site, "approve", job).exit_code == 0
    return job


def wait_for_days(site: Site, count: int) -> None:
    """Until so many days are landed."""
    deadline = time.monotonic() + 60
    while len(site.lake.partitions("transactions")) < count:
        assert time.monotonic() < deadline, "no day is landed"
        time.sleep(0.005)


def wait_for_submissions(site: Site, count: int) -> None:
    """Until so many load jobs are submitted."""
    deadline = time.monotonic() + 60
    while site.simulator.stats().submissions < count:
        assert time.monotonic() < deadline, "nothing is submitted"
        time.sleep(0.005)
