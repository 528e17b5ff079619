"""The `sonnys` command: parse, call, print. What it does is done elsewhere; each verb has a module here.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not approved, 130 and 143 interrupted with a checkpoint. With `--json`,
one JSON document goes to stdout and nothing else does; progress and messages go to stderr.
"""

from __future__ import annotations

import click

from sonnys_pipeline.cli.backfill import backfill
from sonnys_pipeline.cli.doctor import doctor
from sonnys_pipeline.cli.probe import probe
from sonnys_pipeline.cli.report import report
from sonnys_pipeline.cli.simulation import demo, simulate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sonnys-pipeline")
def main() -> None:
    """Every Sonny's BackOffice transaction as Parquet that you own."""


for _verb in (demo, simulate, doctor, probe, backfill, report):
    main.add_command(_verb)
