"""Landed rows as inputs of assets, in the annotated form (DG-05)."""

from collections.abc import Callable, Mapping
from typing import Any, get_origin

import dagster as dg
import duckdb
import pyarrow as pa

from sonnys_pipeline.lake.scans import Scan, scan
from sonnys_pipeline.orchestration.account import account_of
from sonnys_pipeline.orchestration.resources import LakeResource

_ON_OFFER = "pandas.DataFrame, pyarrow.Table, duckdb.DuckDBPyRelation, polars.LazyFrame or polars.DataFrame"
_FORMS: Mapping[Any, Callable[[Scan], Any]] = {
    pa.Table: Scan.table,
    Any: Scan.table,
    object: Scan.table,
    duckdb.DuckDBPyRelation: Scan.relation,
}
# By package and name: both are optional, and code that annotates with one has imported it.
_OPTIONAL_FORMS: Mapping[tuple[str, str], Callable[[Scan], Any]] = {
    ("pandas", "DataFrame"): Scan.frame,
    ("polars", "LazyFrame"): Scan.lazy_frame,
    ("polars", "DataFrame"): lambda wanted: wanted.lazy_frame().collect(),
}


class LakeIOManager(dg.ConfigurableIOManager):
    """Loads landed files by the type of an asset's input.

    - `pandas.DataFrame`, `pyarrow.Table` (the default), `polars.DataFrame`: rows in memory.
    - `duckdb.DuckDBPyRelation`, `polars.LazyFrame`: only the needed rows are read, when needed.

    One partition or a range is one table whose first column `date` is the partition's day. The input's metadata may
    give `columns` (besides `date`) and `sites` (codes). Assets write their own files and return a `MaterializeResult`,
    so nothing is written here. With several accounts the input's key names the account: `north/transactions`.
    """

    lake: dg.ResourceDependency[LakeResource]

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Nothing to do: the asset has landed its files. Raises dg.Failure for returned rows, which would be lost."""
        if obj is not None:
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} returned a {type(obj).__name__}; land it with "
                "LakeResource.open_lake().land(...) and return dg.MaterializeResult()",
                allow_retries=False,
            )

    def load_input(self, context: dg.InputContext) -> Any:  # noqa: ANN401 - whatever the input is annotated with
        """The upstream's rows: only the requested days, columns and sites.

        Raises:
            NotLandedError: naming the missing days.
            LakeError: when the files have no such columns or sites, or cannot be read.
            dg.Failure: for an unsupported annotation, or metadata that is not a list of names.
        """
        form = form_of(context.dagster_type.typing_type)
        metadata = context.definition_metadata or {}
        lake = account_of(context.asset_key, self.lake.accounts()).workspace(self.lake).lake
        asset = context.asset_key.path[-1]
        partitions = context.asset_partition_keys if context.has_asset_partitions else None
        columns, sites = _names(metadata, "columns"), _names(metadata, "sites")

        def load() -> Any:  # noqa: ANN401 - as this method
            # An asset without partitions may have a file a day, as `transaction_changes`: all of them.
            days = lake.partitions(asset) if partitions is None and not lake.has(asset) else None
            return form(scan(lake, asset, partitions or days or partitions, columns=columns, sites=sites))

        return lake.consistently(load)


def form_of(annotation: Any) -> Callable[[Scan], Any]:  # noqa: ANN401 - any annotation may come
    """The conversion of rows to an input's annotation; Arrow without one. Raises dg.Failure for an unsupported type."""
    kind = get_origin(annotation) or annotation
    form = _FORMS.get(kind)
    if form is None and isinstance(kind, type):
        form = _OPTIONAL_FORMS.get((kind.__module__.partition(".")[0], kind.__qualname__))
    if form is None:
        raise dg.Failure(
            f"an input annotated {annotation!r} cannot be handed out; annotate it {_ON_OFFER}", allow_retries=False
        )
    return form


def _names(metadata: Mapping[str, Any], key: str) -> list[str] | None:
    given = metadata.get(key)
    if given is None:
        return None
    given = getattr(given, "value", given)
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise dg.Failure(
            f"the input's metadata {key!r} is {given!r}; give a list of names: "
            f'dg.AssetIn(metadata={{"{key}": [...]}})',
            allow_retries=False,
        )
    return list(given)
