"""One HTTP exchange with the API: headers, timeouts, size limits, errors by status (LJ-09)."""

from __future__ import annotations

import ipaddress
import re
import time
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from pydantic_core import from_json
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from sonnys_pipeline.client.bodies import parse_json, sanitize
from sonnys_pipeline.client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthError,
    NotFoundError,
    OversizeError,
    RateLimitError,
    RedirectedError,
    ResponseFormatError,
    ServerError,
    ValidationError,
)
from sonnys_pipeline.runtime.quoting import QUOTED_BODY, masked, printable, quoted, sentence, word

#: Connections kept open: more than a budget of 20 requests per block can use.
POOL_SIZE = 32
#: Limits of a response in bytes, compressed and decompressed; a page of 100 large rows has half a megabyte.
MAX_WIRE_BYTES = 8 << 20
MAX_BYTES = 32 << 20
#: Bytes read of an error response.
MAX_ERROR_BYTES = 64 << 10
#: Limit for the whole response, in read timeouts.
_TOTAL_TIMEOUT = 2.0
_CHUNK = 64 << 10
#: zlib's `wbits` for a gzip header and the largest window.
_GZIP = 16 + zlib.MAX_WBITS
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500
#: Form of the API's error types, and the limit of messages quoted.
_ERROR_TYPE = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
_MAX_MESSAGES = 10
#: The contract's error types ("Errors"): their messages are the API's own.
_API_ERROR_TYPES = frozenset(
    {
        "UnexpectedFailure", "InvalidPayloadRequestTimestampError", "MissingClientCredentialsError",
        "BadClientCredentialsError", "MismatchCredentialsError", "NotAuthorizedError", "BadSiteCredentialsError",
        "NotAuthorizedSiteCredentialsError", "NotAuthorizedSiteArgsError", "EntityNotFoundError",
        "PayloadValidationError", "RequestRateExceedError", "ServerUnexpectedFailure",
    }
)  # fmt: skip
#: First byte of the API's responses.
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
    """A response with status 200; `date` is its `Date` header, `where` its method and path."""

    status: int
    content: bytes
    date: str | None = None
    where: str = ""

    def json(self) -> Any:  # noqa: ANN401 - JSON is any type until a model has read it
        """The parsed body, U+FFFD for invalid characters (`bodies.py`); `ResponseFormatError` if it is not JSON."""
        where = f"{self.where}: " if self.where else ""
        content = sanitize(self.content, self.where).content
        try:
            return parse_json(content, self.where or "the answer")
        except ValueError:
            # Quote a gateway's page, but not truncated rows: they hold personal data.
            broken = content.lstrip()[:1] in _JSON_STARTS
            what = f"broken after {len(self.content)} bytes" if broken else quoted(self.content)
            raise ResponseFormatError(f"{where}the answer is not JSON: {what}") from None


class HttpTransport:
    """Sends single requests over pooled connections; thread-safe. `server_date`: the last response's `Date` header."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, SecretStr | str],
        *,
        connect_timeout: float,
        read_timeout: float,
        quotes_pages: bool = True,
    ) -> None:
        """Check URL and headers, without sending anything; arguments as for `SonnysClient`.

        Secrets in `headers` are unwrapped only while sending; a whole response may take twice `read_timeout` seconds.
        """
        self.base_url = checked_base_url(base_url)
        self.server_date: str | None = None
        self._headers = dict(headers)
        for name, value in self._headers.items():
            checked_header(value.get_secret_value() if isinstance(value, SecretStr) else value, name)
        self._secrets = [value for value in self._headers.values() if isinstance(value, SecretStr)]
        self._timeouts = (connect_timeout, read_timeout)
        self._quotes_pages = quotes_pages
        self._session = requests.Session()
        # Use the environment's proxies and certificates, but not the credentials in `~/.netrc`.
        self._session.auth = _skip_netrc
        if _scheme_and_host(self.base_url)[0] == "http":
            # Loopback: the environment's proxy would get the credentials unencrypted.
            self._session.trust_env = False
        # The API uses no cookies; without them, the session has no state that threads could race for.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=POOL_SIZE, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def send(self, method: str, path: str, params: Mapping[str, Any] | None) -> Response:
        """Send one request and read its response (errors: `errors.py`); parameters that are `None` are left out."""
        headers = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self._headers.items()
        }
        query = {name: value for name, value in (params or {}).items() if value is not None}
        what = f"{method} {path}"
        self.server_date = None
        try:
            with self._session.request(
                method,
                self.base_url + path,
                params=query,
                headers=headers,
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
            ) as answer:
                self.server_date = answer.headers.get("Date")
                return self._read(answer, what)
        except (requests.Timeout, ReadTimeoutError) as error:
            raise APITimeoutError(
                f"{what}: no answer within {self._timeouts[1]:g} s (connecting: {self._timeouts[0]:g} s)"
            ) from _without_request(error)
        except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: an invalid Location
            raise APIConnectionError(
                f"{what}: no answer from {self.base_url} ({_reason(error)}); check SONNYS_BASE_URL, network and TLS"
            ) from (None if _may_quote_response(error) else _without_request(error))

    def _read(self, answer: requests.Response, what: str) -> Response:
        if answer.is_redirect:
            target = _scheme_and_host(answer.headers["Location"])[1] or "elsewhere"
            target = word(masked(target, self._secrets))
            raise RedirectedError(f"{what}: redirected to {target}; not followed, to keep the credentials from it")
        deadline = time.monotonic() + _TOTAL_TIMEOUT * self._timeouts[1]
        if answer.status_code != requests.codes.ok:
            content = b""
            with suppress(APIError, HTTPError):  # the status is enough if the body is too long or truncated
                for part in _body(answer, what, deadline, MAX_ERROR_BYTES):
                    content += part
            raise status_error(answer.status_code, content, self._secrets, quotes_pages=self._quotes_pages)
        content = b"".join(_body(answer, what, deadline, MAX_BYTES))
        if content.removeprefix(BOM_UTF8).lstrip()[:1] not in _JSON_STARTS:
            said = quoted(content, self._secrets) if self._quotes_pages else f"{len(content)} bytes, not quoted"
            raise ResponseFormatError(f"{what}: the answer is not JSON: {said}")
        return Response(answer.status_code, content, answer.headers.get("Date"), what)

    def close(self) -> None:
        """Close every connection."""
        self._session.close()


def checked_base_url(base_url: str) -> str:
    """The URL without a trailing slash; `ValueError` if credentials must not be sent to it."""
    if "@" in base_url or "?" in base_url or "#" in base_url:  # first, since a password must not be quoted
        raise ValueError("SONNYS_BASE_URL: leave user, password, query and fragment out of the URL")
    scheme, host = _scheme_and_host(base_url)
    if scheme not in {"https", "http"} or not host:
        raise ValueError(f"SONNYS_BASE_URL: {base_url!r} is not a URL such as https://host/v1")
    if scheme == "http" and not is_loopback(host):
        raise ValueError(f"SONNYS_BASE_URL: {base_url!r} would send the key in the clear; use https")
    return base_url.rstrip("/")


def checked_header(value: str, name: str) -> str:
    """The value of a header; `ValueError`, without the value, unless it is printable ASCII without surrounding space.

    The HTTP library's own error would quote it, secret or not.
    """
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValueError(f"{name}: has a line break, surrounding space, or a character that headers cannot contain")
    return value


def _scheme_and_host(url: str) -> tuple[str, str]:
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


def status_error(
    status: int, content: bytes, secrets: Sequence[SecretStr] = (), *, quotes_pages: bool = True
) -> APIError:
    """The error for a response that is not 200 (contract, "Errors").

    Quotes errors of the API's own types and, if `quotes_pages`, those of other types and pages that are not JSON; never
    other JSON (rows hold personal data), a 2xx body, or `secrets` (a gateway may echo the request's headers).
    """
    if status < _FIRST_ERROR:
        return APIStatusError(status, None, (), f"{len(content)} bytes, not quoted: only 200 is an answer")
    error_type: str | None = None
    messages: tuple[str, ...] = ()
    try:
        body = from_json(sanitize(content).content)
    except (ValueError, ResponseFormatError):
        body = None
    is_error = isinstance(body, dict) and isinstance(body.get("type"), str) and _ERROR_TYPE.fullmatch(body["type"])
    if is_error and not (quotes_pages or body["type"] in _API_ERROR_TYPES):
        messages = (f"{len(content)} bytes, not quoted: an error of a type that the API is not known to send",)
    elif is_error:
        error_type = masked(body["type"], secrets)
        said = body.get("messages") or [body.get("message")]
        messages = tuple(
            printable(masked(part, secrets), QUOTED_BODY)
            for part in (said if isinstance(said, list) else [said])[:_MAX_MESSAGES]
            if isinstance(part, str)
        )
        if isinstance(code := body.get("code"), str | int):
            messages += (f"support code {word(masked(str(code), secrets))}",)
    page = quotes_pages and body is None and content.lstrip()[:1] not in _JSON_STARTS
    kind = _STATUS_ERRORS.get(status) or (ServerError if status >= _FIRST_SERVER_ERROR else APIStatusError)
    return kind(status, error_type, messages, quoted(content, secrets) if page else "")


def _body(answer: requests.Response, what: str, deadline: float, most: int) -> Iterator[bytes]:
    """The decompressed body in parts, at most `most` bytes, to be complete by `deadline` (monotonic seconds)."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip", ""}:
        raise OversizeError(f"{what}: the answer is encoded as {word(encoding)}, which was not asked for")
    unpacking = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    wire = unpacked = 0
    raw: BaseHTTPResponse = answer.raw
    for packed in raw.stream(_CHUNK, decode_content=False):
        wire += len(packed)
        part = packed
        if unpacking is not None:
            try:
                part = unpacking.decompress(packed, most - unpacked + 1)
            except zlib.error:
                raise ResponseFormatError(f"{what}: the answer claims to be gzip but is not") from None
        unpacked += len(part)
        if unpacked > most or wire > MAX_WIRE_BYTES:
            raise OversizeError(
                f"{what}: the answer has more than {most:,} bytes, or {MAX_WIRE_BYTES:,} compressed, more than any "
                "page; reading stopped"
            )
        if time.monotonic() > deadline:
            raise APITimeoutError(f"{what}: the answer was not complete in time; reading stopped")
        yield part
    if unpacking is not None and wire and not unpacking.eof:
        raise APIConnectionError(f"{what}: the answer was cut off before its end")


def _skip_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _reason(error: BaseException) -> str:
    """The innermost cause: `ConnectionRefusedError` says more than its wrappers."""
    if _may_quote_response(error):
        return f"{type(error).__name__}, not quoted: the answer is not HTTP"
    while (inner := error.__cause__ or error.__context__ or getattr(error, "reason", None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return sentence(f"{type(error).__name__}: {error}", QUOTED_BODY)


def _may_quote_response(error: BaseException | None) -> bool:
    """Whether an error or its cause quotes what it could not read, which might be rows."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, HTTPException) and not isinstance(error, RemoteDisconnected):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _without_request(error: Exception) -> Exception:
    """Removes the request with its headers, so that debuggers and pickles do not show them."""
    if isinstance(error, requests.RequestException):
        error.request = None
        error.response = None
    return error
