"""`sonnys-webserver`: Dagster's web server behind `WebGuard`, with all options of `dagster-webserver`."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import click
from dagster_webserver import cli as dagster_cli
from starlette.types import ASGIApp

from sonnys_pipeline.orchestration.services.web_guard import WebGuard

#: Addresses that mean every network of the machine: nobody asks for a server by them.
_ANY = frozenset({"0.0.0.0", "::"})  # noqa: S104 - nothing is bound here


@contextmanager
def guarding(hosts: Collection[str]) -> Iterator[None]:
    """While inside, the application that Dagster's command makes is guarded."""
    make = dagster_cli.create_app_from_workspace_process_context  # type: ignore[attr-defined] # it uses that name

    def make_guarded(*args: Any, **options: Any) -> ASGIApp:  # noqa: ANN401 - whatever Dagster hands on
        return WebGuard(make(*args, **options), hosts)

    dagster_cli.create_app_from_workspace_process_context = make_guarded  # type: ignore[attr-defined, assignment] # it is only served
    try:
        yield
    finally:
        dagster_cli.create_app_from_workspace_process_context = make  # type: ignore[attr-defined] # the same


def command() -> click.Command:
    """Dagster's command with one option more."""
    theirs: click.Command = dagster_cli.create_dagster_webserver_cli()  # type: ignore[no-untyped-call] # Dagster's own

    serve_unguarded = theirs.callback or theirs

    def serve(allow_host: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 - Dagster's own
        own = {options["host"]} - _ANY
        with guarding([*allow_host, *own]):
            serve_unguarded(**options)

    allow = click.Option(
        ["--allow-host"],
        multiple=True,
        metavar="NAME",
        help="A name that browsers know this server by beside localhost, such as dagster.example.com. Can be repeated.",
    )
    return click.Command(
        "sonnys-webserver",
        params=[allow, *theirs.params],
        callback=serve,
        help="Dagster's web server, which refuses requests of other web pages and for other names. It has no password: "
        "whoever reaches it may launch runs, unless it is --read-only. All options of dagster-webserver work.",
    )


def main() -> None:
    """Run the command; every option can come from a variable `DAGSTER_WEBSERVER_…`, as Dagster has it."""
    command()(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
