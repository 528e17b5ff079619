"""`--account`, the same for every verb: which account's settings to use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sonnys_pipeline.cli.output import WRONG_USAGE, refuse

if TYPE_CHECKING:
    from sonnys_pipeline.backfill.workspace import Workspace
    from sonnys_pipeline.config.settings import Settings

_META_KEY = "sonnys_pipeline.cli.account"


def account_option(command: Any) -> Any:  # noqa: ANN401 - a click decorator
    """Add `--account`; `load_settings` and `chosen_account` read its value."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        context.meta[_META_KEY] = value

    text = "The account to use if SONNYS_ACCOUNTS names several.  [default: SONNYS_ACCOUNT]"
    return click.option("--account", metavar="NAME", expose_value=False, callback=remember, help=text)(command)


def load_settings() -> Settings:
    """Settings of the chosen account; ends the command if it is unknown, or if several exist and none was chosen.

    Raises:
        SettingsError: names every variable that cannot be used.
    """
    from sonnys_pipeline.config.settings import Settings

    account = chosen_account()
    if account is None and (there := _accounts()):
        refuse(f"there are several accounts: choose one with --account {'|'.join(there)}, or set SONNYS_ACCOUNT")
    return Settings.load(account)


def open_workspace() -> Workspace:
    """What a verb works on, by the same settings; a context manager.

    Raises:
        SettingsError: naming every variable that cannot be used.
    """
    from sonnys_pipeline.backfill.workspace import Workspace

    return Workspace(load_settings())


def chosen_account() -> str | None:
    """Name of the chosen account, if any; ends the command if it is unknown.

    Raises:
        EnvFileError: `.env` cannot be read.
    """
    from sonnys_pipeline.config.settings import EnvFileError, Settings, SettingsError

    try:
        return Settings.chosen_account(_account_option())
    except EnvFileError:
        raise
    except SettingsError as wrong:
        refuse(str(wrong), WRONG_USAGE)


def to_type(command: str) -> str:
    """A command for a message to suggest, with the `--account` that this command was given."""
    account = _account_option()
    return f"{command} --account {account}" if account else command


def _account_option() -> str | None:
    context = click.get_current_context(silent=True)
    return context.meta.get(_META_KEY) if context else None


def _accounts() -> tuple[str, ...]:
    from sonnys_pipeline.config.settings import Settings

    return Settings.accounts()
