"""EC-01: settings that code gives, for which neither variables nor `.env` are read."""

import pytest

from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.config.settings import SettingsError


def test_no_variable_and_no_file_is_read(monkeypatch, tmp_path):
    """Neither right nor wrong variables change anything, and a wrong `.env` does not matter."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SONNYS_PII=nonsense\n")
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")
    monkeypatch.setenv("SONNYS_ACCOUNTS", "Not A Name")

    assert GivenSettings.of("north").timezone == "UTC"


def test_an_account_has_directories_of_its_own():
    """As accounts of the environment: subdirectories of what all are given."""
    settings = GivenSettings.of("north", data_url="s3://bucket/lake", state_dir="state")

    assert settings.data_url == "s3://bucket/lake/north"
    assert str(settings.state_dir) == "state/north"
    assert settings.account_name == "north"
    assert GivenSettings.of(data_url="lake").data_url == "lake"


def test_other_values_keep_the_rest():
    """A run may change what it may change; the directories stay where they are."""
    settings = GivenSettings.of("north", api_key="k", data_url="lake", poll_interval=3)

    changed = settings.but(poll_interval=1.5, max_retries=None)

    assert (changed.poll_interval, changed.data_url, changed.max_retries) == (1.5, "lake/north", settings.max_retries)
    assert settings.but(poll_interval=None) is settings


@pytest.mark.parametrize("name", ["North", "a-b", "", "all_accounts", "a,b", "a b"])
def test_names_of_accounts_are_those_of_the_environment(name):
    """What `SONNYS_ACCOUNTS` refuses is refused here."""
    with pytest.raises(SettingsError, match=r"account: .* use lower-case letters"):
        GivenSettings.of(name)


def test_errors_name_the_setting_and_no_value():
    """Every wrong setting of the account, without what was given: it may be a secret."""
    with pytest.raises(SettingsError) as wrong:
        GivenSettings.of("north", ledger_url="x", rate_limit="fast", pii="hash", pii_key="short-secret")

    assert "account north: rate_limit: " in str(wrong.value)
    assert "account north: pii_key: " in str(wrong.value)
    assert "short-secret" not in str(wrong.value)
    with pytest.raises(SettingsError, match=r"account north: SONNYS_PII, pi: no such setting; docs/settings.md"):
        GivenSettings.of("north", SONNYS_PII="drop", pi="drop")


def test_missing_credentials_are_named_as_they_are_given():
    """No variable would help, so none is named."""
    with pytest.raises(SettingsError, match=r"^account north: api_id and account north: api_key not set"):
        GivenSettings.of("north").require_credentials()
