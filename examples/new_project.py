"""`python -m examples.new_project`: record the terminal of docs/component.md again, in docs/images/component.svg.

The commands are those of the page: a project that `create-dagster` makes, in an environment whose `sonnys_pipeline` is
the wheel of the last commit. Dagster and the rest come from the environment that runs this, so nothing is downloaded.
`sonnys_pipeline_tests/acceptance/runs/test_new_project.py` lands days by the same means.
"""

import os
import re
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from release.build import ROOT, build
from sonnys_pipeline.simulator import Simulator, SimulatorConfig

NAME = "washes"
COMPONENT = "sonnys_pipeline.SonnysAccountComponent"
_COLUMNS = 80
_PICTURE = ROOT / "docs" / "images" / "component.svg"
_TITLE = "Three commands of dg land a day"
#: Programs that users install beside the wheel.
_PROGRAMS = ("create-dagster", "dg", "dagster")
_DAY = "2026-11-25"
#: That of `sonnys simulate`.
_PORT = 8899
_CREDENTIALS = "printf 'NORTH_API_ID=demo-id\\nNORTH_API_KEY=demo-key\\n' > .env"
_COLOURS = TerminalTheme(
    (250, 250, 250),
    (38, 50, 56),
    [(38, 50, 56)] * 8,
)


@dataclass(frozen=True)
class NewProject:
    """A new project and an environment of its own, both below a folder."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "NewProject":
        """Build the wheel of the last commit and install it alone; the project's own code is on the path, too."""
        (wheel,) = build(ROOT, folder, "--wheel")
        made = cls(folder)
        python = made.bin / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", made.bin.parent], check=True)
        installed = Path(sysconfig.get_path("purelib", vars={"base": str(made.bin.parent)}))
        # A path in such a file is searched after the environment's own folder, and its own .pth files are not read:
        # the checkout, which is installed there, is not found.
        # The garbage collector looks less often: five programs each import all of Dagster.
        below = (made.root / "src", sysconfig.get_path("purelib"), "import gc; gc.set_threshold(20_000, 20, 20)")
        (installed / "below.pth").write_text("".join(f"{line}\n" for line in below))
        uv = [_ours("uv"), "pip", "install", "--quiet", "--offline", "--no-deps"]
        subprocess.run([*uv, "--python", python, folder / "out" / wheel], check=True)
        for name in _PROGRAMS:
            _, _, code = _ours(name).read_text().partition("\n")
            (made.bin / name).write_text(f"#!{python}\n{code}")
            (made.bin / name).chmod(0o755)
        return made

    @property
    def root(self) -> Path:
        """The project's directory, which `create-dagster` makes."""
        return self.folder / NAME

    @property
    def bin(self) -> Path:
        """Programs of the environment."""
        return self.folder / "venv" / "bin"

    def environment(self) -> dict[str, str]:
        """Variables for its programs: none of ours, and nothing that calls other hosts."""
        home = self.folder / "dagster"
        home.mkdir(exist_ok=True)
        (home / "dg.toml").write_text("[cli.telemetry]\nenabled = false\n")
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        left_out = ("SONNYS_", "DAGSTER_", "DG_", "PYTHON", "VIRTUAL_ENV")
        return {name: value for name, value in os.environ.items() if not name.startswith(left_out)} | {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": str(_COLUMNS),
            "DAGSTER_DG_UPDATE_CHECK_ENABLED": "0",
            "DG_CLI_CONFIG": str(home / "dg.toml"),
            "DAGSTER_HOME": str(home),
            "PYTHONWARNINGS": "ignore",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }

    def run(self, command: str) -> str:
        """What a line of a shell prints, in the project if it is made already. Raises RuntimeError if it fails."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root if self.root.exists() else self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{command} failed with {done.returncode}: {done.stdout[-4000:]}")
        return done.stdout


def _ours(program: str) -> Path:
    return Path(sys.executable).with_name(program)


def record(folder: Path) -> str:
    """The recording as SVG: each command with what it printed. Raises RuntimeError if a command fails."""
    console = Console(record=True, width=_COLUMNS, file=(folder / "terminal").open("w"), color_system="truecolor")
    simulator = Simulator(
        SimulatorConfig(sites=1, virtual_site=False, now=datetime(2026, 11, 26, 12, tzinfo=UTC)), port=_PORT
    )
    with simulator:
        project = NewProject.make(folder)
        settings = f'  settings: {{base_url: "{simulator.base_url}"}}'
        for number, command in enumerate(
            (
                "sonnys --version",
                f"create-dagster project {NAME} --no-uv-sync",
                f"cd {NAME}",
                f"dg scaffold defs {COMPONENT} north --start-date 2026-11-01",
                _CREDENTIALS,
                f"echo '{settings}' >> src/{NAME}/defs/north/defs.yaml",
                f"cat src/{NAME}/defs/north/defs.yaml",
                "dg check yaml",
                f"dg launch --assets north/transactions --partition {_DAY}",
                "ls data/north/transactions",
            )
        ):
            typed = wrap(f"$ {command}", _COLUMNS - 2, break_on_hyphens=False, subsequent_indent="    ")
            console.print(Text("\n".join(["", *typed] if number else typed), style="bold"))
            printed = "" if command.startswith("cd ") else project.run(command)
            for line in _shown(printed.replace(f"{folder}/", "")):
                console.print(Text(line))
    return _without_foreign_fonts(console.export_svg(title=_TITLE, theme=_COLOURS, unique_id="component"))


def _shown(printed: str) -> list[str]:
    """Its lines; of Dagster's log, the line of the run's success, and `…` in place of others."""
    shown: list[str] = []
    for line in printed.splitlines():
        if logged := re.match(r"\d{4}-\d\d-\d\d [\d:]+ [+-]\d{4} - dagster - \w+ - ", line):
            said = line[logged.end() :].rpartition(" - ")
            line = f"{said[0].rpartition(' - ')[2]} - {said[2]}" if "RUN_SUCCESS" in line else "…"
        if line != "…" or shown[-1:] != ["…"]:
            shown.append(line)
    return shown


def _without_foreign_fonts(svg: str) -> str:
    """Rich's picture with the reader's own monospaced font; its own one would come from another host."""
    without = re.sub(r"<!--.*?-->\s*|@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return without.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")


def main() -> None:
    """Write the picture."""
    with TemporaryDirectory() as folder:
        _PICTURE.write_text(record(Path(folder)), encoding="utf-8")
    print(f"{_PICTURE.relative_to(ROOT)}: look at it before you commit it")


if __name__ == "__main__":
    main()
