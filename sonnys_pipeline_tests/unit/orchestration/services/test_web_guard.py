"""RB-02, SECURITY.md: which requests reach Dagster's web server, and which are refused."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from sonnys_pipeline.orchestration.services.web_guard import WebGuard

LOCAL = "localhost:3000"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
CROSS = {"Sec-Fetch-Site": "cross-site"}


async def reached(scope: Scope, receive: Receive, send: Send) -> None:
    """The application behind the guard."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"reached"})


def sent(kind: str, address: str, headers: Mapping[str, str], hosts: tuple[str, ...], **scope: Any) -> list[Message]:
    """What a guarded application sends to a client with these headers; by default it asks for `LOCAL`."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        messages.append(message)

    parts = urlsplit(address)
    named = {"Host": LOCAL, **headers}
    asked = {
        "type": kind, "path": parts.path, "query_string": parts.query.encode(), **scope,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in named.items()],
    }  # fmt: skip
    asyncio.run(WebGuard(reached, hosts)(asked, receive, send))
    return messages


def ask(method: str, address: str, headers: Mapping[str, str] | None = None, *hosts: str) -> tuple[int, str]:
    """Status and text of an answer."""
    start, body = sent("http", address, headers or {}, hosts, method=method)
    return start["status"], body["body"].decode()


def connect(headers: Mapping[str, str]) -> str:
    """What becomes of a websocket."""
    (message,) = sent("websocket", "/graphql", headers, ())
    return str(message["type"])


@pytest.mark.parametrize("host", [LOCAL, "127.0.0.1:3000", "[::1]:3000", "LOCALHOST", "localhost."])
def test_it_goes_by_the_names_of_this_machine(host):
    """With or without port."""
    assert ask("GET", "/runs", {"Host": host}) == (200, "reached")


def test_answers_may_not_be_put_into_frames():
    """Where a click that is meant for the page around would hit a button of ours."""
    start, _ = sent("http", "/runs", {}, (), method="GET")

    assert (b"x-frame-options", b"DENY") in start["headers"]


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "["]
)
def test_other_names_are_refused(host):
    """A name of somebody else's may point here, and its pages would count as ours (DNS rebinding)."""
    status, said = ask("POST", "/graphql", {"Host": host})

    assert status == 403
    assert "--allow-host" in said


def test_a_name_that_is_allowed_is_one_of_ours():
    """A proxy's, by https while we speak http; it is compared whole."""
    name = "dagster.example.com"
    for host in (name, "127.0.0.1:3000"):  # proxies hand the name on, or do not
        assert ask("POST", "/graphql", {"Host": host, "Origin": f"https://{name}"}, name)[0] == 200
    assert ask("GET", "/", {"Host": f"x.{name}"}, name)[0] == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:8000",
        "https://localhost:3000.evil.example",
        "x",
        "",
        "http://[",
    ],
)
def test_pages_of_others_cannot_send(origin):
    """Neither another site's, nor another port's of this machine, nor one without an origin."""
    assert ask("POST", "/graphql", {"Origin": origin})[0] == 403


def test_our_own_pages_can():
    """As the UI sends."""
    own = {"Origin": f"http://{LOCAL}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}

    assert ask("POST", "/graphql", own) == (200, "reached")


def test_programs_that_are_no_browsers_can():
    """Scripts and `curl` send neither header; no page can make a browser leave out both."""
    assert ask("POST", "/graphql") == (200, "reached")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/graphql", "/prefix/graphql", "/graphql/"])
def test_no_graphql_in_an_address(method, path):
    """An image, a link or a form would carry it, also of a browser that sends none of these headers."""
    status, said = ask(method, f"{path}?variables=%7B%7D&query=mutation%7Bx%7D")

    assert status == 403
    assert "in the body" in said


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("dest", ["image", "script", "iframe", "empty"])
def test_images_scripts_and_frames_of_other_pages_are_refused(site, dest):
    """Whatever they ask for."""
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": dest}

    assert ask("GET", "/runs", headers)[0] == 403


def test_a_link_in_a_chat_opens_a_page():
    """Messages of `alerts` have links; opening a page changes nothing. A form that is sent there is no link."""
    assert ask("GET", "/runs/1", {**CROSS, **NAVIGATION}) == (200, "reached")
    assert ask("POST", "/graphql", {**CROSS, **NAVIGATION})[0] == 403


def test_websockets_of_other_pages_are_refused():
    """Browsers do not keep pages from opening them, only say whose page it is."""
    assert connect({"Origin": f"http://{LOCAL}"}) == "websocket.accept"
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, CROSS):
        assert connect(headers) == "websocket.close"


def test_probes_of_an_orchestrator_are_answered():
    """They ask by a pod's address, for versions only."""
    assert ask("GET", "/server_info", {"Host": "10.1.2.3:3000"})[0] == 200
    assert ask("GET", "/runs", {"Host": "10.1.2.3:3000"})[0] == 403
