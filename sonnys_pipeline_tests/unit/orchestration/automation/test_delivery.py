"""BM-09, KT-05, LJ-09: how a message reaches a webhook: once, however slow the answer; the address stays hidden."""

import html
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator

import pytest

from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.orchestration.automation.delivery import DeliveryError, webhook


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    """A server on loopback that keeps what is posted, and answers with the status in the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.posts.append((self.headers["Content-Type"], json.loads(body)))
            time.sleep(self.server.seconds)
            self.send_response(int(self.path.rpartition("/")[2]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    found = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    found.posts, found.seconds = [], 0.0
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_a_webhook_gets_the_text_as_json(server):
    """`{"text": …}`, in UTF-8."""
    webhook(f"http://127.0.0.1:{server.server_port}/200")("Fünf Tage fehlen")

    assert server.posts == [("application/json", {"text": "Fünf Tage fehlen"})]


def test_a_message_has_no_markup_of_chats(server):
    """Nobody is called, and no link hides behind a text, whatever a server wrote into what is told."""
    told = "<!channel> <https://evil.test|Dagster> @here [Dagster](https://evil.test) me@example.test R&D"
    webhook(f"http://127.0.0.1:{server.server_port}/200")(told)

    ((_, posted),) = server.posts
    text = posted["text"]
    assert not re.search(r"[<>]|@\w|\]\(|://", text)
    assert text.startswith("&lt;!channel&gt; &lt;https:")
    assert html.unescape(text).replace("\u200b", "") == told


def test_a_slow_answer_is_no_refusal(server):
    """KT-05: the receiver has the message and answers after the sender's patience: it is not sent again."""
    server.seconds = 0.3

    webhook(f"http://127.0.0.1:{server.server_port}/200", timeout=(5.0, 0.1))("text")

    assert len(server.posts) == 1


def test_a_slow_handshake_is_no_delivery(server):
    """The library calls it a read timeout too, but it comes before the patience for an answer is over."""
    server.seconds = 0.3
    clock = iter([0.0, 0.05])

    with pytest.raises(DeliveryError, match="TLS handshake"):
        webhook(f"http://127.0.0.1:{server.server_port}/200", timeout=(5.0, 0.1), clock=lambda: next(clock))("text")


@pytest.mark.parametrize("status", [302, 404, 503])
def test_a_webhook_that_refuses_is_no_delivery(server, status):
    """The error says the status, and not the address: whoever knows that can post."""
    with pytest.raises(DeliveryError, match=str(status)) as refused:
        webhook(f"http://127.0.0.1:{server.server_port}/part-that-must-not-show/{status}")("text")

    assert "must-not-show" not in repr(refused.value)


def test_a_webhook_that_is_not_there_is_no_delivery():
    """Nobody listens: neither the error nor what caused it has the address."""
    with pytest.raises(DeliveryError) as refused:
        webhook("http://127.0.0.1:9/part-that-must-not-show")("text")

    assert "must-not-show" not in repr(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("url", ["http://example.com/part-that-must-not-show", "part-that-must-not-show", "https://"])
def test_an_address_that_cannot_be_used_is_refused_without_being_shown(url):
    """Plain http to another machine, or no address at all: the variable is named, its value is not."""
    with pytest.raises(SettingsError, match="SONNYS_WEBHOOK_URL") as refused:
        Settings.load(webhook_url=url)

    assert "must-not-show" not in str(refused.value)


def test_the_address_is_masked():
    """Https anywhere, http on this machine; no rendering of the settings shows it."""
    for url in ("https://hooks.example.com/part-that-must-not-show", "http://127.0.0.1:1/part-that-must-not-show"):
        settings = Settings.load(webhook_url=url)
        assert settings.webhook_url.get_secret_value() == url
        assert "must-not-show" not in repr(settings)
