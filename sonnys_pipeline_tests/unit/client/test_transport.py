"""LJ-09, BM-07: one exchange: which addresses are accepted, what is followed, what each status becomes."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthError,
    NotFoundError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    SonnysClient,
    ValidationError,
)
from sonnys_pipeline.client.transport import Response, checked_base_url, checked_header, is_loopback, status_error

STATUSES: list[tuple[int, str, type[APIStatusError]]] = [
    (400, "UnexpectedFailure", ValidationError),
    (400, "InvalidPayloadRequestTimestampError", ValidationError),
    (403, "MissingClientCredentialsError", AuthError),
    (403, "BadClientCredentialsError", AuthError),
    (403, "MismatchCredentialsError", AuthError),
    (403, "NotAuthorizedError", AuthError),
    (403, "BadSiteCredentialsError", AuthError),
    (403, "NotAuthorizedSiteCredentialsError", AuthError),
    (403, "NotAuthorizedSiteArgsError", AuthError),
    (404, "EntityNotFoundError", NotFoundError),
    (422, "PayloadValidationError", ValidationError),
    (429, "RequestRateExceedError", RateLimitError),
    (500, "ServerUnexpectedFailure", ServerError),
    (503, "ServerUnexpectedFailure", ServerError),
    (599, "Whatever", ServerError),
    (401, "Whatever", APIStatusError),
    (418, "Whatever", APIStatusError),
]


@pytest.mark.parametrize(("status", "error_type", "kind"), STATUSES)
def test_each_status_has_its_error(
    wired_client: SonnysClient, wire: Any, status: int, error_type: str, kind: type[APIStatusError]
) -> None:
    """The contract's table of errors: exactly this class, with the API's own type and message kept."""
    wired_client.max_retries = 0
    wired_client.budget.cool_down = lambda: None
    wire.answer(status, {"type": error_type, "message": "what the API says"})
    with pytest.raises(APIStatusError) as caught:
        wired_client.sites.list()
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.type, error.messages) == (status, error_type, ("what the API says",))
    assert f"HTTP {status} {error_type}: what the API says — {error.remedy}" == str(error)


def test_several_messages_are_all_kept() -> None:
    """`PayloadValidationError` sends `messages`."""
    error = status_error(422, b'{"type": "PayloadValidationError", "messages": ["limit: too big.", "offset: 0."]}')
    assert isinstance(error, ValidationError)
    assert error.messages == ("limit: too big.", "offset: 0.")
    assert "limit: too big.; offset: 0." in str(error)


def test_the_support_code_is_kept() -> None:
    """A 500 carries a code for the helpdesk where there is one."""
    error = status_error(500, b'{"type": "ServerUnexpectedFailure", "message": "Oh.", "code": "SCEC0001"}')
    assert isinstance(error, ServerError)
    assert error.messages == ("Oh.", "support code SCEC0001")


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        (b"<html>\n  <h1>Bad   Gateway</h1>\n</html>", "<html> <h1>Bad Gateway</h1> </html>"),
        (b"", "no message"),
        (b"\xff\xfe\x00", "\ufffd"),
        (b"Zo\x1b[2Je \xe2\x80\xae", "Zo\\x1b[2Je \\u202e"),
        (b"see http://user:pa@ss@proxy.test/", "see http://***@proxy.test/"),
        # JSON that is not the API's error might be rows: none of it is quoted.
        (b"[1, 2]", "HTTP 502 without a type: no message"),
        (b'"text"', "HTTP 502 without a type: no message"),
        (b'{"type": 7}', "HTTP 502 without a type: no message"),
        (b'{"message": "Lee"}', "HTTP 502 without a type: no message"),
        (b'{"messages": {"a": "b"}}', "HTTP 502 without a type: no message"),
        (b'{"type": "Zoe Lee", "message": "Lee"}', "HTTP 502 without a type: no message"),
        (b'[{"customerName": "Lee', "HTTP 502 without a type: no message"),
    ],
)
def test_a_foreign_body_is_quoted(body: bytes, quoted: str) -> None:
    """A gateway's page, or anything else that is not the API's JSON: no type, and the start of it in one line."""
    error = status_error(502, body)
    assert isinstance(error, ServerError)
    assert error.type is None
    assert quoted in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize("status", [201, 202, 203, 204, 206, 226, 299, 304])
def test_only_200_is_an_answer(wired_client: SonnysClient, wire: Any, status: int) -> None:
    """Whatever else a proxy or server calls success is an error, and nothing of its body is quoted."""
    wired_client.max_retries = 0
    for body in ({"data": {"sites": []}}, {"type": "Lee", "message": "Lee"}, b"<html>Lee", [{"name": "Lee"}]):
        wire.answer(status, body)
        wire.script = wire.script[-1:]
        with pytest.raises(APIStatusError, match=f"HTTP {status} .*only 200 is an answer") as caught:
            wired_client.sites.list()
        assert "Lee" not in f"{caught.value} {vars(caught.value)}"


@pytest.mark.parametrize("status", [200, 418, 502])
def test_pages_are_not_quoted_where_nothing_personal_is_kept(wire: Any, status: int) -> None:
    """`SONNYS_PII=hash` or `drop`: nobody knows what stands in a page; the API's own words are still told."""
    with SonnysClient("id", "key", base_url="https://api.test/v1", quotes_pages=False, max_retries=0) as client:
        client._transport._session.mount("https://", wire)
        wire.answer(status, b"<html>Zoe Lee")
        with pytest.raises(APIError) as caught:
            client.sites.list()
        assert "Lee" not in f"{caught.value} {vars(caught.value)}"
        wire.answer(status, {"type": "Customer", "message": "Zoe Lee", "code": "Lee"})
        wire.script = wire.script[-1:]
        with pytest.raises(APIError) as caught:
            client.sites.list()
        assert "Lee" not in f"{caught.value} {vars(caught.value)}"
        wire.answer(422, {"type": "PayloadValidationError", "messages": ["site: Only 1 site can be selected."]})
        wire.script = wire.script[-1:]
        with pytest.raises(ValidationError, match="Only 1 site"):
            client.sites.list()


def test_a_long_body_is_cut() -> None:
    """An error message stays readable whatever a gateway sends."""
    error = status_error(502, b"x" * 1_000_000)
    assert isinstance(error, ServerError)
    assert len(error.body) == len(ServerError(500, None, (), "x" * 5000).body) == 300
    assert len(str(error)) < 600


def test_an_html_page_with_status_200_is_refused(wired_client: SonnysClient, wire: Any) -> None:
    """A page that is not JSON is an error that quotes it, never an empty answer."""
    wire.answer(200, b"<html>Please log in to the WiFi</html>")
    with pytest.raises(ResponseFormatError, match="Please log in to the WiFi"):
        wired_client.sites.list()


@pytest.mark.parametrize("body", [b'{"data": {"rows": [{"customerName": "Jos', b' [{"plate": "ABC1', b'{"total": NaN}'])
def test_broken_json_is_refused_without_quoting_rows(body: bytes) -> None:
    """Rows that were cut off on the way hold personal data: the message says how much came, and quotes none of it."""
    with pytest.raises(ResponseFormatError) as caught:
        Response(200, body).json()
    assert str(caught.value) == f"the answer is not JSON: broken after {len(body)} bytes"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("https://evil.test/v1", "evil.test"),
        ("http://api.test/v1", "api.test"),
        ("/login", "elsewhere"),
    ],
)
def test_redirects_are_not_followed(
    wired_client: SonnysClient, wire: Any, status: int, location: str, named: str
) -> None:
    """The credentials would go along: refused, naming where to; the other place is never asked."""
    wired_client.max_retries = 0
    wire.answer(status, b"", Location=location)
    with pytest.raises(APIConnectionError, match=f"redirected to {named}"):
        wired_client.sites.list()
    assert [sent.url for sent in wire.sent] == ["https://api.test/v1/site/list"]


def test_a_malformed_redirect_is_an_api_error_too(wired_client: SonnysClient, wire: Any) -> None:
    """A Location that is no address breaks nothing else."""
    wired_client.max_retries = 0
    wire.answer(302, b"", Location="https://[evil/v1")
    with pytest.raises(APIConnectionError):
        wired_client.sites.list()


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (requests.ConnectTimeout("slow"), APITimeoutError),
        (requests.ReadTimeout("slow"), APITimeoutError),
        (requests.ConnectionError("refused"), APIConnectionError),
        (requests.exceptions.SSLError("bad certificate"), APIConnectionError),
        (requests.exceptions.ChunkedEncodingError("cut"), APIConnectionError),
        (requests.exceptions.InvalidURL("port"), APIConnectionError),
    ],
)
def test_no_answer_is_a_connection_error(
    wired_client: SonnysClient, wire: Any, trouble: Exception, kind: type[APIError]
) -> None:
    """Whatever the HTTP library raises becomes one of two errors, which name what was asked and keep the cause."""
    wired_client.max_retries = 0
    wire.break_with(trouble)
    with pytest.raises(APIError) as caught:
        wired_client.sites.list()
    assert type(caught.value) is kind
    assert "GET /site/list" in str(caught.value)
    assert caught.value.__cause__ is trouble


def test_a_time_out_names_its_seconds(wired_client: SonnysClient, wire: Any) -> None:
    """LJ-04: a person sees which time-out it was."""
    wired_client.max_retries = 0
    wire.break_with(requests.ReadTimeout("slow"))
    with pytest.raises(APITimeoutError, match=r"within 60 s \(connecting: 10 s\)"):
        wired_client.sites.list()


@pytest.mark.parametrize(
    "url",
    [
        "https://trigonapi.sonnyscontrols.com/v1",
        "https://10.0.0.7:8443/v1",
        "HTTPS://api.test",
        "http://127.0.0.1:8899/v1",
        "http://127.8.9.10/v1",
        "http://[::1]:8899/v1",
        "http://localhost/v1",
        "http://LOCALHOST:1/v1",
    ],
)
def test_safe_addresses_are_accepted(url: str) -> None:
    """`https` anywhere, `http` on this machine alone; a trailing slash is dropped."""
    assert checked_base_url(url) == url
    assert checked_base_url(f"{url}/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.test/v1",
        "http://10.0.0.7/v1",
        "http://0.0.0.0/v1",
        "http://localhost.evil.test/v1",
        "http://127.0.0.1.evil.test/v1",
        "http://127.1/v1",
        "http://127.0.0.1\\evil.test/v1",
    ],
)
def test_plain_http_elsewhere_is_refused(url: str) -> None:
    """The key would go over the wire in the clear."""
    with pytest.raises(ValueError, match=r"SONNYS_BASE_URL: .* in the clear; use https"):
        checked_base_url(url)
    with pytest.raises(ValueError, match="in the clear"):
        SonnysClient("id", "key", base_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@api.test/v1",
        "https://user@api.test/v1",
        "http://127.0.0.1@evil.test/hunter2",
        "user:hunter2@api.test/v1",
        "ftp://user:hunter2@api.test",
        "https://api.test/v1?key=hunter2",
        "https://api.test/v1#hunter2",
    ],
)
def test_addresses_with_more_than_an_address_are_refused(url: str) -> None:
    """User, password, query and fragment have no place there, and are not quoted."""
    with pytest.raises(ValueError, match="leave user, password, query and fragment out") as caught:
        checked_base_url(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "api.test/v1", "ftp://api.test", "https://", "https:///v1", "http://[bad/v1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """The message shows how one looks."""
    with pytest.raises(ValueError, match=r"SONNYS_BASE_URL: .*https://host/v1"):
        checked_base_url(url)


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True),
                                                ("8.8.8.8", False), ("::2", False), ("example", False)])  # fmt: skip
def test_loopback_is_this_machine(host: str, loopback: bool) -> None:
    """Names are not looked up."""
    assert is_loopback(host) is loopback


def test_netrc_is_not_sent_along(monkeypatch: pytest.MonkeyPatch, wire: Any, tmp_path: Path) -> None:
    """What `~/.netrc` has for the API's host is another's login: ours are the headers; proxies still come from outside.

    Certificates of the environment are kept, too.
    """
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(netrc))
    wire.answer(body={"data": {"sites": []}})
    for base_url in ("https://api.test/v1", "http://127.0.0.1:1/v1"):
        with SonnysClient("id", "key", base_url=base_url) as client:
            session = client._transport._session
            session.mount("https://", wire)
            session.mount("http://", wire)
            client.sites.list()
            outside = session.merge_environment_settings("https://api.test/v1", {}, None, None, None)
            if base_url.startswith("https"):
                assert (outside["proxies"]["https"], outside["verify"]) == ("http://proxy.test:3128", str(netrc))
    assert len(wire.sent) == 2
    assert not any("Authorization" in sent.headers for sent in wire.sent)


@pytest.mark.parametrize("proxy", ["http://bob:hunter2@[bad", "http://bob:hunter2@proxy.test:99999", "bob:hunter2@:80"])
def test_the_password_of_a_proxy_is_not_printed(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """The HTTP library quotes the address that it could not use: user and password are masked in its words."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    with (
        SonnysClient("id", "key", base_url="https://api.invalid/v1", max_retries=0) as client,
        pytest.raises(APIConnectionError) as caught,
    ):
        client.sites.list()
    assert "hunter2" not in str(caught.value)


def test_no_proxy_stands_between_us_and_loopback(monkeypatch: pytest.MonkeyPatch, wire: Any) -> None:
    """Plain http to loopback ignores a proxy of the environment, which would carry the key elsewhere in the clear."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.test:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with SonnysClient("id", "key", base_url="http://127.0.0.1:1/v1") as client:
        session = client._transport._session
        assert session.merge_environment_settings("http://127.0.0.1:1/v1", {}, None, None, None)["proxies"] == {}


@pytest.mark.parametrize("value", ["hunter2\n", " hunter2", "hunter2 ", "hun\rter2", "hunter2\x00", "hunter2é"])
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(value: str) -> None:
    """A line break at the end of a secret file is common: it is named where it is noticed, and the secret is not."""
    for arguments in ((value, "key"), ("id", value), ("id", "key", value)):
        with pytest.raises(ValueError, match="X-Sonnys-") as caught:
            SonnysClient(*arguments)
        assert "hunter2" not in str(caught.value)
    assert checked_header("hunter2", "X") == "hunter2"


def test_the_servers_clock_is_known_after_any_answer(wired_client: SonnysClient, wire: Any) -> None:
    """Its `Date` header, from a refusal too; an answer without one, or no answer, leaves nothing of the one before."""
    wired_client.max_retries = 0
    wire.answer(200, {"data": {"sites": []}}, Date="Sun, 22 Nov 2026 12:00:00 GMT")
    wire.answer(403, {"type": "BadClientCredentialsError"}, Date="Sun, 22 Nov 2026 12:00:09 GMT")
    wire.answer(200, {"data": {"sites": []}})
    wire.answer(200, {"data": {"sites": []}}, Date="Sun, 22 Nov 2026 12:00:18 GMT")
    wire.break_with(requests.ConnectionError("dropped"))
    known = [wired_client.server_date]
    for _ in range(5):
        with suppress(APIError):
            wired_client.sites.list()
        known.append(wired_client.server_date and wired_client.server_date[-6:-4])
    assert known == [None, "00", "09", None, "18", None]
