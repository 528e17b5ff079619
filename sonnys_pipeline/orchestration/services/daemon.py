"""`sonnys-daemon`: Dagster's daemon, which waits for its code servers, with all commands of `dagster-daemon`.

After a power cut daemon and code server start at the same moment, and the daemon is there first. Dagster would then
give up what it finds waiting: backfills fail for good, and retries of runs are dropped.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import click
from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
from dagster._core.remote_origin import CodeLocationOrigin, GrpcServerCodeLocationOrigin
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_shared.cli import WorkspaceOpts

#: Dagster's switch for a daemon that finds a backfill whose code location is away: keep it. Needed later, too, when a
#: code server is started again while the daemon runs.
KEEP_BACKFILLS = "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"
#: Seconds until the daemon starts without a code server: what needs none should not wait for ever.
PATIENCE = 300.0
#: Seconds between two looks.
_PAUSE = 1.0

logger = logging.getLogger(__name__)


def wait_for_code_servers(
    origins: Iterable[CodeLocationOrigin],
    *,
    seconds: float = PATIENCE,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Wait until every code server that is not the daemon's own serves; names of the locations that do not."""
    waiting = {origin.location_name: origin for origin in origins if isinstance(origin, GrpcServerCodeLocationOrigin)}
    deadline = now() + seconds
    while waiting := {name: origin for name, origin in waiting.items() if not _serves(origin)}:
        if now() >= deadline:
            break
        sleep(_PAUSE)
    return sorted(waiting)


def _serves(origin: GrpcServerCodeLocationOrigin) -> bool:
    try:
        origin.create_client().ping("")
    except Exception:  # noqa: BLE001 - whatever keeps it from answering
        return False
    return True


def command() -> click.Group:
    """Dagster's commands; `run` waits first."""
    group = create_dagster_daemon_cli()
    run = group.commands["run"]
    theirs = run.callback

    def wait_and_run(**options: Any) -> None:  # noqa: ANN401 - Dagster's own
        os.environ.setdefault(KEEP_BACKFILLS, "1")
        workspace = WorkspaceOpts.extract_from_cli_options(dict(options))
        for name in wait_for_code_servers(workspace_opts_to_load_target(workspace).create_origins()):
            logger.warning("The code server of %s does not answer; the daemon starts without it", name)
        if theirs is not None:
            theirs(**options)

    waiting = click.Command("run", params=run.params, callback=wait_and_run, help=run.help)
    return click.Group("sonnys-daemon", commands={**group.commands, "run": waiting}, help=group.help)


def main() -> None:
    """Run the command."""
    command()()


if __name__ == "__main__":
    main()
