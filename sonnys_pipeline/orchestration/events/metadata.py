"""What Dagster's UI shows about a landed file, a day of `transactions`, and a run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.backfill.executor import ExecutionResult
from sonnys_pipeline.backfill.listener import LandedDay
from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.landing.verified import read_times
from sonnys_pipeline.ledger.models import JobRow
from sonnys_pipeline.marts import kpis
from sonnys_pipeline.marts.columns import ColumnSource
from sonnys_pipeline.marts.digests import content_digest
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.catalog import table_schema
from sonnys_pipeline.report.markdown import escaped
from sonnys_pipeline.runtime.quoting import word

Metadata = Mapping[str, dg.MetadataValue]
#: Key in a day's metadata that identifies its rows, however they were read.
CONTENT_DIGEST = "content_digest"
#: Shown for a null figure, which is unknown and not 0.
NOT_KNOWN = "not known"


def file_metadata(landed: LandedFile, table: pa.Table, *, partitioned: bool) -> dict[str, dg.MetadataValue]:
    """Row count, place, size and columns, under Dagster's names for them."""
    return {
        "dagster/partition_row_count" if partitioned else "dagster/row_count": dg.MetadataValue.int(landed.rows),
        "dagster/column_schema": dg.MetadataValue.table_schema(table_schema(table.schema)),
        "path": dg.MetadataValue.path(str(landed.path)),
        "size": dg.MetadataValue.text(f"{landed.size:,} bytes"),  # as text: Dagster plots every number
    }


def day_metadata(lake: Lake, day: LandedDay) -> Metadata:
    """A day that has just been landed."""
    loaded = day.loaded
    # Read first, then counted: an interrupt that comes while DuckDB waits for a store would be lost in DuckDB's error.
    landed = lake.read("transactions", [loaded.day.key]).drop_columns("date")
    return {
        **file_metadata(day.file, loaded.table, partitioned=True),
        "pages": dg.MetadataValue.int(len(loaded.job_hashes)),
        "api_total": dg.MetadataValue.int(loaded.total),
        "requests": dg.MetadataValue.int(loaded.requests),
        "seconds": dg.MetadataValue.float(round(loaded.seconds, 3)),
        "seconds_waited_for_budget": dg.MetadataValue.float(round(day.budget_wait, 3)),
        "sales_total": dg.MetadataValue.float(kpis.sales_total(loaded.table)),
        "unknown_fields": dg.MetadataValue.json({word(name): rows for name, rows in loaded.unknown_fields.items()}),
        "replaced_text": dg.MetadataValue.int(loaded.replaced_text),
        "repeats": dg.MetadataValue.int(loaded.repeats),
        "loaded_at": dg.MetadataValue.timestamp(loaded.loaded_at),
        "verified_at": dg.MetadataValue.timestamp(loaded.loaded_at),
        "verified_by": dg.MetadataValue.text(Look.FULL.value),
        "windows": dg.MetadataValue.text(", ".join(str(window.window) for window in loaded.windows)),
        CONTENT_DIGEST: dg.MetadataValue.text(content_digest(landed)),
        **_proof_metadata(loaded.sites, None if loaded.proof is None else asdict(loaded.proof)),
    }


def earlier_day_metadata(lake: Lake, row: JobRow) -> Metadata:
    """A day that an earlier attempt landed: the same, as far as its file and its ledger row tell.

    Raises:
        LakeError: when the file cannot be read.
    """
    return {
        **landed_metadata(lake, row.day),
        "pages": dg.MetadataValue.int(len(row.job_hashes)),
        "requests": dg.MetadataValue.int(row.requests),
        "seconds": dg.MetadataValue.float(round(row.seconds, 3)),
    }


def landed_metadata(lake: Lake, day: str) -> Metadata:
    """A landed day, as far as its file alone tells."""
    table = lake.read("transactions", [day]).drop_columns("date")
    metadata = lake.metadata("transactions", day)
    windows = json.loads(metadata["windows"])
    file = LandedFile(lake.path("transactions", day), table.num_rows, lake.size("transactions", day))
    return {
        **file_metadata(file, table, partitioned=True),
        "pages": dg.MetadataValue.int(sum(len(window["hashes"]) for window in windows)),
        "api_total": dg.MetadataValue.int(
            sum(window["total"] for window in windows) - int(metadata.get("superseded", "0"))
        ),
        "sales_total": dg.MetadataValue.float(kpis.sales_total(table)),
        "loaded_at": dg.MetadataValue.timestamp(datetime.fromisoformat(metadata["loaded_at"])),
        "verified_at": dg.MetadataValue.timestamp(read_times({day: metadata})[day]),
        "verified_by": dg.MetadataValue.text(Look.FULL.value),
        "windows": dg.MetadataValue.text(", ".join(f"{window['start']}/{window['end']}" for window in windows)),
        CONTENT_DIGEST: dg.MetadataValue.text(content_digest(table)),
        **_proof_metadata(
            tuple(dict.fromkeys(window["site"] for window in windows if window["site"])),
            json.loads(metadata.get("proof", "null")),
        ),
    }


def states_metadata(lake: Lake, day: str, file: LandedFile | None = None) -> Metadata:
    """The states of a day; their `file` is looked at unless it has just been landed."""
    metadata, columns = lake.metadata(STATES, day), lake.columns(STATES, [day]).schema
    file = file or LandedFile(lake.path(STATES, day), lake.rows(STATES, day), lake.size(STATES, day))
    shown: dict[str, dg.MetadataValue] = {
        **file_metadata(file, columns.empty_table(), partitioned=True),
        "read_at": dg.MetadataValue.timestamp(datetime.fromisoformat(metadata["loaded_at"])),
        "states_without_row": dg.MetadataValue.int(int(metadata.get("states_without_row", "0"))),
        "rows_without_state": dg.MetadataValue.int(int(metadata.get("rows_without_state", "0"))),
    }
    return {**shown, "note": dg.MetadataValue.text(metadata["note"])} if "note" in metadata else shown


def _proof_metadata(sites: Sequence[str], proof: Mapping[str, Any] | None) -> dict[str, dg.MetadataValue]:
    found: dict[str, dg.MetadataValue] = {}
    if sites:
        found["sites_read"] = dg.MetadataValue.text(", ".join(sites))
    if proof is not None and proof["counted"] is not None:
        found["api_count"] = dg.MetadataValue.int(proof["counted"])
    if proof is not None and proof["note"]:
        found["api_count_note"] = dg.MetadataValue.text(proof["note"])
    return found


def run_metadata(result: ExecutionResult) -> dict[str, dg.MetadataValue]:
    """The figures of a run (BM-09), under names of their own beside those of a day."""
    figures: dict[str, dg.MetadataValue] = {
        f"run/{name}": dg.MetadataValue.float(float(value)) for name, value in asdict(result.measures).items()
    }
    return figures | {
        "run/job": dg.MetadataValue.text(result.job_id),
        "run/audit": dg.MetadataValue.text(result.run_id),
    }


def column_metadata(
    schema: pa.Schema, lineage: Mapping[str, Sequence[ColumnSource]], account: Account = ONLY
) -> dict[str, dg.MetadataValue]:
    """The columns of a computed table and their sources, known before it is computed."""
    columns = dg.MetadataValue.table_schema(table_schema(schema))
    return {"dagster/column_schema": columns, **column_lineage(lineage, account)}


def column_lineage(
    lineage: Mapping[str, Sequence[ColumnSource]], account: Account = ONLY
) -> dict[str, dg.MetadataValue]:
    """Which columns of which assets, of the same account, each column comes from."""
    deps = {
        column: [dg.TableColumnDep(account.key(source.asset), source.column) for source in sources]
        for column, sources in lineage.items()
    }
    return {"dagster/column_lineage": dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps))}


def totals(rows: pa.Table, columns: Sequence[str], *, complete: bool = True) -> dict[str, dg.MetadataValue]:
    """Sums of columns over all rows: counts as whole numbers, money in dollars.

    A sum over an unknown figure is a text that says how many rows are unknown, which no plot takes for a number. Sums
    of a day that is not `complete` are text too: in a plot they would look like a bad day.
    """
    found = {name: _total(rows[name]) for name in columns}
    if complete:
        return found
    return {name: dg.MetadataValue.text(f"{total.value} without what is missing") for name, total in found.items()}


def _total(column: pa.ChunkedArray) -> dg.MetadataValue:
    if column.null_count:
        return dg.MetadataValue.text(f"{NOT_KNOWN} of {column.null_count} of {len(column)} sites, see `unknown`")
    value = pc.sum(column).as_py() or 0  # null for no rows alone
    return dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(float(value))


def unknown_figures(rows: pa.Table) -> dict[str, dg.MetadataValue]:
    """Why figures of some rows of a mart are unknown; empty if all are known."""
    reasons = reasons_of(rows)
    return {"unknown": dg.MetadataValue.json(reasons)} if reasons else {}


def reasons_of(rows: pa.Table) -> list[str]:
    """The mart's column `unknown` with site and day, each reason once; empty if there is no such column."""
    if "unknown" not in rows.column_names:
        return []
    told = rows.filter(pc.is_valid(rows["unknown"])).select(["site", "business_date", "unknown"]).to_pylist()
    named = [f"{row['site'] or '(no code)'} {row['business_date']}: {row['unknown']}" for row in told]
    return list(dict.fromkeys(named))


def rows_as_markdown(rows: pa.Table, columns: Sequence[str]) -> str:
    """Some columns of a small table, for the UI; the first one names the row."""
    lines = [f"| {' | '.join(columns).replace('_', ' ')} |", f"|:--{'|--:' * (len(columns) - 1)}|"]
    lines += [f"| {' | '.join(_cell(value) for value in row.values())} |" for row in rows.select(columns).to_pylist()]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return NOT_KNOWN
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else escaped(str(value)) or "(no code)"
