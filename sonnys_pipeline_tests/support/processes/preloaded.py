"""Python processes forked from one that has imported Dagster and the pipeline: each start saves seconds of imports.

    python -m sonnys_pipeline_tests.support.processes.preloaded SOCKET

The server imports modules only, never the definitions: a forked process reads settings from its own environment, as if
it had been started afresh. For each process it forks a watcher, which forks the process, waits for it, and reports its
exit code. A process that leads a session begins with a server of its own, for what it starts itself, see `forking.py`.
"""

import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline_tests.support.processes.forking import Forked, ask, start_by_forking
from sonnys_pipeline_tests.support.processes.quick import QUICK_PATH

MODULES = (
    "dagster._cli", "dagster._cli.dev", "dagster._daemon.cli", "dagster._grpc.server", "dagster_webserver.cli",
    "dagster_webserver.app", "sonnys_pipeline.orchestration.build", "sonnys_pipeline.orchestration.services.web",
    "sonnys_pipeline.orchestration.services.daemon", "sonnys_pipeline.backfill.workspace",
    "sonnys_pipeline.cli.backfill.commands", "sonnys_pipeline.cli.backfill.run", "celery.bin.celery",
    "celery.apps.worker", "celery.concurrency.prefork", "kombu.transport.redis", "dagster_celery.tasks",
    "celery.backends.redis", "celery.events", "dagster_postgres", "psycopg", "psycopg2.extras",
    "sqlalchemy.dialects.postgresql",
    # What Dagster, and the request budget, import when a run begins.
    "dagster._core.definitions.antlr_asset_selection.antlr_asset_selection", "dagster._core.definitions.external_asset",
    "dagster._core.definitions.repository_definition.repository_data_builder", "dagster._core.executor.in_process",
    "dagster._core.instance.runs.run_domain", "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root", "dagster._core.storage.sqlite_storage", "dagster._core.utility_ops",
    "dagster._core.workspace.autodiscovery", "dagster._utils.test.definitions", "pyrate_limiter",
    "upath.implementations.local",
)  # fmt: skip
#: What a program needs beside these; imported when it is asked for the first time.
PROGRAMS: Mapping[str, Sequence[str]] = {
    "dg": [
        "dagster.components.list", "dagster_dlt", "dagster_dg_cli.cli.schemas.list_schemas",
        *(f"dagster_dg_cli.cli.{name}" for name in ("api", "check", "dev", "labs", "launch", "list", "plus", "scaffold",
        "utils")),
    ],
}  # fmt: skip
#: What a lake needs beside these, by the scheme of its URL; imported when a process has such a lake for the first time.
LAKES: Mapping[str, Sequence[str]] = {
    "s3": ["s3fs", "sonnys_pipeline.lake.storage.objects", "upath.implementations.cloud"],
}
#: They reach a whole group, servers and watchers included, which end by themselves when they are of no more use.
_ASKS_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Flags of unshare(2): mounts, host name and process ids of its own.
_ALONE = 0x00020000 | 0x04000000 | 0x20000000
#: Above the numbers of descriptors that a program may know.
_OUT_OF_THE_WAY = 500


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
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        folder: Path,
        *outputs: int,
        machine: str = "",
    ) -> Forked:
        """Fork a Python program (`-m module` or a script, and its arguments) in a session of its own.

        With `machine` it has that host name, and process ids that mean nothing outside, which takes rights.
        """
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            return ask(
                self._requests,
                command,
                dict(enumerate([nothing, *outputs])),
                environment=dict(environment or os.environ),
                folder=str(folder),
                new_session=True,
                machine=machine,
            )
        finally:
            os.close(nothing)

    def close(self) -> None:
        """End the server; its processes go on."""
        self._requests.close()
        self._server.wait()


@pytest.fixture(scope="session")
def preloaded() -> Iterator[Preloaded]:
    """Forks processes that need not import Dagster and the pipeline again."""
    server = Preloaded()
    yield server
    server.close()


def serve(requests: socket.socket) -> None:
    """Fork a process for each request until nobody can ask any more; return in each process that is to run."""
    for number in _ASKS_TO_END:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for watchers
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 32)
        if not message:
            os._exit(0)
        request = json.loads(message)
        lake = request["environment"].get("SONNYS_DATA_URL", "").partition("://")[0]
        for name in (*PROGRAMS.get(Path(request["command"][0]).name, ()), *LAKES.get(lake, ())):
            importlib.import_module(name)
        if os.fork() == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reports, server, *others = descriptors
    if machine := request.get("machine"):
        if ctypes.CDLL(None).unshare(_ALONE) != 0:
            raise PermissionError("unshare")
        socket.sethostname(machine)
    if process := os.fork():
        for descriptor in (server, *others):
            os.close(descriptor)
        with socket.socket(fileno=reports) as told, suppress(BrokenPipeError):
            told.send(str(process).encode())
            told.send(str(os.waitpid(process, 0)[1]).encode())
        os._exit(0)
    os.close(reports)
    if machine:
        for mount in (["--make-rprivate", "/"], ["-t", "proc", "proc", "/proc"]):
            subprocess.run(["mount", *mount], check=True)
    _become(request, socket.socket(fileno=server), others)


def _become(request: Mapping[str, Any], server: socket.socket, descriptors: Sequence[int]) -> None:
    if request["new_session"]:
        os.setsid()
        server.close()
        server, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            server.close()
            for descriptor in descriptors:
                os.close(descriptor)
            serve(theirs)
            return
        theirs.close()
    for number in _ASKS_TO_END:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    away = [fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY) for one in (server.detach(), *descriptors)]
    for descriptor in descriptors:
        os.close(descriptor)
    for number, descriptor in zip(request["numbers"], away[1:], strict=True):
        os.dup2(descriptor, number, inheritable=True)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # Dagster takes out the first one, which for a program is its own folder.
    sys.path[1:1] = [path for path in paths if path and path not in sys.path]
    warnings._processoptions(filter(None, os.environ.get("PYTHONWARNINGS", "").split(",")))  # type: ignore[attr-defined]
    sys.modules["sitecustomize"].keep_pace()  # type: ignore[attr-defined]
    sys.argv[:] = request["command"]
    start_by_forking(socket.socket(fileno=away[0]))


def main() -> None:
    """Serve; in each forked process, run its program, so that Python ends as it ends by itself."""
    gc.disable()  # whatever is imported stays: to look through it again and again is a quarter of the work
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()  # a forked process need not look through what is imported when it ends
    gc.enable()
    serve(socket.socket(fileno=int(sys.argv[1])))
    if sys.argv[0] == "-c":
        exec(sys.argv.pop(1), {"__name__": "__main__"})  # noqa: S102 - what multiprocessing has written
    elif sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
