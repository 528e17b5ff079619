"""Dagster configuration → plain objects: the client and the lake.

Where credentials travel, and where files are written, is decided by the environment or by the code that makes the
resource. Dagster shows it, and refuses a run configuration that says otherwise: else whoever can launch a run could
send the key to another server.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import dagster as dg
from dagster._core.definitions.definition_config_schema import DefinitionConfigSchema
from pydantic import Field

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.config.accounts import ALL_ACCOUNTS, NEVER_SHARED, variable
from sonnys_pipeline.config.settings import Settings, folder_in
from sonnys_pipeline.lake.dataset import Lake

#: Shown for a field set in code; its value may be a secret.
SET_IN_CODE = "set in code"


class _OfTheEnvironment(dg.ConfigurableResource):  # type: ignore[type-arg] # generic over what setup yields; nothing here
    """A resource with fields that no run configuration can change."""

    #: Names of these fields.
    fixed: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - whatever the fields take
        """Let each of these fields accept one word: where its value comes from, which Dagster shows."""
        super().__init__(**given)
        whole = self._config_schema.as_field()
        fields, defaults = dict(whole.config_type.fields), dict(whole.default_value)
        for name in self.fixed:
            defaults[name] = SET_IN_CODE if getattr(self, name) is not None else self._variable(name)
            only = dg.Enum(f"{name} ({defaults[name]})", [dg.EnumValue(defaults[name])])
            fields[name] = dg.Field(only, default_value=defaults[name], description=fields[name].description)
        shape = dg.Shape(fields)  # type: ignore[no-untyped-call] # Dagster's own
        closed = dg.Field(shape, default_value=defaults, is_required=False, description=whole.description)
        self._state__internal__ = self._state__internal__._replace(config_schema=DefinitionConfigSchema(closed))

    def _with_updated_values(self, values: Mapping[str, Any] | None) -> Self:
        """Called by Dagster with a run's configuration: fixed fields stay."""
        free = {name: value for name, value in (values or {}).items() if name not in self.fixed}
        return cast("Self", super()._with_updated_values(free))

    def process_config_and_initialize(self) -> Self:
        """Itself: without a run no configuration changes a field."""
        return self

    def _variable(self, field: str) -> str:
        return variable(field)

    def _given(self, field: str) -> Any:  # noqa: ANN401 - whatever the field takes
        """A field's value if code has set it, or that of a variable named by code."""
        value = getattr(self, field)
        return value.get_value() if isinstance(value, dg.EnvVar) else value


class SonnysResource(_OfTheEnvironment):
    """The Sonny's Data API. Fields that are not set are read from the environment (see `.env.example`).

    A run may change how long and how often it asks; whom it asks, and as whom, it may not.
    """

    fixed: ClassVar[frozenset[str]] = frozenset(
        {"api_id", "api_key", "site_code", "base_url", "rate_limit", "budget_url"}
    )

    api_id: str | None = Field(default=None, description="The API id of the operator's BackOffice.")
    api_key: str | None = Field(default=None, description="The API key (secret).")
    site_code: str | None = Field(default=None, description="Code of the only site to read. Default: all sites.")
    base_url: str | None = Field(default=None, description="The API's URL.")
    rate_limit: str | None = Field(default=None, description="Requests per seconds, such as 20/15.")
    budget_url: str | None = Field(default=None, description="URL of the request budget that processes share.")
    poll_interval: float | None = Field(
        default=None, description="Seconds between two polls of one load job. Default: SONNYS_POLL_INTERVAL, or 2."
    )
    job_timeout: float | None = Field(
        default=None, description="Seconds that one load job may take. Default: SONNYS_JOB_TIMEOUT, or 300."
    )
    max_retries: int | None = Field(
        default=None, description="Retries of a request or load job. Default: SONNYS_MAX_RETRIES, or 5."
    )

    def settings(self, account: str | None = None, data_url: str | None = None) -> Settings:
        """Environment and configuration in one; of one account, where there are several; of another lake, if named.

        What an account alone may know, credentials and site, never comes from a configuration that all accounts share.

        Raises:
            SettingsError: naming what cannot be used.
        """
        left_out = NEVER_SHARED if account else frozenset()
        given = {name: self._given(name) for name in type(self).model_fields if name not in left_out}
        return Settings.load(account, **given, data_url=data_url)

    def open_client(self) -> SonnysClient:
        """A client to be used as a context manager. Raises SettingsError without credentials."""
        return self.settings().open_client()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    __str__ = __repr__


class SonnysAccountsResource(SonnysResource):
    """The same for several accounts (docs/accounts.md): each has credentials in variables of its own."""

    def _variable(self, field: str) -> str:
        return variable(field, "each_account") if field in NEVER_SHARED else variable(field)


class LakeResource(_OfTheEnvironment):
    """Where days are landed: `SONNYS_DATA_URL`, unless code gives `data_url`.

    Each of several accounts has a subdirectory of its name, or the place given by `SONNYS_NORTH__DATA_URL`.
    """

    fixed: ClassVar[frozenset[str]] = frozenset({"data_url"})

    data_url: str | None = Field(default=None, description="A folder, or the URL of an object store.")

    def open_lake(self, account: str | None = None) -> Lake:
        """The lake at its root; of an account, or of what stands across all, by that name. Raises SettingsError."""
        place = self.place(account)
        return Workspace.of(None if place else account, data_url=place).lake

    def settings(self, account: str | None = None) -> Settings:
        """The environment's settings of an account, in this lake. Raises SettingsError."""
        return Settings.load(None if account == ALL_ACCOUNTS else account, data_url=self.place(account))

    def accounts(self) -> tuple[str, ...]:
        """Names that the first part of an asset's key may have, each with a lake of its own. Raises SettingsError."""
        return (*Settings.accounts(), ALL_ACCOUNTS)

    def place(self, account: str | None = None) -> str | None:
        """Where an account's days are landed, if that is not what its own settings say. Raises SettingsError."""
        data_url = self._given("data_url")
        if account and (account == ALL_ACCOUNTS or data_url is not None):
            return folder_in(Settings.load(data_url=data_url).data_url, account)
        return data_url  # type: ignore[no-any-return] # the field's own type
