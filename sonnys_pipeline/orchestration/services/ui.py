"""Dagster's web server and daemon together, in the foreground: `sonnys ui`, and the demo's UI."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import dagster as dg

#: The module that holds the definitions; Dagster calls the code location by this name, whichever way it is loaded.
CODE_LOCATION = "sonnys_pipeline.definitions"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
#: Seconds in which processes may end by themselves. A web server waits without end for a browser that stays connected.
_STOP_TIMEOUT = 8.0


def serve(
    folder: Path,
    environment: Mapping[str, str],
    port: int,
    *,
    read_only: bool = False,
    allowed_hosts: Sequence[str] = (),
) -> int:
    """Run both on loopback until a signal comes or one of them ends.

    They work in `folder`, where Dagster reads `.env` and `workspace.yaml`; `DAGSTER_HOME` in `environment` names the
    instance. With `read_only` nothing can be launched or switched. Browsers may use `allowed_hosts`, through a proxy.

    Returns the exit code to leave with: 0 when a signal asked for the end, else that of the process that ended.
    """
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        instance.get_runs_count()  # makes the storage: two processes that make it at once break it
    workspace = folder / "workspace.yaml"
    python = [sys.executable, "-m"]
    module = ["--workspace", str(workspace)] if workspace.is_file() else ["-m", CODE_LOCATION]
    hosts = [word for host in allowed_hosts for word in ("--allow-host", host)]
    web = ["sonnys_pipeline.orchestration.services.web", *module, "--port", str(port), *hosts]
    commands = [
        [*python, *web, *(["--read-only"] if read_only else [])],
        [*python, "sonnys_pipeline.orchestration.services.daemon", "run", *module],
    ]
    received: list[int] = []
    previous = {number: signal.signal(number, lambda which, _: received.append(which)) for number in _STOP_SIGNALS}
    started: list[subprocess.Popen[bytes]] = []
    try:
        # Each in a session of its own: started from a script, a process would ignore both signals.
        started.extend(
            subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)  # noqa: S603 - our own
            for command in commands
        )
        while not received and all(process.poll() is None for process in started):
            time.sleep(0.1)
        ended = [process.returncode for process in started if process.returncode is not None]
        return 0 if received else ended[0]
    finally:
        end_groups(started)
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_groups(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Ask all groups to end, and after some seconds make whatever is left of them."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_TIMEOUT
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
