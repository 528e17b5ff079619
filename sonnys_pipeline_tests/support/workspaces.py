"""A workspace made of parts that a test has opened itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.ledger.service import JobService


def workspace_of(**parts: Any) -> Workspace:
    """One whose `jobs`, `client`, `lake` or `options` are these; a test closes what it has opened."""
    workspace = Workspace(Settings())
    for name, part in parts.items():
        setattr(workspace, name, part)
    return workspace


@contextmanager
def ledger_of(settings: Settings) -> Iterator[JobService]:
    """The ledger that settings name, open while inside."""
    with Workspace(settings) as workspace:
        yield workspace.jobs
