"""All settings of the pipeline, read from `SONNYS_*` variables."""

from __future__ import annotations

import re
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
from sonnys_pipeline.config.revisit import DEFAULT, RevisitPolicy
from sonnys_pipeline.runtime.private_folder import private_folder

__all__ = ["WEAKEST_PII_KEY", "EnvFileError", "Settings", "SettingsError"]

#: Object stores that can hold the lake, by URL scheme.
OBJECT_STORES = ("s3", "gs", "gcs", "abfs", "abfss", "az")
#: Strength that `SONNYS_PII_KEY` needs, in bits (`key_strength.py`): with the hash of a known name, an attacker tries
#: a thousand million keys a second.
WEAKEST_PII_KEY = 64
#: Minimum length in characters (`extract/pages/pii.py`).
_SHORTEST_PII_KEY = 16


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; write a name such as America/Chicago") from None
    return name


def _lake_root(url: str) -> str:
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is not a valid URL; use a directory, or a URL such as s3://bucket/prefix") from None
    if parts.scheme == "file":
        return parts.path
    if parts.scheme not in OBJECT_STORES:
        raise ValueError(
            f"{parts.scheme}:// is not a supported store; use a directory or one of "
            f"{', '.join(f'{scheme}://' for scheme in OBJECT_STORES)}"
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            "has more than a bucket and a prefix; put credentials where the store's own tools read them "
            "(docs/object-storage.md), never into the URL"
        )
    if not parts.netloc:
        raise ValueError("has no bucket; write it as s3://bucket/prefix")
    return url.rstrip("/")


def _credential(value: SecretStr) -> SecretStr:
    checked_header(value.get_secret_value(), "a credential")
    return value


def _hash_key(key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    given = key.get_secret_value() if key else ""
    is_weak = len(given) < _SHORTEST_PII_KEY or key_bits(given) < WEAKEST_PII_KEY
    if info.data.get("pii") == "hash" and is_weak:
        problem = "this one is too easy to guess" if given else "none is set"
        raise ValueError(
            f"SONNYS_PII=hash needs a strong secret key, and {problem}; create one with `openssl rand -hex 32` and "
            "keep it safe, since another key gives other hashes"
        )
    return key


def _scheme_and_host(url: SecretStr) -> tuple[str, str]:
    """Both empty for an invalid URL; the parser's own error would quote the secret."""
    try:
        parts = urlsplit(url.get_secret_value())
    except ValueError:
        return "", ""
    return parts.scheme, parts.hostname or ""


def _webhook(url: SecretStr) -> SecretStr:
    """A URL that messages may be sent to; anyone who knows it can post, so no error quotes it."""
    scheme, host = _scheme_and_host(url)
    if scheme not in {"https", "http"} or not host or not url.get_secret_value().isprintable():
        raise ValueError("not a URL such as https://host/path")
    if scheme == "http" and not is_loopback(host):
        raise ValueError("messages would be sent unencrypted; use https")
    return url


def _broker(url: SecretStr) -> SecretStr:
    """A Redis URL; it contains a password, so no error quotes it."""
    scheme, host = _scheme_and_host(url)
    if scheme not in {"redis", "rediss"} or not host:
        raise ValueError("not a URL such as redis://:password@host:6379/1")
    if scheme == "rediss" and "ssl_cert_reqs=" not in urlsplit(url.get_secret_value()).query:
        raise ValueError("Celery needs a certificate policy for rediss://; append ?ssl_cert_reqs=required")
    return url


def _catalog(url: SecretStr) -> SecretStr:
    """A URL of an Iceberg catalog; it may contain a password, so no error quotes it."""
    scheme, host = _scheme_and_host(url)
    if scheme.partition("+")[0] not in {"postgresql", "postgres"} and (scheme not in {"https", "http"} or not host):
        raise ValueError("not a URL such as postgresql://user:password@host/database or https://catalog.example.com")
    if scheme == "http" and not is_loopback(host):
        raise ValueError("file names and credentials would be sent unencrypted; use https")
    return url


def _spark_master(url: str) -> str:
    if not re.fullmatch(r"(local(\[[\d*, ]+\])?|yarn|(spark|k8s|sc)://\S+)", url):
        raise ValueError("not a Spark master such as spark://host:7077, yarn, k8s://…, local[4], or sc://host:15002")
    return url


def folder_in(root: str, name: str) -> str:
    """Join a directory name to a lake root, a path or a store's URL."""
    return f"{root.rstrip('/')}/{name}"


def _policy(value: object) -> object:
    return RevisitPolicy.parse(value) if isinstance(value, str) else value


def _rate(value: object) -> object:
    return RequestRate.parse(value) if isinstance(value, str) else value


class Settings(EnvironmentSettings):
    """All settings; each field `x` is read from `SONNYS_X`, and from `.env` in the working directory.

    For one of several accounts use `Settings.load("north")`, see `load`.

    Attributes:
        api_id: the operator's API id.
        api_key: its secret key.
        site_code: read only this site; sent as a header and with each load job.
        base_url: API root.
        rate_limit: the request budget, written `requests/seconds`.
        budget_url: where the shared budget is kept: a file, PostgreSQL or Redis; default a file in the state directory.
        poll_interval: seconds between polls of one load job.
        job_timeout: seconds that one load job may take.
        max_retries: repetitions after transient errors.
        hash_lifetime: seconds that the API keeps a load job's data; change it only for a server with a scaled clock.
        data_url: root of the lake: a directory, or a URL of an object store.
        lake_format: `parquet`: plain files; `iceberg`: tables of Apache Iceberg (docs/iceberg.md).
        iceberg_catalog: URL of a PostgreSQL database or REST catalog for the tables; default that of a ledger in
            PostgreSQL, else a SQLite file in the lake; for an object store, in the state directory.
        iceberg_keep_days: days that replaced versions of a day can still be read from Iceberg tables.
        state_dir: directory of budget, ledger, audit and quarantine; accessible to its owner only.
        ledger_url: SQLAlchemy URL of the ledger; default a SQLite file in the state directory.
        load_by: `site`: each load job names a site, as keys of several sites require; `all`: none does.
        proof: `count`: compare each day's rows with the API's own count.
        states: when to read plan flags and status from `version-2`: if rows lack them, always, or never.
        revisit: how landed days of each age are looked at again (`revisit.py`).
        most_rows: maximum rows of one site in one window of a day; ten times as many for all sites together.
        pii: keep, hash or drop personal data (docs/personal-data.md).
        pii_key: secret key of the hashes; stored nowhere else.
        pay: keep or drop what employees are paid an hour (docs/personal-data.md).
        archive: whether to keep each day's pages beside the day, as received except for personal data.
        archive_days: days that archives are kept; default for ever.
        timezone: zone of the daily partitions.
        start_date: first partition.
        webhook_url: URL to which messages about failed runs and checks are posted; secret.
        executor: whether the steps of a run share one process or get one each.
        days_per_run: maximum days per run of a Dagster backfill; default all in one run.
        today_every: seconds between looks at the day so far (`transactions_today`); not looked at unless set.
        today_share: the part of the request budget that these looks may take.
        celery_broker_url: Redis URL through which runs reach Celery workers (docs/many-workers.md).
        engine: what counts the marts: DuckDB in the run's process, or Spark (docs/spark.md).
        spark_remote: Spark master or Spark Connect server; default the process's active session, else what Spark's own
            configuration says.
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
    lake_format: Literal["parquet", "iceberg"] = "parquet"
    iceberg_catalog: Annotated[SecretStr, AfterValidator(_catalog)] | None = None
    iceberg_keep_days: Annotated[int, Field(ge=0, le=3650)] = 7
    state_dir: Path = Path("./.sonnys")
    ledger_url: SecretStr | None = None
    load_by: Literal["site", "all"] = "site"
    proof: Literal["count", "off"] = "count"
    states: Literal["auto", "on", "off"] = "auto"
    revisit: Annotated[RevisitPolicy, NoDecode, BeforeValidator(_policy)] = RevisitPolicy.parse(DEFAULT)
    most_rows: Annotated[int, Field(ge=100, le=10_000_000)] = 100_000
    pii: Literal["keep", "hash", "drop"] = "keep"
    pii_key: Annotated[SecretStr | None, AfterValidator(_hash_key), Field(validate_default=True)] = None
    pay: Literal["keep", "drop"] = "keep"
    archive: Literal["keep", "off"] = "keep"
    archive_days: Annotated[int, Field(ge=1)] | None = None
    timezone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    start_date: date = date(2026, 1, 1)
    webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] | None = None
    executor: Literal["in_process", "multiprocess"] = "in_process"
    days_per_run: Annotated[int, Field(ge=1)] | None = None
    today_every: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    today_share: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    celery_broker_url: Annotated[SecretStr, AfterValidator(_broker)] | None = None
    engine: Literal["duckdb", "spark"] = "duckdb"
    spark_remote: Annotated[str, AfterValidator(_spark_master)] | None = None

    def _use_subdirectories(self, account: str, *, unless: Collection[str]) -> None:
        if "data_url" not in unless:
            self.data_url = folder_in(self.data_url, account)
        if "state_dir" not in unless:
            self.state_dir /= account

    def require_credentials(self) -> None:
        """Raise `SettingsError`, naming the missing variables, unless both credentials are set."""
        present = {"api_id": self.api_id.get_secret_value(), "api_key": self.api_key.get_secret_value()}
        missing = [self.variable(name) for name, value in present.items() if not value]
        if missing:
            raise SettingsError(
                f"{' and '.join(missing)} not set: put the API credentials from the operator's BackOffice into the "
                "environment or into .env (see .env.example; under Dagster an empty line there hides the "
                "environment's value); to try the pipeline without credentials, run `sonnys demo`"
            )

    def open_budget(self) -> RequestBudget:
        """Open the budget that all users of the API id share; may raise `SettingsError` or `BudgetUnavailableError`."""
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
                f"{variable}: cannot write the request budget there ({reason}); free space, fix the permissions of "
                "the file and its directory, or name another path; a damaged budget file may be deleted"
            ) from error

    @property
    def api_id_digest(self) -> str:
        """Digest of the API id, safe to log."""
        return api_id_digest(self.api_id.get_secret_value())

    def open_client(self) -> SonnysClient:
        """Open a client, to be closed or used as a context manager; `SettingsError` without credentials."""
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
        """Create the state directory if needed and restrict it to its owner; `SettingsError` when that fails."""
        try:
            return private_folder(self.state_dir)
        except OSError as error:
            raise SettingsError(
                f"{self.variable('state_dir')}: {self.state_dir} cannot be used ({error.strerror}); name a directory "
                "of your own, or one that can be created"
            ) from error
