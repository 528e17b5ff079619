"""`python -m sonnys_pipeline_tests.browser.screenshots`: make the pictures of `docs/dagster-ui.md` anew.

Starts Dagster on the simulator, lands ten days and does what the document tells; some three minutes. Needs
Chromium. Look at every one before you commit it.
"""

import io
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from sonnys_pipeline_tests.support.browser.chromium import open_page, running_chromium
from sonnys_pipeline_tests.support.browser.dagster_pages import Visit
from sonnys_pipeline_tests.support.browser.dagster_stack import ROOT, Stack, last_days, running_stack
from sonnys_pipeline_tests.support.processes.preloaded import Preloaded

IMAGES = ROOT / "docs" / "images"
#: In the pictures it stands in front of every path.
_FOLDER = "sonnys"
_DAYS = last_days(10)
_LAST, _DAMAGED = _DAYS[-1], _DAYS[6]
#: What follows the days of `transactions` by itself, without lists.
_FOLLOWING = {
    "line_items", "tenders", "discounts", "site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix",
    "wash_frequency", "daily_report",
}  # fmt: skip
_COLOURS = 256
_READY = """{ assetNodes { assetKey { path } partitionStats { numMaterialized } } }"""


def main() -> None:
    """Make all pictures; a picture that could not be made is an error, and the rest stay as they were."""
    folder = Path(tempfile.gettempdir()) / _FOLDER
    if folder.exists():
        sys.exit(f"{folder} exists, and would be mixed up with the pictures' own: remove it first")
    folder.mkdir()
    IMAGES.mkdir(parents=True, exist_ok=True)
    try:
        with (
            closing(Preloaded()) as preloaded,
            running_stack(folder, preloaded) as stack,
            running_chromium() as browser,
        ):
            _backfill(browser, stack)
            _graph(browser, stack)
            _report(browser, stack)
            _failed_check(browser, stack)
    finally:
        shutil.rmtree(folder)


def _backfill(browser: Browser, stack: Stack) -> None:
    with open_page(browser) as page:
        operator = Visit(page, stack.url)
        operator.materialize("sites")
        dialogue = operator.choose_days("transactions", _DAYS)
        _keep(page, "backfill-dialogue")
        operator.watch_backfill(operator.launch_backfill(dialogue))
        _keep(page, "backfill", height=322)  # there is nothing below
        operator.open_partition("transactions", _LAST)
        expect(page.get_by_text("Materialized (10)")).to_be_visible()
        _keep(page, "partition")


def _graph(browser: Browser, stack: Stack) -> None:
    """As soon as the sensor has let the tables, the marts and the last days' reports follow."""

    def followed() -> bool:
        stats = {node["assetKey"]["path"][-1]: node["partitionStats"] for node in stack.ask(_READY)["assetNodes"]}
        return all(stats[name]["numMaterialized"] for name in _FOLLOWING)

    stack.until(followed, "tables, marts and reports have followed")
    with open_page(browser) as page:  # groups are closed: all assets do not fit a picture
        page.goto(f"{stack.url}/asset-groups")
        page.get_by_role("button", name="Hide navigation").click()  # else groups are too small to show states
        expect(Visit(page, stack.url).in_graph("reports")).to_be_visible()
        expect(page.get_by_text("fetching statuses")).to_have_count(0)
        _keep(page, "lineage")


def _report(browser: Browser, stack: Stack) -> None:
    with open_page(browser) as page:
        operator = Visit(page, stack.url)
        operator.open_partition("daily_report", _LAST)
        path = Path(operator.metadata("path"))
    with open_page(browser, (1280, 1000)) as page:
        page.goto(path.as_uri())
        _keep(page, "report")


def _failed_check(browser: Browser, stack: Stack) -> None:
    """A landed day holds a row twice, as if somebody had copied files."""
    path = stack.lake.path("transactions", _DAMAGED)
    with pq.ParquetFile(path) as file:
        table = file.read()
    pq.write_table(pa.concat_tables([table, table.slice(7, 1)]).replace_schema_metadata(table.schema.metadata), path)
    with open_page(browser) as page:
        operator = Visit(page, stack.url)
        operator.open_check("transactions", "complete_and_unique")
        operator.execute_check()
        operator.result_of_check("Failed")
        expect(page.get_by_text("Launched run")).to_be_hidden()
        _keep(page, "failed-check")


def _keep(page: Page, name: str, height: int | None = None) -> None:
    """Save what the page shows, the upper `height` pixels of it, as `docs/images/{name}.png`, in few colours."""
    page.mouse.move(0, 0)  # nothing is highlighted
    page.wait_for_load_state("networkidle")
    size = page.viewport_size
    assert size is not None
    picture = page.screenshot(
        animations="disabled",
        caret="hide",
        clip={"x": 0, "y": 0, "width": size["width"], "height": height or size["height"]},
    )
    small = io.BytesIO()
    # Without dithering: flat colours of a page stay flat, and the file small.
    colours = Image.open(io.BytesIO(picture)).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    colours.save(small, "PNG", optimize=True)
    path = IMAGES / f"{name}.png"
    path.write_bytes(small.getvalue())
    sys.stdout.write(f"{path.relative_to(ROOT)}: {small.tell():,} bytes\n")


if __name__ == "__main__":
    main()
