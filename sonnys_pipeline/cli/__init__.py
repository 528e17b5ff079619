"""The `sonnys` command: parse, call, print. What it does is done elsewhere; each verb has a module here.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not approved, 130 and 143 interrupted with a checkpoint. With `--json`,
one JSON document goes to stdout and nothing else does; progress and messages go to stderr.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import click

from sonnys_pipeline.cli.backfill import backfill
from sonnys_pipeline.cli.doctor import doctor
from sonnys_pipeline.cli.first_contact import first_contact
from sonnys_pipeline.cli.probe import probe
from sonnys_pipeline.cli.replay import replay
from sonnys_pipeline.cli.report import report
from sonnys_pipeline.cli.simulation import demo, simulate


class _Sonnys(click.Group):
    """The group of all verbs: what concerns each of them."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Leave with 130 when interrupted, and print what the terminal's encoding has not with question marks."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            ctx.exit(130)


@click.group(cls=_Sonnys, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sonnys-pipeline")
def main() -> None:
    """Every Sonny's BackOffice transaction as Parquet that you own."""


for _verb in (demo, simulate, doctor, first_contact, probe, backfill, report, replay):
    main.add_command(_verb)
