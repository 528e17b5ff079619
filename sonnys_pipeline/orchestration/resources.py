"""Dagster configuration → plain objects: the client and the lake.

Belongs here: fields that a person sets in Dagster, and one method that hands out the plain object. Does not belong
here: work, and how landed rows become inputs (`inputs.py`).
"""

import dagster as dg

from sonnys_pipeline.accounts import ALL_ACCOUNTS, NEVER_SHARED
from sonnys_pipeline.batch.wiring import open_lake
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.settings import Settings, folder_in


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

    def settings(self, account: str | None = None) -> Settings:
        """Environment and configuration in one; of one account, where there are several.

        What an account alone may know, credentials and site, never comes from a configuration that all accounts share.

        Raises:
            SettingsError: naming what cannot be used.
        """
        left_out = NEVER_SHARED if account else frozenset()
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in left_out}
        return Settings.load(account, **given)

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


class SonnysAccountsResource(SonnysResource):
    """The same for several accounts (docs/accounts.md): each has credentials in variables of its own."""

    # No variables of a single account: Dagster would start no run without them.
    api_id: str = ""
    api_key: str = ""


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg] # generic over what setup yields; nothing here
    """Where days are landed (DG-02): `SONNYS_DATA_URL`, unless `data_url` is given.

    Of several accounts each has a folder of its name in there, or the place that its own `SONNYS_NORTH__DATA_URL` says.
    """

    data_url: str | None = None

    def open_lake(self, account: str | None = None) -> Lake:
        """The lake at its root; of an account, or of what stands across all of them, by that name.

        Raises:
            SettingsError: for a store that cannot be landed in, or an account that there is not.
        """
        if account and account != ALL_ACCOUNTS and self.data_url is None:
            return open_lake(Settings.load(account))
        settings = Settings.load(data_url=self.data_url)
        if account:
            settings = settings.model_copy(update={"data_url": folder_in(settings.data_url, account)})
        return open_lake(settings)
