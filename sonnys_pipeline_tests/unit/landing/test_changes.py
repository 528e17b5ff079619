"""KT-02: what a read of a landed day found changed is recorded once, and only that."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonnys_pipeline.extract.pages.assemble import CountProof
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.changes import CHANGES, TRANSACTION_CHANGES, landed_changes
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.lake.storage.folder import FolderStorage, LakePath
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.replay import replay
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline_tests.conftest import ROW
from sonnys_pipeline_tests.support.archived_days import FIRST_READ, KEY, read_day

SOURCE = Source("0123456789abcdef")
KEEP, DROP = Privacy(), Privacy(Policy.DROP)
HASH = Privacy(Policy.HASH, b"k" * 16)
DAY = date.fromisoformat(KEY)

Row = dict[str, Any]
MakeRow = Callable[..., Row]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


@pytest.fixture
def rows(make_row: MakeRow) -> list[Row]:
    return [make_row(number, locationCode="MAIN" if number % 2 else "EAST") for number in range(4)]


def land(lake: Lake, rows: list[Row], number: int = 0, privacy: Privacy = KEEP, **more: Any) -> None:
    known = {name: more.pop(name) for name in ("site", "keeps_pages") if name in more}
    loaded = read_day(rows, number=number, privacy=privacy, **known)
    land_day(lake, replace(loaded, **more), source=SOURCE, privacy=privacy)


def told(lake: Lake, *columns: str) -> list[tuple[Any, ...]]:
    chosen = columns or ("transaction_id", "change", "field", "old", "new")
    return [tuple(row[name] for name in chosen) for row in landed_changes(lake).to_pylist()]


def test_each_change_is_told_with_both_values(lake: Lake, rows: list[Row]) -> None:
    """Added, removed, and each field that differs, by id and day; when it was seen, and how long after its day."""
    land(lake, rows)
    gone, edited, kept, dearer = rows
    edited = {**edited, "customerName": "Ada", "transactionStatus": "Voided"}
    dearer = {**dearer, "total": dearer["total"] + 1, "completeDate": "2026-03-10T09:00:00.000Z"}
    new = {**gone, "id": "new:1", "locationCode": "MAIN", "total": 7.5}
    land(lake, [edited, kept, dearer, new], number=1, found_by="full")
    before = str(float(gone["total"]))
    assert set(told(lake)) == {
        (gone["id"], "removed", "total", before, None),
        (edited["id"], "edited", "customer_name", gone["customerName"], "Ada"),
        (edited["id"], "edited", "transaction_status", gone.get("transactionStatus"), "Voided"),
        (dearer["id"], "edited", "total", before, str(dearer["total"])),
        (
            dearer["id"],
            "edited",
            "complete_date",
            datetime.fromisoformat(gone["completeDate"]).isoformat(),
            "2026-03-10T09:00:00+00:00",
        ),
        ("new:1", "added", "total", None, "7.5"),
    }
    seen = FIRST_READ + timedelta(hours=1)
    hours = (seen - FIRST_READ.replace(year=2026, month=3, day=11, hour=0)).total_seconds() / 3600
    assert set(told(lake, "day", "found_by", "first_seen", "previous_read_at", "hours_after_day")) == {
        (DAY, "full", seen, FIRST_READ, hours)
    }
    assert landed_changes(lake).schema.equals(TRANSACTION_CHANGES)
    assert lake.partitions(CHANGES) == [seen.date().isoformat()]


def test_a_first_landing_and_an_equal_read_tell_nothing(lake: Lake, rows: list[Row]) -> None:
    """Nor does a site that was not landed before."""
    east, main = rows[::2], rows[1::2]
    land(lake, east, site="EAST")
    land(lake, main, number=1, site="MAIN")
    land(lake, rows, number=2)
    land(lake, rows, number=3)
    assert told(lake) == []
    land(lake, [{**east[0], "total": 99}, east[1]], number=4, site="EAST")
    assert told(lake, "transaction_id", "site", "field") == [(east[0]["id"], "EAST", "total")]


def test_changes_are_added_to_those_of_the_same_date(lake: Lake, rows: list[Row]) -> None:
    """There and back are two changes; another date has a file of its own."""
    other = [{**rows[0], "total": 99}, *rows[1:]]
    for number, read in enumerate([rows, other, rows]):
        land(lake, read, number=number)
    assert told(lake, "new") == [("99.0",), (str(float(rows[0]["total"])),)]
    land(lake, other, number=30)
    assert len(lake.partitions(CHANGES)) == 2
    assert len(told(lake)) == 3
    assert landed_changes(lake, since=lake.partitions(CHANGES)[1]).num_rows == 1


@pytest.mark.parametrize("privacy", [HASH, DROP], ids=lambda privacy: privacy.policy)
def test_personal_data_is_under_the_policy_of_its_row(lake: Lake, rows: list[Row], privacy: Privacy) -> None:
    """Hashed or dropped values never come back, and a stricter policy reaches what was recorded before."""
    changed = [{**rows[0], "customerName": "Ada Lovelace", "tenders": [
        {**rows[0]["tenders"][0], "referenceNumber": "REF-0815", "amount": 99.0}
    ]}, *rows[1:]]  # fmt: skip
    land(lake, rows)
    land(lake, changed, number=1)
    assert b"Ada Lovelace" in lake.path(CHANGES, lake.partitions(CHANGES)[0]).read_bytes()
    assert "REF-0815" not in json.dumps(told(lake))
    list(replay(lake, [KEY], privacy))
    values = json.dumps(told(lake))
    assert "Ada Lovelace" not in values
    assert ("h:" in values) is (privacy is HASH)
    recorded = told(lake)
    land(lake, changed, number=2, privacy=privacy)  # under the same policy, nothing has changed
    assert told(lake) == recorded


def test_another_policy_or_other_columns_are_no_change(lake: Lake, rows: list[Row]) -> None:
    """An edit that comes with them is still told."""
    land(lake, rows)
    land(lake, [{**rows[0], "total": 99}, *rows[1:]], number=1, privacy=DROP)
    assert told(lake, "transaction_id", "field") == [(rows[0]["id"], "total")]
    table, metadata = lake.read(ASSET, [KEY]).drop_columns(["date", "employee_greeter"]), lake.metadata(ASSET, KEY)
    lake.land(ASSET, table, partition=KEY, metadata=metadata)
    land(lake, rows, number=2, privacy=DROP)
    assert told(lake, "transaction_id", "field") == [(rows[0]["id"], "total")] * 2


def test_a_replay_tells_nothing(lake: Lake, rows: list[Row]) -> None:
    """The rows are those of the read, whatever the code makes of them."""
    land(lake, rows)
    lake.land(ASSET, lake.read(ASSET, [KEY]).slice(1), partition=KEY, metadata=lake.metadata(ASSET, KEY))
    assert [one.outcome for one in replay(lake, [KEY], KEEP)] == ["landed"]
    assert lake.rows(ASSET, KEY) == 4
    assert told(lake) == []


@pytest.mark.parametrize(
    "proof",
    [None, CountProof(None, 3, note="the API refuses to count")],
    ids=["not asked for", "not counted"],
)
def test_a_row_that_is_gone_without_proof_stays(lake: Lake, rows: list[Row], proof: CountProof | None) -> None:
    """The error names it and what to do; the API's answer for the id is a proof, too."""
    land(lake, rows)
    with pytest.raises(RowsWouldVanishError, match=rf"landed rows are not in the new read \({rows[0]['id']}\).*PROOF"):
        land(lake, rows[1:], number=1, proof=proof)
    assert (lake.rows(ASSET, KEY), told(lake)) == (4, [])
    land(lake, rows[1:], number=1, proof=proof, deleted=frozenset({rows[0]["id"]}))
    assert told(lake, "change") == [("removed",)]


class KilledError(BaseException):
    """The process ends here."""


def test_killed_at_any_moment_a_change_is_neither_lost_nor_told_twice(
    lake: Lake, rows: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change and its day are one: whoever sees the one sees the other; the next read makes good for the rest."""
    changed = [{**rows[0], "total": 99}, *rows[1:]]
    put = FolderStorage.put
    land(lake, rows)
    for moment in range(20):
        left = moment

        def killed(self: FolderStorage, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError
            return put(self, path, write)

        with monkeypatch.context() as patched:
            patched.setattr(FolderStorage, "put", killed)
            try:
                land(lake, changed, number=moment + 1)
            except KilledError:
                pass
            else:
                break
        dearer = 99.0 in lake.read(ASSET, [KEY])["total"].to_pylist()
        assert len(told(lake)) == int(dearer)
    assert moment > 3
    assert told(lake, "new") == [("99.0",)]


@pytest.mark.no_cover
@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 5), st.integers(0, 2), max_size=6), min_size=2, max_size=4))
def test_the_changes_lead_from_the_first_read_to_the_last(
    tmp_path_factory: pytest.TempPathFactory, reads: list[Mapping[int, int]]
) -> None:
    """Whatever was read: the first rows with all changes applied in order are the landed rows."""
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for number, read in enumerate(reads):
        rows = [
            {**ROW, "id": f"{key}:1", "completeDate": "2026-03-10T08:00:00.000Z", "total": value}
            for key, value in [(9, 0), *sorted(read.items())]
        ]
        land(lake, rows, number=number, keeps_pages=False)
    totals: dict[str, float | None] = {f"{key}:1": value for key, value in [(9, 0), *reads[0].items()]}
    for row_id, field, new in told(lake, "transaction_id", "field", "new"):
        assert field == "total"
        totals[row_id] = None if new is None else float(new)
    landed = lake.read(ASSET, [KEY]).to_pylist()
    assert {row_id: total for row_id, total in totals.items() if total is not None} == {
        row["id"]: row["total"] for row in landed
    }
