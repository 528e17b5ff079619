"""One HTTP exchange with the API: address, headers, timeouts, what came back (LJ-09).

Belongs here: everything that knows the HTTP library. Does not belong here: retries and the request budget
(`client.py`), or what an endpoint's answer means (`transactions.py`, `sites.py`).
"""

from __future__ import annotations

import html
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from pydantic import SecretStr
from pydantic_core import from_json
from requests.adapters import HTTPAdapter

from sonnys_pipeline.client.errors import (
    QUOTED_BODY,
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthError,
    NotFoundError,
    RateLimitError,
    RedirectedError,
    ResponseFormatError,
    ServerError,
    ValidationError,
)

#: Connections kept open; more requests than this are never in flight on a budget of 20 a block.
POOL_SIZE = 32
#: Shorter ones are not masked: nobody could keep them secret, and every word of the API would be full of `***`.
SHORTEST_SECRET = 4
#: How an answer of the API begins.
_JSON_STARTS = (b"{", b"[")

_STATUS_ERRORS: Mapping[int, type[APIStatusError]] = {
    400: ValidationError,
    403: AuthError,
    404: NotFoundError,
    422: ValidationError,
    429: RateLimitError,
}


@dataclass(frozen=True)
class Response:
    """An answer with status 200.

    Attributes:
        status: HTTP status code.
        content: the body as received, bytes.
        date: the server's clock, from its `Date` header, as text; `None` where it sent none.
    """

    status: int
    content: bytes
    date: str | None = None

    def json(self) -> Any:  # noqa: ANN401 - JSON is any type until a model has read it
        """The decoded body.

        Raises:
            ResponseFormatError: when it is not JSON, such as a gateway's page with status 200.
        """
        try:
            return from_json(self.content, allow_inf_nan=False)
        except ValueError:
            # A gateway's page is worth quoting; rows that were cut off are not, they hold personal data.
            broken = self.content.lstrip()[:1] in _JSON_STARTS
            what = f"broken after {len(self.content)} bytes" if broken else quoted(self.content)
            raise ResponseFormatError(f"the answer is not JSON: {what}") from None


class HttpTransport:
    """Sends single requests on kept-open connections; safe to use from many threads.

    Attributes:
        base_url: API root.
        server_date: the server's clock at the last answer, whatever its status: its `Date` header as text; `None`
            where it sent none, or no answer came.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, SecretStr | str],
        *,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        """Prepare, without connecting.

        Args:
            base_url: API root; `https`, or `http` on a loopback address.
            headers: sent with every request; secrets are unwrapped only while sending.
            connect_timeout: seconds for the connection and TLS.
            read_timeout: seconds without a byte of the answer.

        Raises:
            ValueError: for an address that would carry the credentials in the clear, or is no address; for a header
                that cannot be sent, without its value.
        """
        self.base_url = checked_base_url(base_url)
        self.server_date: str | None = None
        self._headers = dict(headers)
        for name, value in self._headers.items():
            checked_header(value.get_secret_value() if isinstance(value, SecretStr) else value, name)
        self._secrets = [value for value in self._headers.values() if isinstance(value, SecretStr)]
        self._timeouts = (connect_timeout, read_timeout)
        self._session = requests.Session()
        if _scheme_and_host(self.base_url)[0] == "http":
            # Loopback: a proxy from the environment would take the credentials off this machine, in the clear.
            self._session.trust_env = False
        # The API uses no cookies; refusing them leaves nothing in the session that threads could race for.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=POOL_SIZE, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def send(self, method: str, path: str, params: Mapping[str, Any] | None) -> Response:
        """One request, one answer.

        Args:
            method: HTTP method.
            path: below the base URL, with a leading slash.
            params: query parameters; those that are `None` are left out.

        Raises:
            APITimeoutError: no answer in time.
            APIConnectionError: no connection, a dropped one, TLS trouble, or a redirect.
            APIStatusError: a subclass for each status that is not 200.
        """
        headers = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self._headers.items()
        }
        query = {name: value for name, value in (params or {}).items() if value is not None}
        what = f"{method} {path}"
        self.server_date = None
        try:
            answer = self._session.request(
                method,
                self.base_url + path,
                params=query,
                headers=headers,
                timeout=self._timeouts,
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise APITimeoutError(
                f"{what}: no answer within {self._timeouts[1]:g} s (connecting: {self._timeouts[0]:g} s)"
            ) from _without_request(error)
        except (requests.RequestException, ValueError) as error:  # ValueError: a Location that is no address
            raise APIConnectionError(
                f"{what}: no answer from {self.base_url} ({_reason(error)}); check SONNYS_BASE_URL, network and TLS"
            ) from _without_request(error)
        self.server_date = answer.headers.get("Date")
        if answer.is_redirect:
            target = _scheme_and_host(answer.headers["Location"])[1] or "elsewhere"
            target = masked(target, self._secrets)
            raise RedirectedError(f"{what}: redirected to {target}; not followed, the credentials would go there too")
        if answer.status_code != requests.codes.ok:
            raise status_error(answer.status_code, answer.content, self._secrets)
        content: bytes = answer.content
        if content.lstrip()[:1] not in _JSON_STARTS:
            # A page between us and the API: whoever quotes it, wherever, quotes no credential that it echoes.
            content = masked(content.decode("latin-1"), self._secrets).encode("latin-1")
        return Response(answer.status_code, content, answer.headers.get("Date"))

    def close(self) -> None:
        """Close every connection."""
        self._session.close()


def checked_base_url(base_url: str) -> str:
    """The address without a trailing slash, if credentials may be sent to it.

    Raises:
        ValueError: for plain `http` to another machine, a missing host, credentials, a query or a fragment in it.
    """
    if "@" in base_url or "?" in base_url or "#" in base_url:  # before anything else: a password must not be quoted
        raise ValueError("SONNYS_BASE_URL: leave user, password, query and fragment out of the address")
    scheme, host = _scheme_and_host(base_url)
    if scheme not in {"https", "http"} or not host:
        raise ValueError(f"SONNYS_BASE_URL: {base_url!r} is not an address such as https://host/v1")
    if scheme == "http" and not is_loopback(host):
        raise ValueError(f"SONNYS_BASE_URL: {base_url!r} would send the key in the clear; use https")
    return base_url.rstrip("/")


def checked_header(value: str, name: str) -> str:
    """A header's value, if it can be sent; the HTTP library's own refusal would quote it, secret or not.

    Raises:
        ValueError: for a line break, space around it, or anything else beside printable ASCII; it names the header.
    """
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError(f"{name}: has a line break, space around it, or a character that no header takes")
    return value


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Both in lower case; empty where there is none, or none that can be read."""
    try:
        parts = urlsplit(url)
        scheme, host = parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""
    return scheme, host


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def status_error(status: int, content: bytes, secrets: Sequence[SecretStr] = ()) -> APIError:
    """The error for an answer that is not 200 (contract, "Errors"); a body that is not JSON is quoted.

    A gateway's page may echo the request's headers: of `secrets` nothing is quoted.
    """
    error_type: str | None = None
    messages: tuple[str, ...] = ()
    try:
        body = from_json(content)
    except ValueError:
        body = None
    if isinstance(body, dict):
        error_type = masked(body["type"], secrets) if isinstance(body.get("type"), str) else None
        said = body.get("messages") or [body.get("message")]
        messages = tuple(
            masked(str(part), secrets) for part in (said if isinstance(said, list) else [said]) if part is not None
        )
        if body.get("code"):
            messages += (masked(f"support code {body['code']}", secrets),)
    kind = _STATUS_ERRORS.get(status) or (ServerError if status >= 500 else APIStatusError)
    return kind(status, error_type, messages, quoted(content, secrets))


def quoted(content: bytes, secrets: Sequence[SecretStr] = ()) -> str:
    """The start of a foreign body, for a person, in one line; masked before it is cut, which could halve a secret."""
    text = masked(content.decode("utf-8", "replace"), secrets)
    return " ".join(text[: 4 * QUOTED_BODY].split())[:QUOTED_BODY]


def masked(text: str, secrets: Sequence[SecretStr]) -> str:
    """A text with `***` for every secret in it, also where HTML or a URL writes it in its own way."""
    plain = {value for secret in secrets if len(value := secret.get_secret_value()) >= SHORTEST_SECRET}
    spellings = {spelling for value in plain for spelling in (value, html.escape(value), quote(value, safe=""))}
    for spelling in sorted(spellings, key=len, reverse=True):  # one may be a part of another
        text = text.replace(spelling, "***")
    return text


def _reason(error: BaseException) -> str:
    """The innermost cause: `ConnectionRefusedError` tells more than the wrappers around it."""
    while (inner := error.__cause__ or error.__context__ or getattr(error, "reason", None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return f"{type(error).__name__}: {error}"


def _without_request(error: Exception) -> Exception:
    """The library's error keeps the request, and with it the headers; a debugger or a pickled error must not."""
    if isinstance(error, requests.RequestException):
        error.request = None
        error.response = None
    return error
