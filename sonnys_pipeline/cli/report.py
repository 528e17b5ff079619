"""`sonnys report`: the morning report of a business day as one HTML page."""

from __future__ import annotations

import webbrowser
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

import click

from sonnys_pipeline.cli.account import account_option, chosen_account, open_workspace
from sonnys_pipeline.cli.output import FAILED, WRONG_USAGE, json_option, messages, print_json, refuse, refusing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sonnys_pipeline.config.settings import Settings
    from sonnys_pipeline.lake.dataset import Lake
    from sonnys_pipeline.lake.storage.folder import LakePath
    from sonnys_pipeline.report.build import Report
    from sonnys_pipeline.report.daily import Page
    from sonnys_pipeline.report.measures import Figure

#: First year accepted while nothing is landed; far earlier dates overflow `date` arithmetic.
_FIRST_YEAR = 2000


@click.command()
@click.option("--date", "day", metavar="YYYY-MM-DD", help="The business day.  [default: the last complete one]")
@click.option("--open", "open_it", is_flag=True, help="Open the page in a browser.")
@click.option("--late-edits", is_flag=True, help="Print instead how late landed transactions were edited.")
@account_option
@json_option
def report(day: str | None, open_it: bool, late_edits: bool, as_json: bool) -> None:
    """Write the morning report of a day as one HTML page and print its path."""
    if late_edits:
        _print_late_edits(as_json=as_json)
        return
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.lake.errors import LakeError, NotLandedError
    from sonnys_pipeline.report.daily import has_figures, land_report, make_report
    from sonnys_pipeline.report.markdown import headline

    with refusing({SettingsError: FAILED, LakeError: FAILED}):
        workspace = open_workspace()
        settings, lake = workspace.settings, workspace.lake
        now = datetime.now(ZoneInfo(settings.timezone))
        business_date, expected = _business_date(day, now.date()), None
        if business_date is None:
            business_date = _last_day(lake, settings.timezone)
            expected = _later_day(lake, business_date, settings.timezone, now)
        else:
            _refuse_long_ago(lake, business_date, settings, now)
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
        page = land_report(lake, found)
    messages.print(headline(found), markup=False)
    for caveat in found.caveats:
        messages.print(f"{caveat.severity}: {caveat.text}", markup=False)
    if as_json:
        print_json(_document(found, page))
    else:
        click.echo(page.path)
    if open_it:
        _open(page.path)


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


def _refuse_long_ago(lake: Lake, day: date, settings: Settings, now: datetime) -> None:
    """Refuse a business day more than a day before the first partition: none of its rows can be landed."""
    from sonnys_pipeline.lake.transactions import ASSET

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


def _document(found: Report, page: Page) -> dict[str, Any]:
    """The figures for `--json`: money in dollars, shares as fractions, null with a reason if unknown."""
    return {
        "account": found.account,
        "business_date": found.business_date.isoformat(),
        "path": str(page.path),
        "bytes": page.size,
        "figures": {key: _figure(figure) for key, figure in found.figures.items()},
        "voids": {key: _figure(figure) for key, figure in found.voids.items()},
        "sites": len(found.sites),
        "missing_sites": [site.code for site in found.missing_sites],
        "findings": [{"severity": caveat.severity, "text": caveat.text} for caveat in found.caveats],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "value": _number(figure.value),
        "last_week": _number(figure.last_week.base),
        "four_weeks": _number(figure.four_weeks.base),
        "weeks": figure.four_weeks.days,
        "unknown": figure.unknown,
    }


def _number(value: Any) -> float | None:  # noqa: ANN401 - a Decimal, which JSON lacks
    return None if value is None else float(value)
