"""DG-04, docs/architecture.md: floors, the one-way rule, and what files may be called and hold."""

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "sonnys_pipeline"
TESTS = Path(__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
#: Those of rooms: what lies in unit/ itself is about the whole house, and unit/support/ about the tests' own helpers.
UNIT_TESTS = [
    path for path in sorted(TESTS.glob("unit/*/**/test_*.py")) if path.relative_to(TESTS / "unit").parts[0] != "support"
]
#: The floors, from the ground up: a room uses only rooms that stand before it. The command line stands on the roof.
FLOORS = (
    "runtime", "calendar", "client", "config", "simulator", "lake", "ledger", "extract", "landing", "quality", "marts",
    "report", "backfill", "erasure", "revisit", "today", "doctor", "first_contact", "orchestration", "definitions",
    "cli",
)  # fmt: skip
#: The simulator is a program of its own: it may use nothing of the house, not even what lies below it.
ALONE = {"simulator"}
WITH_DAGSTER = {"orchestration", "definitions"}
#: Packages that only an extra installs.
OPTIONAL = {"pandas", "numpy", "polars", "redis", "celery", "psycopg", "s3fs", "gcsfs", "adlfs"}
#: Modules that Dagster or Celery loads by name where Celery is configured.
FOR_EXTRAS = {"sonnys_pipeline.orchestration.launcher", "sonnys_pipeline.orchestration.worker"}
MOST_MODULES = 12
MOST_PARAMETERS = 6
CLIENT_ALONE = {"dagster", "pyarrow", "pandas", "duckdb", "starlette", "uvicorn", "numpy"}


def name(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names of all that a module imports, wherever in it."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offenders(paths: Iterable[Path], wrong: Callable[[Path], object]) -> dict[str, object]:
    """What is wrong with each of these, by name; one test looks at all of them, and names all that offend."""
    return {str(path.relative_to(PACKAGE.parent)): found for path in paths if (found := wrong(path))}


def modules_after(*imported: str, without: Iterable[str] = ()) -> set[str]:
    """Top-level modules that a fresh interpreter, in which some are not installed, has loaded after these imports."""
    code = (
        "import importlib, json, sys\n"
        f"sys.modules.update(dict.fromkeys({sorted(without)!r}))\n"
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
        if room(path) not in WITH_DAGSTER
    ]
    assert len(below) > 30
    assert "dagster" not in modules_after(*below)


def test_the_command_line_starts_without_libraries() -> None:
    """`sonnys --help` loads nothing that takes long: each verb imports what it needs when it is called."""
    heavy = {"dagster", "duckdb", "numpy", "pandas", "pyarrow", "requests", "sqlalchemy"}
    assert not heavy & modules_after("sonnys_pipeline.cli")


def test_a_bare_installation_is_whole() -> None:
    """What only extras install is not there: every module is imported all the same."""
    every = [name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in MODULES]
    every = [
        one for one in every if one not in FOR_EXTRAS and not one.endswith("__main__") and ".migrations." not in one
    ]
    assert "dagster" in modules_after(*every, without=OPTIONAL)


def test_the_client_stands_alone() -> None:
    """Whoever wants the client only gets it without tables, frames, servers and Dagster."""
    assert modules_after("sonnys_pipeline.client").isdisjoint(CLIENT_ALONE)


def test_every_room_has_its_floor() -> None:
    """A new room is entered above, where it stands."""
    assert {room(path) for path in MODULES} == {*FLOORS, "__init__"}


def test_rooms_use_only_rooms_below() -> None:
    """One way down: what a module imports from the house lies in its own room, or in a room below."""

    def reaches_up_to(path: Path) -> set[str]:
        mine = room(path)
        if mine == "__init__":  # it hands out the component, and imports it when somebody asks
            below: tuple[str, ...] = ("runtime", "orchestration")
        else:
            below = FLOORS[: FLOORS.index(mine)] if mine in FLOORS and mine not in ALONE else ()
        used = {dotted.split(".")[1] for dotted in imports(path) if dotted.startswith("sonnys_pipeline.")}
        return used - {*below, mine}

    assert offenders(MODULES, reaches_up_to) == {}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """No circle, imports inside functions included."""
    names = {name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in MODULES}
    uses = {module: imports(path) & names.keys() for module, path in names.items()}
    # A package that re-exports its modules is asked for by each of them, without being used.
    uses = {module: {one for one in used if not module.startswith(f"{one}.")} for module, used in uses.items()}
    assert list(graphlib.TopologicalSorter(uses).static_order())


def test_a_folder_holds_a_dozen_modules_at_most() -> None:
    """More is two rooms."""

    def modules(folder: Path) -> int:
        count = len([path for path in folder.glob("*.py") if path.stem != "__init__"])
        return count if count > MOST_MODULES else 0

    assert offenders(sorted({path.parent for path in MODULES}), modules) == {}


def test_only_one_floor_imports_dagster() -> None:
    """`orchestration/` and the one-line `definitions.py`."""
    others = [path for path in MODULES if room(path) not in WITH_DAGSTER]
    assert offenders(others, lambda path: {one for one in imports(path) if one.startswith("dagster")}) == {}


def test_dagsters_annotations_stay_types() -> None:
    """`from __future__ import annotations` breaks Dagster's `context`, `Config` and `ResourceDependency`."""
    modules = [path for path in MODULES if room(path) in WITH_DAGSTER]
    assert offenders(modules, lambda path: "__future__.annotations" in imports(path)) == {}


def test_every_module_says_what_it_is() -> None:
    """A docstring of a sentence at least."""
    assert offenders(MODULES, lambda path: len((ast.get_docstring(parsed(path)) or "").split()) < 4) == {}


def test_files_stay_small() -> None:
    """At 400 lines, ask what two things it is."""

    def too_many(path: Path) -> int:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        return lines if lines > 400 else 0

    assert offenders(MODULES, too_many) == {}


def test_unit_tests_are_named_after_what_they_test() -> None:
    """`unit/<room>/test_<module>.py` or `test_<module>_<subject>.py`; the room's own name stands for its `__init__`."""

    def names_no_module_of(path: Path) -> str:
        folder = PACKAGE / path.parent.relative_to(TESTS / "unit")
        modules = {module.stem for module in folder.glob("*.py")} | {folder.name}
        tested = path.stem.removeprefix("test_")
        named = any(tested == module or tested.startswith(f"{module}_") for module in modules)
        return "" if named else name(folder)

    assert len(UNIT_TESTS) > 200
    assert offenders(UNIT_TESTS, names_no_module_of) == {}


def test_functions_with_many_parameters_have_a_reason() -> None:
    """More than six, `self` and `cls` aside: a record instead, or a comment on the line of the `def` that says why."""
    found = set()
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                count = len({one.arg for one in given} - {"self", "cls"})
                has_reason = "#" in text.splitlines()[node.lineno - 1]
                if count > MOST_PARAMETERS and not has_reason:
                    found.add(f"{path.relative_to(PACKAGE)}:{node.name}")
    assert found == set()


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
