"""How files of one asset are read as one table: their columns are matched by name, whatever their order and number.

A column that some files lack (it was added later) is null in their rows. One that has no type in some file (pandas
lands a day without rows that way) takes the type that it has in the others; numbers take the wider type. Columns whose
types have nothing in common are refused: no reader could hand out both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.storage.folder import LakePath


@dataclass(frozen=True)
class Columns:
    """The columns of several files.

    Attributes:
        schema: all of them, in the order in which they first appear.
        common: names of those that every file has.
        alike: whether all files have the same columns of the same types, in the same order.
    """

    schema: pa.Schema
    common: frozenset[str]
    alike: bool

    @classmethod
    def of(cls, paths: Sequence[LakePath], schemas: Sequence[pa.Schema]) -> Columns:
        """Put the columns of files together, at least of one.

        Raises:
            LakeError: when two files have a column in types that cannot be one; it names both, and the remedy.
        """
        kinds: list[tuple[LakePath, pa.Schema]] = []  # as a rule there is one, of however many days
        for path, schema in zip(paths, schemas, strict=True):
            if not any(schema.equals(known) for _, known in kinds):
                kinds.append((path, schema.remove_metadata()))
        common = frozenset.intersection(*(frozenset(schema.names) for _, schema in kinds))
        if len(kinds) == 1:
            return cls(kinds[0][1], common, alike=True)
        try:
            merged = pa.unify_schemas([schema for _, schema in kinds], promote_options="permissive")
        except pa.ArrowException as error:
            raise LakeError(_disagreement(kinds)) from error
        fields = [field if field.name in common else field.with_nullable(True) for field in merged]
        return cls(pa.schema(fields), common, alike=False)


def as_one(tables: Sequence[pa.Table], paths: Sequence[LakePath]) -> pa.Table:
    """Rows of several files one after the other, by name; `paths` are where they came from.

    Raises:
        LakeError: as `Columns.of`, and when a value does not fit into the common type.
    """
    columns = Columns.of(paths, [table.schema for table in tables])
    if columns.alike:
        return pa.concat_tables(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive").cast(columns.schema)
    except pa.ArrowException as error:
        raise LakeError(
            f"{paths[0]} and the files after it cannot be read as one table ({error}); land the days whose types "
            "differ again"
        ) from error


def _disagreement(kinds: Sequence[tuple[LakePath, pa.Schema]]) -> str:
    """Which column of which two files cannot be one."""
    first: dict[str, tuple[LakePath, pa.Field]] = {}
    for path, schema in kinds:
        for field in schema:
            known = first.setdefault(field.name, (path, field))
            try:
                pa.unify_schemas([pa.schema([known[1]]), pa.schema([field])], promote_options="permissive")
            except pa.ArrowException:
                return (
                    f"column {field.name} is {known[1].type} in {known[0]} and {field.type} in {path}: they cannot be "
                    "read as one table; land one of the two days again, with the type of the others"
                )
    names = ", ".join(str(path) for path, _ in kinds)
    return f"columns of {names} cannot be read as one table; land the days whose types differ again"
