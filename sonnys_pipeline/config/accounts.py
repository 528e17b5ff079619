"""Several databases of one operator: which accounts there are, and which variables are whose (docs/accounts.md).

`SONNYS_ACCOUNTS=north,south` names them; `SONNYS_NORTH__API_ID` and so on are settings of one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_settings import BaseSettings, DotEnvSettingsSource

#: Names them, and chooses one for the command line; of environment and `.env`, like every other variable.
ACCOUNTS, ACCOUNT = "SONNYS_ACCOUNTS", "SONNYS_ACCOUNT"
#: What stands across accounts goes by this name: in the lake, in Dagster's keys and groups. No account may have it.
ALL_ACCOUNTS = "all_accounts"
#: Settings that are an account's own or nobody's: one account's key must never open another's database by default.
NEVER_SHARED = frozenset({"api_id", "api_key", "site_code"})
#: Settings that concern no account: one look at all runs sends the messages.
ALWAYS_SHARED = frozenset({"webhook_url"})

_PREFIX, _BETWEEN = "sonnys_", "__"
_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
#: Variables of the project's own tests, which read them by themselves.
_TEST_PREFIX = "sonnys_test_"
#: What Kubernetes tells each pod of a service whose name begins with `sonnys-`.
_SERVICE_LINK = re.compile(r"_service_host$|_service_port(_\w+)?$|_port(_\d+_(tcp|udp|sctp)(_(proto|port|addr))?)?$")


class AccountsError(ValueError):
    """Accounts, or the variables of one, cannot be used; the message names variables, never their values.

    Attributes:
        fields: the settings that are affected, where some are.
    """

    def __init__(self, message: str, fields: Collection[str] = ()) -> None:
        """Build the error."""
        super().__init__(message)
        self.fields = tuple(fields)


def variables(env_file: Any = ".env") -> dict[str, str]:  # noqa: ANN401 - whatever pydantic-settings takes
    """The variables that begin with `SONNYS_`, names in lower case; the environment's go before those of `.env`.

    Empty ones are left out: they mean the default, as everywhere.

    Raises:
        OSError, UnicodeDecodeError: when `.env` is there and cannot be read.
    """
    written = DotEnvSettingsSource(BaseSettings, env_file=env_file).env_vars
    here = {name.lower(): value for name, value in os.environ.items() if value}
    merged = {**{name.lower(): value for name, value in written.items() if value}, **here}
    return {name: value for name, value in merged.items() if name.startswith(_PREFIX)}


def names(known: Mapping[str, str]) -> tuple[str, ...]:
    """The accounts, in the order in which `SONNYS_ACCOUNTS` names them; none where it is not set.

    Raises:
        AccountsError: for a name that cannot be one, or that stands there twice.
    """
    found = [name.strip() for name in known.get(ACCOUNTS.lower(), "").split(",")]
    if found == [""]:
        return ()
    for name in found:
        if not _NAME.fullmatch(name):
            raise AccountsError(
                f"{ACCOUNTS}: {name!r} cannot be an account's name; write lower-case letters, digits and single _ "
                "between them, such as north,south"
            )
        if name == ALL_ACCOUNTS:
            raise AccountsError(f"{ACCOUNTS}: {ALL_ACCOUNTS} is what stands across accounts; choose another name")
        if found.count(name) > 1:
            raise AccountsError(f"{ACCOUNTS}: {name} stands there twice; name each account once")
    return tuple(found)


def variable(field: str, account: str | None = None) -> str:
    """The variable of a setting; of one account's where an account is given."""
    return f"SONNYS_{account.upper()}{_BETWEEN}{field.upper()}" if account else f"SONNYS_{field.upper()}"


def refuse_strays(known: Mapping[str, str], accounts: Collection[str]) -> None:
    """Refuse variables of accounts that there are not: most likely one of the two names is misspelt.

    Raises:
        AccountsError: naming them.
    """
    strays = sorted(name for name in known if _BETWEEN in name and _split(name)[0] not in accounts)
    if strays:
        there = f"{ACCOUNTS} names {', '.join(accounts)}" if accounts else f"{ACCOUNTS} is not set"
        raise AccountsError(
            f"{_listed(strays)}: of no account, since {there}; correct the name, add it to {ACCOUNTS}, or unset the "
            "variable"
        )


def refuse_misspelt(known: Mapping[str, str], fields: Collection[str]) -> None:
    """Refuse variables that nothing would read: a misspelt `SONNYS_PII` would protect nobody, and say nothing.

    Variables of one account are left to `refuse_strays` and `refuse_unknown`.

    Raises:
        AccountsError: naming each with the nearest name that there is, without its value.
    """
    read = {*(variable(field).lower() for field in fields), ACCOUNTS.lower(), ACCOUNT.lower()}
    unknown = sorted(
        name
        for name in known
        if name not in read
        and _BETWEEN not in name
        and not name.startswith(_TEST_PREFIX)
        and not _SERVICE_LINK.search(name)
    )
    if unknown:
        raise AccountsError("; ".join(f"{name.upper()}: no such setting; {_nearest(name, read)}" for name in unknown))


def _nearest(name: str, read: Collection[str]) -> str:
    """What to write instead: the name that this one begins with, else the one that is spelt most like it."""
    longer = sorted((one for one in read if name.startswith(f"{one}_")), key=len)
    near = longer[-1:] or get_close_matches(name, read, n=1, cutoff=0.75)
    return f"did you mean {near[0].upper()}?" if near else "take it out; .env.example shows every setting"


def own_settings(known: Mapping[str, str], account: str) -> dict[str, str]:
    """What the variables of one account say, by field; some may be no field (`refuse_unknown`)."""
    return {_split(name)[1]: value for name, value in known.items() if _BETWEEN in name and _split(name)[0] == account}


def refuse_unknown(own: Iterable[str], account: str, fields: Collection[str]) -> None:
    """Refuse variables of an account that nothing would read.

    Raises:
        AccountsError: naming them.
    """
    if unknown := sorted(field for field in own if field not in fields):
        read = [variable(field, account).lower() for field in fields]
        said = [_nearest(variable(field, account).lower(), read) for field in unknown]
        unread = _listed(variable(field, account) for field in unknown)
        raise AccountsError(f"{unread}: no such setting; {' '.join(dict.fromkeys(said))}")
    if shared := [field for field in own if field in ALWAYS_SHARED]:
        ours = _listed(variable(field, account) for field in shared)
        raise AccountsError(f"{ours}: one for all accounts; write {_listed(map(variable, shared))}")


def refuse_same(known: Mapping[str, str], accounts: Collection[str], account: str) -> None:
    """Refuse an account that reads the database of another one, or lands in its lake.

    Raises:
        AccountsError: naming both variables, without their value.
    """
    consequences = {
        "api_id": "two accounts of one database would read everything twice and spend one budget; take one of them out",
        "data_url": "rows of two databases would lie in one lake; give each a folder of its own",
    }
    for field, consequence in consequences.items():
        own = own_settings(known, account).get(field)
        same = [one for one in accounts if own and own_settings(known, one).get(field) == own]
        if len(same) > 1:
            raise AccountsError(
                f"{_listed(variable(field, one) for one in same)} are the same: {consequence}", [field]
            )  # fmt: skip


def chosen(known: Mapping[str, str], accounts: Collection[str], asked: str | None = None) -> str | None:
    """The account that a command works for; `None` where there are no accounts, or none was chosen.

    Args:
        known: as `variables` gives them.
        accounts: as `names` gives them.
        asked: what was typed; left out, what `SONNYS_ACCOUNT` says.

    Raises:
        AccountsError: for one that is not there; names those that are.
    """
    name, source = (asked, "--account") if asked else (known.get(ACCOUNT.lower()), ACCOUNT)
    if name is None or name in accounts:
        return name
    there = f"{ACCOUNTS} names {', '.join(accounts)}" if accounts else f"{ACCOUNTS} is not set (docs/accounts.md)"
    raise AccountsError(f"{source}: {name} is no account; {there}")


def _split(name: str) -> tuple[str, str]:
    """Account and field of a variable."""
    account, _, field = name.removeprefix(_PREFIX).partition(_BETWEEN)
    return account, field


def _listed(found: Iterable[str]) -> str:
    return " and ".join(sorted(name.upper() for name in found))
