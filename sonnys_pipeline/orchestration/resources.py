"""Dagster configuration → plain objects: the client, the lake, and how landed rows become inputs.

Belongs here: fields that a person sets in Dagster, and one method that hands out the plain object. Does not belong
here: work.
"""

from collections.abc import Sequence
from typing import Any, get_origin

import dagster as dg
import pandas as pd
import pyarrow as pa

from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.settings import Settings


class SonnysResource(dg.ConfigurableResource):  # type: ignore[type-arg] # generic over what setup yields; nothing here
    """The Sonny's Data API (DG-01). What is left out here is read from the environment (see `.env.example`)."""

    # EnvVar, not a value: Dagster then shows the variable's name, and refuses to start a run while it is not set. As
    # defaults of the class, so that a run's configuration may change one field without repeating these.
    api_id: str = dg.EnvVar("SONNYS_API_ID")
    api_key: str = dg.EnvVar("SONNYS_API_KEY")
    site_code: str | None = None
    base_url: str | None = None
    rate_limit: str | None = None
    budget_url: str | None = None
    poll_interval: float | None = None
    job_timeout: float | None = None
    max_retries: int | None = None

    def settings(self) -> Settings:
        """Environment and configuration in one.

        Raises:
            SettingsError: naming what cannot be used.
        """
        return Settings.load(**{name: getattr(self, name) for name in type(self).model_fields})

    def open_client(self) -> SonnysClient:
        """A client to be used as a context manager.

        Raises:
            SettingsError: without credentials.
        """
        return self.settings().open_client()

    def __repr__(self) -> str:
        """The class alone: fields hold credentials."""
        return f"{type(self).__name__}()"

    __str__ = __repr__


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg] # generic over what setup yields; nothing here
    """Where days are landed (DG-02): `SONNYS_DATA_URL`, unless `data_url` is given."""

    data_url: str | None = None

    def open_lake(self) -> Lake:
        """The lake at its root.

        Raises:
            SettingsError: for a store that cannot be landed in.
        """
        return Lake(Settings.load(data_url=self.data_url).data_url)


class LakeIOManager(dg.ConfigurableIOManager):
    """Hands landed files to assets by the type of their input: `pandas.DataFrame` or `pyarrow.Table` (DG-05).

    Assets land their own files and return a `MaterializeResult`, so nothing is ever written from here. One partition
    or a range comes as one table; `date` is the partition's day. An input's metadata may name the `columns` to read.
    """

    lake: dg.ResourceDependency[LakeResource]

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Nothing to do: the asset has landed its files.

        Raises:
            dg.Failure: when an asset returns rows, which would otherwise vanish.
        """
        if obj is not None:
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} returned a {type(obj).__name__}; land it with "
                "LakeResource.open_lake().land(...) and return dg.MaterializeResult()",
                allow_retries=False,
            )

    def load_input(self, context: dg.InputContext) -> pd.DataFrame | pa.Table:
        """Read the upstream's files, and only the columns asked for.

        Raises:
            NotLandedError: naming the days that are not there.
            dg.Failure: for an annotation that is neither pandas nor Arrow.
        """
        metadata = context.definition_metadata or {}
        columns: Sequence[str] | None = metadata.get("columns")
        keys = context.asset_partition_keys if context.has_asset_partitions else None
        table = self.lake.open_lake().read(context.asset_key.path[-1], keys, columns)
        return as_annotated(table, context.dagster_type.typing_type)


def as_annotated(table: pa.Table, annotation: Any) -> pd.DataFrame | pa.Table:  # noqa: ANN401 - any annotation may come
    """A table as the type that an input is annotated with; Arrow where it is not annotated.

    Raises:
        dg.Failure: for another type.
    """
    kind = get_origin(annotation) or annotation
    if kind in {pa.Table, Any, object}:
        return table
    if kind is pd.DataFrame:
        return table.to_pandas()
    raise dg.Failure(
        f"an input annotated {annotation!r} cannot be handed out; annotate it pandas.DataFrame or pyarrow.Table",
        allow_retries=False,
    )
