"""Read the files of one asset as one table, matching their columns by name.

A column that some files lack is null in their rows. A column without a type in some file (as pandas writes an empty
day) takes its type from the others; numbers take the wider type. Columns of incompatible types are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.storage.folder import DAY, LakePath


@dataclass(frozen=True)
class Columns:
    """The columns of several files, in order of first appearance.

    `common` are names that every file has; `alike`: whether all have the same columns and types in the same order.
    """

    schema: pa.Schema
    common: frozenset[str]
    alike: bool

    @classmethod
    def of(cls, paths: Sequence[LakePath], schemas: Sequence[pa.Schema]) -> Columns:
        """Merge the columns of one or more files. Raises LakeError, naming two files whose types do not fit."""
        kinds: list[tuple[LakePath, pa.Schema]] = []  # usually one for all days
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


def filled_columns(footer: pq.FileMetaData) -> frozenset[str]:
    """Columns with a value in any row of a file; parts of lists are named like `items.sku`."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    columns = [group.column(number) for group in groups for number in range(group.num_columns)]
    found = [one for one in columns if one.statistics is None or one.statistics.num_values]
    return frozenset(one.path_in_schema.replace(".list.element", "") for one in found)


def as_one(tables: Sequence[pa.Table], paths: Sequence[LakePath]) -> pa.Table:
    """Concatenate rows of several files; `paths` are for messages. Raises LakeError if types or values do not fit."""
    columns = Columns.of(paths, [table.schema for table in tables])
    if columns.alike:
        return pa.concat_tables(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive").cast(columns.schema)
    except pa.ArrowException as error:
        raise LakeError(
            f"{paths[0]} and the files after it cannot be read as one table ({error}); land the days with "
            "different types again"
        ) from error


def without_day(table: pa.Table, partition: str, where: str) -> pa.Table:
    """Rows without the column `date`, which readers get from the path. Raises LakeError if it has other days."""
    days = pc.unique(table[DAY]).to_pylist()
    if days not in ([], [date.fromisoformat(partition)]):
        raise LakeError(
            f"{where}: the column {DAY} has days other than the partition's; rename the column, or land the rows of "
            "each day in its own partition"
        )
    return table.drop_columns(DAY)


def _disagreement(kinds: Sequence[tuple[LakePath, pa.Schema]]) -> str:
    first: dict[str, tuple[LakePath, pa.Field]] = {}
    for path, schema in kinds:
        for field in schema:
            known = first.setdefault(field.name, (path, field))
            try:
                pa.unify_schemas([pa.schema([known[1]]), pa.schema([field])], promote_options="permissive")
            except pa.ArrowException:
                return (
                    f"column {field.name} is {known[1].type} in {known[0]} and {field.type} in {path}, so they "
                    "cannot be read as one table; land the day with the wrong type again"
                )
    names = ", ".join(str(path) for path, _ in kinds)
    return f"columns of {names} cannot be read as one table; land the days with different types again"
