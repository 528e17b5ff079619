"""Try a wheel as a newcomer does: install it alone with pip, and run its demo in an empty folder.

`python -m release.trial [WHEEL]` (`make trial`) prints what that took; without a wheel it builds the last commit's.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from release.build import ReleaseError
from release.environments import Environment, run
from release.weigh import wheel_of_last_commit


@dataclass
class Took:
    """What a step took: seconds by the clock, and of processors, its child processes included."""

    seconds: float = 0.0
    processor: float = 0.0

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.processor:.1f} s of processor time)"


@contextmanager
def measured() -> Iterator[Took]:
    """Measure what happens inside."""
    took, started, spent = Took(), time.monotonic(), _processor_seconds()
    yield took
    took.seconds, took.processor = time.monotonic() - started, _processor_seconds() - spent


def _processor_seconds() -> float:
    return sum(os.times()[:4])


def demo_of_wheel(wheel: Path) -> str:
    """What the trial measured, a line for each step. Raises ReleaseError if one fails.

    Downloads are apart, since their time is the network's. pip compiles bytecode, which `release.weigh` does not count.
    """
    with TemporaryDirectory() as folder:
        downloads, empty = Path(folder) / "downloads", Path(folder) / "empty"
        empty.mkdir()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        with measured() as downloading:
            run(*pip, "download", "--dest", downloads, wheel.resolve())
        made = Environment.make(Path(folder) / "venv")
        bare = made.megabytes()
        with measured() as installing:
            offline = ("--no-index", "--find-links", downloads)
            run(*pip, "--python", made.program("python"), "install", *offline, wheel.resolve())
        with measured() as asking:
            version = run(made.program("sonnys"), "--version", cwd=empty).split()[-1]
        if version != wheel.name.split("-")[1]:
            raise ReleaseError(f"sonnys --version says {version}, and the wheel is {wheel.name}")
        with measured() as landing:
            document = json.loads(run(made.program("sonnys"), "demo", "--json", cwd=empty))
        if not all(day["rows"] for day in document["days"]):
            raise ReleaseError(f"the demo of {wheel.name} landed a day without rows: {document['days']}")
        loaded = sum(path.stat().st_size for path in downloads.iterdir()) / 1e6
        size = made.megabytes() - bare
        bytecode = sum(path.stat().st_size for path in made.folder.rglob("*.pyc")) / 1e6
        return (
            f"Downloads: {len(list(downloads.iterdir()))} packages, {loaded:.0f} MB, {downloading}.\n"
            f"Installation: {size - bytecode:.0f} MB and {bytecode:.0f} MB of bytecode, {installing}.\n"
            f"sonnys --version: {version}, {asking}.\n"
            f"sonnys demo in an empty folder: {len(document['days'])} days, "
            f"{sum(day['rows'] for day in document['days']):,} transactions, {landing}."
        )


def main(wheel: Path | None = None) -> None:
    """Print what a trial of this wheel, or of the last commit's, took."""
    with TemporaryDirectory() as folder:
        print(demo_of_wheel(wheel or wheel_of_last_commit(Path(folder))))


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:2]))
    except ReleaseError as error:
        sys.exit(f"release: {error}")
