"""Whose assets these are: the one account of a pipeline, or one of several that share a code location."""

from dataclasses import dataclass

import dagster as dg

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.accounts import ALL_ACCOUNTS
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource


@dataclass(frozen=True)
class Account:
    """One account; without a name, the only one, whose assets stand at the root.

    Attributes:
        name: as `SONNYS_ACCOUNTS` has it; `None` where that is not set.
    """

    name: str | None = None

    def key(self, asset: str) -> dg.AssetKey:
        """The key of an asset: `north/transactions`, or `transactions`."""
        return dg.AssetKey([self.name, asset] if self.name else [asset])

    def group(self, usual: str) -> str:
        """The group of an asset: one for all of an account, else the usual one."""
        return self.name or usual

    def named(self, usual: str) -> str:
        """The name of a job, a schedule, a sensor or a step: `north_watch`, or `watch`."""
        return f"{self.name}_{usual}" if self.name else usual

    @property
    def of(self) -> str:
        """For descriptions: ` Account north.`, or nothing."""
        return f" Account {self.name}." if self.name else ""

    def workspace(self, lake: LakeResource, sonnys: SonnysResource | None = None) -> Workspace:
        """What its assets, checks and sensors ask; `sonnys` where the API or the ledger is among it.

        Raises:
            SettingsError: naming what cannot be used.
        """
        place = lake.place(self.name)
        name = None if self.name == ALL_ACCOUNTS else self.name
        return Workspace(sonnys.settings(name, place) if sonnys else Settings.load(name, data_url=place))


#: The account of a pipeline that has one.
ONLY = Account()


def account_of(key: dg.AssetKey, accounts: tuple[str, ...]) -> Account:
    """Whose an asset is, by the prefix of its key; one of another prefix, or of none, stands at the lake's root."""
    prefix = key.path[0] if len(key.path) > 1 else None
    return Account(prefix if prefix in accounts else None)
