"""Invariants of landed days; numbers computed from a day that violates one are wrong."""

from collections import Counter
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.transactions import promised_rows
from sonnys_pipeline.quality.rules import duplicate_ids, outside_the_day
from sonnys_pipeline.runtime.text import first_few

#: Ids named per problem.
NAMED_IDS = 20


def incomplete_or_repeated(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    """By day, problems: missing rows of those promised, and duplicate ids. `LakeError` if a file cannot be read."""
    return lake.consistently(lambda: _incomplete_or_repeated(lake, days))


def _incomplete_or_repeated(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    rows = {day: lake.rows("transactions", day) for day in days}
    found: dict[str, list[str]] = {day: [] for day in days}
    for day, count in rows.items():
        promised = promised_rows(lake.metadata("transactions", day))
        if count != promised:
            found[day].append(f"{count} rows, but the API promised {promised} ({count - promised:+d})")
    try:
        unique = duplicate_ids(lake.files("transactions", days)).passed
    except duckdb.Error as error:
        raise LakeError(f"landed transactions cannot be read ({error}); restore or materialize them") from error
    if not unique:  # only then load all ids, to name them and their days
        for day, problems in _repeated(lake, days).items():
            found[day] += problems
    return found


def outside(lake: Lake, days: Sequence[str], timezone: str) -> dict[str, list[str]]:
    """By day, problems: rows completed on another day, or a day of another zone.

    Raises LakeError if a file is missing or cannot be read.
    """
    found = {}
    for key in days:
        lake.rows("transactions", key)  # its error names the file
        day, zone = Day.of(key, timezone), lake.metadata("transactions", key).get("timezone", timezone)
        if zone != timezone:
            found[key] = [f"it begins at midnight in {zone}, not in {timezone}: see sonnys replay --rezone"]
            continue
        found[key] = list(outside_the_day(completions(lake, key), day.start, day.end).problems)
    return found


def completions(lake: Lake, key: str) -> pa.Table:
    """When the rows of a landed day were completed, for `outside_the_day`. Raises LakeError if it cannot be read."""
    return lake.read("transactions", [key], ["id", "complete_date"])


def violations(lake: Lake, days: Sequence[str], timezone: str) -> dict[str, list[str]]:
    """All problems by day; days without problems are left out. `LakeError` if a file cannot be read."""
    first, second = incomplete_or_repeated(lake, days), outside(lake, days, timezone)
    return {day: problems for day in days if (problems := first[day] + second[day])}


def _repeated(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    ids_by_day = {day: lake.read("transactions", [day], ["id"])["id"].to_pylist() for day in days}
    days_of_id = Counter(row_id for ids in ids_by_day.values() for row_id in set(ids))
    for day, ids in ids_by_day.items():
        problems = found.setdefault(day, [])
        repeated = [row_id for row_id, count in Counter(ids).items() if count > 1]
        if repeated:
            problems.append(f"more than once: {_named(repeated)}")
        elsewhere = [row_id for row_id in set(ids) if days_of_id[row_id] > 1]
        if elsewhere:
            problems.append(f"on another day, too: {_named(elsewhere)}")
    return found


def _named(ids: list[str]) -> str:
    return f"{len(ids)} ids: {first_few(sorted(ids), NAMED_IDS)}"
