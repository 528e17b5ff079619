"""`sonnys dbt-sources`: the assets as dbt sources, as a file of a dbt project."""

from __future__ import annotations

import re
from pathlib import Path

import click

from sonnys_pipeline.cli.output import messages, refuse

#: What dbt takes for the name of a source; it also begins the name of a variable.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@click.command("dbt-sources")
@click.option("--source", metavar="NAME", default="sonnys", show_default=True, help="Name of the source in dbt.")
@click.option("--key-prefix", metavar="KEY", default="", help="Begins the keys of the assets, such as washes/north.")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="A table; repeatable.  [default: all]")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a file instead of printing.")
def dbt_sources(source: str, key_prefix: str, tables: tuple[str, ...], out: Path | None) -> None:
    """Print the tables as dbt sources, with columns, descriptions and tests, and the reports as exposures.

    Nothing is read but the definitions: neither settings nor landed files.
    """
    from sonnys_pipeline.orchestration.dbt.sources import sources_yaml

    if not _NAME.fullmatch(source):
        refuse(f"--source {source!r} is no name in dbt; use letters, digits and underscores")
    try:
        text = sources_yaml(source, [part for part in key_prefix.split("/") if part], tables)
    except ValueError as error:
        refuse(str(error))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"cannot write {out} ({error.strerror or error}); name a file in a directory that you can write to", 1)
    messages.print(f"Sources in {out}; dbt finds the lake by its variable {source}_lake.")
