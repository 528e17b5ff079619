"""`sonnys report`: the morning report of a business day as one HTML page."""

from __future__ import annotations

import webbrowser
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

import click

from sonnys_pipeline.cli.account import account_option, chosen_account, open_workspace
from sonnys_pipeline.cli.output import FAILED, WRONG_USAGE, json_option, messages, print_json, refuse, refusing

if TYPE_CHECKING:
    from sonnys_pipeline.lake.dataset import Lake
    from sonnys_pipeline.lake.storage.folder import LakePath
    from sonnys_pipeline.report.build import Report
    from sonnys_pipeline.report.daily import Page
    from sonnys_pipeline.report.measures import Figure

#: Before it no business day can be landed; so far back zones and weeks reach beyond the calendar.
_FIRST_YEAR = 2000


@click.command()
@click.option(
    "--date", "day", metavar="YYYY-MM-DD", help="The business day; default: the last one that is landed as a whole."
)
@click.option("--open", "open_it", is_flag=True, help="Show the page in this machine's browser.")
@account_option
@json_option
def report(day: str | None, open_it: bool, as_json: bool) -> None:
    """Write the morning report of a day as one HTML page, and print where it lies."""
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.lake.errors import LakeError, NotLandedError
    from sonnys_pipeline.report.daily import has_figures, land_report, make_report
    from sonnys_pipeline.report.markdown import headline

    with refusing({SettingsError: FAILED, LakeError: FAILED}):
        workspace = open_workspace()
        settings, lake = workspace.settings, workspace.lake
        now = datetime.now(ZoneInfo(settings.timezone))
        business_date = _business_date(day, now.date())
        if business_date is None:
            business_date = _last_day(lake, settings.timezone)
        else:
            _refuse_long_ago(lake, business_date)
        try:
            found = make_report(
                lake, business_date, timezone=settings.timezone, made_at=now, account=settings.account_name
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


def _business_date(given: str | None, today: date) -> date | None:
    """The day that was asked for."""
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError:
        refuse(f"--date {given}: not a day; write it as YYYY-MM-DD", WRONG_USAGE)
    if day > today:
        refuse(f"--date {given}: that day has not begun; today is {today}", WRONG_USAGE)
    return day


def _refuse_long_ago(lake: Lake, day: date) -> None:
    """No partition that a business day lies in is further from it than a day."""
    from sonnys_pipeline.lake.transactions import ASSET

    landed = lake.partitions(ASSET)
    if landed and day < date.fromisoformat(landed[0]) - timedelta(days=1):
        refuse(f"{day}: its transactions are not landed; the first landed day is {landed[0]}", FAILED)
    if not landed and day.year < _FIRST_YEAR:
        refuse(f"--date {day}: no such day can be landed", WRONG_USAGE)


def _last_day(lake: Lake, timezone: str) -> date:
    from sonnys_pipeline.report.daily import last_complete_day

    day = last_complete_day(lake, timezone)
    if day is None:
        refuse(f"No business day is landed as a whole in {lake.root}; land one first: {_land_it()} YYYY-MM-DD", FAILED)
    return day


def _refuse_without_rows(lake: Lake, day: date, timezone: str, today: date) -> NoReturn:
    """No site's day is whole: which partitions lack, and how to get them."""
    from sonnys_pipeline.report.daily import partitions_lacking

    lacking = partitions_lacking(lake, day, timezone)
    missing = f"{day}: the transactions of {', '.join(map(str, lacking))} are not landed"
    if not lacking:
        refuse(
            f"{day}: of no site are all transactions landed; load the day without a site: {_land_it()} {day}", FAILED
        )
    if lacking[-1] >= today:
        refuse(f"{missing}, and {lacking[-1]} is not over; try again then", FAILED)
    over = f"-range {lacking[0]}...{lacking[-1]}" if len(lacking) > 1 else f" {lacking[0]}"
    refuse(f"{missing}; land them first: {_land_it()}{over}", FAILED)


def _land_it() -> str:
    """What to type for the rows of a day, without the day."""
    account = chosen_account()
    asset = f"{account}/transactions" if account else "transactions"
    return f"dagster asset materialize -m sonnys_pipeline.definitions --select {asset} --partition"


def _open(path: LakePath) -> None:
    try:
        shown = webbrowser.open(path.as_uri())
    except webbrowser.Error:
        shown = False
    if not shown:
        messages.print(f"There is no browser on this machine; open {path} on one that has.", markup=False)


def _document(found: Report, page: Page) -> dict[str, Any]:
    """The numbers of the day; money in dollars, shares as fractions, null where one is not known, with the reason."""
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


def _number(value: Any) -> float | None:  # noqa: ANN401 - a Decimal, which JSON has not
    return None if value is None else float(value)
