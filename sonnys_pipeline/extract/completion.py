"""What a day whose rows are there still needs before it is whole: the API's own count, and the states (LV-03, LV-04).

The count is asked for once a day over all sites. Where it differs from what came, everything that can explain it is
tried, the cheapest first: sites that are new are read, then each site is counted and those that moved are read again.
What stays unexplained is told, and the day is not landed as whole.
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

#: How often the sites whose count moved are read again before the difference stays unexplained.
_MOST_READS = 2


class Completion:
    """Adds questions to days, one day after the other; remembers what the lists refuse.

    Attributes:
        lists_need_site: whether lists that name no site are refused.
    """

    def __init__(
        self, options: LoaderOptions, observer: LoadObserver, reader: StatesReader, *, most_counts: int
    ) -> None:  # fmt: skip
        """Prepare.

        Args:
            options: whether days are counted, and their states read.
            observer: told what is learned.
            reader: reads pages of states.
            most_counts: requests that counting a day site by site may cost, where it cannot be counted at once.
        """
        self.lists_need_site = options.lists_need_site
        self._options = options
        self._observer = observer
        self._reader = reader
        self._most_counts = most_counts

    def advance(self, day: DayWork) -> bool:
        """Take in what has been answered, and ask what comes next.

        Returns:
            Whether the day is complete; else it has new questions, or sites to be read.

        Raises:
            RowOfTwoSitesError: when two sites disagree about a row.
        """
        while day.has_rows and day.is_answered:
            if self._options.proof and day.proof is None and day.request.with_rows:
                self._prove(day)
            elif self._wants_states(day):
                self._read_states(day)
            else:
                day.lists = []
                return True
        return False

    def refused(self, work: ListWork, error: APIError) -> bool:
        """A question has failed for good; whether the day goes on without its answer."""
        day = work.day
        if isinstance(error, ValidationError) and error.concerns_site and work.site is None and day.request.sites:
            if not self.lists_need_site:
                self.lists_need_site = True
                self._observer.learned(LISTS_NEED_SITE, True)
            day.lists = []
            return True
        if isinstance(work, StatesWork):
            day.states_note = f"version-2 could not be read: {error}"
        elif isinstance(work, CountWork) and isinstance(error, ValidationError):
            day.proof = CountProof(None, day.table.num_rows, note=f"the API refuses to count: {error}")
        else:
            return False
        day.lists = []
        return True

    # The count.

    def _prove(self, day: DayWork) -> None:
        counts = [work for work in day.lists if isinstance(work, CountWork)]
        if any(isinstance(work, SitesWork) for work in day.lists):
            self._look_for_sites(day)
        elif not counts:
            self._count(day)
        elif differing := {work: found for work in counts if (found := _difference(day, work))}:
            self._doubt(day, differing)
        elif day.missing:  # every site agrees with its own count, and the day does not
            self._give_up(day)
        else:
            day.proof, day.lists = CountProof(sum(work.total or 0 for work in counts), day.table.num_rows), []

    def _count(self, day: DayWork) -> None:
        """Ask for the day's count, at once or, where that is refused, site by site."""
        sites = self._list_sites(day)
        windows = day.request.day.windows
        if len(sites) > max(1, self._most_counts):
            note = (
                f"the API counts no day over all sites, and counting {len(sites)} sites one by one costs more than a "
                f"block of {self._most_counts} requests a day: each site's own total is the only proof"
            )
            day.proof = CountProof(None, day.table.num_rows, note=note)
        else:
            day.lists = [CountWork(day, window, site) for site in sites for window in windows]

    def _doubt(self, day: DayWork, differing: Mapping[CountWork, int]) -> None:
        """A count differs: look for what explains it, the cheapest first."""
        day.missing = sum(differing.values())
        moved = [work.site for work in differing if work.site is not None]
        if moved or not day.request.sites:
            if day.reads_again == _MOST_READS:
                self._give_up(day)
                return
            day.reads_again += 1
            day.missing, day.lists = 0, []
            day.read_sites(list(dict.fromkeys(moved)) or day.request.reads)
        elif not day.asked_for_sites:
            day.lists = [SitesWork(day)]
        else:
            self._count_each_site(day)

    def _look_for_sites(self, day: DayWork) -> None:
        """Read the sites that are new since the run began; where there are none, count site by site."""
        (asked,) = (work for work in day.lists if isinstance(work, SitesWork))
        day.asked_for_sites = True
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
        """To see which site has moved since it was read."""
        day.lists = [CountWork(day, window, site) for site in day.sites_read for window in day.request.day.windows]

    @staticmethod
    def _give_up(day: DayWork) -> None:
        """Nothing explains the difference: it stands in the day's proof."""
        if day.asked_for_sites and day.reads_again < _MOST_READS:
            note = (
                f"each of the {len(day.sites_read)} named sites agrees with its own count; look for rows of a site "
                "that /site/list does not name, or that has no code"
            )
        else:
            note = "rows came or went while the day was read, again and again"
        rows = day.table.num_rows
        day.proof, day.lists = CountProof(rows + day.missing, rows, day.missing, note), []

    def _list_sites(self, day: DayWork) -> Sequence[str | None]:
        """Which sites a list has to name, one after the other."""
        if self.lists_need_site and day.request.sites:
            return day.sites_read or day.request.sites
        # One site that is wanted alone is named. All of them are asked for at once, even where the list has but one: a
        # second one that has opened since would else be missed.
        return (None,) if day.request.site is None else day.request.reads

    # The states.

    def _wants_states(self, day: DayWork) -> bool:
        if day.states is not None or day.states_note:
            return False
        if not day.request.with_rows or self._options.states == "on":
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
    """Rows that the count has beyond those that came; negative where more came.

    Whether rows on a window's end are counted is not known ([?] of the contract), nor whether rows that load jobs list
    twice are counted twice here: either answer agrees.
    """
    counted = work.total or 0
    inside = cut(day.rows_of(work.site), work.window).num_rows
    loaded = [one for one in day.loaded if work.site in {None, one.site}]
    on_end = sum(one.cut_off for one in loaded if one.window.end == work.window.end)
    repeats = sum(one.repeats for one in loaded)
    return 0 if inside <= counted <= inside + on_end + repeats else counted - inside
