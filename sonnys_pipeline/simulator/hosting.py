"""Runs a simulator in a thread, or in the foreground for `sonnys simulate`; on loopback only, as it has no security."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import uvicorn

from sonnys_pipeline.simulator.api.connections import Connections
from sonnys_pipeline.simulator.api.control import CONTROL_PATH
from sonnys_pipeline.simulator.api.request_log import RequestRecord, SimulatorStats
from sonnys_pipeline.simulator.api.server import ApiServer
from sonnys_pipeline.simulator.config import SimulatorConfig
from sonnys_pipeline.simulator.faults import Faults
from sonnys_pipeline.simulator.state import SimulatorState
from sonnys_pipeline.simulator.world.chain import World

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
_START_TIMEOUT = 10.0
_STOP_TIMEOUT = 10.0


class Simulator:
    """A simulated API in a thread of this process, on a free loopback port.

    Use it as a context manager, or call `start` and `stop`; it can be started once. Several can run side by side.

    Args:
        config: its configuration; None for the defaults.
        host, port: a loopback address; port 0 means any free one.
        monotonic: source of real seconds.

    Raises:
        ValueError: the host is not loopback, or the configuration is inconsistent.
    """

    def __init__(
        self,
        config: SimulatorConfig | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config or SimulatorConfig()
        self.state = SimulatorState(self.config, monotonic)
        self._host = _loopback(host)
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Simulator:
        """Bind and serve; returns when requests are answered.

        Raises:
            OSError: the port cannot be bound. RuntimeError: already started, or the server did not come up.
        """
        if self._server is not None:
            raise RuntimeError("this simulator was already started; create a new one")
        bound = _bind(self._host, self._port)
        self._port = bound.getsockname()[1]
        self._server = _Server(self.state)
        self._thread = threading.Thread(
            target=self._server.run, args=([bound],), name=f"simulator:{self._port}", daemon=True
        )
        self._thread.start()
        if not self._server.answering.wait(_START_TIMEOUT):
            raise RuntimeError(f"the simulator did not answer within {_START_TIMEOUT:g} s")
        return self

    def stop(self) -> None:
        """Stop serving and free the port, if running."""
        if self._server is None or self._thread is None or not self._thread.is_alive():
            return
        self._server.should_exit = True
        self._thread.join(_STOP_TIMEOUT)
        if self._thread.is_alive():
            raise RuntimeError(f"the simulator did not stop within {_STOP_TIMEOUT:g} s")

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def root_url(self) -> str:
        """`http://host:port`."""
        return _url(self._host, self._port)

    @property
    def base_url(self) -> str:
        """The client's base URL: `http://127.0.0.1:45123/v1`."""
        return f"{self.root_url}/v1"

    @property
    def control_url(self) -> str:
        """Root of the control endpoints (`api/control.py`)."""
        return f"{self.root_url}{CONTROL_PATH}"

    @property
    def world(self) -> World:
        """The chain behind the API."""
        return self.state.world

    @property
    def log(self) -> Sequence[RequestRecord]:
        """The requests so far, in the order of their responses."""
        return self.state.log.records()

    def stats(self) -> SimulatorStats:
        """The counts so far."""
        return self.state.log.stats()

    def set_faults(self, faults: Faults | None = None) -> None:
        """Replace the faults; None clears them."""
        self.state.set_faults(faults or Faults())

    def advance(self, api_seconds: float) -> None:
        """See `SimulatorClock.advance`."""
        self.state.clock.advance(api_seconds)

    def reset(self) -> None:
        """See `SimulatorState.reset`."""
        self.state.reset()


def serve(
    config: SimulatorConfig,
    host: str = "127.0.0.1",
    port: int = 8899,
    *,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM.

    `on_start` is called with the API root once requests are answered; port 0 means any free one.

    Raises:
        ValueError: the host is not loopback. OSError: the port cannot be bound.
        KeyboardInterrupt: after an orderly stop by SIGINT. uvicorn re-raises the signal, so SIGTERM ends the process
            unless the caller handles it.
    """
    host = _loopback(host)
    state = SimulatorState(config)  # before binding: the configuration may be inconsistent
    bound = _bind(host, port)
    url = f"{_url(host, bound.getsockname()[1])}/v1"
    server = _Server(state, (lambda: on_start(url)) if on_start else None)
    server.run([bound])


class _Server(uvicorn.Server):
    """uvicorn with an event for readiness, and one that interrupts slow responses at shutdown."""

    def __init__(self, state: SimulatorState, on_start: Callable[[], None] | None = None) -> None:
        connections = Connections()
        self.answering = threading.Event()
        self._on_start = on_start
        self._stopping = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                ApiServer(state, connections, self._stopping).application(),
                http=connections.protocol_class(),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                # The application sends the simulated date itself.
                date_header=False,
                server_header=False,
                # Longer than a client idles between two polls.
                timeout_keep_alive=120,
                timeout_graceful_shutdown=5,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()
        if self._on_start is not None:
            self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


def _loopback(host: str) -> str:
    if host not in LOOPBACK_HOSTS:
        raise ValueError(f"the simulator serves loopback only ({', '.join(LOOPBACK_HOSTS)}), not {host!r}")
    return host


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1" if host == "localhost" else host, port))
    except OSError:
        bound.close()
        raise
    return bound


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
