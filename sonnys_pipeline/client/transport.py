"""One HTTP exchange with the API: address, headers, timeouts, what came back (LJ-09)."""

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

from sonnys_pipeline.client.bodies import decoded, sound
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

#: Connections kept open; more requests than this are never in flight on a budget of 20 a block.
POOL_SIZE = 32
#: Bytes of an answer, on the wire and unpacked. A page of 100 large rows has half a megabyte.
MOST_WIRE_BYTES = 8 << 20
MOST_BYTES = 32 << 20
#: Bytes that are read of an answer that is an error; more than its message is of no use.
MOST_ERROR_BYTES = 64 << 10
#: Read timeouts that a whole answer may take, however it drips.
_WHOLE_ANSWER = 2.0
_CHUNK = 64 << 10
#: zlib's word for a gzip header, and the largest window.
_GZIP = 16 + zlib.MAX_WBITS
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500
#: How the API's words for errors look, and how many messages of one are worth reading.
_ERROR_TYPE = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
_MOST_MESSAGES = 10
#: The types of the contract's chapter "Errors": what an error of them says is the API's own.
_API_ERROR_TYPES = frozenset(
    {
        "UnexpectedFailure", "InvalidPayloadRequestTimestampError", "MissingClientCredentialsError",
        "BadClientCredentialsError", "MismatchCredentialsError", "NotAuthorizedError", "BadSiteCredentialsError",
        "NotAuthorizedSiteCredentialsError", "NotAuthorizedSiteArgsError", "EntityNotFoundError",
        "PayloadValidationError", "RequestRateExceedError", "ServerUnexpectedFailure",
    }
)  # fmt: skip
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
        where: what was asked, for errors.
    """

    status: int
    content: bytes
    date: str | None = None
    where: str = ""

    def json(self) -> Any:  # noqa: ANN401 - JSON is any type until a model has read it
        """The decoded body.

        Halves of characters in its text are U+FFFD (`bodies.py`).

        Raises:
            ResponseFormatError: when it is not JSON, such as a gateway's page with status 200.
        """
        where = f"{self.where}: " if self.where else ""
        content = sound(self.content, self.where).content
        try:
            return decoded(content, self.where or "the answer")
        except ValueError:
            # A gateway's page is worth quoting; rows that were cut off are not, they hold personal data.
            broken = content.lstrip()[:1] in _JSON_STARTS
            what = f"broken after {len(self.content)} bytes" if broken else quoted(self.content)
            raise ResponseFormatError(f"{where}the answer is not JSON: {what}") from None


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
        quotes_pages: bool = True,
    ) -> None:
        """Prepare, without connecting.

        Args:
            base_url: API root; `https`, or `http` on a loopback address.
            headers: sent with every request; secrets are unwrapped only while sending.
            connect_timeout: seconds for the connection and TLS.
            read_timeout: seconds without a byte of the answer; a whole one may take twice as long.
            quotes_pages: whether errors quote what is not the API's JSON, such as a gateway's page; not where nothing
                personal may be kept, since nobody knows what stands in it.

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
        self._quotes_pages = quotes_pages
        self._session = requests.Session()
        # Proxies and certificates of the environment are used; what `~/.netrc` has for a host is not sent to it.
        self._session.auth = _no_other_credentials
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
            ResponseFormatError: for an answer that is not JSON, or larger than any can be (`OversizeError`).
        """
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
        except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: a Location that is no address
            raise APIConnectionError(
                f"{what}: no answer from {self.base_url} ({_reason(error)}); check SONNYS_BASE_URL, network and TLS"
            ) from (None if _quotes_the_answer(error) else _without_request(error))

    def _read(self, answer: requests.Response, what: str) -> Response:
        """The body of an answer, as far as it is worth anything; an error where the answer is one."""
        if answer.is_redirect:
            target = _scheme_and_host(answer.headers["Location"])[1] or "elsewhere"
            target = word(masked(target, self._secrets))
            raise RedirectedError(f"{what}: redirected to {target}; not followed, the credentials would go there too")
        deadline = time.monotonic() + _WHOLE_ANSWER * self._timeouts[1]
        if answer.status_code != requests.codes.ok:
            content = b""
            with suppress(APIError, HTTPError):  # its status says enough, also where its body is too long or breaks off
                for part in _body(answer, what, deadline, MOST_ERROR_BYTES):
                    content += part
            raise status_error(answer.status_code, content, self._secrets, quotes_pages=self._quotes_pages)
        content = b"".join(_body(answer, what, deadline, MOST_BYTES))
        if content.removeprefix(BOM_UTF8).lstrip()[:1] not in _JSON_STARTS:
            # A page between us and the API.
            said = quoted(content, self._secrets) if self._quotes_pages else f"{len(content)} bytes, not quoted"
            raise ResponseFormatError(f"{what}: the answer is not JSON: {said}")
        return Response(answer.status_code, content, answer.headers.get("Date"), what)

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


def status_error(
    status: int, content: bytes, secrets: Sequence[SecretStr] = (), *, quotes_pages: bool = True
) -> APIError:
    """The error for an answer that is not 200 (contract, "Errors").

    It quotes errors of the API's own types and, where `quotes_pages` allows it, errors of other types and pages that
    are no JSON. It never quotes JSON of another form, since rows hold personal data, nor anything of an answer below
    400 that is not 200. A gateway's page may echo the request's headers: `secrets` are masked.
    """
    if status < _FIRST_ERROR:
        return APIStatusError(status, None, (), f"{len(content)} bytes, not quoted: only 200 is an answer")
    error_type: str | None = None
    messages: tuple[str, ...] = ()
    try:
        body = from_json(sound(content).content)
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
            for part in (said if isinstance(said, list) else [said])[:_MOST_MESSAGES]
            if isinstance(part, str)
        )
        if isinstance(code := body.get("code"), str | int):
            messages += (f"support code {word(masked(str(code), secrets))}",)
    page = quotes_pages and body is None and content.lstrip()[:1] not in _JSON_STARTS
    kind = _STATUS_ERRORS.get(status) or (ServerError if status >= _FIRST_SERVER_ERROR else APIStatusError)
    return kind(status, error_type, messages, quoted(content, secrets) if page else "")


def _body(answer: requests.Response, what: str, deadline: float, most: int) -> Iterator[bytes]:
    """The parts of a body, unpacked no further than `most` bytes.

    Raises:
        OversizeError: for more, on the wire or unpacked, or for an encoding that was not asked for.
        APITimeoutError: when it is not whole by `deadline`.
    """
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
                raise ResponseFormatError(f"{what}: the answer is no gzip although it says so") from None
        unpacked += len(part)
        if unpacked > most or wire > MOST_WIRE_BYTES:
            raise OversizeError(
                f"{what}: the answer has more than {most:,} bytes, or {MOST_WIRE_BYTES:,} on the wire, which no page "
                "has; it was broken off"
            )
        if time.monotonic() > deadline:
            raise APITimeoutError(f"{what}: the answer was not whole in time; it was broken off")
        yield part
    if unpacking is not None and wire and not unpacking.eof:
        raise APIConnectionError(f"{what}: the answer broke off before its end")


def _no_other_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The library looks into `~/.netrc` unless it is told how to authenticate; our headers are there already."""
    return request


def _reason(error: BaseException) -> str:
    """The innermost cause: `ConnectionRefusedError` tells more than the wrappers around it."""
    if _quotes_the_answer(error):
        return f"{type(error).__name__}, not quoted: the answer is no HTTP"
    while (inner := error.__cause__ or error.__context__ or getattr(error, "reason", None)) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return sentence(f"{type(error).__name__}: {error}", QUOTED_BODY)


def _quotes_the_answer(error: BaseException | None) -> bool:
    """Whether an error, or one behind it, is of those that quote what they could not read: it might be rows."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, HTTPException) and not isinstance(error, RemoteDisconnected):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _without_request(error: Exception) -> Exception:
    """The library's error keeps the request, and with it the headers; a debugger or a pickled error must not."""
    if isinstance(error, requests.RequestException):
        error.request = None
        error.response = None
    return error
