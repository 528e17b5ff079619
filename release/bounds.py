"""Run telling unit tests and the demo at the bounds that `pyproject.toml` states: of dependencies, and of Python.

`python -m release.bounds lowest` (`make lowest`) installs the versions of `constraints-lowest.txt`, `newest`
(`make newest`) the newest of today, `versions` (`make versions`) those of `constraints.txt` on each Python that the
classifiers name; each in a virtual environment of its own. `write` computes `constraints-lowest.txt` again, which a
changed bound needs. `--python 3.13` chooses the interpreter, `--all` runs every unit test.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from release.build import ROOT, ReleaseError
from release.environments import Environment, run, uv
from release.weigh import extras, project

LOWEST = ROOT / "constraints-lowest.txt"
#: What unit tests need beside the product: these requirements of `dev`, in their newest versions.
TOOLS = (
    "build", "duckdb-engine", "hatch-vcs", "hatchling", "hypothesis", "moto", "openpyxl", "orjson", "playwright",
    "psutil", "pytest", "pytest-xdist", "PyYAML",
)  # fmt: skip
#: Rooms whose tests use most of the dependencies: HTTP, files, databases, pages. The demo runs those of Dagster.
ROOMS = ("calendar", "client", "config", "lake", "ledger", "report")
_HEADER = "# The lowest versions that pyproject.toml allows, for `make lowest` (`python -m release.bounds write`).\n"


def write_lowest() -> None:
    """Resolve the lower bound of each direct dependency, and the newest versions of theirs that go with it."""
    options = [word for name in extras() for word in ("--extra", name)]
    found = uv(
        "pip", "compile", "--resolution", "lowest-direct", "--python-version", "3.11", "--no-header", "--no-annotate",
        *options, ROOT / "pyproject.toml",
    )  # fmt: skip
    LOWEST.write_text(_HEADER + found, encoding="utf-8")


def test_tools() -> list[str]:
    """The requirements of `TOOLS`, with the bounds that `dev` has for them."""
    return [one for one in project()["optional-dependencies"]["dev"] if one.split(">")[0].split("[")[0] in TOOLS]


def pythons() -> list[str]:
    """Versions of Python that the classifiers name, such as `3.11`."""
    said = (name.removeprefix("Programming Language :: Python :: ") for name in project()["classifiers"])
    return [version for version in said if version.startswith("3.")]


def interpreter(version: str) -> str | None:
    """Path of an installed Python of this version; None if there is none. Nothing is downloaded."""
    try:
        # pyenv's shims, which come first on its path, run only what this variable names.
        return uv("python", "find", "--system", "--no-python-downloads", version, PYENV_VERSION=version).strip()
    except ReleaseError:
        return None


def try_pythons(*, every: bool) -> None:
    """Try each version of Python that the classifiers name. Raises ReleaseError if one fails or is not installed."""
    wrong = []
    for version in pythons():
        found = interpreter(version)
        print(f"Python {version}: {found or 'not found'}", flush=True)
        try:
            if found:
                try_versions(found, "--constraint", ROOT / "constraints.txt", every=every)
            else:
                wrong.append(f"Python {version} was not tried: install it, or put it on PATH as python{version}")
        except ReleaseError as error:
            wrong.append(f"Python {version}: {error}")
    if wrong:
        raise ReleaseError("; ".join(wrong))


def try_versions(python: str, *constraints: str | Path, every: bool = False) -> None:
    """Install, run the tests and the demo, and print what was installed and how it went.

    Args:
        python: version or path of the interpreter.
        constraints: options of `uv pip install`.
        every: every unit test, with all tools of `dev`, instead of those of `ROOMS`.

    Raises:
        ReleaseError: versions cannot be installed together, a test fails or the demo does.
    """
    with TemporaryDirectory() as folder:
        started = time.monotonic()
        wanted = f"{ROOT}[{'dev' if every else ','.join(extras())}]"
        options = [*map(str, constraints), *([] if every else test_tools())]
        made = Environment.make(Path(folder) / "venv", *options, "--editable", wanted, python=python)
        packages = made.packages()
        direct = ", ".join(
            f"{name} {packages[name]}" for name in ("dagster", "duckdb", "pyarrow", "pydantic", "sqlalchemy")
        )
        print(f"{len(packages)} packages in {time.monotonic() - started:.0f} s: {direct}", flush=True)
        tests = [made.program("python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        tests += [f"sonnys_pipeline_tests/unit/{room}" for room in ([""] if every else ROOMS)]
        if subprocess.run(tests, cwd=ROOT, check=False).returncode:
            raise ReleaseError("tests fail with these versions: raise the lower bound of what they name, or cap it")
        empty = Path(folder) / "empty"
        empty.mkdir()
        landed = json.loads(run(made.program("sonnys"), "demo", "--days", "2", "--json", cwd=empty))["days"]
        print(f"The demo landed {len(landed)} days. All in {time.monotonic() - started:.0f} s.")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m release.bounds", description=__doc__.splitlines()[0])
    parser.add_argument("versions", choices=["lowest", "newest", "versions", "write"])
    parser.add_argument("--python", default=sys.executable, help="version or path of the interpreter")
    parser.add_argument("--all", action="store_true", help="run every unit test, which takes far longer")
    asked = parser.parse_args()
    if asked.versions == "write":
        write_lowest()
    elif asked.versions == "versions":
        try_pythons(every=asked.all)
    elif asked.versions == "lowest":
        try_versions(asked.python, "--constraint", LOWEST, every=asked.all)
    else:
        try_versions(asked.python, "--upgrade", every=asked.all)


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(f"release: {error}")
