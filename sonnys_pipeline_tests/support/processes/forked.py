"""Dagster's programs that start each other, forked instead of started: what one has imported, the next one has, too.

`quick_dagster/sitecustomize.py` uses this in processes that come from `preloaded.py` themselves.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Set in processes that may fork the programs that they start.
MAY_FORK = "TESTS_MAY_FORK"
#: Beside the main thread, Dagster's daemon has one that waits, when it starts its code server.
_FEW_THREADS = 2


class ForkedProgram(subprocess.Popen[bytes]):
    """`python -m PROGRAM ARGUMENTS`, without a new Python: the child of a fork runs the program and ends."""

    def _execute_child(  # type: ignore[no-untyped-def] # a method of CPython's that has no annotations
        self, args, _executable, _preexec_fn, _close_fds, _pass_fds, cwd, env, *_options
    ) -> None:
        self.pid = os.fork()
        if self.pid:
            self._child_created = True
            return
        status = 1
        try:
            status = _run(args[2:], cwd, env)
        finally:
            os._exit(status)


def forking(start: Callable[..., Any]) -> Callable[..., Any]:
    """An `open_ipc_subprocess` that forks what can be forked, and starts the rest with `start`."""

    def open_ipc_subprocess(parts: Sequence[str], **options: Any) -> Any:
        is_ours = parts[:2] == [sys.executable, "-m"] and options.keys() <= {"cwd", "env", "pass_fds"}
        if is_ours and MAY_FORK in os.environ and threading.active_count() <= _FEW_THREADS:
            return ForkedProgram(parts, **options)
        return start(parts, **options)

    return open_ipc_subprocess


def as_new(environment: Mapping[str, str] | None = None) -> None:
    """Let a forked process take signals, and read its environment, as a new one does."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if environment is not None:
        variables = dict(environment)
        os.environ.clear()
        os.environ.update(variables)
    if quick := sys.modules.get("sitecustomize"):
        quick.sensors_look_as_told()


def _run(command: Sequence[str], folder: str | None, environment: Mapping[str, str] | None) -> int:
    """Run a module as a program; its exit code."""
    as_new(environment)
    if folder is not None:
        os.chdir(folder)
    sys.argv[:] = command
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as Python itself ends
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
