"""DG-03, docs/dagster-ui.md: what an operator does, clicked in a real browser, against real Dagster on the simulator.

One Dagster serves all tests of this module. Its backfill is asked for first: the daemon looks for backfills only every
half minute, and the tests that need no landed day pass meanwhile.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline_tests.support.browser.chromium import DESKTOP, keep, open_page
from sonnys_pipeline_tests.support.browser.dagster_pages import Visit, colour
from sonnys_pipeline_tests.support.browser.dagster_stack import OFFERED_DAYS, Stack, last_days

pytestmark = pytest.mark.browser

DAYS = last_days(10)
LAST = DAYS[-1]
DAMAGED = DAYS[6]

MATERIALIZED = """{ assetNodeOrError(assetKey: {path: ["transactions"]}) { ... on AssetNode {
  partitionStats { numMaterialized numFailed } } } }"""
BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status runs(limit: 10) { status } } } }"""


@pytest.fixture(scope="module")
def operator(browser: Browser, stack: Stack) -> Iterator[Visit]:
    """The operator's page, in which one thing is looked at after another: Dagster's scripts are compiled only once."""
    with open_page(browser) as page:
        yield Visit(page, stack.url)


@pytest.fixture
def visit(operator: Visit, open_view: Callable[..., Page]) -> Visit:
    """An operator who begins anew: every visit begins with an address."""
    operator.page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    open_view(page=operator.page)
    return operator


@pytest.fixture(scope="module")
def backfill(operator: Visit, stack: Stack) -> str:
    """The list of sites, and a backfill of ten days, both launched by clicking; the backfill's id."""
    try:
        operator.materialize("sites")
        return operator.launch_backfill(operator.choose_days("transactions", DAYS))
    except BaseException as error:
        error.add_note(keep(operator.page, stack.folder))
        raise


@pytest.fixture(scope="module")
def landed(backfill: str, stack: Stack) -> Lake:
    """The lake, once the backfill is done."""
    wait_until_done(stack, backfill)
    return stack.lake


def wait_until_done(stack: Stack, backfill: str) -> None:
    """Until Dagster has closed the backfill: its page shows the last day before its run has ended."""

    def done() -> bool:
        found = stack.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]
        assert "FAIL" not in found["status"], found
        return found["status"] == "COMPLETED_SUCCESS"

    stack.until(done, "the backfill is done")


@pytest.fixture
def twice(landed: Lake) -> Iterator[str]:
    """A landed day in which a row is there twice, behind the pipeline's back; the row's id. Mended after the test."""
    path = landed.path("transactions", DAMAGED)
    sound = path.read_bytes()
    with pq.ParquetFile(path) as file:
        table = file.read()
    pq.write_table(pa.concat_tables([table, table.slice(7, 1)]).replace_schema_metadata(table.schema.metadata), path)
    yield table["id"][7].as_py()
    path.write_bytes(sound)


@pytest.mark.usefixtures("backfill")
def test_the_graph_shows_every_asset(visit: Visit) -> None:
    """Lineage: landing, lists, tables, marts and the report, each under its name, a long one shortened by Dagster."""
    visit.page.set_viewport_size({"width": 2400, "height": 3200})

    visit.open_graph()
    for _ in range(14):  # what is off the screen is not drawn
        visit.page.get_by_role("button", name="zoom_out").click()

    for asset in (
        "transactions", "transaction_states", "transaction_changes", "sites", "line_items", "tenders", "discounts",
        "site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix", "wash_frequency", "daily_report",
    ):  # fmt: skip
        shortened = re.compile(f"^{asset[:5]}.*{asset[5:][-5:]}$")
        shown = visit.page.locator("svg foreignObject").get_by_text(shortened).filter(visible=True).first
        expect(shown).to_be_visible()


@pytest.mark.usefixtures("backfill")
def test_what_runs_by_itself_is_on(visit: Visit) -> None:
    """Automation: what spends no request by itself runs; what does, waits for somebody to switch it on."""
    visit.open("/automation")

    for name in ("marts_auto_materialize", "alerts", "missed_mornings", "watch_schedule"):
        expect(visit.switch(name)).to_be_checked()
    for name in ("daily_transactions_schedule", "verify_landed_days_schedule"):
        expect(visit.switch(name)).not_to_be_checked()


def test_a_backfill_of_ten_days(visit: Visit, backfill: str, stack: Stack) -> None:
    """Launched from the dialogue, its page follows it until all ten days are there, in one run."""
    visit.watch_backfill(backfill)

    expect(visit.page.get_by_text(f"{DAYS[0]}...{DAYS[-1]}")).to_be_visible()
    expect(visit.page.get_by_text("Succeeded", exact=True).last).to_be_visible()
    wait_until_done(stack, backfill)
    assert stack.ask(MATERIALIZED)["assetNodeOrError"]["partitionStats"] == {"numMaterialized": 10, "numFailed": 0}
    runs = stack.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]["runs"]
    assert [run["status"] for run in runs] == ["SUCCESS"]
    assert stack.lake.partitions("transactions") == DAYS


@pytest.mark.usefixtures("landed")
def test_landed_partitions_are_green(visit: Visit) -> None:
    """On the asset's tab: ten green days, and the day before them is not."""
    visit.open_asset("transactions", "Partitions")

    expect(visit.page.get_by_text("Materialized (10)")).to_be_visible()
    expect(visit.page.get_by_text(f"Missing ({OFFERED_DAYS - 10})")).to_be_visible()
    assert {visit.colour_of_day(day) for day in DAYS} == {"green"}
    assert visit.colour_of_day(last_days(11)[0]) != "green"


def test_a_partition_tells_what_it_holds_and_cost(visit: Visit, landed: Lake) -> None:
    """Rows, the API's total, pages, requests and path, as they lie in the lake."""
    visit.open_partition("transactions", LAST)

    rows = landed.rows("transactions", LAST)
    assert visit.metadata("dagster/partition_row_count") == visit.metadata("api_total") == str(rows)
    assert visit.metadata("path") == str(landed.path("transactions", LAST))
    pages = int(visit.metadata("pages"))
    assert pages >= rows / 100
    assert int(visit.metadata("requests")) >= 2 * pages


@pytest.mark.usefixtures("landed")
def test_the_report_is_read_in_the_ui(visit: Visit, open_view: Callable[..., Page]) -> None:
    """Materialized for one day from the dialogue: headline numbers in its metadata, and a page that opens."""
    visit.launch_and_watch_run(visit.choose_days("daily_report", [LAST]))

    visit.open_partition("daily_report", LAST)
    assert visit.metadata("errors") == "0"
    assert visit.metadata("missing_sites") == "0"
    path = Path(visit.metadata("path"))
    headlines = visit.shown("report").get_by_role("table").get_by_role("row")
    said = headlines.filter(has_text="Cars").first.get_by_role("cell").nth(1).inner_text()
    page = open_view()
    page.goto(path.as_uri())
    expect(page.get_by_role("banner")).to_contain_text(f"{said} cars")


def test_a_failed_check_is_red_and_names_the_ids(visit: Visit, twice: str) -> None:
    """Executed from the UI after a row was doubled: red, with the day and the id, in the list of checks, too."""
    visit.open_check("transactions", "complete_and_unique")
    visit.result_of_check("Passed")

    visit.execute_check()

    failed = visit.result_of_check("Failed")
    assert colour(failed, "color") == "red"
    expect(visit.page.get_by_text(f"more than once: 1 ids: {twice}")).to_be_visible()
    expect(visit.page.get_by_text(f"{DAMAGED}: ")).to_be_visible()
    visit.page.reload()  # as somebody sees it who comes later
    visit.open_check("transactions", "complete_and_unique")
    assert colour(visit.result_of_check("Failed"), "color") == "red"
    expect(visit.page.get_by_text(f"more than once: 1 ids: {twice}")).to_be_visible()
