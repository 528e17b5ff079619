"""What stands before Dagster's web server: requests of other web pages, and for other names, are refused.

Dagster's web server has no password, and runs what a GraphQL request says, whoever made a browser send it. A page of
any site that an operator opens can make the browser send requests to loopback, to a tunnel, or past a proxy that has
asked for a password before. So this looks at where a request comes from:

- The name in `Host` must be one that this server goes by: otherwise a name of somebody else's may point here (DNS
  rebinding), and its pages count as the server's own.
- `Origin` and `Sec-Fetch-Site`, which pages cannot forge, must be this server's own. Links to pages of the UI are the
  exception, since they change nothing.
- GraphQL comes in the body of a POST, never in an address, where an image or a link would carry it.

It protects an operator's browser. It is no password: whoever reaches the server by other means may do everything.
"""

from collections.abc import Collection, Mapping
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Names of this machine, for itself.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
#: Anybody may read it, under whatever name: orchestrators ask pods by their address. It holds versions only.
_OPEN = "/server_info"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
#: Added to every answer: no page may show the UI in a frame, where a click meant for the page would hit a button.
_HEADERS = {"X-Frame-Options": "DENY", "Cross-Origin-Resource-Policy": "same-origin"}


class WebGuard:
    """ASGI middleware that hands on what the server's own pages send, and programs that are no browsers."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        """Guard an application that goes by `hosts`, without port, beside the names of loopback."""
        self._app = app
        self._named = frozenset(host.strip("[]").lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 with the reason, or pass the request on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        if reason := self.refusal(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": reason[:120]})  # before accepting: 403
                return
            await PlainTextResponse(f"{reason}\n", HTTPStatus.FORBIDDEN)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)

    def refusal(self, scope: Scope) -> str:
        """Why a request is refused, in one line that says what to do; empty when it is not."""
        headers, method = Headers(scope=scope), scope.get("method", "")
        if method in _SAFE and scope["path"] == _OPEN:
            return ""
        host = headers.get("host", "")
        if _name(host) not in LOOPBACK | self._named:
            return f"Refused: {_shown(host)} is no name of this server. If it should be, start it with --allow-host."
        if "graphql" in scope["path"] and "query" in parse_qs(scope.get("query_string", b"").decode("latin-1")):
            return "Refused: a GraphQL query in the address. Send it in the body of a POST."
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, host):
            return f"Refused: sent by a page of {_shown(origin)}, not by this server's own."
        site = headers.get("sec-fetch-site", "none")
        if site not in {"same-origin", "none"} and not _is_link(headers, method, scope["type"]):
            return "Refused: sent by a page of another site."
        return ""

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether an origin is this server: the very address that was asked, or a name that a proxy stands for."""
        scheme, name, port = _parts(origin)
        if name in self._named:
            return True
        return bool(name) and (name, port) == _parts(f"{scheme}://{host}")[1:]


def _is_link(headers: Mapping[str, str], method: str, kind: str) -> bool:
    """Whether a person followed a link to a page, which is then shown by itself."""
    goes = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return kind == "http" and method in _SAFE and goes


def _name(host: str) -> str:
    return _parts(f"//{host}")[1]


def _parts(url: str) -> tuple[str, str, int | None]:
    """Scheme, name and port of an address; an empty name where it is none."""
    try:
        found = urlsplit(url)
        return found.scheme, (found.hostname or "").rstrip("."), found.port or _PORTS.get(found.scheme)
    except ValueError:
        return "", "", None


def _shown(text: str) -> str:
    """A header's text as it may be shown: printable, and not long."""
    return repr(text[:100])
