"""The JSON of `sonnys report --json`: money in dollars, shares as fractions, null with a reason if not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sonnys_pipeline.report.build import Report
    from sonnys_pipeline.report.caveats import Caveat
    from sonnys_pipeline.report.daily import Page
    from sonnys_pipeline.report.measures import Figure
    from sonnys_pipeline.report.periods.build import DayLine, MonthLine, PeriodReport
    from sonnys_pipeline.report.periods.figures import Period, PeriodFigure
    from sonnys_pipeline.report.periods.lists import Section
    from sonnys_pipeline.report.periods.spans import Span
    from sonnys_pipeline.report.sections.items import ItemLine, Items
    from sonnys_pipeline.report.sections.labor_figures import Labor, LaborLine
    from sonnys_pipeline.report.sections.members import MemberLine, Members
    from sonnys_pipeline.report.sections.washes import Washes


def daily_document(found: Report, page: Page) -> dict[str, Any]:
    """Of a day."""
    return {
        "account": found.account,
        "business_date": found.business_date.isoformat(),
        "path": str(page.path),
        "bytes": page.size,
        "figures": {key: _figure(figure) for key, figure in found.figures.items()},
        "voids": {key: _figure(figure) for key, figure in found.voids.items()},
        "sites": len(found.sites),
        "missing_sites": [site.code for site in found.missing_sites],
        "findings": _findings(found.caveats),
        "members": None if found.members is None else _members(found.members),
        "labor": None if found.labor is None else _labor(found.labor),
        "items": None if found.items is None else _items(found.items),
        "wash_frequency": None if found.washes is None else _washes(found.washes),
        "to_date": {period.span.kind.value: _period(period) for period in found.to_date},
        "compared_as_of": found.made_at.isoformat(),
    }


def _labor(labor: Labor) -> dict[str, Any]:
    return {"total": _labor_line(labor.total), "sites": [_labor_line(line) for line in labor.lines]}


def _labor_line(line: LaborLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "hours": _number(line.hours),
        "overtime": _number(line.overtime),
        "cost": _number(line.cost),
        "cars_per_hour": _number(line.cars_per_hour),
        "cost_per_car": _number(line.cost_per_car),
        "share": _number(line.share),
        "shifts": line.shifts,
        "open_shifts": line.open_shifts,
        "last_week": {"hours": _number(line.hours_change.base), "cost": _number(line.cost_change.base)},
    }


def period_document(found: PeriodReport, page: Page) -> dict[str, Any]:
    """Of a week or month."""
    return {
        "account": found.account,
        "path": str(page.path),
        "bytes": page.size,
        **_period(found.period),
        "days": [{"day": line.day.isoformat(), **_line(line)} for line in found.days],
        "months": [{**_span(line.span), **_line(line)} for line in found.months],
        "items": None if found.items is None else _items(found.items),
        **({"wash_frequency": _washes(found.washes)} if found.washes else {}),
        **{name.lower().replace(" ", "_"): _section(section) for name, section in found.sections.items()},
        "findings": _findings(found.caveats),
        "compared_as_of": found.made_at.isoformat(),
    }


def _items(items: Items) -> dict[str, Any]:
    def line(one: ItemLine) -> dict[str, Any]:
        return {
            "name": one.name,
            "department": one.department,
            "pieces": _number(one.quantity),
            "net": _number(one.net),
            "share": _number(one.share),
            "compared": {"net": _number(one.change.value), "before": _number(one.change.base)},
        }

    return {"total": line(items.total), "lines": [line(one) for one in items.lines]}


def _washes(washes: Washes) -> dict[str, Any]:
    is_known = washes.unknown is None
    return {
        "day": washes.day.isoformat(),
        "members": washes.members if is_known else None,
        "washes": washes.washes if is_known else None,
        "washes_without_customer": washes.nameless if is_known else None,
        "mean": {"value": _number(washes.mean.value), "before": _number(washes.mean.base)},
        "groups": [
            {
                "washes": one.label,
                "members": one.members,
                "share": _number(one.share),
                "before": _number(one.change.base),
            }
            for one in washes.groups
        ],
        "unknown": washes.unknown,
    }


def _section(section: Section) -> dict[str, Any]:
    if section.period is None:
        return {"missing": section.note}
    parts = {"plans": _period(section.parts)["sites"]} if section.parts else {}
    return {"missing": None, **_period(section.period), **parts}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "value": _number(figure.value),
        "last_week": _number(figure.last_week.base),
        "four_weeks": _number(figure.four_weeks.base),
        "weeks": figure.four_weeks.days,
        "unknown": figure.unknown,
    }


def _members(found: Members) -> dict[str, Any]:
    def line(one: MemberLine) -> dict[str, float | None]:
        return {figure: _number(value) for figure, value in one.figures.items()}

    return {
        "figures": {**line(found.total), "churn": _number(found.churn)},
        "active_last_week": _number(found.active.base),
        "sites": [{"name": one.name, "figures": line(one)} for one in found.sites],
        "plans": [{"name": one.name, "figures": line(one)} for one in found.plans],
    }


def _period(period: Period) -> dict[str, Any]:
    return {
        **_span(period.span),
        "figures": {key: _period_figure(figure) for key, figure in period.figures.items()},
        "sites": [
            {
                "code": site.code,
                "name": site.name,
                "missing": site.gap,
                "figures": {key: _period_figure(figure) for key, figure in site.figures.items()},
            }
            for site in period.sites
        ],
    }


def _period_figure(figure: PeriodFigure) -> dict[str, Any]:
    return {
        "value": _number(figure.value),
        "before": _number(figure.before.base),
        "four_weeks": _number(figure.four_weeks.base),
        "unknown": figure.unknown,
    }


def _span(span: Span) -> dict[str, str]:
    days = {"first": span.first, "last": span.last, "through": span.through}
    return {"kind": span.kind.value, **{name: day.isoformat() for name, day in days.items()}}


def _line(line: DayLine | MonthLine) -> dict[str, Any]:
    values = {key: _number(value) for key, value in line.values.items()}
    return {"figures": values, "missing": line.gap, "missing_sites": line.missing_sites}


def _findings(caveats: Iterable[Caveat]) -> list[dict[str, str]]:
    return [{"severity": caveat.severity, "text": caveat.text} for caveat in caveats]


def _number(value: Any) -> float | None:  # noqa: ANN401 - a Decimal, which JSON lacks
    return None if value is None else float(value)
