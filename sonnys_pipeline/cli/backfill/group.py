"""`sonnys backfill …`: options and help.

Each verb imports `commands.py` or `run.py` when it is called, so that `sonnys --help` stays quick.
"""

from __future__ import annotations

from pathlib import Path

import click

from sonnys_pipeline.cli.account import account_option
from sonnys_pipeline.cli.output import WholeHelpGroup, json_option

_STATUSES = ("pending", "running", "completed", "failed", "cancelled", "paused")
#: Names of the lists, as `backfill/lists/preview.py` has them.
_LISTS = (
    "clock_entries", "customers", "employees", "giftcards", "items", "recurring_accounts", "recurring_status_changes",
    "sales_outcomes", "washbooks",
)  # fmt: skip
_mode_option = click.option(
    "--mode",
    type=click.Choice(["auto", "confirm"]),
    help="confirm: run approved plans only; auto: run without approval. The job remembers it.",
)
_on_error_option = click.option(
    "--on-error",
    type=click.Choice(["fail-fast", "continue"]),
    default="fail-fast",
    show_default=True,
    help="If a day fails: stop the run, or go on with the other days until most of them fail.",
)


@click.group(cls=WholeHelpGroup)
def backfill() -> None:
    """Plan, approve, run, stop and resume jobs that load many days.

    JOB is a job's id, the beginning of one, or "latest" for the newest job made on the command line.
    """


@backfill.command()
@click.option("--start", metavar="DAY", help="First day, YYYY-MM-DD.")
@click.option("--end", metavar="DAY", help="Last day (included), YYYY-MM-DD.")
@click.option("--site", metavar="CODE", help="Code of one site.  [default: all sites]")
@click.option(
    "--from-csv",
    "csv",
    type=click.Path(path_type=Path),
    help="Read the days from a CSV with a column date (and optionally site), and write the results back into it.",
)
@click.option("--missing-only", is_flag=True, help="Leave out days that are already landed.")
@click.option(
    "--resource",
    type=click.Choice(["transactions", *_LISTS]),
    default="transactions",
    show_default=True,
    help="What to read. Lists by day need --start and --end; the others are read whole.",
)
@account_option
@json_option
def preview(  # one parameter per option
    start: str | None,
    end: str | None,
    site: str | None,
    csv: Path | None,
    missing_only: bool,
    resource: str,
    as_json: bool,
) -> None:
    """Create a job for some days and estimate its cost, with 20 requests at most; loads nothing yet."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.preview(start, end, site, csv, missing_only=missing_only, resource=resource, as_json=as_json)


@backfill.command()
@click.argument("job")
@click.option("--by", metavar="NAME", help="Name of the approver.  [default: the current user]")
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
    help="What to do with an interrupted job, without asking. Without JOB: with all interrupted jobs.",
)
@account_option
@json_option
def run(job: str | None, mode: str | None, on_error: str, recover: str | None, as_json: bool) -> None:
    """Run an approved or stopped job and show what it cost.

    If the job was interrupted (its process died), asks what to do: resume loads the missing days, restart loads all
    days again, cancel ends the job.
    """
    from sonnys_pipeline.cli.backfill import run as backfill_run

    backfill_run.run(job, mode=mode, on_error=on_error, recover=recover, as_json=as_json)


@backfill.command()
@click.argument("job")
@_on_error_option
@account_option
@json_option
def resume(job: str, on_error: str, as_json: bool) -> None:
    """Continue a job that was paused, failed or was interrupted."""
    from sonnys_pipeline.cli.backfill import run as backfill_run

    backfill_run.resume(job, on_error=on_error, as_json=as_json)


@backfill.command()
@click.argument("job")
@click.option("--why", default="", metavar="TEXT", help="The reason, kept in the job's log.")
@account_option
@json_option
def cancel(job: str, why: str, as_json: bool) -> None:
    """Cancel a job; a running one stops within seconds. Landed days stay."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.cancel(job, why, as_json=as_json)


@backfill.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Show only jobs with this status.")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="Show this many jobs at most."
)
@account_option
@json_option
def list_jobs(status: str | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first, including those of Dagster runs."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.list_jobs(status, limit, as_json=as_json)


@backfill.command()
@click.argument("job")
@account_option
@json_option
def status(job: str, as_json: bool) -> None:
    """Show a job's progress, cost and failures."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.status(job, as_json=as_json)


@backfill.command("write-back")
@click.argument("job")
@account_option
@json_option
def write_back(job: str, as_json: bool) -> None:
    """Write a job's results into the CSV that it was made from."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.write_back(job, as_json=as_json)


@backfill.command()
@account_option
@json_option
def reconcile(as_json: bool) -> None:
    """Report landed days to Dagster that it does not show as materialized yet."""
    from sonnys_pipeline.cli.backfill import commands as backfill_verbs

    backfill_verbs.reconcile(as_json=as_json)
