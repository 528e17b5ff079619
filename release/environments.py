"""Throw-away virtual environments of this project, made by uv: what is in them, and what they weigh."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from release.build import ReleaseError


def run(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Standard output of a command. Raises ReleaseError with its last lines; the variables are added to ours."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip()
        raise ReleaseError(f"{' '.join(map(str, command))} failed with {done.returncode}:\n{said[-4000:]}")
    return done.stdout


def uv(*arguments: str | Path, **environment: str) -> str:
    """Standard output of uv, the one that is installed beside this Python; the variables are added to ours."""
    return run(Path(sys.executable).with_name("uv"), "--no-progress", *arguments, **environment)


@dataclass(frozen=True)
class Environment:
    """A virtual environment in a folder of its own."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *requirements: str, python: str = sys.executable) -> Environment:
        """Create it with these requirements, as `uv pip install` understands them. Raises ReleaseError."""
        uv("venv", "--python", python, folder)
        made = cls(folder)
        if requirements:
            uv("pip", "install", "--python", made.program("python"), *requirements)
        return made

    def program(self, name: str) -> Path:
        """A program in it, by name."""
        return self.folder / "bin" / name

    def packages(self) -> dict[str, str]:
        """Names and versions of the installed distributions."""
        listed = json.loads(uv("pip", "list", "--python", self.program("python"), "--format", "json"))
        return {one["name"]: one["version"] for one in listed}

    def megabytes(self) -> float:
        """Size of all its files in millions of bytes; no bytecode is among them until something is imported."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 1e6
