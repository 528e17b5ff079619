"""Open connections of a server, so that a fault can cut one."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class Connections:
    """Transports of connected clients by (host, port)."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def cut(self, client: tuple[str, int]) -> None:
        """Close a client's socket at once; unsent bytes are lost. `KeyError` if it is not connected."""
        self._transports[client].abort()

    def protocol_class(self) -> type[asyncio.Protocol]:
        """The HTTP protocol of uvicorn, extended to register connections here."""
        transports = self._transports

        class RegisteredProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]  # chosen by uvicorn at import
            _client: tuple[str, int] | None = None

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                address: Any = transport.get_extra_info("peername")
                if address:
                    self._client = (str(address[0]), int(address[1]))
                    # uvloop's transports do not inherit from asyncio.Transport.
                    transports[self._client] = cast("asyncio.Transport", transport)

            def connection_lost(self, exc: Exception | None) -> None:
                if self._client is not None:
                    transports.pop(self._client, None)
                super().connection_lost(exc)

        return RegisteredProtocol
