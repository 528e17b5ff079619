"""Days between which rows moved: held until the other day is read too, then landed as one (KT-02).

A read shows a move from either end: a landed id is gone from its day, or an id came that is landed in another day. In
the first case the API is asked for the transaction, one request each. Then the other day is read again in the same run,
of one site where possible.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from sonnys_pipeline.backfill.options import ExecutorOptions
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import Day, first_kept_day
from sonnys_pipeline.client import NotFoundError, Site, SonnysError
from sonnys_pipeline.client.site_codes import fold, is_in
from sonnys_pipeline.extract.events import Attempt, FailedDay, LoadObserver
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.transactions import ASSET, sites_in
from sonnys_pipeline.landing.account_sites import AccountSites
from sonnys_pipeline.landing.transactions import refuse_other_source
from sonnys_pipeline.quality.moved import LandedIds
from sonnys_pipeline.runtime.text import first_few

logger = logging.getLogger(__name__)

#: Requests for single transactions in one run; with more gone rows, the API's count is the only proof.
_MOST_ASKED = 50
#: Days that one run reads again because rows moved.
_MOST_EXTRA = 31
#: Ids named in one message.
_NAMED = 5

#: A day (partition key), and the site that was read alone, if any.
_Key = tuple[str, str | None]


class MovedRowsError(LakeError):
    """Rows moved between a day and another one that could not be read; both stay as they are."""


@dataclass
class HeldDay:
    """A loaded day that is landed together with others.

    Attributes:
        gone: landed ids that it does not have any more.
        elsewhere: its ids that are landed in other days: id → (day, site).
        extra: whether it is none of the run's days.
        problem: why it cannot be landed.
    """

    loaded: LoadedDay
    gone: frozenset[str]
    elsewhere: Mapping[str, Sequence[tuple[str, str]]]
    extra: bool = False
    problem: SonnysError | LakeError | None = None
    others: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ids = frozenset(self.loaded.table["id"].to_pylist())

    @property
    def key(self) -> str:
        """The day."""
        return self.loaded.day.key

    def covers(self, day: str, site: str) -> bool:
        """Whether it is a read of a day that includes a site."""
        return self.key == day and (self.loaded.site is None or fold(self.loaded.site) == fold(site))


class ExtraDays(LoadObserver):
    """Audits and learns for a run; load jobs of extra days are not kept, since a resumed run finds the days anew."""

    def __init__(self, run: LoadObserver) -> None:
        self._run = run

    def attempted(self, attempt: Attempt) -> None:
        """Pass it on."""
        self._run.attempted(attempt)

    def learned(self, name: str, value: object) -> None:
        """Pass it on."""
        self._run.learned(name, value)

    def sites_appeared(self, day: str, sites: Sequence[Site], new: Sequence[str]) -> None:
        """Pass it on."""
        self._run.sites_appeared(day, sites, new)


class HeldDays:
    """The days of a run that are landed together with others."""

    def __init__(self, workspace: Workspace, options: ExecutorOptions) -> None:
        self._workspace = workspace
        self._options = options
        self._lake = workspace.lake
        self._held: list[HeldDay] = []
        self._asked: dict[str, tuple[str, str] | None] = {}  # id → its day and site now, None: deleted
        self._tried: set[_Key] = set()  # extra days
        self._landed_ids = LandedIds()
        self.requests_sent = 0

    def holds(self, loaded: LoadedDay) -> bool:
        """Keep a day whose rows moved, or are gone; False for any other, which can be landed at once.

        Raises OtherSourceError where landing it would.
        """
        if not loaded.with_rows or loaded.differs_from_count:
            return False
        now = self._lake.snapshot()
        gone, elsewhere = self._differences(now, loaded)
        # An empty read is refused where rows are landed; the API is not asked for each of them.
        if not loaded.table.num_rows or not (gone or elsewhere):
            return False
        refuse_other_source(now, loaded.day.key, self._options.source, loaded.day.timezone)
        self._held.append(HeldDay(loaded, gone, elsewhere))
        return True

    def requests(self, sites: AccountSites) -> list[DayRequest]:
        """Other days to read, after asking the API for rows that are gone. Each is read once in a run."""
        wanted: dict[_Key, HeldDay] = {}
        for one in self._held:
            try:
                places = [*self._where_gone(one), *(place for found in one.elsewhere.values() for place in found)]
            except SonnysError as error:
                one.problem = error
                continue
            for day, site in places:
                one.others.add(day)
                self._refuse_contradiction(one, day)
                if not any(held.covers(day, site) for held in self._held):
                    wanted.setdefault(self._key(day, site, sites), one)
        made = []
        for key, one in wanted.items():
            if key in self._tried:
                continue
            self._tried.add(key)
            if key[0] < self._oldest(one.loaded) or len(self._tried) > _MOST_EXTRA:
                logger.warning("%s is not read again, although rows moved between it and %s", key[0], one.key)
                continue
            made.append(day_request(*key, sites, self._options))
        return made

    def add_extra(self, outcome: LoadedDay | FailedDay) -> None:
        """Keep an extra day; if it could not be read, the days that need it fail."""
        if isinstance(outcome, FailedDay):
            key = outcome.request.day.key
            for one in self._held:
                if key in one.others:
                    one.problem = MovedRowsError(
                        f"{ASSET} {one.key}: rows moved between it and {key}, which could not be read "
                        f"({outcome.error}); both days stay. Run it again"
                    )
            return
        because = next((one.loaded.found_by for one in self._held if outcome.day.key in one.others), "")
        gone, elsewhere = self._differences(self._lake.snapshot(), outcome)
        loaded = replace(outcome, found_by=because or outcome.found_by)
        self._held.append(HeldDay(loaded, gone, elsewhere, extra=True))

    def groups(self) -> list[list[HeldDay]]:
        """The held days, those between which rows moved together; each knows where its rows went."""
        for one in self._held:
            one.loaded = self._explained(one)
        left, groups = list(self._held), []
        while left:
            group = [left.pop(0)]
            days = {group[0].key, *group[0].others}
            while joining := [one for one in left if one.key in days or days & one.others]:
                left = [one for one in left if one not in joining]
                group += joining
                days |= {day for one in joining for day in (one.key, *one.others)}
            groups.append(group)
        return groups

    def _explained(self, one: HeldDay) -> LoadedDay:
        """The day with the other days of its rows, and those that the API no longer has."""
        moved = {row_id: places[0][0] for row_id, places in one.elsewhere.items()}
        deleted = set()
        for row_id in one.gone:
            place = self._place_of(row_id, one)
            if place is not None and place[0] != one.key:
                moved[row_id] = place[0]
            elif row_id in self._asked and place is None:
                deleted.add(row_id)
        return replace(one.loaded, moved=moved, deleted=frozenset(deleted))

    def _where_gone(self, one: HeldDay) -> Iterable[tuple[str, str]]:
        """Where rows that are gone from a day are now, if that is another landed day."""
        for row_id in sorted(one.gone):
            self._ask(row_id, one)
            place = self._place_of(row_id, one)
            if place is None:
                continue
            if place[0] == one.key:
                one.problem = MovedRowsError(
                    f"{ASSET} {one.key}: the API says that {row_id} is still of this day and does not list it; the day "
                    "stays. Run it again"
                )
            elif self._lake.has(ASSET, place[0]):
                yield place

    def _differences(self, lake: Lake, loaded: LoadedDay) -> tuple[frozenset[str], dict[str, list[tuple[str, str]]]]:
        """Landed ids that a read lacks, and those of its ids that are new in this day and landed in others.

        Damaged files count as not landed, with a warning: they must not keep a day from being landed.
        """
        day, ids = loaded.day.key, set(loaded.table["id"].to_pylist())
        landed: set[str] = set()
        gone: frozenset[str] = frozenset()
        try:
            if lake.has(ASSET, day):
                rows = lake.read(ASSET, [day], ["id", "location_code"])
                sites = sites_in(lake.metadata(ASSET, day))
                asked = {fold(loaded.site)} if loaded.site is not None else {fold(code) for code in loaded.sites}
                pairs = list(zip(rows["id"].to_pylist(), rows["location_code"].to_pylist(), strict=True))
                landed = {row_id for row_id, _ in pairs}
                gone = frozenset(
                    row_id
                    for row_id, code in pairs
                    if row_id not in ids
                    and (not asked or fold(code) in asked)
                    and (sites is None or is_in(code, sites))
                )
            return gone, self._landed_ids.elsewhere(lake, ids - landed, day, self._oldest(loaded))
        except UnreachableLakeError:
            raise
        except LakeError as error:
            logger.warning("%s: cannot check for rows that moved between days: %s", day, error)
            return frozenset(), {}

    def _oldest(self, loaded: LoadedDay) -> str:
        """The first day that the API keeps."""
        return first_kept_day(loaded.loaded_at, self._options.timezone).isoformat()

    def _place_of(self, row_id: str, one: HeldDay) -> tuple[str, str] | None:
        """Day and site of a row that is gone from a day, if known."""
        for held in self._held:
            if held is not one and row_id in held.elsewhere:
                return held.key, held.loaded.site or ""
        return self._asked.get(row_id)

    def _refuse_contradiction(self, one: HeldDay, day: str) -> None:
        """A row moved between the reads of two days, so that both have it."""
        for other in self._held:
            if other.key == day and (twice := sorted(one.ids & other.ids)):
                one.problem = other.problem = MovedRowsError(
                    f"{ASSET}: {first_few(twice, _NAMED)} came with {one.key} and with {day}, since rows moved while "
                    "the days were read; both days stay. Run it again"
                )

    def _ask(self, row_id: str, one: HeldDay) -> None:
        if row_id in self._asked or self._place_of(row_id, one) or len(self._asked) >= _MOST_ASKED:
            return
        self.requests_sent += 1
        try:
            found = self._workspace.client.transactions.get(row_id)
        except NotFoundError:
            self._asked[row_id] = None
            return
        zone = ZoneInfo(one.loaded.day.timezone)
        self._asked[row_id] = found.complete_date.astimezone(zone).date().isoformat(), found.location_code

    def _key(self, day: str, site: str, sites: AccountSites) -> _Key:
        """The site alone, where its rows can join those of the landed day; else the whole day."""
        try:
            metadata = self._lake.metadata(ASSET, day)
        except UnreachableLakeError:
            raise
        except LakeError:  # damaged: reading the whole day repairs it
            return day, None
        alone = is_in(site, sites.codes) and "windows" in metadata and self._options.privacy.matches_metadata(metadata)
        return day, sites.spelt(site) if alone and len(sites.codes) > 1 else None


def day_request(day: str, site: str | None, sites: AccountSites, options: ExecutorOptions) -> DayRequest:
    """What is asked for a day, or for one site of it."""
    codes = sites.codes if site is None else (sites.spelt(site),)
    return DayRequest(Day.of(day, options.timezone), site, (), codes, "states" if options.states_only else "rows")
