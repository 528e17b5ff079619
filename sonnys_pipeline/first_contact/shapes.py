"""Fields of rows and the kinds of their values: names and counts, never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import AliasChoices
from pydantic.alias_generators import to_camel

from sonnys_pipeline.client import UnparsableRowError
from sonnys_pipeline.client.models import ApiModel, parse_rows
from sonnys_pipeline.first_contact.asking import word

#: Replaces keys that are not field names, which may be personal data.
_OTHER = "(other)"
_DEEPEST = 3


def shapes_of(rows: Sequence[Any]) -> dict[str, dict[str, int]]:
    """Number of values of each kind, by dotted field name; `tenders.amount` counts every tender."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        for name, value in _fields(row):
            found.setdefault(name, Counter())[_kind(value)] += 1
    return {name: dict(sorted(found[name].items())) for name in sorted(found)}


def unknown_names(model: type[ApiModel], shapes: Mapping[str, object]) -> list[str]:
    """Fields of the rows that the model does not have."""
    known = {spelling for spellings in _names(model).values() for spelling in spellings}
    return sorted(name for name in shapes if name not in known)


def absent_names(model: type[ApiModel], shapes: Mapping[str, object]) -> list[str]:
    """Fields of the model that no row has; those of lists that are always empty are left out."""
    above = {name.rpartition(".")[0] for name in shapes}
    return sorted(
        name
        for name, spellings in _names(model).items()
        if not any(spelling in shapes for spelling in spellings)
        and ("." not in name or any(spelling.rpartition(".")[0] in above for spelling in spellings))
    )


def refused_field(model: type[ApiModel], rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The first field that the model refuses, without positions in lists, if any."""
    try:
        parse_rows(model, rows)
    except UnparsableRowError as refused:
        return ".".join(word(step) or _OTHER for step in refused.field.split(".") if not step.isdecimal())
    return None


def _fields(row: object, above: str = "", depth: int = 1) -> Iterator[tuple[str, Any]]:
    if not isinstance(row, Mapping):
        return
    for key, value in row.items():
        name = f"{above}{word(key) or _OTHER}"
        yield name, value
        if depth < _DEEPEST:
            for part in value if isinstance(value, list) else [value]:
                yield from _fields(part, f"{name}.", depth + 1)


def _kind(value: object) -> str:
    if value is None or value == "":
        return "null" if value is None else "empty text"
    kinds: dict[type, str] = {bool: "yes or no", int: "whole number", float: "number", str: "text", list: "list"}
    return kinds.get(type(value), "object")


def _names(model: type[ApiModel], above: Sequence[str] = ("",)) -> dict[str, tuple[str, ...]]:
    """All spellings of each of the model's fields, dotted, by the first one."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        chosen = (
            tuple(str(choice) for choice in alias.choices) if isinstance(alias, AliasChoices) else (to_camel(name),)
        )
        spellings = tuple(f"{before}{spelling}" for before in above for spelling in chosen)
        found[spellings[0]] = spellings
        for inner in get_args(field.annotation):
            if isinstance(inner, type) and issubclass(inner, ApiModel):
                found |= _names(inner, [f"{spelling}." for spelling in spellings])
    return found
