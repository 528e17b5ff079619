"""Derive the stable Arrow schema from the models (decision 6)."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Union, get_args, get_origin

import pyarrow as pa
from pydantic import AwareDatetime
from pydantic_core import from_json, to_json

from sonnys_pipeline.client.models import ApiModel, TransactionJobItem, extra_of

#: Incremented when a column is added, renamed or retyped; stored in every file's metadata.
SCHEMA_VERSION = 1
#: JSON text of the fields that the model does not have; null if there are none.
EXTRA_COLUMN = "extra"

_SCALARS: dict[object, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    AwareDatetime: pa.timestamp("us", tz="UTC"),
    date: pa.date32(),
}


def arrow_schema(model: type[ApiModel]) -> pa.Schema:
    """Columns of a model in its field order, `extra` last; optional ones are nullable and keep their type when null."""
    return pa.schema([*_fields(model), pa.field(EXTRA_COLUMN, pa.string())])


def struct_of(model: type[ApiModel]) -> pa.StructType:
    """A model as the type of a part of a row."""
    return pa.struct(list(_fields(model)))


def row_of(item: ApiModel) -> dict[str, Any]:
    """A model as a row, unknown fields as JSON text."""
    extra = extra_of(item)
    return {**item.model_dump(), EXTRA_COLUMN: _json_text(extra) if extra else None}


def to_table(items: Sequence[ApiModel], schema: pa.Schema) -> pa.Table:
    """Rows as a table of `schema`."""
    if not items:
        return schema.empty_table()
    rows = [row_of(item) for item in items]
    # Faster than Table.from_pylist, which loops over the columns in Python.
    return pa.Table.from_struct_array(pa.array(rows, type=pa.struct(list(schema)))).cast(schema)


def _json_text(extra: Mapping[str, Any]) -> str:
    """Standard JSON: infinite numbers, such as 1e999, become strings."""
    return json.dumps(from_json(to_json(extra, inf_nan_mode="strings")), sort_keys=True, ensure_ascii=False)


def _fields(model: type[ApiModel]) -> Iterable[pa.Field]:
    for name, info in model.model_fields.items():
        kind, optional = _arrow_type(info.annotation)
        yield pa.field(name, kind, nullable=optional)


def _arrow_type(annotation: Any) -> tuple[pa.DataType, bool]:  # noqa: ANN401 - a type expression
    """Arrow type of an annotation, and whether it is nullable; raises TypeError for an unknown kind of field."""
    if get_origin(annotation) is Annotated:
        return _arrow_type(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        present = [part for part in get_args(annotation) if part is not type(None)]
        if len(present) == 1:
            return _arrow_type(present[0])[0], True
    if get_origin(annotation) is list:
        element, nullable = _arrow_type(get_args(annotation)[0])
        return pa.list_(pa.field("element", element, nullable=nullable)), False
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return struct_of(annotation), False
    if annotation in _SCALARS:
        return _SCALARS[annotation], False
    raise TypeError(f"no column type for {annotation!r}")


#: The columns of `transactions`.
TRANSACTIONS = arrow_schema(TransactionJobItem)
