"""`sonnys probe`: how far back records go, and the backfill command for them (BM-10)."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sonnys_pipeline.cli.account import account_option, open_workspace, to_type
from sonnys_pipeline.cli.output import FAILED, WRONG_USAGE, json_option, messages, print_json, refuse, refusing

if TYPE_CHECKING:
    from sonnys_pipeline.backfill.probe.probe import History, Look


@click.command()
@click.option("--site", metavar="CODE", help="Code of one site.  [default: all sites that the key may see]")
@click.option("--budget", default=200, show_default=True, type=click.IntRange(min=1), help="Most requests to send.")
@account_option
@json_option
def probe(site: str | None, budget: int, as_json: bool) -> None:
    """Find the oldest and the newest day with records, within the six months that the API keeps."""
    from sonnys_pipeline.backfill.probe.probe import probe_history
    from sonnys_pipeline.client import AuthError, ValidationError
    from sonnys_pipeline.config.settings import SettingsError

    looks: list[Look] = []

    def show() -> None:
        # By day: the order of the requests is that of a binary search.
        for look in sorted(looks, key=lambda one: (one.first, one.last)):
            said = look.error or f"{look.rows:,} rows"
            messages.print(f"{look.first} … {look.last}  {look.outcome:<9}  {said}", markup=False)

    with refusing({SettingsError: WRONG_USAGE}):
        workspace = open_workspace()
        client, timezone = workspace.client, workspace.settings.timezone
    with workspace:
        try:
            with messages.status("Sending about 15 requests to the API …"):  # nothing where there is no terminal
                history = probe_history(
                    client,
                    now=datetime.now(UTC),
                    timezone=timezone,
                    site=site,
                    budget=budget,
                    on_look=looks.append,
                )
        except (AuthError, ValidationError) as error:
            if error.concerns_site:
                said = "; ".join(error.messages) or error.type
                refuse(f"the API does not know the site, or the key may not read it: {said}", WRONG_USAGE)
            refuse(f"{error} Nothing was changed.", FAILED)
        finally:
            show()
    command = _command(history, site)
    if as_json:
        print_json(_document(history, command))
    else:
        click.echo("\n".join(_sentences(history, command)))
    if not history.proven:
        refuse(f"Not proven: {history.reason}. Run it again; if the budget ran out, with a larger --budget.", FAILED)


def _command(history: History, site: str | None) -> str | None:
    """The backfill command for the days that were found."""
    if history.earliest is None:
        return None
    words = ["sonnys", "backfill", "preview", "--start", f"{history.earliest}", "--end", f"{history.latest}"]
    return to_type(shlex.join([*words, "--site", site] if site else words))


def _document(history: History, command: str | None) -> dict[str, Any]:
    return {
        "earliest": history.earliest and history.earliest.isoformat(),
        "latest": history.latest and history.latest.isoformat(),
        "probes": len(history.looks),
        "outcomes": {outcome.value: count for outcome, count in history.outcomes.items()},
        "proven": history.proven,
        "reason": history.reason,
        "oldest_kept": history.oldest_kept.isoformat(),
        "trail": [
            {
                "from": look.first.isoformat(),
                "to": look.last.isoformat(),
                "outcome": look.outcome.value,
                "rows": look.rows,
            }
            for look in history.looks
        ],
        "command": command,
    }


def _sentences(history: History, command: str | None) -> list[str]:
    spent = f"{len(history.looks)} requests: " + ", ".join(f"{n} {said}" for said, n in history.outcomes.items())
    if history.earliest is None:
        sure = "There are no records" if history.proven else "Not proven: no records were found"
        return [f"{sure} since {history.oldest_kept}, the oldest day that the API keeps.", spent]
    if history.proven:
        lines = [f"Earliest day with records: {history.earliest}", f"Latest day with records:   {history.latest}"]
        if history.earliest == history.oldest_kept:
            lines.append(
                "That is the oldest day that the API keeps; older records may exist, but it does not return them."
            )
        lines.append("Proven: the API keeps no record before or after these days.")
    else:
        lines = [f"There are records from {history.earliest} to {history.latest}; there may be earlier or later ones."]
    return [*lines, spent, "", "To backfill them:", f"  {command}"]
