"""How a process that was forked from the preloaded one starts others: they are forked, too, where it would start Python.

Only programs of Dagster and of the pipeline are forked, and only with the standard streams of their parent, a file or
nothing; whatever else is started as ever. A process that leads a session has a server of its own, `preloaded.py`, in
that session: so what it starts dies with its group, and inherits what a child inherits.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import popen_spawn_posix
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

#: Modules that are run by `python -m`, and forked instead.
PROGRAMS = frozenset({
    "dagster", "dagster_webserver", "dagster._daemon", "sonnys_pipeline.orchestration.services.web",
    "sonnys_pipeline.orchestration.services.daemon",
})  # fmt: skip
#: Options of `subprocess.Popen` that a fork can follow.
_FOLLOWED = frozenset({
    "cwd", "env", "stdin", "stdout", "stderr", "start_new_session", "pass_fds", "creationflags", "close_fds",
})  # fmt: skip


class Forked:
    """A forked process; as much of `subprocess.Popen` as Dagster, the pipeline and the tests use."""

    stdin = stdout = stderr = None

    def __init__(self, reports: socket.socket, args: Sequence[str] = ()) -> None:
        """Read its process id."""
        self._reports = reports.detach()
        weakref.finalize(self, os.close, self._reports)  # not before: another thread may be waiting
        self._reading = threading.Lock()
        self.args = args
        self.pid = int(os.read(self._reports, 100))
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
        while self.returncode is None:
            if not select.select([self._reports], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            with self._reading:
                if self.returncode is None:
                    # Whoever watched it is killed with its group.
                    self.returncode = os.waitstatus_to_exitcode(int(os.read(self._reports, 100) or signal.SIGKILL))
        return self.returncode

    def communicate(self) -> tuple[None, None]:
        """Wait for its end; nothing is piped."""
        self.wait()
        return None, None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()


def ask(
    server: socket.socket, command: Sequence[str], descriptors: Mapping[int, int], **request: object
) -> Forked:  # fmt: skip
    """Have a Python program (`-m module`, `-c code` or a script, and its arguments) forked.

    Args:
        server: asked to do it; handed on to a process that leads no session of its own.
        command: without the interpreter.
        descriptors: numbers that the program knows them by, and what they are here.
        request: `environment`, `folder` and `new_session`.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    message = json.dumps({"command": list(command), "numbers": list(descriptors), **request})
    socket.send_fds(server, [message.encode()], [theirs.fileno(), server.fileno(), *descriptors.values()])
    theirs.close()
    return Forked(ours, command)


def start_by_forking(server: socket.socket) -> None:
    """In a forked process: what it starts from now on is forked by this server."""
    subprocess.Popen = _popen(server)  # type: ignore[misc] # for every module that starts something
    forked: dict[int, Forked] = {}

    class Run(popen_spawn_posix.Popen):
        """A run's process."""

        def poll(self, flag: int = os.WNOHANG) -> int | None:
            process = forked[self.pid]
            self.returncode = process.poll() if flag else process.wait()
            return self.returncode

    def fork_with(_: str, command: Sequence[str | bytes], descriptors: Sequence[int]) -> int:
        words = [os.fsdecode(word) for word in command]
        words = words[words.index("-c") :]  # in front of it stand options of the interpreter
        same = {number: number for number in [0, 1, 2, *descriptors]}
        process = ask(server, words, same, environment=dict(os.environ), folder=str(Path.cwd()), new_session=False)
        forked[process.pid] = process
        return process.pid

    _RunProcess.start_run = Run
    popen_spawn_posix.util = SimpleNamespace(  # type: ignore[attr-defined] # where it starts Python
        **{**vars(popen_spawn_posix.util), "spawnv_passfds": fork_with}  # type: ignore[attr-defined]
    )
    dagsters = sys.modules["dagster._grpc.server"]
    dagsters.multiprocessing = SimpleNamespace(get_context=lambda _: _RunContext())  # type: ignore[attr-defined]


class _RunProcess(SpawnProcess):
    """What a code server starts for a run."""

    start_run: Any = None

    @staticmethod
    def _Popen(process: Any) -> Any:  # noqa: N802 - a name that multiprocessing calls
        return _RunProcess.start_run(process)


class _RunContext(SpawnContext):
    Process = _RunProcess


def _popen(server: socket.socket) -> type:
    """A `subprocess.Popen` that forks what it can."""
    real = subprocess.Popen

    class Popen(real):  # type: ignore[misc, valid-type]
        """As it was, for all that is not forked."""

        def __new__(cls, args: Any, **options: Any) -> Any:
            forkable = (
                isinstance(args, list)
                and args[:2] == [sys.executable, "-m"]
                and args[2] in PROGRAMS
                and options.keys() <= _FOLLOWED
            )
            streams = [options.get(name) for name in ("stdin", "stdout", "stderr")]
            if not forkable or subprocess.PIPE in streams:
                return super().__new__(cls)
            nothing = os.open(os.devnull, os.O_RDWR)
            try:
                descriptors = {number: number for number in options.get("pass_fds", ())}
                for number, stream in enumerate(streams):
                    known = {None: number, subprocess.DEVNULL: nothing, subprocess.STDOUT: descriptors.get(1)}
                    descriptors[number] = known[stream] if stream in known else _number(stream)
                return ask(
                    server,
                    [str(word) for word in args[1:]],
                    descriptors,
                    environment=dict(options.get("env") or os.environ),
                    folder=str(options.get("cwd") or Path.cwd()),
                    new_session=bool(options.get("start_new_session")),
                )
            finally:
                os.close(nothing)

    return Popen


def _number(stream: Any) -> int:
    return stream if isinstance(stream, int) else int(stream.fileno())
