"""`python -m sonnys_pipeline_tests.support.references`: write which tests cover what into requirements.md and kpis.md.

A test covers a requirement when the docstring of its module, or its own, names the id. It covers a column of a KPI
table when its docstring names KPIS and it has the column in quotes. `unit/test_references.py` fails while the documents
say something else.
"""

import ast
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from sonnys_pipeline.marts.kpi_columns import MEMBERSHIP_COLUMNS, SITE_DAY_COLUMNS, SITE_HOUR_COLUMNS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TESTS = ROOT / "sonnys_pipeline_tests"
ID = re.compile(r"\b(?:LJ|DG|BM|JS|BX|LV|KT|RS|EC|RB)-\d{2}\b")
#: An id, or a range such as `LJ-01 … LJ-04`, which means all four.
IDS = re.compile(r"\b(LJ|DG|BM|JS|BX|LV|KT|RS|EC|RB)-(\d\d)(?:\s*(?:…|\N{EN DASH}|-|\.\.\.|to)\s*(?:\1-)?(\d\d)\b)?")
BEGIN = "<!-- written by python -m sonnys_pipeline_tests.support.references -->"


def ids_in(text: str) -> set[str]:
    """Requirement ids in a text, ranges written out."""
    found = set()
    for room, first, last in IDS.findall(text):
        found |= {f"{room}-{number:02d}" for number in range(int(first), int(last or first) + 1)}
    return found


def promised() -> list[str]:
    """The ids that requirements.md has a row for, in its order."""
    rows = re.compile(rf'^\| <a id="[a-z]+-\d+"></a>({ID.pattern}) \|', re.MULTILINE)
    return rows.findall((DOCS / "requirements.md").read_text(encoding="utf-8"))


def docstrings(path: Path) -> Iterator[str]:
    """Of a module, its classes and its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


@cache
def covered_by_id() -> Mapping[str, list[Path]]:
    """Requirement id → the test modules that say that they cover it."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for one in ids_in("\n".join(docstrings(path))):
            found[one].append(path)
    return found


@cache
def covered_by_column() -> Mapping[str, list[Path]]:
    """Column of a KPI table → the test modules of figures that name it."""
    columns = [column.name for column in (*SITE_DAY_COLUMNS, *SITE_HOUR_COLUMNS, *MEMBERSHIP_COLUMNS)]
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(TESTS.rglob("test_*.py"))}
    texts = {path: text for path, text in texts.items() if "KPIS" in (ast.get_docstring(ast.parse(text)) or "")}
    return {
        name: [path for path, text in texts.items() if re.search(rf"[\"' ,.]{name}[\"' ,=]", text)]
        for name in dict.fromkeys(columns)
    }


def with_table(text: str, heading: str, table: Iterable[str]) -> str:
    """A document with its last section written anew."""
    kept = text.partition(BEGIN)[0].rstrip()
    return "\n".join([kept, "", BEGIN, "", heading, "", *table, ""])


def links(paths: Iterable[Path]) -> str:
    """Links from docs/ to test modules, by their folder and name."""
    return ", ".join(
        f"[{path.relative_to(TESTS).with_suffix('')}]({os.path.relpath(path, DOCS)})" for path in paths
    )  # fmt: skip


def written() -> dict[Path, str]:
    """Both documents as they have to be."""
    by_id, by_column = covered_by_id(), covered_by_column()
    requirements, kpis = DOCS / "requirements.md", DOCS / "kpis.md"
    of_ids = [f"| [{one}](#{one.lower()}) | {links(by_id[one])} |" for one in promised()]
    of_columns = [f"| `{name}` | {links(paths)} |" for name, paths in by_column.items()]
    return {
        requirements: with_table(
            requirements.read_text(encoding="utf-8"),
            "## Which tests cover what",
            ["| id | test modules |", "|---|---|", *of_ids],
        ),
        kpis: with_table(
            kpis.read_text(encoding="utf-8"),
            "## Which tests name which column",
            ["| column | test modules |", "|---|---|", *of_columns],
        ),
    }


if __name__ == "__main__":
    for document, content in written().items():
        document.write_text(content, encoding="utf-8")
