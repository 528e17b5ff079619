"""Which landed days a sweep looks at, and by which requests."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import LONGEST_LIST, Day, Span, first_kept_day, last_complete_day
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.client.site_codes import is_in
from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.extract.state import MAX_PAGES
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.transactions import ASSET, sites_in
from sonnys_pipeline.landing.transactions import refuse_other_source
from sonnys_pipeline.landing.verified import Verification, Verifications, read_times
from sonnys_pipeline.revisit.policy import due_look

#: Rows of one list: a change while it is read costs reading it again.
_MOST_ROWS = MAX_PAGES * PAGE_SIZE


@dataclass(frozen=True)
class PlannedLook:
    """A day to look at.

    Attributes:
        rows: landed rows.
        tolerated: rows that the API's count may have beyond them: on the day's end, and copies.
        requests: what the look costs by itself, if nothing has changed.
        last: the look at the day before this one.
    """

    day: Day
    look: Look
    rows: int
    tolerated: int
    requests: int
    last: Verification | None


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep does.

    Attributes:
        looks: days to look at, in order.
        landed: all landed days that the API keeps.
        skipped: days that cannot be compared, each with the reason.
        looked_at: the looks of the days before this sweep.
    """

    looks: tuple[PlannedLook, ...]
    landed: tuple[str, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    looked_at: Verifications = field(default_factory=lambda: Verifications({}))

    @property
    def requests(self) -> int:
        """What the looks cost if nothing has changed."""
        lists = [one for one in self.looks if one.look is Look.STATES]
        own = sum(one.requests for one in self.looks if one.look is not Look.STATES)
        return own + sum(max(1, math.ceil(sum(one.rows for one in part) / PAGE_SIZE)) for part in spans(lists))


def plan_sweep(
    workspace: Workspace,
    start: date,
    end: date,
    *,
    by: Look | None = None,
    since: datetime | None = None,
) -> SweepPlan:
    """The looks at landed days from `start` to `end`, both included.

    Args:
        workspace: the account.
        start: first day; earlier ones than the API keeps are left out.
        end: last day; days that are not over are left out.
        by: the look for each day; None: as the policy says, so only days that are due.
        since: days with a good look of that kind since then are left out, as an interrupted sweep did them.

    Raises:
        LakeError: landed files cannot be read.
    """
    settings, lake, now = workspace.settings, workspace.lake.snapshot(), workspace.now()
    timezone = workspace.options.timezone
    oldest, newest = first_kept_day(now, timezone).isoformat(), last_complete_day(now, timezone).isoformat()
    landed = [day for day in lake.partitions(ASSET) if oldest <= day <= newest]
    days = [day for day in landed if start.isoformat() <= day <= end.isoformat()]
    files: dict[str, Mapping[str, str]] = {}
    skipped = {}
    for day in days:
        try:
            refuse_other_source(lake, day, workspace.options.source, timezone)
            files[day] = lake.metadata(ASSET, day)
        except UnreachableLakeError:
            raise
        except LakeError as error:
            skipped[day] = str(error)
            continue
        sites = sites_in(files[day])
        own = workspace.options.source.site_code
        if sites is not None and not (own and all(is_in(site, [own]) for site in sites)):
            skipped[day] = f"only {', '.join(sorted(sites))} landed; land the day's other sites first"
    looked_at = Verifications.of(lake, timezone, read_times(files))
    today = now.astimezone(ZoneInfo(timezone)).date()
    looks = []
    for day in days:
        if day in skipped:
            continue
        look = by or due_look(settings.revisit, day, today, looked_at, timezone)
        if look is None or (since is not None and _is_done(looked_at, day, look, since)):
            continue
        rows = lake.rows(ASSET, day)
        on_end, requests = _of_windows(files[day], Day.of(day, timezone), rows, look)
        looks.append(
            PlannedLook(Day.of(day, timezone), look, rows, on_end, requests, looked_at.last(day, look.satisfied_by))
        )
    return SweepPlan(tuple(looks), tuple(landed), skipped, looked_at)


def spans(looks: Sequence[PlannedLook]) -> list[list[PlannedLook]]:
    """Days that follow each other, as many together as one list may hold."""
    found: list[list[PlannedLook]] = []
    for one in looks:
        part = found[-1] if found else []
        if (
            part
            and part[-1].day.end == one.day.start
            and one.day.end - part[0].day.start <= LONGEST_LIST
            and sum(each.rows for each in part) + one.rows <= _MOST_ROWS
        ):
            part.append(one)
        else:
            found.append([one])
    return found


def day_of_span(part: Sequence[PlannedLook]) -> Day:
    """Days that follow each other, as one with a single window."""
    first, last = part[0].day, part[-1].day
    key = first.key if len(part) == 1 else f"{first.key}...{last.key}"
    return Day(key, first.timezone, (Span(first.start, last.end),))


def _is_done(looked_at: Verifications, day: str, look: Look, since: datetime) -> bool:
    last = looked_at.last(day, (look,))
    return last is not None and last.verified_at >= since and last.result.is_good


def _of_windows(metadata: Mapping[str, str], day: Day, rows: int, look: Look) -> tuple[int, int]:
    """Rows that a count may have beyond the landed ones, and the price of a look, from the file's metadata."""
    windows = json.loads(metadata.get("windows", "[]"))
    on_end = sum(
        int(window["cut_off"]) for window in windows if datetime.fromisoformat(window["end"]) == day.end
    )  # fmt: skip
    copies = sum(int(window.get("repeats", 0)) for window in windows)
    listed = max(1, math.ceil(rows / PAGE_SIZE))
    pages = sum(max(1, math.ceil(int(window["total"]) / PAGE_SIZE)) for window in windows) or listed
    return on_end + copies, {Look.FULL: 2 * pages + 1 + listed, Look.STATES: listed, Look.COUNT: 1}[look]
