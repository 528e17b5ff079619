"""Chromium without a window, as the distribution has it, driven by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Pages of the address bar, which Chromium loads for each window at 0.7 processor seconds: nobody types there.
_ADDRESS_BAR = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
#: What Playwright turns off: of several lists Chromium follows the last one alone, so it stands there again.
_PLAYWRIGHTS = (
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding", "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled",
    "PreconnectToSearch",
)  # fmt: skip
#: It draws without a graphics card, and asks nobody on the network for anything of its own.
_FLAGS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", f"--disable-features={','.join(_ADDRESS_BAR + _PLAYWRIGHTS)}",
)  # fmt: skip
#: Pixels; a laptop's screen, whose pictures a README can show.
DESKTOP = (1280, 800)
#: Seconds that a page may take for what does not depend on a run; several times what it takes on two loaded cores.
PATIENCE = 60


class MissingBrowserError(Exception):
    """Chromium is not on this machine; the message says how to get it, or to do without."""


def chromium_path() -> str:
    """Where the program lies.

    Raises:
        MissingBrowserError: nowhere on PATH.
    """
    for name in _NAMES:
        if found := shutil.which(name):
            return found
    raise MissingBrowserError(
        "Chromium is not on PATH: install Debian's packages chromium and fonts-dejavu-core (.ci/packages does), or "
        'leave the browser tests out: pytest -m "not browser"'
    )


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A browser with a profile of its own, made for it and deleted after it.

    Raises:
        MissingBrowserError: there is none.
    """
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_context(
    browser: Browser, size: tuple[int, int] = DESKTOP, *, color_scheme: str = "light", scale: float = 1
) -> Iterator[BrowserContext]:
    """A browser that was never used before: no cookie, no storage; times as UTC, names in English.

    Args:
        browser: that shows its pages.
        size: width and height in pixels of a style sheet.
        color_scheme: what the reader prefers, `light` or `dark`.
        scale: pixels of the screen per pixel of a style sheet.
    """
    width, height = size
    context: BrowserContext = browser.new_context(
        viewport={"width": width, "height": height},
        locale="en-US",
        timezone_id="UTC",
        color_scheme="dark" if color_scheme == "dark" else "light",
        device_scale_factor=scale,
    )
    context.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)  # else 5 seconds, whatever the page's timeout is
    try:
        yield context
    finally:
        context.close()


@contextmanager
def open_page(
    browser: Browser, size: tuple[int, int] = DESKTOP, *, color_scheme: str = "light", scale: float = 1
) -> Iterator[Page]:
    """A page that knows nothing of others; see `open_context`."""
    with open_context(browser, size, color_scheme=color_scheme, scale=scale) as context:
        yield context.new_page()


def keep(page: Page, folder: Path, name: str = "page") -> str:
    """Save what a page shows, as a picture and as text, for whoever reads why a test failed; says where."""
    picture, text = folder / f"{name}.png", folder / f"{name}.txt"
    page.screenshot(path=picture)
    text.write_text(f"{page.url}\n\n{page.locator('body').aria_snapshot()}\n")
    return f"what the browser showed: {picture} and {text}"
