"""Bill of materials of an installation with every extra, and whether the licences in it are allowed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from release.build import ROOT
from release.environments import Environment, uv
from release.weigh import extras

#: Licences by their SPDX id, or by the name of their trove classifier.
ALLOWED = frozenset({
    # Permissive: notices are kept, nothing else is asked.
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "PSF-2.0", "Python-2.0",
    "Unlicense", "Zlib", "Apache Software License", "BSD License", "MIT License",
    # Of the files or the library itself: we ship none of them, and a user installs them unchanged.
    "LGPL-3.0-only", "MPL-2.0", "GNU Library or Lesser General Public License (LGPL)",
    "Mozilla Public License 2.0 (MPL 2.0)",
})  # fmt: skip
#: Packages whose metadata name no licence, with the licence of the text that they ship or that their project has.
READ_BY_HAND = {"antlr4-python3-runtime": "BSD-3-Clause", "protobuf": "BSD-3-Clause"}
_MAKER = "cyclonedx-bom==7.5.0"


def bill_of_materials(wheel: Path) -> Path:
    """Write a CycloneDX document beside a wheel: what an installation with all extras for users consists of.

    Versions are those of `constraints.txt`. Raises ReleaseError if the installation fails.
    """
    version = wheel.name.split("-")[1]
    wanted = f"sonnys-pipeline[{','.join(extras())}]=={version}"
    written = wheel.with_name(f"sonnys_pipeline-{version}.cdx.json")
    with TemporaryDirectory() as folder:
        pins = ("--constraint", str(ROOT / "constraints.txt"), "--find-links", str(wheel.parent))
        made = Environment.make(Path(folder) / "venv", *pins, wanted)
        uv(
            "tool", "run", "--python", sys.executable, "--from", _MAKER, "cyclonedx-py", "environment",
            "--pyproject", ROOT / "pyproject.toml", "--output-reproducible", "--output-file", written,
            made.program("python"),
        )  # fmt: skip
    document = json.loads(written.read_text(encoding="utf-8"))
    document["metadata"]["component"]["version"] = version  # pyproject.toml does not have it
    written.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return written


def refused(sbom: str) -> list[str]:
    """A line for each component of a CycloneDX document whose licence is not allowed, or not known."""
    return [
        f"{one['name']} {one.get('version', '')} ({', '.join(found) or 'unknown'}): leave it out, or allow it in "
        "release/licences.py"
        for one in json.loads(sbom)["components"]
        if not (found := list(licences_of(one))) or not all(map(is_allowed, found))
    ]


def licences_of(component: dict[str, Any]) -> Iterator[str]:
    """SPDX ids, expressions and names of classifiers by which a component says its licence; each has to be allowed."""
    declared = component.get("licenses") or [{"expression": READ_BY_HAND.get(component["name"], "")}]
    for one in declared:
        said = one.get("expression") or one.get("license", {}).get("id") or one.get("license", {}).get("name", "")
        if said and (name := said.removeprefix("License :: OSI Approved").removeprefix(" :: ")):
            yield name


def is_allowed(expression: str) -> bool:
    """Whether a licence or an expression is allowed: one of its choices, or all of them where brackets nest choices."""
    if expression in ALLOWED:
        return True
    choices = [expression.replace(" OR ", " AND ")] if "(" in expression else expression.split(" OR ")
    return any(all(name.strip("() ") in ALLOWED for name in choice.split(" AND ")) for choice in choices)
