"""How the wire spells the fields of a model; a field that an object has twice.

A model takes the API's names alone. Where the API is known to spell a field in two ways, an object may have one of
them: of two, the one that is not looked at would be lost, or win over the one that was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel

from sonnys_pipeline.client.errors import UnparsableRowError


@dataclass(frozen=True)
class _Spellings:
    """How a model's fields are written.

    Attributes:
        ours: names that only Python has, with the API's own.
        several: fields that the API spells in more than one way.
        parts: models of the objects in a list.
    """

    ours: Mapping[str, str]
    several: tuple[tuple[str, ...], ...]
    parts: Mapping[str, type[BaseModel]]


def wire_names(alias: object) -> tuple[str, ...]:
    """How the API spells a field, by its validation alias; the usual spelling first."""
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


def in_one_spelling(model: type[BaseModel], row: Any, path: str = "") -> Any:  # noqa: ANN401 - JSON is any type
    """An object without the null one of two spellings of a field; the object itself where there is nothing to do.

    Args:
        model: what is to read it.
        row: decoded JSON; what is no object comes back as it is, for the model to refuse.
        path: dotted path of the object, with a dot at its end, for the error.

    Raises:
        UnparsableRowError: where two spellings say something, or where a name is ours and not the API's; without the
            row's id, which whoever has the rows adds.
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
                raise UnparsableRowError(None, path + said[1], f"stands beside {said[0]}, which is the same field")
            kept = {name: value for name, value in kept.items() if name not in present or name in said}
    for name in spellings.parts.keys() & kept.keys():
        if isinstance(before := kept[name], list):
            element = spellings.parts[name]
            parts = [in_one_spelling(element, part, f"{path}{name}.{place}.") for place, part in enumerate(before)]
            if any(new is not old for new, old in zip(parts, before, strict=True)):
                kept = {**kept, name: parts}
    return kept
