"""Reads settings from the environment and `.env`, shared ones and those of one account."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from pydantic import PrivateAttr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from sonnys_pipeline.config import accounts
from sonnys_pipeline.config.accounts import AccountsError


class SettingsError(ValueError):
    """A variable is missing or invalid; the message names it and the remedy, never a secret's value."""

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class EnvFileError(SettingsError):
    """`.env` exists and cannot be read."""


class _SetVariables(EnvSettingsSource):
    """Looks at the types of those fields alone whose variables are set: settings are read again by every step."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        if f"{self.env_prefix}{field_name}".lower() not in self.env_vars:
            return None, field_name, True  # as for a field with parts, whose type is not looked at until it has a value
        return super().get_field_value(field, field_name)

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:  # noqa: ANN401 - as pydantic-settings declares it
        return None if value is None else super().prepare_field_value(field_name, field, value, value_is_complex)


class EnvironmentSettings(BaseSettings):
    """Settings whose field `x` is read from `SONNYS_X`, or from `SONNYS_NORTH__X` for the account `north`."""

    model_config = SettingsConfigDict(
        env_prefix="SONNYS_", env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    #: The account, and the fields that were read from its own variables.
    _account_name: str | None = PrivateAttr(default=None)
    _own: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings passes them by name
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise; there are no files of secrets
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """As usual: what is given, the environment, `.env`; without a `.env` a third of the processor time."""
        from_file = [dotenv_settings] if getattr(dotenv_settings, "env_vars", True) else []
        return init_settings, _SetVariables(settings_cls), *from_file

    @classmethod
    def load(cls, account: str | None = None, **overrides: Any) -> Self:  # noqa: ANN401 - whatever the fields take
        """Read the environment; overrides that are `None` leave the environment's value.

        Args:
            account: one of `accounts`; `None` for the shared settings. An account inherits the shared settings, except
                credentials and site code; its lake and state directory default to subdirectories of the shared ones.
            **overrides: field values.

        Raises:
            SettingsError: naming every invalid variable, without the value of a secret.
            EnvFileError: when `.env` cannot be read.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        with _readable_env_file():
            if account:
                return cls._load_account(account, given)
            environ = accounts.variables(given.get("_env_file", ".env"))
            return cls._validated(
                given,
                accounts.variable,
                _errors_of(partial(accounts.refuse_unknown_variables, environ, cls.model_fields)),
            )

    @classmethod
    def load_lenient(cls, account: str | None = None, **overrides: Any) -> tuple[Self, SettingsError | None]:  # noqa: ANN401
        """As `load`, but invalid settings get their defaults and are named in the returned error.

        Raises `SettingsError` for an unknown account and `EnvFileError` for an unreadable `.env`.
        """
        try:
            return cls.load(account, **overrides), None
        except EnvFileError:
            raise
        except SettingsError as wrong:
            given = {name: value for name, value in overrides.items() if value is not None}
            given |= {name: cls.model_fields[name].default for name in wrong.fields}
            if "pii_key" in wrong.fields:  # required by the policy, so the policy gets its default too
                given["pii"] = cls.model_fields["pii"].default
            with _readable_env_file():
                made = cls._load_account(account, given, strict=False) if account else cls(**given)
            return made, wrong

    @classmethod
    def accounts(cls) -> tuple[str, ...]:
        """The accounts in `SONNYS_ACCOUNTS`; `SettingsError` for invalid names and variables of unknown accounts."""
        with _readable_env_file(), _as_settings_error():
            environ = accounts.variables()
            found = accounts.names(environ)
            accounts.refuse_unknown_accounts(environ, found)
            return found

    @classmethod
    def chosen_account(cls, asked: str | None = None) -> str | None:
        """The account chosen by `asked` (a command's option), else by `SONNYS_ACCOUNT`, else `None`."""
        found = cls.accounts()
        with _readable_env_file(), _as_settings_error():
            return accounts.chosen(accounts.variables(), found, asked)

    @classmethod
    def _load_account(cls, account: str, given: Mapping[str, Any], *, strict: bool = True) -> Self:
        with _as_settings_error():
            environ = accounts.variables(given.get("_env_file", ".env"))
            existing = accounts.names(environ)
            accounts.chosen(environ, existing, account)
        own = accounts.own_settings(environ, account)
        refused = _errors_of(
            partial(accounts.refuse_unknown_variables, environ, cls.model_fields),
            partial(accounts.refuse_unknown_fields, own, account, cls.model_fields),
            partial(accounts.refuse_duplicates, environ, existing, account),
        )
        own = {name: text for name, text in own.items() if name in cls.model_fields}
        alone = {name: cls.model_fields[name].default for name in accounts.NEVER_SHARED}

        def named(field: str) -> str:
            return accounts.variable(field, account if field in own or field in alone else None)

        made = cls._validated({**alone, **own, **given}, named, refused if strict else ())
        return made.for_account(account, own=own, given=given)

    def for_account(self, account: str, *, own: Collection[str], given: Collection[str]) -> Self:
        """Mark these settings as an account's: `own` fields come from its variables, `given` ones from the caller."""
        self._account_name, self._own = account, frozenset(own)
        self._use_subdirectories(account, unless={*own, *given})
        return self

    def _use_subdirectories(self, account: str, *, unless: Collection[str]) -> None:
        """Hook: move paths into the account's subdirectory, except the fields in `unless`."""

    @classmethod
    def _validated(
        cls, given: Mapping[str, Any], named: Callable[[str], str], refused: Sequence[AccountsError] = ()
    ) -> Self:  # fmt: skip
        """Validate and report all errors together, each under its variable (`named`); `refused` are earlier ones."""
        lines, fields = [str(one) for one in refused], [field for one in refused for field in one.fields]
        try:
            made = cls(**given)
        except ValidationError as wrong:
            for error in wrong.errors(include_url=False, include_input=False):
                said = error["msg"].removeprefix("Value error, ")
                usual = f"{accounts.variable('_'.join(str(part) for part in error['loc']))}: "
                lines.append(f"{named('_'.join(str(part) for part in error['loc']))}: {said.removeprefix(usual)}")
                fields.append(str(error["loc"][0]))
        if lines:
            raise SettingsError("; ".join(lines), fields)
        return made

    @property
    def account_name(self) -> str | None:
        """The account whose settings these are; `None` for the shared ones."""
        return self._account_name

    def variable(self, field: str) -> str:
        """The environment variable that sets a field."""
        alone = field in self._own or field in accounts.NEVER_SHARED
        return accounts.variable(field, self._account_name if alone else None)


@contextmanager
def _readable_env_file() -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "it is not UTF-8 text"
        raise EnvFileError(f".env cannot be read: {reason}; fix or remove the file") from unreadable


def _errors_of(*checks: Callable[[], None]) -> list[AccountsError]:
    refused: list[AccountsError] = []
    for check in checks:
        try:
            check()
        except AccountsError as wrong:
            refused.append(wrong)
    return refused


@contextmanager
def _as_settings_error() -> Iterator[None]:
    try:
        yield
    except AccountsError as wrong:
        raise SettingsError(str(wrong), wrong.fields) from None
