"""RB-04, EC-02: what docs/reading.md says to other people's tools works as it is written there."""

import re
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake

GUIDE = (Path(__file__).parents[3] / "docs" / "reading.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
SQL = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
DAYS = [date(2026, 3, 10), date(2026, 3, 11)]


def land(root: Path, *, alike: bool) -> None:
    """Two days, the first of which lacks a column and has one without a type, unless they are alike."""
    lake = Lake(root)
    columns = {"id": ["a"], "is_member": [True], "added": ["x"]}
    lake.land("transactions", pa.table(columns), partition="2026-03-11")
    older = columns if alike else {"id": ["a"], "is_member": pa.nulls(1)}
    lake.land("transactions", pa.table(older), partition="2026-03-10")


@pytest.mark.parametrize("block", range(len(PYTHON)))
def test_python_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Each block gives both days; those about files that differ, and our own reader, also where they do."""
    code = PYTHON[block]
    monkeypatch.chdir(tmp_path)
    land(Path("data"), alike=not ("unify_schemas" in code or "scan(" in code))
    found: dict[str, object] = {}
    exec(code, found)  # noqa: S102 - our own guide
    rows = found["rows"]
    assert len(rows) == len(DAYS)
    dates = rows["date"].to_pylist() if isinstance(rows, pa.Table) else list(rows["date"])
    assert sorted(pd.Timestamp(str(day)).date() for day in dates) == DAYS


@pytest.mark.parametrize("query", SQL)
def test_sql_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """Files that differ are no obstacle; a folder above that is called like a day is none where the guide says so."""
    (tmp_path / "date=2020-01-01").mkdir()
    monkeypatch.chdir(tmp_path / "date=2020-01-01")
    land(Path("data"), alike=False)
    if "filename" in query:
        query = query.replace("'data/", f"'{Path('data').absolute()}/")
    found = duckdb.sql(query)
    assert sorted(found.select("date").fetchall()) == [(day,) for day in DAYS]
    assert set(found.columns) == {"date", "id", "is_member", "added"}
