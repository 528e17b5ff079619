"""What Spark is given to read, and errors before it starts; counting is in `integration/marts/test_spark.py`."""

import signal
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from pyspark.sql import SparkSession
from upath import UPath

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.spark import SparkEngine, SparkRows, address
from sonnys_pipeline.lake.errors import EngineError

DAYS = ["2026-03-01", "2026-03-02"]


def rows(root: Path | str) -> SparkRows:
    found = SparkEngine().rows(Lake(root), DAYS, {DAYS[1]})
    assert isinstance(found, SparkRows)
    return found


def test_local_files_are_named_with_patterns_escaped(tmp_path: Path) -> None:
    """A folder may be called what Hadoop takes for a pattern; a cluster's default file system is not asked."""
    found = rows(tmp_path / "lake [old] {x}")
    assert found.transactions == tuple(
        f"file:{tmp_path}/lake \\[old\\] \\{{x\\}}/transactions/date={day}/part-0.parquet" for day in DAYS
    )
    assert len(found.states) == 1


def test_a_bucket_is_named_by_hadoops_scheme() -> None:
    """The lake's `s3://` is `s3a://` in Spark."""
    assert address(UPath("s3://bucket/lake/part-0.parquet")) == "s3a://bucket/lake/part-0.parquet"
    assert address(UPath("gs://bucket/lake/part-0.parquet", token="anon")) == "gs://bucket/lake/part-0.parquet"


def test_a_store_that_spark_cannot_name_is_an_error() -> None:
    """Azure's URLs need an account, which the lake's have not."""
    with pytest.raises(EngineError, match="abfs://; use s3:// or gs://"):
        address(UPath("abfs://container/lake", account_name="x"))


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither package is needed before Spark is asked for."""
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(EngineError, match=r"pip install 'sonnys-pipeline\[spark\]'"), SparkEngine().open_tables({}):
        pass


def test_ctrl_c_does_what_it_did_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """PySpark sets a handler of its own when a context begins; Dagster ends runs by the one that it has set."""

    def begin(_: object) -> MagicMock:
        signal.signal(signal.SIGINT, lambda *_: None)
        return MagicMock()

    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    monkeypatch.setattr(SparkSession.Builder, "getOrCreate", begin)
    before = signal.getsignal(signal.SIGINT)

    SparkEngine().session()

    assert signal.getsignal(signal.SIGINT) is before
