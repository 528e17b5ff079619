"""The open connections of a server, so that a fault can cut one."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class Connections:
    """The transports of a server's clients, by their (host, port)."""

    def __init__(self) -> None:
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}

    def cut(self, client: tuple[str, int]) -> None:
        """Close the client's socket at once; unsent bytes are lost.

        Raises:
            KeyError: no such client is connected.
        """
        self._transports[client].abort()

    def protocol_class(self) -> type[asyncio.Protocol]:
        """The HTTP protocol that uvicorn would choose protocol, which also keeps this registry up to date."""
        transports = self._transports

        class RegisteredProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]  # chosen by uvicorn at import
            _client: tuple[str, int] | None = None

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                super().connection_made(transport)
                address: Any = transport.get_extra_info("peername")
                if address:
                    self._client = (str(address[0]), int(address[1]))
                    # uvloop's transports have the methods of asyncio.Transport without being derived from it.
                    transports[self._client] = cast("asyncio.Transport", transport)

            def connection_lost(self, exc: Exception | None) -> None:
                if self._client is not None:
                    transports.pop(self._client, None)
                super().connection_lost(exc)

        return RegisteredProtocol
