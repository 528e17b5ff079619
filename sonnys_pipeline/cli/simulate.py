"""`sonnys demo` and `sonnys simulate`: try the pipeline and the API without credentials."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from pydantic import ValidationError
from rich.table import Table

from sonnys_pipeline.cli.output import Screen, messages
from sonnys_pipeline.cli.ui import refuse_taken

if TYPE_CHECKING:
    from sonnys_pipeline.cli.demo_pipeline import DemoDay


_api = click.option(
    "--api",
    type=click.Choice(["live", "documented"]),
    default="live",
    show_default=True,
    help="live: as users found the API; documented: as the vendor's document describes it.",
)


@click.command()
@_api
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address.")
@click.option("--port", default=8899, show_default=True, type=click.IntRange(0, 65535), help="0 chooses a free port.")
@click.option("--sites", default=3, show_default=True, type=click.IntRange(min=1), help="Number of sites.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same transactions.")
@click.option(
    "--rows-per-day", type=click.IntRange(min=0), help="Exact number of rows a UTC day.  [default: realistic, varies]"
)
@click.option("--midnight-row", is_flag=True, help="Put one row of each day exactly at midnight UTC.")
@click.option("--speed", default=1.0, show_default=True, help="Divide all durations by this.")
@click.option("--now", "present", metavar="INSTANT", help="The simulated current time, such as 2026-03-20T12:00:00Z.")
@click.option(
    "--job-seconds",
    nargs=2,
    type=float,
    default=(1.0, 4.0),
    show_default=True,
    help="Shortest and longest run time of a load job.",
)
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each response.")
@click.option("--faults", default="{}", metavar="JSON", help='Faults to inject, such as {"server_errors": 5}.')
@click.option(
    "--config",
    "more",
    default="{}",
    metavar="JSON",
    help='More settings of SimulatorConfig, such as {"ends": "start"}.',
)
def simulate(  # an option each
    api: str,
    host: str,
    port: int,
    sites: int,
    seed: int,
    rows_per_day: int | None,
    midnight_row: bool,
    speed: float,
    present: str | None,
    job_seconds: tuple[float, float],
    latency: float,
    faults: str,
    more: str,
) -> None:
    """Serve a simulated Sonny's Data API on localhost, until interrupted."""
    from sonnys_pipeline.simulator import SimulatorConfig, serve

    try:
        config = SimulatorConfig.model_validate(
            {
                "api": api,
                "sites": sites,
                "seed": seed,
                "rows_per_day": rows_per_day,
                "midnight_row": midnight_row,
                "speed": speed,
                "now": present,
                "job_seconds": job_seconds,
                "latency_seconds": latency,
                "faults": _json("--faults", faults),
                **_json("--config", more),
            }
        )
    except ValidationError as wrong:
        raise click.UsageError(_readable(wrong)) from None

    def announce(url: str) -> None:
        for name, value in config.environment(url).items():
            click.echo(f"export {name}={value}")
        messages.print(
            f"Simulating {config.sites} sites at {url}; paste the lines above into another terminal. Stop with Ctrl-C."
        )
        if Path(".env").exists():
            messages.print("This folder's .env overrides these variables in Dagster. Move it, or use another folder.")

    try:
        serve(config, host, port, on_start=announce)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from None
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from None
    except KeyboardInterrupt:
        sys.exit(130)


@click.command()
@_api
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 120), help="Number of days to land.")
@click.option("--sites", default=3, show_default=True, type=click.IntRange(1, 60), help="Number of sites.")
@click.option(
    "--folder",
    default=".sonnys/demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the demo's files.",
)
@click.option("--ui", is_flag=True, help="Land nothing; serve Dagster's UI on the simulator, until interrupted.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the UI.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def demo(  # an option each
    api: Literal["live", "documented"], days: int, sites: int, folder: Path, ui: bool, port: int, as_json: bool
) -> None:
    """Land a week of simulated data with Dagster; no credentials needed."""
    from sonnys_pipeline.cli import demo_pipeline

    folder = folder.absolute()
    try:
        with demo_pipeline.demo_environment(folder, sites, api) as environment:
            if ui:
                from sonnys_pipeline.orchestration.services.ui import serve

                refuse_taken(port)
                messages.print(f"Dagster's UI on the simulator: http://127.0.0.1:{port} (stop with Ctrl-C)")
                sys.exit(serve(folder, environment, port))
            keys = demo_pipeline.last_days(days, environment["SONNYS_TIMEZONE"], datetime.now(UTC))
            messages.print(
                f"Landing {days} days of {sites} simulated sites with Dagster ({keys[0]} … {keys[-1]}) and the day "
                f"before them, {demo_pipeline.SPEED:g} times faster than the real API allows."
            )
            started = time.monotonic()
            landed = demo_pipeline.materialize(folder, environment, keys)
            page = demo_pipeline.report(folder, environment, landed[-1].day)
    except demo_pipeline.DemoError as error:
        raise click.ClickException(str(error)) from None
    seconds = time.monotonic() - started
    if as_json:
        days_landed = [asdict(day) for day in landed]
        click.echo(json.dumps({"folder": str(folder), "days": days_landed, "report": str(page)}))
        return
    _print_demo(landed, folder, page, seconds)


def _print_demo(landed: list[DemoDay], folder: Path, page: Path, seconds: float) -> None:
    table = Table("day", title="Landed by the demo", title_justify="left", show_footer=True)
    for name in ("rows", "pages", "cars", "sales"):
        table.add_column(name, justify="right")
    for day in landed:
        cars = "" if day.cars is None else f"{day.cars:,}"
        table.add_row(
            day.day, f"{day.rows:,}", f"{day.pages:,}", cars, "" if day.sales is None else f"${day.sales:,.2f}"
        )
    table.columns[0].footer = "total"
    table.columns[1].footer = f"{sum(day.rows for day in landed):,}"
    table.columns[2].footer = f"{sum(day.pages for day in landed):,}"
    table.columns[3].footer = f"{sum(day.cars or 0 for day in landed):,}"
    table.columns[4].footer = f"${sum(day.sales or 0 for day in landed):,.2f}"
    out = Screen(highlight=False, soft_wrap=True)
    out.print(table)
    shown = Path(os.path.relpath(folder / "data"))
    sonnys = os.path.relpath(Path(sys.executable).with_name("sonnys"))
    sonnys = "sonnys" if sonnys.startswith("..") else sonnys
    query = "SELECT date, count(*) AS transactions, sum(total) AS total FROM transactions GROUP BY date ORDER BY date"
    out.print(
        "Cars and sales count each site's own business day; the first business day is incomplete, so it has none.\n\n"
        f"{len(landed)} days in {seconds:.0f} s, in {shown}: one zstd Parquet file a day, such as\n"
        f"  {os.path.relpath(landed[-1].path)}\n\n"
        "Read them with any Parquet reader, or ask them with SQL:\n"
        f'  SONNYS_DATA_URL={shlex.quote(str(shown))} {sonnys} sql -c "{query}"\n\n'
        f"The morning report of {landed[-1].day}, to open in a browser:\n"
        f"  {os.path.relpath(page)}\n\n"
        f"Next:\n{_next_steps()}",
        markup=False,
    )


def _next_steps() -> str:
    """Commands to try next: in a checkout, or with only the package installed."""
    if (Path(__file__).parents[2] / "Makefile").exists():
        return (
            "  make dev                see these days in Dagster's UI and materialize more\n"
            "  cp .env.example .env    enter your own credentials, then land a day of your own data (README, "
            '"Your own data")'
        )
    return (
        "  sonnys demo --ui        see these days in Dagster's UI and materialize more\n"
        "  sonnys doctor           see what your own data needs: credentials in the environment or in .env"
    )


def _json(option: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as wrong:
        raise click.UsageError(f"{option} is not JSON: {wrong}") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"{option} must be a JSON object, such as {{}}, not {text}")
    return found


def _readable(error: ValidationError) -> str:
    """One line for all validation errors."""
    found = [(".".join(map(str, part["loc"])), part["msg"]) for part in error.errors(include_url=False)]
    return "; ".join(f"{where}: {message}" if where else message for where, message in found)
