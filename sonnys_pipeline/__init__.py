"""Every Sonny's BackOffice transaction as Parquet: client, loader, lake and a Dagster code location.

The rooms are floors: each uses only those below it, from `runtime` at the ground to `orchestration` and `cli` on top
(docs/architecture.md). Only `orchestration` and `definitions` import Dagster.
"""

from typing import TYPE_CHECKING

from sonnys_pipeline.runtime.lazy import names_from

if TYPE_CHECKING:
    from sonnys_pipeline.orchestration.components.component import SonnysAccountComponent

__all__ = ["SonnysAccountComponent"]

# `dg` looks for components among the names of this package; who only wants the client does not import Dagster.
__getattr__ = names_from(__name__, {"SonnysAccountComponent": "orchestration.components.component"})


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
