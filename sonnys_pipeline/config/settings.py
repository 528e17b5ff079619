"""The environment as typed settings (docs/compatibility.md)."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_settings import NoDecode

from sonnys_pipeline.client import PRODUCTION_URL, RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.client.rate_limit.limiter import api_id_digest
from sonnys_pipeline.client.transport import checked_base_url, checked_header, is_loopback
from sonnys_pipeline.config.environment import EnvFileError, EnvironmentSettings, SettingsError
from sonnys_pipeline.config.key_strength import key_bits
from sonnys_pipeline.runtime.private_folder import private_folder

__all__ = ["WEAKEST_PII_KEY", "EnvFileError", "Settings", "SettingsError"]

#: Schemes of object stores in which the lake may lie.
OBJECT_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "az")
#: Binary logarithm of the guesses that `SONNYS_PII_KEY` has to withstand (`key_strength.py`): who has a hash of a name
#: that is known tries out keys by the thousand million a second.
WEAKEST_PII_KEY = 64
#: Bytes of a key, however good its letters are (`extract/pages/pii.py`).
_SHORTEST_PII_KEY = 16


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; write a name such as America/Chicago") from None
    return name


def _lake_root(url: str) -> str:
    """The lake's root: a folder, also as a file URL, or a part of an object store; others are refused, not misread."""
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("cannot be read; write a folder, or a URL such as s3://bucket/prefix") from None
    if parts.scheme == "file":
        return parts.path
    if parts.scheme not in OBJECT_STORES:
        raise ValueError(
            f"{parts.scheme}:// is not a store that days can be landed in; use a folder, "
            f"{', '.join(f'{scheme}://' for scheme in OBJECT_STORES)}"
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            "holds more than a bucket and a prefix; credentials go where the store's own tools look for them "
            "(docs/object-storage.md), never into the URL"
        )
    if not parts.netloc:
        raise ValueError("names no bucket; write it as s3://bucket/prefix")
    return url.rstrip("/")


def _credential(value: SecretStr) -> SecretStr:
    checked_header(value.get_secret_value(), "a credential")
    return value


def _hash_key(key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    given = key.get_secret_value() if key else ""
    is_weak = len(given) < _SHORTEST_PII_KEY or key_bits(given) < WEAKEST_PII_KEY
    if info.data.get("pii") == "hash" and is_weak:
        said = "this one can be found by trying" if given else "there is none"
        raise ValueError(
            f"SONNYS_PII=hash needs a key that nobody guesses, and {said}: make one with `openssl rand -hex 32`, and "
            "keep it safe: other keys make other hashes"
        )
    return key


def _scheme_and_host(url: SecretStr) -> tuple[str, str]:
    """Both empty for what is no address; no error of the parser, which would quote it."""
    try:
        parts = urlsplit(url.get_secret_value())
    except ValueError:
        return "", ""
    return parts.scheme, parts.hostname or ""


def _webhook(url: SecretStr) -> SecretStr:
    """An address that messages may be sent to; whoever knows it can post, so no error quotes it."""
    scheme, host = _scheme_and_host(url)
    if scheme not in {"https", "http"} or not host or not url.get_secret_value().isprintable():
        raise ValueError("not an address such as https://host/path")
    if scheme == "http" and not is_loopback(host):
        raise ValueError("messages would go in the clear; use https")
    return url


def _broker(url: SecretStr) -> SecretStr:
    """The address of a Redis; it holds a password, so no error quotes it."""
    scheme, host = _scheme_and_host(url)
    if scheme not in {"redis", "rediss"} or not host:
        raise ValueError("not an address such as redis://:password@host:6379/1")
    if scheme == "rediss" and "ssl_cert_reqs=" not in urlsplit(url.get_secret_value()).query:
        raise ValueError("Celery wants to be told of certificates: append ?ssl_cert_reqs=required")
    return url


def folder_in(root: str, name: str) -> str:
    """A folder of a lake's root, be that a path or the address of a store."""
    return f"{root.rstrip('/')}/{name}"


def _rate(value: object) -> object:
    return RequestRate.parse(value) if isinstance(value, str) else value


class Settings(EnvironmentSettings):
    """All settings; each field `x` is read from `SONNYS_X`, and from `.env` in the working directory.

    Of several accounts, each has settings of its own: `Settings.load("north")`, see `load`.

    Attributes:
        api_id: the operator's API id.
        api_key: its secret key.
        site_code: the one site that is read: sent as header, and named by each load job.
        base_url: API root.
        rate_limit: the request budget, written `requests/seconds`.
        budget_url: where the shared budget lives: a file, PostgreSQL or Redis; default a file in the state folder.
        poll_interval: seconds between polls of one load job.
        job_timeout: seconds that one load job may take.
        max_retries: repetitions of what can heal.
        hash_lifetime: seconds that the API keeps a load job's data; change it only for a server with a scaled clock.
        data_url: root of the lake: a folder, or a URL of an object store.
        state_dir: folder of budget, ledger, audit and quarantine; made readable by its owner alone.
        ledger_url: where jobs are remembered; default a SQLite file in the state folder.
        load_by: whether each load job names a site, which keys of several sites need, or none does.
        proof: whether each day's rows are compared with the API's own count of it.
        states: whether plan flags and status are read from `version-2`: for rows that lack them, always, never.
        most_rows: rows that one site may have in one window of a day at most; ten times as many for all sites at once.
        pii: what is kept of personal data: all of it, keyed hashes, or nothing (docs/personal-data.md).
        pii_key: the key of the hashes; kept nowhere else.
        archive: whether the pages of each day are kept, as received but for personal data, beside the day.
        archive_days: how many days back archives are kept; default for ever.
        timezone: zone of the daily partitions.
        start_date: first partition.
        webhook_url: where messages about failed runs and checks are posted; its address is a secret.
        executor: whether the steps of a run share one process, or each has one of its own.
        days_per_run: into runs of how many days Dagster cuts a backfill; default one run for all days.
        celery_broker_url: the Redis through which runs reach Celery workers (docs/many-workers.md).
    """

    api_id: Annotated[SecretStr, AfterValidator(_credential)] = SecretStr("")
    api_key: Annotated[SecretStr, AfterValidator(_credential)] = SecretStr("")
    site_code: Annotated[str, AfterValidator(lambda code: checked_header(code, "a site code"))] | None = None
    base_url: Annotated[str, AfterValidator(checked_base_url)] = PRODUCTION_URL
    rate_limit: Annotated[RequestRate, NoDecode, BeforeValidator(_rate)] = RequestRate()
    budget_url: SecretStr | None = None
    poll_interval: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    job_timeout: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 300.0
    max_retries: Annotated[int, Field(ge=0, le=100)] = 5
    hash_lifetime: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1200.0
    data_url: Annotated[str, AfterValidator(_lake_root)] = "./data"
    state_dir: Path = Path("./.sonnys")
    ledger_url: SecretStr | None = None
    load_by: Literal["site", "all"] = "site"
    proof: Literal["count", "off"] = "count"
    states: Literal["auto", "on", "off"] = "auto"
    most_rows: Annotated[int, Field(ge=100, le=10_000_000)] = 100_000
    pii: Literal["keep", "hash", "drop"] = "keep"
    pii_key: Annotated[SecretStr | None, AfterValidator(_hash_key), Field(validate_default=True)] = None
    archive: Literal["keep", "off"] = "keep"
    archive_days: Annotated[int, Field(ge=1)] | None = None
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    start_date: date = date(2026, 1, 1)
    webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] | None = None
    executor: Literal["in_process", "multiprocess"] = "in_process"
    days_per_run: Annotated[int, Field(ge=1)] | None = None
    celery_broker_url: Annotated[SecretStr, AfterValidator(_broker)] | None = None

    def _move_into(self, account: str, *, unless: Collection[str]) -> None:
        """The lake and the state folder of one account."""
        if "data_url" not in unless:
            self.data_url = folder_in(self.data_url, account)
        if "state_dir" not in unless:
            self.state_dir /= account

    def require_credentials(self) -> None:
        """Refuse to go on without credentials.

        Raises:
            SettingsError: naming the variables that are missing.
        """
        present = {"api_id": self.api_id.get_secret_value(), "api_key": self.api_key.get_secret_value()}
        missing = [self.variable(name) for name, value in present.items() if not value]
        if missing:
            raise SettingsError(
                f"{' and '.join(missing)} not set: put the API credentials of the operator's BackOffice into the "
                "environment or into .env (see .env.example; under Dagster even an empty line there hides the "
                "environment's value); to try without any, run `sonnys demo`"
            )

    def open_budget(self) -> RequestBudget:
        """The request budget that all users of this API id share.

        Raises:
            SettingsError: for a store that cannot be used.
            BudgetUnavailableError: when its server does not answer.
        """
        if self.budget_url:
            variable, url = self.variable("budget_url"), self.budget_url.get_secret_value()
        else:
            variable, url = self.variable("state_dir"), f"sqlite:///{self.prepared_state_dir() / 'budget.sqlite'}"
        try:
            return RequestBudget(self.api_id.get_secret_value(), self.rate_limit, url)
        except ValueError as wrong:
            raise SettingsError(str(wrong)) from None
        except (OSError, sqlite3.Error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingsError(
                f"{variable}: the request budget cannot be kept there ({reason}); free space, mend the rights of file "
                "and folder, or name a place that can be written; a damaged budget file may be deleted"
            ) from error

    @property
    def api_id_digest(self) -> str:
        """A digest that stands for the API id."""
        return api_id_digest(self.api_id.get_secret_value())

    def open_client(self) -> SonnysClient:
        """A client; close it, or use it as a context manager.

        Raises:
            SettingsError: without credentials.
        """
        self.require_credentials()
        return SonnysClient(
            self.api_id.get_secret_value(),
            self.api_key,
            self.site_code,
            base_url=self.base_url,
            budget=self.open_budget(),
            owns_budget=True,
            max_retries=self.max_retries,
            backoff=self.poll_interval / 2,
            hash_lifetime=self.hash_lifetime,
            quotes_pages=self.pii == "keep",
        )

    def prepared_state_dir(self) -> Path:
        """The state folder, made if need be; readable by its owner alone, and closed to others where it was open.

        Raises:
            SettingsError: when it cannot be made, or is another user's.
        """
        try:
            return private_folder(self.state_dir)
        except OSError as error:
            raise SettingsError(
                f"{self.variable('state_dir')}: {self.state_dir} cannot be used ({error.strerror}); name a folder of "
                "your own, or one that can be made"
            ) from error
