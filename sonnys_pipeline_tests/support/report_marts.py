"""Marts of a small chain, made by hand so that a person can check every sum; parts of them can be left out."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.marts.kpi_columns import DISCOUNT_MIX, SITE_DAY_KPIS, SITE_HOUR_KPIS, TENDER_MIX
from sonnys_pipeline.report.build import HISTORY_DAYS, Report, build_report
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.measures import Gap
from sonnys_pipeline.report.periods.build import PeriodReport, build_period_report
from sonnys_pipeline.report.periods.history import History
from sonnys_pipeline.report.periods.spans import Kind, Span

SATURDAY = date(2026, 11, 21)
MADE_AT = datetime(2026, 11, 22, 14, tzinfo=UTC)
NAMES = {"MAIN": "Main Street", "MESA": "Mesa Verde"}
Row = dict[str, Any]


def before(days: int) -> date:
    return SATURDAY - timedelta(days=days)


def site_day(site: str, day: date, **changed: object) -> Row:
    """A day of 100 cars and $1,000; half of the cars are members', 5 of 40 eligible washes became members."""
    row: Row = {
        "site": site, "business_date": day, "total_cars": 100, "member_washes": 50, "retail_washes": 50,
        "free_washes": 10, "eligible_washes": 40, "new_memberships": 5, "conversion_rate": 0.125,
        "sales": Decimal("1000.00"), "plan_sales": Decimal("200.00"), "retail_sales": Decimal("800.00"),
        "average_ticket": Decimal("10.00"), "average_retail_ticket": Decimal("16.00"), "discounts": Decimal("0.00"),
        "voided_transactions": 0, "voided_items": 0, "void_tenders": 0, "unsettled_transactions": 0,
        "transactions": 110, "new_memberships_in_lane": 5, "conversion_rate_in_lane": 0.125, "net_cars": 100,
        "net_sales": Decimal("1000.00"), "overpayments": Decimal("0.00"), "unknown": None,
    }  # fmt: skip
    return row | changed


def history(
    changed: Mapping[tuple[str, date], Row] | None = None,
    without: Collection[tuple[str, date]] = (),
    sites: Iterable[str] = NAMES,
) -> list[Row]:
    """Every day that a report looks at, at every site."""
    return [
        site_day(site, before(back), **(changed or {}).get((site, before(back)), {}))
        for site in sites
        for back in range(HISTORY_DAYS)
        if (site, before(back)) not in without
    ]


def report(
    site_days: Iterable[Row] | None = None,
    *,
    hours: Iterable[tuple[str, int, int]] = (("MAIN", 9, 40), ("MAIN", 10, 60), ("MESA", 12, 100)),
    tenders: Iterable[tuple[str, str, str | None, str]] = (),
    discounts: Iterable[tuple[str, str, str]] = (),
    sites: Mapping[str | None, str] = NAMES,
    zone: str | None = "UTC",
    findings: Iterable[Caveat] = (),
    missing: Collection[Gap] = (),
    made_at: datetime = MADE_AT,
) -> Report:
    """The report of `SATURDAY`."""
    return build_report(
        SATURDAY,
        site_days=pa.Table.from_pylist(list(history() if site_days is None else site_days), schema=SITE_DAY_KPIS),
        site_hours=pa.Table.from_pylist(
            [
                {
                    "site": site, "business_date": SATURDAY, "hour": hour, "minutes": 60, "cars": cars,
                    "sales": Decimal(0),
                }
                for site, hour, cars in hours
            ],
            schema=SITE_HOUR_KPIS,
        ),
        tenders=pa.Table.from_pylist(
            [
                {
                    "site": site, "business_date": SATURDAY, "tender": tender, "tender_sub_type": kind, "tenders": 1,
                    "total": Decimal(total),
                }
                for site, tender, kind, total in tenders
            ],
            schema=TENDER_MIX,
        ),
        discounts=pa.Table.from_pylist(
            [
                {
                    "site": site, "business_date": SATURDAY, "discount_name": name, "discounts": 1,
                    "amount": Decimal(amount), "share_of_gross": 0.0,
                }
                for site, name, amount in discounts
            ],
            schema=DISCOUNT_MIX,
        ),
        sites=pa.table(
            {
                "code": pa.array(list(sites), pa.string()),
                "name": pa.array(list(sites.values()), pa.string()),
                "timezone": pa.array([zone] * len(sites), pa.string()),
            }
        ),
        findings=list(findings),
        missing=missing,
        made_at=made_at,
    )  # fmt: skip


def period_report(kind: Kind, names: Mapping[str, str] = NAMES) -> PeriodReport:
    """October with a gap at the second site, or the week of `SATURDAY` up to it; the first site has large numbers."""
    first, second = names
    days = [before(back) for back in range(120)]
    large = {"total_cars": 1234, "sales": Decimal("23456.78")}
    rows = [site_day(first, day, **large) for day in days] + [site_day(second, day) for day in days]
    gap = Gap(before(25), second, "its transactions of 2026-10-27 are not landed")
    sites = SiteHistory(pa.table({"code": list(names), "timezone": ["UTC"] * len(names)}), "UTC")
    return build_period_report(
        Span.of(kind, before(35)) if kind is Kind.MONTH else Span.of(kind, SATURDAY, SATURDAY),
        History(pa.Table.from_pylist(rows, schema=SITE_DAY_KPIS), (gap,), 0, len(days), sites, tuple(days)),
        pa.table({"code": list(names), "name": list(names.values())}),
        made_at=MADE_AT,
    )
