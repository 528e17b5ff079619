"""Dagster configuration → plain objects: the client and the lake.

Belongs here: fields that a person sets in Dagster, and one method that hands out the plain object. Does not belong
here: work, and how landed rows become inputs (`inputs.py`).
"""

import dagster as dg

from sonnys_pipeline.batch.wiring import open_lake
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
        return open_lake(Settings.load(data_url=self.data_url))
