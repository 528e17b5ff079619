"""Run the marts' SQL on a Spark cluster, whose executors read the landed files themselves.

PySpark and sqlglot come with the extra `spark`, so they are imported when the first rows are counted.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import CountedRows, Session
from sonnys_pipeline.lake.errors import EngineError
from sonnys_pipeline.lake.schema import TRANSACTIONS as ALL_COLUMNS
from sonnys_pipeline.lake.sql import JOINED, KPI_INPUT, PARTITION
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.storage.folder import LakePath
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Schemes of Spark's file systems for those of the lake; others are the same, or need an account in the URL.
_SCHEMES = {"s3": "s3a", "s3a": "s3a", "gs": "gs", "gcs": "gs"}
#: The day in a landed file's path; as in `lake/sql.py`, the last directory counts.
_DAY_OF_FILE = f"regexp_extract(_metadata.file_path, 'date=([^/]*)/[^/]*$', 1) AS {PARTITION}"
_ORDER_OF_FILES = ("_metadata.file_path", "_metadata.row_index")
#: Results must not depend on how a cluster is configured.
_CONFIGURATION = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}


class SparkEngine:
    """An existing Spark cluster.

    Attributes:
        remote: master URL (`spark://…`, `yarn`, `k8s://…`, `local[4]`) or Spark Connect URL (`sc://…`). None: the
            active session of this process, else what Spark's own configuration says.
    """

    def __init__(self, remote: str | None = None) -> None:
        self.remote = remote

    def rows(self, lake: Lake, days: Sequence[str], with_states: Collection[str]) -> CountedRows:
        """The landed files of these days, for the executors. Raises EngineError if Spark cannot address the store."""
        return SparkRows(
            self,
            tuple(map(address, lake.current_paths(TRANSACTIONS, days))),
            tuple(map(address, lake.current_paths(STATES, [day for day in days if day in with_states]))),
        )

    @contextmanager
    def open_tables(self, tables: Mapping[str, pa.Table]) -> Iterator[Session]:
        """A session with tables that the driver sends to the executors. Raises EngineError if Spark does not start."""
        session = self.session()
        for name, table in tables.items():
            session.register(name, table)
        yield session

    def session(self) -> _SparkSession:
        """A session without tables. Raises EngineError if Spark does not start."""
        return _SparkSession(_session(self.remote))


@dataclass(frozen=True)
class SparkRows:
    """Landed files that Spark reads: of `transactions`, and of `transaction_states` for some or all of their days."""

    engine: SparkEngine
    transactions: Sequence[str]
    states: Sequence[str] = ()

    @contextmanager
    def open_rows(self, *, all_columns: bool) -> Iterator[Session]:
        """A session with the view `transactions`. Raises EngineError if Spark does not start."""
        session, columns = self.engine.session(), ALL_COLUMNS if all_columns else KPI_INPUT
        order = _ORDER_OF_FILES if all_columns else ()
        if self.states:
            session.read("landed", self.transactions, columns, added=[_DAY_OF_FILE])
            session.read("states", self.states, TRANSACTION_STATES, added=[_DAY_OF_FILE])
            session.define("transactions", JOINED)
        else:
            session.read("transactions", self.transactions, columns, order=order)
        yield session


class _SparkSession:
    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def read(
        self,
        name: str,
        paths: Sequence[str],
        schema: pa.Schema,
        *,
        added: Sequence[str] = (),
        order: Sequence[str] = (),
    ) -> None:
        """A view of Parquet files; a column that an earlier version did not write is null.

        With the schema given, only executors open files.
        """
        from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415 - part of the extra

        with _spark_errors(f"reading {len(paths)} files"):
            kinds = from_arrow_schema(schema)
            if paths:
                frame = self._spark.read.schema(kinds).parquet(*paths)
                frame = frame.orderBy(*order) if order else frame
                frame = frame.selectExpr("*", *added) if added else frame
            else:
                frame = self._spark.createDataFrame([], kinds)
            frame.createOrReplaceTempView(name)

    def register(self, name: str, table: pa.Table) -> None:
        with _spark_errors(name):
            # In one chunk: of several, Spark loses those after an empty one, such as a day without rows.
            self._spark.createDataFrame(table.combine_chunks()).createOrReplaceTempView(name)

    def define(self, name: str, query: str) -> None:
        with _spark_errors(name):
            self._sql(query).createOrReplaceTempView(name)

    def keep(self, name: str, query: str) -> None:
        # On the driver: it is of the size of the mart, which comes here anyway, and no plan holds it twice.
        self.register(name, self.fetch(query))

    def fetch(self, query: str) -> pa.Table:
        with _spark_errors("a mart"):
            return self._sql(query).toArrow()

    fetch_many = fetch

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.fetch(query).to_pylist()]

    def _sql(self, query: str) -> DataFrame:
        from sonnys_pipeline.lake.engines.dialect import to_spark  # noqa: PLC0415 - sqlglot is part of the extra

        return self._spark.sql(to_spark(query))


def _session(remote: str | None) -> SparkSession:
    """A session of its own, so that neither views nor settings of other users of the same application are touched."""
    try:
        import sqlglot  # noqa: F401, PLC0415 - likewise
        from pyspark.sql import SparkSession  # noqa: PLC0415 - part of the extra
    except ImportError as error:
        raise EngineError(
            "SONNYS_ENGINE=spark needs PySpark and sqlglot: pip install 'sonnys-pipeline[spark]'"
        ) from error
    with _spark_errors(f"connecting to {remote or 'the configured master'}"):
        running = None if remote else SparkSession.getActiveSession()
        if running is None:
            builder = SparkSession.builder.appName("sonnys-pipeline").config("spark.ui.showConsoleProgress", "false")
            if remote:
                builder = builder.remote(remote) if remote.startswith("sc://") else builder.master(remote)
            with _keeping_ctrl_c():
                running = builder.getOrCreate()
        spark = running.newSession()
        for name, value in _CONFIGURATION.items():
            spark.conf.set(name, value)
        return spark


@contextmanager
def _keeping_ctrl_c() -> Iterator[None]:
    """What Ctrl-C does stays as it was: Spark's own handler would come in place of Dagster's, which ends runs."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        # Only there may it be set, by Spark as well; None was not set by Python, which cannot set it again.
        if handler is not None and current_thread() is main_thread():
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _spark_errors(doing: str) -> Iterator[None]:
    from py4j.protocol import Py4JError  # noqa: PLC0415 - part of the extra
    from pyspark.errors import PySparkException  # noqa: PLC0415

    try:
        yield
    except (PySparkException, Py4JError, OSError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise EngineError(
            f"Spark failed ({doing}): {reason}; see Spark's own log, check SONNYS_SPARK_REMOTE, Java 17 and that "
            "executors can read the lake, or use SONNYS_ENGINE=duckdb"
        ) from error


def address(path: LakePath) -> str:
    """A file as Spark names it, with what Hadoop would take for a pattern escaped.

    Raises EngineError if the store is one that Spark cannot address.
    """
    scheme, separator, rest = str(path).partition("://")
    if not separator:
        url = f"file:{Path(scheme).absolute().as_posix()}"
    elif scheme in _SCHEMES:
        url = f"{_SCHEMES[scheme]}://{rest}"
    else:
        raise EngineError(
            f"{path}: Spark cannot address a lake at {scheme}://; use s3:// or gs://, or SONNYS_ENGINE=duckdb"
        )
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", url)
