"""`sonnys sites`: the sites by validity; what a person says of codes and zones; a list that is read by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from sonnys_pipeline.cli.account import account_option, open_workspace
from sonnys_pipeline.cli.output import (
    FAILED,
    Screen,
    WholeHelpGroup,
    json_option,
    messages,
    print_json,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sonnys_pipeline.landing.sites.evidence import LandedEvidence
    from sonnys_pipeline.landing.sites.history import LandedSites
    from sonnys_pipeline.landing.sites.versions import Version


@click.group(cls=WholeHelpGroup)
def sites() -> None:
    """Show every site that was ever listed, and correct what no list can tell."""


@sites.command("list")
@account_option
@json_option
def show(as_json: bool) -> None:
    """Show each site's code, name and time zone by validity, and what has to be answered."""
    from sonnys_pipeline.cli.backfill.commands import one_line_errors
    from sonnys_pipeline.landing.sites.history import landed_sites_of

    with one_line_errors():
        _print(landed_sites_of(open_workspace().lake), as_json=as_json)


@sites.command()
@click.option("--accept-shorter", is_flag=True, help="Take the list although it lacks much of the known sites.")
@account_option
@json_option
def read(accept_shorter: bool, as_json: bool) -> None:
    """Read the list from the API now (one request) and join it with the history."""
    from sonnys_pipeline.cli.backfill.commands import one_line_errors
    from sonnys_pipeline.landing.account_sites import keep_sites
    from sonnys_pipeline.landing.sites.history import land_sites, landed_sites_of

    with one_line_errors(), open_workspace() as workspace:
        listed, narrowed = workspace.client.sites.list(), bool(workspace.settings.site_code)
        land_sites(workspace.lake, listed, datetime.now(UTC), narrowed=narrowed, accepted=accept_shorter)
        if not narrowed:
            keep_sites(workspace.jobs, workspace.settings.api_id_digest, listed, accepted=accept_shorter)
        _print(landed_sites_of(workspace.lake), as_json=as_json)


@sites.command()
@click.argument("old")
@click.argument("new")
@account_option
@json_option
def same(old: str, new: str, as_json: bool) -> None:
    """Say that the code NEW is the site that had the code OLD: reports compare them as one."""
    from sonnys_pipeline.landing.sites.answers import same_site

    _change(lambda landed, evidence: same_site(landed, evidence, old, new, datetime.now(UTC)), as_json=as_json)


@sites.command()
@click.argument("old")
@click.argument("new")
@account_option
@json_option
def different(old: str, new: str, as_json: bool) -> None:
    """Say that OLD and NEW are two sites: it is not asked again."""
    from sonnys_pipeline.landing.sites.answers import different_sites

    _change(lambda landed, _: different_sites(landed, old, new), as_json=as_json)


@sites.command()
@click.argument("code")
@click.argument("timezone", metavar="ZONE")
@click.option("--since", metavar="DAY", help="First business day in this zone, YYYY-MM-DD.  [default: always]")
@account_option
@json_option
def zone(code: str, timezone: str, since: str | None, as_json: bool) -> None:
    """Say which time zone (such as America/Chicago) a site is in: its figures from then on are counted again."""
    from sonnys_pipeline.landing.sites.answers import zone_of_site

    try:
        first = date.fromisoformat(since) if since else None
    except ValueError:
        refuse(f"--since {since}: give a day as YYYY-MM-DD")
    _change(lambda landed, evidence: zone_of_site(landed, evidence, code, timezone, first), as_json=as_json)


def _change(change: Callable[[LandedSites, LandedEvidence], LandedSites], *, as_json: bool) -> None:
    from sonnys_pipeline.cli.backfill.commands import one_line_errors
    from sonnys_pipeline.landing.sites.history import change_sites

    with one_line_errors():
        changed = change_sites(open_workspace().lake, change)
    _print(changed, as_json=as_json)
    messages.print(
        "Marts follow with the next look of the sensor, or: dagster asset materialize --select site_day_kpis"
    )


def _print(landed: LandedSites, *, as_json: bool) -> None:
    rows = [_row(version) for version in landed.versions]
    if as_json:
        print_json({"sites": rows, "questions": [list(pair) for pair in landed.questions], "refused": landed.refused})
    elif not rows:
        refuse("no list of sites is landed yet: read it with `sonnys sites read`", FAILED)
    else:
        table = Table(box=None, pad_edge=False)
        for name in ("code", "name", "time zone", "from", "to", "because"):
            table.add_column(name)
        for row in rows:
            cells = (row["code"] or "", row["name"], row["timezone"] or "", row["valid_from"] or "always")
            table.add_row(*cells, row["valid_to"] or "", row["because"])
        Screen(highlight=False).print(table)
    for problem in landed.problems:
        messages.print(f"! {problem}")


def _row(version: Version) -> dict[str, Any]:
    return {
        "site": version.site,
        "code": version.listed.code,
        "name": version.listed.name,
        "timezone": version.listed.timezone,
        "spellings": list(version.spellings),
        "valid_from": version.valid_from.isoformat() if version.valid_from else None,
        "valid_to": version.valid_to.isoformat() if version.valid_to else None,
        "is_current": version.valid_to is None,
        "because": version.because,
    }
