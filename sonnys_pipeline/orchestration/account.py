"""The account of assets: the only one of a pipeline, or one of several in a code location."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.accounts import ALL_ACCOUNTS
from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.orchestration.components.choice import EVERYTHING, Choice
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource

#: Usual names of the resources.
RESOURCES = ("sonnys", "lake", "lake_io")


@dataclass(frozen=True)
class Account:
    """One account and what its definitions are called.

    Attributes:
        name: as in `SONNYS_ACCOUNTS`, or `None` for the only one, whose assets have no prefix.
        prefix: begins the names of jobs, schedules, sensors and resources, so that they clash with nobody else's.
        owns_resources: whether its resources are called after it, too, as where several accounts have their own.
        key_prefix: begins the keys of its assets; by default the name.
        group_name: the group of all its assets; by default the name, or several groups for the only account.
        translate_key: the last word on the key of an asset; the last part of a key has to stay.
        choice: which of its assets are defined.
        op_tags: what each of its steps is tagged with in addition, for executors that read tags.
    """

    name: str | None = None
    prefix: str = ""
    owns_resources: bool = False
    key_prefix: tuple[str, ...] | None = None
    group_name: str | None = None
    translate_key: Callable[[dg.AssetKey], dg.AssetKey] | None = None
    choice: Choice = EVERYTHING
    op_tags: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def key(self, asset: str) -> dg.AssetKey:
        """The key of an asset: `north/transactions`, or `transactions`. Raises SettingsError for a translated name."""
        usual = (self.name,) if self.name else ()
        key = dg.AssetKey([*(usual if self.key_prefix is None else self.key_prefix), asset])
        if self.translate_key is None:
            return key
        translated = self.translate_key(key)
        if translated.path[-1] != asset:
            raise SettingsError(
                f"translation: {key.to_user_string()} became {translated.to_user_string()}; the last part of a key "
                "names the files, so only what stands before it can be changed"
            )
        return translated

    def group(self, usual: str) -> str:
        """The group of an asset: one per named account, else the usual one."""
        return self.group_name or self.name or usual

    def named(self, usual: str) -> str:
        """The name of a job, schedule, sensor or step: `north_watch`, or `watch`."""
        return "_".join(filter(None, (self.prefix, self.name, usual)))

    @property
    def resource_names(self) -> Mapping[str, str]:
        """Usual name → name here, of each resource whose name is another one here."""
        before = "_".join(filter(None, (self.prefix, self.name if self.owns_resources else None)))
        return {usual: f"{before}_{usual}" for usual in RESOURCES} if before else {}

    @property
    def of(self) -> str:
        """For descriptions: ` Account north.`, or an empty string."""
        return f" Account {self.name}." if self.name else ""

    def workspace(self, lake: LakeResource, sonnys: SonnysResource | None = None) -> Workspace:
        """The workspace of its assets, checks and sensors; `sonnys` is needed for the API or the ledger."""
        if sonnys is None:
            return Workspace(lake.settings(self.name))
        name = None if self.name == ALL_ACCOUNTS else self.name
        return Workspace(sonnys.settings(name, lake.place(self.name)))


ONLY = Account()


def account_of(key: dg.AssetKey, accounts: tuple[str, ...]) -> Account:
    """The account in the prefix of an asset's key; another prefix, or none, means the root of the lake."""
    prefix = key.path[0] if len(key.path) > 1 else None
    return Account(prefix if prefix in accounts else None)
