"""How a table describes its columns: type, meaning, source and status, written once and shown everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pyarrow as pa

#: How sure a definition is (KPIS, "How sure a definition is"): B and R were compared with figures of others, F is a
#: formula of the trade, O is ours.
Status = Literal["B", "R", "F", "O"]

#: Key of a field's metadata under which a column's description stands, in Arrow and in Parquet written from it.
DESCRIPTION = b"description"


class ColumnSource(NamedTuple):
    """One column of an asset that another column is computed from."""

    asset: str
    column: str


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: what it is called.
        kind: Arrow type.
        description: a sentence: meaning, and unit where there is one.
        sources: the input columns it is computed from; `transactions` where no asset is named (`sites.timezone`).
        status: of its definition, for KPIs.
        nullable: whether it may be null.
    """

    name: str
    kind: pa.DataType
    description: str
    sources: tuple[str, ...]
    status: Status | None = None
    nullable: bool = False

    @property
    def full_description(self) -> str:
        """The description with its status in front of it."""
        return f"[{self.status}] {self.description}" if self.status else self.description

    @property
    def lineage(self) -> tuple[ColumnSource, ...]:
        """The input columns, each with its asset."""
        return tuple(_source(source) for source in self.sources)


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Arrow schema; each field's metadata holds the column's description under `description`."""
    return pa.schema(
        [
            pa.field(column.name, column.kind, column.nullable, {DESCRIPTION: column.full_description.encode()})
            for column in columns
        ]
    )


def lineage_of(columns: Sequence[Column]) -> dict[str, tuple[ColumnSource, ...]]:
    """Column name → the asset columns it is computed from."""
    return {column.name: column.lineage for column in columns}


def descriptions_of(schema: pa.Schema) -> dict[str, str]:
    """Column name → description, of a schema made here, also after a journey through Parquet; others have none."""
    return {
        field.name: field.metadata[DESCRIPTION].decode()
        for field in schema
        if field.metadata and DESCRIPTION in field.metadata
    }


def _source(dotted: str) -> ColumnSource:
    asset, dot, column = dotted.rpartition(".")
    return ColumnSource(asset if dot else "transactions", column)
