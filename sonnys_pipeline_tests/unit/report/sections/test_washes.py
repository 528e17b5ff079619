"""RS-03, KPIS "How often members wash": the section of the reports, from the landed mart."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from sonnys_pipeline.cli.report.documents import daily_document
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY
from sonnys_pipeline.report.daily import Page, make_report
from sonnys_pipeline.report.export.tables import daily_tables
from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.inputs import ShownMarts
from sonnys_pipeline.report.markdown import report_as_markdown
from sonnys_pipeline.report.periods.html import period_as_html
from sonnys_pipeline.report.periods.page import make_period_report
from sonnys_pipeline.report.periods.spans import Kind
from sonnys_pipeline.report.sections.washes import Washes, washes_in_short, washes_of
from sonnys_pipeline_tests.support.small_lake import LAST, NOW

Land = Callable[..., Lake]
BEFORE = LAST - timedelta(weeks=1)
MISSING = "member_washes, days_between, site_most_used: transactions not landed for all sites: 2026-03-02"


def land_washes(lake: Lake, day: date, counts: list[int | None], nameless: int = 0, unknown: str | None = None) -> None:
    """A row for each customer, and one for washes without a customer."""
    rows: list[dict[str, Any]] = [
        {"customer_id": str(at), "member_washes": count, "unknown": unknown} for at, count in enumerate(counts)
    ]
    if nameless:
        reason = "customer_id: these washes name no customer"
        rows.append({"customer_id": None, "member_washes": nameless, "unknown": reason})
    table = pa.Table.from_pylist([{"business_date": day, **row} for row in rows], WASH_FREQUENCY)
    lake.land("wash_frequency", table, partition=day.isoformat(), metadata={"input_digest": str(counts)})


def washes(lake: Lake) -> Washes:
    found = washes_of(lake, LAST, BEFORE)
    assert found is not None
    return found


def test_members_by_their_washes(tmp_path: Path) -> None:
    """A mean over those who came, and groups whose shares add up; against a week before."""
    lake = Lake(tmp_path)
    land_washes(lake, LAST, [1, 1, 2, 3, 4, 8, 9, 30], nameless=2)
    land_washes(lake, BEFORE, [1, 2, 4, 9])
    found = washes(lake)
    assert (found.members, found.washes, found.nameless) == (8, 58, 2)
    assert (found.mean.value, found.mean.base) == (Decimal(58) / 8, 4)
    assert [(one.label, one.members, one.change.base) for one in found.groups] == [
        ("1 wash", 2, Decimal("0.25")),
        ("2 washes", 1, Decimal("0.25")),
        ("3 to 4 washes", 2, Decimal("0.25")),
        ("5 to 8 washes", 1, 0),
        ("9 washes and more", 2, Decimal("0.25")),
    ]
    assert sum(one.share or 0 for one in found.groups) == 1
    assert washes_in_short(found) == (
        "In the 30 days to Mar 20, 8 members washed 7.3 times on average, after 4.0 in those to Mar 13; 2 more washes "
        "name no customer."
    )


def test_a_window_with_a_missing_day_is_not_known(tmp_path: Path) -> None:
    """Neither a mean of the other days, nor 0."""
    lake = Lake(tmp_path)
    land_washes(lake, LAST, [None, None], unknown=MISSING)
    found = washes(lake)
    assert (found.groups, found.mean.value) == ((), None)
    assert washes_in_short(found) == f"How often members washed is not known: {MISSING}."
    land_washes(lake, LAST, [1, 2])
    land_washes(lake, BEFORE, [None], unknown=MISSING)
    assert washes(lake).mean.base is None
    assert washes_in_short(washes(lake)) == "In the 30 days to Mar 20, 2 members washed 1.5 times on average."


def test_washes_that_name_no_customer_tell_nothing_of_members(tmp_path: Path) -> None:
    """As under SONNYS_PII=drop."""
    lake = Lake(tmp_path)
    land_washes(lake, LAST, [], nameless=9)
    assert washes(lake).unknown == "customer_id: these washes name no customer"
    assert washes_in_short(washes(lake)).startswith("How often members washed is not known: ")


def test_the_page_the_document_and_the_export(land: Land) -> None:
    """The same figures in each form; of a month, too."""
    lake = land(25)
    land_washes(lake, LAST, [1, 2, 3])
    found = make_report(lake, LAST, timezone="UTC", made_at=NOW)
    page = report_as_html(found)
    assert "In the 30 days to Mar 20, 3 members washed 2.0 times on average." in page
    assert '<th scope="row">3 to 4 washes</th><td>1</td><td>33.3%</td></tr>' in page
    assert "3 members washed 2.0 times" in report_as_markdown(found).replace("\\", "")
    document = daily_document(found, Page(Path("report.html"), 1))["wash_frequency"]
    assert (document["members"], document["mean"], document["unknown"]) == (3, {"value": 2.0, "before": None}, None)
    [table] = [one for one in daily_tables(found) if one.name == "Washes in 30 days"]
    assert [row.values[0] for row in table.rows] == [1, 1, 1, 0, 0]
    month = make_period_report(lake, Kind.MONTH, LAST, timezone="UTC", made_at=NOW)
    assert "3 members washed 2.0 times on average." in period_as_html(month)


def test_without_the_mart_there_is_a_sentence(land: Land) -> None:
    """No caveat and no zero."""
    found = make_report(land(3), LAST, timezone="UTC", made_at=NOW)
    assert found.washes is None
    assert "How often members wash is not shown: wash_frequency of this day is not landed." in report_as_html(found)
    assert daily_document(found, Page(Path("report.html"), 1))["wash_frequency"] is None


def test_new_washes_make_the_page_outdated(land: Land) -> None:
    """Those of the day and of the week before; other days are not shown."""
    lake = land(1)
    lake.land("site_day_kpis", lake.read("sites"), partition=LAST.isoformat(), metadata={"input_digest": "rows"})
    seen = [ShownMarts(lake).digest(LAST)]
    for day, count in ((LAST, 1), (LAST, 2), (BEFORE, 3)):
        land_washes(lake, day, [count])
        assert ShownMarts(lake).digest(LAST) not in seen
        seen.append(ShownMarts(lake).digest(LAST))
    land_washes(lake, LAST - timedelta(days=1), [4])
    assert ShownMarts(lake).digest(LAST) == seen[-1]
