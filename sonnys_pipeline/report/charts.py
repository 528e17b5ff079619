"""Charts of a report, as inline SVG.

Not by Matplotlib or Altair: both fix colours and type sizes in the picture, so that one file cannot serve light, dark,
print and a phone, and they add 60 MB or a JavaScript engine to the installation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from xml.etree.ElementTree import Element, SubElement, tostring

from markupsafe import Markup

from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.build import TrendDay

#: One unit is about one CSS pixel on a phone, so that text has the size of the page's.
WIDTH, HEIGHT = 360, 150
_TOP, _FLOOR = 8, 128
_LEFT, _RIGHT = 36, 359

Write = Callable[[Decimal], str]


def trend_chart(label: str, days: Sequence[TrendDay], write: Write, write_scale: Write) -> Markup:
    """One bar a day, and the mean of seven days as a line.

    A run of missing days is one empty dashed frame; a day with missing sites is a hollow bar. Bars of the report's
    weekday are marked, because the report compares with those.

    Args:
        label: name of the figure, such as `Sales`.
        days: in order; the last is the report's.
        write: formats a value.
        write_scale: formats a value for the scale, in about six characters.
    """
    values = [day.value for day in days if day.value is not None]
    top = nice_ceiling(max([Decimal(0), *values]))
    svg = Element("svg", {"class": "chart", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img"})
    svg.set("aria-label", describe(label, days, write))
    _scale(svg, top, write_scale)
    step = Decimal(_RIGHT - _LEFT) / max(1, len(days))
    for first, last in _gaps(days):
        _frame(svg, days, first, last, step)
    for at, day in enumerate(days):
        _bar(svg, days, at, step, top, write)
        if day.day.weekday() == days[-1].day.weekday():
            middle = _LEFT + step * at + step / 2
            place = {"x": _place(middle), "y": str(_FLOOR + 14), "class": "tick", "text-anchor": "middle"}
            if at == len(days) - 1:
                place |= {"x": str(_RIGHT), "text-anchor": "end", "class": "tick now"}
            SubElement(svg, "text", place).text = formatting.short_day(day.day)
    _mean_line(svg, days, step, top)
    return Markup(tostring(svg, encoding="unicode"))  # noqa: S704 - ElementTree escapes every text and attribute


def describe(label: str, days: Sequence[TrendDay], write: Write) -> str:
    """The chart in a sentence, for screen readers."""
    if not days:
        return f"{label}: no days."
    known = [day for day in days if day.value is not None]
    period = f"{label} per day, {formatting.day(days[0].day)} to {formatting.day(days[-1].day)}"
    if not known:
        return f"{period}: every day is missing."
    low = min(known, key=lambda day: day.value or Decimal(0))
    high = max(known, key=lambda day: day.value or Decimal(0))
    parts = [
        f"lowest {write(low.value or Decimal(0))} on {formatting.day(low.day)}",
        f"highest {write(high.value or Decimal(0))} on {formatting.day(high.day)}",
    ]
    if (last := days[-1].value) is not None:
        parts.append(f"last {write(last)}")
    if missing := len(days) - len(known):
        parts.append(f"{missing} {'day' if missing == 1 else 'days'} missing")
    return f"{period}: {', '.join(parts)}."


def nice_ceiling(value: Decimal) -> Decimal:
    """The next round number (1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten), at least `value`; 1 for 0 and below."""
    if value <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(value.adjusted())
    steps = (Decimal(step) for step in ("1", "1.5", "2", "3", "4", "5", "6", "8", "10"))
    return next(step * power for step in steps if step * power >= value)


def _scale(svg: Element, top: Decimal, write: Write) -> None:
    for part in (Decimal(1), Decimal("0.5")):
        height = _place(_height(top * part, top))
        SubElement(svg, "line", {"x1": str(_LEFT), "x2": str(_RIGHT), "y1": height, "y2": height, "class": "grid"})
        place = {"x": str(_LEFT - 4), "y": _place(_height(top * part, top) + Decimal("3.5"))}
        label = SubElement(svg, "text", {**place, "class": "tick", "text-anchor": "end"})
        label.text = write(top * part)
    SubElement(
        svg, "line", {"x1": str(_LEFT), "x2": str(_RIGHT), "y1": str(_FLOOR), "y2": str(_FLOOR), "class": "floor"}
    )


def _bar(svg: Element, days: Sequence[TrendDay], at: int, step: Decimal, top: Decimal, write: Write) -> None:
    day = days[at]
    if day.value is None:
        return
    height = _height(max(Decimal(0), day.value), top)
    kind = "bar"
    if day.missing_sites:
        kind = "bar part"
        told = f"{write(day.value)}, {day.missing_sites} {'site' if day.missing_sites == 1 else 'sites'} missing"
    else:
        told = write(day.value)
    if at == len(days) - 1:
        kind += " now"
    elif day.day.weekday() == days[-1].day.weekday():
        kind += " same"
    shape = {
        "x": _place(_LEFT + step * at + step * Decimal("0.12")),
        "y": _place(height),
        "width": _place(step * Decimal("0.76")),
        "height": _place(_FLOOR - height),
        "class": kind,
    }
    SubElement(SubElement(svg, "rect", shape), "title").text = f"{formatting.day(day.day)}: {told}"


def _gaps(days: Sequence[TrendDay]) -> Iterable[tuple[int, int]]:
    """First and last position of each run of missing days."""
    missing = [at for at, day in enumerate(days) if day.value is None]
    first = [at for at in missing if at - 1 not in missing]
    last = [at for at in missing if at + 1 not in missing]
    return zip(first, last, strict=True)


def _frame(svg: Element, days: Sequence[TrendDay], first: int, last: int, step: Decimal) -> None:
    shape = {
        "x": _place(_LEFT + step * first + step * Decimal("0.12")),
        "y": str(_TOP),
        "width": _place(step * (last - first) + step * Decimal("0.76")),
        "height": str(_FLOOR - _TOP),
        "class": "gap",
    }
    period = formatting.day(days[first].day)
    if last > first:
        period += f" to {formatting.day(days[last].day)}"
    SubElement(SubElement(svg, "rect", shape), "title").text = f"{period}: missing"


def _mean_line(svg: Element, days: Sequence[TrendDay], step: Decimal, top: Decimal) -> None:
    # The line is interrupted at days without a mean.
    path, drawing = [], False
    for at, day in enumerate(days):
        if day.mean is None:
            drawing = False
            continue
        middle = _LEFT + step * at + step / 2
        path.append(f"{'L' if drawing else 'M'}{_place(middle)} {_place(_height(max(Decimal(0), day.mean), top))}")
        drawing = True
    if path:
        SubElement(svg, "path", {"d": "".join(path), "class": "mean"})


def _height(value: Decimal, top: Decimal) -> Decimal:
    return _FLOOR - (_FLOOR - _TOP) * value / top


def _place(number: Decimal) -> str:
    return f"{number:.1f}".removesuffix(".0")
