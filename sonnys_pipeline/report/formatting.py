"""Format numbers, days and hours for people, in US English.

None becomes a dash, never 0; a figure that lacks a field says "not known". Day and month names are our own, because
those of `strftime` depend on the machine's locale.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from sonnys_pipeline.report.measures import Change, Figure, Unit

UNKNOWN = "\N{EN DASH}"
NOT_KNOWN = "not known"
_MINUS = "\N{MINUS SIGN}"
_SECONDARY_TEXTS = {
    "net_cars": "net {}",
    "net_sales": "net {}",
    "overpayments": "{} of it overpaid",
    "conversion_in_lane": "{} in lane",
}

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def rounded(value: Decimal, places: int) -> Decimal:
    """Round half up; 0 has no sign."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP) + 0


def count(value: Decimal | int | None) -> str:
    """1234 → `1,234`."""
    return UNKNOWN if value is None else f"{rounded(Decimal(value), 0):,f}".replace("-", _MINUS)


def number(value: Decimal | None, places: int) -> str:
    """1234.56 → `1,234.6`."""
    return UNKNOWN if value is None else f"{rounded(value, places):,f}".replace("-", _MINUS)


def dollars(value: Decimal | None, places: int = 0) -> str:
    """12345.4 → `$12,345`; a minus goes before the dollar sign."""
    if value is None:
        return UNKNOWN
    shown = rounded(value, places)
    return f"{_MINUS if shown < 0 else ''}${abs(shown):,f}"


def share(value: Decimal | None) -> str:
    """0.345 → `34.5%`."""
    return UNKNOWN if value is None else f"{rounded(value * 100, 1):,f}%".replace("-", _MINUS)


def quantity(value: Decimal | None, unit: Unit) -> str:
    """A value in its unit."""
    if unit is Unit.COUNT:
        return count(value)
    if unit is Unit.NUMBER:
        return number(value, 1)
    if unit is Unit.SHARE:
        return share(value)
    return dollars(value, 2 if unit is Unit.PRICE else 0)


def figure(figure: Figure) -> str:
    """A figure's value in its unit, or `not known` if a field is missing."""
    return NOT_KNOWN if figure.unknown else quantity(figure.value, figure.measure.unit)


def secondary(figure: Figure) -> str:
    """Text of a secondary figure: `net 12`, `net not known`, `$4.00 of it overpaid`, `12.5% in lane`."""
    value = NOT_KNOWN if figure.unknown else quantity(figure.value, figure.measure.unit)
    return _SECONDARY_TEXTS[figure.measure.key].format(value)


def mean_of(days: int, of_days: int, weekday: str) -> str:
    """`mean of 4 Saturdays`, `mean of 2 of 4 Saturdays`, `no earlier Saturday`."""
    if not days:
        return f"no earlier {weekday}"
    return f"mean of {days} of {of_days} {weekday}s" if days < of_days else f"mean of {days} {weekday}s"


def compact(value: Decimal | None, unit: Unit) -> str:
    """A round value for the scale of a chart: `$40k`, `1.5M`."""
    for size, letter in ((Decimal(1_000_000), "M"), (Decimal(1_000), "k")):
        if value is not None and abs(value) >= size:
            shown = f"{(value / size).normalize():f}{letter}"
            return f"${shown}" if unit in {Unit.MONEY, Unit.PRICE} else shown
    return quantity(value, unit)


def direction(change: Change) -> str:
    """`up`, `down` or `same` after rounding, or `unknown` if there is nothing to compare with."""
    step = _step(change)
    if step is None:
        return "unknown"
    return "same" if not step else "up" if step > 0 else "down"


def change(change: Change) -> str:
    """`+3.4%`; `+1.2 pts` for shares; `new` if it was 0 before; a dash if not known."""
    step = _step(change)
    if step is None:
        return UNKNOWN
    if change.fraction is None and change.unit is not Unit.SHARE:
        return "new" if step > 0 else UNKNOWN if step else "±0"
    sign = "+" if step > 0 else _MINUS if step < 0 else "±"
    return f"{sign}{abs(step):,f}{' pts' if change.unit is Unit.SHARE else '%'}"


def _step(change: Change) -> Decimal | None:
    """The change in per cent or points, rounded; 100 per cent and more without decimals."""
    if change.difference is None:
        return None
    if change.unit is Unit.SHARE:
        return rounded(change.difference * 100, 1)
    if change.fraction is None:
        return change.difference
    percent = change.fraction * 100
    return rounded(percent, 1 if abs(percent) < 100 else 0)


def weekday(day: date) -> str:
    """`Saturday`."""
    return _WEEKDAYS[day.weekday()]


def short_day(day: date) -> str:
    """`Nov 21`."""
    return f"{_MONTHS[day.month - 1][:3]} {day.day}"


def day(day: date) -> str:
    """`Sat, Nov 21`."""
    return f"{weekday(day)[:3]}, {short_day(day)}"


def long_day(day: date) -> str:
    """`Saturday, November 21, 2026`."""
    return f"{weekday(day)}, {_MONTHS[day.month - 1]} {day.day}, {day.year}"


def month(day: date) -> str:
    """`November 2026`."""
    return f"{_MONTHS[day.month - 1]} {day.year}"


def short_month(day: date) -> str:
    """`Nov 2026`."""
    return f"{_MONTHS[day.month - 1][:3]} {day.year}"


def days(first: date, last: date) -> str:
    """`Nov 16 to Nov 21`, or the one day."""
    return short_day(first) if first == last else f"{short_day(first)} to {short_day(last)}"


def period(kind: str, first: date, last: date) -> str:
    """`Week, Nov 16 to Nov 21`; `November, Nov 1 to Nov 21`."""
    return f"{'Week' if kind == 'week' else _MONTHS[first.month - 1]}, {days(first, last)}"


def moment(instant: datetime) -> str:
    """`Nov 22, 2026, 6:05 am UTC`, in the instant's own zone."""
    return f"{short_day(instant)}, {instant.year}, {clock(instant)} {instant.tzname() or ''}".rstrip()


def clock(instant: datetime) -> str:
    """`6:05 am`, in the instant's own zone."""
    return f"{instant.hour % 12 or 12}:{instant.minute:02d} {'am' if instant.hour < 12 else 'pm'}"


def hour(hour: int) -> str:
    """0 → `12 am`, 13 → `1 pm`."""
    return f"{hour % 12 or 12} {'am' if hour < 12 else 'pm'}"
