"""What is landed of `transactions`: which days, whose rows, and how many."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pyarrow.compute as pc

from sonnys_pipeline.client.site_codes import fold, is_in
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError

ASSET = "transactions"


def sites_in(metadata: Mapping[str, str]) -> frozenset[str] | None:
    """Codes of the sites whose rows a file has, by what it says of itself; `None` for all of them."""
    sites = json.loads(metadata.get("sites", "null"))
    return None if sites is None else frozenset(sites)


def landed_sites(lake: Lake, day: str) -> frozenset[str] | None:
    """Codes of the sites whose rows of a day are landed; `None` when all of them are, by one read of all sites.

    Raises:
        NotLandedError: when nothing of the day is.
        LakeError: when its file cannot be read.
    """
    return sites_in(lake.metadata(ASSET, day))


def is_landed(lake: Lake, day: str, site: str | None) -> bool:
    """Whether a day (of one site, or of all) is landed in a file that can be read.

    Raises:
        UnreachableLakeError: when the store does not say.
    """
    try:
        sites = landed_sites(lake, day)
    except UnreachableLakeError:
        raise
    except LakeError:
        return False
    return sites is None or (site is not None and is_in(site, sites))


class LandedRows:
    """How many transactions of days and sites are landed; a file is read once, however many of its sites are asked for.

    It shows each file as it was when it was first asked for.
    """

    def __init__(self, lake: Lake) -> None:
        """Look into this lake; nothing is read yet."""
        self._lake = lake
        self._landed: dict[str, frozenset[str] | LakeError | None] = {}
        self._by_site: dict[str, dict[str, int]] = {}

    def of(self, day: str, site: str | None) -> int | None:
        """Those of a day (of one site, or of all); `None` where they are not landed, or not readable."""
        if day not in self._landed:
            try:
                self._landed[day] = landed_sites(self._lake, day)
            except UnreachableLakeError:  # nobody knows whether it is landed
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
    """Rows that a file has to have, by the API's own totals: what reads promised, without what later ones replaced.

    Raises:
        LakeError: when the file does not say how it was made; it is not one of ours.
    """
    if "windows" not in metadata:
        raise LakeError(f"a file of {ASSET} does not say how it was made: load its day again")
    windows = json.loads(metadata["windows"])
    return sum(int(window["total"]) - int(window["cut_off"]) for window in windows) - int(
        metadata.get("superseded", "0")
    )
