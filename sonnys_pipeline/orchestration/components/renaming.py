"""Assets and checks whose ops ask for resources by other names, or have more tags, so that they fit into a project.

Dagster takes the name of a resource from the parameter of the function, and merges no two resources of one name. So
the finished definitions get functions with renamed parameters; what they do is the same.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction


def op_with_resources(
    op: dg.OpDefinition, names: Mapping[str, str], tags: Mapping[str, Any] = MappingProxyType({})
) -> dg.OpDefinition:
    """The op with resources named otherwise (usual name → its name here), and with these tags in addition."""
    compute = op.compute_fn
    if isinstance(compute, DecoratedOpFunction):
        compute = type(compute)(_with_parameters(compute.decorated_fn, names))
    return dg.OpDefinition(
        compute_fn=compute,
        name=op.name,
        ins=dict(op.ins),
        outs={
            name: out._replace(io_manager_key=names.get(out.io_manager_key, out.io_manager_key))
            for name, out in op.outs.items()
        },
        description=op.description,
        config_schema=op.config_schema,
        required_resource_keys={names.get(key, key) for key in op.required_resource_keys},
        tags={**op.tags, **tags},
        retry_policy=op.retry_policy,
        code_version=op._version,  # noqa: SLF001 - `version` is deprecated, and this is what it returns
        pool=op.pool,
    )


def assets_with_resources(
    assets: dg.AssetsDefinition, names: Mapping[str, str], tags: Mapping[str, Any] = MappingProxyType({})
) -> dg.AssetsDefinition:
    """Assets with resources named otherwise, and with these tags of their op in addition."""
    attributes = assets.get_attributes_dict()
    node = _op(attributes, names, tags)
    return dg.AssetsDefinition.dagster_internal_init(**{**attributes, "node_def": node}) if node else assets


def checks_with_resources(
    checks: dg.AssetChecksDefinition, names: Mapping[str, str], tags: Mapping[str, Any] = MappingProxyType({})
) -> dg.AssetChecksDefinition:
    """Checks with resources named otherwise, and with these tags of their op in addition."""
    attributes = checks.get_attributes_dict()
    node = _op(attributes, names, tags)
    if node is None:
        return checks
    kept = ("keys_by_input_name", "check_specs_by_output_name", "can_subset")
    renamed: dg.AssetChecksDefinition = dg.AssetChecksDefinition.create(
        node_def=node, **{name: attributes[name] for name in kept}
    )
    return renamed


def _op(attributes: Mapping[str, Any], names: Mapping[str, str], tags: Mapping[str, Any]) -> dg.OpDefinition | None:
    """The changed op of a definition; None if nothing is to be changed."""
    node = attributes["node_def"]
    return op_with_resources(node, names, tags) if (names or tags) and isinstance(node, dg.OpDefinition) else None


def _with_parameters(function: Callable[..., Any], names: Mapping[str, str]) -> Callable[..., Any]:
    """The function with parameters of other names."""
    usual = {new: old for old, new in names.items()}

    def given(kwargs: Mapping[str, Any]) -> dict[str, Any]:
        return {usual.get(name, name): value for name, value in kwargs.items()}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of the function
        return function(*args, **given(kwargs))

    @functools.wraps(function)
    def generate(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - those of the function
        yield from function(*args, **given(kwargs))

    # Dagster tells the two apart.
    renamed: Callable[..., Any] = generate if inspect.isgeneratorfunction(function) else call
    signature = inspect.signature(function)
    parameters = [one.replace(name=names.get(one.name, one.name)) for one in signature.parameters.values()]
    renamed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # PEP 362 has it
    renamed.__annotations__ = {names.get(name, name): kind for name, kind in function.__annotations__.items()}
    return renamed
