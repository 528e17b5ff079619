"""docs/report.md: the page as a browser shows it: nothing is fetched, it fits a phone, dark is dark."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.measures import Gap
from sonnys_pipeline.report.periods.html import period_as_html
from sonnys_pipeline.report.periods.spans import Kind
from sonnys_pipeline_tests.support.browser.chromium import DESKTOP
from sonnys_pipeline_tests.support.report_marts import SATURDAY, before, history, period_report, report

pytestmark = pytest.mark.browser

PHONE = (390, 844)
LONG_NAMES = {"MAIN": "Main Street", "MESA": "A site with a name that does not end"}
#: Of paper, in pixels of a style sheet: A4 less the page's own margins.
PAPER_WIDTH, PAPER_HEIGHT = 718, 1047


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("kind", list(Kind))
def test_weeks_and_months_fetch_nothing_and_fit(
    open_view: Callable[..., Page], tmp_path: Path, kind: Kind, size: tuple[int, int], scheme: str
) -> None:
    """As the daily page: no request, no sideways scrolling, and on paper no cell is cut off."""
    path = tmp_path / "period.html"
    path.write_text(period_as_html(period_report(kind, LONG_NAMES)), encoding="utf-8")
    page = open_view(*size, color_scheme=scheme)

    assert open_report(page, path) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER_WIDTH, "height": PAPER_HEIGHT})
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER_WIDTH


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A report in which every section has something to show, on disk as it is landed."""
    made = report(
        history({("MAIN", SATURDAY): {"voided_items": 3}}),
        tenders=[("MAIN", "Credit", "Visa", "60.00"), ("MAIN", "Credit", "Amex", "5.00"), ("MAIN", "Void", None, "-9")],
        discounts=[("MAIN", "A coupon with a name that does not end soon, as they have them", "7.00")],
        missing=[Gap(before(3)), Gap(before(4), "MESA")],
    )
    file = tmp_path / "report.html"
    file.write_text(report_as_html(made), encoding="utf-8")
    return file


def open_report(page: Page, path: Path) -> list[str]:
    """Show the file; what it brought up: requests for anything but itself, and what the browser complained of."""
    found: list[str] = []
    page.on("request", lambda request: found.append(request.url) if request.url != path.as_uri() else None)
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.goto(path.as_uri(), wait_until="networkidle")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_fetches_nothing_and_fits(
    open_view: Callable[..., Page], path: Path, size: tuple[int, int], scheme: str
) -> None:
    """No request leaves the page, its own policy has nothing to forbid, and nobody scrolls sideways."""
    page = open_view(*size, color_scheme=scheme)

    assert open_report(page, path) == []
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = [int(part) for part in re.findall(r"\d+", ground)[:3]]
    assert (min(brightness) > 200) if scheme == "light" else (max(brightness) < 60), ground


def test_its_policy_is_in_force(open_view: Callable[..., Page], path: Path) -> None:
    """A picture and a script that somebody smuggles in are not loaded, and not run."""
    smuggled = '<img src="http://127.0.0.1:9/pixel.png"><script>document.title = "ran"</script></body>'
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", smuggled), encoding="utf-8")
    page = open_view()
    refused: list[str | None] = []
    page.on("requestfailed", lambda request: refused.append(request.failure))

    complaints = open_report(page, path)

    assert page.title() != "ran"
    assert len([said for said in complaints if "Content Security Policy" in said]) == 2
    assert refused == ["csp"]


def test_it_prints_on_white(open_view: Callable[..., Page], path: Path) -> None:
    """Also for somebody whose screen is dark."""
    page = open_view(color_scheme="dark")
    open_report(page, path)

    page.emulate_media(media="print")

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground in {"rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"}


def test_paper_has_no_large_gap(open_view: Callable[..., Page], path: Path) -> None:
    """Two pages; nothing that must stay together is as high as a quarter of one, so that none ends in such a gap."""
    page = open_view(PAPER_WIDTH, PAPER_HEIGHT)
    open_report(page, path)
    pages = re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4", prefer_css_page_size=True))
    assert len(pages) <= 2

    page.emulate_media(media="print")

    # Lines, tiles, charts and caveats are never cut; a heading stays with its note and with the first of what follows.
    whole = page.evaluate(
        """() => {
            const height = one => one.getBoundingClientRect().height
            const kept = [...document.querySelectorAll("li, tr, figure, dt, dd")].map(height)
            const firsts = [...document.querySelectorAll("h2:not(.quiet)")].map(heading => {
                const first = heading.parentElement.querySelector("figure, tr, li, p.notice")
                return first ? first.getBoundingClientRect().bottom - heading.getBoundingClientRect().top : 0
            })
            return Math.max(...kept, ...firsts)
        }"""
    )
    assert 0 < whole < PAPER_HEIGHT / 4
