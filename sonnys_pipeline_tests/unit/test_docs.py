"""DG-04: what is written down agrees with what is there: documents, .env.example, constraints, Makefile, docstrings."""

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from sonnys_pipeline.cli import main
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline_tests.support.references import ids_in

ROOT = Path(__file__).parents[2]
PACKAGES = ("sonnys_pipeline", "sonnys_pipeline_tests")
README = (ROOT / "README.md").read_text()
#: Assets that documents select and that are there with several accounts, or with an asset of a user's own.
OTHERS = {"north/transactions", "big_tickets"}
#: Documents with commands that a reader copies.
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def project_files() -> Iterator[Path]:
    """What a checkout consists of; nothing that was made in it afterwards."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name not in {".env", ".git", ".coverage"})
    for folder in (*PACKAGES, "docs", ".ci"):
        yield from (
            path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts
        )  # fmt: skip


def modules() -> list[Path]:
    """Every module of the package and of its tests."""
    return sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def docstring(path: Path) -> str:
    """A module's docstring; empty where it has none."""
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def commands_in(text: str) -> list[list[str]]:
    """A document's command lines, in fenced blocks and inline, as lists of words; comments and prompts left out."""
    blocks = re.findall(r"^ *```(?:bash|sh|shell|console)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"(?<!`)`((?:sonnys|make|dagster) [^`\n]+)`(?!`)", text)
    return [words for line in lines if (words := shlex.split(line.removeprefix("$ "), comments=True))]


@cache
def assets() -> set[str]:
    """Keys of all assets."""
    return {spec.key.to_user_string() for spec in build_defs().resolve_all_asset_specs()}


def program(words: list[str]) -> str:
    """What a command line runs, without the folder it lies in."""
    return Path(words[0]).name


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_readme_names_every_verb_of_the_command(verb):
    """A verb that nobody can read of is not there for its users."""
    assert f"sonnys {verb}" in README


def test_readme_names_every_target_of_the_makefile():
    """`make help` and the README know the same targets."""
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert {"demo", "dev", "test", "check"} <= set(targets)
    assert [target for target in targets if f"make {target}" not in README and target != "help"] == []


def understood(command: click.Command, words: list[str], parent: click.Context | None = None) -> None:
    """Parse a command line down to its last verb; raises what a user would be told."""
    if isinstance(command, click.Group) and parent is not None and len(words) == 1:
        return  # a group is named, not called
    with command.make_context(words[0], words[1:], parent=parent) as context:
        if isinstance(command, click.Group):
            understood(command.commands[words[1]], words[1:], context)


def test_the_readme_tells_commands():
    """The test below has something to look at."""
    assert {"make", "dagster", "sonnys"} <= {program(words) for words in commands_in(README)}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_are_commands(document):
    """What a reader copies is understood: make targets, verbs with their options, assets and modules exist.

    The verbs of docs/ are looked at in `unit/test_guide.py`.
    """
    makefile = (ROOT / "Makefile").read_text()

    for words in commands_in((ROOT / document).read_text()):
        if program(words) == "make":
            targets = [word for word in words[1:] if "=" not in word]
            assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), words
        if program(words) == "sonnys" and words[1:] and words[1] in main.commands and not document.startswith("docs"):
            understood(main, words)
        if program(words) == "dagster" and "--select" in words:
            assert set(words[words.index("--select") + 1].split(",")) <= assets() | OTHERS, words
            assert "-f" in words or words[words.index("-m") + 1] == "sonnys_pipeline.definitions"


def test_links_in_the_readme_lead_somewhere():
    """Relative links name files of this checkout."""
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", README)

    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_requirements_that_the_readme_promises_are_covered_by_tests():
    """Every id in the README stands in the docstring of a test module, too."""
    promised = ids_in(README)
    covered = set().union(
        *(ids_in(docstring(path)) for path in modules() if path.name.startswith("test_"))
    )  # fmt: skip

    assert {"LJ-01", "LJ-05", "DG-02", "DG-03", "DG-05"} <= promised
    assert promised - covered == set()


def test_the_site_generates_every_setting_asset_and_check():
    """What `docs/hooks.py` adds to pages when the site is built."""
    place = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    hooks = importlib.util.module_from_spec(place)
    place.loader.exec_module(hooks)

    settings, tables = ("".join(hooks.GENERATED[page]()) for page in ("settings.md", "tables.md"))

    assert [name for name in Settings.model_fields if f"| `SONNYS_{name.upper()}` | " not in settings] == []
    assert "| `SONNYS_MOST_ROWS` | whole number, from 100, to 10,000,000 | `100000` |" in settings
    assert [key for key in assets() if f"\n### {key}\n" not in tables] == []
    assert "| transactions | `complete_and_unique` | yes |" in tables
    assert "| `total_cars` | int64 |" in tables


@pytest.mark.parametrize("document", [".env.example", "docs/settings.md"])
def test_every_setting_is_documented(document):
    """Each field of `Settings` appears under the name of its variable."""
    text = (ROOT / document).read_text()
    variables = [f"SONNYS_{name.upper()}" for name in Settings.model_fields]

    assert [name for name in variables if not re.search(rf"\b{name}\b", text)] == []


def test_the_example_environment_names_no_variable_that_does_not_exist():
    """A variable that nothing reads would be a setting that does not work."""
    known = {f"SONNYS_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"^#?(SONNYS_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert named <= known


def test_the_example_environment_can_be_loaded(monkeypatch):
    """Copied as it stands, with every line active, it gives settings that only lack credentials."""
    lines = re.findall(r"^#?(SONNYS_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    for name, value in lines:
        monkeypatch.setenv(name, value)

    settings = Settings.load()

    with pytest.raises(ValueError, match="SONNYS_API_ID and SONNYS_API_KEY"):
        settings.require_credentials()


def test_every_module_says_what_it_is():
    """A docstring at the top of every module, package and test alike."""
    assert [str(path.relative_to(ROOT)) for path in modules() if not docstring(path)] == []


def test_every_test_module_names_what_it_covers():
    """A requirement id stands in each docstring of the upper rooms; the simulator's own tests keep to the contract."""
    rooms = ("integration", "acceptance")
    tests = [
        path
        for path in modules()
        if path.name.startswith("test_") and path.parts[len((ROOT / "sonnys_pipeline_tests").parts)] in rooms
    ]
    silent = [path for path in tests if not ids_in(docstring(path))]

    assert tests
    assert [path.name for path in silent if path.parent.name != "simulator"] == []


def test_constraints_are_exact_versions_and_nothing_else():
    """`name==version` lines and comments: no index address, no range, no path; every dependency is among them.

    A package may have two lines, for older and for newer releases of Python.
    """
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]

    exact = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!-]+(; python_full_version (<|>=) \"[0-9.]+\")?")
    assert [line for line in pinned if not exact.fullmatch(line)] == []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in ("dev", "docs") for one in project["optional-dependencies"][extra]),
    ]
    names = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in wanted}
    assert names - {re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in pinned} == set()


def test_no_file_knows_the_machine_it_was_written_on():
    """No path of somebody's home or workspace stands in the checkout."""
    place = re.compile(r"(?<![\w./-])/(?:work|root|home|Users)/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in project_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if place.search(line)
    ]

    assert found == []
