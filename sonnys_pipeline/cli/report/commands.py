"""`sonnys report`: the report of a business day, a week or a month as one HTML page."""

from __future__ import annotations

import webbrowser
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

import click

from sonnys_pipeline.cli.account import account_option, chosen_account, open_workspace
from sonnys_pipeline.cli.output import FAILED, WRONG_USAGE, json_option, messages, print_json, refuse, refusing
from sonnys_pipeline.cli.report.documents import daily_document, period_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sonnys_pipeline.backfill.workspace import Workspace
    from sonnys_pipeline.config.settings import Settings
    from sonnys_pipeline.lake.dataset import Lake
    from sonnys_pipeline.lake.storage.folder import LakePath
    from sonnys_pipeline.report.caveats import Caveat
    from sonnys_pipeline.report.daily import Page
    from sonnys_pipeline.report.export.tables import Table
    from sonnys_pipeline.report.periods.spans import Kind

#: First year accepted while nothing is landed; far earlier dates overflow `date` arithmetic.
_FIRST_YEAR = 2000


@click.command()
@click.option("--date", "day", metavar="YYYY-MM-DD", help="The business day.  [default: the last complete one]")
@click.option("--week", "kind", flag_value="week", help="The whole week of the day, from Monday to Sunday.")
@click.option("--month", "kind", flag_value="month", help="The whole month of the day, with the last 13 months.")
@click.option(
    "--export", metavar="FILE", type=click.Path(path_type=Path), help="Also write its numbers as FILE.csv or FILE.xlsx."
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in a browser.")
@click.option("--late-edits", is_flag=True, help="Print instead how late landed transactions were edited.")
@account_option
@json_option
def report(  # one parameter for each option
    day: str | None, kind: str | None, export: Path | None, open_it: bool, late_edits: bool, as_json: bool
) -> None:
    """Write the report of a day, a week or a month as one HTML page and print its path."""
    if late_edits:
        _print_late_edits(as_json=as_json)
        return
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.lake.errors import LakeError
    from sonnys_pipeline.report.export.files import ExportError, refuse_other_files, write_tables

    with refusing({SettingsError: FAILED, LakeError: FAILED, ExportError: WRONG_USAGE}):
        if export is not None:
            refuse_other_files(export)
        workspace = open_workspace()
        made = _make_period(workspace, day, kind) if kind else _make_daily(workspace, day)
    messages.print(made.headline, markup=False)
    for caveat in made.caveats:
        messages.print(f"{caveat.severity}: {caveat.text}", markup=False)
    document = made.document
    if export is not None:
        with refusing({ExportError: FAILED}):
            write_tables(made.tables(), export)
        messages.print(f"Written: {export}", markup=False)
        document = {**document, "export": str(export)}
    if as_json:
        print_json(document)
    else:
        click.echo(made.page.path)
    if open_it:
        _open(made.page.path)


@dataclass(frozen=True)
class _Made:
    """A written page, and what is printed of it; `tables` are computed for an export only."""

    page: Page
    headline: str
    caveats: Sequence[Caveat]
    document: dict[str, Any]
    tables: Callable[[], Sequence[Table]]


def _make_period(workspace: Workspace, day: str | None, kind: str) -> _Made:
    from sonnys_pipeline.report.export.tables import period_tables
    from sonnys_pipeline.report.periods.build import headline
    from sonnys_pipeline.report.periods.page import land_period_report, make_period_report
    from sonnys_pipeline.report.periods.spans import Kind

    settings, lake = workspace.settings, workspace.lake
    now = datetime.now(ZoneInfo(settings.timezone))
    business_date = _business_date(day, now.date()) or _last_day(lake, settings.timezone)
    _refuse_long_ago(lake, business_date, settings, now, Kind(kind))
    found = make_period_report(
        lake,
        Kind(kind),
        business_date,
        timezone=settings.timezone,
        made_at=now,
        account=settings.account_name,
    )
    page = land_period_report(lake, found)
    return _Made(page, headline(found), found.caveats, period_document(found, page), lambda: period_tables(found))


def _make_daily(workspace: Workspace, given: str | None) -> _Made:
    from sonnys_pipeline.lake.errors import NotLandedError
    from sonnys_pipeline.report.daily import has_figures, land_report, make_report, shown_digest
    from sonnys_pipeline.report.export.tables import daily_tables
    from sonnys_pipeline.report.markdown import headline

    settings, lake = workspace.settings, workspace.lake
    now = datetime.now(ZoneInfo(settings.timezone))
    business_date, expected = _business_date(given, now.date()), None
    if business_date is None:
        business_date = _last_day(lake, settings.timezone)
        expected = _later_day(lake, business_date, settings.timezone, now)
    else:
        _refuse_long_ago(lake, business_date, settings, now)
    digest = shown_digest(lake, business_date)
    try:
        found = make_report(
            lake,
            business_date,
            timezone=settings.timezone,
            made_at=now,
            account=settings.account_name,
            instead_of=expected,
        )
    except NotLandedError:
        _refuse_without_rows(lake, business_date, settings.timezone, now.date())
    if not has_figures(found):
        _refuse_without_rows(lake, business_date, settings.timezone, now.date())
    page = land_report(lake, found, inputs_digest=digest)
    return _Made(page, headline(found), found.caveats, daily_document(found, page), lambda: daily_tables(found))


def _print_late_edits(*, as_json: bool) -> None:
    """How late edits come, by `transaction_changes`, and which policy fits."""
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.lake.changes import landed_changes
    from sonnys_pipeline.lake.errors import LakeError
    from sonnys_pipeline.quality.late_edits import Looks, late_edits

    with refusing({SettingsError: FAILED, LakeError: FAILED}):
        workspace = open_workspace()
        found = late_edits(landed_changes(workspace.lake), Looks.of(workspace.settings.revisit))
    if not as_json:
        click.echo("\n".join(found.sentences))
        return
    print_json(
        {
            "changed": found.changed,
            "p50_hours": found.p50_hours,
            "p95_hours": found.p95_hours,
            "last_hours": found.last_hours,
            "found_by": dict(found.by_look),
            "later_than_looked_for": [one.id for one in found.too_late],
            "recommended_days": asdict(found.recommended),
        }
    )


def _business_date(given: str | None, today: date) -> date | None:
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError:
        refuse(f"--date {given}: not a day; write it as YYYY-MM-DD", WRONG_USAGE)
    if day > today:
        refuse(f"--date {given}: that day has not begun; today is {today}", WRONG_USAGE)
    return day


def _refuse_long_ago(lake: Lake, day: date, settings: Settings, now: datetime, kind: Kind | None = None) -> None:
    """Refuse a business day, or a week or month, more than a day before the first partition: no row can be landed."""
    from sonnys_pipeline.lake.transactions import ASSET
    from sonnys_pipeline.report.periods.spans import Span

    if kind is not None and day.year >= _FIRST_YEAR:
        day = Span.of(kind, day).last
    landed = lake.partitions(ASSET)
    if landed and day < date.fromisoformat(landed[0]) - timedelta(days=1):
        remedy = _remedy_of_long_ago(lake, day, settings, now)
        refuse(f"{day}: its transactions are not landed; the first landed day is {landed[0]}{remedy}", FAILED)
    if not landed and day.year < _FIRST_YEAR:
        refuse(f"--date {day}: the API has no such day", WRONG_USAGE)


def _remedy_of_long_ago(lake: Lake, day: date, settings: Settings, now: datetime) -> str:
    """The command that lands a day, if it has a partition and the API still keeps it; else why it cannot be landed."""
    from sonnys_pipeline.calendar.windows import first_kept_day
    from sonnys_pipeline.report.daily import partitions_lacking

    kept = first_kept_day(now, settings.timezone)
    if day <= kept:  # its first rows may be in the partition before it
        return f". The API only keeps days from {kept} on"
    lacking = partitions_lacking(lake, day, settings.timezone)
    if lacking[0] < settings.start_date:
        return (
            f". Partitions begin at SONNYS_START_DATE ({settings.start_date}); set it to {lacking[0]} to land the day"
        )
    return f"; land it first: {_land_it()}{_partitions(lacking)}"


def _last_day(lake: Lake, timezone: str) -> date:
    from sonnys_pipeline.report.daily import last_complete_day

    day = last_complete_day(lake, timezone)
    if day is None:
        refuse(f"no complete business day is landed in {lake.root}; land one first: {_land_it()} YYYY-MM-DD", FAILED)
    return day


def _later_day(lake: Lake, day: date, timezone: str, now: datetime) -> date | None:
    """The business day that should be complete by now, if that is a later one."""
    from sonnys_pipeline.calendar.windows import last_complete_day
    from sonnys_pipeline.report.daily import last_due_day

    due = last_due_day(lake, timezone, last_complete_day(now, timezone))
    return due if due > day else None


def _refuse_without_rows(lake: Lake, day: date, timezone: str, today: date) -> NoReturn:
    """End the command because no site's day is complete; name the missing partitions and how to land them."""
    from sonnys_pipeline.report.daily import partitions_lacking

    lacking = partitions_lacking(lake, day, timezone)
    missing = f"{day}: the transactions of {', '.join(map(str, lacking))} are not landed"
    if not lacking:
        refuse(
            f"{day}: no site has all its transactions landed; load the day for all sites: {_land_it()} {day}", FAILED
        )
    if lacking[-1] >= today:
        refuse(f"{missing}, because {lacking[-1]} is not over; try again afterwards", FAILED)
    refuse(f"{missing}; land them first: {_land_it()}{_partitions(lacking)}", FAILED)


def _partitions(days: Sequence[date]) -> str:
    return f"-range {days[0]}...{days[-1]}" if len(days) > 1 else f" {days[0]}"


def _land_it() -> str:
    """The command that lands a day, without the day."""
    account = chosen_account()
    asset = f"{account}/transactions" if account else "transactions"
    return f"dagster asset materialize -m sonnys_pipeline.definitions --select {asset} --partition"


def _open(path: LakePath) -> None:
    try:
        shown = webbrowser.open(path.as_uri())
    except webbrowser.Error:
        shown = False
    if not shown:
        messages.print(f"This machine has no browser; open {path} on another one.", markup=False)
