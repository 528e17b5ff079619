"""Try a wheel as a newcomer does: install it alone in an empty environment, and run its demo in an empty folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from release.build import ReleaseError
from release.environments import Environment, run


def demo_of_wheel(wheel: Path) -> str:
    """What the trial measured, in one line. Raises ReleaseError if the installation or the demo fails."""
    with TemporaryDirectory() as folder:
        empty = Path(folder) / "empty"
        empty.mkdir()
        started = time.monotonic()
        made = Environment.make(Path(folder) / "venv", str(wheel.resolve()))
        installed = time.monotonic()
        size = made.megabytes()
        document = json.loads(run(made.program("sonnys"), "demo", "--json", cwd=empty))
        ended = time.monotonic()
        if not all(day["rows"] for day in document["days"]):
            raise ReleaseError(f"the demo of {wheel.name} landed a day without rows: {document['days']}")
        return (
            f"Bare installation: {len(made.packages())} packages, {size:.0f} MB, {installed - started:.0f} s; "
            f"sonnys demo: {len(document['days'])} days in {ended - installed:.0f} s."
        )
