"""Landed days of `transactions`: their sites and row counts."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow.compute as pc

from sonnys_pipeline.client.site_codes import fold, is_in
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError

ASSET = "transactions"
#: Metadata of a day of which a site was read again alone: when its other rows were read at the latest.
WHOLE_READ_AT = "whole_read_at"


def sites_in(metadata: Mapping[str, str]) -> frozenset[str] | None:
    """Codes of the sites in a file, from its metadata; None for all sites."""
    sites = json.loads(metadata.get("sites", "null"))
    return None if sites is None else frozenset(sites)


def landed_sites(lake: Lake, day: str) -> frozenset[str] | None:
    """Codes of the sites landed for a day; None for all sites. Raises NotLandedError, or LakeError if unreadable."""
    return sites_in(lake.metadata(ASSET, day))


def is_landed(lake: Lake, day: str, site: str | None) -> bool:
    """Whether a day (of one site, or of all) is landed in a readable file. Raises UnreachableLakeError."""
    try:
        sites = landed_sites(lake, day)
    except UnreachableLakeError:
        raise
    except LakeError:
        return False
    return sites is None or (site is not None and is_in(site, sites))


class LandedRows:
    """Row counts of landed days and sites; caches each file as it was when first read."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._landed: dict[str, frozenset[str] | LakeError | None] = {}
        self._by_site: dict[str, dict[str, int]] = {}

    def of(self, day: str, site: str | None) -> int | None:
        """Rows of a day (of one site, or of all); None if not landed or not readable."""
        if day not in self._landed:
            try:
                self._landed[day] = landed_sites(self._lake, day)
            except UnreachableLakeError:
                raise
            except LakeError as error:
                self._landed[day] = error
        sites = self._landed[day]
        if isinstance(sites, LakeError) or not (sites is None or (site is not None and is_in(site, sites))):
            return None
        if site is None:
            return self._lake.rows(ASSET, day)
        if day not in self._by_site:
            codes = self._lake.read(ASSET, [day], ["location_code"])["location_code"]
            folded = pc.utf8_lower(codes)
            self._by_site[day] = {one["values"]: one["counts"] for one in pc.value_counts(folded).to_pylist()}
        return self._by_site[day].get(fold(site), 0)


def promised_rows(metadata: Mapping[str, str]) -> int:
    """Rows that a file must have by the API's totals, minus those replaced since. Raises LakeError without totals."""
    if "windows" not in metadata:
        raise LakeError(f"a file of {ASSET} has no totals in its metadata; load its day again")
    windows = json.loads(metadata["windows"])
    return sum(int(window["total"]) - int(window["cut_off"]) for window in windows) - int(
        metadata.get("superseded", "0")
    )
