"""The `sonnys` command. Belongs here: parsing, calling, printing; one module a verb. The work is done in other rooms.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not approved, 130 and 143 interrupted with a checkpoint. With `--json`,
one JSON document goes to stdout and nothing else does; progress and messages go to stderr.
"""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import click

from sonnys_pipeline.cli.backfill.group import backfill
from sonnys_pipeline.cli.doctor import doctor
from sonnys_pipeline.cli.first_contact import first_contact
from sonnys_pipeline.cli.forget import forget
from sonnys_pipeline.cli.output import WholeHelpGroup
from sonnys_pipeline.cli.probe import probe
from sonnys_pipeline.cli.query.command import export, sql
from sonnys_pipeline.cli.query.dbt import dbt_sources
from sonnys_pipeline.cli.replay import replay
from sonnys_pipeline.cli.report.commands import report
from sonnys_pipeline.cli.revisit.command import verify
from sonnys_pipeline.cli.simulate import demo, simulate
from sonnys_pipeline.cli.sites.commands import sites
from sonnys_pipeline.cli.today_so_far.command import today
from sonnys_pipeline.cli.ui import ui

#: Options that take a path.
_PATHS = frozenset({"--from-csv", "--folder", "--export", "--out", "--duckdb"})


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _noticing_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C has been pressed: DuckDB and Arrow turn it into errors of their own, as if a file were damaged."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.default_int_handler(number, frame)

    # Only the main thread may set a handler, and it stays as it is where a caller has one of its own.
    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler and current_thread() is main_thread()
    if own:
        signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        if own:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Sonnys(WholeHelpGroup):
    """The top-level group: what all verbs share."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments that are not UTF-8: neither the API nor the ledger accepts them. Paths may be any bytes."""
        for option, value in pairwise(["", *args]):
            name, _, _ = value.partition("=")
            if option not in _PATHS and name not in _PATHS and not _is_text(value):
                raise click.UsageError(f"{value!r} is not UTF-8 text; type it in the terminal's encoding", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Exit with 130 when interrupted; print `?` for characters that the terminal's encoding lacks."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        with _noticing_ctrl_c() as was_pressed:
            try:
                return super().invoke(ctx)
            except click.exceptions.Exit:
                raise
            except (Exception, KeyboardInterrupt) as error:
                if not was_pressed() and not isinstance(error, KeyboardInterrupt | click.Abort):
                    raise
                click.echo("Interrupted.", err=True)
                ctx.exit(130)


@click.group(cls=_Sonnys, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sonnys-pipeline")
def main() -> None:
    """Load all Sonny's BackOffice transactions into Parquet files that you own."""


for _verb in (
    demo,
    simulate,
    doctor,
    first_contact,
    ui,
    probe,
    backfill,
    verify,
    report,
    today,
    replay,
    forget,
    sites,
    sql,
    export,
    dbt_sources,
):
    main.add_command(_verb)
