"""Which lists, tables and marts of an account are defined: all, or those that are named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import dagster as dg

from sonnys_pipeline.config.settings import SettingsError

_ROWS = "transactions"
#: What every account lands.
_ALWAYS_LANDED = frozenset({_ROWS, "transaction_states", "transaction_changes", "sites"})


@dataclass(frozen=True)
class Choice:
    """Names of assets to define beside `transactions` and `sites`; `None` means all.

    Attributes:
        resources: lists of the API, such as `items` and `customers`.
        marts: what is computed: flat tables, marts and the report.
    """

    resources: frozenset[str] | None = None
    marts: frozenset[str] | None = None

    def of_resources(self, assets: Iterable[Sequence[dg.AssetsDefinition]]) -> list[list[dg.AssetsDefinition]]:
        """The chosen lists, by kind as given.

        Raises SettingsError for an unknown name, and for a list without one that it reads.
        """
        kinds = list(assets)
        found = [asset for kind in kinds for asset in kind]
        kept = _named(found, self.resources, "resources")
        for asset in kept:
            _refuse(asset, _reads(asset) & (_keys(found) - _keys(kept)), "resources")
        return [[asset for asset in kind if asset in kept] for kind in kinds]

    def of_marts(
        self, assets: Iterable[dg.AssetsDefinition], left_out: frozenset[dg.AssetKey]
    ) -> list[dg.AssetsDefinition]:
        """The chosen tables and marts; without a choice those that can do without what is `left_out`.

        A mart that reads `transactions` can do without a list, and without a mart made of lists: figures that would
        come from there are null, with a reason. Others cannot.

        Raises SettingsError for an unknown name, and for a mart without one that it needs.
        """
        found = list(assets)
        from_days = frozenset(one.key for one in found if {key.path[-1] for key in _reads(one)} <= _ALWAYS_LANDED)
        missing = left_out
        while more := {one.key for one in found if one.key not in missing and _needs(one, missing, from_days)}:
            missing |= more
        if self.marts is None:
            return [one for one in found if one.key not in missing]
        kept = _named(found, self.marts, "marts")
        gone = left_out | (_keys(found) - _keys(kept))
        for one in kept:
            _refuse(one, _needs(one, gone, from_days), "marts or resources")
        return kept


EVERYTHING = Choice()


def left_out(
    found: Iterable[Sequence[dg.AssetsDefinition]], kept: Iterable[Sequence[dg.AssetsDefinition]]
) -> frozenset[dg.AssetKey]:
    """Keys of lists that were not chosen."""
    return _keys(chain(*found)) - _keys(chain(*kept))


def checks_of(
    checks: Iterable[dg.AssetChecksDefinition], assets: Iterable[dg.AssetsDefinition]
) -> list[dg.AssetChecksDefinition]:
    """The checks of these assets."""
    keys = _keys(assets)
    return [one for one in checks if all(key.asset_key in keys for key in one.check_keys)]


def _keys(assets: Iterable[dg.AssetsDefinition]) -> frozenset[dg.AssetKey]:
    return frozenset(asset.key for asset in assets)


def _reads(asset: dg.AssetsDefinition) -> set[dg.AssetKey]:
    return {dep.asset_key for spec in asset.specs for dep in spec.deps}


def _named(
    assets: Sequence[dg.AssetsDefinition], names: frozenset[str] | None, field: str
) -> list[dg.AssetsDefinition]:
    if names is None:
        return list(assets)
    by_name = {asset.key.path[-1]: asset for asset in assets}
    if unknown := sorted(names - by_name.keys()):
        raise SettingsError(f"{field}: unknown {', '.join(unknown)}; choose from {', '.join(sorted(by_name))}")
    return [asset for name, asset in by_name.items() if name in names]


def _needs(
    asset: dg.AssetsDefinition, gone: frozenset[dg.AssetKey], from_days: frozenset[dg.AssetKey]
) -> set[dg.AssetKey]:
    """What is gone of what it cannot do without."""
    read = _reads(asset) & gone
    return read & from_days if any(key.path[-1] == _ROWS for key in _reads(asset)) else read


def _refuse(asset: dg.AssetsDefinition, lacking: Iterable[dg.AssetKey], field: str) -> None:
    if names := ", ".join(sorted(key.path[-1] for key in lacking)):
        raise SettingsError(f"{asset.key.path[-1]} reads {names}: add {names} to {field}")
