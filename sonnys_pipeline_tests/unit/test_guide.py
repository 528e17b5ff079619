"""DG-04, BM-04: what docs/ tells an operator to type, set and expect is there: commands, variables, files, errors.

Beside `test_docs.py`, which asks the same of the README.
"""

import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from sonnys_pipeline.cli import main
from sonnys_pipeline.cli.backfill.commands import one_line_errors
from sonnys_pipeline.cli.output import Refusal
from sonnys_pipeline.client import AuthError, JobFailedError, ValidationError
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline_tests.unit.test_docs import understood

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
GUIDE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
#: Nobody sees these by name: the simulator's answers, what the command line itself ends with, and a driver that is not
#: installed, which becomes an error of the ledger or of the settings.
#: `ReadingStoppedError` becomes the reason why a run ended.
UNSEEN = {"ApiError", "Refusal", "DriverMissingError", "ReadingStoppedError"}
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_SHELL = re.compile(r"[|;&<>]|\s#")
#: Name and bases; every worker reads them when it collects tests, and parsing the package would take a second.
_CLASS = re.compile(r"^ *class (\w+)(?:\(([^)]*)\))?:", re.MULTILINE)


def each_document(test):
    """The test, asked of each file of docs/."""
    return pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)(test)


def command_lines(text: str) -> list[list[str]]:
    """What a text tells to type into a shell and begins with `sonnys`, as words; in blocks and inline."""
    blocks = re.findall(r"^ *```(?:bash|sh|shell|console)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += _INLINE.findall(text.replace("\n", " "))
    wanted = (_SHELL.split(line)[0] for line in lines if re.match(r"sonnys\s+[a-z]", line))
    return [shlex.split(line) for line in wanted]


def options(command: click.Command) -> Iterator[str]:
    """Every option of a command and of those below it."""
    for parameter in command.params:
        yield from parameter.opts
    for below in getattr(command, "commands", {}).values():
        yield from options(below)


@cache
def error_classes() -> dict[str, str]:
    """Every exception that the package defines, and its module: the public ones, by the names of their bases."""
    bases: dict[str, tuple[str, set[str]]] = {}
    for path in (ROOT / "sonnys_pipeline").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for name, listed in _CLASS.findall(path.read_text(encoding="utf-8")):
            bases[name] = (module, {base.strip().rpartition(".")[2] for base in listed.split(",")})
    errors = {"Exception", "ValueError", "ClickException"}
    while more := {name for name, (_, named) in bases.items() if named & errors} - errors:
        errors |= more
    return {name: bases[name][0] for name in errors & bases.keys() if not name.startswith("_")}


def rows_of_errors() -> dict[str, list[str]]:
    """The lines of the guide's tables of errors: name, how it begins, what to do, exit code."""
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", GUIDE.partition("## Every error")[2], re.MULTILINE)
    return {name: [cell.strip() for cell in rest.split("|")] for name, rest in lines}


@each_document
def test_commands_are_commands(document):
    """With their options and arguments, as the command line itself parses them."""
    for words in command_lines(document.read_text(encoding="utf-8")):
        understood(main, words)


def test_the_guide_tells_commands():
    """The test above has something to look at."""
    verbs = {words[2] for words in command_lines(GUIDE) if words[1] == "backfill"}
    assert {"preview", "resume", "run", "reconcile", "list"} <= verbs


def test_options_of_the_guide_are_options():
    """Also where they stand alone."""
    named = {code.split()[0].partition("=")[0] for code in _INLINE.findall(GUIDE) if code.startswith("--")}
    assert named
    assert named - set(options(main)) == set()


@cache
def variables_read() -> set[str]:
    """Names of variables in code and deployments."""
    files = (path for folder in ("sonnys_pipeline", "deploy") for path in (ROOT / folder).rglob("*"))
    files = (path for path in files if path.is_file() and path.suffix != ".pyc")
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    return {name for text in texts for name in re.findall(r"\bSONNYS_[A-Z][A-Z_]*\b", text)}


@each_document
def test_variables_are_variables(document):
    """A setting, or a name that code or a deployment reads."""
    settings = {f"SONNYS_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bSONNYS_[A-Z][A-Z_]*\b", document.read_text(encoding="utf-8")))
    named = {re.sub(r"^SONNYS_[A-Z_]+?__", "SONNYS_", name) for name in named}  # an account's own
    assert [name for name in sorted(named - settings) if name not in variables_read()] == []


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_written_of(name):
    """In docs/, the README or .env.example."""
    texts = [path.read_text(encoding="utf-8") for path in (*DOCS, ROOT / "README.md", ROOT / ".env.example")]
    assert any(re.search(rf"\bSONNYS_{name.upper()}\b", text) for text in texts)


@each_document
def test_links_and_files_lead_somewhere(document):
    """Relative links, with the heading that they name, and paths of this checkout in code."""
    text = document.read_text(encoding="utf-8")
    lost = []
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (heading and heading not in headings(file.read_text(encoding="utf-8"))):
            lost.append(target)
    named = re.findall(r"`((?:deploy|docs|benchmarks|sonnys_pipeline)/[\w./-]+)`", text)
    lost += [path for path in named if not (ROOT / path).exists()]
    assert lost == []


def headings(text: str) -> set[str]:
    """Anchors of a document, as they are made of its headings, and those that it sets itself."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def test_every_error_that_a_user_can_see_is_in_the_guide():
    """And none that is not there any more."""
    seen = set(error_classes()) - UNSEEN
    assert "LedgerVersionError" in seen
    assert seen - set(rows_of_errors()) == set()
    assert set(rows_of_errors()) - seen == set()


@pytest.mark.parametrize("name", sorted(set(error_classes()) - UNSEEN))
def test_exit_codes_of_errors_are_those_of_the_command_line(name):
    """As the verbs of `sonnys backfill` end with it; a dash where it comes through none of them."""
    kind = getattr(importlib.import_module(error_classes()[name]), name)
    made = {AuthError: lambda: AuthError(403, None, ()), ValidationError: lambda: ValidationError(422, None, ()),
            JobFailedError: lambda: JobFailedError("h1")}  # fmt: skip
    error = made.get(kind, lambda: kind.__new__(kind))()
    with pytest.raises((Refusal, kind)) as ended, one_line_errors():
        raise error
    code = str(ended.value.exit_code) if isinstance(ended.value, Refusal) else "\N{EN DASH}"
    assert rows_of_errors()[name][-1].partition(",")[0] == code


@pytest.mark.parametrize("kind", [AuthError, ValidationError])
def test_a_site_that_is_refused_is_wrong_usage(kind):
    """The one exit code that goes by more than the class."""
    with pytest.raises(Refusal) as refusal, one_line_errors():
        raise kind(403, "BadSiteCredentialsError", ("no such site",))
    assert rows_of_errors()[kind.__name__][-1] == f"1, {refusal.value.exit_code} for a site"


def test_what_an_error_begins_with_stands_in_the_code():
    """The longest run of words of each beginning is text of the package, so that a search for it finds this table."""
    code = " ".join(
        re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        for path in (ROOT / "sonnys_pipeline").rglob("*.py")
    )
    strange = []
    for name, (begins, *_) in rows_of_errors().items():
        for quoted in _INLINE.findall(begins):
            words = max((part.strip(" :") for part in quoted.split("…")), key=len)
            if not re.fullmatch(r"HTTP( \d+)?", words) and words not in code:
                strange.append(f"{name}: {words}")
    assert strange == []
