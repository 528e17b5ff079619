"""Field names on the wire; an object with one field in two spellings is refused, since one value would be lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel

from sonnys_pipeline.client.errors import UnparsableRowError


@dataclass(frozen=True)
class _Spellings:
    """Field names of a model."""

    ours: Mapping[str, str]  # Python names that the API does not use → the API's name
    several: tuple[tuple[str, ...], ...]  # fields with more than one spelling
    parts: Mapping[str, type[BaseModel]]  # list fields → model of their objects


def wire_names(alias: object) -> tuple[str, ...]:
    """The API's spellings of a field, from its validation alias; the usual one first."""
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


@cache
def _spellings_of(model: type[BaseModel]) -> _Spellings:
    on_wire = {name: wire_names(info.validation_alias) for name, info in model.model_fields.items()}
    known = {spelling for spellings in on_wire.values() for spelling in spellings}
    parts = {}
    for name, info in model.model_fields.items():
        element = next(iter(get_args(info.annotation)), None)
        if isinstance(element, type) and issubclass(element, BaseModel):
            parts.update(dict.fromkeys(on_wire[name], element))
    return _Spellings(
        {name: spellings[0] for name, spellings in on_wire.items() if name not in known},
        tuple(spellings for spellings in on_wire.values() if len(spellings) > 1),
        parts,
    )


def normalize_field_names(model: type[BaseModel], row: Any, path: str = "") -> Any:  # noqa: ANN401 - JSON is any type
    """The object without the null one of two spellings of a field; a value that is no object is returned as it is.

    `path` is its dotted path, with a dot at its end. `UnparsableRowError`, without the row's id, if both spellings have
    a value, or a name is Python's, not the API's.
    """
    if not isinstance(row, dict):
        return row
    spellings = _spellings_of(model)
    for name in sorted(spellings.ours.keys() & row.keys()):
        raise UnparsableRowError(None, path + name, f"is not how the API spells {spellings.ours[name]}")
    kept = row
    for names in spellings.several:
        present = [name for name in names if name in row]
        if len(present) > 1:
            said = [name for name in present if row[name] is not None] or present[:1]
            if len(said) > 1:
                problem = f"is another spelling of {said[0]}, and both have a value"
                raise UnparsableRowError(None, path + said[1], problem)
            kept = {name: value for name, value in kept.items() if name not in present or name in said}
    for name in spellings.parts.keys() & kept.keys():
        if isinstance(before := kept[name], list):
            element = spellings.parts[name]
            parts = [
                normalize_field_names(element, part, f"{path}{name}.{place}.") for place, part in enumerate(before)
            ]
            if any(new is not old for new, old in zip(parts, before, strict=True)):
                kept = {**kept, name: parts}
    return kept
