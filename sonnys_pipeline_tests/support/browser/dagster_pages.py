"""What an operator does in Dagster's UI, click by click, found by role and by words as a person finds it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from playwright.sync_api import Locator, Page, expect

from sonnys_pipeline_tests.support.browser.dagster_stack import LONGEST

#: What a colour on the screen is called: red, green and blue of its computed style.
_RGB = re.compile(r"rgba?\((\d+), (\d+), (\d+)")
#: Milliseconds until what a run does counts as not done.
_RUN = LONGEST * 1000
#: How much one part of a colour must stand out for the colour to have its name.
_STANDS_OUT = 1.4


@dataclass(frozen=True)
class Visit:
    """Somebody with a page of Dagster's UI open.

    Attributes:
        page: the browser's page.
        url: of the UI.
    """

    page: Page
    url: str

    def open(self, path: str) -> None:
        """Go to a path as the UI's own links do: Dagster's scripts are loaded once."""
        if not self.page.url.startswith(self.url):
            self.page.goto(f"{self.url}{path}")
            return
        # What the browser does when somebody goes back: Dagster listens to it alone, and looks at the address.
        follow = "path => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')) }"
        self.page.evaluate(follow, path)

    def open_graph(self) -> None:
        """Lineage, without the list beside it, with every group opened, as Dagster's shortcut does."""
        self.open("/")
        # By its words alone: the name of a link has that of its icon, and the icon of "Jobs" is a lineage, too.
        self.page.get_by_role("link").filter(has=self.page.get_by_text("Lineage", exact=True)).click()
        expect(self.in_graph("landing")).to_be_visible()
        self.page.get_by_role("button", name="panel_show_right").last.click()
        expect(self.page.get_by_role("combobox", name="Jump to…")).to_be_hidden()
        self.page.keyboard.press("Alt+e")
        expect(self.in_graph("transactions")).to_be_visible()

    def in_graph(self, name: str) -> Locator:
        """A group or an asset in the graph; one that is off the screen is not drawn."""
        return self.page.locator("svg foreignObject").get_by_text(name, exact=True).filter(visible=True).first

    def switch(self, name: str) -> Locator:
        """The switch of a schedule or sensor in the list of automations."""
        link = self.page.get_by_role("link").filter(has=self.page.get_by_text(name, exact=True))
        row = link.locator("xpath=ancestor::*[count(.//input[@type='checkbox'])=2][1]")  # one selects, one switches
        return row.get_by_role("checkbox").last

    def open_asset(self, name: str, tab: str = "Overview") -> None:
        """Catalog → asset → tab."""
        self.open(f"/assets/{name}")
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def materialize(self, name: str) -> None:
        """Click "Materialize" on an asset without partitions: the run starts at once."""
        self.open_asset(name)
        self.page.get_by_role("button", name="Materialize").first.click()
        expect(self.page.get_by_text("Launched run")).to_be_visible()

    def choose_days(self, name: str, days: Sequence[str]) -> Locator:
        """Click "Materialize…" → the days, written as a range, as a person does; the dialogue, not yet launched."""
        self.open_asset(name)
        self.page.get_by_role("button", name="Materialize…").click()
        dialogue = self.page.get_by_role("dialog")
        chosen, sure = dialogue.get_by_role("textbox").first, dialogue.get_by_role("button", name="Confirm")
        expect(chosen.or_(sure)).to_be_visible()
        if sure.is_visible():  # asked where an asset upstream was never materialized
            sure.click()
        chosen.fill(f"[{days[0]}...{days[-1]}]")
        chosen.press("Enter")
        expect(dialogue.get_by_text(re.compile(rf"^{len(days)} partitions?$")).first).to_be_visible()
        return dialogue

    def launch_backfill(self, dialogue: Locator) -> str:
        """Click "Launch backfill"; the backfill's id."""
        dialogue.get_by_role("button", name="Launch backfill").click()
        created = self.page.get_by_role("listitem").filter(has_text="Created backfill")
        link = created.get_by_role("link", name="View").get_attribute("href")
        assert link is not None
        return link.rpartition("/")[2]

    def launch_and_watch_run(self, dialogue: Locator) -> None:
        """Click "Launch 1 run", as the dialogue offers for a single day, and wait on the run's page for its success."""
        dialogue.get_by_role("button", name=re.compile(r"^Launch")).click()
        launched = self.page.get_by_role("listitem").filter(has_text="Launched run")
        launched.get_by_role("link", name="View").click()
        expect(self.page.get_by_text("Success", exact=True).first).to_be_visible(timeout=_RUN)

    def watch_backfill(self, backfill: str) -> None:
        """The backfill's page, until it says that all is done; it follows the backfill by itself."""
        self.open(f"/runs/b/{backfill}")
        expect(self.page.get_by_text("100% completed")).to_be_visible(timeout=_RUN)

    def open_partition(self, name: str, day: str) -> None:
        """Asset → Partitions → a day in the list."""
        self.open_asset(name, "Partitions")
        self.page.get_by_title(day, exact=True).click()
        expect(self.page.get_by_text("Latest materialization")).to_be_visible()

    def metadata(self, label: str) -> str:
        """What the metadata of the open partition says under a name."""
        return self._row(label).get_by_role("cell").nth(1).inner_text().strip()

    def shown(self, label: str) -> Locator:
        """What the metadata shows under a name: in the table, or, where that is too small, in a dialogue above it."""
        row = self._row(label)
        expect(row).to_be_visible()
        if (more := row.get_by_text("[Show")).is_visible():
            more.click()
            return self.page.get_by_role("dialog")
        return row

    def colour_of_day(self, day: str) -> str:
        """Of the dot beside a day in the list of partitions."""
        return colour(self.page.get_by_title(day, exact=True).locator("xpath=../following-sibling::div"))

    def open_check(self, asset: str, check: str) -> None:
        """Asset → Checks → a check in the list."""
        self.open_asset(asset, "Checks")
        self.page.get_by_text(check, exact=True).filter(visible=True).first.click()
        expect(self.page.get_by_text("Latest execution")).to_be_visible()

    def execute_check(self) -> None:
        """Click "Execute" on the open check; the page follows the run by itself."""
        self.page.get_by_role("button", name=re.compile(r"Execute$")).click()
        expect(self.page.get_by_text("Launched run")).to_be_visible()

    def result_of_check(self, result: str) -> Locator:
        """The open check's result, as soon as it is that one."""
        found = self.page.locator("[class*=BaseTag]").get_by_text(result, exact=True).first
        expect(found).to_be_visible(timeout=_RUN)
        return found

    def _row(self, label: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("cell", name=label, exact=True))


def colour(shape: Locator, part: str = "background-color") -> str:
    """A name for the colour of something on the screen: red, green, or neither."""
    computed = shape.evaluate("(element, part) => getComputedStyle(element).getPropertyValue(part)", part)
    parsed = _RGB.match(computed)
    assert parsed, computed
    red, green, blue = (int(value) for value in parsed.groups())
    if red > _STANDS_OUT * max(green, blue):
        return "red"
    return "green" if green > _STANDS_OUT * max(red, blue) else "neither red nor green"
