"""KT-04: the page of the day so far as a browser shows it: nothing is fetched, it fits a phone, dark is dark."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.today.page import land_page
from sonnys_pipeline_tests.support.browser.chromium import DESKTOP
from sonnys_pipeline_tests.support.day_so_far import day_so_far
from sonnys_pipeline_tests.support.small_lake import land  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser

PHONE = (390, 844)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_fetches_nothing_and_fits(
    open_view: Callable[..., Page],
    land: Callable[..., Lake],  # noqa: F811 - the fixture
    size: tuple[int, int],
    scheme: str,
) -> None:
    """Each section is there, nobody scrolls sideways, no request leaves the page."""
    today = day_so_far(land(14), without="SUNSET", problems=("SUNSET: HTTP 500: the API failed",))
    path = Path(str(land_page(land(14), today, every=600)))
    page, found = open_view(*size, color_scheme=scheme), []
    page.on("request", lambda request: found.append(request.url))
    page.on("console", lambda message: found.append(message.text))
    page.goto(path.as_uri(), wait_until="networkidle")

    expect(page.get_by_role("heading", level=1)).to_have_text("Sunday, March 22, 2026")
    expect(page.get_by_text("As of Mar 22, 2026, 2:59 pm UTC:")).to_be_visible()
    expect(page.get_by_text("SUNSET: HTTP 500")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^Cars per hour:"))).to_be_visible()
    expect(page.get_by_text("not read yet today")).to_be_visible()
    page.get_by_text("Main Street", exact=True).last.click()
    expect(page.get_by_role("table").filter(has_text="Hour").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = [int(part) for part in re.findall(r"\d+", ground)[:3]]
    assert (min(brightness) > 200) if scheme == "light" else (max(brightness) < 60), ground
    assert set(found) == {path.as_uri()}
    assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "60"
