"""Build wheel and sdist of the last commit, twice, and refuse results that differ in a byte.

The first build makes the wheel from its sdist, the second one from the checkout. Each happens in a clone of its own, so
that neither uncommitted files nor the path of the checkout get into it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]


class ReleaseError(Exception):
    """A release cannot be made; the message says why, and what to do."""


def git(folder: Path, *arguments: str) -> str:
    """Standard output of git in a folder. Raises ReleaseError with git's own message."""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {' '.join(arguments)} failed in {folder}: {done.stderr.strip()}")
    return done.stdout.strip()


def build(repository: Path, folder: Path, *options: str) -> dict[str, bytes]:
    """Files that `python -m build` makes of the last commit in a clone below `folder`, by name.

    Their timestamps are the commit's. The build tools are the installed ones, which `constraints.txt` pins.
    """
    clone = folder / "clone"
    git(repository, "clone", "--quiet", str(repository), str(clone))
    at = {"SOURCE_DATE_EPOCH": git(clone, "log", "-1", "--format=%ct")}
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", folder / "out", clone]
    done = subprocess.run(command, env=os.environ | at, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"the build failed; {done.stdout.strip()[-2000:]} {done.stderr.strip()[-2000:]}")
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir()) if path.is_file()}


def build_twice(repository: Path) -> dict[str, bytes]:
    """Wheel and sdist by name: equal when built from the sdist and from the checkout. Raises ReleaseError if not."""
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        first = build(repository, Path(one))
        second = build(repository, Path(other), "--sdist", "--wheel")
    different = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    if different:
        raise ReleaseError(
            f"two builds of the same commit differ: {', '.join(different)}; compare them with diffoscope"
        )
    return first


def require_section(version: str, changelog: str) -> None:
    """Raise ReleaseError if a released version has no section with its day in the changelog; others need none."""
    if ".dev" not in version and not re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    ):
        raise ReleaseError(
            f"CHANGELOG.md has no section of {version}; head its changes `## [{version}] - YYYY-MM-DD`, and tag that"
        )
