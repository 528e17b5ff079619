"""`sonnys doctor`: is everything there that a run needs, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from sonnys_pipeline.cli.account import account_option, chosen_account
from sonnys_pipeline.cli.output import FAILED, Screen, json_option, print_json

if TYPE_CHECKING:
    from sonnys_pipeline.config.settings import Settings
    from sonnys_pipeline.doctor.api import Inquiry
    from sonnys_pipeline.doctor.machine import Finding, ReadSettings
    from sonnys_pipeline.lake.dataset import Lake

_SYMBOLS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "problem": "[red]✗[/]", "skipped": "[dim]·[/]"}
#: Columns of the longest subject, and one more.
_WIDTH = 17


@click.command()
@click.option("--offline", is_flag=True, help="Send no request: look only at what is on this machine.")
@click.option("--deep", is_flag=True, help="Read every page of the ledger and every landed file, too: takes its time.")
@account_option
@json_option
def doctor(offline: bool, deep: bool, as_json: bool) -> None:
    """Check settings, API, clock, budget, ledger, lake and Dagster; say what to do.

    Where there are several accounts and none is chosen, each is checked.
    """
    from sonnys_pipeline.doctor.machine import is_healthy

    found, documents = [], []
    for account in _accounts():
        if account and not as_json:
            Screen(highlight=False).print(f"[bold]account {account}[/]")
        for finding in _findings(account, offline, deep=deep):
            found.append(finding)
            documents.append({**asdict(finding), **({"account": account} if account else {})})
            if not as_json:
                _print(finding)
    healthy = is_healthy(found)
    if as_json:
        print_json({"ok": healthy, "findings": documents})
    if not healthy:
        raise click.exceptions.Exit(FAILED)


def _accounts() -> Sequence[str | None]:
    """Those to be checked: the one that was chosen, else all; none of a name where there is but one."""
    from sonnys_pipeline.config.settings import EnvFileError, Settings

    try:
        account = chosen_account()
        return [account] if account else Settings.accounts() or [None]
    except EnvFileError:  # the findings say so
        return [None]


def _findings(account: str | None, offline: bool, *, deep: bool) -> Iterator[Finding]:
    """All checks, in the order in which a person would mend things; each as soon as it is made."""
    from sonnys_pipeline.doctor import api, machine
    from sonnys_pipeline.doctor.deep import LANDED_FILES, LEDGER_PAGES, check_landed_files, check_ledger_pages
    from sonnys_pipeline.doctor.machine import guarded
    from sonnys_pipeline.first_contact.keeping import check_first_contact
    from sonnys_pipeline.lake.transactions import ASSET, is_landed

    yield guarded("versions", machine.check_versions)
    read = machine.read_settings(account)
    settings = read.settings
    yield read.finding
    yield guarded(".env", machine.check_env_file)
    # Before other checks open what lies in it, and close it to others without a word.
    folder = guarded("state folder", partial(machine.check_state_folder, settings), read.lacking("state_dir"))
    lake = _lake(read, offline)
    landed = lake.partitions(ASSET) if lake else []
    no_days = "" if lake else read.lacking("data_url") or "the lake was not looked into"
    inquiry = _inquiry(read, offline)
    for subject, check, needed in (
        ("credentials", partial(machine.check_credentials, settings), ("api_id", "api_key")),
        ("TLS", partial(api.check_tls, settings.base_url, inquiry), ("base_url",)),
        ("API", partial(api.check_access, inquiry), ()),
        ("site", partial(api.check_site, settings.site_code, inquiry), ("site_code",)),
        ("clock", partial(api.check_clock, inquiry), ()),
        (
            "time zone",
            partial(api.check_timezone, settings.timezone, inquiry, landed, machine.utc_now()),
            ("timezone",),
        ),
        ("request budget", partial(machine.check_budget, settings), ("api_id", "rate_limit", "budget_url")),
        ("ledger", partial(machine.check_ledger, settings), ("ledger_url",)),
        ("first contact", partial(check_first_contact, settings), ("api_id", "ledger_url")),
        ("state folder", lambda: folder, ()),
        ("lake", partial(_check_lake, settings.data_url, offline), ("data_url",)),
        ("source", partial(machine.check_landed_days, settings, lake, landed), ("timezone", "api_id", "data_url")),
        (
            "first partition",
            partial(machine.check_first_partition, settings.start_date, settings.timezone, landed, machine.utc_now()),
            ("start_date", "timezone", "data_url"),
        ),
        ("landed days", partial(_check_landed_days, lake, settings), ("start_date", "timezone", "data_url")),
    ):
        yield guarded(subject, check, read.lacking(*needed) or (no_days if "data_url" in needed[1:] else ""))
    if deep:
        yield guarded(LEDGER_PAGES, partial(check_ledger_pages, settings), read.lacking("ledger_url", "state_dir"))
        # The lake as it is now, which waits no longer for a store than a person would.
        yield (
            guarded(LANDED_FILES, partial(check_landed_files, lake), no_days)
            if lake
            else machine.skipped(LANDED_FILES, no_days)
        )
    # Last, because Dagster takes seconds to import, and may not fit to what else is installed.
    try:
        from sonnys_pipeline.orchestration.instance import instance_findings
    except ImportError as error:
        remedy = "install again with the versions of constraints.txt"
        yield machine.Finding("Dagster", machine.State.PROBLEM, f"cannot be imported: {error.msg}", remedy)
        return
    whole = [day for day in landed if lake and is_landed(lake, day, None)]
    yield from instance_findings(whole, len(landed) - len(whole), account=account)


def _lake(read: ReadSettings, offline: bool) -> Lake | None:
    """The lake, if it can be looked into: an object store may be away, and is not on this machine."""
    from sonnys_pipeline.lake.dataset import Lake
    from sonnys_pipeline.lake.errors import LakeError
    from sonnys_pipeline.lake.storage.folder import is_url
    from sonnys_pipeline.lake.transactions import ASSET

    url = read.settings.data_url
    if read.lacking("data_url") or (offline and is_url(url)):
        return None
    try:
        lake = Lake(url).snapshot()
        lake.hurry()
        lake.partitions(ASSET)
    except LakeError:
        return None
    return lake


def _check_landed_days(lake: Lake | None, settings: Settings) -> Finding:
    from sonnys_pipeline.calendar.windows import first_kept_day
    from sonnys_pipeline.doctor.coverage import check_landed_days
    from sonnys_pipeline.doctor.machine import skipped, utc_now

    if lake is None:
        return skipped("landed days", "the lake was not looked into")
    return check_landed_days(lake, settings.start_date, first_kept_day(utc_now(), settings.timezone))


def _check_lake(url: str, offline: bool) -> Finding:
    from sonnys_pipeline.doctor import machine
    from sonnys_pipeline.lake.storage.folder import is_url

    if not is_url(url):
        return machine.check_lake(Path(url).absolute())
    return machine.skipped("lake", "not asked (--offline)") if offline else machine.check_object_lake(url)


def _inquiry(read: ReadSettings, offline: bool) -> Inquiry:
    """The one request, through the shared budget; or why it was not made."""
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.doctor.api import Inquiry, inquire
    from sonnys_pipeline.doctor.machine import utc_now

    if offline:
        return Inquiry(not_made="not asked (--offline)")
    if lacking := read.lacking("api_id", "api_key", "base_url", "rate_limit", "budget_url"):
        return Inquiry(not_made=f"not asked: {lacking}")
    # What an ailing API answers at once is what a person wants to see, not the sixth try half a minute later.
    once = read.settings.model_copy(update={"max_retries": 0})
    try:
        once.require_credentials()
    except SettingsError:
        return Inquiry(not_made="not asked: there are no credentials")
    try:
        with once.open_client() as client:
            return inquire(client, utc_now)
    except SettingsError:
        return Inquiry(not_made="not asked: the request budget cannot be used")
    except Exception as error:  # noqa: BLE001 - an error that nobody expected must not hide the other checks
        return Inquiry(not_made=f"could not be asked: {type(error).__name__}")


def _print(finding: Finding) -> None:
    """One line, and the remedy below it where there is something to mend."""
    out = Screen(highlight=False, soft_wrap=True)
    out.print(f"{_SYMBOLS[finding.state]} {escape(f'{finding.subject:<{_WIDTH}}')} {escape(finding.detail)}")
    if finding.remedy:
        out.print(f"  {'':<{_WIDTH}} [bold]→[/] {escape(finding.remedy)}")
