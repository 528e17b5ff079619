"""Text of `defs.yaml` that may be secret: rendered as text, and never quoted in an error."""

import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
import jinja2

from sonnys_pipeline.config.settings import SettingsError

_VARIABLE = re.compile(r"env(?:\.|\(\s*['\"])(\w+)")


class _NotSetError(Exception):
    """A template yields nothing."""


def _set(value: object) -> object:
    if value is None or value == "":
        raise _NotSetError
    return value


_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, finalize=_set, autoescape=False)  # noqa: S701 - no HTML


def rendered(context: dg.ResolutionContext, field: str, text: object) -> str:
    """A templated text. Dagster's own rendering makes a number of a key that looks like one, such as `1e5`.

    Raises:
        SettingsError: naming the field and the variables that it reads, when one of them is not set.
    """
    try:
        return _ENVIRONMENT.from_string(str(text)).render(**context.scope)
    except _NotSetError:
        named = " or ".join(_VARIABLE.findall(str(text))) or "the value"
        raise SettingsError(
            f"{field}: {named} is not set; put it into the environment, or into the .env of the project, which dg reads"
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a template calls; its message may quote a secret
        raise SettingsError(
            f"{field}: the template cannot be rendered ({type(error).__name__}); write it as {{{{ env.NAME }}}}"
        ) from None


def rendered_settings(context: dg.ResolutionContext, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Each setting's value, rendered; those that are no text as they are."""
    return {
        name: rendered(context, name, value) if isinstance(value, str) else value for name, value in settings.items()
    }
