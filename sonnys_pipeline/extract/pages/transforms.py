"""What a policy makes of an object of the API: each field by its model, every other field without its value.

Values of a wrong type keep only the type, so that the models still refuse them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticValidationError

from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.client.spelling import wire_names

Transform: TypeAlias = Callable[[Any], Any]
#: Fields by model.
Fields: TypeAlias = Mapping[type[ApiModel], Sequence[str]]
#: Replaces text where the model expects none; the models refuse both.
_NOT_KEPT = "?"
#: Field names of other forms may contain personal data.
_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)


def object_of(model: type[ApiModel], personal: Transform, about_people: Fields, others: Fields) -> Transform:
    """What makes an object of a model clean: `personal` is applied to text about people, by every spelling of it.

    A field about people that is not text, such as a date of birth, becomes null. Raises TypeError for a text field that
    neither `about_people` nor `others` names.
    """
    fields: dict[str, Transform] = {}
    for name, info in model.model_fields.items():
        adapter = TypeAdapter(info.rebuild_annotation())
        is_personal = name in about_people.get(model, ())
        part, is_list = _part_of(info.annotation)
        if part is not None:
            inner = object_of(part, personal, about_people, others)
            transformed = list_of(inner) if is_list else _object_or_null(inner)
        elif is_text(info.annotation):
            if not is_personal and name not in others.get(model, ()):
                raise TypeError(f"{model.__name__}.{name} is text: name it in PERSONAL or in IMPERSONAL")
            transformed = _text(personal if is_personal else _same, takes_numbers=_accepts(adapter, 1))
        else:
            transformed = _nothing if is_personal else _non_text(adapter)
        # By its Python name too: the models refuse such a row under every policy.
        fields.update(dict.fromkeys((name, *wire_names(info.validation_alias)), transformed))

    def transform(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, dict):
            return blank_like(value)
        return {
            name if name in fields else safe_name(name): fields[name](part) if name in fields else None
            for name, part in value.items()
        }

    return transform


def list_of(element: Transform) -> Transform:
    """What makes each element of a list clean."""
    return lambda value: [element(part) for part in value] if isinstance(value, list) else blank_like(value)


def safe_name(name: str) -> str:
    """The field name, or a placeholder if it may contain personal data."""
    return name if _NAME.fullmatch(name) else _NOT_KEPT


def blank_like(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
    """An empty value of the same type."""
    return None if value is None else _NOT_KEPT if isinstance(value, str) else type(value)()


def is_text(annotation: object) -> bool:
    """Whether a field is read as text."""
    return annotation is str or any(is_text(part) for part in get_args(annotation))


def _same(text: str) -> str:
    return text


def _nothing(value: Any) -> None:  # noqa: ANN401 - JSON is any type
    del value


def _object_or_null(element: Transform) -> Transform:
    return lambda value: element(value) if isinstance(value, dict) else blank_like(value)


def _text(transform: Transform, *, takes_numbers: bool) -> Transform:
    """Ids are text in the models, and numbers in some lists."""

    def text(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if takes_numbers and isinstance(value, int) and not isinstance(value, bool):
            return transform(str(value))
        return transform(value) if isinstance(value, str) else blank_like(value)

    return text


def _non_text(adapter: TypeAdapter[Any]) -> Transform:
    """Keeps numbers, flags and instants; text only if the model accepts it as one of these."""

    def non_text(value: Any) -> Any:  # noqa: ANN401 - JSON is any type
        if not isinstance(value, str):
            return value if not isinstance(value, list | dict) else blank_like(value)
        return value if _accepts(adapter, value) else _NOT_KEPT

    return non_text


def _accepts(adapter: TypeAdapter[Any], value: object) -> bool:
    try:
        adapter.validate_python(value)
    except PydanticValidationError:
        return False
    return True


def _part_of(annotation: object) -> tuple[type[ApiModel] | None, bool]:
    """Model of the objects that a field holds, and whether it holds a list of them."""
    found = next((kind for kind in get_args(annotation) if isinstance(kind, type) and issubclass(kind, ApiModel)), None)
    return found, getattr(annotation, "__origin__", None) is list
