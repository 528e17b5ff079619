"""Settings → ledger, lake and executor: the one place that puts the batch layer together, for both of its doors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sonnys_pipeline.backfill.approval import SessionModeManager
from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.progress import LOG_INTERVAL, Progress
from sonnys_pipeline.backfill.run import ExecutorOptions, LandedDay, OnError
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.locks.files import FileLocks, Locks
from sonnys_pipeline.lake.locks.postgres import PostgresLocks
from sonnys_pipeline.lake.storage.folder import is_url
from sonnys_pipeline.landing.account_sites import LoadBy
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.models import JobRow
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.runtime.postgres import is_postgres


def open_job_service(settings: Settings) -> JobService:
    """The ledger that the settings name; close it, or use it as a context manager.

    Raises:
        SettingsError: for a URL of a kind that is no ledger.
        LedgerUnavailableError: when the store cannot be reached or written.
    """
    account = settings.account_name
    if settings.ledger_url is None:
        return open_ledger(f"sqlite:///{settings.prepared_state_dir() / 'ledger.sqlite'}", account=account)
    try:
        return open_ledger(settings.ledger_url.get_secret_value(), account=account)
    except ValueError as wrong:
        raise SettingsError(str(wrong), ["ledger_url"]) from None


def open_lake(settings: Settings) -> Lake:
    """The lake that the settings name; nothing is asked of it yet.

    A folder keeps its writers apart by itself. Those of an object store are kept apart where the jobs are remembered:
    by a PostgreSQL ledger for all machines, else by files in the state folder, for this machine.

    Raises:
        SettingsError: for a ledger URL of a kind that is no ledger.
        LakeError: for a store whose driver is not installed.
    """
    return Lake(settings.data_url, locks=_locks(settings) if is_url(settings.data_url) else None)


def _locks(settings: Settings) -> Locks:
    url = settings.ledger_url.get_secret_value() if settings.ledger_url else ""
    if not is_postgres(url):
        return FileLocks(settings.prepared_state_dir() / "locks", of=settings.data_url)
    try:
        return PostgresLocks(url, settings.data_url)
    except ValueError as wrong:
        raise SettingsError(str(wrong), ["ledger_url"]) from None


def make_executor(
    settings: Settings,
    jobs: JobService,
    client: SonnysClient,
    lake: Lake,
    *,
    on_error: OnError,
    on_day: Callable[[LandedDay], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_row: Callable[[JobRow], None] = lambda _: None,
    session: SessionModeManager | None = None,
    progress_seconds: float = LOG_INTERVAL,
) -> BatchExecutor:
    """An executor with the durations that the settings name; for the listeners see `BatchExecutor`."""
    options = replace(executor_options(settings, on_error), progress_seconds=progress_seconds)
    return BatchExecutor(
        jobs, client, lake, options, on_day=on_day, on_progress=on_progress, on_row=on_row, session=session
    )


def executor_options(settings: Settings, on_error: OnError) -> ExecutorOptions:
    """How a run behaves, by the settings.

    Raises:
        SettingsError: when the state folder cannot be made.
    """
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
        on_error=on_error,
        privacy=privacy_of(settings),
        keeps_pages=settings.archive == "keep",
        archive_days=settings.archive_days,
        load_by=LoadBy(settings.load_by),
        lands_sites=True,
    )


def privacy_of(settings: Settings) -> Privacy:
    """The policy on personal data that the settings name."""
    key = settings.pii_key.get_secret_value().encode() if settings.pii_key else b""
    return Privacy(Policy(settings.pii), key)
