"""What a sweep found, day by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.landing.verified import Result
from sonnys_pipeline.revisit.looks import Difference


@dataclass(frozen=True)
class Looked:
    """What a look at a day found.

    Attributes:
        moved: the days to or from which rows of it have moved.
        still: whether it differs although it was read again.
    """

    day: str
    look: Look
    seen_at: datetime
    difference: Difference = field(default_factory=Difference)
    moved: tuple[str, ...] = ()
    result: Result = Result.SAME
    still: bool = False

    @property
    def note(self) -> str:
        """What differs, in a line; empty if nothing does."""
        moved = f"moved to or from {', '.join(self.moved)}" if self.moved else ""
        still = "still so after it was read again" if self.still else ""
        return "; ".join(filter(None, (str(self.difference), moved, still)))


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended.

    Attributes:
        looked: the days that were looked at, in order of their date.
        repaired: days that were read again, in order.
        failed: days that could not be looked at or read again, each with the reason.
        requests: sent, repairs included; `repair_requests` of them by repairs.
        stopped: why it ended early; empty if it did not.
    """

    looked: tuple[Looked, ...]
    repaired: tuple[str, ...]
    failed: Mapping[str, str]
    requests: int
    repair_requests: int
    stopped: str = ""

    @property
    def different(self) -> list[str]:
        """Days that differed, repaired or not."""
        return [one.day for one in self.looked if one.result is not Result.SAME]

    @property
    def success(self) -> bool:
        """Whether every day was looked at, and none differs unrepaired."""
        return not self.failed and not self.stopped and all(one.result.is_good for one in self.looked)
