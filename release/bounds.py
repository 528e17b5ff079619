"""Run the unit tests and the demo with the lowest versions that `pyproject.toml` allows, or with the newest ones.

`python -m release.bounds lowest` (`make lowest`) installs the versions of `constraints-lowest.txt`, `newest`
(`make newest`) the newest of today; each in a virtual environment of its own. `write` computes `constraints-lowest.txt`
again, which a changed bound needs. `--python 3.13` chooses another interpreter.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from release.build import ROOT, ReleaseError
from release.environments import Environment, run, uv
from release.weigh import extras

LOWEST = ROOT / "constraints-lowest.txt"
#: What the unit tests need beside the product: these requirements of `dev`, in their newest versions.
TOOLS = (
    "build", "hatch-vcs", "hatchling", "hypothesis", "moto", "openpyxl", "orjson", "playwright", "psutil", "pytest",
    "pytest-xdist", "PyYAML",
)  # fmt: skip
#: Rooms whose tests use the dependencies most: HTTP, files, databases, pages, the terminal, Dagster.
ROOMS = ("cli", "client", "config", "lake", "ledger", "orchestration", "report")
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
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"][
        "dev"
    ]
    return [one for one in dev if one.split(">")[0].split("[")[0] in TOOLS]


def try_versions(python: str, *constraints: str | Path) -> None:
    """Install, run the unit tests and the demo, and print what was installed and how it went.

    Raises ReleaseError if versions cannot be installed together, a test fails or the demo does.
    """
    with TemporaryDirectory() as folder:
        started = time.monotonic()
        wanted = f"{ROOT}[{','.join(extras())}]"
        options = [str(word) for word in constraints]
        made = Environment.make(Path(folder) / "venv", *options, *test_tools(), "--editable", wanted, python=python)
        packages = made.packages()
        direct = ", ".join(
            f"{name} {packages[name]}" for name in ("dagster", "duckdb", "pyarrow", "pydantic", "sqlalchemy")
        )
        print(f"{len(packages)} packages in {time.monotonic() - started:.0f} s: {direct}", flush=True)
        tests = [made.program("python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        tests += [f"sonnys_pipeline_tests/unit/{room}" for room in ROOMS]
        if subprocess.run(tests, cwd=ROOT, check=False).returncode:
            raise ReleaseError("tests fail with these versions: raise the lower bound of what they name, or cap it")
        empty = Path(folder) / "empty"
        empty.mkdir()
        landed = json.loads(run(made.program("sonnys"), "demo", "--days", "2", "--json", cwd=empty))["days"]
        print(f"The demo landed {len(landed)} days. All in {time.monotonic() - started:.0f} s.")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m release.bounds", description=__doc__.splitlines()[0])
    parser.add_argument("versions", choices=["lowest", "newest", "write"])
    parser.add_argument("--python", default=sys.executable, help="version or path of the interpreter")
    asked = parser.parse_args()
    if asked.versions == "write":
        write_lowest()
    elif asked.versions == "lowest":
        try_versions(asked.python, "--constraint", LOWEST)
    else:
        try_versions(asked.python, "--upgrade")


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(f"release: {error}")
