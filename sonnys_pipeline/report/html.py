"""A report as one self-contained HTML page: no script, no images, no network."""

from __future__ import annotations

from decimal import Decimal
from functools import cache, partial

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from sonnys_pipeline.report import charts, formatting, measures
from sonnys_pipeline.report.build import TOP, Report, secondary_figures
from sonnys_pipeline.report.glossary import DEFINITIONS, Status
from sonnys_pipeline.report.markdown import headline, members_in_short
from sonnys_pipeline.report.measures import TRENDS, VOIDS, Change, Figure
from sonnys_pipeline.report.sections.members import FIGURES
from sonnys_pipeline.report.sections.washes import washes_in_short

#: Figures of members with their headings and units.
MEMBER_COLUMNS = tuple(
    (figure, label, measures.Unit.MONEY if figure == "mrr" else measures.Unit.COUNT)
    for figure, label in zip(FIGURES, ("Active", "Joined", "Came back", "Left", "Net", "MRR"), strict=True)
)
#: Color levels of an hour, besides 0; the style sheet has a class `h1`, `h2`… for each.
HEAT_LEVELS = 5


def report_as_html(report: Report) -> str:
    """The page, to be written as UTF-8; names are escaped, and its Content-Security-Policy forbids all loading."""
    return template("report.html.j2").render(
        report=report,
        headline=headline(report),
        trends=[
            (measure, charts.trend_chart(measure.label, report.trends[measure.key], *formatters(measure.unit)))
            for measure in TRENDS
        ],
        has_mean=any(day.mean is not None for measure in TRENDS for day in report.trends[measure.key]),
        heat=max((cars for line in report.hour_lines for cars in line.cars or ()), default=0),
        chain_heat=max(report.chain_hours, default=0),
        voided_sites=_voided_sites(report),
        members_lead=members_in_short(report),
        member_columns=MEMBER_COLUMNS,
        washes_lead=washes_in_short(report.washes) if report.washes else "",
        definitions=DEFINITIONS,
        statuses=tuple(Status),
    )


def heat_level(cars: int, most: int) -> int:
    """0 for no cars, else 1 to `HEAT_LEVELS` in equal steps up to `most`."""
    return 0 if not cars or not most else min(HEAT_LEVELS, 1 + cars * HEAT_LEVELS // (most + 1))


def tone(change: Change, more_is_better: bool | None) -> str:
    """`good`, `bad` or `even`: the colour class of a change (arrow and sign show it, too)."""
    direction = formatting.direction(change)
    if more_is_better is None or direction not in {"up", "down"}:
        return "even"
    return "good" if (direction == "up") is more_is_better else "bad"


def _voided_sites(report: Report) -> list[tuple[str, list[Figure]]]:
    """The `TOP` sites with the most voids; sites without voids are left out."""
    rows = [(site.name, [site.voids[measure.key] for measure in VOIDS]) for site in report.sites]
    rows = [row for row in rows if any(figure.value for figure in row[1])]
    return sorted(rows, key=lambda row: [-(figure.value or Decimal(0)) for figure in row[1]])[:TOP]


def formatters(unit: measures.Unit) -> tuple[charts.Write, charts.Write]:
    """How a chart writes its values, and those of its scale."""
    return partial(formatting.quantity, unit=unit), partial(formatting.compact, unit=unit)


@cache
def template(name: str) -> Template:
    """A template of this room, with the functions that all of them use."""
    environment = Environment(
        loader=PackageLoader("sonnys_pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        fmt=formatting, measures=measures, secondary_figures=secondary_figures, heat_level=heat_level, tone=tone
    )
    return environment.get_template(name)
