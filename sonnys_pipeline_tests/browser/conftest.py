"""What the browser tests share: one browser, one Dagster on the simulator, and pictures of what failed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from sonnys_pipeline_tests.support.browser.chromium import (
    MissingBrowserError,
    chromium_path,
    keep,
    open_page,
    running_chromium,
)
from sonnys_pipeline_tests.support.browser.dagster_stack import Stack, running_stack
from sonnys_pipeline_tests.support.processes.preloaded import Preloaded
from sonnys_pipeline_tests.support.processes.quick import FOLLOW_NOTHING
from sonnys_pipeline_tests.support.servers import do_without

#: A test's open pages, and the folder for what they show when it fails.
_OPEN = pytest.StashKey[tuple[list[Page], Path]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:  # fmt: skip
    """Add to a failed test's report what its pages show, while they are still open."""
    report: pytest.TestReport = yield
    if report.failed and call.when == "call" and _OPEN in item.stash:
        pages, folder = item.stash[_OPEN]
        report.sections += [("browser", keep(page, folder, f"page-{place}")) for place, page in enumerate(pages)]
    return report


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; without it these tests are left out, and say which package is missing.

    It ends with its module: as long as Playwright lives, an event loop counts as running in this thread, and Dagster in
    this process cannot start one of its own.
    """
    try:
        chromium_path()
    except MissingBrowserError:
        do_without("chromium", "chromium fonts-dejavu-core")
    with running_chromium() as running:
        yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, preloaded: Preloaded) -> Iterator[Stack]:
    """Web server, daemon and simulator, ready. Marts do not follow what lands. Days are small."""
    with running_stack(tmp_path_factory.mktemp("stack"), preloaded, 250, **FOLLOW_NOTHING) as running:
        yield running


@pytest.fixture
def open_view(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens pages, each as a browser that was never used before would (see `open_page`); a `page` is open already."""
    pages: list[Page] = []
    request.node.stash[_OPEN] = pages, tmp_path
    with ExitStack() as opened:

        def open_one(*size: int, page: Page | None = None, **options: object) -> Page:
            sized = {"size": size} if size else {}
            pages.append(page or opened.enter_context(open_page(browser, **sized, **options)))  # type: ignore[arg-type]
            return pages[-1]

        yield open_one
        pages.clear()
