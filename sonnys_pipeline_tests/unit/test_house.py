"""DG-04, STYLE and DESIGN, "The house": floors, the one-way rule, and what files may be called and hold."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "sonnys_pipeline"
TESTS = Path(__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
#: room → the rooms that it may use, itself aside.
MAY_USE: dict[str, set[str]] = {
    "simulator": set(),
    "client": set(),
    "analytics": {"client"},
    "lake": {"client"},
    "loading": {"client", "lake"},
    "accounts": set(),
    "environment": {"accounts"},
    "key_strength": set(),
    "private_folder": set(),
    "settings": {"client", "accounts", "environment", "key_strength", "private_folder"},
    "batch": {"client", "lake", "loading", "settings", "private_folder"},
    "reporting": {"client", "lake", "analytics", "loading", "batch"},
    "orchestration": {"client", "lake", "loading", "analytics", "settings", "accounts", "batch", "reporting"},
    "definitions": {"orchestration"},
    "demo": {"lake", "simulator", "settings", "private_folder", "loading", "batch", "analytics", "client", "reporting"},
    # The command line stands on the roof: it may open Dagster's door, too, but only when a verb needs it.
    "cli": {
        "demo",
        "simulator",
        "lake",
        "accounts",
        "settings",
        "loading",
        "batch",
        "analytics",
        "client",
        "reporting",
        "orchestration",
    },
    "__init__": set(),
}
FLOORS_WITHOUT_DAGSTER = (
    "client", "loading", "lake", "batch", "analytics", "reporting", "simulator", "accounts", "environment",
    "key_strength", "private_folder", "settings", "cli",
)  # fmt: skip
CLIENT_ALONE = {"dagster", "pyarrow", "pandas", "duckdb", "starlette", "uvicorn", "numpy"}


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules_after(*imported: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after these imports."""
    code = (
        "import importlib, json, sys\n"
        f"for module in {imported!r}: importlib.import_module(module)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_the_floors_run_without_dagster() -> None:
    """Every module below `orchestration`, in a fresh interpreter: Dagster is not loaded."""
    below = [
        name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in MODULES
        if room(path) in FLOORS_WITHOUT_DAGSTER
    ]
    assert len(below) > 30
    assert "dagster" not in modules_after(*below)


def test_the_client_stands_alone() -> None:
    """Whoever wants the client only gets it without tables, frames, servers and Dagster."""
    assert modules_after("sonnys_pipeline.client").isdisjoint(CLIENT_ALONE)


def test_every_room_has_its_rule() -> None:
    """A new room is entered here, with what it may use."""
    assert {room(path) for path in MODULES} <= set(MAY_USE)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_rooms_use_only_rooms_below(path: Path) -> None:
    """One way down: what a module imports from the house lies in its own room, or in a room below."""
    allowed = MAY_USE[room(path)] | {room(path)}
    used = {dotted.split(".")[1] for dotted in imports(path) if dotted.startswith("sonnys_pipeline.")}
    assert used <= allowed, f"{name(path)} reaches up to {sorted(used - allowed)}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_only_one_floor_imports_dagster(path: Path) -> None:
    """`orchestration/` and the one-line `definitions.py`."""
    uses = {dotted.partition(".")[0] for dotted in imports(path)}
    if room(path) not in {"orchestration", "definitions"}:
        assert not {module for module in uses if module.startswith("dagster")}


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) in {"orchestration", "definitions"}], ids=name)
def test_dagsters_annotations_stay_types(path: Path) -> None:
    """`from __future__ import annotations` breaks Dagster's `context`, `Config` and `ResourceDependency`."""
    assert "__future__.annotations" not in set(imports(path))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    """A docstring of a sentence at least."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert len(docstring.split()) >= 4


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_files_stay_small(path: Path) -> None:
    """At 400 lines, ask what two things it is."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_rooms_are_named_by_nouns_of_the_field() -> None:
    """No drawer for odds and ends, in the product or in the tests."""
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "shared"}
    found = [path for root in (PACKAGE, TESTS) for path in root.rglob("*") if path.stem in drawers]
    assert found == []


def test_tests_name_what_they_cover() -> None:
    """Every test module has a docstring: it names rows, or the document whose promise it holds the house to."""
    for path in TESTS.rglob("test_*.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert len(docstring.split()) >= 4, path
