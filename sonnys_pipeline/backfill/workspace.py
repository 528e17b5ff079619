"""One account: its settings and, opened on demand, its lake, ledger and client."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Self

from sonnys_pipeline.backfill.options import ExecutorOptions
from sonnys_pipeline.backfill.plan import TRANSACTIONS, Plan, Scope, differences
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.client.site_codes import is_in
from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.extract.events import JOB_SECONDS, LISTS_NEED_SITE, LoadObserver
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.extract.protocols import Budget
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.extract.worker_pool import ThreadWorkerPool
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.lake.engines.spark import SparkEngine
from sonnys_pipeline.lake.iceberg.options import format_of
from sonnys_pipeline.lake.locks.files import FileLocks, Locks
from sonnys_pipeline.lake.locks.postgres import PostgresLocks
from sonnys_pipeline.lake.storage.folder import is_url
from sonnys_pipeline.landing.account_sites import ALL_AT_ONCE, AccountSites, LoadBy, account_sites
from sonnys_pipeline.landing.dimensions.read import ListSource
from sonnys_pipeline.landing.forgotten import read_forgotten
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.models import JobRow, Knowledge
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.runtime.closing import Closing
from sonnys_pipeline.runtime.postgres import is_postgres

logger = logging.getLogger(__name__)

#: Concurrent requests; the API may be slow to answer a whole block of them.
_THREADS = 32


class Workspace(Closing):
    """What assets, checks, sensors, commands and the report use to reach an account.

    Each part is opened at its first use and closed with the workspace; use it as a context manager where the ledger or
    the client is needed.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: Present instant, aware UTC: when rows were read and days were verified.
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._opened = ExitStack()

    @classmethod
    def of(cls, account: str | None = None, **given: Any) -> Self:  # noqa: ANN401 - whatever settings take
        """The workspace of an account by the environment; `given` takes precedence. Raises `SettingsError`."""
        return cls(Settings.load(account, **given))

    @cached_property
    def lake(self) -> Lake:
        """The lake; no request is made yet.

        A folder locks its own writers. Writers to an object store are locked where the jobs are kept: by a PostgreSQL
        ledger for all machines, else by files in the state folder, for this machine.
        """
        url = self.settings.data_url
        return Lake(url, locks=self._locks() if is_url(url) else None, lake_format=format_of(self.settings))

    @cached_property
    def engine(self) -> Engine:
        """What counts the marts; Spark is reached when it counts the first one."""
        return SparkEngine(self.settings.spark_remote) if self.settings.engine == "spark" else DUCKDB

    @cached_property
    def jobs(self) -> JobService:
        """The ledger; `SettingsError` for an unknown kind of URL, `LedgerUnavailableError` if it cannot be written."""
        url = self.settings.ledger_url
        where = url.get_secret_value() if url else f"sqlite:///{self.settings.prepared_state_dir() / 'ledger.sqlite'}"
        try:
            return self._opened.enter_context(open_ledger(where, account=self.settings.account_name))
        except ValueError as wrong:
            raise SettingsError(str(wrong), ["ledger_url"]) from None

    @cached_property
    def client(self) -> SonnysClient:
        """The API, within the shared request budget; `SettingsError` without credentials."""
        return self._opened.enter_context(self.settings.open_client())

    @cached_property
    def privacy(self) -> Privacy:
        """The policy on personal data, and the forgotten customers; LakeError if their list cannot be read."""
        key = self.settings.pii_key
        secret = key.get_secret_value().encode() if key else b""
        return Privacy(Policy(self.settings.pii), secret, read_forgotten(self.lake))

    @cached_property
    def options(self) -> ExecutorOptions:
        """How a run behaves by the settings; fail-fast. `SettingsError` when the state folder cannot be made."""
        settings = self.settings
        return ExecutorOptions(
            timezone=settings.timezone,
            state_dir=settings.prepared_state_dir(),
            loader=LoaderOptions(
                poll_interval=settings.poll_interval,
                job_timeout=settings.job_timeout,
                max_retries=settings.max_retries,
                hash_lifetime=settings.hash_lifetime,
                proof=settings.proof == "count",
                states=settings.states,
                most_rows=settings.most_rows,
            ),
            source=Source(settings.api_id_digest, settings.site_code or ""),
            privacy=self.privacy,
            keeps_pages=settings.archive == "keep",
            archive_days=settings.archive_days,
            load_by=LoadBy(settings.load_by),
            lands_sites=True,
        )

    def lists(self) -> ListSource:
        """Where the API's lists come from, under the policies on personal data and pay."""
        return ListSource(
            self.client,
            lambda: self.sites().codes,
            self.options.source,
            self.settings.timezone,
            self.list_policy(),
        )

    def list_policy(self) -> ListPolicy:
        """The policies on personal data and pay, for lists."""
        return ListPolicy(self.privacy, keeps_pay=self.settings.pay == "keep")

    def loader(
        self,
        options: ExecutorOptions,
        observer: LoadObserver,
        known: Mapping[str, Knowledge],
        *,
        budget: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Loader:
        """A loader that starts with what is `known` of the API; a `budget` must draw on the client's, its default."""
        return Loader(
            self.client.unthrottled(),
            budget or self.client.budget,
            ThreadWorkerPool(_THREADS),
            replace(
                options.loader,
                lists_need_site=LISTS_NEED_SITE in known and known[LISTS_NEED_SITE].content is True,
                job_seconds=known[JOB_SECONDS].content if JOB_SECONDS in known else None,
            ),
            observer=observer,
            reader=PageReader(options.privacy, options.keeps_pages),
            clock=clock,
            now=self.now,
        )

    def sites(self, *, as_kept: bool = False) -> AccountSites:
        """The sites whose rows make a day; one request, unless listed within the hour. Errors: `account_sites`.

        `as_kept` takes the kept list whatever its age, and asks only where there is none.
        """
        options = self.options
        return account_sites(self.jobs, self.client, options.source, options.load_by, as_kept=as_kept)

    def scope(self, sites: AccountSites = ALL_AT_ONCE) -> Scope:
        """What a run reads from and lands in, for plans."""
        options = self.options
        privacy, loader = options.privacy, options.loader
        pii = " with key ".join(filter(None, (privacy.policy.value, privacy.key_fingerprint)))
        return Scope(
            options.source.api_id_digest,
            self.client.base_url,
            options.source.site_code,
            options.timezone,
            str(self.lake.root),
            pii,
            options.load_by.value,
            sites.codes,
            loader.proof,
            loader.states,
        )

    def changes(self, plan: Plan, rows: Sequence[JobRow]) -> list[str]:
        """What would run now but was not planned, in sentences (BX-03).

        Sites are requested last: that may cost a request, and another account has another list. A site that is new
        since the plan is read too, and logged.
        """
        as_planned = replace(self.scope(replace(ALL_AT_ONCE, codes=plan.scope.sites)), resource=plan.scope.resource)
        if (changed := differences(plan, as_planned, rows)) or plan.scope.resource != TRANSACTIONS:
            return changed
        sites = self.sites()
        if plan.scope.sites and (new := [code for code in sites.codes if not is_in(code, plan.scope.sites)]):
            logger.warning("sites listed since the job was planned are read too: %s", ", ".join(new))
        return differences(plan, self.scope(sites), rows)

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()

    def _locks(self) -> Locks:
        url = self.settings.ledger_url.get_secret_value() if self.settings.ledger_url else ""
        if not is_postgres(url):
            return FileLocks(self.settings.prepared_state_dir() / "locks", of=self.settings.data_url)
        try:
            return PostgresLocks(url, self.settings.data_url)
        except ValueError as wrong:
            raise SettingsError(str(wrong), ["ledger_url"]) from None
