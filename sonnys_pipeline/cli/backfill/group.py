"""`sonnys backfill …`: options and help. What the verbs do is in `commands.py` and `run.py`.

They are imported when a verb is called, so that `sonnys --help` stays quick.
"""

from __future__ import annotations

from pathlib import Path

import click

from sonnys_pipeline.cli.account import account_option
from sonnys_pipeline.cli.output import WholeHelpGroup, json_option

_STATUSES = ("pending", "running", "completed", "failed", "cancelled", "paused")
_mode_option = click.option(
    "--mode",
    type=click.Choice(["auto", "confirm"]),
    help="confirm runs what was approved, or nothing; auto runs it unasked. The job keeps its choice.",
)
_on_error_option = click.option(
    "--on-error",
    type=click.Choice(["fail-fast", "continue"]),
    default="fail-fast",
    show_default=True,
    help="What a failing day does: end the run, or let the others go on until most of them fail.",
)


@click.group(cls=WholeHelpGroup)
def backfill() -> None:
    """Plan, approve, run, stop and resume the loading of many days.

    JOB is the id of a job, the beginning of one, or "latest" for the newest job of the command line.
    """


@backfill.command()
@click.option("--start", metavar="DAY", help="First day, YYYY-MM-DD.")
@click.option("--end", metavar="DAY", help="Last day, included.")
@click.option("--site", metavar="CODE", help="Only this site's transactions; left out, all sites (fuller pages).")
@click.option(
    "--from-csv",
    "csv",
    type=click.Path(path_type=Path),
    help="A CSV with a column date, and perhaps site, instead of --start and --end; results are written back into it.",
)
@click.option("--missing-only", is_flag=True, help="Leave out days that are landed.")
@account_option
@json_option
def preview(
    start: str | None, end: str | None, site: str | None, csv: Path | None, missing_only: bool, as_json: bool
) -> None:
    """Make a pending job of days, and show what it would cost: 20 requests at most."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.preview(start, end, site, csv, missing_only=missing_only, as_json=as_json)


@backfill.command()
@click.argument("job")
@click.option("--by", metavar="NAME", help="Who approves; left out, the user of this machine.")
@account_option
@json_option
def approve(job: str, by: str | None, as_json: bool) -> None:
    """Approve a job's plan, exactly as it was previewed."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.approve(job, by, as_json=as_json)


@backfill.command()
@click.argument("job", required=False)
@_mode_option
@_on_error_option
@click.option(
    "--recover",
    type=click.Choice(["resume", "restart", "cancel"]),
    help="What to do with an interrupted job, instead of being asked; without JOB, with every interrupted one.",
)
@account_option
@json_option
def run(job: str | None, mode: str | None, on_error: str, recover: str | None, as_json: bool) -> None:
    """Run an approved job, or one that was stopped, and show the bill.

    Interrupted jobs, whose process is gone, are offered: resume reads what is missing, restart reads everything again,
    cancel gives the job up.
    """
    from sonnys_pipeline.cli.backfill import run as backfill_run

    backfill_run.run(job, mode=mode, on_error=on_error, recover=recover, as_json=as_json)


@backfill.command()
@click.argument("job")
@_on_error_option
@account_option
@json_option
def resume(job: str, on_error: str, as_json: bool) -> None:
    """Go on with a job that was paused, has failed or was interrupted."""
    from sonnys_pipeline.cli.backfill import run as backfill_run

    backfill_run.resume(job, on_error=on_error, as_json=as_json)


@backfill.command()
@click.argument("job")
@click.option("--why", default="", metavar="TEXT", help="Kept in the job's record.")
@account_option
@json_option
def cancel(job: str, why: str, as_json: bool) -> None:
    """Give a job up; what it has landed stays. One that runs stops within seconds."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.cancel(job, why, as_json=as_json)


@backfill.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Only these.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@account_option
@json_option
def list_jobs(status: str | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first, those of Dagster's runs included."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.list_jobs(status, limit, as_json=as_json)


@backfill.command()
@click.argument("job")
@account_option
@json_option
def status(job: str, as_json: bool) -> None:
    """Show where a job stands, what it cost, and what failed."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.status(job, as_json=as_json)


@backfill.command("write-back")
@click.argument("job")
@account_option
@json_option
def write_back(job: str, as_json: bool) -> None:
    """Write a job's results into the CSV that it was made from, as it is now."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.write_back(job, as_json=as_json)


@backfill.command()
@account_option
@json_option
def reconcile(as_json: bool) -> None:
    """Tell Dagster of landed days that it does not know: it shows them as materialized then."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.reconcile(as_json=as_json)
