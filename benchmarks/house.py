"""The house in figures: rooms, files, functions, parameters, circles, and how much of the text is prose.

`python -m benchmarks.house [folder of a checkout]` prints one JSON document, so that two versions can be compared by
the same script; `python -m benchmarks.walk` measures the way of one partition key.
"""

from __future__ import annotations

import ast
import io
import json
import statistics
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "sonnys_pipeline"
#: Parameters beyond which a function needs a reason.
MANY_PARAMETERS = 6
#: Second names of one thing, or names of two things, that the glossary has replaced.
REPLACED_NAMES = ("account_digest", "glance", "LandedDays", "Patience", "soundness", "total_rows", "verdicts")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def measure(root: Path) -> dict[str, Any]:
    """Figures of a checkout; lengths in lines, shares of non-blank lines."""
    modules = {path: path.read_text(encoding="utf-8") for path in sorted((root / PACKAGE).rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in modules.items()}
    lengths = [len(text.splitlines()) for text in modules.values()]
    functions = [(path, one) for path, tree in trees.items() for one in ast.walk(tree) if isinstance(one, Function)]
    sizes = [(one.end_lineno or one.lineno) - one.lineno + 1 for _, one in functions]
    parameters = [len(names_of(one)) for _, one in functions]
    files = Counter(path.parent for path in modules if path.stem != "__init__")
    prose = {path: prose_lines(text, trees[path]) for path, text in modules.items()}
    filled = sum(bool(line.strip()) for text in modules.values() for line in text.splitlines())
    docstrings, comments = (sum(counts[kind] for counts in prose.values()) for kind in ("docstring", "comment"))
    return {
        "rooms": len({path.relative_to(root / PACKAGE).parts[0] for path in modules if path.parent != root / PACKAGE}),
        "modules": len(modules),
        "files_in_the_fullest_folders": {
            str(folder.relative_to(root)): count for folder, count in files.most_common(5)
        },
        "file_lines": {"longest": max(lengths), "mean": round(statistics.mean(lengths), 1)},
        "functions": len(functions),
        "function_lines": {"longest": max(sizes), "mean": round(statistics.mean(sizes), 1)},
        "parameters": {
            "most": max(parameters),
            "mean": round(statistics.mean(parameters), 2),
            f"functions_with_more_than_{MANY_PARAMETERS}": sum(count > MANY_PARAMETERS for count in parameters),
        },
        "names": {
            "classes_that_share_a_name": shared_names(trees),
            "uses_of_replaced_names": sum(replaced_names(text) for text in modules.values()),
        },
        "import_circles": [sorted(circle) for circle in circles(imports_of(root, trees))],
        "lines": {"all": sum(lengths), "non_blank": filled, "docstrings": docstrings, "comments": comments},
        "prose_share": round((docstrings + comments) / filled, 3),
    }


def names_of(function: Function) -> list[str]:
    """Its parameters, `self` and `cls` aside."""
    taken = function.args
    every = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs]
    return [one.arg for one in every if one.arg not in {"self", "cls"}]


def prose_lines(text: str, tree: ast.Module) -> Counter[str]:
    """Non-blank lines of docstrings, and lines that are a comment alone."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node, clean=False) is not None:
            said = node.body[0]
            inside.update(range(said.lineno, (said.end_lineno or said.lineno) + 1))
    lines = text.splitlines()
    comments = {
        token.start[0]
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT and lines[token.start[0] - 1].strip().startswith("#")
    }
    return Counter(
        docstring=sum(bool(lines[number - 1].strip()) for number in inside), comment=len(comments - inside)
    )  # fmt: skip


def shared_names(trees: dict[Path, ast.Module]) -> int:
    """Public classes of which another module has one of the same name."""
    names = Counter(one.name for tree in trees.values() for one in tree.body if isinstance(one, ast.ClassDef))
    return sum(count for name, count in names.items() if count > 1 and not name.startswith("_"))


def replaced_names(text: str) -> int:
    """How often code uses a name that has been replaced."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.NAME and token.string in REPLACED_NAMES for token in tokens)


def imports_of(root: Path, trees: dict[Path, ast.Module]) -> dict[str, set[str]]:
    """Module → modules of the house that it imports, wherever in it."""
    names = {path: ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__") for path in trees}
    known = set(names.values())
    found: dict[str, set[str]] = {}
    for path, tree in trees.items():
        mine = names[path]
        used = {one for one in dotted_imports(tree, known) if one != mine and not mine.startswith(f"{one}.")}
        found[mine] = used
    return found


def dotted_imports(tree: ast.Module, known: set[str]) -> Iterator[str]:
    """The modules of `known` that a tree imports: `from package import module` names the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield from (one for one in (f"{node.module}.{alias.name}", node.module)[:1] if one in known)
                if f"{node.module}.{alias.name}" not in known and node.module in known:
                    yield node.module


def circles(uses: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that import each other, by way of others too."""
    reach = {module: reachable(module, uses) for module in uses}
    groups = {frozenset(other for other in reach[module] if module in reach[other]) for module in uses}
    return [set(group) for group in groups if len(group) > 1]


def reachable(module: str, uses: dict[str, set[str]]) -> set[str]:
    """Every module that one comes to."""
    found: set[str] = set()
    ahead = [module]
    while ahead:
        for one in uses[ahead.pop()] - found:
            found.add(one)
            ahead.append(one)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()), indent=1))  # noqa: T201
