"""Settings given by code instead of the environment: those of a component in another project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import PrivateAttr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from sonnys_pipeline.config.accounts import ALL_ACCOUNTS, AccountsError, names
from sonnys_pipeline.config.environment import SettingsError
from sonnys_pipeline.config.settings import Settings


class GivenSettings(Settings):
    """Settings of one account that reads neither variables nor `.env`: what is not given has its default.

    As with accounts of the environment, the lake and the state directory are subdirectories, named after the account,
    of those given.
    """

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls it so, with all of these
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the caller gives."""
        return (init_settings,)

    @classmethod
    def of(cls, account: str | None = None, **values: Any) -> Self:  # noqa: ANN401 - whatever the fields take
        """Settings of an account, or of the only one; `None` leaves a field's default.

        Raises:
            SettingsError: naming every unknown or invalid setting, without the value of a secret.
        """
        if account is not None:
            _require_name(account)
        given = {name: value for name, value in values.items() if value is not None}
        if unknown := sorted(given.keys() - cls.model_fields.keys()):
            raise SettingsError(
                f"{_of(account)}{', '.join(unknown)}: no such setting; docs/settings.md lists them all, without "
                "SONNYS_ and in lower case here"
            )
        made = cls._validated(given, lambda field: f"{_of(account)}{field}")
        made._given = given  # noqa: SLF001 - of this class
        return made.for_account(account, own=(), given=()) if account else made

    def but(self, **values: Any) -> Self:  # noqa: ANN401 - whatever the fields take
        """The same with other values; `None` changes nothing. Raises SettingsError."""
        changed = {name: value for name, value in values.items() if value is not None}
        return self.of(self.account_name, **{**self._given, **changed}) if changed else self

    def variable(self, field: str) -> str:
        """What sets a field, for messages: its name, since no variable does."""
        return f"{_of(self.account_name)}{field}"


def _of(account: str | None) -> str:
    return f"account {account}: " if account else ""


def _require_name(account: str) -> None:
    """Raise `SettingsError` unless an account may have this name; the rules are those of `SONNYS_ACCOUNTS`."""
    variables: Mapping[str, str] = {"sonnys_accounts": account}
    try:
        found = names(variables)
    except AccountsError:
        found = ()
    if found != (account,):
        raise SettingsError(
            f"account: {account!r} is not a valid account name; use lower-case letters, digits and single underscores "
            f"between them, such as north; {ALL_ACCOUNTS} is reserved"
        )
