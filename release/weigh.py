"""Weigh an installation: bare, and with each extra.

`python -m release.weigh [WHEEL]` prints the rows of the table in `docs/install.md`,
and weighs the last commit if no wheel is given.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from release.build import ROOT, ReleaseError, build
from release.environments import Environment

#: Extras for people who work on this project.
OURS = ("dev", "docs")


def project() -> dict[str, Any]:
    """The table `project` of `pyproject.toml`."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def extras() -> list[str]:
    """Names of the extras for users, as `pyproject.toml` lists them."""
    return [name for name in project()["optional-dependencies"] if name not in OURS]


def wheel_of_last_commit(folder: Path) -> Path:
    """Build it below a folder."""
    ((name, content),) = build(ROOT, folder, "--wheel").items()
    wheel = folder / name
    wheel.write_bytes(content)
    return wheel


def weigh(wheel: Path, *names: str) -> tuple[int, float]:
    """Packages and megabytes of an installation with these extras."""
    with TemporaryDirectory() as folder:
        made = Environment.make(
            Path(folder) / "venv", f"sonnys-pipeline[{','.join(names)}] @ {wheel.resolve().as_uri()}"
        )
        return len(made.packages()), made.megabytes()


def main(wheel: Path | None = None) -> None:
    """Print a row for the bare installation, and for what each extra adds to it."""
    with TemporaryDirectory() as folder:
        wheel = wheel or wheel_of_last_commit(Path(folder))
        packages, megabytes = weigh(wheel)
        print(f"| bare | {packages} packages | {megabytes:.0f} MB |")
        for name in extras():
            more, heavier = weigh(wheel, name)
            print(f"| {name} | {more - packages} more | {heavier - megabytes:.0f} MB more |")


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:2]))
    except ReleaseError as error:
        sys.exit(f"release: {error}")
