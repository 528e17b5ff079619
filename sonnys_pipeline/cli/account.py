"""`--account`, the same for every verb: with whose settings it works, where there are several accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sonnys_pipeline.cli.output import WRONG_USAGE, refuse

if TYPE_CHECKING:
    from sonnys_pipeline.backfill.workspace import Workspace
    from sonnys_pipeline.config.settings import Settings

_ASKED = "sonnys_pipeline.cli.account"


def account_option(command: Any) -> Any:  # noqa: ANN401 - a click decorator
    """`--account`; what it says is asked for with `load_settings`, wherever the verb does its work."""

    def remember(context: click.Context, _: click.Parameter, value: str | None) -> None:
        context.meta[_ASKED] = value

    words = "Which account, where SONNYS_ACCOUNTS names several; left out, the one that SONNYS_ACCOUNT names."
    return click.option("--account", metavar="NAME", expose_value=False, callback=remember, help=words)(command)


def load_settings() -> Settings:
    """The settings that a verb works with: those of the account that was chosen, where there are several.

    Ends the command where there are several and none was chosen, or one that is not there.

    Raises:
        SettingsError: naming every variable that cannot be used.
    """
    from sonnys_pipeline.config.settings import Settings

    account = chosen_account()
    if account is None and (there := _accounts()):
        refuse(f"there are several accounts: say which with --account {'|'.join(there)}, or set SONNYS_ACCOUNT")
    return Settings.load(account)


def open_workspace() -> Workspace:
    """What a verb works on, by the same settings; a context manager.

    Raises:
        SettingsError: naming every variable that cannot be used.
    """
    from sonnys_pipeline.backfill.workspace import Workspace

    return Workspace(load_settings())


def chosen_account() -> str | None:
    """The account that was chosen; none where none was. Ends the command for one that is not there.

    Raises:
        EnvFileError: when `.env` cannot be read.
    """
    from sonnys_pipeline.config.settings import EnvFileError, Settings, SettingsError

    try:
        return Settings.chosen_account(_asked())
    except EnvFileError:
        raise
    except SettingsError as wrong:
        refuse(str(wrong), WRONG_USAGE)


def to_type(command: str) -> str:
    """A command that a message asks a person to type, with the account that was typed before."""
    account = _asked()
    return f"{command} --account {account}" if account else command


def _asked() -> str | None:
    context = click.get_current_context(silent=True)
    return context.meta.get(_ASKED) if context else None


def _accounts() -> tuple[str, ...]:
    from sonnys_pipeline.config.settings import Settings

    return Settings.accounts()
