"""What landed rows say of sites (`merge.Evidence`)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from datetime import date, datetime, timedelta
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import ASSET

#: Landed days in which terminals are compared.
_DAYS = 35


class LandedEvidence:
    """Reads the lake only when it is asked, and each day once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def first_row(self, names: Collection[str], before: date) -> datetime | None:
        """As in `Evidence`; reads all days before. Raises LakeError."""
        # The partition of `before` holds rows of the day before where zones differ.
        for key in [day for day in self._days if day <= before.isoformat()]:
            rows = self._lake.read(ASSET, [key], ["location_code", "complete_date"])
            if (own := rows.filter(_is_of(rows["location_code"], names))).num_rows:
                first: datetime = pc.min(own["complete_date"]).as_py()
                return first
        return None

    def unread_since(self, names: Collection[str], today: date) -> date:
        """As in `Evidence`. Raises LakeError."""
        for key in reversed([day for day in self._days if day < today.isoformat()][-_DAYS:]):
            windows = json.loads(self._lake.metadata(ASSET, key).get("windows", "[]"))
            if any(one.get("site") is None or fold(one["site"]) in names for one in windows):
                return date.fromisoformat(key) + timedelta(days=1)
        return today

    def is_one_site(self, old: Collection[str], new: Collection[str]) -> bool:
        """As in `Evidence`: ids end in the number of the terminal (contract, L16). Raises LakeError."""
        before, after = ({one for name in names for one in self._terminals[name]} for names in (old, new))
        common = before & after
        others = {one for name, found in self._terminals.items() if name not in {*old, *new} for one in found}
        return bool(common) and common.isdisjoint(others)

    @cached_property
    def _days(self) -> list[str]:
        return self._lake.partitions(ASSET)

    @cached_property
    def _terminals(self) -> dict[str, set[str]]:
        """Terminals by folded code, in the last landed days."""
        found: dict[str, set[str]] = defaultdict(set)
        for key in self._days[-_DAYS:]:
            rows = self._lake.read(ASSET, [key], ["id", "location_code"])
            terminals = pc.replace_substring_regex(rows["id"], r"^[^:]*:?", "")
            pairs = pa.table({"code": rows["location_code"], "terminal": terminals}).group_by(["code", "terminal"])
            for row in pairs.aggregate([]).to_pylist():
                found[fold(row["code"])].add(row["terminal"])
        return found


def _is_of(codes: pa.ChunkedArray, names: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(codes)), pa.array(sorted(names), pa.string()))
