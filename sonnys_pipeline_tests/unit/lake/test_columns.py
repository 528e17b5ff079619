"""RB-04, DG-05: files of one asset whose columns differ are one table in every reader, or are refused."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.locks.files import FileLocks
from sonnys_pipeline.lake.scans import scan
from sonnys_pipeline.lake.sql import open_rows

DAYS = ["2026-03-10", "2026-03-11"]
STRUCT = pa.struct([("name", pa.string())])
WIDER = pa.struct([("name", pa.string()), ("net", pa.float64())])


def through_files(lake: Lake) -> list[dict[str, Any]]:
    """As the analytics read, with the day beside it."""
    with open_rows(lake.files("own", DAYS)) as connection:
        found: list[dict[str, Any]] = connection.sql("FROM transactions").to_arrow_table().to_pylist()
    return [{"date": date.fromisoformat(DAYS[row["id"] > 1]), **row} for row in found]


#: Every way in which rows come out of a lake → them as dicts, `date` aside.
FORMS: dict[str, Callable[[Lake], list[dict[str, Any]]]] = {
    "Lake.read": lambda lake: lake.read("own", DAYS).to_pylist(),
    "Arrow": lambda lake: scan(lake, "own", DAYS).table().to_pylist(),
    "DuckDB": lambda lake: scan(lake, "own", DAYS).relation().to_arrow_table().to_pylist(),
    "Polars": lambda lake: scan(lake, "own", DAYS).lazy_frame().collect().to_dicts(),
    "Lake.files": through_files,
}


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A lake in a folder, and one in a bucket: what holds of one holds of the other."""
    if request.param == "folder":
        return Lake(tmp_path / "data")
    url = f"{request.getfixturevalue('s3_url')}/data"
    return Lake(url, locks=FileLocks(tmp_path / "locks", of=url))


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        (pa.nulls(1), pa.array([True]), [None, True]),
        (pa.array(["x"]), pa.nulls(1), ["x", None]),
        (pa.nulls(1), pa.array([[{"name": "Wash"}]], pa.list_(STRUCT)), [None, [{"name": "Wash"}]]),
        (pa.array([[]], pa.list_(pa.null())), pa.array([[{"name": "A"}]], pa.list_(STRUCT)), [[], [{"name": "A"}]]),
        (pa.array([{"name": "a"}], STRUCT), pa.array([{"name": "b", "net": 1.5}], WIDER),
         [{"name": "a", "net": None}, {"name": "b", "net": 1.5}]),
        (pa.array([1]), pa.array([1.5]), [1.0, 1.5]),
        (None, pa.array(["later"]), [None, "later"]),
        (pa.array(["earlier"]), None, ["earlier", None]),
    ],
)  # fmt: skip
def test_columns_are_matched_by_name(
    lake: Lake, first: pa.Array | None, second: pa.Array | None, values: list[object]
) -> None:
    """A column without a type, of another width, added later or no longer there; whichever day comes first."""
    columns = [
        {"id": pa.array([1]), "x": first, "y": pa.array(["y1"])},
        {"y": pa.array(["y2"]), "x": second, "id": [2]},
    ]
    for day, table in zip(DAYS, columns, strict=True):
        lake.land(
            "own", pa.table({name: column for name, column in table.items() if column is not None}), partition=day
        )

    expected = [
        {"date": date.fromisoformat(day), "id": number, "x": value, "y": f"y{number}"}
        for number, (day, value) in enumerate(zip(DAYS, values, strict=True), start=1)
    ]
    assert {form: read(lake) for form, read in FORMS.items()} == dict.fromkeys(FORMS, expected)


def test_a_day_without_rows_of_pandas_is_no_obstacle(lake: Lake) -> None:
    """Its columns have no types (`object`, of nothing), so a user's own table could not be read as a range."""
    empty = pd.DataFrame({"id": [], "is_member": [], "name": []}, dtype=object)
    lake.land("own", pa.Table.from_pandas(empty, preserve_index=False), partition=DAYS[0])
    rows = pd.DataFrame({"id": [7], "is_member": [True], "name": ["Ann"]})
    lake.land("own", pa.Table.from_pandas(rows, preserve_index=False), partition=DAYS[1])

    expected = [{"date": date(2026, 3, 11), "id": 7, "is_member": True, "name": "Ann"}]
    assert {form: read(lake) for form, read in FORMS.items()} == dict.fromkeys(FORMS, expected)


@pytest.mark.parametrize(
    ("first", "second", "kinds"),
    [
        (pa.array([1]), pa.array(["x"]), "is int64 in .* and string in "),
        (pa.array([True]), pa.array([1]), "is bool in .* and int64 in "),
        (
            pa.array([1], pa.timestamp("us", "UTC")),
            pa.array([1], pa.timestamp("us")),
            r"is timestamp\[us, tz=UTC\] in ",
        ),
    ],
)
def test_types_that_cannot_be_one_are_refused(lake: Lake, first: pa.Array, second: pa.Array, kinds: str) -> None:
    """In one line: the column, its types, both files, and what to do."""
    lake.land("own", pa.table({"id": [1], "x": first}), partition=DAYS[0])
    lake.land("own", pa.table({"id": [2], "x": second}), partition=DAYS[1])

    for read in FORMS.values():
        with pytest.raises(LakeError, match=f"column x {kinds}.*land the day with the wrong type again") as refused:
            read(lake)
        assert all(str(lake.path("own", day)) in str(refused.value) for day in DAYS)
        assert "\n" not in str(refused.value)


def test_a_value_that_does_not_fit_the_common_type_is_refused(lake: Lake) -> None:
    """An integer beyond what a double holds exactly is not rounded without a word."""
    lake.land("own", pa.table({"x": [2**60 + 1]}), partition=DAYS[0])
    lake.land("own", pa.table({"x": [0.5]}), partition=DAYS[1])

    for form in ("Lake.read", "Arrow"):
        with pytest.raises(LakeError, match=r"own.*cannot be read"):
            FORMS[form](lake)


def test_only_what_no_file_has_is_missing(lake: Lake) -> None:
    """Columns that are asked for come in that order, with nulls where a file lacks them."""
    lake.land("own", pa.table({"id": [1], "old": ["o"]}), partition=DAYS[0])
    lake.land("own", pa.table({"id": [2], "new": [0.5]}), partition=DAYS[1])

    expected = [{"new": None, "old": "o", "id": 1}, {"new": 0.5, "old": None, "id": 2}]
    wanted = scan(lake, "own", DAYS, columns=["new", "old", "id"])
    for table in (lake.read("own", DAYS, ["new", "old", "id"]), wanted.table()):
        assert table.column_names == ["date", "new", "old", "id"]
        assert table.drop_columns("date").to_pylist() == expected
    assert wanted.relation().columns == wanted.lazy_frame().collect_schema().names() == list(wanted.columns)
    for look in (lake.read, lambda *asked: scan(*[lake, *asked[:2]], columns=asked[2])):
        with pytest.raises(LakeError, match="has no column x; it has id, "):
            look("own", DAYS, ["id", "x"])


@pytest.mark.parametrize("above", ["date=2020-01-01", "Date=2020-01-01", "site=ELSEWHERE", "date=backup"])
def test_folders_above_the_lake_are_no_columns(tmp_path: Path, above: str) -> None:
    """Whatever the folders above are called, `date` is the partition's day and a column holds what the file holds."""
    lake = Lake(tmp_path / above / "data")
    for number, day in enumerate(DAYS, start=1):
        lake.land("own", pa.table({"id": [number], "site": ["MAIN"]}), partition=day)

    expected = [
        {"date": date.fromisoformat(day), "id": number, "site": "MAIN"} for number, day in enumerate(DAYS, start=1)
    ]
    assert {form: read(lake) for form, read in FORMS.items()} == dict.fromkeys(FORMS, expected)
