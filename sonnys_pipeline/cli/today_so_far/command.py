"""`sonnys today`: the business day so far, as a table that follows it, as JSON, and as a page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sonnys_pipeline.cli.account import account_option, open_workspace
from sonnys_pipeline.cli.output import FAILED, Screen, json_option, messages, print_json, refuse

if TYPE_CHECKING:
    from sonnys_pipeline.today.figures import Today
    from sonnys_pipeline.today.look import Looker

#: Seconds between two looks at the file, which another process may have replaced.
_REFRESH = 15.0


@click.command()
@click.option("--once", is_flag=True, help="Show the figures once, instead of following the day.")
@account_option
@json_option
def today(once: bool, as_json: bool) -> None:
    """Show cars, sales, members and conversion of the business day so far, and write them as a page."""
    from sonnys_pipeline.cli.backfill.commands import one_line_errors
    from sonnys_pipeline.cli.today_so_far.output import document, table
    from sonnys_pipeline.report.daily import ASSET as REPORTS
    from sonnys_pipeline.today.look import Looker
    from sonnys_pipeline.today.page import PAGE
    from sonnys_pipeline.today.update import update

    screen = Screen(highlight=False)
    with one_line_errors(), open_workspace() as workspace:
        looker = Looker(workspace)
        with messages.status("Looking at the day so far …"):  # nothing where there is no terminal
            figures, _ = update(looker, if_due=True)
        messages.print(f"page: {workspace.lake.path(REPORTS).with_name(PAGE)}")
        if as_json:
            print_json(document(figures))
        elif once or not screen.is_terminal:
            screen.print(table(figures))
        else:
            _follow(looker, screen, figures)
        for problem in figures.problems:
            messages.print(f"warning: {problem}")
        if figures.as_of is None:
            refuse("no site could be read yet; run `sonnys doctor`, or try again later", FAILED)
        if figures.problems:
            refuse(f"the last look could not read everything; shown as of {figures.as_of:%H:%M}", FAILED)


def _follow(looker: Looker, screen: Screen, figures: Today) -> None:
    """Show the table until the person interrupts it."""
    from rich.live import Live

    from sonnys_pipeline.cli.today_so_far.output import table
    from sonnys_pipeline.today.update import update

    with Live(table(figures), console=screen, auto_refresh=False) as live:
        while True:
            time.sleep(_REFRESH)
            figures, _ = update(looker, if_due=True)
            live.update(table(figures), refresh=True)
