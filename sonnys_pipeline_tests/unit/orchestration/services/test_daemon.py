"""RB-03: the daemon waits for its code servers, and tells Dagster to keep backfills whose code server is away."""

import os

import pytest
from click.testing import CliRunner
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, ManagedGrpcPythonEnvCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from sonnys_pipeline.orchestration.services import daemon

AWAY = GrpcServerCodeLocationOrigin("127.0.0.1", port=9, location_name="away")
OWN = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(module_name="sonnys_pipeline.definitions"), "own")


class Clock:
    """Passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_it_waits_until_the_server_serves(monkeypatch):
    """Three looks later; nobody is waited for who is there, and servers of the daemon's own are no matter."""
    clock, answers = Clock(), [False, False, False, True]
    monkeypatch.setattr(daemon, "_serves", lambda origin: answers.pop(0))

    assert daemon.wait_for_code_servers([AWAY, OWN], now=clock.now, sleep=clock.sleep) == []
    assert (clock.seconds, answers) == (3.0, [])


def test_it_does_not_wait_for_ever():
    """Nobody listens there: the server's name is told, and what needs no code goes on."""
    clock = Clock()

    assert daemon.wait_for_code_servers([AWAY, OWN], seconds=5, now=clock.now, sleep=clock.sleep) == ["away"]
    assert clock.seconds == 5.0


def test_every_other_command_is_dagsters(monkeypatch):
    """`liveness-check` is what containers ask; `run` tells Dagster to keep backfills, unless the variable is set."""
    monkeypatch.delenv(daemon.KEEP_BACKFILLS, raising=False)
    group = daemon.command()
    assert {"run", "liveness-check"} <= group.commands.keys()
    started = []
    monkeypatch.setattr(daemon, "create_dagster_daemon_cli", lambda: group_of(started))

    done = CliRunner().invoke(daemon.command(), ["run", "-m", "sonnys_pipeline.definitions"])

    assert done.exit_code == 0, done.output
    assert started == ["1"]


def group_of(started: list[str | None]):
    """Dagster's group, whose `run` only says how it was called."""
    from dagster._daemon.cli import create_dagster_daemon_cli

    group = create_dagster_daemon_cli()
    run = group.commands["run"]

    def called(**_: object) -> None:
        started.append(os.environ.get(daemon.KEEP_BACKFILLS))

    copied = type(run)("run", params=run.params, callback=called)
    return type(group)("daemon", commands={**group.commands, "run": copied})


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """What is set here is gone afterwards."""
    monkeypatch.setenv(daemon.KEEP_BACKFILLS, "")
