"""DG-01, BM-07: settings of several accounts: names, precedence, what is refused; no secret in any message."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sonnys_pipeline.client import PRODUCTION_URL, RequestRate
from sonnys_pipeline.config.settings import EnvFileError, Settings, SettingsError

SECRET = "hunter2"
OWN = {
    "SONNYS_ACCOUNTS": "north,south",
    "SONNYS_NORTH__API_ID": f"north-{SECRET}",
    "SONNYS_NORTH__API_KEY": f"north-key-{SECRET}",
    "SONNYS_SOUTH__API_ID": f"south-{SECRET}",
    "SONNYS_SOUTH__API_KEY": f"south-key-{SECRET}",
}


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Two accounts with credentials, and a working directory without a `.env`."""
    monkeypatch.chdir(tmp_path)
    for name, value in OWN.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_without_accounts_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not set, or empty: one account, whose settings have no name."""
    monkeypatch.chdir(tmp_path)
    assert Settings.accounts() == ()
    monkeypatch.setenv("SONNYS_ACCOUNTS", "")
    assert Settings.accounts() == ()
    assert Settings.chosen_account() is None
    assert Settings.load().account_name is None


def test_accounts_are_named_in_order(environment: pytest.MonkeyPatch) -> None:
    """As the variable has them, blanks aside."""
    assert Settings.accounts() == ("north", "south")
    environment.setenv("SONNYS_ACCOUNTS", "south , north,a_1")
    assert Settings.accounts() == ("south", "north", "a_1")


@pytest.mark.parametrize(
    "names",
    ["North", "a-b", "a__b", "_a", "a_", "a,,b", "a,", "a b", "a/b", "ä"],
)
def test_a_name_that_cannot_be_is_refused(environment: pytest.MonkeyPatch, names: str) -> None:
    """What would not fit a variable, a folder and Dagster's names; the sentence says what does."""
    environment.setenv("SONNYS_ACCOUNTS", names)
    with pytest.raises(SettingsError, match=r"SONNYS_ACCOUNTS: .* is not a valid account name; use lower-case"):
        Settings.accounts()


@pytest.mark.parametrize(("names", "said"), [("north,north", "twice"), ("north,all_accounts", "across accounts")])
def test_a_name_that_is_taken_is_refused(environment: pytest.MonkeyPatch, names: str, said: str) -> None:
    """Each account is listed once, and `all_accounts` is reserved."""
    environment.setenv("SONNYS_ACCOUNTS", names)
    with pytest.raises(SettingsError, match=said):
        Settings.accounts()


def test_an_accounts_own_variables_go_before_the_shared_ones(environment: pytest.MonkeyPatch) -> None:
    """Code before both; what is not the account's own is shared; what nobody says has its default."""
    environment.setenv("SONNYS_TIMEZONE", "America/Denver")
    environment.setenv("SONNYS_RATE_LIMIT", "10/15")
    environment.setenv("SONNYS_NORTH__TIMEZONE", "America/Chicago")
    environment.setenv("SONNYS_NORTH__START_DATE", "2026-03-01")
    environment.setenv("SONNYS_SOUTH__RATE_LIMIT", "5/15")
    north, south = Settings.load("north"), Settings.load("south")

    assert (north.account_name, south.account_name) == ("north", "south")
    assert (north.timezone, south.timezone) == ("America/Chicago", "America/Denver")
    assert (north.start_date, south.start_date) == (date(2026, 3, 1), date(2026, 1, 1))
    assert (north.rate_limit, south.rate_limit) == (RequestRate(10, 15), RequestRate(5, 15))
    assert north.base_url == PRODUCTION_URL
    assert Settings.load("north", timezone="UTC", max_retries=None).timezone == "UTC"
    assert Settings.load().timezone == "America/Denver"


def test_the_environment_goes_before_the_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of an account's variables, too; an own one in the file before a shared one in the environment; empty is unset."""
    (tmp_path / ".env").write_text(
        "SONNYS_NORTH__TIMEZONE=Europe/Berlin\nSONNYS_NORTH__MAX_RETRIES=1\nSONNYS_NORTH__POLL_INTERVAL=\n"
    )
    environment.setenv("SONNYS_NORTH__TIMEZONE", "America/Chicago")
    environment.setenv("SONNYS_MAX_RETRIES", "3")
    environment.setenv("SONNYS_POLL_INTERVAL", "0.5")
    north = Settings.load("north")
    assert (north.timezone, north.max_retries, north.poll_interval) == ("America/Chicago", 1, 0.5)


@pytest.mark.parametrize("field", ["api_id", "api_key", "site_code"])
def test_credentials_and_site_never_fall_back(environment: pytest.MonkeyPatch, field: str) -> None:
    """The shared ones open another database: without its own an account has none, and says which variable lacks."""
    environment.delenv(f"SONNYS_NORTH__{field.upper()}", raising=False)
    environment.setenv(f"SONNYS_{field.upper()}", f"shared-{SECRET}")
    north = Settings.load("north")
    if field == "site_code":
        assert north.site_code is None
        return
    with pytest.raises(SettingsError, match=f"^SONNYS_NORTH__{field.upper()} not set") as caught:
        north.require_credentials()
    assert SECRET not in str(caught.value)


def test_each_account_has_folders_of_its_own(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the shared ones, by its name; or where its own variables, or code, say."""
    assert (Settings.load("north").data_url, Settings.load("north").state_dir) == (
        "./data/north",
        Path(".sonnys/north"),
    )
    environment.setenv("SONNYS_DATA_URL", f"file://{tmp_path}/lake/")
    environment.setenv("SONNYS_STATE_DIR", f"{tmp_path}/state")
    environment.setenv("SONNYS_SOUTH__DATA_URL", f"{tmp_path}/elsewhere")
    north, south = Settings.load("north"), Settings.load("south")
    assert (north.data_url, south.data_url) == (f"{tmp_path}/lake/north", f"{tmp_path}/elsewhere")
    assert (north.state_dir, south.state_dir) == (tmp_path / "state" / "north", tmp_path / "state" / "south")
    assert Settings.load("north", data_url="/here").data_url == "/here"
    assert Settings.load().data_url == f"{tmp_path}/lake/"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SONNYS_NORTH__API_KYE", SECRET, "SONNYS_NORTH__API_KYE: no such setting"),
        ("SONNYS_NORTH__WEBHOOK_URL", "https://h.test/x", "shared by all accounts; set SONNYS_WEBHOOK_URL instead"),
        ("SONNYS_NORTH__TIMEZONE", SECRET, "SONNYS_NORTH__TIMEZONE: .*is not a time zone"),
        ("SONNYS_NORTH__API_KEY", f"{SECRET}\n", "SONNYS_NORTH__API_KEY: "),
        ("SONNYS_POLL_INTERVAL", "soon", "SONNYS_POLL_INTERVAL: "),
        ("SONNYS_NORTH__BASE_URL", f"https://u:{SECRET}@api.test", "SONNYS_NORTH__BASE_URL: "),
    ],
)
def test_what_is_wrong_with_one_account_is_named(
    environment: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    """By the variable that was set, the account's own or the shared one; the other account is as good as before."""
    environment.setenv(variable, value)
    with pytest.raises(SettingsError, match=said) as caught:
        Settings.load("north")
    if "TIMEZONE" not in variable:
        assert SECRET not in str(caught.value)
    if "NORTH" in variable:
        assert Settings.load("south").account_name == "south"
        assert Settings.accounts() == ("north", "south")


def test_all_that_is_wrong_is_told_at_once(environment: pytest.MonkeyPatch) -> None:
    """One run tells everything that is to be mended."""
    environment.setenv("SONNYS_NORTH__TIMEZON", "UTC")
    environment.setenv("SONNYS_NORTH__MAX_RETRIES", "-1")
    environment.setenv("SONNYS_JOB_TIMEOUT", "-1")
    with pytest.raises(SettingsError) as caught:
        Settings.load("north")
    for variable in ("SONNYS_NORTH__TIMEZON:", "SONNYS_NORTH__MAX_RETRIES:", "SONNYS_JOB_TIMEOUT:"):
        assert variable in str(caught.value)
    assert set(caught.value.fields) == {"job_timeout", "max_retries"}


def test_variables_of_no_account_are_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A misspelt name, of account or list, in environment or file: both remedies are named, and no value."""
    (tmp_path / ".env").write_text(f"SONNYS_NROTH__API_KEY={SECRET}\n")
    with pytest.raises(SettingsError, match=r"SONNYS_NROTH__API_KEY: no such account.*names north, south") as caught:
        Settings.accounts()
    assert SECRET not in str(caught.value)
    (tmp_path / ".env").unlink()
    environment.delenv("SONNYS_ACCOUNTS")
    with pytest.raises(SettingsError, match=r"SONNYS_NORTH__API_ID and .*SONNYS_ACCOUNTS is not set"):
        Settings.accounts()


@pytest.mark.parametrize("field", ["API_ID", "DATA_URL"])
def test_two_accounts_are_two(environment: pytest.MonkeyPatch, field: str) -> None:
    """The same database, or the same lake, twice: both accounts are refused, and the value is not told."""
    for name in ("NORTH", "SOUTH"):
        environment.setenv(f"SONNYS_{name}__{field}", f"/{SECRET}" if field == "DATA_URL" else SECRET)
    for name in ("north", "south"):
        with pytest.raises(
            SettingsError, match=f"NORTH__{field} and SONNYS_SOUTH__{field} have the same value"
        ) as caught:
            Settings.load(name)
        assert SECRET not in str(caught.value)


def test_an_account_that_there_is_not(environment: pytest.MonkeyPatch) -> None:
    """Named with those that there are, by whatever way it was chosen."""
    for choose in (lambda: Settings.load("west"), lambda: Settings.chosen_account("west")):
        with pytest.raises(SettingsError, match="west is not an account; SONNYS_ACCOUNTS names north, south"):
            choose()
    with pytest.raises(SettingsError, match="west is not an account"):
        Settings.load_lenient("west")
    environment.setenv("SONNYS_ACCOUNT", "west")
    with pytest.raises(SettingsError, match="SONNYS_ACCOUNT: west is not an account"):
        Settings.chosen_account()


def test_an_account_is_chosen(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By what was asked for, else by the environment, else by the file, else not at all."""
    assert Settings.chosen_account() is None
    (tmp_path / ".env").write_text("SONNYS_ACCOUNT=south\n")
    assert Settings.chosen_account() == "south"
    environment.setenv("SONNYS_ACCOUNT", "north")
    assert Settings.chosen_account() == "north"
    assert Settings.chosen_account("south") == "south"


def test_what_can_be_read_is_read(environment: pytest.MonkeyPatch) -> None:
    """Of broken settings the rest stands, defaults take the place of what is wrong, and the error comes beside."""
    environment.setenv("SONNYS_NORTH__TIMEZONE", "America/Chicago")
    environment.setenv("SONNYS_NORTH__API_KYE", "x")
    environment.setenv("SONNYS_NORTH__MAX_RETRIES", "-1")
    environment.setenv("SONNYS_NORTH__PII", "hash")

    north, wrong = Settings.load_lenient("north")

    assert (north.timezone, north.max_retries, north.pii) == ("America/Chicago", 5, "keep")
    assert (north.account_name, north.data_url) == ("north", "./data/north")
    assert wrong is not None
    assert set(wrong.fields) == {"max_retries", "pii_key"}
    assert "SONNYS_NORTH__API_KYE" in str(wrong)
    assert Settings.load_lenient("south") == (Settings.load("south"), None)


def test_a_file_that_cannot_be_read_is_said_so(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As everywhere: the file is named, and not taken for an account's mistake."""
    (tmp_path / ".env").write_bytes(b"\xff\xfe=\n")
    for read in (Settings.accounts, Settings.chosen_account, lambda: Settings.load("north")):
        with pytest.raises(EnvFileError, match=r"\.env cannot be read"):
            read()


def test_accounts_keep_budgets_apart(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One store, two API ids: what one takes, the other has left."""
    environment.setenv("SONNYS_BUDGET_URL", f"sqlite:///{tmp_path / 'budget.sqlite'}")
    environment.setenv("SONNYS_RATE_LIMIT", "1/60")
    with Settings.load("north").open_budget() as north, Settings.load("south").open_budget() as south:
        assert north.try_acquire() == 0.0
        assert south.try_acquire() == 0.0
        assert north.try_acquire() > 0
