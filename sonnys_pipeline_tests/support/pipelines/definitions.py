"""The product's definitions, built once for all tests that set them up alike: as one code location serves many runs."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.materialize import EPHEMERAL_JOB_NAME

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


_LOCAL = "http://127.0.0.1:"
#: Jobs of selections that are kept; each holds the graph of all assets.
_MOST_JOBS = 64
_jobs: dict[tuple[Any, str, str, int], dg.JobDefinition] = {}


def built_defs() -> dg.Definitions:
    """`build_defs()` of this environment: the same object again while no variable that decides on it has changed."""
    decisive = _decisive()
    return build_defs() if decisive is None else _built(decisive)


def asset_job(selection: dg.AssetSelection, name: str = EPHEMERAL_JOB_NAME, retries: int = 0) -> dg.JobDefinition:
    """The job that `dg.materialize` makes of `built_defs()` for each run, made once for each selection.

    So is the snapshot of all assets that each run is created with. With `retries`, each step is tried so often again.
    """
    defs, decisive = built_defs(), _decisive()
    key = (decisive, repr(selection), name, retries)
    if decisive is None or key not in _jobs:
        policy = dg.RetryPolicy(max_retries=retries) if retries else None
        made = dg.Definitions(
            assets=[*(defs.assets or ()), *(defs.asset_checks or ())],
            jobs=[dg.define_asset_job(name, selection, op_retry_policy=policy)],
            resources=defs.resources,
            executor=defs.executor,
        ).resolve_job_def(name)
        if decisive is None:
            return made
        if len(_jobs) >= _MOST_JOBS:
            _jobs.clear()
        _jobs[key] = made
    return _jobs[key]


def _decisive() -> tuple[tuple[str, str], ...] | None:
    """What decides on definitions; None where a file of settings does, too."""
    if Path(".env").exists():
        return None
    read = {name: value for name, value in os.environ.items() if name.startswith("SONNYS_")}
    # Each test has simulators of its own.
    kept = {name: "" if name.endswith("__BASE_URL") and _LOCAL in value else value for name, value in read.items()}
    return tuple(sorted((name, value) for name, value in kept.items() if name not in _READ_BY_RUNS))


@lru_cache(maxsize=4)
def _built(decisive: tuple[tuple[str, str], ...]) -> dg.Definitions:
    return build_defs()
