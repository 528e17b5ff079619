"""LV-04, RB-04: rows and their states find each other by day, in folders and buckets, older files too."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.lake.sql import open_rows
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES

DAYS = ["2026-03-10", "2026-03-11"]


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A lake below a folder that looks like a day, and one in a bucket."""
    if request.param == "folder":
        return Lake(tmp_path / "date=2020-01-01" / "data")
    return Lake(f"{request.getfixturevalue('s3_url')}/data")


def nulls(schema: pa.Schema, **values: object) -> pa.Table:
    """One row of these values, null otherwise."""
    fields = [field.with_nullable(True) for field in schema]
    return pa.Table.from_pylist([values], pa.schema(fields))


@pytest.mark.parametrize("older_lacks", [[], ["extra"]])
def test_states_are_of_the_same_id_and_day(lake: Lake, older_lacks: list[str]) -> None:
    """The same id in two days has two states; a file that is older than a column does not keep them apart."""
    for number, day in enumerate(DAYS):
        row = nulls(TRANSACTIONS, id="1:1")
        lake.land("transactions", row.drop_columns(older_lacks) if number == 0 else row, partition=day)
        read_at = datetime(2026, 3, 12, number, tzinfo=UTC)
        state = nulls(TRANSACTION_STATES, transaction_id="1:1", transaction_status=f"Status {number}", read_at=read_at)
        lake.land(STATES, state, partition=day)

    with open_rows(landed_rows(lake, DAYS)) as connection:
        found = connection.sql("SELECT transaction_status FROM transactions ORDER BY ALL").fetchall()
    assert found == [("Status 0",), ("Status 1",)]
