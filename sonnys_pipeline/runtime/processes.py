"""Names of processes by which another process can tell whether they still run (BM-05, JS-06).

A process id is unique only within one boot and one namespace: after a reboot, or in another container with the same
host name, it may belong to another process. So a machine is named by host, boot and namespace.
"""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def this_machine() -> str:
    """Host name, and a digest of boot and namespace as far as the system tells them."""
    boot = namespace = ""
    with suppress(OSError):
        boot = _BOOT_ID.read_text(encoding="ascii").strip()
    with suppress(OSError):
        namespace = str(_PID_NAMESPACE.readlink())
    digest = hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:8]
    return f"{socket.gethostname()}-{digest}"


def file_writer() -> str:
    """This process as part of a file name: `{machine}-{process id}` without dots."""
    return f"{_machine_in_names()}-{os.getpid()}"


def is_dead_writer(name: str) -> bool:
    """Whether a `file_writer` was a process of this machine that has ended; always false for other machines."""
    machine, _, process = name.rpartition("-")
    return machine == _machine_in_names() and not is_running(int(process) if process.isdigit() else 0)


def is_running(process: int) -> bool:
    """Whether this machine has a process with this id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process > 0


def _machine_in_names() -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in this_machine())
