"""DG-02: a field that the API renames, adds or stops sending is noticed, and one that is rare is not."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import open_rows
from sonnys_pipeline.quality.fields import FEWEST_ROWS, days_without_status, silent_columns, unknown_fields
from sonnys_pipeline_tests.support.tickets import rows, ticket, without_v2

NOON = "2026-03-10T17:00:00Z"
DAYS = ["2026-03-10", "2026-03-11", "2026-03-12"]
ITEM = pa.struct([("name", pa.string()), ("sku", pa.string())])
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("status", pa.string()),
        ("items", pa.list_(pa.field("element", ITEM))),
        ("extra", pa.string()),
    ]
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake in a folder."""
    return Lake(tmp_path / "data")


def land(
    lake: Lake, number: int, *, status: str | None, sku: str | None = "1", rows: int = FEWEST_ROWS, **more: str
) -> str:
    """A day of March; `more` is metadata, or the column `extra`."""
    extra = more.pop("extra", None)
    item = {"name": "Wash", "sku": sku}
    table = pa.Table.from_pylist(
        [{"id": str(row), "status": status, "items": [item] if row else [], "extra": extra} for row in range(rows)],
        SCHEMA,
    )
    day = f"2026-03-{number:02d}"
    lake.land("transactions", table, partition=day, metadata=more)
    return day


def test_a_column_that_falls_silent_is_named(lake: Lake) -> None:
    """Null all day, and filled before; it stays named on the days after, as do parts of lists."""
    days = [land(lake, day, status="Completed") for day in (1, 2, 3)]
    days += [land(lake, day, status=None, sku=None) for day in (4, 5)]

    found = silent_columns(lake, days)

    said = ["null in every row, and filled on the days before: items.sku, status"]
    assert found == {days[0]: [], days[1]: [], days[2]: [], days[3]: said, days[4]: said}


def test_days_without_a_status_are_named(lake: Lake) -> None:
    """Those of which no row has one; a day of which one row has it is not, and rows may be open already."""
    for day, tickets in {
        DAYS[0]: rows(ticket(1, NOON), ticket(2, NOON, transactionStatus=None)),
        DAYS[1]: without_v2(rows(ticket(3, NOON), ticket(4, NOON))),
        DAYS[2]: rows(ticket(5, NOON)),
    }.items():
        lake.land("transactions", tickets, partition=day)

    assert days_without_status(lake, DAYS) == [DAYS[1]]
    with open_rows(landed_rows(lake, DAYS)) as opened:
        assert days_without_status(lake, DAYS, opened) == [DAYS[1]]
    assert days_without_status(lake, DAYS[2:]) == []


@pytest.mark.parametrize(
    "statuses",
    [
        ["Completed", "Completed", None],  # too few days to compare with
        ["Completed", None, "Completed", "Completed", None],  # rare
        [None, None, None, None],  # never sent: live job rows (contract, L4)
    ],
)
def test_a_column_that_is_empty_by_chance_is_not(lake: Lake, statuses: list[str | None]) -> None:
    """Neither is one of a day with few rows."""
    days = [land(lake, number, status=status) for number, status in enumerate(statuses, start=1)]
    assert not any(silent_columns(lake, days).values())


def test_days_with_few_rows_are_not_compared(lake: Lake) -> None:
    """Nineteen rows may lack a field by chance."""
    for number in (1, 2, 3):
        land(lake, number, status="Completed")
    few = land(lake, 4, status=None, rows=FEWEST_ROWS - 1)
    assert silent_columns(lake, [few]) == {few: []}


def test_another_policy_on_personal_data_is_no_change_of_the_api(lake: Lake) -> None:
    """Days under `drop` lack columns that days under `keep` have."""
    for number in (1, 2, 3):
        land(lake, number, status="Completed", pii="keep")
    dropped = land(lake, 4, status=None, pii="drop")
    assert silent_columns(lake, [dropped]) == {dropped: []}


def test_unknown_fields_are_named(lake: Lake) -> None:
    """Of rows and of their parts, once each."""
    extra = json.dumps({"status": "Completed", "tenders": {"0": {"wallet": 1}, "1": {"wallet": 2}}})
    odd, plain = land(lake, 1, status=None, extra=extra), land(lake, 2, status="Completed")
    assert unknown_fields(lake, [odd, plain]) == {
        odd: ["fields that are not documented: status, tenders.wallet; their values are in the column extra"],
        plain: [],
    }
