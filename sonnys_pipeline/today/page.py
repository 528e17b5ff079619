"""The day so far as one page, and in a sentence (KT-04); nothing is loaded, and it reloads itself."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.storage.folder import LakePath
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.charts import HEIGHT, WIDTH, nice_ceiling
from sonnys_pipeline.report.daily import ASSET as REPORTS
from sonnys_pipeline.report.html import template
from sonnys_pipeline.report.measures import CARS, MEMBER_WASHES, NEW_MEMBERSHIPS, SALES, Measure, Unit
from sonnys_pipeline.today.figures import MEASURES, Line, Today
from sonnys_pipeline.today.state import Accuracy

PAGE = "today.html"
#: Seconds after which the page loads itself again.
_RELOAD = 60
#: Labels of columns, where a card has room for more.
_SHORT = {MEMBER_WASHES.key: "Members", NEW_MEMBERSHIPS.key: "New"}
_LEFT, _RIGHT, _TOP, _FLOOR = 36, 359, 8, 128


def land_page(lake: Lake, today: Today, *, every: float) -> LakePath:
    """Write `{root}/daily_report/today.html` atomically; `every`: seconds between looks. Raises UnwritableLakeError."""
    return lake.land_page(REPORTS, PAGE, today_as_html(today, every=every), partition=None)


def today_as_html(today: Today, *, every: float) -> str:
    """The page, to be written as UTF-8; names are escaped, and its Content-Security-Policy forbids all loading."""
    return template("today.html.j2").render(
        today=today,
        lead=lead(today),
        cards=MEASURES,
        columns=[(measure, short_label(measure)) for measure in MEASURES],
        chart=hours_chart(today.hours),
        accuracy=[(one, *_off(one)) for one in reversed(today.state.accuracy[-14:])],
        same_time=same_time(today),
        reload=_RELOAD,
        minutes=formatting.count(round(every / 60)) if every >= 60 else f"{every / 60:.1f}",
    )


def lead(today: Today) -> str:
    """The day so far in a sentence: cars, sales, and the change since last week by this time."""
    cars, sales = today.total.value(CARS), today.total.value(SALES)
    if today.as_of is None or cars is None:
        return "Nothing is read yet."
    text = f"{formatting.count(cars)} cars and {formatting.dollars(sales)} in sales"
    if today.without_figures:
        text += f" at {len(today.sites) - len(today.without_figures)} of {len(today.sites)} sites"
    change = today.total.change(SALES)
    if change.fraction is None:
        return f"{text}."
    amount = formatting.change(change).lstrip("+±−")  # noqa: RUF001 - the signs that `formatting` writes
    word = {"up": f"up {amount} from", "down": f"down {amount} from", "same": "level with"}
    text += f"; sales are {word[formatting.direction(change)]} {same_time(today)}"
    if change.is_partial:
        text += f" at the {change.sites} {'site' if change.sites == 1 else 'sites'} that can be compared"
    return f"{text}."


def short_label(measure: Measure) -> str:
    """The label of a column."""
    return _SHORT.get(measure.key, measure.label)


def same_time(today: Today) -> str:
    """What the figures are compared with: `last Friday by this time`, or of no weekday where sites have two."""
    if not today.is_one_day:
        return "a week before by this time"
    return f"last {formatting.weekday(today.business_date)} by this time"


def how_far_off(accuracy: Accuracy) -> str:
    """An accuracy in a sentence: `At 20:00 on Nov 26 it showed 812 cars (+0.4%) and …`."""
    cars, sales = _off(accuracy)
    shown, when = accuracy.shown, f"on {formatting.short_day(accuracy.business_date)}"
    at = f"At {accuracy.at} {when}" if accuracy.at != "close" else f"At the last look {when}"
    return (
        f"{at} it showed {formatting.count(shown.cars)} cars ({cars}) and "
        f"{formatting.dollars(shown.sales)} ({sales}) of what was landed"
    )


def _off(accuracy: Accuracy) -> tuple[str, str]:
    """Cars and sales as shown, in per cent beside the landed ones."""
    shown, landed = accuracy.shown, accuracy.landed
    return _percent(Decimal(shown.cars), Decimal(landed.cars)), _percent(shown.sales, landed.sales)


def _percent(shown: Decimal, landed: Decimal) -> str:
    if not landed:
        return "±0%" if not shown else formatting.UNKNOWN
    off = formatting.rounded((shown - landed) / abs(landed) * 100, 1)
    sign = "+" if off > 0 else "−" if off < 0 else "±"  # noqa: RUF001 - as `formatting` writes it
    return f"{sign}{abs(off)}%"


def hours_chart(hours: Mapping[int, Line]) -> Markup:
    """Cars of each hour, from the first one with cars, as bars; those of the week before as a line across each."""
    before = {hour: line.change(CARS).base for hour, line in hours.items()}
    busy = [hour for hour, line in hours.items() if line.value(CARS) or before[hour]]
    span = range(min(busy, default=0), max(busy, default=-1) + 1)
    cars = {hour: hours[hour].value(CARS) or Decimal(0) for hour in span}
    top = nice_ceiling(max([Decimal(0), *cars.values(), *(one for one in before.values() if one is not None)]))
    svg = Element("svg", {"class": "chart", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img"})
    told = ", ".join(f"{formatting.hour(hour)} {formatting.count(count)}" for hour, count in cars.items())
    svg.set("aria-label", f"Cars per hour: {told or 'none yet'}.")
    for part in (Decimal(1), Decimal("0.5")):
        y = _height(top * part, top)
        SubElement(svg, "line", {**_level(Decimal(_LEFT), Decimal(_RIGHT), y), "class": "grid"})
        place = {"x": str(_LEFT - 4), "y": f"{y + Decimal('3.5'):.1f}", "text-anchor": "end"}
        SubElement(svg, "text", {**place, "class": "tick"}).text = formatting.compact(top * part, Unit.COUNT)
    SubElement(svg, "line", {**_level(Decimal(_LEFT), Decimal(_RIGHT), Decimal(_FLOOR)), "class": "floor"})
    step = Decimal(_RIGHT - _LEFT) / max(1, len(cars))
    for at, hour in enumerate(cars):
        left, y = _LEFT + step * at, _height(cars[hour], top)
        shape = {"x": f"{left + step * Decimal('0.14'):.1f}", "y": f"{y:.1f}", "height": f"{_FLOOR - y:.1f}"}
        bar = SubElement(svg, "rect", {**shape, "width": f"{step * Decimal('0.72'):.1f}", "class": "bar now"})
        base = before[hour]
        SubElement(
            bar, "title"
        ).text = f"{formatting.hour(hour)}: {formatting.count(cars[hour])} cars; a week before {formatting.count(base)}"
        if base is not None:
            ends = left + step * Decimal("0.04"), left + step * Decimal("0.96")
            SubElement(svg, "line", {**_level(*ends, _height(base, top)), "class": "mean"})
        if len(cars) <= 8 or hour % 2 == 0:
            place = {"x": f"{left + step / 2:.1f}", "y": str(_FLOOR + 14), "text-anchor": "middle", "class": "tick"}
            SubElement(svg, "text", place).text = formatting.hour(hour)
    return Markup(tostring(svg, encoding="unicode"))  # noqa: S704 - ElementTree escapes every text and attribute


def _level(left: Decimal, right: Decimal, y: Decimal) -> dict[str, str]:
    return {"x1": f"{left:.1f}", "x2": f"{right:.1f}", "y1": f"{y:.1f}", "y2": f"{y:.1f}"}


def _height(value: Decimal, top: Decimal) -> Decimal:
    return _FLOOR - (_FLOOR - _TOP) * max(Decimal(0), value) / top
