"""Decodes the body of a passed job into columns, without a Python object per value.

Arrow's JSON reader is the fast way; whatever it refuses or leaves in doubt goes through the models, which name the
invalid field, keep unknown fields, and accept two spellings. Tests compare both ways.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from annotated_types import Le

from sonnys_pipeline.client import LoadJobStatus, TransactionJobItem
from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.client.resource import MAX_TOTAL
from sonnys_pipeline.client.spelling import wire_names
from sonnys_pipeline.lake.schema import EXTRA_COLUMN, TRANSACTIONS

_READ = pyarrow.json.ReadOptions(use_threads=False, block_size=1 << 26)


def decode_page(body: bytes) -> tuple[int, pa.Table] | None:
    """`total` and the rows of a passed job, schema `TRANSACTIONS`, before `without_empty_text`.

    `None` for any other body and for any doubt: use the models.
    """
    if not body[:16].lstrip().startswith(b"{"):  # Arrow's reader crashes the process at a lone `null`
        return None
    if b"NaN" in body or b"Infinity" in body:  # numbers for Arrow, but not in JSON
        return None
    try:
        body.decode()  # Arrow finds invalid UTF-8 only when the text is read
        document = pyarrow.json.read_json(pa.BufferReader(body), read_options=_READ, parse_options=_PARSE)
        if document.num_rows != 1:
            return None
        data = document["data"].chunk(0)
        status, total = data.field("status")[0].as_py(), data.field("total")[0].as_py()
        pages = data.field("data")
        if status != LoadJobStatus.PASS.value or pages.null_count or total is None or not 0 <= total <= MAX_TOTAL:
            return None
        return total, _as_table(pages.flatten())
    except (pa.ArrowException, UnicodeDecodeError, KeyError, _DoubtfulError):
        return None


def without_empty_text(table: pa.Table) -> pa.Table:
    """Replace `""` in optional strings by null: unset strings of the live API (contract, "A row").

    Called once for many pages, since it costs a call per column.
    """
    return pa.Table.from_arrays(
        [
            _empty_to_null(column.combine_chunks(), field)
            for column, field in zip(table.columns, table.schema, strict=True)
        ],
        schema=table.schema,
    )


def _empty_to_null(column: pa.Array, field: pa.Field) -> pa.Array:
    if pa.types.is_list(field.type):
        inner = field.type.value_field.type
        elements = column.flatten()
        parts = [_empty_to_null(part, part_field) for part, part_field in zip(elements.flatten(), inner, strict=True)]
        return pa.ListArray.from_arrays(
            _offsets(column), pa.StructArray.from_arrays(parts, fields=list(inner)), type=field.type
        )
    if field.nullable and pa.types.is_string(field.type) and field.name != EXTRA_COLUMN:
        return pc.if_else(pc.equal(column, ""), _NO_TEXT, column)
    return column


class _DoubtfulError(Exception):
    """Columns that the models should look at."""


def _as_table(rows: pa.StructArray) -> pa.Table:
    columns = _ROW.columns(rows)
    if len(rows) and pc.any(pc.equal(columns[0], "")).as_py():
        raise _DoubtfulError("an empty id")
    return pa.Table.from_arrays([*columns, pa.nulls(len(rows), pa.string())], schema=TRANSACTIONS)


@dataclass(frozen=True)
class _Column:
    """Maps wire columns to one of ours: `places` are its spellings, `part` reads a list's elements."""

    name: str
    places: tuple[int, ...]
    required: bool
    is_instant: bool
    kind: pa.DataType
    part: _Reader | None
    largest: int | None


class _Reader:
    def __init__(self, model: type[ApiModel], fields: Iterable[pa.Field]) -> None:
        self.fields = [field for field in fields if field.name != EXTRA_COLUMN]
        self.wire: list[pa.Field] = []
        self._plan = [self._column(model, field) for field in self.fields]

    def _column(self, model: type[ApiModel], field: pa.Field) -> _Column:
        info = model.model_fields[field.name]
        part = None
        if pa.types.is_list(field.type):
            part = _Reader(_element(info.annotation), field.type.value_field.type)
        is_instant = pa.types.is_timestamp(field.type)
        # Instants are read as text first: Arrow would read one without a zone as UTC.
        kind = pa.list_(pa.struct(part.wire)) if part else pa.string() if is_instant else field.type
        spellings = wire_names(info.validation_alias)[: 1 if part else None]  # a list: the models read others
        places = tuple(range(len(self.wire), len(self.wire) + len(spellings)))
        self.wire += [pa.field(spelling, kind) for spelling in spellings]
        largest = next((int(str(one.le)) for one in info.metadata if isinstance(one, Le)), None)
        return _Column(field.name, places, not field.nullable, is_instant, field.type, part, largest)

    def columns(self, structs: pa.StructArray) -> list[pa.Array]:
        """Columns in the order of the lake's schema. Raises _DoubtfulError for unknown and for missing fields."""
        if structs.type.num_fields != len(self.wire):
            raise _DoubtfulError("a field that no model knows")
        children = structs.flatten()
        return [self._read(column, children) for column in self._plan]

    def _read(self, column: _Column, children: list[pa.Array]) -> pa.Array:
        values = children[column.places[0]]
        for place in column.places[1:]:
            if children[place].null_count < len(values):
                if pc.any(pc.and_(pc.is_valid(values), pc.is_valid(children[place]))).as_py():
                    raise _DoubtfulError(f"{column.name} occurs twice")
                values = pc.coalesce(values, children[place])
        if column.required and values.null_count:
            raise _DoubtfulError(f"{column.name} is missing")
        if column.part is not None:
            elements = values.flatten()
            if elements.null_count:
                raise _DoubtfulError(f"{column.name} has a null element")
            parts = pa.StructArray.from_arrays(column.part.columns(elements), fields=column.part.fields)
            return pa.ListArray.from_arrays(_offsets(values), parts, type=column.kind)
        if column.is_instant:
            if not pc.all(pc.ends_with(values, "Z"), min_count=0).as_py():
                raise _DoubtfulError(f"{column.name} is not in UTC")
            return values.cast(column.kind)
        if column.largest is not None and len(values):
            ends = pc.min_max(values).as_py()
            if ends["max"] > column.largest or ends["min"] < -column.largest:
                raise _DoubtfulError(f"{column.name} is out of bounds")
        return values


def _offsets(column: pa.ListArray) -> pa.Array:
    """Offsets from zero; those of a slice begin elsewhere."""
    offsets = column.offsets
    return pc.subtract(offsets, offsets[0]) if offsets[0].as_py() else offsets


def _element(annotation: Any) -> type[ApiModel]:  # noqa: ANN401 - a type expression
    if get_origin(annotation) is Annotated:
        return _element(get_args(annotation)[0])
    element: type[ApiModel] = get_args(annotation)[0]
    return element


_ROW = _Reader(TransactionJobItem, TRANSACTIONS)
_NO_TEXT = pa.scalar(None, pa.string())
_PARSE = pyarrow.json.ParseOptions(
    # Unknown fields are inferred, not refused: outside the rows they are ignored, in the rows they are detected.
    unexpected_field_behavior="infer",
    explicit_schema=pa.schema(
        [
            pa.field(
                "data",
                pa.struct(
                    [
                        pa.field("status", pa.string()),
                        pa.field("total", pa.int64()),
                        pa.field("data", pa.list_(pa.struct(_ROW.wire))),
                    ]
                ),
            )
        ]
    ),
)
