"""`sonnys doctor`: check what a run needs, and name a remedy for each problem."""

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
#: Width of the longest subject plus one.
_WIDTH = 17


@click.command()
@click.option("--offline", is_flag=True, help="Send no request; check only this machine.")
@click.option("--deep", is_flag=True, help="Also read every page of the ledger and every landed file (slow).")
@account_option
@json_option
def doctor(offline: bool, deep: bool, as_json: bool) -> None:
    """Check settings, API, clock, request budget, ledger, lake and Dagster; name a remedy for each problem.

    Checks every account if there are several and none is chosen.
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
    """Accounts to check: the chosen one, else all; `[None]` if there is only one, without a name."""
    from sonnys_pipeline.config.settings import EnvFileError, Settings

    try:
        account = chosen_account()
        return [account] if account else Settings.accounts() or [None]
    except EnvFileError:  # reported as a finding
        return [None]


def _findings(account: str | None, offline: bool, *, deep: bool) -> Iterator[Finding]:
    """Run all checks in the order in which a person would fix problems; yields each finding at once."""
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
    # Before checks that open files in it, because those restrict its permissions silently.
    folder = guarded("state folder", partial(machine.check_state_folder, settings), read.lacking("state_dir"))
    lake = _lake(read, offline)
    landed = lake.partitions(ASSET) if lake else []
    no_days = "" if lake else read.lacking("data_url") or "the lake was not checked"
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
        ("lake", partial(_check_lake, settings, offline), ("data_url", "lake_format")),
        ("source", partial(machine.check_landed_days, settings, lake, landed), ("timezone", "api_id", "data_url")),
        (
            "first partition",
            partial(machine.check_first_partition, settings.start_date, settings.timezone, landed, machine.utc_now()),
            ("start_date", "timezone", "data_url"),
        ),
        ("landed days", partial(_check_landed_days, lake, settings), ("start_date", "timezone", "data_url")),
        ("sites", partial(_check_sites, lake), ("data_url",)),
    ):
        yield guarded(subject, check, read.lacking(*needed) or (no_days if "data_url" in needed[1:] else ""))
    if deep:
        yield guarded(LEDGER_PAGES, partial(check_ledger_pages, settings), read.lacking("ledger_url", "state_dir"))
        # Not a fresh lake: this one does not wait for a store that is down.
        yield (
            guarded(LANDED_FILES, partial(check_landed_files, lake), no_days)
            if lake
            else machine.skipped(LANDED_FILES, no_days)
        )
    # Last, because importing Dagster takes seconds, and may fail if another package has a wrong version.
    try:
        from sonnys_pipeline.orchestration.instance import instance_findings
    except ImportError as error:
        remedy = "install again with the versions in constraints.txt"
        yield machine.Finding("Dagster", machine.State.PROBLEM, f"cannot be imported: {error.msg}", remedy)
        return
    whole = [day for day in landed if lake and is_landed(lake, day, None)]
    yield from instance_findings(whole, len(landed) - len(whole), account=account)


def _lake(read: ReadSettings, offline: bool) -> Lake | None:
    """The lake, or None if it cannot be read or, with `--offline`, is in an object store."""
    from sonnys_pipeline.lake.dataset import Lake
    from sonnys_pipeline.lake.errors import LakeError
    from sonnys_pipeline.lake.iceberg.options import format_of
    from sonnys_pipeline.lake.storage.folder import is_url
    from sonnys_pipeline.lake.transactions import ASSET

    url = read.settings.data_url
    if read.lacking("data_url") or (offline and is_url(url)):
        return None
    try:
        lake = Lake(url, lake_format=format_of(read.settings)).snapshot()
        lake.hurry()
        lake.partitions(ASSET)
    except LakeError:
        return None
    return lake


def _check_landed_days(lake: Lake | None, settings: Settings) -> Finding:
    from sonnys_pipeline.calendar.mornings import last_expected_day
    from sonnys_pipeline.calendar.windows import first_kept_day
    from sonnys_pipeline.doctor.coverage import check_landed_days
    from sonnys_pipeline.doctor.machine import skipped, utc_now

    if lake is None:
        return skipped("landed days", "the lake was not checked")
    now = utc_now()
    kept_from, through = first_kept_day(now, settings.timezone), last_expected_day(now, settings.timezone)
    return check_landed_days(lake, settings.start_date, kept_from=kept_from, through=through)


def _check_sites(lake: Lake | None) -> Finding:
    from sonnys_pipeline.doctor.machine import skipped
    from sonnys_pipeline.doctor.sites import check_sites

    return skipped("sites", "the lake was not checked") if lake is None else check_sites(lake)


def _check_lake(settings: Settings, offline: bool) -> Finding:
    from sonnys_pipeline.doctor import machine
    from sonnys_pipeline.lake.storage.folder import is_url

    url = settings.data_url
    if not is_url(url):
        found = machine.check_lake(Path(url).absolute())
        return found if found.state is machine.State.PROBLEM else machine.check_lake_format(settings) or found
    return machine.skipped("lake", "skipped (--offline)") if offline else machine.check_object_lake(settings)


def _inquiry(read: ReadSettings, offline: bool) -> Inquiry:
    """Send the one request, through the shared budget; if that is not possible, the reason."""
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.doctor.api import Inquiry, inquire
    from sonnys_pipeline.doctor.machine import utc_now

    if offline:
        return Inquiry(not_made="skipped (--offline)")
    if lacking := read.lacking("api_id", "api_key", "base_url", "rate_limit", "budget_url"):
        return Inquiry(not_made=f"skipped: {lacking}")
    # No retries: a person wants to see the first error now, not the sixth one in half a minute.
    once = read.settings.model_copy(update={"max_retries": 0})
    try:
        once.require_credentials()
    except SettingsError:
        return Inquiry(not_made="skipped: there are no credentials")
    try:
        with once.open_client() as client:
            return inquire(client, utc_now)
    except SettingsError:
        return Inquiry(not_made="skipped: the request budget cannot be used")
    except Exception as error:  # noqa: BLE001 - an unexpected error must not hide the other checks
        return Inquiry(not_made=f"the request failed: {type(error).__name__}")


def _print(finding: Finding) -> None:
    out = Screen(highlight=False, soft_wrap=True)
    out.print(f"{_SYMBOLS[finding.state]} {escape(f'{finding.subject:<{_WIDTH}}')} {escape(finding.detail)}")
    if finding.remedy:
        out.print(f"  {'':<{_WIDTH}} [bold]→[/] {escape(finding.remedy)}")
