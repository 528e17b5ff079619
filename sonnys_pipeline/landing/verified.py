"""When each landed day was last compared with the API, by which look, and with which result (KT-01).

Landing a day proves it complete by a full read, so the time when its file was read counts as one. Later looks do not
rewrite the day's file: they are kept beside it, `{root}/transaction_verifications/part-0.parquet`, the newest line of
each day and look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from enum import StrEnum

import pyarrow as pa

from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import NotLandedError
from sonnys_pipeline.lake.transactions import ASSET, WHOLE_READ_AT

#: Name of the file's folder.
VERIFICATIONS = "transaction_verifications"
#: `timezone`: zone of the daily partitions at that time; lines of another zone are about other days.
SCHEMA = pa.schema(
    [
        pa.field("day", pa.date32(), nullable=False),
        pa.field("look", pa.string(), nullable=False),
        pa.field("verified_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("result", pa.string(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
        pa.field("timezone", pa.string(), nullable=False),
    ]
)


class Result(StrEnum):
    """What a look found."""

    SAME = "same"
    REPAIRED = "repaired"
    """It differed, and was read again."""
    DIFFERENT = "different"
    """It differs, and was not read again."""
    DISAGREES = "disagrees"
    """It was read again twice, and the API's lists still differ from what its load jobs give."""

    @property
    def is_good(self) -> bool:
        """Whether the landed day is what the API's load jobs give."""
        return self is not Result.DIFFERENT


@dataclass(frozen=True)
class Verification:
    """One look at one day (`YYYY-MM-DD`); `verified_at` is aware UTC, `note` says what differed."""

    day: str
    look: Look
    verified_at: datetime
    result: Result = Result.SAME
    note: str = ""


class Verifications:
    """The looks at landed days, the newest of each kind."""

    def __init__(self, lines: Mapping[tuple[str, Look], Verification]) -> None:
        self._lines = dict(lines)

    @classmethod
    def of(cls, lake: Lake, timezone: str, loaded_at: Mapping[str, datetime]) -> Verifications:
        """The kept looks, and each day's landing as a full one. Raises LakeError if they cannot be read."""
        lines = _read(lake, timezone)
        for day, moment in loaded_at.items():
            kept = lines.get((day, Look.FULL))
            if kept is None or kept.verified_at < moment:
                lines[(day, Look.FULL)] = Verification(day, Look.FULL, moment)
        return cls(lines)

    def last(self, day: str, looks: Sequence[Look] = tuple(Look)) -> Verification | None:
        """The newest of these looks at a day, whatever it found."""
        found = [line for look in looks if (line := self._lines.get((day, look))) is not None]
        return max(found, key=lambda line: line.verified_at, default=None)

    def complete_as_of(self, day: str) -> Verification | None:
        """The newest good look; None while a difference is neither repaired nor gone, or if the day is unknown."""
        return None if self.open_difference(day) else self.last(day)

    def open_difference(self, day: str) -> Look | None:
        """The most thorough look that found a difference which is neither repaired nor gone."""
        lines = (self._lines.get((day, look)) for look in Look)
        return next((line.look for line in lines if line is not None and self._is_open(line)), None)

    def _is_open(self, line: Verification) -> bool:
        """Whether a look found a difference, and no later one as thorough saw it gone."""
        if line.result.is_good:
            return False
        later = self.last(line.day, line.look.satisfied_by)
        return later is None or later.verified_at <= line.verified_at or not later.result.is_good


def read_times(files: Mapping[str, Mapping[str, str]]) -> dict[str, datetime]:
    """When all rows of landed days were last read, by their files' metadata, as far as they say.

    A site that was read again alone does not count: the day's other rows are older.
    """
    times = {day: kept.get(WHOLE_READ_AT, kept.get("loaded_at")) for day, kept in files.items()}
    return {day: datetime.fromisoformat(moment) for day, moment in times.items() if moment is not None}


def verifications(lake: Lake, timezone: str, days: Sequence[str]) -> Verifications:
    """The looks at landed days. Raises LakeError if a file cannot be read."""
    metadata = lake.storage.each(lambda day: lake.metadata(ASSET, day), days)
    return Verifications.of(lake, timezone, read_times(dict(zip(days, metadata, strict=True))))


def record(lake: Lake, timezone: str, looks: Iterable[Verification]) -> None:
    """Keep looks; each replaces the one before of its day and kind. Raises UnwritableLakeError."""
    with lake.writing(VERIFICATIONS):
        lines = _read(lake, timezone)
        lines |= {(one.day, one.look): one for one in looks}
        rows = [
            {**asdict(line), "day": date.fromisoformat(line.day), "timezone": timezone}
            for _, line in sorted(lines.items())
        ]
        lake.land(VERIFICATIONS, pa.Table.from_pylist(rows, SCHEMA))


def _read(lake: Lake, timezone: str) -> dict[tuple[str, Look], Verification]:
    try:
        rows = lake.read(VERIFICATIONS).to_pylist()
    except NotLandedError:
        return {}
    lines = [
        Verification(
            row["day"].isoformat(), Look(row["look"]), row["verified_at"], Result(row["result"]), row["note"]
        )
        for row in rows
        if row["timezone"] == timezone
    ]  # fmt: skip
    return {(line.day, line.look): line for line in lines}
