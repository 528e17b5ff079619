"""DG-04: every id, page, path and heading that code, tests and documents name leads to something in this repository."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from sonnys_pipeline_tests.support.references import ID, ROOT, covered_by_column, covered_by_id, promised, written
from sonnys_pipeline_tests.unit.test_house import FLOORS

FOLDERS = ("sonnys_pipeline", "sonnys_pipeline_tests", "benchmarks", "release")
CODE = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "benchmarks" / "README.md"])
#: Where a path in code or in a document may begin, beside the folder of the file that names it, and the one above.
STARTS = (ROOT, ROOT / "sonnys_pipeline", ROOT / "sonnys_pipeline_tests", ROOT / "docs")
#: First parts of a path in backticks that make it one, also without an ending: `deploy/celery`.
FIRST = {*FLOORS, *FOLDERS, "deploy", "docs", "unit", "integration", "acceptance", "browser", "fuzz", "support"}
#: A module or something in it; names of log files, egg-info and the like go on with other signs.
DOTTED = re.compile(r"(?<![\w./-])sonnys_pipeline(?:_tests)?(?:\.\w+)+(?![\w/-])")
#: A file that a guide tells a reader to write.
THEIRS = {"my_assets.py"}
#: References that resolve in no checkout: numbers and titles of issues, papers that lie elsewhere.
ELSEWHERE = re.compile(
    r"\b[Ii]ssues? (?:#?\d|[\"\N{LEFT DOUBLE QUOTATION MARK}])|\([Ii]ssue\b"
    r"|\b(?:DESIGN|STYLE)\b|\b(?:CONTRACT|KPIS|REQUIREMENTS|DAGSTER)\.md\b"
)


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def flowing(path: Path) -> str:
    """A file's text without line breaks, so that what is quoted across two lines is found."""
    return re.sub(r"\s*\n\s*(?:#:?\s)?\s*", " ", text(path))


def paths_in(path: Path) -> Iterator[str]:
    """Files and folders of the repository that a file names."""
    for named in re.findall(r"(?<!`)`([\w./-]+)`(?!`)", text(path)):
        if named.endswith(".py") or ("/" in named and named.partition("/")[0] in FIRST):
            yield named
    yield from re.findall(r"(?<![\w/`-])docs/[\w/-]+\.md\b", text(path))


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module, a package, or stands in one; without importing it."""
    path = ROOT.joinpath(*dotted.split("."))
    module, attribute = path.parent.with_suffix(".py"), path.name
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    source = module if module.exists() else path.parent / "__init__.py"
    return source.exists() and re.search(rf"\b{attribute}\b", text(source)) is not None


def test_every_id_is_a_promise() -> None:
    """No reader looks an id up in vain."""
    known = set(promised())
    assert len(known) > 50
    assert {
        f"{name(path)}: {one}" for path in (*DOCUMENTS, *CODE) for one in set(ID.findall(text(path))) - known
    } == set()


def test_every_promise_has_a_test() -> None:
    """Some test's docstring says that it covers the promise."""
    assert [one for one in promised() if not covered_by_id().get(one)] == []


def test_every_figure_is_defined_and_has_a_test() -> None:
    """kpis.md, above its generated table, has each column of the KPI tables, and a test of figures names it."""
    defined = text(ROOT / "docs" / "kpis.md").partition("<!--")[0]
    assert [column for column, tests in covered_by_column().items() if not tests] == []
    assert [column for column in covered_by_column() if f"`{column}`" not in defined] == []


@pytest.mark.parametrize("document", ["requirements.md", "kpis.md"])
def test_which_tests_cover_what_is_as_written(document: str) -> None:
    """The tables at the end of both pages."""
    path = ROOT / "docs" / document
    assert text(path) == written()[path], "run: .venv/bin/python -m sonnys_pipeline_tests.support.references"


def test_no_reference_leads_out_of_the_repository() -> None:
    """A requirement id, a decision or a page of docs/ says why; an issue's number tells readers of code nothing."""
    files = (*DOCUMENTS, *(path for path in CODE if path != Path(__file__)))
    assert [f"{name(path)}: {match[0]}" for path in files for match in ELSEWHERE.finditer(flowing(path))] == []


def test_every_departure_of_the_live_api_has_its_line() -> None:
    """`L1` to `L18`, as code and tests name them."""
    lines = set(re.findall(r"^\| (L\d+) \|", text(ROOT / "docs" / "api.md"), re.MULTILINE))
    named = {
        one
        for path in CODE
        for group in re.findall(r"contract, (?:L\d+(?:[, ]+(?:and |to )?)?)+", flowing(path))
        for one in re.findall(r"L\d+", group)
    }
    assert named
    assert named - lines == set()


@pytest.mark.parametrize(("word", "document"), [("contract", "api.md"), ("KPIS", "kpis.md")])
def test_what_code_quotes_of_a_page_stands_on_it(word: str, document: str) -> None:
    """`contract, "Errors"` is a heading of api.md; `KPIS "Sales"` is a heading of kpis.md, or a figure."""
    page = text(ROOT / "docs" / document).partition("<!--")[0]
    figures = re.findall(r"^\| ([^|`]+?) \|", page, re.MULTILINE)
    known = {one.strip().lower() for line in figures for one in line.split(",")}
    known |= {one.strip().lower() for one in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    quoted = re.compile(rf'\b{word},? ((?:"[^"]+"(?:, (?:and )?| and )?)+)')
    found = {
        (one, name(path))
        for path in CODE
        for group in quoted.findall(flowing(path))
        for one in re.findall(r'"([^"]+)"', group)
    }
    assert found
    assert {(one, path) for one, path in found if one.lower() not in known} == set()


def test_every_decision_has_its_page() -> None:
    """`decision 3`, `decisions 5 and 6`."""
    pages = {path.name.partition("-")[0] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}
    named = {
        one
        for path in (*CODE, *DOCUMENTS)
        for group in re.findall(r"\bdecisions? (\d(?:(?:, | and )\d)*)", flowing(path))
        for one in re.findall(r"\d", group)
    }
    assert {"1", "5"} <= named
    assert named - pages == set()


def test_paths_lead_to_files() -> None:
    """`room/module.py`, `unit/room/test_module.py`, `deploy/celery`, in documents and in docstrings."""
    lost = {
        f"{name(path)}: {one}"
        for path in (*DOCUMENTS, *(path for path in CODE if path != Path(__file__)))
        for one in set(paths_in(path)) - THEIRS
        if not any((start / one).exists() for start in (path.parent, path.parent.parent, *STARTS))
    }
    assert lost == set()


def test_dotted_names_lead_to_code() -> None:
    """Modules, and what is in them, that documents, the package and deployments name."""
    package = (path for path in CODE if path.is_relative_to(ROOT / "sonnys_pipeline"))
    files = (*DOCUMENTS, *package, *(path for path in (ROOT / "deploy").rglob("*") if path.is_file()))
    named = {one: name(path) for path in files for one in DOTTED.findall(text(path))}
    assert "sonnys_pipeline.definitions" in named
    assert {one: path for one, path in named.items() if not is_there(one)} == {}


def test_links_between_documents_lead_somewhere() -> None:
    """Relative links of every page; `make docs` looks at their headings, too."""
    lost = {
        f"{name(path)}: {target}"
        for path in DOCUMENTS
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text(path))
        if not path.parent.joinpath(target).exists()
    }
    assert lost == set()


def test_the_house_is_drawn_as_it_stands() -> None:
    """The rooms in the drawing of architecture.md are the floors of the house, from the roof down."""
    drawing = text(ROOT / "docs" / "architecture.md").partition("## The floors")[2].split("```")[1]
    drawn = re.findall(r"^ (\w+)  +\S", drawing, re.MULTILINE)
    assert drawn == [*(floor for floor in reversed(FLOORS) if floor not in {"definitions", "simulator"}), "simulator"]
