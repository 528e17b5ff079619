"""One day, read window by window with the simple load job; complete, or an error.

Belongs here: when a window counts as complete, and what lies inside a day. Does not belong here: files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sonnys_pipeline.client import IncompleteResultError, JobPage, SonnysClient, TransactionJobItem
from sonnys_pipeline.loading.days import Day, Window


@dataclass(frozen=True)
class LoadedWindow:
    """A window as the API gave it.

    Attributes:
        window: what was asked for.
        total: rows of it as the API promised, rows on its end included.
        job_hashes: one load job a page.
        items: distinct rows, still with those on the end.
    """

    window: Window
    total: int
    job_hashes: tuple[str, ...]
    items: Sequence[TransactionJobItem]


@dataclass(frozen=True)
class LoadedDay:
    """A complete day.

    Attributes:
        day: which.
        windows: its windows, as the API gave them.
        items: its rows, each id once, cut to the day.
        loaded_at: aware UTC instant after the last answer.
        requests: requests spent on it.
        budget_wait: seconds waited for places in the request budget.
    """

    day: Day
    windows: tuple[LoadedWindow, ...]
    items: Sequence[TransactionJobItem]
    loaded_at: datetime
    requests: int = 0
    budget_wait: float = 0.0

    @property
    def job_hashes(self) -> tuple[str, ...]:
        """All load jobs of the day."""
        return tuple(job_hash for window in self.windows for job_hash in window.job_hashes)

    @property
    def total(self) -> int:
        """Rows as the API promised, over all windows; a row on a window's end counts in both."""
        return sum(window.total for window in self.windows)


def read_day(
    client: SonnysClient, day: Day, *, poll_interval: float = 2.0, timeout: float = 300.0, site: str | None = None
) -> LoadedDay:
    """Read a whole day, one load job after the other.

    Args:
        client: whom to ask.
        day: what to ask for.
        poll_interval: seconds between polls.
        timeout: seconds that one load job may take.
        site: one site's code; left out, every site in the same, fuller pages.

    Raises:
        IncompleteResultError: when rows and `total` disagree, or `total` moved while the day was read.
        APIError: whatever the client raises; nothing is kept then.
    """
    requests, waited = client.requests_sent, client.budget_wait
    windows = []
    for window in day.windows:
        pages = client.transactions.load_pages(
            poll_interval=poll_interval, timeout=timeout, site=site, **window.params
        )  # fmt: skip
        windows.append(complete_window(window, pages))
    loaded = complete_day(day, windows, datetime.now(UTC))
    return replace(
        loaded, requests=client.requests_sent - requests, budget_wait=client.budget_wait - waited
    )  # fmt: skip


def complete_window(window: Window, pages: Iterable[JobPage]) -> LoadedWindow:
    """Put pages together; the last row of an id wins, since a page read later is newer.

    Raises:
        IncompleteResultError: when the distinct rows are not exactly as many as every page's `total` says.
    """
    rows: dict[str, TransactionJobItem] = {}
    hashes: list[str] = []
    totals: set[int] = set()
    for page in pages:
        rows.update((item.id, item) for item in page.items)
        hashes += [page.job_hash] if page.job_hash else []
        totals.add(page.total)
    if totals != {len(rows)}:
        promised = next((total for total in sorted(totals, reverse=True) if total != len(rows)), len(rows))
        raise IncompleteResultError(promised, len(rows), f"window {window}")
    return LoadedWindow(window, len(rows), tuple(hashes), tuple(rows.values()))


def complete_day(day: Day, windows: Sequence[LoadedWindow], loaded_at: datetime) -> LoadedDay:
    """Cut each window to `[start, end)` and join them; the API includes both ends (contract, "Time")."""
    items = [item for loaded in windows for item in loaded.items if item.complete_date in loaded.window]
    return LoadedDay(day, tuple(windows), items, loaded_at)
