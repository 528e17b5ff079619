"""docs/report.md: charts that show gaps as gaps, carry their meaning in words, and load nothing."""

from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from sonnys_pipeline.report.build import TrendDay
from sonnys_pipeline.report.charts import describe, nice_ceiling, trend_chart

SATURDAY = date(2026, 11, 21)


def days(*values: int | None, missing_sites: tuple[int, ...] = (), mean: int | None = None) -> list[TrendDay]:
    """Days up to `SATURDAY`; `missing_sites` are positions of days on which a site is missing."""
    return [
        TrendDay(
            SATURDAY - timedelta(days=len(values) - 1 - at),
            None if value is None else Decimal(value),
            int(at in missing_sites),
            None if mean is None or value is None else Decimal(mean),
        )
        for at, value in enumerate(values)
    ]


def drawn(trend: list[TrendDay]) -> ET.Element:
    return ET.fromstring(trend_chart("Cars", trend, str, str))  # noqa: S314 - our own output


def test_a_bar_a_day_up_to_the_scale() -> None:
    """Heights are in proportion to a scale that begins at 0; the report's day and its weekday are marked."""
    bars = drawn(days(50, 100, 25, 40, 40, 40, 40, 40, 100)).findall("rect")
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[0] == pytest.approx(heights[1] / 2)
    assert heights[2] == pytest.approx(heights[1] / 4)
    assert [bar.attrib["class"] for bar in bars][-8:] == ["bar same", *["bar"] * 6, "bar now"]


def test_missing_is_drawn_and_never_a_bar_of_nothing() -> None:
    """A missing day is a frame, 0 is a bar without height, a day with sites missing is hollow; each says so."""
    gap, zero, part, last = drawn(days(None, 0, 7, 8, missing_sites=(2,))).findall("rect")
    assert (gap.attrib["class"], gap.findtext("title")) == ("gap", "Wed, Nov 18: missing")
    assert float(gap.attrib["height"]) > 100
    assert (zero.attrib["class"], zero.attrib["height"]) == ("bar", "0")
    assert (part.attrib["class"], part.findtext("title")) == ("bar part", "Fri, Nov 20: 7, 1 site missing")
    assert last.attrib["class"] == "bar now"


def test_missing_days_in_a_row_share_a_frame() -> None:
    """A lake that has only just begun shows one calm frame before its first bar."""
    frames = [bar for bar in drawn(days(None, None, None, 5, None, 6)).findall("rect") if bar.attrib["class"] == "gap"]
    assert [frame.findtext("title") for frame in frames] == [
        "Mon, Nov 16 to Wed, Nov 18: missing",
        "Fri, Nov 20: missing",
    ]
    assert float(frames[0].attrib["width"]) > 3 * float(frames[1].attrib["width"])


def test_the_mean_is_broken_where_there_is_none() -> None:
    """Two strokes around a gap."""
    path = drawn(days(5, 5, None, 5, 5, mean=5)).find("path[@class='mean']")
    assert path is not None
    assert path.attrib["d"].count("M") == 2
    assert path.attrib["d"].count("L") == 2


def test_nothing_is_outside_the_picture() -> None:
    """Also with a negative day, which has no height."""
    svg = drawn(days(-5, 1_000_000, 3))
    for bar in svg.findall("rect"):
        assert 0 <= float(bar.attrib["x"]) <= 360 - float(bar.attrib["width"])
        assert 0 <= float(bar.attrib["y"]) <= 150 - float(bar.attrib["height"])


def test_a_chart_of_gaps_and_a_chart_of_nothing() -> None:
    """Both are drawn, and say what they are."""
    assert drawn(days(None, None)).attrib["aria-label"].endswith("every day is missing.")
    assert drawn([]).attrib["aria-label"] == "Cars: no days."


def test_it_can_be_read_without_being_seen() -> None:
    """Lowest, highest, last, and what is missing, in a sentence."""
    assert describe("Cars", days(5, None, 2, 9, 7), str) == (
        "Cars per day, Tue, Nov 17 to Sat, Nov 21: lowest 2 on Thu, Nov 19, highest 9 on Fri, Nov 20, last 7, "
        "1 day missing."
    )


@pytest.mark.parametrize(
    ("value", "ceiling"),
    [("0", "1"), ("-3", "1"), ("1", "1"), ("7", "8"), ("2100", "3000"), ("99", "100"), ("0.3", "0.3")],
)
def test_scales_end_in_round_numbers(value: str, ceiling: str) -> None:
    """Not below the highest day, and readable in halves."""
    assert nice_ceiling(Decimal(value)) == Decimal(ceiling)
