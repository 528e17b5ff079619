"""`sonnys sql`: read-only SQL over everything that is landed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sonnys_pipeline.cli.account import account_option, chosen_account
from sonnys_pipeline.cli.output import WRONG_USAGE, Refusal, messages, refuse
from sonnys_pipeline.cli.query.formats import FORMATS, content_of

if TYPE_CHECKING:
    from sonnys_pipeline.lake.query.statements import Queries


_DAY = click.DateTime(["%Y-%m-%d"])
_HELP = """Read-only DuckDB. End statements with ; and leave with exit.
SHOW TABLES; lists the tables, DESCRIBE labor_daily; a table's columns. What they mean:
SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'labor_daily';"""


@click.command()
@click.option("-c", "--command", "script", metavar="SQL", help="Statements to run.")
@click.option("-f", "--file", type=click.Path(dir_okay=False, path_type=Path), help="A file of them.")
@click.option("--format", "kind", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to a file instead.")
@account_option
def sql(script: str | None, file: Path | None, kind: str, out: Path | None) -> None:
    """Query everything that is landed with DuckDB's SQL; nothing can be written but by --out.

    Without -c or -f, a shell opens; SHOW TABLES lists the tables. With several accounts and no --account, tables
    are called north.transactions and all_accounts.site_day_kpis.
    """
    from sonnys_pipeline.cli.backfill.commands import one_line_errors
    from sonnys_pipeline.lake.query.statements import split

    if script is not None and file is not None:
        refuse("-c and -f were both given; use one of them")
    if kind == "parquet" and out is None:
        refuse("Parquet is not printed; name a file with --out FILE")
    with one_line_errors():
        queries = _queries()
        if file is not None:
            script = _text_of(file)
        elif script is None and not sys.stdin.isatty():
            script = sys.stdin.read()
        if script is None:
            if kind != "table" or out is not None:
                refuse("--format and --out need a statement; give one with -c or -f")
            with suppress(ImportError):  # Windows has none
                import readline  # noqa: F401 - gives `input` its line editing and history
            shell(queries, input)
            return
        statements = split(script)
        if not statements:
            refuse("no statement was given; try: sonnys sql -c 'SHOW TABLES'")
        if len(statements) > 1 and (kind != "table" or out is not None):
            refuse(f"{len(statements)} statements, but {kind} files and outputs hold one result; give one statement")
        for statement in statements:
            _show(queries, statement, kind, out)


@click.command()
@click.option(
    "--duckdb",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The database file to write.",
)
@click.option(
    "--xlsx",
    "workbook",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The workbook to write, a sheet for each table.",
)
@click.option("--table", "tables", multiple=True, metavar="NAME", help="A table; repeatable.  [default: all]")
@click.option("--from", "first", metavar="DAY", type=_DAY, help="First day of a workbook's rows, YYYY-MM-DD.")
@click.option("--to", "last", metavar="DAY", type=_DAY, help="Last day (included), YYYY-MM-DD.")
@account_option
def export(  # one parameter per option
    file: Path | None, workbook: Path | None, tables: tuple[str, ...], first: datetime | None, last: datetime | None
) -> None:
    """Copy what is landed into one DuckDB database file, or tables into a workbook.

    All tables but the archives are copied into a database by default. A workbook needs --table.
    """
    from sonnys_pipeline.cli.backfill.commands import one_line_errors

    if (file is None) == (workbook is None):
        refuse("name one file, with --duckdb FILE or --xlsx FILE")
    if workbook is not None and not tables:
        refuse("a workbook needs --table NAME; SHOW TABLES in `sonnys sql` lists them")
    if file is not None and (first or last):
        refuse("--from and --to choose days of a workbook; a database has all of them")
    target = file or workbook or Path()
    with one_line_errors():
        try:
            queries = _queries()
            queries.refuse_inside(target)
            if file is not None:
                rows = queries.save(file, tables)
            else:
                days = (first.date() if first else None, last.date() if last else None)
                rows = _write_workbook(queries, target, tables, days)
        except OSError as error:
            refuse(f"cannot write {target} ({error.strerror or error}); name a file in a directory you can write to", 1)
    for name, number in rows.items():
        click.echo(f"{name}: {number:,} rows")


def _write_workbook(
    queries: Queries, file: Path, tables: tuple[str, ...], days: tuple[date | None, date | None]
) -> dict[str, int]:
    """Write tables as sheets; rows by table."""
    from sonnys_pipeline.cli.query.workbook import workbook_of
    from sonnys_pipeline.runtime.private_folder import write_private_file

    found = {name: queries.rows_of(name, *days) for name in dict.fromkeys(tables)}
    write_private_file(file, workbook_of(found))
    return {name: table.num_rows for name, table in found.items()}


def shell(queries: Queries, read: Callable[[str], str]) -> None:
    """Run statements until the end of the input or `exit`; errors are printed, and the shell goes on.

    `read` takes a prompt and returns a line; it raises EOFError at the end.
    """
    from sonnys_pipeline.cli.backfill.commands import one_line_errors

    messages.print(_HELP)
    text = ""
    while True:
        try:
            line = read("   ...> " if text else "sonnys> ")
        except EOFError:
            return
        except KeyboardInterrupt:  # leaves the statement, not the shell
            messages.print()
            text = ""
            continue
        word = "" if text else line.strip().rstrip(";").lower()
        if word in ("exit", "quit", ".exit", ".quit"):
            return
        if word in ("help", ".help", "?"):
            messages.print(_HELP)
            continue
        text = f"{text}{line}\n".lstrip()
        if text.rstrip().endswith(";"):
            try:
                with one_line_errors():
                    _show(queries, text, "table", None)
            except Refusal as refusal:
                messages.print(refusal.format_message())
            except KeyboardInterrupt:
                messages.print("stopped")
            text = ""


def _show(queries: Queries, statement: str, kind: str, out: Path | None) -> None:
    from sonnys_pipeline.runtime.private_folder import write_private_file

    if out is not None:
        queries.refuse_inside(out)
    result = queries.run(statement)
    try:
        content = content_of(result, kind, messages.width, whole=out is not None or not sys.stdout.isatty())
    except ValueError as error:
        refuse(str(error), WRONG_USAGE)
    if out is None:
        click.echo(content.decode(), nl=False)
        return
    try:
        write_private_file(out, content)
    except OSError as error:
        refuse(f"cannot write {out} ({error.strerror or error}); name a file in a directory that you can write to", 1)
    messages.print(f"{result.num_rows:,} rows in {out}")


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        refuse(f"cannot read {file} ({error}); name a text file in UTF-8")


def _queries() -> Queries:
    """On the chosen account's lake, or on the lakes of all accounts and the tables across them."""
    from sonnys_pipeline.cli.query.meanings import meanings
    from sonnys_pipeline.config.accounts import ALL_ACCOUNTS
    from sonnys_pipeline.config.settings import Settings, folder_in
    from sonnys_pipeline.lake.dataset import Lake
    from sonnys_pipeline.lake.iceberg.options import format_of
    from sonnys_pipeline.lake.query.statements import Queries

    def opened(settings: Settings) -> Lake:
        return Lake(settings.data_url, lake_format=format_of(settings))

    account = chosen_account()
    accounts = Settings.accounts()
    if account is not None or not accounts:
        return Queries({"": opened(Settings.load(account))}, meanings)
    lakes = {name: opened(Settings.load(name)) for name in accounts}
    across = Settings.load(data_url=folder_in(Settings.load().data_url, ALL_ACCOUNTS))
    return Queries({**lakes, ALL_ACCOUNTS: opened(across)}, meanings)
