"""`SonnysAccountComponent`: one account in a project of Dagster's, described by a `defs.yaml` (EC-01).

Every command of `dg` imports this module. What only definitions need is imported when they are built.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import dagster as dg
from dagster.components.component_scaffolding import scaffold_component
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.orchestration.components.choice import Choice
from sonnys_pipeline.orchestration.components.secrets import rendered, rendered_settings

if TYPE_CHECKING:
    from sonnys_pipeline.orchestration.account import Account

_VARIABLE = "{{ env.%s_%s }}"
_TEMPLATE: Any = str | None


@dataclass(frozen=True)
class SonnysAsset:
    """What a `translation` knows of an asset as `data`: the account, and the asset's own name."""

    account: str
    name: str


class SonnysAccountScaffolderParams(BaseModel):
    """Options of `dg scaffold defs`; each is an attribute of the component."""

    timezone: str = Field("America/Chicago", description="Zone of the daily partitions.")
    start_date: str | None = Field(
        None, description="First daily partition, YYYY-MM-DD; by default the first day of this month."
    )
    data_url: str = Field("data", description="Root of the lake: a directory, or the URL of an object store.")


class SonnysAccountScaffolder(dg.Scaffolder[SonnysAccountScaffolderParams]):
    """Writes a `defs.yaml` for an account named after its directory."""

    @classmethod
    def get_scaffold_params(cls) -> type[SonnysAccountScaffolderParams]:
        """What `dg scaffold defs` offers as options."""
        return SonnysAccountScaffolderParams

    def scaffold(self, request: dg.ScaffoldRequest[SonnysAccountScaffolderParams]) -> None:
        """Write the file, with credentials from variables that begin with the account's name."""
        account = request.target_path.name.replace("-", "_").lower()
        chosen = request.params or SonnysAccountScaffolderParams()
        this_month = date.today().replace(day=1).isoformat()  # noqa: DTZ011 - a suggestion, to be edited
        scaffold_component(
            request,
            {
                "account": account,
                "api_id": _VARIABLE % (account.upper(), "API_ID"),
                "api_key": _VARIABLE % (account.upper(), "API_KEY"),
                "timezone": chosen.timezone,
                "start_date": chosen.start_date or this_month,
                "data_url": chosen.data_url,
            },
        )


def _about(description: str, *examples: object) -> dg.Resolver:
    resolver: dg.Resolver = dg.Resolver.default(description=description, examples=list(examples) or None)
    return resolver


def _secret(field: str, description: str) -> dg.Resolver:
    return dg.Resolver(
        lambda context, text: SecretStr(rendered(context, field, text)),
        model_field_type=str,
        inject_before_resolve=False,
        description=description,
        examples=[_VARIABLE % ("NORTH", field.upper())],
    )


def _facts(data: SonnysAsset) -> Mapping[str, Any]:
    return {"data": data, "account": data.account, "name": data.name}


def _translation() -> dg.Resolver:
    resolver = TranslationFnResolver(_facts)
    resolver.description = (
        "Changes the specification of each asset: attributes, or a template that yields them. Templates know spec, "
        "account and name. A key may begin otherwise; its last part stays."
    )
    resolver.examples = [{"description": "{{ spec.description }} (of {{ account }})"}]
    return resolver


@dg.scaffold_with(SonnysAccountScaffolder)
class SonnysAccountComponent(dg.Component, dg.Model, dg.Resolvable):
    """One account of the Sonny's car-wash Data API: every transaction as Parquet, and tables, KPIs and a report on it.

    Several of these live in one project: each has assets, jobs, schedules, sensors and resources named after its
    account. Nothing is read from `SONNYS_*` variables; what is not given here has the default that
    docs/settings.md of sonnys-pipeline names. docs/component.md explains the attributes.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)

    account: Annotated[
        str, _about("Name of the account: lower-case letters, digits, underscores. It begins all names.", "north")
    ]
    api_id: Annotated[SecretStr, _secret("api_id", "The API id of the operator's BackOffice.")]
    api_key: Annotated[SecretStr, _secret("api_key", "The API key that belongs to the id.")]
    timezone: Annotated[str, _about("Zone of the daily partitions.", "America/Chicago")] = "UTC"
    start_date: Annotated[str | None, _about("First daily partition, YYYY-MM-DD.", "2026-11-01")] = None
    data_url: Annotated[
        str,
        _about(
            "Root of the lake: a directory, from the project's root on, or the URL of an object store. The account's "
            "files are in a subdirectory of its name.",
            "s3://bucket/lake",
        ),
    ] = "data"
    state_dir: Annotated[
        str,
        _about(
            "Directory of request budget, ledger, audit and quarantine, from the project's root on; each account has a "
            "subdirectory.",
            "state",
        ),
    ] = ".sonnys"
    settings: Annotated[
        Mapping[str, str | int | float | bool],
        dg.Resolver(
            rendered_settings,
            model_field_type=Mapping[str, str | int | float | bool],
            inject_before_resolve=False,
            description="Any other setting (docs/settings.md of sonnys-pipeline), without SONNYS_ and in lower case.",
            examples=[{"rate_limit": "20/15", "pii": "drop"}],
        ),
        Field(repr=False),
    ] = {}
    resources: Annotated[
        Sequence[str] | None,
        _about("Lists of the API to land beside transactions and sites; default all, [] none.", ["items", "customers"]),
    ] = None
    marts: Annotated[
        Sequence[str] | None,
        _about("Tables, marts and reports to compute; default all that the landed lists allow.", ["site_day_kpis"]),
    ] = None
    key_prefix: Annotated[
        str | Sequence[str] | None,
        _about("Begins the keys of the assets; default the account's name.", ["washes", "north"]),
    ] = None
    name_prefix: Annotated[
        str, _about("Begins the names of jobs, schedules, sensors and resources, before the account's.", "wash")
    ] = ""
    group_name: Annotated[str | None, _about("Group of the assets; default the account's name.", "wash")] = None
    owners: Annotated[Sequence[str] | None, _about("Owners of the assets.", ["team:analytics"])] = None
    tags: Annotated[Mapping[str, str], _about("Tags that all assets get in addition.", {"region": "north"})] = {}
    kinds: Annotated[Sequence[str], _about("Kinds that all assets get in addition.", ["s3"])] = ()
    op_tags: Annotated[
        Mapping[str, Any],
        _about(
            "Tags that each step gets in addition, for executors that read them.",
            {"dagster-k8s/config": {"container_config": {"resources": {"limits": {"memory": "2Gi"}}}}},
        ),
    ] = {}
    automation_condition: Annotated[
        dg.AutomationCondition[Any] | None,
        dg.Resolver.default(
            model_field_type=_TEMPLATE,
            description="When tables, marts and reports are computed, instead of when their input rows change.",
            examples=["{{ dg.AutomationCondition.eager() }}"],
        ),
    ] = None
    freshness_policy: Annotated[
        dg.FreshnessPolicy | None,
        dg.Resolver.default(
            model_field_type=_TEMPLATE,
            description="When assets are late, instead of by noon.",
            # With spaces, at which the docs tab breaks the line.
            examples=["{{ dg.FreshnessPolicy.time_window( fail_window=datetime.timedelta(hours=36) ) }}"],
        ),
    ] = None
    translation: Annotated[TranslationFn[SonnysAsset] | None, _translation()] = None

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """What lists of components show."""
        return dg.ComponentTypeSpec(
            description=(cls.__doc__ or "").strip(),
            tags=["sonnys", "ingestion", "parquet", "duckdb"],
            owners=["team:sonnys-pipeline"],
            produces=["asset", "asset_check", "schedule", "sensor", "job", "resource"],
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """As `build_defs` makes them of the same settings. Raises SettingsError."""
        from sonnys_pipeline.orchestration.build import build_defs  # noqa: PLC0415 - a second and a half

        account = self._account()
        return build_defs(
            settings=self._settings(context.project_root),
            account=account,
            embedded=True,
            describe=partial(self._described, replace(account, translate_key=None)),
        )

    def get_asset_spec(self, spec: dg.AssetSpec, data: SonnysAsset) -> dg.AssetSpec:
        """The specification of an asset as the catalog shows it; a subclass may override this, as of Dagster's own.

        Args:
            spec: what the other attributes make of it. For jobs and checks, which only need the key, nothing else is
                known yet: another key must follow from the given one and from `data`.
            data: the account, and the asset's own name.
        """
        return self.translation(spec, data) if self.translation else spec

    def _account(self) -> "Account":
        from sonnys_pipeline.orchestration.account import Account  # noqa: PLC0415 - likewise

        prefix = [self.key_prefix] if isinstance(self.key_prefix, str) else self.key_prefix
        return Account(
            name=self.account,
            prefix=self.name_prefix,
            owns_resources=True,
            key_prefix=None if prefix is None else tuple(prefix),
            group_name=self.group_name,
            translate_key=cache(self._key),  # once for each asset: columns name the assets that they come from
            choice=Choice(
                None if self.resources is None else frozenset(self.resources),
                None if self.marts is None else frozenset(self.marts),
            ),
            op_tags=self.op_tags,
        )

    def _settings(self, root: Path) -> GivenSettings:
        from sonnys_pipeline.lake.storage.folder import is_url  # noqa: PLC0415 - likewise

        # The names of the other fields are those of settings, so that nothing can be said twice.
        return GivenSettings.of(
            self.account,
            **{
                **self.settings,
                "api_id": self.api_id,
                "api_key": self.api_key,
                "timezone": self.timezone,
                "start_date": self.start_date,
                "data_url": self.data_url if is_url(self.data_url) else str(root / self.data_url),
                "state_dir": root / self.state_dir,
            },
        )

    def _key(self, key: dg.AssetKey) -> dg.AssetKey:
        return self._translate(dg.AssetSpec(key)).key

    def _translate(self, spec: dg.AssetSpec) -> dg.AssetSpec:
        return self.get_asset_spec(spec, SonnysAsset(self.account, spec.key.path[-1]))

    def _described(self, usual: "Account", spec: dg.AssetSpec) -> dg.AssetSpec:
        """A finished specification with what this component says of it; `usual` names assets untranslated."""
        changed = spec.replace_attributes(
            key=usual.key(spec.key.path[-1]),
            owners=... if self.owners is None else list(self.owners),
            automation_condition=(spec.automation_condition and self.automation_condition) or ...,
            freshness_policy=(spec.freshness_policy and self.freshness_policy) or ...,
        ).merge_attributes(tags=dict(self.tags), kinds=set(self.kinds))
        translated = self._translate(changed)
        if translated.key != spec.key:
            raise SettingsError(
                f"translation: the key of {spec.key.to_user_string()} depends on more than its usual key, `account` "
                "and `name`; jobs and checks need it before the rest of the specification is known"
            )
        return translated
