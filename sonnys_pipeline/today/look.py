"""One look at the day so far: read what is new, at the least requests, and replace the file (KT-04)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import pyarrow as pa

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client import RateLimitError, SonnysError, ValidationError
from sonnys_pipeline.client.rate_limit.share import BudgetShare
from sonnys_pipeline.client.transactions import Transactions
from sonnys_pipeline.extract.events import JOB_SECONDS, LISTS_NEED_SITE, LoadingStoppedError
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.worker_pool import ThreadWorkerPool, WorkerPool
from sonnys_pipeline.lake.dataset import LandedFile
from sonnys_pipeline.landing.account_sites import knows
from sonnys_pipeline.landing.sites import ensure_sites
from sonnys_pipeline.today.accuracy import with_accuracy, with_shown
from sonnys_pipeline.today.chain import Chain
from sonnys_pipeline.today.file import (
    ASSET,
    TodayFile,
    device_of,
    devices_of,
    land_today,
    new_rows,
    of_the_day,
    read_to_continue,
    with_read,
)
from sonnys_pipeline.today.plan import EVERY, OVERLAP, SiteSpan, allowance, spans, within
from sonnys_pipeline.today.state import SiteRead

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
#: By site (empty for all of them), the error that kept it from being read.
Failures: TypeAlias = Mapping[str, SonnysError]

_THREADS = 8
#: A look that takes longer than so many of its intervals, and so many seconds, ends with what it has.
_MOST_INTERVALS = 2
_DEADLINE = 120.0


@dataclass(frozen=True)
class LookResult:
    """What came of a look.

    Attributes:
        file: as it is now.
        landed: the file that was written; `None` if nothing could be read, and the old one stays.
        sites: how many are up to date by it.
        new_rows: rows that were not held before.
        requests: sent, retries included.
        problems: what could not be read, in sentences.
        errors: names of the errors behind them.
    """

    file: TodayFile
    landed: LandedFile | None
    sites: int
    new_rows: int
    requests: int
    problems: tuple[str, ...]
    errors: frozenset[str]


class Looker:
    """Looks at an account's day so far; one look at a time.

    Args:
        workspace: of the account, open.
        now: aware UTC.
        sleep, clock: seconds; the clock is monotonic.
        pool: makes the workers that send requests.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        pool: Callable[[], WorkerPool] = lambda: ThreadWorkerPool(_THREADS),
    ) -> None:
        self.workspace = workspace
        self.every = workspace.settings.today_every or EVERY
        self._now = now
        self._clock = clock
        self._pool = pool
        self._share = BudgetShare(workspace.client.budget, workspace.settings.today_share, sleep=sleep, clock=clock)
        self._requests = 0

    def is_due(self, file: TodayFile) -> bool:
        """Whether the last look is longer ago than the interval between looks."""
        looked_at = file.state.looked_at
        return looked_at is None or (self._now() - looked_at).total_seconds() >= self.every

    def look(self) -> LookResult:
        """Read what is new and replace the file; a site that cannot be read keeps its rows and is a problem.

        Raises:
            LakeError: the file cannot be written, or landed files cannot be read; the file stays as it was.
            LedgerError: the ledger cannot be used.
            NoNamedSiteError: load jobs cannot name any of the account's sites.
            SettingsError: the settings cannot be used.
        """
        now, self._requests = self._now(), 0
        file = read_to_continue(self.workspace)
        try:
            sites = self.workspace.sites()
            self._ensure_sites(now)
        except SonnysError as error:
            return self._failed(file, {"": error})
        chain = Chain.at(now, self.workspace.lake, self.workspace.options.timezone)
        codes: Sequence[str | None] = sites.codes or (None,)
        # Where one load job reads all sites, its span begins with the first site's day.
        usual = chain.usual if sites.codes else chain.first_start()
        planned = spans(codes, chain.days, usual, file.state, file.instants(), now)
        since = file.state.looked_at or min((span.start for span in planned), default=now)
        seconds = max(self.every, (now - since).total_seconds())
        most = allowance(self._share.rate, self.workspace.settings.today_share, seconds)
        news = self._sites_with_news(planned, file)
        unchanged = [] if news is None else [span for span in planned if span.as_of and span.key not in news]
        chosen = list(within([span for span in planned if span not in unchanged], most))
        if news is None:
            unchanged = [span for span in chosen if span.quiet and self._count(span) == span.held]
        read, failed = self._read([span for span in chosen if span not in unchanged])
        if failed and not read and not unchanged:
            return self._failed(file, failed)
        return self._land(now, planned, read, unchanged, failed)

    def _ensure_sites(self, now: datetime) -> None:
        workspace = self.workspace
        ensure_sites(workspace.lake, workspace.jobs, workspace.client, workspace.options.source, now)

    def _sites_with_news(self, planned: Sequence[SiteSpan], file: TodayFile) -> set[str] | None:
        """Keys of the sites that have rows which are not held, by one list over all of them.

        `None` if that is not known: it is not asked unless most sites were quiet, lists need a site on this key, there
        are more than 100 rows, or one is of a device that was not seen before.
        """
        quiet = [span for span in planned if span.quiet]
        if len(quiet) < 2 or 2 * len(quiet) < len(planned) or self._lists_need_site():
            return None
        start = min(span.as_of or span.start for span in planned) - OVERLAP
        whole = {"startDate": int(start.timestamp()), "endDate": int(planned[0].end.timestamp())}
        listed = self._ask(lambda api: api.list_page(**whole), names_site=False)
        if listed is None or listed[1] != len(listed[0]):
            return None
        held = set(file.rows["id"].to_pylist())
        unknown = {row.trans_id for row in listed[0]} - held
        sites = {file.state.devices.get(device_of(row_id), "") for row_id in unknown}
        return None if "" in sites else sites

    def _lists_need_site(self) -> bool:
        workspace = self.workspace
        return knows(workspace.jobs, workspace.options.source.api_id_digest, LISTS_NEED_SITE)

    def _count(self, span: SiteSpan) -> int | None:
        """Rows of a span by the API's count; `None` if it could not be asked."""
        named = {} if span.site is None else {"site": span.site}
        return self._ask(lambda api: api.count(**span.params, **named), names_site=bool(named))

    def _ask(self, question: Callable[[Transactions], Answer], *, names_site: bool) -> Answer | None:
        """One request to a list; `None` if it failed, since a load job will tell."""
        try:
            self._share.acquire()
            self._requests += 1
            return question(self.workspace.client.unthrottled())
        except RateLimitError:
            self._share.cool_down()
        except ValidationError as refused:
            if not names_site and refused.concerns_site:
                digest = self.workspace.options.source.api_id_digest
                self.workspace.jobs.knowledge.remember(digest, LISTS_NEED_SITE, True)
        except SonnysError as error:
            logger.warning("what is new since the last look could not be listed, so it is read: %s", error)
        return None

    def _read(self, chosen: Sequence[SiteSpan]) -> tuple[list[tuple[SiteSpan, pa.Table]], Failures]:
        """The rows of spans, and what went wrong."""
        by_site = {span.site: span for span in chosen}
        read: list[tuple[SiteSpan, pa.Table]] = []
        failed: dict[str, SonnysError] = {}
        if not chosen:
            return read, failed
        loader = self._make_loader()
        deadline = max(_DEADLINE, self.every * _MOST_INTERVALS)
        timer = threading.Timer(deadline, loader.stop)
        timer.daemon = True
        timer.start()
        try:
            for outcome in loader.load(span.request for span in chosen):
                if isinstance(outcome, LoadedDay):
                    span = by_site[next(iter(outcome.sites), None)]
                    read.append((span, outcome.table))
                else:
                    failed[", ".join(outcome.request.sites)] = outcome.error
        except LoadingStoppedError as error:
            failed[""] = error
        finally:
            timer.cancel()
            self._requests += loader.requests
        if left := len(chosen) - len(read) - len([site for site in failed if site or None in by_site]):
            late = f"{left} sites were not read within {deadline:.0f} s; the next look reads them first"
            failed.setdefault("", LoadingStoppedError(late))
        return read, failed

    def _make_loader(self) -> Loader:
        workspace, options = self.workspace, self.workspace.options
        known = workspace.jobs.knowledge.recall(options.source.api_id_digest, JOB_SECONDS)
        return Loader(
            workspace.client.unthrottled(),
            self._share,
            self._pool(),
            replace(
                options.loader,
                in_order=False,
                proof=False,
                states="off",
                job_seconds=None if known is None else known.content,
            ),
            reader=PageReader(options.privacy),
            clock=self._clock,
            now=self._now,
        )

    def _land(
        self,
        now: datetime,
        planned: Sequence[SiteSpan],
        read: Sequence[tuple[SiteSpan, pa.Table]],
        unchanged: Sequence[SiteSpan],
        failed: Failures,
    ) -> LookResult:
        workspace, problems = self.workspace, _sentences(failed)
        chain = Chain.at(now, workspace.lake, workspace.options.timezone)
        with workspace.lake.writing(ASSET):
            # Read again: another process may have looked meanwhile. What it knows later than this look stays.
            file = read_to_continue(workspace)
            news = [(span, rows) for span, rows in read if not _is_known_later(file, span)]
            table, sites = file.rows, dict(file.state.sites)
            for span, rows in news:
                quiet = not new_rows(table, [rows]) and span.as_of is not None
                table = with_read(table, span, rows)
                since = span.day.start if span.as_of is None else sites[span.key].since
                sites[span.key] = SiteRead(since=since, as_of=span.end, quiet=quiet)
            for span in unchanged:
                if not _is_known_later(file, span):
                    sites[span.key] = sites[span.key].model_copy(update={"as_of": span.end, "quiet": True})
            found = new_rows(file.rows, [rows for _, rows in news])
            state = with_accuracy(file.state, workspace.lake, chain)
            state = state.model_copy(
                update={
                    "looked_at": now,
                    "requests": self._requests,
                    "problems": problems,
                    "devices": devices_of(table, state.devices),
                    # Sites that have left the list are forgotten.
                    "sites": {key: one for key, one in sites.items() if key in {span.key for span in planned}},
                }
            )
            made = TodayFile(of_the_day(table, chain.days, chain.usual), state)
            made = replace(made, state=with_shown(made, chain))
            landed = land_today(workspace, made)
        return LookResult(
            made, landed, len(news) + len(unchanged), found, self._requests, problems, _names(failed.values())
        )

    def _failed(self, file: TodayFile, failed: Failures) -> LookResult:
        """Nothing could be read: the file stays as it is, and the next look begins where this one did."""
        return LookResult(file, None, 0, 0, self._requests, _sentences(failed), _names(failed.values()))


def _is_known_later(file: TodayFile, span: SiteSpan) -> bool:
    known = file.state.sites.get(span.key)
    return known is not None and known.as_of >= span.end


def _sentences(failed: Failures) -> tuple[str, ...]:
    return tuple(f"{site}: {error}" if site else str(error) for site, error in failed.items())


def _names(errors: Iterable[SonnysError]) -> frozenset[str]:
    return frozenset(type(error).__name__ for error in errors)
