"""How a lake's files are kept: plain Parquet, or tables of Apache Iceberg."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.runtime.postgres import is_postgres

#: Namespace of the tables of the only account; other accounts use their names.
NAMESPACE = "sonnys"


@dataclass(frozen=True)
class Iceberg:
    """A lake of Iceberg tables.

    Attributes:
        catalog: URL of a PostgreSQL database or of a REST catalog; empty for a SQLite file in the lake. May hold a
            password.
        namespace: the tables' namespace in the catalog.
        keep_days: days that replaced versions of a file can still be read.
    """

    catalog: str = field(default="", repr=False)
    namespace: str = NAMESPACE
    keep_days: int = 7


#: `parquet`, or the options of Iceberg.
LakeFormat: TypeAlias = Literal["parquet"] | Iceberg


def format_of(settings: Settings) -> LakeFormat:
    """The format of an account's lake; a ledger in PostgreSQL is also the default catalog."""
    if settings.lake_format == "parquet":
        return "parquet"
    given, ledger = (url.get_secret_value() if url else "" for url in (settings.iceberg_catalog, settings.ledger_url))
    return Iceberg(
        catalog=given or (ledger if is_postgres(ledger) else ""),
        namespace=settings.account_name or NAMESPACE,
        keep_days=settings.iceberg_keep_days,
    )
