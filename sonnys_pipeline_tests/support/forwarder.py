"""A way to a server on loopback that can be closed and opened, and that sees what passes."""

import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from sonnys_pipeline_tests.support.servers import free_port

_HEAD = re.compile(rb"^(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n", re.MULTILINE)
_CHUNK = 65_536


@dataclass(frozen=True)
class Request:
    """A request as it passed."""

    method: str
    path: str


class Forwarder:
    """Listens on a port of its own and passes everything on to another one, while it accepts."""

    def __init__(self, to: int) -> None:
        """Choose a port; it stays the same while closed."""
        self.port = free_port()
        self.requests: list[Request] = []
        self.bytes_sent_back = 0
        self._to = to
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Accept."""
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        """Refuse."""
        self.refuse()

    def forget(self) -> None:
        """Count from here."""
        self.requests.clear()
        self.bytes_sent_back = 0

    def accept(self) -> None:
        """Take connections from now on."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self._listener = listener
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def refuse(self) -> None:
        """Break all connections, and refuse new ones."""
        listener, self._listener = self._listener, None
        with self._lock:
            broken, self._open = self._open, set()
        for one in [*([listener] if listener else []), *broken]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                with self._lock:
                    self._open |= {client, server}
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=(source, target, client), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if source is client:
                    for method, path in _HEAD.findall(chunk):
                        self.requests.append(Request(method.decode(), path.decode()))
                else:
                    self.bytes_sent_back += len(chunk)
                target.sendall(chunk)
        with self._lock:
            self._open -= {source, target}
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
