"""Landing assets (`transactions`, `sites`) and the first asset downstream of them (`daily_sales`).

Belongs here: what Dagster shows of a day. Does not belong here: loading, landing, counting; they are called from here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from dagster._core.errors import DagsterExecutionInterruptedError

from sonnys_pipeline.analytics import kpis
from sonnys_pipeline.batch.job_run import LandedDay, OnError
from sonnys_pipeline.batch.wiring import make_executor, open_job_service
from sonnys_pipeline.client import Site
from sonnys_pipeline.lake.dataset import LandedFile
from sonnys_pipeline.lake.schema import arrow_schema, to_table
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure, incomplete_run, interrupted_run, run_metadata
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.orchestration.runs import job_for_run

LANDING_GROUP = "landing"
MARTS_GROUP = "marts"


def landing_assets(partitions: dg.DailyPartitionsDefinition) -> Sequence[dg.AssetsDefinition]:
    """The assets that spend requests."""

    @dg.asset(
        group_name=LANDING_GROUP,
        kinds={"parquet"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def transactions(
        context: dg.AssetExecutionContext, sonnys: SonnysResource, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        """Every transaction of every site on one day: complete, once each, one Parquet file a day."""
        landed: dict[str, Mapping[str, dg.MetadataValue]] = {}
        try:
            settings = sonnys.settings()
            with settings.open_client() as client, open_job_service(settings) as jobs:
                executor = make_executor(
                    settings,
                    jobs,
                    client,
                    lake.open_lake(),
                    on_error=OnError.CONTINUE,
                    on_day=lambda day: _show_landed(context, landed, day),
                    on_progress=lambda progress: context.log.info("%s", progress),
                )
                result = executor.execute(job_for_run(context, jobs, context.partition_keys).id)
            context.log.info("%s", json.dumps(asdict(result.measures)))
            if not result.success:
                raise incomplete_run(result)  # noqa: TRY301 - what is landed is logged below, whatever ends the run
        except BaseException as error:
            # A run that ends early keeps what it landed: one materialization a landed day, logged before it ends.
            for key, metadata in landed.items():
                context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
            if isinstance(error, EXPECTED):
                raise as_failure(error) from error
            if isinstance(error, DagsterExecutionInterruptedError):
                # Left as it is, a retry policy would run a terminated run again; swallowed, it would count as success.
                raise interrupted_run() from error
            raise
        # Returned, not logged: doing both would record every partition twice.
        for key, metadata in landed.items():
            context.add_asset_metadata(metadata, partition_key=key)
        return dg.MaterializeResult(metadata=run_metadata(result))

    @dg.asset(group_name=LANDING_GROUP, kinds={"parquet"}, io_manager_key="lake_io")
    def sites(sonnys: SonnysResource, lake: LakeResource) -> dg.MaterializeResult[Any]:
        """The operator's sites, virtual (e-commerce) ones included, with their time zones."""
        try:
            with sonnys.open_client() as client:
                found = client.sites.list()
            table = to_table(found, arrow_schema(Site))
            landed = lake.open_lake().land("sites", table, facts={"loaded_at": datetime.now(UTC).isoformat()})
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.MaterializeResult(metadata=file_metadata(landed, table, partitioned=False))

    return [transactions, sites]


def downstream_assets(partitions: dg.DailyPartitionsDefinition) -> Sequence[dg.AssetsDefinition]:
    """The assets that are computed from landed files, without a request."""

    @dg.asset(
        group_name=MARTS_GROUP,
        kinds={"parquet", "duckdb"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"transactions": dg.AssetIn(metadata={"columns": list(kpis.DAILY_SALES_INPUT)})},
    )
    def daily_sales(
        context: dg.AssetExecutionContext, transactions: pa.Table, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        """Cars and sales per site and day. The day is the partition's, in the pipeline's own time zone."""
        table = kpis.daily_sales(transactions)
        try:
            for day in context.partition_keys:
                rows = table.filter(pc.equal(table["business_date"], pa.scalar(date.fromisoformat(day))))
                landed = lake.open_lake().land("daily_sales", rows, partition=day)
                metadata = {
                    **file_metadata(landed, rows, partitioned=True),
                    "cars": dg.MetadataValue.int(pc.sum(rows["cars"]).as_py() or 0),
                    "sales": dg.MetadataValue.float(float(pc.sum(rows["sales"]).as_py() or 0)),
                    "sites": dg.MetadataValue.md(sites_as_markdown(rows)),
                }
                context.add_asset_metadata(metadata, partition_key=day)
        except EXPECTED as error:
            raise as_failure(error, day) from error
        return dg.MaterializeResult()

    return [daily_sales]


def _show_landed(
    context: dg.AssetExecutionContext, landed: dict[str, Mapping[str, dg.MetadataValue]], day: LandedDay
) -> None:
    """What the UI shows of a day; kept until the run ends, since a partition is to be recorded once."""
    loaded, file = day.loaded, day.file
    context.log.info(
        "%s: %d rows on %d pages, %d requests", loaded.day.key, file.rows, len(loaded.job_hashes), loaded.requests
    )
    landed[loaded.day.key] = {
        **file_metadata(file, loaded.table, partitioned=True),
        "pages": dg.MetadataValue.int(len(loaded.job_hashes)),
        "api_total": dg.MetadataValue.int(loaded.total),
        "requests": dg.MetadataValue.int(loaded.requests),
        "seconds": dg.MetadataValue.float(round(loaded.seconds, 3)),
        "seconds_waited_for_budget": dg.MetadataValue.float(round(day.budget_wait, 3)),
        "sales_total": dg.MetadataValue.float(kpis.sales_total(loaded.table)),
        "unknown_fields": dg.MetadataValue.json(dict(loaded.unknown_fields)),
        "loaded_at": dg.MetadataValue.timestamp(loaded.loaded_at),
        "windows": dg.MetadataValue.text(", ".join(str(window.window) for window in loaded.windows)),
    }


def file_metadata(landed: LandedFile, table: pa.Table, *, partitioned: bool) -> dict[str, dg.MetadataValue]:
    """Row count, place, size and columns, under the names that Dagster's UI knows."""
    return {
        "dagster/partition_row_count" if partitioned else "dagster/row_count": dg.MetadataValue.int(landed.rows),
        "dagster/column_schema": dg.MetadataValue.table_schema(table_schema(table.schema)),
        "path": dg.MetadataValue.path(str(landed.path)),
        "bytes": dg.MetadataValue.int(landed.size),
    }


def table_schema(schema: pa.Schema) -> dg.TableSchema:
    """Arrow columns as Dagster's table schema."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                name=field.name,
                type="list of structs" if pa.types.is_list(field.type) else str(field.type),
                constraints=dg.TableColumnConstraints(nullable=field.nullable, unique=field.name == "id"),
            )
            for field in schema
        ]
    )


def sites_as_markdown(rows: pa.Table) -> str:
    """`daily_sales` as a small table for the UI."""
    lines = ["| site | cars | sales |", "|:--|--:|--:|"]
    lines += [f"| {row['site']} | {row['cars']:,} | {row['sales']:,.2f} |" for row in rows.to_pylist()]
    return "\n".join(lines)
