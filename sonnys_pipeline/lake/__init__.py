"""The lake: plain Parquet files that any reader can open. Does not use Dagster.

Belongs here: layout, metadata, atomic writes, reads and queries of landed files. Does not belong here: loading
or counting rows.
"""

from typing import TYPE_CHECKING

from sonnys_pipeline.runtime.lazy import names_from

if TYPE_CHECKING:
    from sonnys_pipeline.lake.dataset import Lake, LandedFile
    from sonnys_pipeline.lake.errors import LakeError, NotLandedError, UnreachableLakeError, UnwritableLakeError
    from sonnys_pipeline.lake.scans import Scan, scan

__all__ = [
    "Lake",
    "LakeError",
    "LandedFile",
    "NotLandedError",
    "Scan",
    "UnreachableLakeError",
    "UnwritableLakeError",
    "scan",
]

__getattr__ = names_from(
    __name__,
    {
        **dict.fromkeys(("Lake", "LandedFile"), "dataset"),
        **dict.fromkeys(("LakeError", "NotLandedError", "UnreachableLakeError", "UnwritableLakeError"), "errors"),
        **dict.fromkeys(("Scan", "scan"), "scans"),
    },
)
