"""Landed rows as pandas, Arrow, DuckDB or Polars: selected days, columns and sites of one asset.

Creating a scan reads only footers. The Parquet reader skips other columns, and row groups of other sites, since files
are sorted by site.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from sonnys_pipeline.lake.columns import Columns
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.storage.folder import DAY, LakePath, Storage
from sonnys_pipeline.runtime.text import first_few

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

#: Names of the site code's column: in `transactions`, in `sites` (whose `site` is a key of its own), in tables by site.
SITE_COLUMNS = ("location_code", "code", "site")
#: Days named in one message.
_NAMED_DAYS = 20
#: Reading a local file must not load DuckDB extensions from the network.
_OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


@dataclass(frozen=True)
class Scan:
    """Selected rows of one asset; each method returns them in another form, with the same columns.

    Attributes:
        files: in the order of the rows.
        stored: the columns of the files, without `date`.
        columns: of the result, in order; the first one of a partitioned asset is `date`, the partition's day.
        partitioned: whether the paths contain `date=`.
        site_column: column of the site codes, if any.
        sites: codes of the selected sites; None for all rows.
    """

    storage: Storage
    folder: LakePath
    files: tuple[LakePath, ...]
    stored: Columns
    columns: tuple[str, ...]
    partitioned: bool
    site_column: str | None = None
    sites: tuple[str, ...] | None = None

    def table(self) -> pa.Table:
        """The rows as an Arrow table. Raises LakeError if a file cannot be read."""
        with self._readable():
            dataset = self._dataset()
            rows = dataset.to_table(columns=list(self.columns), filter=self._wanted_sites())
            return rows.replace_schema_metadata(None)

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas frame; nullable flags always have the type `boolean`.

        Raises LakeError if pandas is not installed, and as `table`.
        """
        if find_spec("pandas") is None:
            raise LakeError("pandas is not installed: pip install 'sonnys-pipeline[pandas]'")
        table = self.table()
        frame: pd.DataFrame = table.to_pandas()
        flags = [field.name for field in table.schema if pa.types.is_boolean(field.type) and field.nullable]
        return frame.astype(dict.fromkeys(flags, "boolean"))

    def relation(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """A lazy DuckDB relation, which shows instants in UTC. Raises LakeError as `table`.

        Without a connection it is in a database of its own, which takes 20 ms to open.
        """
        with self._readable():
            connection = duckdb.connect(config=_OFFLINE) if connection is None else connection
            connection.execute("SET TimeZone = 'UTC'")
            if self._is_plain:
                files = [_literal(file) for file in self.files]
                relation = connection.read_parquet(files, hive_partitioning=self.partitioned)
            else:  # DuckDB leaves columns and filters to Arrow
                relation = connection.from_arrow(self._dataset())
            if self.sites is not None:
                codes = [duckdb.ConstantExpression(code) for code in self.sites]
                relation = relation.filter(duckdb.ColumnExpression(self.site_column or "").isin(*codes))
            return relation.select(*(duckdb.ColumnExpression(column) for column in self.columns))

    def lazy_frame(self) -> pl.LazyFrame:
        """A lazy Polars frame. Raises LakeError if Polars is not installed, or a file cannot be read."""
        try:
            import polars as pl  # noqa: PLC0415 - optional
        except ImportError as error:
            raise LakeError("polars is not installed: pip install 'sonnys-pipeline[polars]'") from error
        if not self._is_plain:
            with self._readable():
                wanted = self._wanted_sites()
                dataset = self._dataset()
                return pl.scan_pyarrow_dataset(dataset if wanted is None else dataset.filter(wanted)).select(
                    self.columns
                )
        # Polars reads every `key=value` in a path as a partition, also above the lake.
        above = {part.partition("=")[0]: pl.String for part in self.folder.parts if "=" in part}
        with self._readable():
            frame = pl.scan_parquet(
                [str(file) for file in self.files],
                hive_partitioning=self.partitioned,
                hive_schema={**above, DAY: pl.Date} if self.partitioned else None,
                glob=False,
            )
            if self.sites is not None:
                frame = frame.filter(pl.col(self.site_column or "").is_in(self.sites))
            return frame.select(self.columns)

    def _dataset(self) -> ds.Dataset:
        return self.storage.dataset(self.files, self.folder, self.stored.schema, by_day=self.partitioned)

    @property
    def _is_plain(self) -> bool:
        """Whether DuckDB and Polars can read the files without Arrow.

        They cannot read the object store, expect all files to have the first one's columns, and read every `key=value`
        in a path as a column, also above the lake.
        """
        above = {part.partition("=")[0].lower() for part in self.folder.parts if "=" in part}
        names = {DAY, *self.stored.schema.names}
        return self.storage.is_local and self.stored.alike and above.isdisjoint(name.lower() for name in names)

    def _wanted_sites(self) -> pc.Expression | None:
        return None if self.sites is None else pc.field(self.site_column).isin(self.sites)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, duckdb.Error, OSError) as error:
            raise LakeError(f"{self.folder} cannot be read ({error}); materialize the damaged days again") from error


def scan(
    lake: Lake,
    asset: str,
    partitions: Sequence[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    sites: Sequence[str] | None = None,
) -> Scan:
    """Select rows of an asset.

    Args:
        lake: the lake.
        asset: its name.
        partitions: days, in the order of the rows; None for an asset without partitions.
        columns: names, without `date`; None for all.
        sites: codes of the selected sites; None for all rows.

    Raises:
        NotLandedError: names the days that are not landed.
        LakeError: a file cannot be read, no file has a column, or a file has no sites although some are selected.
    """
    keys: Sequence[str | None] = [None] if partitions is None else list(partitions)
    files = tuple(lake.current_paths(asset, keys))
    missing = lake.missing(asset, partitions) if partitions is not None else [""] * (not lake.has(asset))
    _require_landed(asset, missing)
    if not files:
        raise NotLandedError(f"{asset}: no day was given; name at least one")
    stored = lake.columns(asset, keys)
    there = stored.schema.names
    wanted = [name for name in (there if columns is None else columns) if partitions is None or name != DAY]
    if lacking := sorted(set(wanted) - set(there)):
        raise LakeError(f"{lake.root / asset} has no column {', '.join(lacking)}; it has {', '.join(there)}")
    site_column = next((name for name in SITE_COLUMNS if name in there), None)
    if sites is not None:
        if not sites:
            raise LakeError(f"{asset}: `sites` is empty; leave it out to read all sites")
        if site_column is None:
            raise LakeError(f"{asset} cannot be read by site: it has none of the columns {', '.join(SITE_COLUMNS)}")
        if site_column not in stored.common:  # else their rows would be left out silently
            older = next(key for key in keys if site_column not in lake.columns(asset, [key]).common)
            raise LakeError(
                f"{lake.path(asset, older)} has no column {site_column}; materialize it again, or read without `sites`"
            )
    return Scan(
        storage=lake.storage,
        folder=lake.root / asset,
        files=files,
        stored=stored,
        columns=tuple(wanted if partitions is None else [DAY, *wanted]),
        partitioned=partitions is not None,
        site_column=site_column,
        sites=None if sites is None else tuple(sites),
    )


def landed_assets(lake: Lake) -> list[str]:
    """Names of the assets of which a table is landed, sorted. Raises UnreachableLakeError."""
    parts = [path.split("/") for path in lake.storage.below(lake.root)]
    return sorted(
        {
            one[0]
            for one in parts
            if one[-1] == "part-0.parquet"
            and not one[0].startswith(".")
            and (len(one) == 2 or (len(one) == 3 and one[1].startswith("date=")))
        }
    )


def _require_landed(asset: str, missing: Sequence[str]) -> None:
    if not missing:
        return
    if missing == [""]:
        raise NotLandedError(f"{asset}: not landed; materialize it first")
    raise NotLandedError(
        f"{asset}: not landed: {first_few(missing, _NAMED_DAYS, noun='days')}; "
        f"materialize {'it' if len(missing) == 1 else 'them'} first"
    )


def _literal(file: LakePath) -> str:
    # Escaped, because DuckDB reads a path as a glob pattern.
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(file))
