"""Members in a week or month, from the landed `membership_movement`: who joined, left and came back, and who is active.

Who joined or left is summed over the days; active members and their revenue are those at the end of the last day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.members.landed import MOVEMENT
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.build import sorted_by_name
from sonnys_pipeline.report.measures import DayBook, Measure, Unit
from sonnys_pipeline.report.periods.figures import Period, SpanBook
from sonnys_pipeline.report.periods.lists import (
    Chain,
    Row,
    Section,
    as_table,
    compared,
    landed_by_site,
    not_landed,
    summed,
    unknown_figures,
)
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.report.sections.members import partly_known

MEASURES = (
    Measure("active", "Active", Unit.COUNT, "active", at_end=True),
    Measure("joined", "Joined", Unit.COUNT, "joined"),
    Measure("came_back", "Came back", Unit.COUNT, "came_back"),
    Measure("left_voluntary", "Left by choice", Unit.COUNT, "left_voluntary", more_is_better=False),
    Measure("left_involuntary", "Left by payment", Unit.COUNT, "left_involuntary", more_is_better=False),
    Measure("net", "Net", Unit.COUNT, "net", has_change=False),
    Measure("mrr", "MRR", Unit.MONEY, "mrr", at_end=True),
)
#: Of a month only.
CHURN = Measure(
    "churn", "Churn", Unit.SHARE, "left_in_month", "active_at_month_start", more_is_better=False, at_end=True
)
_COLUMNS = tuple(dict.fromkeys(column for measure in (*MEASURES, CHURN) for column in measure.columns))


def period_members(lake: Lake, span: Span, chain: Chain) -> Section:
    """Members in a span: sums of its days, and the state at the end of its last day, by site and by plan.

    Args:
        lake: the lake with `membership_movement`.
        span: the week or month.
        chain: its sites.

    Raises:
        LakeError: a file cannot be read.
    """
    found = landed_by_site(lake, MOVEMENT, span, ("site", "business_date", "plan", "unknown", *_COLUMNS), chain)
    own = [row for row in found if span.first <= row["business_date"] <= span.through]
    if not own:
        return Section(f"No members: {MOVEMENT} of this {span.kind.value} is not landed, or has no account.")
    codes = {row["site"] for row in own}
    landed = {date.fromisoformat(day) for day in lake.partitions(MOVEMENT)}
    lacking = [day for day in span.days_shown if day not in landed]
    names = {code: chain.names.get(code) or code or "No site code" for code in codes}
    period = _period(found, "site", names, span, lacking)
    plans = {row["plan"] or "": row["plan"] or "No plan" for row in own}
    parts = _period(found, "plan", plans, span, lacking) if len(plans) > 1 else None
    caveats = (*unknown_figures(period, "Members, not known"), *partly_known(own))
    return Section(_note(period), period, caveats, parts)


def _period(
    rows: Sequence[Row], by: str, names: Mapping[str, str], span: Span, lacking: Sequence[date]
) -> Period:  # fmt: skip
    counted = [row for row in summed(rows, by, _COLUMNS) if row["site"] in names]
    first = min(span.first, *(row["business_date"] for row in counted))
    counted += _unknown(names, [day for day in lacking if day >= first], span)
    book = DayBook(as_table(counted, _COLUMNS), (), _COLUMNS)
    measures = (*MEASURES, CHURN) if span.kind is Kind.MONTH else MEASURES
    return SpanBook(book, measures).period(span, names, sorted_by_name(names, names))


def _unknown(names: Iterable[str], days: Sequence[date], span: Span) -> Iterator[Row]:
    """Rows without figures for days that are not landed, so that figures of other days are shown."""
    own = [day for day in days if day >= span.first]
    reason = not_landed(MOVEMENT, own or days, _COLUMNS)
    for day in days:
        for name in names:
            yield {"site": name, "business_date": day, "unknown": reason, **dict.fromkeys(_COLUMNS)}


def _note(period: Period) -> str:
    """A sentence or two: active members and their change, churn of a month, and what is compared."""
    span = period.span
    active, day = period.figures["active"], formatting.short_day(span.through)
    text = f"Active members and MRR at the end of {day}"
    moved = active.before.difference
    if active.value is not None:
        text = f"{formatting.count(active.value)} active members at the end of {day}"
        if moved is not None:
            count = formatting.count(abs(moved))
            word = f"{count} more than" if moved > 0 else f"{count} fewer than" if moved else "as many as"
            text += f", {word} at the end of {formatting.short_day(span.compared_before[1][-1])}"
    churn = period.figures.get("churn")
    if churn is not None and churn.value is not None:
        text += f"; churn of {formatting.share(churn.value)} since {formatting.short_day(span.first)}"
        if churn.before.base is not None:
            text += f" ({formatting.share(churn.before.base)} before)"
    return f"{text}. {compared(period)}"
