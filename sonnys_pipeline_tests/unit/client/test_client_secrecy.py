"""Security of LJ-09: id and key stand in no rendering, log, error, exception chain, pickle or file."""

import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from sonnys_pipeline.client import APIConnectionError, APIError, RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.runtime.quoting import masked
from sonnys_pipeline.simulator import Faults, Simulator

API_ID = "test-id-0815"
API_KEY = "test-key-4711"


def assert_secret(text: str) -> None:
    """Neither credential stands in a text."""
    assert API_ID not in text
    assert API_KEY not in text


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SONNYS_API_ID", API_ID)
    monkeypatch.setenv("SONNYS_API_KEY", API_KEY)
    monkeypatch.setenv("SONNYS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SONNYS_BASE_URL", "http://127.0.0.1:9/v1")
    return Settings.load()


def test_renderings_hold_no_credential(settings: Settings, wired_client: SonnysClient) -> None:
    """`repr`, `str` and `vars` of client, transport, budget and settings, as a debugger or a log would show them."""
    parts: list[object] = [settings, wired_client, wired_client.budget, wired_client._transport]
    for part in [*parts, wired_client.transactions, wired_client.sites]:
        assert_secret(f"{part!r} {part} {vars(part)}")
    assert_secret(settings.model_dump_json())
    assert settings.api_key.get_secret_value() == API_KEY


TROUBLES: dict[str, Callable[[Any], None]] = {
    "403": lambda wire: wire.answer(403, {"type": "BadClientCredentialsError", "message": "no"}),
    "422": lambda wire: wire.answer(422, {"type": "PayloadValidationError", "messages": ["no"]}),
    "429": lambda wire: wire.answer(429, {"type": "RequestRateExceedError", "message": "no"}),
    "500": lambda wire: wire.answer(500, {"type": "ServerUnexpectedFailure", "message": "no", "code": "7"}),
    "502": lambda wire: wire.answer(502, b"<html>"),
    "redirect": lambda wire: wire.answer(302, b"", Location="https://evil.test/"),
    "html": lambda wire: wire.answer(200, b"<html>"),
    "no data": lambda wire: wire.answer(200, []),
    "refused": lambda wire: wire.break_with(requests.ConnectionError("refused")),
    "slow": lambda wire: wire.break_with(requests.ReadTimeout("slow")),
    "bad url": lambda wire: wire.break_with(requests.exceptions.InvalidURL("no")),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_failures_hold_no_credential(
    wired_client: SonnysClient, wire: Any, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    """Whatever fails, with repetitions: log at DEBUG, message, chain, attributes and pickle are free of both."""
    wired_client.max_retries = 2
    wired_client.budget.cool_down = lambda: None
    TROUBLES[trouble](wire)
    with caplog.at_level(logging.DEBUG), pytest.raises(APIError) as caught:
        wired_client.sites.list()
    error: BaseException | None = caught.value
    assert wire.sent[0].headers["X-Sonnys-API-Key"] == API_KEY
    assert_secret("".join(traceback.format_exception(caught.value)))
    assert_secret(caplog.text)
    assert_secret(repr(pickle.dumps(caught.value)))
    while error is not None:
        assert_secret(f"{error!r} {vars(error)}")
        assert getattr(error, "request", None) is None
        assert getattr(error, "response", None) is None
        error = error.__cause__ or error.__context__


def test_repetitions_are_logged_without_parameters(
    wired_client: SonnysClient, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """BM-07: a person sees what is repeated, why, and when; not with which parameters."""
    wire.break_with(requests.ConnectionError("refused"))
    wire.answer(body={"data": {"hash": "h"}})
    wired_client.transactions.submit_job(site="MAIN")
    assert [record.getMessage() for record in caplog.records if record.name == "sonnys_pipeline.client.client"] == [
        "POST /transaction/load-job: APIConnectionError; attempt 2 of 6 in 0.8 s"
    ]


def test_nothing_leaks_over_real_http(
    start_simulator: Callable[..., Simulator],
    connect: Callable[..., SonnysClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The HTTP library's own DEBUG log shows paths, and neither header."""
    simulator = start_simulator(
        api_id=API_ID, api_key=API_KEY, faults=Faults(drop_before=2, server_errors=2, redirects=-1)
    )
    with caplog.at_level(logging.DEBUG):
        client = connect(simulator)
        with pytest.raises(APIConnectionError) as caught:
            client.sites.list()
    assert "/v1/site/list" in caplog.text
    assert_secret(caplog.text)
    assert_secret("".join(traceback.format_exception(caught.value)))


def test_a_refused_connection_holds_no_credential(settings: Settings) -> None:
    """A real refusal, through the whole chain of the library's errors."""
    settings = settings.model_copy(update={"max_retries": 0})
    with settings.open_client() as client, pytest.raises(APIConnectionError) as caught:
        client.sites.list()
    text = "".join(traceback.format_exception(caught.value))
    assert "ConnectionRefusedError" in text
    assert_secret(text)


def test_the_budget_file_is_its_owners_alone(settings: Settings) -> None:
    """State folder 0700, budget 0600, and the API id is not in any of its files in the clear."""
    with settings.open_budget() as budget:
        budget.acquire()
        folder = settings.state_dir
        assert folder.stat().st_mode & 0o777 == 0o700
        files = {path.name: path for path in folder.iterdir()}
        assert "budget.sqlite" in files
        for path in files.values():
            content = path.read_bytes()
            assert API_ID.encode() not in content
            assert not content or path.stat().st_mode & 0o777 == 0o600


def test_a_budget_file_of_ones_own_choice_is_private_too(tmp_path: Path) -> None:
    """The folder that is made for it is the owner's alone, also where `SONNYS_BUDGET_URL` names it."""
    path = tmp_path / "shared" / "budget.sqlite"
    RequestBudget(API_ID, RequestRate(), f"sqlite:///{path}").close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


ECHO = f"<html>x-sonnys-api-key: {API_KEY}\nX-Sonnys-API-ID={API_ID}; {API_KEY}</html>"
ESCAPED = "".join(f"\\u{ord(letter):04x}" for letter in API_KEY)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, ECHO.encode()),
        (200, ECHO.encode()),
        (502, f"{'x' * 290}{API_KEY}".encode()),
        (403, {"type": "BadClientCredentialsError", "message": f"no such key: {API_KEY}", "code": API_KEY}),
        (422, {"type": "PayloadValidationError", "messages": [f"{API_ID} may not", {"key": API_KEY}]}),
        (500, f'{{"type": "ServerUnexpectedFailure", "message": "{ESCAPED}"}}'.encode()),
    ],
    ids=["page", "page with 200", "at the cut", "message", "messages", "escaped"],
)
def test_what_a_gateway_echoes_is_masked(wired_client: SonnysClient, wire: Any, status: int, body: Any) -> None:
    """A page or message that repeats the request's headers: quoted with `***` in the place of id and key, never cut.

    The key cut in two would be a leak, too.
    """
    wired_client.max_retries = 0
    wire.answer(status, body)
    with pytest.raises(APIError) as caught:
        wired_client.sites.list()
    assert_secret(f"{caught.value} {caught.value!r} {vars(caught.value)}")
    assert_secret(repr(pickle.dumps(caught.value)))
    assert API_KEY[:6] not in f"{caught.value} {vars(caught.value)}"
    assert "***" in str(caught.value)


def test_other_spellings_of_a_key_are_masked() -> None:
    """As HTML and as a URL write it; and an id that is a part of the key does not leave the rest of the key."""
    secrets = [SecretStr("id&b"), SecretStr("id&b/c=")]
    assert masked("id&b id&amp;b id%26b id&b/c= id%26b%2Fc%3D", secrets) == "*** *** *** *** ***"


@pytest.mark.parametrize("secret", ["", "u", "Not"])
def test_what_is_too_short_for_a_secret_spoils_no_word(secret: str) -> None:
    """The API's own word for an error stays what it is, which remedies go by."""
    assert masked("NotAuthorizedError", [SecretStr(secret)]) == "NotAuthorizedError"
