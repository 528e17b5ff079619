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
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.lake.transactions import ASSET

#: Landed days in which terminals are compared.
_DAYS = 35


class LandedEvidence:
    """Reads the lake only when it is asked, and each day once."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._firsts: dict[str, dict[str, datetime]] = {}

    def first_row(self, names: Collection[str], before: date) -> datetime | None:
        """As in `Evidence`; reads all days before. Raises LakeError."""
        # The partition of `before` holds rows of the day before where zones differ.
        for key in [day for day in self._days if day <= before.isoformat()]:
            if found := [first for name, first in self._first_of(key).items() if name in names]:
                return min(found)
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

    def _first_of(self, day: str) -> dict[str, datetime]:
        """Instant of the first row of each folded code in a day; read once for all sites."""
        if day not in self._firsts:
            rows = self._read(day, ["location_code", "complete_date"])
            firsts = rows.group_by("location_code").aggregate([("complete_date", "min")]).sort_by("complete_date_min")
            self._firsts[day] = {
                fold(row["location_code"]): row["complete_date_min"] for row in reversed(firsts.to_pylist())
            }
        return self._firsts[day]

    def _read(self, day: str, columns: list[str]) -> pa.Table:
        """Rows of a landed day; none if its file is damaged: another check tells."""
        try:
            return self._lake.read(ASSET, [day], columns)
        except UnreachableLakeError:
            raise
        except LakeError:
            return TRANSACTIONS.empty_table().select(columns)

    @cached_property
    def _days(self) -> list[str]:
        return self._lake.partitions(ASSET)

    @cached_property
    def _terminals(self) -> dict[str, set[str]]:
        """Terminals by folded code, in the last landed days."""
        found: dict[str, set[str]] = defaultdict(set)
        for key in self._days[-_DAYS:]:
            rows = self._read(key, ["id", "location_code"])
            terminals = pc.replace_substring_regex(rows["id"], r"^[^:]*:?", "")
            pairs = pa.table({"code": rows["location_code"], "terminal": terminals}).group_by(["code", "terminal"])
            for row in pairs.aggregate([]).to_pylist():
                found[fold(row["code"])].add(row["terminal"])
        return found
