"""Account names and their environment variables: several databases of one operator (docs/accounts.md).

`SONNYS_ACCOUNTS=north,south` names the accounts; `SONNYS_NORTH__API_ID` is a setting of `north`. The `refuse_*`
functions raise `AccountsError`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_settings import BaseSettings, DotEnvSettingsSource

#: The list of accounts, and the one that a command works for.
ACCOUNTS, ACCOUNT = "SONNYS_ACCOUNTS", "SONNYS_ACCOUNT"
#: Name of the assets across accounts, in the lake and in Dagster; reserved.
ALL_ACCOUNTS = "all_accounts"
#: Settings without a shared value: one account's key must never open another account's database by default.
NEVER_SHARED = frozenset({"api_id", "api_key", "site_code"})
#: Settings that an account cannot override: one sensor for all runs posts the messages.
ALWAYS_SHARED = frozenset({"webhook_url"})

_PREFIX, _SEPARATOR = "sonnys_", "__"
_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
#: Variables that only the project's tests read.
_TEST_PREFIX = "sonnys_test_"
#: Variables that Kubernetes sets in each pod for a service whose name begins with `sonnys-`.
_SERVICE_LINK = re.compile(r"_service_host$|_service_port(_\w+)?$|_port(_\d+_(tcp|udp|sctp)(_(proto|port|addr))?)?$")


class AccountsError(ValueError):
    """`SONNYS_ACCOUNTS` or an account's variables are invalid; the message names variables, never their values."""

    def __init__(self, message: str, fields: Collection[str] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


def variables(env_file: Any = ".env") -> dict[str, str]:  # noqa: ANN401 - whatever pydantic-settings takes
    """The `SONNYS_` variables that are not empty, by lower-case name; the environment overrides `.env`."""
    written = DotEnvSettingsSource(BaseSettings, env_file=env_file).env_vars
    here = {name.lower(): value for name, value in os.environ.items() if value}
    merged = {**{name.lower(): value for name, value in written.items() if value}, **here}
    return {name: value for name, value in merged.items() if name.startswith(_PREFIX)}


def names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The accounts in order; empty when `SONNYS_ACCOUNTS` is not set, `AccountsError` when a name is invalid."""
    found = [name.strip() for name in environ.get(ACCOUNTS.lower(), "").split(",")]
    if found == [""]:
        return ()
    for name in found:
        if not _NAME.fullmatch(name):
            raise AccountsError(
                f"{ACCOUNTS}: {name!r} is not a valid account name; use lower-case letters, digits and single "
                "underscores between them, such as north,south"
            )
        if name == ALL_ACCOUNTS:
            raise AccountsError(f"{ACCOUNTS}: {ALL_ACCOUNTS} is reserved for assets across accounts; use another name")
        if found.count(name) > 1:
            raise AccountsError(f"{ACCOUNTS}: {name} is listed twice; list each account once")
    return tuple(found)


def variable(field: str, account: str | None = None) -> str:
    """The environment variable of a setting, shared or of one account."""
    return f"SONNYS_{account.upper()}{_SEPARATOR}{field.upper()}" if account else f"SONNYS_{field.upper()}"


def refuse_unknown_accounts(environ: Mapping[str, str], accounts: Collection[str]) -> None:
    """Refuse variables of unknown accounts: one of the two names is probably misspelt."""
    unknown = sorted(name for name in environ if _SEPARATOR in name and _split(name)[0] not in accounts)
    if unknown:
        reason = f"{ACCOUNTS} names {', '.join(accounts)}" if accounts else f"{ACCOUNTS} is not set"
        raise AccountsError(
            f"{_joined(unknown)}: no such account, {reason}; correct the name, add it to {ACCOUNTS}, or unset the "
            "variable"
        )


def refuse_unknown_variables(environ: Mapping[str, str], fields: Collection[str]) -> None:
    """Refuse unknown shared variables: a misspelt `SONNYS_PII` would silently leave personal data unprotected."""
    read = {*(variable(field).lower() for field in fields), ACCOUNTS.lower(), ACCOUNT.lower()}
    unknown = sorted(
        name
        for name in environ
        if name not in read
        and _SEPARATOR not in name
        and not name.startswith(_TEST_PREFIX)
        and not _SERVICE_LINK.search(name)
    )
    if unknown:
        raise AccountsError("; ".join(f"{name.upper()}: no such setting; {_nearest(name, read)}" for name in unknown))


def _nearest(name: str, read: Collection[str]) -> str:
    """The remedy for an unknown name: the longest known name that it extends, else the one spelt most alike."""
    longer = sorted((one for one in read if name.startswith(f"{one}_")), key=len)
    near = longer[-1:] or get_close_matches(name, read, n=1, cutoff=0.75)
    return f"did you mean {near[0].upper()}?" if near else "remove it; .env.example lists every setting"


def own_settings(environ: Mapping[str, str], account: str) -> dict[str, str]:
    """The account's own variables by field; unknown fields included (see `refuse_unknown_fields`)."""
    return {
        _split(name)[1]: text for name, text in environ.items() if _SEPARATOR in name and _split(name)[0] == account
    }


def refuse_unknown_fields(own: Iterable[str], account: str, fields: Collection[str]) -> None:
    """Refuse an account's variables that no setting reads."""
    if unknown := sorted(field for field in own if field not in fields):
        read = [variable(field, account).lower() for field in fields]
        remedies = [_nearest(variable(field, account).lower(), read) for field in unknown]
        unread = _joined(variable(field, account) for field in unknown)
        raise AccountsError(f"{unread}: no such setting; {' '.join(dict.fromkeys(remedies))}")
    if shared := [field for field in own if field in ALWAYS_SHARED]:
        found = _joined(variable(field, account) for field in shared)
        raise AccountsError(f"{found}: shared by all accounts; set {_joined(map(variable, shared))} instead")


def refuse_duplicates(environ: Mapping[str, str], accounts: Collection[str], account: str) -> None:
    """Refuse an account that has the API id or the lake of another one."""
    consequences = {
        "api_id": "both would read one database and spend one request budget; remove one of the accounts",
        "data_url": "rows of two databases would be mixed in one lake; use a different directory for each",
    }
    for field, consequence in consequences.items():
        own = own_settings(environ, account).get(field)
        same = [one for one in accounts if own and own_settings(environ, one).get(field) == own]
        if len(same) > 1:
            raise AccountsError(
                f"{_joined(variable(field, one) for one in same)} have the same value: {consequence}", [field]
            )  # fmt: skip


def chosen(environ: Mapping[str, str], accounts: Collection[str], asked: str | None = None) -> str | None:
    """The account of a command: `asked` (its option), else `SONNYS_ACCOUNT`, or `None`; `AccountsError` if unknown."""
    name, source = (asked, "--account") if asked else (environ.get(ACCOUNT.lower()), ACCOUNT)
    if name is None or name in accounts:
        return name
    reason = f"{ACCOUNTS} names {', '.join(accounts)}" if accounts else f"{ACCOUNTS} is not set (docs/accounts.md)"
    raise AccountsError(f"{source}: {name} is not an account; {reason}")


def _split(name: str) -> tuple[str, str]:
    account, _, field = name.removeprefix(_PREFIX).partition(_SEPARATOR)
    return account, field


def _joined(found: Iterable[str]) -> str:
    return " and ".join(sorted(name.upper() for name in found))
