"""KPIS: what the checks find in a day's rows, as sentences of the report, and how grave each is."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.changes import TRANSACTION_CHANGES
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.report.findings import findings_of, volumes

DAY = date(2026, 3, 20)
NOW = datetime(2026, 3, 22, 15, tzinfo=UTC)
Row = dict[str, object]


@pytest.fixture
def sound(land: Callable[..., Lake]) -> tuple[Lake, list[Row], pa.Schema]:
    """A lake whose day has ten rows with which nothing is wrong, and those rows."""
    lake = land(3)
    table = lake.read("transactions", ["2026-03-20"]).drop_columns("date")
    rows = [row for row in table.to_pylist() if row["transaction_status"] == "Completed"][:10]
    rows = [{**row, "total": 0.0, "tenders": [], "items": [], "discounts": []} for row in rows]
    return lake, rows, table.schema


def found(sound: tuple[Lake, list[Row], pa.Schema], rows: list[Row], now: datetime = NOW) -> list[tuple[str, str]]:
    """(severity, text) of what is found in these rows instead."""
    lake, _, schema = sound
    lake.land("transactions", pa.Table.from_pylist(rows, schema=schema), partition=DAY.isoformat())
    return [(caveat.severity, caveat.text) for caveat in findings_of(lake, DAY, [DAY], timezone="UTC", now=now)]


def test_sound_rows_have_no_findings(sound):
    """Silence means that all checks passed."""
    _, rows, _ = sound

    assert len(rows) == 10
    assert found(sound, rows) == []


def test_deleted_transactions_are_named(sound):
    """KT-02: those that were landed and that the API has no longer; one that came back is not."""
    lake, rows, _ = sound
    seen = datetime(2026, 3, 22, 6, tzinfo=UTC)
    change = {
        "day": DAY, "field": "total", "first_seen": seen, "hours_after_day": 30.0, "found_by": "count", "pii": "keep",
        "pii_key": "",
    }  # fmt: skip
    told = [
        {**change, "transaction_id": "gone:1", "change": "removed", "old": "12.5"},
        {**change, "transaction_id": "gone:2", "change": "removed", "old": "7.25"},
        {**change, "transaction_id": "back:1", "change": "removed", "old": "1.0"},
        {**change, "transaction_id": "back:1", "change": "added", "new": "1.0", "first_seen": seen + timedelta(days=1)},
        {**change, "transaction_id": "other:1", "change": "removed", "old": "1.0", "day": date(2026, 3, 1)},
    ]
    lake.land("transaction_changes", pa.Table.from_pylist(told, TRANSACTION_CHANGES), partition="2026-03-22")
    assert found(sound, rows) == [
        ("info", "2 transactions were deleted from the API after being landed: gone:1, gone:2; $19.75 in total.")
    ]


def test_duplicates_are_errors(sound):
    """They count twice, so totals are wrong; a few ids are named."""
    _, rows, _ = sound
    ids = sorted(str(row["id"]) for row in rows)

    ((severity, text),) = found(sound, [*rows, *rows])

    assert severity == "error"
    assert text == (
        "10 transactions are landed more than once and counted each time "
        f"({', '.join(ids[:3])} and 7 more). Load the day again."
    )


def test_rows_of_another_day_are_errors(sound):
    """By the partition's own zone."""
    _, rows, _ = sound
    stray = rows[0] | {"complete_date": datetime(2026, 3, 21, 0, 0, tzinfo=UTC)}

    assert found(sound, [stray, *rows[1:]]) == [
        ("error", f"1 transaction is landed in the wrong day ({stray['id']}). Load the day again.")
    ]


def test_what_stays_unsettled_is_a_warning(sound):
    """After a week; before that the report itself counts it."""
    _, rows, _ = sound
    open_one = rows[0] | {"transaction_status": "Suspended"}

    assert found(sound, [open_one, *rows[1:]]) == []
    ((severity, text),) = found(sound, [open_one, *rows[1:]], NOW + timedelta(days=10))
    assert severity == "warning"
    assert text.startswith("1 transaction is still not settled after a week (")


def test_money_that_does_not_add_up_is_told(sound):
    """Tenders and items beside the total, apart from each other."""
    lake, rows, _ = sound
    whole = next(
        row
        for row in lake.read("transactions", ["2026-03-20"]).drop_columns("date").to_pylist()
        if row["transaction_status"] == "Completed" and row["total"] > 0 and row["items"] and row["tenders"]
    )
    texts = found(sound, [whole | {"total": whole["total"] + 1}, *rows[1:]])

    assert [severity for severity, _ in texts] == ["info", "info"]
    assert texts[0][1].startswith("1 transaction is paid with tenders that do not add up to the total")
    assert texts[1][1].startswith("1 transaction is made of items that do not add up to the total")


def test_new_values_of_the_api_are_told(sound):
    """What it is, and how often."""
    _, rows, _ = sound
    new = [row | {"type": "Barter"} for row in rows[:2]]

    assert found(sound, [*new, *rows[2:]]) == [
        ("info", "The API sent a value that it does not document: unknown type 'Barter' (2 ids).")
    ]


def test_an_unusual_number_of_rows_is_a_warning(sound, land):
    """Against the same weekday of the weeks before."""
    _, rows, _ = sound
    land()

    ((severity, text),) = found(sound, rows)

    assert severity == "warning"
    assert text.startswith("10 transactions on this day; ")
    assert "are usual on a Friday" in text


def test_a_day_that_is_not_landed_has_no_findings(land):
    """It is missing, which the report says itself."""
    assert list(findings_of(land(2), date(2026, 3, 1), [], timezone="UTC", now=NOW)) == []


def test_rows_of_every_partition_of_the_day_are_looked_at(sound):
    """A day of a site in the west lies in two partitions: what is wrong in the second one is counted, too."""
    lake, rows, schema = sound
    before = date(2026, 3, 19)
    late = [{**row, "id": f"late:{row['id']}", "complete_date": datetime(2026, 3, 19, 12, tzinfo=UTC)} for row in rows]
    lake.land("transactions", pa.Table.from_pylist([*late, late[0]], schema=schema), partition=before.isoformat())
    lake.land("transactions", pa.Table.from_pylist(rows, schema=schema), partition=DAY.isoformat())

    ((severity, text),) = [
        (caveat.severity, caveat.text) for caveat in findings_of(lake, DAY, [before, DAY], timezone="UTC", now=NOW)
    ]

    assert severity == "error"
    assert text.startswith("1 transaction is landed more than once")
    assert str(late[0]["id"]) in text


def test_a_day_that_is_landed_for_some_sites_tells_nothing_of_volume(sound, land):
    """Its rows are few because sites are missing, not because few came."""
    lake, rows, schema = sound
    land()
    few = pa.Table.from_pylist(rows, schema=schema)
    lake.land("transactions", few, partition=DAY.isoformat(), metadata={"sites": '["MAIN"]'})

    assert volumes(lake, [DAY]) == {}
