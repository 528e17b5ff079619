"""DG-03: what `sonnys ui` says before it starts anything, and what it starts."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.orchestration.services import ui as serving


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster instance, and a working directory."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_without_an_instance_it_says_how_to_make_one(monkeypatch):
    """One line, with what to type; nothing is started."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    done = CliRunner().invoke(main, ["ui"])

    assert done.exit_code == 1
    assert 'export DAGSTER_HOME="$PWD/.dagster"' in done.output


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("command", [["ui"], ["demo", "--ui", "--folder", "demo"]])
def test_a_port_in_use_suggests_another(command, taken):
    """Before anything is started."""
    done = CliRunner().invoke(main, [*command, "--port", str(taken)])

    assert done.exit_code == 1
    assert f"port {taken} is in use; choose another one, such as --port {taken + 1}" in done.output


class Started:
    """Processes that would have been started; the first ends by itself at once, with this code."""

    def __init__(self, code: int | None) -> None:
        self.commands: list[list[str]] = []
        self._code = code

    def __call__(self, command: list[str], **_: object) -> SimpleNamespace:
        self.commands.append(command)
        code = self._code if len(self.commands) == 1 else None
        return SimpleNamespace(pid=2**22 + 1, returncode=code, poll=lambda: code, wait=lambda timeout=None: code)


@pytest.mark.parametrize("has_workspace", [False, True])
def test_both_are_ours_and_load_the_same_definitions(home, monkeypatch, has_workspace):
    """The guarded web server and the patient daemon; a workspace of the working directory goes before our module."""
    folder = home.parent
    if has_workspace:
        (folder / "workspace.yaml").write_text("load_from: []\n")
    started = Started(3)
    monkeypatch.setattr(serving.subprocess, "Popen", started)

    code = serving.serve(folder, {"DAGSTER_HOME": str(home)}, 4711, read_only=True, allowed_hosts=["ui.example"])

    web, daemon = started.commands
    target = ["--workspace", str(folder / "workspace.yaml")] if has_workspace else ["-m", serving.CODE_LOCATION]
    assert code == 3  # that of the process that ended by itself
    assert web[2:] == [
        "sonnys_pipeline.orchestration.services.web", *target,
        "--port", "4711", "--allow-host", "ui.example", "--read-only",
    ]  # fmt: skip
    assert daemon[2:] == ["sonnys_pipeline.orchestration.services.daemon", "run", *target]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_to_be_ended_is_no_error(home, monkeypatch, sent):
    """Ctrl-C is how a person ends it; the handlers of before are back afterwards."""
    monkeypatch.setattr(serving.subprocess, "Popen", Started(None))
    # In this module only: threads that earlier tests left would send signals as well, also when the handlers are back.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: signal.raise_signal(sent))
    monkeypatch.setattr(serving, "time", clock)
    before = signal.getsignal(sent)

    assert serving.serve(home.parent, {"DAGSTER_HOME": str(home)}, 4711) == 0
    assert signal.getsignal(sent) is before
