"""A handful of the same answers over a real local socket: what the HTTP library makes of them, too, is one line."""

from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sonnys_pipeline.client import APIError, RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline_tests.fuzz.answers import PERSONAL, Sent, Step, changed, steps
from sonnys_pipeline_tests.fuzz.api import HostileApi, day_of
from sonnys_pipeline_tests.fuzz.conftest import profile
from sonnys_pipeline_tests.fuzz.test_calls import SPAN
from sonnys_pipeline_tests.fuzz.test_days import refused_well


class Served:
    """What the server sends next, head and body as they are."""

    head: bytes = b""
    body: bytes = b""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Served]]:
    """Its address, and what it sends; each answer ends its connection."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                self.wfile.write(served.head + b"\r\n" + served.body)

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/v1", served
    listening.shutdown()
    listening.server_close()


#: Lines of a head that no server of ours writes: lengths that lie, two of them, none, chunks, control characters.
heads = st.lists(
    st.sampled_from(
        [b"Content-Length: 0", b"Content-Length: 9999999", b"Content-Length: -1", b"Content-Length: x",
         b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"Content-Encoding: br", b"X: \x1b[2J\xff",
         b"Location: http://" + PERSONAL.encode() + b"@evil.test/", b"no colon", b" folded", b"Date: \x07"]
    ),
    max_size=3,
)  # fmt: skip


@hypothesis_settings(profile(), max_examples=max(25, profile().max_examples // 20))
@given(drawn=steps, lines=heads, status=st.sampled_from([200, 200, 200, 204, 206, 302, 404, 500, 999]))
def test_an_answer_off_the_wire_is_a_page_or_one_error(
    server: tuple[str, Served], drawn: list[Step], lines: list[bytes], status: int
) -> None:
    """Under `drop`: a page without people in it, or one line without them."""
    base_url, served = server
    criteria = {**SPAN, "limit": 100, "offset": 1}
    assert day_of(criteria)
    sent = changed(Sent(HostileApi(3).page("h1", criteria)), drawn)
    served.body = sent.body
    more = [f"{name}: {value}".encode("utf-8", "replace") for name, value in sent.headers.items()]
    served.head = b"\r\n".join([b"HTTP/1.1 %d x" % (sent.status if status == 200 else status), *more, *lines, b""])
    with (
        RequestBudget("id", RequestRate(10_000, 1)) as budget,
        SonnysClient(
            "id", "key-4711", base_url=base_url, budget=budget, quotes_pages=False, connect_timeout=5, read_timeout=1
        ) as client,
    ):
        try:
            page = PageReader(Privacy(Policy.DROP), keeps_pages=True).read(client.unthrottled(), "h1", {})
        except APIError as error:
            event(f"refused: {type(error).__name__}")
            said = refused_well(error)
            assert PERSONAL not in said, said
            return
    event("read")
    if isinstance(page, PageRows):
        assert page.raw is not None
        assert PERSONAL.encode() not in page.raw.body
