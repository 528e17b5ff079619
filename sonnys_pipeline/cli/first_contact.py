"""`sonnys first-contact`: ask the API what the contract leaves open (LV-05)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from sonnys_pipeline.cli.account import account_option, open_workspace
from sonnys_pipeline.cli.output import FAILED, WRONG_USAGE, json_option, messages, print_json, refuse, refusing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sonnys_pipeline.backfill.workspace import Workspace
    from sonnys_pipeline.first_contact import Answer, Question, Sent


@click.command("first-contact")
@click.option("--dry-run", is_flag=True, help="Print the questions and what they cost; send nothing.")
@click.option(
    "--spend-a-block",
    is_flag=True,
    help="Also test whether each endpoint has its own request budget: 22 more requests, and one 429.",
)
@account_option
@json_option
def first_contact(dry_run: bool, spend_a_block: bool, as_json: bool) -> None:
    """Ask the API what its documentation leaves open, with 24 requests at most, and save the answers.

    Writes a JSON file without personal data that you can attach to a bug report.
    """
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.first_contact import QUESTIONS
    from sonnys_pipeline.first_contact.questions import SPEND_A_BLOCK

    with refusing({SettingsError: WRONG_USAGE}):
        workspace = open_workspace()
    questions = [*QUESTIONS, *([SPEND_A_BLOCK] if spend_a_block else [])]
    if dry_run:
        _print_questions(questions, spend_a_block=spend_a_block, as_json=as_json)
    else:
        _ask(workspace, spend_a_block=spend_a_block, as_json=as_json)


def _ask(workspace: Workspace, *, spend_a_block: bool, as_json: bool) -> None:
    from sonnys_pipeline.client import AuthError, SonnysError
    from sonnys_pipeline.config.settings import SettingsError
    from sonnys_pipeline.first_contact import Asker, answers_of, ask_all, most_requests
    from sonnys_pipeline.first_contact.keeping import document, remember, write_file
    from sonnys_pipeline.ledger.errors import LedgerError

    most = most_requests(spend_a_block=spend_a_block)

    def show(sent: Sent) -> None:
        messages.print(f"{len(asker.trail):>3} of {most} at most  {sent.what:<18} {sent.outcome}")

    with (
        refusing({SettingsError: WRONG_USAGE, LedgerError: FAILED, SonnysError: FAILED}),
        workspace,
    ):
        # Opened before anything is sent: without a ledger the answers could not be saved.
        jobs, client, settings = workspace.jobs, workspace.client, workspace.settings
        messages.print(f"Asking {settings.base_url}: {most} requests at most, all counted in the request budget.")
        if spend_a_block:
            messages.print("One of them should be answered 429; then every user of this API id waits for two blocks.")
        asker = Asker(client, most, on_request=show)
        try:
            found = ask_all(
                asker,
                site_code=settings.site_code or "",
                spend_a_block=spend_a_block,
                poll_interval=settings.poll_interval,
                timeout=settings.job_timeout,
            )
        except AuthError as error:
            refuse(f"{error} Nothing was saved.", WRONG_USAGE if error.concerns_site else FAILED)
        at = asker.now()
        answers = answers_of(found, asker.clock_difference)
        told = document(answers, found, asker, at)
        try:
            path = write_file(told, settings.prepared_state_dir(), at)
        except OSError as error:
            refuse(
                f"cannot write into the state folder ({error.strerror}); free space, or set another SONNYS_STATE_DIR",
                FAILED,
            )
        remember(jobs, settings.api_id_digest, answers, found)
    if not found.knows_anything:
        why = next(iter(found.failures.values()), "")
        refuse(f"the API answered no question ({why}); check the connection with: sonnys doctor", FAILED)
    if as_json:
        print_json({**told, "file": str(path)})
    else:
        _print_answers(answers, len(asker.trail))
        click.echo(f"Saved without personal data, so you can attach it to a bug report: {path}")


def _print_questions(questions: Sequence[Question], *, spend_a_block: bool, as_json: bool) -> None:
    from sonnys_pipeline.first_contact import most_requests

    most = most_requests(spend_a_block=spend_a_block)
    if as_json:
        asked = [{"name": one.name, "asks": one.asks, "least": one.least, "most": one.most} for one in questions]
        print_json({"dry_run": True, "most_requests": most, "questions": asked, "answers": {}})
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("requests", justify="right", no_wrap=True)
    table.add_column("question")
    for one in questions:
        table.add_row(f"{one.least}" if one.least == one.most else f"{one.least}-{one.most}", one.asks)
    Console(highlight=False, markup=False).print(table)
    click.echo(f"{most} requests at most, including retries. Nothing was sent.")


def _print_answers(answers: Sequence[Answer], requests: int) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("question", "answer", "meaning"):
        table.add_column(name, overflow="fold")
    for one in answers:
        if one.value is None:
            table.add_row(one.asks, "unknown", f"{one.reason}{f'; {one.means}' if one.means else ''}")
        else:
            table.add_row(one.asks, _plain(one.value), one.means)
    Console(highlight=False, markup=False).print(table)
    click.echo(f"\n{requests} requests.")


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')}: {_plain(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
