"""DG-01 and docs/compatibility.md: every variable of the table, its default, reading and refusal."""

import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError

from sonnys_pipeline.client import PRODUCTION_URL, BudgetUnavailableError, RequestRate
from sonnys_pipeline.config.revisit import DEFAULT, RevisitPolicy
from sonnys_pipeline.config.settings import Settings, SettingsError

PII_KEY = "9d41f0c27b5e48a6b3d2e1f0a9c8b7d6"
#: variable → (field, default, a text, what it is read as)
VARIABLES: dict[str, tuple[str, object, str, object]] = {
    "SONNYS_API_ID": ("api_id", "", "my-id", "my-id"),
    "SONNYS_API_KEY": ("api_key", "", "my-key", "my-key"),
    "SONNYS_SITE_CODE": ("site_code", None, "MAIN", "MAIN"),
    "SONNYS_BASE_URL": ("base_url", PRODUCTION_URL, "http://127.0.0.1:8899/v1/", "http://127.0.0.1:8899/v1"),
    "SONNYS_RATE_LIMIT": ("rate_limit", RequestRate(20, 15), "10/7.5", RequestRate(10, 7.5)),
    "SONNYS_BUDGET_URL": ("budget_url", None, "memory://", "memory://"),
    "SONNYS_POLL_INTERVAL": ("poll_interval", 2.0, "0.2", 0.2),
    "SONNYS_JOB_TIMEOUT": ("job_timeout", 300.0, "0", 0.0),
    "SONNYS_MAX_RETRIES": ("max_retries", 5, "0", 0),
    "SONNYS_HASH_LIFETIME": ("hash_lifetime", 1200.0, "24", 24.0),
    "SONNYS_MOST_ROWS": ("most_rows", 100_000, "250000", 250_000),
    "SONNYS_DATA_URL": ("data_url", "./data", "file:///srv/lake", "/srv/lake"),
    "SONNYS_LAKE_FORMAT": ("lake_format", "parquet", "iceberg", "iceberg"),
    "SONNYS_ICEBERG_CATALOG": ("iceberg_catalog", None, "https://catalog.test", "https://catalog.test"),
    "SONNYS_ICEBERG_KEEP_DAYS": ("iceberg_keep_days", 7, "30", 30),
    "SONNYS_STATE_DIR": ("state_dir", Path("./.sonnys"), "/srv/state", Path("/srv/state")),
    "SONNYS_LEDGER_URL": ("ledger_url", None, "sqlite:////srv/ledger.sqlite", "sqlite:////srv/ledger.sqlite"),
    "SONNYS_LOAD_BY": ("load_by", "site", "all", "all"),
    "SONNYS_PROOF": ("proof", "count", "off", "off"),
    "SONNYS_STATES": ("states", "auto", "on", "on"),
    "SONNYS_REVISIT": ("revisit", RevisitPolicy.parse(DEFAULT), "off", RevisitPolicy()),
    "SONNYS_PII": ("pii", "keep", "drop", "drop"),
    "SONNYS_PII_KEY": ("pii_key", None, PII_KEY, PII_KEY),
    "SONNYS_PAY": ("pay", "keep", "drop", "drop"),
    "SONNYS_ARCHIVE": ("archive", "keep", "off", "off"),
    "SONNYS_ARCHIVE_DAYS": ("archive_days", None, "400", 400),
    "SONNYS_TIMEZONE": ("timezone", "UTC", "America/Chicago", "America/Chicago"),
    "SONNYS_START_DATE": ("start_date", date(2026, 1, 1), "2026-06-30", date(2026, 6, 30)),
    "SONNYS_WEBHOOK_URL": ("webhook_url", None, "https://hooks.test/T1", "https://hooks.test/T1"),
    "SONNYS_EXECUTOR": ("executor", "in_process", "multiprocess", "multiprocess"),
    "SONNYS_DAYS_PER_RUN": ("days_per_run", None, "14", 14),
    "SONNYS_TODAY_EVERY": ("today_every", None, "600", 600.0),
    "SONNYS_TODAY_SHARE": ("today_share", 0.05, "0.1", 0.1),
    "SONNYS_CELERY_BROKER_URL": ("celery_broker_url", None, "redis://:pw@redis.test/1", "redis://:pw@redis.test/1"),
    "SONNYS_ENGINE": ("engine", "duckdb", "spark", "spark"),
    "SONNYS_SPARK_REMOTE": ("spark_remote", None, "spark://host:7077", "spark://host:7077"),
}
BAD = [
    ("SONNYS_TODAY_EVERY", "0"),
    ("SONNYS_TODAY_SHARE", "0.6"),
    ("SONNYS_ENGINE", "pandas"),
    ("SONNYS_SPARK_REMOTE", "host:7077"),
    ("SONNYS_API_ID", "hunter2\n"),
    ("SONNYS_API_KEY", " hunter2"),
    ("SONNYS_API_KEY", "hunter2é"),
    ("SONNYS_SITE_CODE", "MAIN\n"),
    ("SONNYS_BASE_URL", "http://api.test/v1"),
    ("SONNYS_BASE_URL", "api.test/v1"),
    ("SONNYS_BASE_URL", "https://user:hunter2@api.test/v1"),
    ("SONNYS_RATE_LIMIT", "20"),
    ("SONNYS_RATE_LIMIT", "0/15"),
    ("SONNYS_POLL_INTERVAL", "0"),
    ("SONNYS_POLL_INTERVAL", "soon"),
    ("SONNYS_POLL_INTERVAL", "nan"),
    ("SONNYS_JOB_TIMEOUT", "-1"),
    ("SONNYS_JOB_TIMEOUT", "inf"),
    ("SONNYS_MAX_RETRIES", "-1"),
    ("SONNYS_MAX_RETRIES", "2.5"),
    ("SONNYS_HASH_LIFETIME", "0"),
    ("SONNYS_REVISIT", "often"),
    ("SONNYS_REVISIT", "7 months: count weekly"),
    ("SONNYS_MOST_ROWS", "99"),
    ("SONNYS_MOST_ROWS", "1e99"),
    ("SONNYS_DATA_URL", "ftp://host/lake"),
    ("SONNYS_DATA_URL", "s3://"),
    ("SONNYS_DATA_URL", "s3://key:hunter2@bucket/lake"),
    ("SONNYS_DATA_URL", "s3://hunter2@bucket/lake"),
    ("SONNYS_DATA_URL", "gs://bucket/lake?token=hunter2"),
    ("SONNYS_DATA_URL", "abfs://lake/x?sig=hunter2"),
    ("SONNYS_DATA_URL", "abfs://lake:hunter2@account.dfs.core.windows.net/x"),
    ("SONNYS_LAKE_FORMAT", "delta"),
    ("SONNYS_ICEBERG_CATALOG", "http://catalog.test"),
    ("SONNYS_ICEBERG_CATALOG", "mysql://user:hunter2@host/database"),
    ("SONNYS_ICEBERG_CATALOG", "hunter2"),
    ("SONNYS_ICEBERG_KEEP_DAYS", "-1"),
    ("SONNYS_PII", "hunter2"),
    ("SONNYS_PII", "Hash"),
    ("SONNYS_PAY", "hash"),
    ("SONNYS_ARCHIVE", "yes"),
    ("SONNYS_ARCHIVE_DAYS", "0"),
    ("SONNYS_TIMEZONE", "Chicago"),
    ("SONNYS_TIMEZONE", "../etc/passwd"),
    ("SONNYS_START_DATE", "soon"),
    ("SONNYS_START_DATE", "2026-02-30"),
    ("SONNYS_WEBHOOK_URL", "http://hooks.test/hunter2"),
    ("SONNYS_WEBHOOK_URL", "hunter2"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` of the developer's is read, and relative folders are made in a place that goes away."""
    monkeypatch.chdir(tmp_path)


def plain(value: Any) -> object:
    """A value with its mask taken off."""
    return value.get_secret_value() if hasattr(value, "get_secret_value") else value


def test_the_table_is_complete() -> None:
    """Every setting has a variable in the table, by its own name."""
    assert {field for field, *_ in VARIABLES.values()} == set(Settings.model_fields)
    assert all(variable == f"SONNYS_{field.upper()}" for variable, (field, *_) in VARIABLES.items())


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_has_its_default(variable: str) -> None:
    """What holds where nothing is set."""
    field, default, *_ = VARIABLES[variable]
    assert plain(getattr(Settings.load(), field)) == default


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_is_read(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, as what it means."""
    field, _, text, meaning = VARIABLES[variable]
    monkeypatch.setenv(variable, text)
    assert plain(getattr(Settings.load(), field)) == meaning


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_variable_is_read_from_a_file(variable: str, tmp_path: Path) -> None:
    """From `.env` in the working directory."""
    field, _, text, meaning = VARIABLES[variable]
    (tmp_path / ".env").write_text(f"# a comment\nOTHER=1\n{variable}={text}\n")
    assert plain(getattr(Settings.load(), field)) == meaning


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_empty_variable_is_no_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.env.example` copied as it is, or a CI variable that is not set, means the default."""
    field, default, *_ = VARIABLES[variable]
    monkeypatch.setenv(variable, "")
    assert plain(getattr(Settings.load(), field)) == default


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And what is given in code goes before both; `None` there leaves the environment's value."""
    (tmp_path / ".env").write_text("SONNYS_TIMEZONE=Europe/Berlin\nSONNYS_MAX_RETRIES=1\n")
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Denver")
    settings = Settings.load(timezone=None)
    assert (settings.timezone, settings.max_retries) == ("America/Denver", 1)
    assert Settings.load(timezone="UTC").timezone == "UTC"


def test_the_example_file_is_no_settings() -> None:
    """Copied unchanged it changes nothing; and it names only variables that there are."""
    example = (Path(__file__).parents[3] / ".env.example").read_text()
    Path(".env").write_text(example)
    assert Settings.load() == Settings()
    named = {line.lstrip("#").split("=")[0] for line in example.splitlines() if line.lstrip("#").startswith("SONNYS_")}
    assert named <= set(VARIABLES)
    assert {"SONNYS_API_ID", "SONNYS_API_KEY"} <= named


@pytest.mark.parametrize(("variable", "text"), BAD)
def test_a_bad_value_is_named(variable: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable; never a secret, nor a password in an address."""
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError, match=variable) as caught:
        Settings.load()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "key",
    ["", "hunter2", "password12345678", "k" * 16, "my-key-my-key-my", "Summer2026!Summer2026!", "1234567890123456"],
)
def test_hashing_needs_a_key_that_nobody_guesses(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, or a weak one, is refused by the name of its variable; under the other policies no key is needed."""
    monkeypatch.setenv("SONNYS_PII_KEY", key)
    assert Settings.load(pii="drop").pii == "drop"
    with pytest.raises(SettingsError, match="SONNYS_PII_KEY: SONNYS_PII=hash needs a strong secret key") as caught:
        Settings.load(pii="hash")
    assert not key or key not in str(caught.value)
    assert "openssl rand -hex 32" in str(caught.value)
    assert caught.value.fields == ("pii_key",)


def test_a_bad_secret_is_hidden_by_pydantic_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes settings without `load` gets pydantic's own error; its text does not quote the value either."""
    monkeypatch.setenv("SONNYS_API_KEY", "hunter2\n")
    with pytest.raises(ValidationError, match="api_key") as caught:
        Settings()
    assert "hunter2" not in str(caught.value)


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run tells everything that is to be mended; what was given in code has the same names."""
    monkeypatch.setenv("SONNYS_POLL_INTERVAL", "soon")
    monkeypatch.setenv("SONNYS_API_KEY", "hunter2\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load(timezone="Chicago")
    for variable in ("SONNYS_POLL_INTERVAL", "SONNYS_TIMEZONE", "SONNYS_API_KEY"):
        assert variable in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "SONNYS_API_ID and SONNYS_API_KEY not set"),
        ({"api_id": "x"}, "SONNYS_API_KEY not set"),
        ({"api_key": "hunter2"}, "SONNYS_API_ID not set"),
    ],
)
def test_missing_credentials_are_named(given: dict[str, str], missing: str) -> None:
    """Which are missing, and how to try without any; the other one is not shown."""
    settings = Settings.load(**given)
    for refuse in (settings.require_credentials, settings.open_client):
        with pytest.raises(SettingsError, match=missing) as caught:
            refuse()
        assert "sonnys demo" in str(caught.value)
        assert "hunter2" not in str(caught.value)


def test_settings_become_a_client() -> None:
    """Credentials, site, address, retries and the hash's lifetime reach it; durations scale with the poll interval."""
    settings = Settings.load(
        api_id="i", api_key="k", site_code="MAIN", max_retries=2, poll_interval=0.2, hash_lifetime=9, rate_limit="3/1"
    )
    with settings.open_client() as client:
        sent = {name: plain(value) for name, value in client._transport._headers.items()}
        assert sent == {
            "X-Sonnys-API-ID": "i",
            "X-Sonnys-API-Key": "k",
            "X-Sonnys-Site-Code": "MAIN",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        assert client._transport.base_url == PRODUCTION_URL
        assert (client.max_retries, client.backoff, client.hash_lifetime) == (2, 0.1, 9)
        assert client.budget.rate == RequestRate(3, 1)


def test_closing_the_client_closes_the_budget_it_opened() -> None:
    """A process that opens many clients leaks no file handle."""
    with Settings.load(api_id="i", api_key="k").open_client() as client:
        assert client.budget.try_acquire() == 0.0
    assert client.budget._store.departures.bucket.conn is None


def test_the_budget_lies_in_the_state_folder(tmp_path: Path) -> None:
    """Shared by whoever uses the same folder; the folder is made, for its owner alone."""
    settings = Settings.load(api_id="i", rate_limit="2/15", state_dir=tmp_path / "a" / "state")
    with settings.open_budget() as first, settings.open_budget() as second:
        assert [first.try_acquire(), second.try_acquire()] == [0.0, 0.0]
        assert first.try_acquire() > 0
    assert (tmp_path / "a" / "state" / "budget.sqlite").exists()
    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o700


def test_a_budget_of_another_kind_is_refused(tmp_path: Path) -> None:
    """As a settings error, so that Dagster and the CLI show it as one; nothing is made for it."""
    settings = Settings.load(api_id="i", budget_url="mysql://user:hunter2@host", state_dir=tmp_path / "state")
    with pytest.raises(SettingsError, match="SONNYS_BUDGET_URL") as caught:
        settings.open_budget()
    assert "hunter2" not in str(caught.value)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@127.0.0.1:9/db", "redis://:hunter2@127.0.0.1:9/0"])
def test_a_budget_whose_server_is_away_is_no_mistake_in_the_settings(url: str) -> None:
    """Another attempt may find it back: the error says so by its kind, and where it was sought."""
    with pytest.raises(BudgetUnavailableError, match=r"127\.0\.0\.1:9.*SONNYS_BUDGET_URL") as caught:
        Settings.load(api_id="i", budget_url=url).open_budget()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("trouble", ["a folder in its place", "damaged"])
@pytest.mark.parametrize("variable", ["SONNYS_STATE_DIR", "SONNYS_BUDGET_URL"])
def test_a_budget_that_cannot_be_written_is_refused(tmp_path: Path, variable: str, trouble: str) -> None:
    """As a settings error that names the variable which chose the place, why, and what to do."""
    path = tmp_path / "state" / "budget.sqlite"
    if trouble == "damaged":
        path.parent.mkdir()
        path.write_bytes(b"no database, but long enough for a header" * 40)
    else:
        path.mkdir(parents=True)
    url = f"sqlite:///{path}" if variable == "SONNYS_BUDGET_URL" else None
    settings = Settings.load(api_id="i", state_dir=tmp_path / "state", budget_url=url)
    reason = "not a database" if trouble == "damaged" else "Is a directory"
    with pytest.raises(SettingsError, match=rf"{variable}: .*{reason}.*fix the permissions") as caught:
        settings.open_budget()
    assert isinstance(caught.value.__cause__, (OSError, sqlite3.Error))
    assert str(path) not in {file.path for file in psutil.Process().open_files()}, "no connection stays open"


def test_an_account_is_a_digest(tmp_path: Path) -> None:
    """The same for the same id, another for another, and the id is not in it: what the budget's tables are called."""
    one, other = (Settings.load(api_id=api_id, state_dir=tmp_path) for api_id in ("verysecretid", "another"))
    assert one.api_id_digest != other.api_id_digest
    with one.open_budget() as budget:
        assert budget._store.departures.bucket.table == f"departures_{one.api_id_digest}"
    assert "secret" not in one.api_id_digest


@pytest.mark.parametrize("render", [repr, str, Settings.model_dump_json, lambda settings: str(settings.model_dump())])
def test_renderings_are_masked(render: Callable[[Settings], str]) -> None:
    """However settings are shown, neither id nor key is, nor a password in an address."""
    text = render(Settings.load(api_id="hunter1", api_key="hunter2", budget_url="redis://user:hunter3@host"))
    assert "hunter1" not in text
    assert "hunter2" not in text
    assert "hunter3" not in text


MISSPELT = [
    ("SONNYS_PII_POLICY", "SONNYS_PII"),
    ("SONNYS_TIMZONE", "SONNYS_TIMEZONE"),
    ("SONNYS_API_KYE", "SONNYS_API_KEY"),
    ("SONNYS_ACOUNTS", "SONNYS_ACCOUNTS"),
    ("sonnys_data_ulr", "SONNYS_DATA_URL"),
]


@pytest.mark.parametrize("place", ["environment", "file"])
@pytest.mark.parametrize(("variable", "meant"), MISSPELT)
def test_a_misspelt_variable_is_refused(
    variable: str, meant: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RB-02: a name that nothing reads is refused with the nearest one that there is, never with its value."""
    if place == "environment":
        monkeypatch.setenv(variable, "hunter2")
    else:
        (tmp_path / ".env").write_text(f"{variable}=hunter2\n")
    with pytest.raises(SettingsError, match=rf"{variable.upper()}: no such setting; did you mean {meant}\?") as caught:
        Settings.load()
    assert "hunter2" not in str(caught.value)
    assert Settings.load_lenient()[1] is not None


def test_unknown_variables_are_told_together_with_bad_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look shows all that is to be corrected; what is like no name at all is said so."""
    monkeypatch.setenv("SONNYS_QUUX", "1")
    monkeypatch.setenv("SONNYS_POLL_INTERVAL", "soon")
    with pytest.raises(SettingsError, match=r"SONNYS_QUUX: no such setting; remove it.*SONNYS_POLL_INTERVAL: "):
        Settings.load()


@pytest.mark.parametrize(
    "variable",
    [
        "SONNYS_TEST_SERVERS",
        "SONNYS_PIPELINE_SERVICE_HOST",
        "SONNYS_PIPELINE_SERVICE_PORT_HTTP",
        "SONNYS_PIPELINE_PORT",
        "SONNYS_PIPELINE_PORT_80_TCP_ADDR",
    ],
)
def test_variables_of_others_are_let_pass(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the tests, and those that Kubernetes gives every pod for a service named `sonnys-…`."""
    monkeypatch.setenv(variable, "x")
    assert Settings.load().timezone == "UTC"
