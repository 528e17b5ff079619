"""Errors of the lake."""

from collections.abc import Sequence
from typing import Self


class LakeError(Exception):
    """Base of the lake's errors; landed files stay as they were."""


class UnwritableLakeError(LakeError):
    """The lake cannot be written (disk full, no permission, a file in a directory's place); no partial file remains."""


class UnreachableLakeError(UnwritableLakeError):
    """The object store does not answer or refuses the credentials; says nothing about its files."""


class EngineError(LakeError):
    """Spark is not installed, does not start, or cannot run a query; says nothing about the files."""


class RowsWouldVanishError(LakeError):
    """An empty table would replace landed rows (decision 5)."""


class OtherSourceError(LakeError):
    """A landed day of another account or time zone would be replaced, or have a neighbour of another zone."""


class NotLandedError(LakeError):
    """A requested partition is not landed."""

    @classmethod
    def of(cls, asset: str, days: Sequence[str]) -> Self:
        """Name the asset and its days."""
        them = "it" if len(days) == 1 else "them"
        return cls(f"{asset}: not landed: {', '.join(days)}; materialize {them} first")
