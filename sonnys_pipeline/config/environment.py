"""How settings are read: from the environment and `.env`, for the one account that there is, or for one of several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from pydantic import PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from sonnys_pipeline.config import accounts
from sonnys_pipeline.config.accounts import AccountsError


class SettingsError(ValueError):
    """A variable is missing or cannot be used; the message names it and what to write, never a secret's value.

    Attributes:
        fields: the settings that could not be read, where that is what went wrong.
    """

    def __init__(self, message: str, fields: Sequence[str] = ()) -> None:
        """Build the error."""
        super().__init__(message)
        self.fields = tuple(fields)


class EnvFileError(SettingsError):
    """`.env` is there and cannot be read."""


class EnvironmentSettings(BaseSettings):
    """Settings whose field `x` is read from `SONNYS_X`, or from `SONNYS_NORTH__X` for the account `north`."""

    model_config = SettingsConfigDict(
        env_prefix="SONNYS_", env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    #: The account whose settings these are, and which of its fields have variables of its own; none without accounts.
    _account_name: str | None = PrivateAttr(default=None)
    _own: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def load(cls, account: str | None = None, **overrides: Any) -> Self:  # noqa: ANN401 - whatever the fields take
        """Read the environment; overrides that are `None` leave the environment's value.

        Args:
            account: one of `accounts`. What its own variables do not say, the shared ones do, but for credentials and
                site code; lake and state folder are then folders of its name in the shared ones. Left out, the shared
                settings.
            **overrides: fields, as they are.

        Raises:
            SettingsError: naming every variable that cannot be used, without its value where that is a secret.
            EnvFileError: when `.env` cannot be read.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        with _readable_env_file():
            if account:
                return cls._of_account(account, given)
            known = accounts.variables(given.get("_env_file", ".env"))
            return cls._made(
                given, accounts.variable, _refused(partial(accounts.refuse_misspelt, known, cls.model_fields))
            )

    @classmethod
    def readable(cls, account: str | None = None, **overrides: Any) -> tuple[Self, SettingsError | None]:  # noqa: ANN401
        """As `load`, as far as they can be read: what cannot has its default, and is named in the error beside.

        Raises:
            SettingsError: when there is no such account.
            EnvFileError: when `.env` cannot be read.
        """
        try:
            return cls.load(account, **overrides), None
        except EnvFileError:
            raise
        except SettingsError as wrong:
            given = {name: value for name, value in overrides.items() if value is not None}
            given |= {name: cls.model_fields[name].default for name in wrong.fields}
            if "pii_key" in wrong.fields:  # it is the policy that needs one
                given["pii"] = cls.model_fields["pii"].default
            with _readable_env_file():
                made = cls._of_account(account, given, strict=False) if account else cls(**given)
            return made, wrong

    @classmethod
    def accounts(cls) -> tuple[str, ...]:
        """The accounts that `SONNYS_ACCOUNTS` names; none where it is not set.

        Raises:
            SettingsError: for names that cannot be, and for variables of no account.
            EnvFileError: when `.env` cannot be read.
        """
        with _readable_env_file(), _as_settings_error():
            known = accounts.variables()
            found = accounts.names(known)
            accounts.refuse_strays(known, found)
            return found

    @classmethod
    def chosen_account(cls, asked: str | None = None) -> str | None:
        """The account that a command works for, by its option or `SONNYS_ACCOUNT`; none where none is chosen.

        Raises:
            SettingsError: for one that is not there.
        """
        found = cls.accounts()
        with _readable_env_file(), _as_settings_error():
            return accounts.chosen(accounts.variables(), found, asked)

    @classmethod
    def _of_account(cls, account: str, given: Mapping[str, Any], *, strict: bool = True) -> Self:
        """The settings of one account; unless `strict`, what its variables should not say is passed over."""
        with _as_settings_error():
            known = accounts.variables(given.get("_env_file", ".env"))
            there = accounts.names(known)
            accounts.chosen(known, there, account)
        own = accounts.own_settings(known, account)
        refused = _refused(
            partial(accounts.refuse_misspelt, known, cls.model_fields),
            partial(accounts.refuse_unknown, own, account, cls.model_fields),
            partial(accounts.refuse_same, known, there, account),
        )
        own = {name: text for name, text in own.items() if name in cls.model_fields}
        alone = {name: cls.model_fields[name].default for name in accounts.NEVER_SHARED}

        def named(field: str) -> str:
            return accounts.variable(field, account if field in own or field in alone else None)

        made = cls._made({**alone, **own, **given}, named, refused if strict else ())
        return made.belonging_to(account, own=own, given=given)

    def belonging_to(self, account: str, *, own: Collection[str], given: Collection[str]) -> Self:
        """These, as settings of an account: `own` fields were read from its variables, `given` ones in code."""
        self._account_name, self._own = account, frozenset(own)
        self._move_into(account, unless={*own, *given})
        return self

    def _move_into(self, account: str, *, unless: Collection[str]) -> None:
        """Let places be folders of an account's name in the shared ones, unless they are the account's own."""

    @classmethod
    def _made(
        cls, given: Mapping[str, Any], named: Callable[[str], str], refused: Sequence[AccountsError] = ()
    ) -> Self:  # fmt: skip
        """Make them; `named` tells the variable of a field, `refused` is what is wrong besides."""
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
        """The account whose settings these are; none without accounts."""
        return self._account_name

    def variable(self, field: str) -> str:
        """The variable that a field was read from, or would be."""
        alone = field in self._own or field in accounts.NEVER_SHARED
        return accounts.variable(field, self._account_name if alone else None)


@contextmanager
def _readable_env_file() -> Iterator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "it is not UTF-8 text"
        raise EnvFileError(f".env cannot be read: {reason}; mend the file, or remove it") from unreadable


def _refused(*checks: Callable[[], None]) -> list[AccountsError]:
    """What these checks refuse; all of it, so that it can be corrected at once."""
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
