"""The resources of an account whose settings are given by code; no variable is read."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import PrivateAttr

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.resources import SET_IN_CODE, LakeResource, SonnysResource


class GivenSonnysResource(SonnysResource):
    """The Sonny's Data API of one account; credentials and address are set in code and are not shown."""

    _settings: GivenSettings = PrivateAttr()

    @classmethod
    def of(cls, settings: GivenSettings) -> Self:
        """The resource with these settings."""
        made = cls()
        made._settings = settings
        return made

    def settings(self, account: str | None = None, data_url: str | None = None) -> GivenSettings:  # noqa: ARG002 - it has one account
        """The account's settings, with what a run's configuration may change. Raises SettingsError."""
        given = {name: self._given(name) for name in type(self).model_fields if name not in self.fixed}
        return self._settings.but(**given)

    def _with_updated_values(self, values: Mapping[str, Any] | None) -> Self:
        # Dagster makes a new resource of the fields alone.
        made = super()._with_updated_values(values)
        made._settings = self._settings  # noqa: SLF001 - of the same class
        return made

    def _variable(self, field: str) -> str:  # noqa: ARG002 - no field is read from a variable
        return SET_IN_CODE


class GivenLakeResource(LakeResource):
    """Where one account's days are landed; set in code."""

    _settings: GivenSettings = PrivateAttr()

    @classmethod
    def of(cls, settings: GivenSettings) -> Self:
        """The resource with these settings."""
        made = cls(data_url=settings.data_url)
        made._settings = settings
        return made

    def settings(self, account: str | None = None) -> GivenSettings:  # noqa: ARG002 - it has one account
        """The account's settings."""
        return self._settings

    def place(self, account: str | None = None) -> str | None:  # noqa: ARG002 - it has one account
        """Where the account's days are landed: in the lake of its settings."""
        return self._settings.data_url

    def open_lake(self, account: str | None = None) -> Lake:  # noqa: ARG002 - it has one account
        """The account's lake."""
        return Workspace(self._settings).lake

    def accounts(self) -> tuple[str, ...]:
        """None by name: every asset that it is asked for is in the one lake."""
        return ()

    def _with_updated_values(self, values: Mapping[str, Any] | None) -> Self:
        # Dagster makes a new resource of the fields alone.
        made = super()._with_updated_values(values)
        made._settings = self._settings  # noqa: SLF001 - of the same class
        return made
