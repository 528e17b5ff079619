"""Completes a day whose rows are loaded: the API's own count, and the states (LV-03, LV-04).

One request counts the day over all sites. If the count differs, the cheapest explanation is tried first: new sites are
read, then each site is counted and those that changed are read again. A day with an unexplained difference is not
landed as complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sonnys_pipeline.client import APIError, ValidationError
from sonnys_pipeline.client.site_codes import fold, named_codes
from sonnys_pipeline.extract.events import LISTS_NEED_SITE, LoadObserver
from sonnys_pipeline.extract.listing import CountWork, SitesWork, StatesWork
from sonnys_pipeline.extract.pages.assemble import CountProof, cut
from sonnys_pipeline.extract.pages.states import StatesReader, join_states, lacks_states
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.extract.state import DayWork, ListWork

#: Rereads of sites whose count changed, before the difference counts as unexplained.
_MAX_REREADS = 2


class Completion:
    """Adds list requests to days; `lists_need_site` remembers whether lists require a site."""

    def __init__(
        self, options: LoaderOptions, observer: LoadObserver, reader: StatesReader, *, max_counts: int
    ) -> None:  # fmt: skip
        """`max_counts` limits the requests for counting a day site by site."""
        self.lists_need_site = options.lists_need_site
        self._options = options
        self._observer = observer
        self._reader = reader
        self._most_counts = max_counts

    def advance(self, day: DayWork) -> bool:
        """Process responses, add the next requests; return whether the day is complete. Raises RowOfTwoSitesError."""
        while day.has_rows and day.is_answered:
            if day.request.reads == "count" and day.counts is None:
                self._count_only(day)
            elif self._options.proof and day.proof is None and day.request.with_rows:
                self._check_count(day)
            elif self._wants_states(day):
                self._read_states(day)
            else:
                day.lists = []
                return True
        return False

    def on_refusal(self, work: ListWork, error: APIError) -> bool:
        """Handle a request that failed for good; return whether the day goes on without its result."""
        day = work.day
        if isinstance(error, ValidationError) and error.concerns_site and work.site is None and day.request.sites:
            if not self.lists_need_site:
                self.lists_need_site = True
                self._observer.learned(LISTS_NEED_SITE, True)
            day.lists = []
            return True
        if isinstance(work, StatesWork) and day.request.with_rows:
            day.states_note = f"version-2 could not be read: {error}"
        elif isinstance(work, CountWork) and isinstance(error, ValidationError) and day.request.with_rows:
            day.proof = CountProof(None, day.table.num_rows, note=f"the API refuses to count: {error}")
        else:
            return False
        day.lists = []
        return True

    # The count.

    def _count_only(self, day: DayWork) -> None:
        """Request the number of rows, of each site where lists require one."""
        if asked := [work for work in day.lists if isinstance(work, CountWork)]:
            day.counts = {}
            for work in asked:
                day.counts[work.site] = day.counts.get(work.site, 0) + (work.total or 0)
            day.lists = []
        else:
            windows = day.request.day.windows
            day.lists = [CountWork(day, window, site) for site in self._list_sites(day) for window in windows]

    def _check_count(self, day: DayWork) -> None:
        counts = [work for work in day.lists if isinstance(work, CountWork)]
        if any(isinstance(work, SitesWork) for work in day.lists):
            self._read_new_sites(day)
        elif not counts:
            self._count(day)
        elif differing := {work: found for work in counts if (found := _difference(day, work))}:
            self._on_difference(day, differing)
        elif day.missing:  # every site matches its own count, but the day does not
            self._give_up(day)
        else:
            day.proof, day.lists = CountProof(sum(work.total or 0 for work in counts), day.table.num_rows), []

    def _count(self, day: DayWork) -> None:
        """Request the day's count, site by site if a count over all sites is refused."""
        sites = self._list_sites(day)
        windows = day.request.day.windows
        if len(sites) > max(1, self._most_counts):
            note = (
                f"the API does not count all sites at once, and counting {len(sites)} sites costs more than "
                f"{self._most_counts} requests a day; only each site's own total was checked"
            )
            day.proof = CountProof(None, day.table.num_rows, note=note)
        else:
            day.lists = [CountWork(day, window, site) for site in sites for window in windows]

    def _on_difference(self, day: DayWork, differing: Mapping[CountWork, int]) -> None:
        day.missing = sum(differing.values())
        moved = [work.site for work in differing if work.site is not None]
        if moved or not day.request.sites:
            if day.rereads == _MAX_REREADS:
                self._give_up(day)
                return
            day.rereads += 1
            day.missing, day.lists = 0, []
            day.read_sites(list(dict.fromkeys(moved)) or day.request.job_sites)
        elif not day.relisted_sites:
            day.lists = [SitesWork(day)]
        else:
            self._count_each_site(day)

    def _read_new_sites(self, day: DayWork) -> None:
        """Read sites that are new since the run began; without any, count site by site."""
        (asked,) = (work for work in day.lists if isinstance(work, SitesWork))
        day.relisted_sites = True
        read = {fold(code) for code in day.sites_read}
        new = [code for code in named_codes(asked.sites) if fold(code) not in read]
        day.lists = []
        if new:
            self._observer.sites_appeared(day.request.day.key, asked.sites, new)
            day.missing = 0
            day.read_sites(new)
        else:
            self._count_each_site(day)

    @staticmethod
    def _count_each_site(day: DayWork) -> None:
        day.lists = [CountWork(day, window, site) for site in day.sites_read for window in day.request.day.windows]

    @staticmethod
    def _give_up(day: DayWork) -> None:
        if day.relisted_sites and day.rereads < _MAX_REREADS:
            note = (
                f"each of the {len(day.sites_read)} sites matches its own count; look for rows of a site that is "
                "missing from /site/list or has no code"
            )
        else:
            note = "rows kept changing while the day was read"
        rows = day.table.num_rows
        day.proof, day.lists = CountProof(rows + day.missing, rows, day.missing, note), []

    def _list_sites(self, day: DayWork) -> Sequence[str | None]:
        """The site that each list request names."""
        if self.lists_need_site and day.request.sites:
            return day.sites_read or day.request.sites
        # Only a single requested site is named; otherwise a site that has opened since would be missed.
        return (None,) if day.request.site is None else day.request.job_sites

    # The states.

    def _wants_states(self, day: DayWork) -> bool:
        if day.states is not None or day.states_note or day.request.reads == "count":
            return False
        if day.request.reads == "states" or self._options.states == "on":
            return True
        return self._options.states == "auto" and lacks_states(day.table)

    def _read_states(self, day: DayWork) -> None:
        asked = [work for work in day.lists if isinstance(work, StatesWork)]
        if asked:
            windows = [work.loaded for work in asked if work.loaded is not None]
            day.states = join_states(windows, day.table if day.request.with_rows else None)
            day.lists = []
            return
        day.lists = [
            StatesWork(day, window, site, self._reader)
            for site in self._list_sites(day)
            for window in day.request.day.windows
        ]


def _difference(day: DayWork, work: CountWork) -> int:
    """Rows that the count has beyond those loaded; negative if more were loaded.

    It is unknown whether the count includes rows on a window's end ([?] of the contract) and copies: both are accepted.
    """
    counted = work.total or 0
    inside = cut(day.rows_of(work.site), work.window).num_rows
    loaded = [one for one in day.loaded if work.site in {None, one.site}]
    on_end = sum(one.cut_off for one in loaded if one.window.end == work.window.end)
    repeats = sum(one.repeats for one in loaded)
    return 0 if inside <= counted <= inside + on_end + repeats else counted - inside
