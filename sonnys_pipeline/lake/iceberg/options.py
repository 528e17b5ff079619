"""How a lake's files are kept: plain Parquet, or tables of Apache Iceberg."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.storage.folder import is_url
from sonnys_pipeline.runtime.postgres import is_postgres

#: Namespace of the tables of the only account; other accounts use their names.
NAMESPACE = "sonnys"
#: Start of the URL of a catalog in a SQLite file, before its path.
SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Iceberg:
    """A lake of Iceberg tables.

    Attributes:
        catalog: URL of a PostgreSQL database, of a REST catalog or of a SQLite file (`sqlite:///path`); empty for a
            SQLite file in the lake, which only a folder can have. May hold a password.
        namespace: the tables' namespace in the catalog.
        keep_days: days that replaced versions of a file can still be read.
    """

    catalog: str = field(default="", repr=False)
    namespace: str = NAMESPACE
    keep_days: int = 7


#: `parquet`, or the options of Iceberg.
LakeFormat: TypeAlias = Literal["parquet"] | Iceberg

#: Roots of the lakes of tables that this process has opened by their settings, with these.
OPENED: dict[str, Iceberg] = {}


def format_of(settings: Settings) -> LakeFormat:
    """The format of an account's lake; a ledger in PostgreSQL is also the default catalog.

    Without one, the catalog of a lake in an object store is a SQLite file in the state folder, where the ledger is.
    """
    if settings.lake_format == "parquet":
        return "parquet"
    given, ledger = (url.get_secret_value() if url else "" for url in (settings.iceberg_catalog, settings.ledger_url))
    catalog = given or (ledger if is_postgres(ledger) else "")
    if not catalog and is_url(settings.data_url):
        lake = hashlib.sha256(settings.data_url.rstrip("/").encode()).hexdigest()[:12]
        catalog = f"{SQLITE}{settings.state_dir.absolute() / f'iceberg-{lake}.sqlite'}"
    return Iceberg(catalog, settings.account_name or NAMESPACE, settings.iceberg_keep_days)
