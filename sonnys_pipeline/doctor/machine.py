"""Checks of `sonnys doctor` on this machine: settings, budget, ledger, folders, landed days."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic_settings import DotEnvSettingsSource

from sonnys_pipeline.backfill.recovery import check_interrupted_jobs
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import first_kept_day
from sonnys_pipeline.client import BudgetUnavailableError
from sonnys_pipeline.config.settings import EnvFileError, Settings, SettingsError
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnwritableLakeError
from sonnys_pipeline.lake.iceberg.options import format_of
from sonnys_pipeline.lake.storage.folder import FolderStorage
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.ledger.errors import LedgerError
from sonnys_pipeline.ledger.schema import SCHEMA_REVISION
from sonnys_pipeline.runtime.quoting import sentence

ENV_FILE = Path(".env")
#: Free space below which to warn, in bytes: a long backfill might fill the disk.
LITTLE_SPACE = 10**9
#: Permissions of others; and of group and others.
_EVERYBODY, _OTHERS = 0o007, 0o077


class State(StrEnum):
    """Result of a check."""

    OK = "ok"
    WARNING = "warning"  # works, but may cause trouble
    PROBLEM = "problem"  # does not work
    SKIPPED = "skipped"  # could not be checked; the detail says why


@dataclass(frozen=True)
class Finding:
    """Result of one check; `detail` is one line without secrets, `remedy` is empty if there is nothing to do."""

    subject: str
    state: State
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class ReadSettings:
    """The settings as far as they can be read.

    Attributes:
        settings: with defaults for those that cannot be read.
        unreadable: names of the fields that cannot be read.
        finding: what is wrong with them.
    """

    settings: Settings
    unreadable: frozenset[str] = field(default_factory=frozenset)
    finding: Finding = Finding("settings", State.OK, "every variable can be used")

    def lacking(self, *fields: str) -> str:
        """Why a check that needs these settings is not possible; empty if it is."""
        names = [self.settings.variable(name) for name in fields if name in self.unreadable]
        return f"{' and '.join(names)} cannot be used" if names else ""


def guarded(subject: str, check: Callable[[], Finding], lacking: str = "") -> Finding:
    """Run a check; an exception becomes a finding, so that it does not hide the other checks.

    Args:
        subject: of the finding.
        check: the check.
        lacking: why it is not possible; empty if it is.
    """
    if lacking:
        return skipped(subject, lacking)
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - the other checks must still run
        # Only the type: the message of an unexpected error might quote a secret.
        return Finding(
            subject,
            State.PROBLEM,
            f"could not be checked: {type(error).__name__}",
            "this is a bug in sonnys-pipeline; please report it with this line",
        )


def check_versions() -> Finding:
    """The versions in use; always fine."""

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "(not installed)"

    ours, dagster = of("sonnys-pipeline"), of("dagster")
    return Finding(
        "versions", State.OK, f"sonnys-pipeline {ours}, Python {platform.python_version()}, Dagster {dagster}"
    )


def read_settings(account: str | None = None) -> ReadSettings:
    """The settings of the environment or of one account; variables that cannot be used are named and get defaults."""
    try:
        return _read(account)
    except EnvFileError as error:
        read, (detail, _, remedy) = _read(account, _env_file=()), str(error).partition("; ")
        if read.unreadable:
            detail, remedy = f"{detail}; {read.finding.detail}", f"{remedy}; {read.finding.remedy}"
        return replace(read, finding=Finding("settings", State.PROBLEM, detail, remedy))


def _read(account: str | None, **given: Any) -> ReadSettings:  # noqa: ANN401 - whatever the settings take
    settings, wrong = Settings.load_lenient(account, **given)
    if wrong is None:
        return ReadSettings(settings)
    remedy = "correct it in the environment or in .env; .env.example shows every variable with its default"
    return ReadSettings(settings, frozenset(wrong.fields), Finding("settings", State.PROBLEM, str(wrong), remedy))


def check_env_file(path: Path = ENV_FILE, environment: Mapping[str, str] = os.environ) -> Finding:
    """Whether `.env` agrees with the environment, and only its owner can read the key.

    If they differ, `sonnys` uses the environment's value but Dagster the file's.
    """
    subject = ".env"
    if not path.is_file():
        return Finding(subject, State.OK, "none in the working directory; only the environment is used")
    try:
        written = DotEnvSettingsSource(Settings, env_file=path, env_ignore_empty=False).env_vars
    except (OSError, UnicodeDecodeError):
        return skipped(subject, "cannot be read (see settings)")
    here = {name.lower(): value for name, value in environment.items() if name.startswith("SONNYS_")}
    differing = [
        name.upper() for name, value in written.items() if value is not None and here.get(name, value) != value
    ]
    if differing:
        return Finding(
            subject,
            State.WARNING,
            f"differs from the environment in {', '.join(sorted(differing))}: `sonnys` uses the environment's value, "
            "Dagster the file's",
            "set each variable in one place only: unset it, or remove its line from .env",
        )
    if any(value for name, value in written.items() if name.endswith("_api_key")) and path.stat().st_mode & _EVERYBODY:
        return Finding(subject, State.WARNING, "contains the key, and every user may read it", "chmod 600 .env")
    return Finding(subject, State.OK, "agrees with the environment")


def check_credentials(settings: Settings) -> Finding:
    """Whether credentials are set; the API decides whether they are valid."""
    try:
        settings.require_credentials()
    except SettingsError as missing:
        return Finding(
            "credentials",
            State.PROBLEM,
            str(missing).partition(": ")[0],
            "put the API credentials from the operator's BackOffice into the environment or into .env (cp .env.example "
            ".env); to try the pipeline without credentials, run `sonnys demo`",
        )
    named = f"{settings.variable('api_id')} and {settings.variable('api_key')}"
    return Finding("credentials", State.OK, f"{named} are set")


def check_budget(settings: Settings) -> Finding:
    """Whether the shared request budget works, its rate, and how much of it is used now."""
    subject = "request budget"
    try:
        with settings.open_budget() as budget:
            in_use = budget.permits_in_use()
    except SettingsError as wrong:
        return _from_message(subject, wrong, "; ")
    except BudgetUnavailableError as away:
        return _from_message(subject, away, ". ")
    except Exception as error:  # noqa: BLE001 - the store's library has its own errors
        remedy = "free space, or fix the permissions of the budget's file; a damaged file may be deleted"
        return Finding(subject, State.PROBLEM, f"cannot be written ({type(error).__name__})", remedy)
    rate = settings.rate_limit
    detail = f"{rate.requests} requests in {rate.seconds:g} s; {in_use} of them used now"
    if settings.budget_url and settings.budget_url.get_secret_value().startswith("memory:"):
        return Finding(
            subject,
            State.WARNING,
            f"{detail}; each process has its own budget, so that two processes exceed the limit",
            "remove SONNYS_BUDGET_URL, so that all processes of this machine share one budget",
        )
    return Finding(subject, State.OK, detail)


def check_ledger(settings: Settings) -> Finding:
    """Whether the ledger opens, and has no jobs whose process is gone (BX-06)."""
    subject = "ledger"
    try:
        with Workspace(settings) as workspace:
            where, interrupted = workspace.jobs.where, check_interrupted_jobs(workspace.jobs)
    except SettingsError as wrong:
        return _from_message(subject, wrong, "; ")
    except LedgerError as error:
        return _from_message(subject, error, ". ")
    if not interrupted:
        return Finding(subject, State.OK, f"{where}: schema {SCHEMA_REVISION}, no job is interrupted")
    runs = [job.dagster_run for job in interrupted if job.dagster_run is not None]
    own = [job.id for job in interrupted if job.dagster_run is None]
    of_account = f" --account {settings.account_name}" if settings.account_name else ""
    remedies = [f"sonnys backfill resume {job_id}{of_account}" for job_id in own]
    remedies += [f"re-execute Dagster run {run_id[:8]} from failure" for run_id in runs]
    are = "1 job is marked as running, but its process is gone"
    if len(interrupted) > 1:
        are = f"{len(interrupted)} jobs are marked as running, but their processes are gone"
    return Finding(subject, State.WARNING, f"{where}: {are}", "; ".join(remedies))


def check_state_folder(settings: Settings) -> Finding:
    """Whether the folder of ledger, budget, audit and quarantine is writable; makes it private to its owner."""
    subject, folder = "state folder", settings.state_dir
    was_open = folder.is_dir() and folder.stat().st_mode & _OTHERS
    try:
        mode = settings.prepared_state_dir().stat().st_mode & 0o777
    except SettingsError as wrong:
        return _from_message(subject, wrong, "; ")
    closed = "; it was open to other users, and is private now" if was_open and not mode & _OTHERS else ""
    return Finding(subject, State.OK, f"{folder}, mode {mode:o}{closed}")


def check_lake(root: Path, *, free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> Finding:
    """Whether a file can be landed there: written to a temporary file, synced, renamed."""
    subject = "lake"
    try:
        FolderStorage(root).probe()
        free = free_bytes(root)
    except (UnwritableLakeError, OSError) as error:
        cause = error.__cause__ if isinstance(error, UnwritableLakeError) else error
        return Finding(
            subject,
            State.PROBLEM,
            f"{root} cannot be written ({getattr(cause, 'strerror', None) or cause})",
            "free space, fix the permissions of the folder, or set SONNYS_DATA_URL to another one",
        )
    detail = f"{root} is writable; {free / 1e9:,.1f} GB free"
    if free < LITTLE_SPACE:
        remedy = "free space before a long backfill; a full disk stops it, but landed days stay"
        return Finding(subject, State.WARNING, detail, remedy)
    return Finding(subject, State.OK, detail)


def check_lake_format(settings: Settings) -> Finding | None:
    """The problem of a folder whose lake has another format, or whose catalog cannot be used; None without one."""
    try:
        Lake(settings.data_url, lake_format=format_of(settings)).storage.probe()
    except LakeError as error:
        return _from_message("lake", error, "; ")
    return None


def check_object_lake(settings: Settings) -> Finding:
    """Whether an object can be written, read, listed and deleted in the object store, and its catalog be used."""
    subject, url = "lake", settings.data_url
    try:
        lake = Lake(url, lake_format=format_of(settings))
        lake.hurry()  # a person wants to see the first error now
        lake.storage.probe()
    except LakeError as error:
        return _from_message(subject, error, "; ")
    return Finding(subject, State.OK, f"{url}: objects can be written, read, listed and deleted")


def check_landed_days(settings: Settings, lake: Lake | None, landed: Sequence[str]) -> Finding:
    """Whether all landed days have the configured account and time zone; otherwise every run is refused."""
    subject = "source"
    if lake is None or not landed:
        return Finding(subject, State.OK, "no day is landed yet")
    try:
        found = dict(zip(landed, lake.storage.each(lambda day: lake.metadata(ASSET, day), landed), strict=True))
    except LakeError as error:
        return Finding(subject, State.PROBLEM, str(error), "check all files with: sonnys doctor --deep")
    if settings.api_id.get_secret_value():
        account = settings.api_id_digest
        others = [day for day, metadata in found.items() if metadata.get("account", account) != account]
        if others:
            named = settings.variable("api_id")
            remedy = f"put {named} back, or set another SONNYS_DATA_URL for this configuration"
            return Finding(subject, State.PROBLEM, f"{others[0]} was landed with another {named}", remedy)
    zones: dict[str, list[str]] = {}
    for day, metadata in found.items():
        zones.setdefault(metadata.get("timezone", settings.timezone), []).append(day)
    if others_zones := {zone: days for zone, days in zones.items() if zone != settings.timezone}:
        zone, days = next(iter(others_zones.items()))
        many = f"{days[0]} begins" if len(days) == 1 else f"{len(days):,} landed days ({days[0]} … {days[-1]}) begin"
        remedy = f"set SONNYS_TIMEZONE={zone}, or move the rows to the new days: sonnys replay --rezone"
        if len(zones) > 1:
            remedy = "move all rows to the days of one zone: sonnys replay --rezone"
        detail = f"{many} at midnight in {zone}, but SONNYS_TIMEZONE is {settings.timezone}"
        return Finding(subject, State.PROBLEM, detail, remedy)
    return Finding(
        subject, State.OK, f"{len(landed):,} landed days, {landed[0]} … {landed[-1]}, of this account and time zone"
    )


def check_first_partition(start: date, timezone: str, landed: Collection[str], now: datetime) -> Finding:
    """Whether all days from the first partition on are landed, or still kept by the API (contract, "Batch jobs").

    Args:
        start: the first partition.
        timezone: zone of the days.
        landed: landed days.
        now: aware instant.
    """
    subject = "first partition"
    today, kept = now.astimezone(ZoneInfo(timezone)).date(), first_kept_day(now, timezone)
    if start >= today:
        detail = f"{start} is not over yet, so there is no day to land"
        return Finding(subject, State.WARNING, detail, f"set SONNYS_START_DATE to a day from {kept} on")
    before = [start + timedelta(days=count) for count in range(max(0, (kept - start).days))]
    gone = [day for day in before if day.isoformat() not in landed]
    if gone:
        # After the last day that is neither landed nor kept by the API.
        first = gone[-1] + timedelta(days=1)
        return Finding(
            subject,
            State.WARNING,
            f"{start}, but the API keeps days from {kept} on: {len(gone)} earlier days are not landed, and runs for "
            "them will fail",
            f"set SONNYS_START_DATE={first}",
        )
    reach = ", and all earlier ones are landed" if before else ""
    return Finding(subject, State.OK, f"{start} in {timezone}; the API keeps days from {kept} on{reach}")


def _from_message(subject: str, error: Exception, separator: str) -> Finding:
    """A finding from one of our errors, whose message is `problem{separator}remedy`."""
    detail, _, remedy = sentence(error).partition(separator)
    return Finding(subject, State.PROBLEM, detail, remedy or "correct it, then run `sonnys doctor` again")


def utc_now() -> datetime:
    """The current instant, aware UTC."""
    return datetime.now(UTC)


def skipped(subject: str, why: str) -> Finding:
    """The finding of a check that was not possible."""
    return Finding(subject, State.SKIPPED, why)


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Whether there is no problem; warnings do not count."""
    return all(finding.state is not State.PROBLEM for finding in findings)
