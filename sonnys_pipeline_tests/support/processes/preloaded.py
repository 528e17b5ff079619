"""Python processes forked from one that has imported Dagster and the pipeline: each start saves seconds of imports.

    python -m sonnys_pipeline_tests.support.processes.preloaded SOCKET

The server imports modules only, never the definitions: a forked process reads settings from its own environment, as if
it had been started afresh. For each process it forks a watcher, which forks the process, waits for it, and reports its
exit code.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sonnys_pipeline_tests.support.processes.forked import MAY_FORK, as_new
from sonnys_pipeline_tests.support.processes.quick import QUICK_PATH

MODULES = (
    "dagster._cli", "sonnys_pipeline.orchestration.build", "sonnys_pipeline.backfill.workspace",
    "sonnys_pipeline.cli.backfill.commands", "sonnys_pipeline.cli.backfill.run",
    # What Dagster, and the request budget, import when a run begins.
    "dagster._core.definitions.antlr_asset_selection.antlr_asset_selection", "dagster._core.definitions.external_asset",
    "dagster._core.definitions.repository_definition.repository_data_builder", "dagster._core.executor.in_process",
    "dagster._core.instance.runs.run_domain", "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root", "dagster._core.storage.sqlite_storage", "dagster._core.utility_ops",
    "dagster._core.workspace.autodiscovery", "dagster._utils.test.definitions", "pandas", "pyrate_limiter",
    "upath.implementations.local",
)  # fmt: skip
#: What a program needs beside these; imported when it is asked for the first time.
PROGRAMS: Mapping[str, Sequence[str]] = {
    "dagster-daemon": ["dagster._daemon.cli"],
    "dg": [
        "dagster.components.list", "dagster_dlt", "dagster_dg_cli.cli.schemas.list_schemas",
        *(f"dagster_dg_cli.cli.{name}" for name in ("api", "check", "dev", "labs", "launch", "list", "plus", "scaffold",
        "utils")),
    ],
}  # fmt: skip


class Forked:
    """A forked process; as much of `subprocess.Popen` as the tests use."""

    def __init__(self, reports: socket.socket) -> None:
        """Read its process id."""
        self._reports = reports
        self.pid = int(reports.recv(100))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal, or `None` while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code.

        Raises:
            subprocess.TimeoutExpired: when it still runs.
        """
        if self.returncode is None:
            if not select.select([self._reports], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = os.waitstatus_to_exitcode(int(self._reports.recv(100)))
            self._reports.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Preloaded:
    """The server, as the tests use it."""

    def __init__(self) -> None:
        """Start it; it imports while the first request waits."""
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        environment = {**os.environ, "PYTHONPATH": QUICK_PATH}
        self._server = subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], start_new_session=True)
        theirs.close()

    def start(
        self, command: Sequence[str], environment: Mapping[str, str] | None, folder: Path, *outputs: int
    ) -> Forked:
        """Fork a Python program (`-m module` or a script, and its arguments) in a session of its own."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"command": command, "environment": dict(environment or os.environ), "folder": str(folder)}
        socket.send_fds(self._requests, [json.dumps(request).encode()], [theirs.fileno(), *outputs])
        theirs.close()
        return Forked(ours)

    def close(self) -> None:
        """End the server; its processes go on."""
        self._requests.close()
        self._server.wait()


def serve(requests: socket.socket) -> None:
    """Fork a process for each request until the tests close the socket; return in each process that is to run."""
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()  # a forked process need not look through what is imported when it ends
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for watchers
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not message:
            os._exit(0)
        request = json.loads(message)
        for name in PROGRAMS.get(Path(request["command"][0]).name, ()):
            importlib.import_module(name)
        if os.fork() == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reports, *outputs = descriptors
    if process := os.fork():
        for descriptor in outputs:
            os.close(descriptor)
        with socket.socket(fileno=reports) as told, suppress(BrokenPipeError):
            told.send(str(process).encode())
            told.send(str(os.waitpid(process, 0)[1]).encode())
        os._exit(0)
    os.close(reports)
    _become(request, outputs)


def _become(request: Mapping[str, Any], outputs: Sequence[int]) -> None:
    os.setsid()
    os.chdir(request["folder"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate([nothing, *outputs]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    as_new({**request["environment"], MAY_FORK: "1"})
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # Dagster takes out the first one, which for a program is its own folder.
    sys.path[1:1] = [path for path in paths if path and path not in sys.path]
    sys.argv[:] = request["command"]


def main() -> None:
    """Serve; in each forked process, run its program, so that Python ends as it ends by itself."""
    serve(socket.socket(fileno=int(sys.argv[1])))
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
