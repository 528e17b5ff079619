"""docs/report.md: numbers, days and changes as people in the United States read them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from sonnys_pipeline.report import formatting as wording
from sonnys_pipeline.report.measures import Change, Unit


def against(value: str | None, base: str | None, unit: Unit = Unit.COUNT) -> Change:
    numbers = (None if number is None else Decimal(number) for number in (value, base))
    return Change(unit, *numbers, sites=1, of_sites=1)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        ("1234", Unit.COUNT, "1,234"),
        ("1605.5", Unit.COUNT, "1,606"),
        ("12345.50", Unit.MONEY, "$12,346"),
        ("-284.1", Unit.MONEY, "\N{MINUS SIGN}$284"),
        ("-0.4", Unit.MONEY, "$0"),
        ("14.265", Unit.PRICE, "$14.27"),
        ("0.3449", Unit.SHARE, "34.5%"),
        (None, Unit.SHARE, "\N{EN DASH}"),
        (None, Unit.COUNT, "\N{EN DASH}"),
        (None, Unit.MONEY, "\N{EN DASH}"),
    ],
)
def test_quantities(value: str | None, unit: Unit, said: str) -> None:
    """In their unit; what is not known is a dash, never 0."""
    assert wording.quantity(None if value is None else Decimal(value), unit) == said


@pytest.mark.parametrize(
    ("change", "said", "way"),
    [
        (against("103.4", "100"), "+3.4%", "up"),
        (against("90", "100"), "\N{MINUS SIGN}10.0%", "down"),
        (against("100.04", "100"), "±0.0%", "same"),
        (against("350", "100"), "+250%", "up"),
        (against("0.35", "0.30", Unit.SHARE), "+5.0 pts", "up"),
        (against("0.35", "0", Unit.SHARE), "+35.0 pts", "up"),
        (against("5", "0"), "new", "up"),
        (against("0", "0"), "±0", "same"),
        (against("5", None), "\N{EN DASH}", "unknown"),
        (against("-50", "-100", Unit.MONEY), "+50.0%", "up"),
    ],
)
def test_changes(change: Change, said: str, way: str) -> None:
    """Per cent, or points for shares; the direction is that of what is written, so that ±0.0% has no arrow."""
    assert wording.change(change) == said
    assert wording.direction(change) == way


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        ("40000", Unit.MONEY, "$40k"),
        ("7500", Unit.COUNT, "7.5k"),
        ("1500", Unit.MONEY, "$1.5k"),
        ("750", Unit.COUNT, "750"),
        ("3000000", Unit.MONEY, "$3M"),
    ],
)
def test_scales(value: str, unit: Unit, said: str) -> None:
    """Round values, short enough to stand beside a chart."""
    assert wording.compact(Decimal(value), unit) == said


def test_days_and_hours() -> None:
    """English names whatever the machine's locale; noon and midnight are 12."""
    day = date(2026, 11, 21)
    assert wording.long_day(day) == "Saturday, November 21, 2026"
    assert wording.day(day) == "Sat, Nov 21"
    assert [wording.hour(hour) for hour in (0, 9, 12, 23)] == ["12 am", "9 am", "12 pm", "11 pm"]
    assert wording.moment(datetime(2026, 11, 22, 0, 5, tzinfo=UTC)) == "Nov 22, 2026, 12:05 am UTC"
