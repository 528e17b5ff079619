"""Which sweep of a person was interrupted, so that the same command goes on with it."""

from __future__ import annotations

from datetime import date, datetime

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.revisit import Look

#: Name in the ledger's knowledge of an API id.
_NAME = "unfinished_sweep"


class Unfinished:
    """The last sweep of an account that looked at all days of a span in one way, if it did not end.

    Sweeps by the policy need none: they leave out what is not due.

    Attributes:
        since: when the sweep of the same days and look began; None if there is none to go on with.
    """

    def __init__(self, workspace: Workspace, start: date, end: date, by: Look | None) -> None:
        self._workspace = workspace
        self._digest = workspace.options.source.api_id_digest
        self._asked = {"start": start.isoformat(), "end": end.isoformat(), "by": by.value if by else None}
        kept = workspace.jobs.knowledge.recall(self._digest, _NAME) if by else None
        began = kept.content["began"] if kept and kept.content else None
        is_same = began is not None and kept is not None and kept.content == {**self._asked, "began": began}
        self.since = datetime.fromisoformat(began) if began is not None and is_same else None

    def begin(self) -> None:
        """Keep that it is under way."""
        if self._asked["by"] is not None and self.since is None:
            began = self._workspace.now().isoformat()
            self._workspace.jobs.knowledge.remember(self._digest, _NAME, {**self._asked, "began": began})

    def end(self) -> None:
        """Keep that it has ended."""
        if self._asked["by"] is not None:
            self._workspace.jobs.knowledge.remember(self._digest, _NAME, None)
