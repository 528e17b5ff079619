"""RS-03, KPIS "Item mix": what was sold in the reports, beside a second count in plain Python."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.cli.report.documents import daily_document
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import ITEM_RECIPE, MartInputs, metadata_of
from sonnys_pipeline.marts.kpi_columns import ITEM_MIX
from sonnys_pipeline.marts.mixes import item_mix
from sonnys_pipeline.report.daily import Page, make_report
from sonnys_pipeline.report.export.tables import daily_tables
from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.markdown import report_as_markdown
from sonnys_pipeline.report.periods.html import period_as_html
from sonnys_pipeline.report.periods.page import make_period_report
from sonnys_pipeline.report.periods.spans import Kind
from sonnys_pipeline.report.sections.items import Compared, Items, Sales, item_days, items_of
from sonnys_pipeline_tests.support.small_lake import LAST, NOW

Land = Callable[..., Lake]
DAY = timedelta(days=1)
Sums = dict[tuple[str, str], tuple[Decimal, Decimal]]


def second_count(lake: Lake, days: Collection[date]) -> Sums:
    """Pieces and net by department and item, of lines that are not voided."""
    zones = {row["code"] or "": row["timezone"] or "UTC" for row in lake.read("sites").to_pylist()}
    found: Sums = defaultdict(lambda: (Decimal(0), Decimal(0)))
    for row in lake.read("transactions", lake.partitions("transactions")).to_pylist():
        if row["complete_date"].astimezone(ZoneInfo(zones[row["location_code"] or ""])).date() in days:
            for part in row["items"]:
                if not part["is_voided"]:
                    pieces, net = found[part["department"], part["name"]]
                    found[part["department"], part["name"]] = (
                        pieces + part["quantity"],
                        net + Decimal(str(part["net"])).quantize(Decimal("0.01")),
                    )
    return dict(found)


def total(sums: Sums) -> Decimal:
    return sum((net for _, net in sums.values()), Decimal(0))


def agrees(items: Items | None, now: Sums, before: Sums) -> None:
    """Each named item, and the others together."""
    assert items is not None
    assert (items.total.net, items.total.change.base) == (total(now), total(before))
    assert [line.net for line in items.lines[:8]] == sorted((net for _, net in now.values()), reverse=True)[:8]
    for line in items.lines[:8]:
        key = line.department, line.name
        assert (line.quantity, line.net) == now[key]
        assert line.share == now[key][1] / total(now)
        assert line.change.base == before.get(key, (0, Decimal(0)))[1]
    rest = items.lines[8]
    named = {(line.department, line.name) for line in items.lines[:8]}
    assert rest.name == f"{len(now) - 8} others"
    assert rest.net == sum(net for key, (_, net) in now.items() if key not in named)
    assert rest.change.base == sum(net for key, (_, net) in before.items() if key not in named)


def test_a_day_equals_a_second_count(land: Land) -> None:
    """Against the same weekday a week before; the page, the short text, the JSON and the export have it."""
    lake = land(12)
    found = make_report(lake, LAST, timezone="UTC", made_at=NOW)
    agrees(found.items, second_count(lake, [LAST]), second_count(lake, [LAST - 7 * DAY]))
    assert found.items is not None
    best = found.items.lines[0]
    page = report_as_html(found)
    assert '<h2 id="sold">What was sold</h2>' in page
    assert f'<th scope="row">{best.name} <small>{best.department}</small></th>' in page
    assert "Changes of net are relative to Fri, Mar 13." in page
    assert f"Sold most: {best.name} $" in report_as_markdown(found).replace("\\", "")
    document = daily_document(found, Page(Path("report.html"), 1))["items"]
    assert document["lines"][0]["net"] == float(best.net)
    assert document["lines"][0]["compared"]["before"] == float(best.change.base or 0)
    [table] = [one for one in daily_tables(found) if one.name == "Items"]
    assert table.rows[-1].values[1] == found.items.total.net


def test_a_week_equals_a_second_count_from_marts_and_from_rows(land: Land) -> None:
    """No figure is older than the rows; a day that was counted before counts the same."""
    lake = land(14)
    monday = date(2026, 3, 9)
    days = [monday + shift * DAY for shift in range(-7, 7)]
    from_rows = item_days(lake, days, "UTC")
    inputs = MartInputs(lake, "UTC")
    for day in days[7:12]:
        key = day.isoformat()
        partitions = inputs.require(ITEM_RECIPE, [key])[key]
        kept = metadata_of(
            inputs.digests(ITEM_RECIPE, [key])[key], inputs.recorded_inputs(ITEM_RECIPE, key, partitions)
        )  # fmt: skip
        lake.land(ITEM_RECIPE.asset, inputs.count(item_mix, [key]).table, partition=key, metadata=kept)
    both = item_days(lake, days, "UTC")

    def rows(table: pa.Table) -> list[str]:
        return sorted(map(str, table.to_pylist()))

    assert rows(both) == rows(from_rows)
    last = make_period_report(lake, Kind.WEEK, date(2026, 3, 16), timezone="UTC", made_at=NOW)
    own = [date(2026, 3, 16) + shift * DAY for shift in range(5)]
    agrees(last.items, second_count(lake, own), second_count(lake, [day - 7 * DAY for day in own]))
    assert "Changes of net are relative to Mar 9 to Mar 13." in period_as_html(last)


def test_the_first_day_is_compared_with_nothing(land: Land) -> None:
    """Not with 0: no column of changes, and a sentence."""
    found = make_report(land(3), LAST, timezone="UTC", made_at=NOW)
    assert found.items is not None
    assert {line.change.base for line in found.items.lines} == {None}
    page = report_as_html(found)
    assert "Nothing is compared: Fri, Mar 13 is not known." in page
    assert '<th scope="col">Share</th></tr>' in page.partition('id="sold"')[2].partition("</section>")[0]


def mix(*rows: tuple[str, date, str, str | None, int, str]) -> pa.Table:
    zeros = ("gross", "discount", "voided_quantity", "voided_gross", "voided_discount", "voided_net")
    whole = [
        {
            "site": site, "business_date": day, "department": "Wash", "item": item, "sku": sku, "quantity": pieces,
            "net": Decimal(net), **dict.fromkeys(zeros, 0), "share_of_net": None, "unknown": None,
        }
        for site, day, item, sku, pieces, net in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(whole, ITEM_MIX)


def test_changes_cover_the_sites_that_are_known_on_both_days() -> None:
    """The share is of all known sites; item numbers of one name are one item; a new item is new."""
    before = LAST - 7 * DAY
    rows = mix(
        ("A", LAST, "Basic", "1", 3, "30.00"),
        ("A", LAST, "Basic", "2", 1, "10.10"),
        ("B", LAST, "Basic", None, 5, "59.90"),
        ("A", LAST, "Wax", None, 1, "5.00"),
        ("C", LAST, "Basic", None, 9, "99.00"),
        ("A", before, "Basic", "1", 2, "20.05"),
        ("B", before, "Basic", None, 9, "90.00"),
    )
    found = items_of(rows, Sales(["A", "B"], [LAST]), Compared(Sales(["A"], [LAST]), Sales(["A"], [before])))
    assert found is not None
    basic, wax = found.lines
    assert (basic.quantity, basic.net, basic.share) == (9, Decimal("100.00"), Decimal(100) / 105)
    assert (basic.change.value, basic.change.base, basic.change.is_partial) == (
        Decimal("40.10"),
        Decimal("20.05"),
        True,
    )
    assert (wax.change.value, wax.change.base) == (5, 0)


def test_nothing_known_and_nothing_sold_are_sentences(land: Land) -> None:
    """Neither is a table of zeros."""
    nowhere = Compared(Sales([], []), Sales([], []))
    found = make_report(land(3), LAST, timezone="UTC", made_at=NOW)
    for sites, sentence in (
        ([], "What was sold is not known: no site has data of this day."),
        (["A"], "No items are on the tickets of this "),
    ):
        items = items_of(mix(), Sales(sites, [LAST]), nowhere)
        assert sentence in report_as_html(replace(found, items=items))


def test_a_missing_site_is_not_in_it(land: Land) -> None:
    """As in the tenders: the figures are of the sites that are known."""
    lake = land(12)
    rows = lake.read("transactions", ["2026-03-21"])
    code = next(row["code"] for row in lake.read("sites").to_pylist() if row["code"])
    only = rows.filter(pc.equal(rows["location_code"], code))
    lake.land("transactions", only.drop_columns(["date"]), partition="2026-03-21", metadata={"sites": f'["{code}"]'})
    found = make_report(lake, LAST, timezone="UTC", made_at=NOW)
    known = [site.code for site in found.sites if site.gap is None]
    assert code in known
    assert found.items is not None
    assert found.items.total.net <= total(second_count(lake, [LAST]))
