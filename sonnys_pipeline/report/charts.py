"""Charts of a report, as inline SVG.

Not by Matplotlib or Altair: both fix colours and type sizes in the picture, so that one file cannot serve light, dark,
print and a phone, and they add 60 MB or a JavaScript engine to the installation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
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


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; a missing one (`value` is None) is a dashed frame, one that is not whole is hollow.

    `name` and `part` (why it is not whole) are told to readers, `tick` is written below. `kind` is `now`, `same` or
    empty; `mean` is a point of the line.
    """

    name: str
    tick: str
    value: Decimal | None
    part: str = ""
    kind: str = ""
    mean: Decimal | None = None


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
    return bar_chart(describe(label, days, write), [_day_bar(day, days[-1].day) for day in days], write, write_scale)


def bar_chart(description: str, bars: Sequence[Bar], write: Write, write_scale: Write) -> Markup:
    """Bars, with the line of their means; a run of missing ones is one dashed frame. Other arguments: `trend_chart`.

    Args:
        description: the chart in a sentence, for screen readers.
        bars: in order; the last one's tick is at the right edge.
        write: as above.
        write_scale: as above.
    """
    top = nice_ceiling(max([Decimal(0), *(bar.value for bar in bars if bar.value is not None)]))
    svg = Element("svg", {"class": "chart", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img"})
    svg.set("aria-label", description)
    _scale(svg, top, write_scale)
    step = Decimal(_RIGHT - _LEFT) / max(1, len(bars))
    for first, last in _gaps(bars):
        _frame(svg, bars, first, last, step)
    for at, bar in enumerate(bars):
        _bar(svg, bar, at, step, top, write)
        if bar.tick:
            middle = _LEFT + step * at + step / 2
            place = {"x": _place(middle), "y": str(_FLOOR + 14), "class": "tick", "text-anchor": "middle"}
            if at == len(bars) - 1:
                place |= {"x": str(_RIGHT), "text-anchor": "end", "class": "tick now"}
            SubElement(svg, "text", place).text = bar.tick
    _mean_line(svg, bars, step, top)
    return Markup(tostring(svg, encoding="unicode"))  # noqa: S704 - ElementTree escapes every text and attribute


def _day_bar(day: TrendDay, newest: date) -> Bar:
    same = day.day.weekday() == newest.weekday()
    sites = f"{day.missing_sites} {'site' if day.missing_sites == 1 else 'sites'} missing" if day.missing_sites else ""
    return Bar(
        formatting.day(day.day),
        formatting.short_day(day.day) if same else "",
        day.value,
        sites,
        "now" if day.day == newest else "same" if same else "",
        day.mean,
    )


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


def _bar(svg: Element, bar: Bar, at: int, step: Decimal, top: Decimal, write: Write) -> None:
    if bar.value is None:
        return
    height = _height(max(Decimal(0), bar.value), top)
    shape = {
        "x": _place(_LEFT + step * at + step * Decimal("0.12")),
        "y": _place(height),
        "width": _place(step * Decimal("0.76")),
        "height": _place(_FLOOR - height),
        "class": " ".join(filter(None, ("bar", "part" if bar.part else "", bar.kind))),
    }
    told = f"{write(bar.value)}, {bar.part}" if bar.part else write(bar.value)
    SubElement(SubElement(svg, "rect", shape), "title").text = f"{bar.name}: {told}"


def _gaps(bars: Sequence[Bar]) -> Iterable[tuple[int, int]]:
    """First and last position of each run of missing bars."""
    missing = [at for at, bar in enumerate(bars) if bar.value is None]
    first = [at for at in missing if at - 1 not in missing]
    last = [at for at in missing if at + 1 not in missing]
    return zip(first, last, strict=True)


def _frame(svg: Element, bars: Sequence[Bar], first: int, last: int, step: Decimal) -> None:
    shape = {
        "x": _place(_LEFT + step * first + step * Decimal("0.12")),
        "y": str(_TOP),
        "width": _place(step * (last - first) + step * Decimal("0.76")),
        "height": str(_FLOOR - _TOP),
        "class": "gap",
    }
    period = f"{bars[first].name} to {bars[last].name}" if last > first else bars[first].name
    SubElement(SubElement(svg, "rect", shape), "title").text = f"{period}: missing"


def _mean_line(svg: Element, bars: Sequence[Bar], step: Decimal, top: Decimal) -> None:
    # The line is interrupted at bars without a mean.
    path, drawing = [], False
    for at, bar in enumerate(bars):
        if bar.mean is None:
            drawing = False
            continue
        middle = _LEFT + step * at + step / 2
        path.append(f"{'L' if drawing else 'M'}{_place(middle)} {_place(_height(max(Decimal(0), bar.mean), top))}")
        drawing = True
    if path:
        SubElement(svg, "path", {"d": "".join(path), "class": "mean"})


def _height(value: Decimal, top: Decimal) -> Decimal:
    return _FLOOR - (_FLOOR - _TOP) * value / top


def _place(number: Decimal) -> str:
    return f"{number:.1f}".removesuffix(".0")
