"""Weigh an installation: bare, and with each extra.

`python -m release.weigh [WHEEL]` prints the rows of the table in `docs/install.md`,
and weighs the last commit if no wheel is given.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

from release.build import ROOT, ReleaseError, build
from release.environments import Environment

#: Extras for people who work on this project.
OURS = ("dev", "docs")


def extras() -> list[str]:
    """Names of the extras for users, as `pyproject.toml` lists them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [name for name in project["optional-dependencies"] if name not in OURS]


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
        if wheel is None:
            ((name, content),) = build(ROOT, Path(folder), "--wheel").items()
            wheel = Path(folder) / name
            wheel.write_bytes(content)
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
