"""The room's door: public names, no Dagster and no other room inside, loopback only, strict configuration.

Covers docs/architecture.md, "The floors".
"""

from __future__ import annotations

import ast
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from sonnys_pipeline import simulator
from sonnys_pipeline.simulator import Simulator, SimulatorConfig, serve

SOURCES = sorted(Path(simulator.__file__).parent.glob("*.py"))


def test_public_names():
    assert simulator.__all__ == [
        "LOOPBACK_HOSTS",
        "Account",
        "Faults",
        "Operation",
        "RequestRecord",
        "Simulator",
        "SimulatorClock",
        "SimulatorConfig",
        "SimulatorState",
        "SimulatorStats",
        "SiteSpec",
        "World",
        "serve",
    ]
    assert all(hasattr(simulator, name) for name in simulator.__all__)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_modules_import_no_dagster_and_no_other_room(source):
    imported = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not [name for name in imported if name.startswith("dagster")]
    own = [name for name in imported if name.startswith("sonnys_pipeline")]
    assert all(name.startswith("sonnys_pipeline.simulator") for name in own), own


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "example.com", "", "::"])  # noqa: S104 refused on purpose
def test_other_than_loopback_is_refused(host):
    with pytest.raises(ValueError, match="loopback only"):
        Simulator(host=host)
    with pytest.raises(ValueError, match="loopback only"):
        serve(SimulatorConfig(), host=host)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 20},
        {"speed": 0},
        {"sites": 0},
        {"rate_limit": 0},
        {"job_seconds": (4.0, 1.0)},
        {"job_seconds": (-1.0, 1.0)},
        {"api": "sandbox"},
        {"ends": "end"},
        {"api": "documented", "site_spellings": True},
        {"api": "documented", "list_in_other_case": True},
        {"now": datetime(2026, 11, 5)},  # noqa: DTZ001 the naive one is the point
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        SimulatorConfig(**wrong)


def test_the_defaults_are_the_contracts():
    config = SimulatorConfig()
    assert (config.rate_limit, config.block_seconds, config.hash_seconds, config.speed) == (20, 15.0, 1200.0, 1.0)
    assert (config.api_id, config.api_key) == ("demo-id", "demo-key")
    assert config.api == "live"
