"""The account of assets: the only one of a pipeline, or one of several in a code location."""

from dataclasses import dataclass

import dagster as dg

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.accounts import ALL_ACCOUNTS
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource


@dataclass(frozen=True)
class Account:
    """One account; `name` as in `SONNYS_ACCOUNTS`, or `None` for the only one, whose assets have no prefix."""

    name: str | None = None

    def key(self, asset: str) -> dg.AssetKey:
        """The key of an asset: `north/transactions`, or `transactions`."""
        return dg.AssetKey([self.name, asset] if self.name else [asset])

    def group(self, usual: str) -> str:
        """The group of an asset: one per named account, else the usual one."""
        return self.name or usual

    def named(self, usual: str) -> str:
        """The name of a job, schedule, sensor or step: `north_watch`, or `watch`."""
        return f"{self.name}_{usual}" if self.name else usual

    @property
    def of(self) -> str:
        """For descriptions: ` Account north.`, or an empty string."""
        return f" Account {self.name}." if self.name else ""

    def workspace(self, lake: LakeResource, sonnys: SonnysResource | None = None) -> Workspace:
        """The workspace of its assets, checks and sensors; `sonnys` is needed for the API or the ledger."""
        place = lake.place(self.name)
        name = None if self.name == ALL_ACCOUNTS else self.name
        return Workspace(sonnys.settings(name, place) if sonnys else Settings.load(name, data_url=place))


ONLY = Account()


def account_of(key: dg.AssetKey, accounts: tuple[str, ...]) -> Account:
    """The account in the prefix of an asset's key; another prefix, or none, means the root of the lake."""
    prefix = key.path[0] if len(key.path) > 1 else None
    return Account(prefix if prefix in accounts else None)
