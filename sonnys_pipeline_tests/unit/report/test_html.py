"""docs/report.md: one page without network or script, accessible, in light and dark; and its markdown."""

import re
from collections.abc import Iterator
from decimal import Decimal
from html.parser import HTMLParser
from importlib import resources

import pytest

from sonnys_pipeline.report.build import Report
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.formatting import UNKNOWN
from sonnys_pipeline.report.glossary import DEFINITIONS
from sonnys_pipeline.report.html import HEAT_LEVELS, heat_level, report_as_html
from sonnys_pipeline.report.markdown import headline, report_as_markdown, sparkline
from sonnys_pipeline.report.measures import Gap
from sonnys_pipeline_tests.support.report_marts import NAMES, SATURDAY, before, history, report, site_day

HOSTILE = "<script>alert('&')</script> | `x`\n# y"
VOID = {"meta", "link", "img", "br", "hr", "input"}
TEMPLATES = resources.files("sonnys_pipeline.report") / "templates"


class Page(HTMLParser):
    """Tags with their attributes, the visible text, and whether all that opens is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)


def busy_day(**changed: object) -> Report:
    """Tenders, discounts, voids and a gap: every section has something to show."""
    return report(
        history({("MAIN", SATURDAY): {"voided_items": 3}}),
        tenders=[("MAIN", "Credit", "Visa", "60.00"), ("MAIN", "Credit", "Amex", "5.00"), ("MAIN", "Void", None, "-9")],
        discounts=[("MAIN", "Coupon", "7.00")],
        missing=[Gap(before(3)), Gap(before(4), "MESA")],
        **changed,
    )


def nothing() -> Report:
    return report([], hours=())


@pytest.mark.parametrize("made", [busy_day(), nothing(), report()], ids=["busy", "nothing known", "quiet"])
def test_a_page_needs_nothing_else(made: Report) -> None:
    """No script, no link out, no picture, no address anywhere; a policy in the page forbids every load."""
    html = report_as_html(made)
    page = Page(html)
    assert {"script", "link", "img", "iframe", "object", "embed", "base", "form"}.isdisjoint(
        name for name, _ in page.tags
    )
    for _, attributes in page.tags:
        assert not {name for name in attributes if name.startswith("on")}
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?:|//\w|url\(|@import", html)
    policy = [tag["content"] for tag in page.all("meta") if tag.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_names_from_outside_are_text() -> None:
    """Of sites, tenders, discounts, gaps and findings: shown as they are, never markup, in the page and in markdown."""
    made = report(
        sites={"MAIN": HOSTILE, "MESA": "Mesa"},
        tenders=[("MAIN", HOSTILE, HOSTILE, "1.00"), ("MAIN", HOSTILE, "b", "2.00")],
        discounts=[("MAIN", HOSTILE, "1.00")],
        findings=[Caveat("warning", HOSTILE)],
        missing=[Gap(SATURDAY, "MESA", HOSTILE)],
    )
    html = report_as_html(made)
    assert "<script" not in html
    assert Page(html).text.count("<script>alert('&')</script>") >= 6
    markdown = report_as_markdown(made)
    assert not re.search(r"(?<!\\)<script", markdown)
    assert "\n# y" not in markdown


def test_the_page_says_what_the_report_says() -> None:
    """Day, headlines with their comparison, sites, tenders, discounts, voids, every definition with its status."""
    text = re.sub(r"\s+", " ", Page(report_as_html(busy_day())).text)
    for said in (
        "Saturday, November 21, 2026",
        "200 cars and $2,000 in sales; sales are level with last Saturday.",
        "50.0% of cars",
        "200 on Sat, Nov 14",
        "mean of 4 Saturdays",
        "Main Street",
        "Visa $60",
        "\N{MINUS SIGN}$9",
        "Voided items",
        "in each site's local time",
        "Made Nov 22, 2026, 2:00 pm UTC",
    ):
        assert said in text, said
    for definition in DEFINITIONS:
        assert f"{definition.name} {definition.status.letter} {definition.text}" in text


def test_what_is_not_known_is_written_so() -> None:
    """In the page and in markdown: words and the reason where the figure would stand, and no 0 of it anywhere."""
    figures = ("voided_transactions", "unsettled_transactions", "net_cars", "net_sales")
    reason = f"transaction_status: no row of this day has it ({', '.join(figures)})"
    nothing_known = dict.fromkeys(figures)
    made = report(history({(site, SATURDAY): {**nothing_known, "unknown": reason} for site in NAMES}))
    html = report_as_html(made)
    text = re.sub(r"\s+", " ", Page(html).text)
    assert "200 net not known" in text
    assert "$2,000 net not known" in text
    assert "Voided transactions not known" in re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert re.search(r"Unsettled\s*not known", re.sub(r"<[^>]+>", " ", html))
    assert f"Not known: {reason}." in text
    assert text.count("No problems") == 0
    markdown = report_as_markdown(made)
    assert f"| · net cars | not known | {UNKNOWN} | {UNKNOWN} |" in markdown
    assert "Materialize transaction\\_states" in markdown


def test_total_and_net_stand_together_where_they_differ() -> None:
    """Chain and site; overpayments and the conversion in lane, too; nothing of it where nothing differs."""
    changed = {
        "net_cars": 97, "net_sales": Decimal("985.50"), "overpayments": Decimal("4.25"), "new_memberships_in_lane": 3,
    }  # fmt: skip
    made = report(history({("MAIN", SATURDAY): changed}))
    text = re.sub(r"\s+", " ", Page(report_as_html(made)).text)
    for said in ("200 net 197", "$2,000 net $1,986, $4.25 of it overpaid", "12.5% 10.0% in lane", "net 97"):
        assert said in text, said
    markdown = report_as_markdown(made)
    for label in ("net cars | 197", "net sales | $1,986", "overpayments | $4.25", "conversion in lane | 10.0%"):
        assert f"| · {label} |" in markdown
    quiet = report_as_markdown(report())
    assert "net" not in quiet
    assert "lane" not in quiet


@pytest.mark.parametrize(
    ("days", "said"), [(36, "mean of 4 Saturdays"), (15, "mean of 2 of 4 Saturdays"), (3, "no earlier Saturday")]
)
def test_the_mean_says_of_how_many_days_it_is(days: int, said: str) -> None:
    """In the page, where it has room, and at the head of the table in markdown."""
    rows = [site_day(site, before(back)) for site in NAMES for back in range(days)]
    made = report(rows)
    assert f"| against {said} |" in report_as_markdown(made)
    assert said in re.sub(r"\s+", " ", Page(report_as_html(made)).text)


def test_missing_is_written_as_missing() -> None:
    """In the tables of sites, hours and days; and the box of data quality and the notice on top say it in words."""
    html = report_as_html(report(missing=[Gap(SATURDAY, "MESA", "still being read"), Gap(before(3))]))
    text = re.sub(r"\s+", " ", Page(html).text)
    assert "Mesa Verde missing: still being read" in text
    assert "Mesa Verde missing All sites" in text
    assert "Wed, Nov 18 missing" in text
    assert "Error: Mesa Verde is missing on this day" in text
    assert "All sites with data" in text
    assert "No problems" not in text


def test_a_young_lake_says_once_that_there_is_nothing_to_compare() -> None:
    """One line in each tile; the legend has no mean where none is drawn."""
    young = report_as_html(report(history(without=[(site, before(back)) for site in NAMES for back in range(1, 36)])))
    text = Page(young).text
    assert text.count("nothing to compare:") == 6
    assert text.count("nothing to compare") == 6
    assert "7-day mean" not in text
    assert "7-day mean" in Page(report_as_html(report())).text


def test_a_clean_day_says_so() -> None:
    """No problems is a statement, too."""
    assert "No problems:" in Page(report_as_html(report())).text


def test_comparisons_that_are_not_whole_say_so() -> None:
    """How many of the sites and days stand behind a change."""
    made = report(missing=[Gap(before(7), "MESA")])
    text = re.sub(r"\s+", " ", Page(report_as_html(made)).text)
    assert "1 of 2 sites" in text
    assert "mean of 3 of 4 Saturdays" in text


def test_colour_is_never_alone() -> None:
    """Every change has a sign, and an arrow where it has a direction."""
    changed = {("MAIN", SATURDAY): {"total_cars": 150, "sales": 500}}
    html = report_as_html(report(history(changed)))
    changes = re.findall(r'<span class="change (\w+)">(.*?)</span>\s*(?:<span class="base"|</td>)', html, re.DOTALL)
    assert len(changes) > 20
    for tone, inside in changes:
        if inside.strip() == UNKNOWN:  # nothing to compare with has no direction
            assert tone == "even"
            continue
        signed = {"good": ("▲", "+"), "bad": ("▼", "\N{MINUS SIGN}"), "even": ("", "±")}[tone]
        assert all(mark in inside for mark in signed), inside


def test_structure_is_readable_by_machines() -> None:
    """Language, one h1, table headers with a scope, charts with a name, sections with a heading that exists."""
    page = Page(report_as_html(busy_day()))
    assert [tag["lang"] for tag in page.all("html")] == ["en-US"]
    assert len(list(page.all("h1"))) == 1
    assert all(tag.get("scope") in {"col", "row"} for tag in page.all("th"))
    assert all(tag.get("role") == "img" and tag.get("aria-label") for tag in page.all("svg"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(tag["aria-labelledby"] in ids for tag in page.all("section"))
    assert {tag["href"] for tag in page.all("a")} <= {f"#{name}" for name in ids}


def test_the_style_sheet_knows_paper_phone_and_night() -> None:
    """And every class of the heat table; dark only on screens, so that paper stays white."""
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    for part in ("@media screen and (prefers-color-scheme: dark)", "@media print", "@media screen and (max-width:"):
        assert part in css
    assert all(f".h{level} {{" in css for level in range(HEAT_LEVELS + 1))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough_to_read(scheme: int) -> None:
    """WCAG AA: text 4.5 to 1 on everything that it stands on, shapes 3 to 1 where they carry meaning."""
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css.split(":root {")[1 + scheme].partition("}")[0]))
    pairs = [("ink", f"h{level}") for level in range(1, HEAT_LEVELS + 1)]
    pairs += [(text, ground) for text in ("ink", "muted", "good", "bad") for ground in ("paper", "card")]
    pairs += [("accent", "paper"), ("muted", "h0"), ("good", "good-card"), ("bad", "bad-card"), ("warn", "warn-card")]
    too_weak = {pair: ratio for pair in pairs if (ratio := contrast(*(colours[name] for name in pair))) < 4.5}
    assert too_weak == {}
    assert all(contrast(colours[shape], colours["paper"]) >= 3 for shape in ("bar", "same", "mean", "accent", "bad"))


def contrast(one: str, other: str) -> float:
    """WCAG 2: the ratio of relative luminances."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_heat_has_equal_steps() -> None:
    """0 is apart; the busiest hour is darkest, also where it has one car."""
    assert heat_level(0, 100) == 0
    assert [heat_level(cars, 100) for cars in (1, 20, 50, 81, 100)] == [1, 1, 3, 5, 5]
    assert heat_level(1, 1) in range(1, HEAT_LEVELS + 1)


def test_thirty_sites_stay_a_small_file() -> None:
    """A report that is mailed each morning: under 150 kB."""
    codes = [f"S{number}" for number in range(30)]
    hours = [(code, hour, 10 + hour) for code in codes for hour in range(24)]
    made = report(history(sites=codes), hours=hours, sites={code: f"Boulevard {code}" for code in codes})
    assert len(report_as_html(made).encode()) < 150_000


def test_equal_reports_give_equal_pages() -> None:
    """No clock and no chance in it: a re-run that changes nothing changes no byte."""
    assert report_as_html(busy_day()) == report_as_html(busy_day())


def test_the_template_is_packaged() -> None:
    """They lie beside the module; `unit/test_release.py` compares the wheel with the folder."""
    assert {file.name for file in TEMPLATES.iterdir()} == {
        "report.css",
        "report.html.j2",
        "period.html.j2",
        "macros.html.j2",
        "labor.html.j2",
        "sold.html.j2",
        "today.html.j2",
    }


def test_markdown_has_the_headlines_and_what_to_know() -> None:
    """For the metadata of the asset: a table, sparklines with a dot for each gap, the gravest caveats."""
    lines = report_as_markdown(busy_day()).splitlines()
    assert "| Sales | $2,000 | ±0.0% | ±0.0% |" in lines
    assert "| Conversion | 12.5% | ±0.0 pts | ±0.0 pts |" in lines
    assert f"| Cars | `{'█' * 25}··{'█' * 3}` |" in lines
    assert any(line.startswith("- **info**: ") and "missing" in line for line in lines)


def test_sparkline_of_nothing() -> None:
    """Days that are known and 0 have the lowest block, missing days a dot."""
    zero = {(site, before(back)): {"total_cars": 0} for site in NAMES for back in range(36)}
    made = report(history(zero), missing=[Gap(before(29))])
    assert sparkline(made.trends["cars"]) == "·" + "▁" * 29


def test_the_opening_sentence() -> None:
    """How the day went, and who moved most; a day that is missing says only that."""
    changed = {("MAIN", SATURDAY): {"sales": 1500}, ("MESA", SATURDAY): {"sales": 900}}
    assert headline(report(history(changed))) == (
        "200 cars and $2,400 in sales; sales are up 20.0% from last Saturday. "
        "Strongest: Main Street (+50.0%); weakest: Mesa Verde (\N{MINUS SIGN}10.0%)."
    )
    assert headline(report(missing=[Gap(SATURDAY)])) == "This day is missing: no site has data."
    part = headline(report(missing=[Gap(SATURDAY, "MESA")]))
    assert part == "100 cars and $1,000 in sales at 1 of 2 sites; sales are level with last Saturday."
    young = headline(report(history(changed), missing=[Gap(before(7), "MESA")]))
    assert "sales are up 50.0% from last Saturday at the one site that can be compared." in young
