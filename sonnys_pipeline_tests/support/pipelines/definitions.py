"""The product's definitions, built once for all tests that set them up alike: as one code location serves many runs."""

import os
from functools import lru_cache
from pathlib import Path

import dagster as dg

from sonnys_pipeline.orchestration.build import build_defs

#: Read when a run begins, not when definitions are built, and different in each test.
_READ_BY_RUNS = {
    f"SONNYS_{name}"
    for name in (
        "API_ID",
        "API_KEY",
        "BASE_URL",
        "DATA_URL",
        "HASH_LIFETIME",
        "JOB_TIMEOUT",
        "POLL_INTERVAL",
        "RATE_LIMIT",
        "STATE_DIR",
    )
}


def built_defs() -> dg.Definitions:
    """`build_defs()` of this environment: the same object again while no variable that decides on it has changed."""
    if Path(".env").exists():
        return build_defs()
    decisive = {name: value for name, value in os.environ.items() if name.startswith("SONNYS_")}
    return _built(tuple(sorted((name, value) for name, value in decisive.items() if name not in _READ_BY_RUNS)))


@lru_cache(maxsize=4)
def _built(decisive: tuple[tuple[str, str], ...]) -> dg.Definitions:
    return build_defs()
