"""Answers without an end, over real sockets: bombs, drips, odd encodings. Each is given up; memory stays bounded."""

import gzip
import json
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from sonnys_pipeline.client import APIConnectionError, APIError, APITimeoutError, OversizeError, SonnysClient, transport
from sonnys_pipeline.client import ResponseFormatError as FormatError

SITES = json.dumps({"data": {"sites": [{"name": "Main"}]}}).encode()
Serve = Callable[..., SonnysClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A client on a server that sends these parts, with these headers."""
    with ExitStack() as opened:

        def start(parts: list[bytes], *, status: int = 200, read_timeout: float = 20.0, **headers: str) -> SonnysClient:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name.replace("_", "-"), value)
                    self.end_headers()
                    for part in parts:
                        try:
                            self.wfile.write(part)
                        except OSError:
                            return  # the client has had enough

                def log_message(self, *_: Any) -> None:
                    pass

            server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.daemon_threads = True
            opened.callback(server.server_close)
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            opened.callback(server.shutdown)
            client = SonnysClient(
                "id", "key", base_url=f"http://127.0.0.1:{server.server_port}", max_retries=0, read_timeout=read_timeout
            )
            return opened.enter_context(client)

        yield start


def test_packed_and_plain_answers_are_read(serve: Serve) -> None:
    """Gzip as it was asked for, and none."""
    assert [site.name for site in serve([SITES]).sites.list()] == ["Main"]
    packed = gzip.compress(SITES)
    client = serve([packed[:9], packed[9:]], Content_Encoding="gzip")
    assert [site.name for site in client.sites.list()] == ["Main"]


def _bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("status", [200, 500])
def test_a_bomb_is_unpacked_no_further_than_a_page_goes(serve: Serve, status: int) -> None:
    """A gigabyte of blanks in a megabyte: the page is given up by name, and memory stays below two bodies' bound."""
    bomb = _bomb(1024)
    assert len(bomb) < 2 << 20
    client = serve([bomb], status=status, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(APIError) as caught:
            client.transactions.get_job_data("h1")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * transport.MAX_BYTES
    if status == 200:
        assert isinstance(caught.value, OversizeError)
        assert "GET /transaction/get-job-data" in str(caught.value)
        assert "more than 33,554,432 bytes" in str(caught.value)


def test_an_endless_answer_is_broken_off(serve: Serve) -> None:
    """A hundred megabytes as they are: no more than the bound is read from the wire."""
    client = serve([b"[", *[b" " * (1 << 20)] * 100])
    with pytest.raises(OversizeError):
        client.sites.list()


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x\x1b[2J"])
def test_an_encoding_that_was_not_asked_for_is_refused(serve: Serve, encoding: str) -> None:
    """Layers of packing multiply; nothing but one layer of gzip was asked for."""
    with pytest.raises(OversizeError, match="not asked for") as caught:
        serve([gzip.compress(gzip.compress(SITES))], Content_Encoding=encoding).sites.list()
    assert str(caught.value).isprintable()


def test_what_is_no_gzip_is_no_traceback(serve: Serve) -> None:
    """Nor is one that ends in the middle."""
    with pytest.raises(FormatError, match="claims to be gzip but is not"):
        serve([SITES], Content_Encoding="gzip").sites.list()
    with pytest.raises(APIConnectionError, match="cut off before its end"):
        serve([gzip.compress(SITES)[:-12]], Content_Encoding="gzip").sites.list()


def test_an_answer_that_drips_is_given_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part comes within the read timeout, the whole never would."""
    monkeypatch.setattr(transport, "_TOTAL_TIMEOUT", 0.0)
    with pytest.raises(APITimeoutError, match="not complete in time"):
        serve([SITES]).sites.list()


def test_a_deep_page_does_not_end_the_process() -> None:
    """An unknown field nested 20,000 deep, 42 kB: refused with the name of its page, in a process that lives on."""
    script = """
from sonnys_pipeline.client import ResponseFormatError
from sonnys_pipeline.extract.pages.page import parse_page
for body in (b'{"data":{"status":"pass","total":1,"data":[{"new":' + b'[' * 20000 + b']' * 20000 + b'}]}}',
             b'{"data":{"status":"pass","total":1,"data":[' + b'{"a":' * 20000 + b'1' + b'}' * 20000 + b']}}'):
    try:
        parse_page("h7", body)
    except ResponseFormatError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["load job h7: it is nested more than 64 levels deep; it was discarded"] * 2


def test_rows_in_the_place_of_a_chunks_length_are_not_quoted(serve: Serve) -> None:
    """The HTTP library quotes what it could not read, a page: nothing of it is told, nor in what caused the error."""
    with pytest.raises(APIConnectionError, match="ProtocolError, not quoted") as caught:
        serve([b'{"customerName": "Zoe Lee"}'], Transfer_Encoding="chunked").sites.list()
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
    assert "Lee" not in str(caught.value)
