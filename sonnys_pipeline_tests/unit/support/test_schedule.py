"""Which files the workers of `make test` take, and in which order."""

from pathlib import Path

import pytest

from sonnys_pipeline_tests.support import schedule

TESTS = Path(__file__).parents[2]
SLOW = "sonnys_pipeline_tests/acceptance/workers/test_many_workers.py"
WAITS = "sonnys_pipeline_tests/acceptance/runs/test_terminate.py"
COMPUTES = "sonnys_pipeline_tests/unit/cli/test_cli.py"
LONGER = "sonnys_pipeline_tests/integration/runs/test_dagster_jobs.py"


@pytest.mark.parametrize(
    ("waits", "expected"), [(True, [SLOW, WAITS, LONGER, COMPUTES]), (False, [LONGER, COMPUTES, SLOW, WAITS])]
)
def test_each_worker_begins_with_its_kind_and_then_helps(waits: bool, expected: list[str]) -> None:
    """The longest first, and everything in the end."""
    left, taken = [COMPUTES, WAITS, LONGER, SLOW], []
    while left:
        taken.append(schedule.next_file(left, waits=waits))
        left.remove(taken[-1])
    assert taken == expected


@pytest.mark.parametrize("beginning", [*schedule.WAITING, *schedule.COMPUTING])
def test_what_it_names_exists(beginning: str) -> None:
    """So that a file that is renamed keeps its place."""
    assert any(path.relative_to(TESTS).as_posix().startswith(beginning) for path in TESTS.rglob("test_*.py"))


def test_a_file_that_it_does_not_know_is_run() -> None:
    """It computes, as far as anybody knows, and comes after those of known folders."""
    assert schedule.next_file(["elsewhere/test_x.py", COMPUTES], waits=False) == COMPUTES
    assert schedule.next_file(["elsewhere/test_x.py"], waits=True) == "elsewhere/test_x.py"
