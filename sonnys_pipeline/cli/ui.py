"""`sonnys ui`: Dagster's UI and daemon with your own settings, in the foreground."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

import click

from sonnys_pipeline.cli.output import messages


@click.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the UI.")
@click.option("--read-only", is_flag=True, help="Nobody can launch runs or switch schedules in this UI.")
@click.option(
    "--allow-host", multiple=True, metavar="NAME", help="Accept requests for this host name, too; a proxy needs it."
)
def ui(port: int, read_only: bool, allow_host: tuple[str, ...]) -> None:
    """Serve Dagster's UI on localhost and run its daemon, until interrupted."""
    from sonnys_pipeline.orchestration.instance import InstanceError, configured_instance
    from sonnys_pipeline.orchestration.services.ui import serve

    try:
        instance = configured_instance()
    except InstanceError as wrong:
        raise click.ClickException(str(wrong)) from None
    if instance is None:
        raise click.ClickException(
            "DAGSTER_HOME is not set, so Dagster would forget every run; "
            'run mkdir -p .dagster && export DAGSTER_HOME="$PWD/.dagster", and copy deploy/dagster.yaml into it'
        )
    with instance:
        home = instance.root_directory
    refuse_taken(port)
    messages.print(f"Dagster's UI: http://127.0.0.1:{port} (stop with Ctrl-C)")
    environment = {**os.environ, "DAGSTER_HOME": home}
    sys.exit(serve(Path.cwd(), environment, port, read_only=read_only, allowed_hosts=allow_host))


def refuse_taken(port: int) -> None:
    """Raise `click.ClickException` if another process listens on this port of localhost."""
    with socket.socket() as tried, suppress(OSError):
        tried.settimeout(1)
        if tried.connect_ex(("127.0.0.1", port)) == 0:
            raise click.ClickException(f"port {port} is in use; choose another one, such as --port {port + 1}")
