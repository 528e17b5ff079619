"""Dagster's nouns, one file each; the only room that imports Dagster. The work is done in the rooms below."""

from typing import TYPE_CHECKING

from sonnys_pipeline.runtime.lazy import names_from

if TYPE_CHECKING:
    from sonnys_pipeline.config.given import GivenSettings
    from sonnys_pipeline.config.settings import Settings
    from sonnys_pipeline.orchestration.account import Account
    from sonnys_pipeline.orchestration.build import build_defs
    from sonnys_pipeline.orchestration.io_manager import LakeIOManager
    from sonnys_pipeline.orchestration.partitions import daily_partitions
    from sonnys_pipeline.orchestration.resources import LakeResource, SonnysAccountsResource, SonnysResource

__all__ = [
    "Account",
    "GivenSettings",
    "LakeIOManager",
    "LakeResource",
    "Settings",
    "SonnysAccountsResource",
    "SonnysResource",
    "build_defs",
    "daily_partitions",
]

__getattr__ = names_from(
    __name__,
    {
        "Account": "account",
        "LakeIOManager": "io_manager",
        **dict.fromkeys(("LakeResource", "SonnysAccountsResource", "SonnysResource"), "resources"),
        **dict.fromkeys(("GivenSettings", "Settings", "build_defs"), "build"),
        "daily_partitions": "partitions",
    },
)
