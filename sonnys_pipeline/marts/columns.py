"""Descriptions of columns: type, meaning, source and status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pyarrow as pa

#: How far a definition was checked (KPIS, first paragraph): B and R were compared with other systems, F is a formula of
#: the trade, O is our own.
Status = Literal["B", "R", "F", "O"]

#: Metadata key of a column's description, in Arrow and Parquet.
DESCRIPTION = b"description"


class ColumnSource(NamedTuple):
    """A column of an asset that another column is computed from."""

    asset: str
    column: str


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name.
        kind: Arrow type.
        description: a sentence with meaning and unit.
        sources: input columns, of `transactions` unless another asset is named (`sites.timezone`).
        status: of a KPI's definition.
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
        """The description, preceded by the status."""
        return f"[{self.status}] {self.description}" if self.status else self.description

    @property
    def lineage(self) -> tuple[ColumnSource, ...]:
        """The input columns, each with its asset."""
        return tuple(_source(source) for source in self.sources)


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Arrow schema with each column's description in its metadata."""
    return pa.schema(
        [
            pa.field(column.name, column.kind, column.nullable, {DESCRIPTION: column.full_description.encode()})
            for column in columns
        ]
    )


def lineage_of(columns: Sequence[Column]) -> dict[str, tuple[ColumnSource, ...]]:
    """Column name → its input columns."""
    return {column.name: column.lineage for column in columns}


def descriptions_of(schema: pa.Schema) -> dict[str, str]:
    """Column name → description, from a schema made by `schema_of` or read from its Parquet file."""
    return {
        field.name: field.metadata[DESCRIPTION].decode()
        for field in schema
        if field.metadata and DESCRIPTION in field.metadata
    }


def _source(dotted: str) -> ColumnSource:
    asset, dot, column = dotted.rpartition(".")
    return ColumnSource(asset if dot else "transactions", column)
