"""What a large chain costs beside its requests: a real day, planning, the look at marts, a process; for `scale.py`."""

from __future__ import annotations

import gc
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import psutil
import pyarrow as pa

from benchmarks.marts import peak_mib
from benchmarks.parse_and_land import PageBodies
from sonnys_pipeline.backfill.manifest.manifest import Manifest, result_of
from sonnys_pipeline.backfill.manifest.write_back import WriteBack
from sonnys_pipeline.backfill.options import ExecutorOptions
from sonnys_pipeline.backfill.preview import Request, days_between, preview
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import Day, last_complete_day
from sonnys_pipeline.client import RequestBudget, RequestRate, Site, SonnysClient
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.extract.pages.assemble import LoadedDay, complete_window, join_windows
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS, arrow_schema, to_table
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.archive import ARCHIVE
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.ledger.service import open_ledger
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.simulator import World

#: Rows of the simulator's world that are made; a larger day is the same rows with other ids and site codes.
_MADE_SITES, _MADE_ROWS = 20, 16_000
_ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles")
_ACCOUNT = "0" * 16


@dataclass(frozen=True)
class DayFigures:
    """One real day.

    Attributes:
        sites, rows, pages: of it.
        read_seconds, land_seconds: decoding and checking its pages; sorting and writing it with its archive.
        peak_mib, imports_mib: memory of the process; before anything was read.
        day_bytes_a_row, archive_bytes_a_page: on disk.
        kpi_seconds: counting its `site_day_kpis`.
    """

    sites: int
    rows: int
    pages: int
    read_seconds: float
    land_seconds: float
    peak_mib: float
    imports_mib: float
    day_bytes_a_row: float
    archive_bytes_a_page: float
    kpi_seconds: float


@dataclass(frozen=True)
class PlannerFigures:
    """Planning a job.

    Attributes:
        case: what was asked for.
        rows: days, or days of one site each, that the job has.
        preview_seconds, approve_seconds: of these verbs, the API's 20 answers aside.
        write_back_seconds: of one write-back into its CSV; 0 without one.
        ledger_mib: size of the ledger with it.
        peak_mib, imports_mib: memory of the process; before it.
    """

    case: str
    rows: int
    preview_seconds: float
    approve_seconds: float
    write_back_seconds: float
    ledger_mib: float
    peak_mib: float
    imports_mib: float


@dataclass(frozen=True)
class FilesFigures:
    """What looks at all days cost.

    Attributes:
        sites, days: of the lake.
        look_seconds: of `marts_auto_materialize` at one mart, every 30 s, when nothing has changed.
        watch_seconds: of the question which days are not landed.
        kpi_read_seconds: of reading a mart of all days as one table, and its rows.
        kpi_rows: of it.
    """

    sites: int
    days: int
    look_seconds: float
    watch_seconds: float
    kpi_read_seconds: float
    kpi_rows: int


@dataclass(frozen=True)
class ProcessFigures:
    """One process that loads.

    Attributes:
        orchestration_mib: resident memory with the code location imported.
        budget_ms: one place in the shared budget's file, of `accounts` that share the file.
        accounts: how many.
    """

    orchestration_mib: float
    budget_ms: float
    accounts: int


def one_day(sites: int, rows_a_site: int) -> DayFigures:
    """Read and land one real day of so many sites, as the loader would; called in a fresh process."""
    imports = peak_mib()
    rows = sites * rows_a_site
    day = Day.of("2026-03-10")
    reader = PageReader(keeps_pages=True)
    started, pages = time.perf_counter(), []
    for number, body in enumerate(_bodies(day, rows)):
        page = reader.read(PageBodies([body]), "0", {})
        assert isinstance(page, PageRows)
        pages.append(PageRows(f"{number:032x}", page.total, page.table, page.ids, page.unknown_fields, page.raw))
    window = complete_window(day.windows[0], pages)
    loaded = LoadedDay(day, (window,), join_windows([window]), datetime.now(UTC), 0, 0.0, has_raw_pages=True)
    count = len(pages)
    del pages, window
    read = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        file = land_day(lake, loaded, source=Source(_ACCOUNT))
        landed = time.perf_counter()
        peak = peak_mib()
        archive = lake.path(ARCHIVE, day.key).stat().st_size
        codes = loaded.table["location_code"].unique().to_pylist()
        del loaded
        gc.collect()
        counting = time.perf_counter()
        dates = [date.fromisoformat(day.key)]
        mart = site_day_kpis([file.path], _sites(codes, ("UTC",)), dates, landed=dates, timezone="UTC")
        assert sum(mart.table["transactions"].to_pylist()) == rows
        counted = time.perf_counter() - counting
    return DayFigures(
        sites, rows, count, read - started, landed - read, peak, imports, file.size / rows, archive / count, counted
    )


def _bodies(day: Day, rows: int) -> Iterator[bytes]:
    """Answers of all pages of a day: the world's rows again and again, under ids and site codes of their own."""
    made = min(rows, _MADE_ROWS)
    world = World(seed=7, sites=_MADE_SITES, rows_per_day=made)
    found = world.rows(day.start, day.end - timedelta(milliseconds=1))
    pages = [
        orjson.dumps(
            {"data": {"hash": "0", "status": "pass", "data": found[at : at + 100], "limit": 100, "total": rows}}
        )
        for at in range(0, made, 100)
    ]
    for number in range(-(-rows // 100)):
        copy, page = divmod(number, len(pages))
        body = pages[page].replace(b'"id":"', b'"id":"%d0' % copy if copy else b'"id":"')
        yield body.replace(b'"locationCode":"', b'"locationCode":"%d-' % copy) if copy else body


def _sites(codes: Sequence[str], zones: tuple[str, ...] = _ZONES) -> pa.Table:
    listed = [
        Site(code=code, name=f"Site {number}", timezone=zones[number % len(zones)]) for number, code in enumerate(codes)
    ]
    return to_table(listed, arrow_schema(Site))


def plan_days(case: str, sites: int, days: int, *, a_row_a_site: bool) -> PlannerFigures:
    """Preview and approve a job of the last days, half of them landed; called in a fresh process."""
    now = datetime.now(UTC)
    last = last_complete_day(now, "UTC")
    first = last - timedelta(days=days - 1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lake = Lake(root / "data")
        for number in range(0, days, 2):
            land_small_day(lake, (first + timedelta(days=number)).isoformat(), sites)
        gc.collect()
        imports = peak_mib()
        started = time.perf_counter()
        request = Request(days_between(first.isoformat(), last.isoformat()))
        if a_row_a_site:
            csv = root / "days.csv"
            lines = [f"{spec.day},S{number}\n" for spec in request.rows for number in range(sites)]
            csv.write_text("date,site\n" + "".join(lines))
            manifest = Manifest.read(csv)
            request = Request(manifest.requests, manifest=manifest)
        options = ExecutorOptions("UTC", root / "state", LoaderOptions(), Source(_ACCOUNT))
        ledger = root / "ledger.sqlite"
        with open_ledger(f"sqlite:///{ledger}") as jobs:
            workspace = Workspace(Settings(state_dir=root / "state"))
            workspace.jobs, workspace.client, workspace.lake = jobs, _client(), lake  # type: ignore[misc] # parts of its own
            workspace.options = options  # type: ignore[misc] # the same
            job, plan = preview(request, workspace, command="", now=now)
            assert job is not None
            assert len(request.rows) == job.total_days
            previewed = time.perf_counter()
            jobs.plans.approve(job.id, plan.fingerprint, by="the benchmark")
            approved = time.perf_counter()
            written = 0.0
            if request.manifest is not None:
                back = WriteBack(request.manifest, job.id)
                (row,) = jobs.get_rows(job.id, limit=1)
                begun = time.perf_counter()
                back.write({(row.day, row.site): result_of(row)})
                written = time.perf_counter() - begun
        size = sum(path.stat().st_size for path in root.glob("ledger.sqlite*")) / 2**20
        return PlannerFigures(
            case, job.total_days, previewed - started, approved - previewed, written, size, peak_mib(), imports
        )


def _client() -> SonnysClient:
    """Answers how many rows a day has, without a network; all else that is asked of it here is its budget's rate."""
    counting = SimpleNamespace(count=lambda **_: 400_000)
    return cast(
        "SonnysClient",
        SimpleNamespace(
            transactions=counting, budget=SimpleNamespace(rate=RequestRate()), base_url="http://127.0.0.1/v1"
        ),
    )


def land_small_day(lake: Lake, key: str, sites: int) -> None:
    """A day of one row a site, with the metadata of a day of 4,000 load jobs, as a footer has them at this scale."""
    day = Day.of(key)
    rows = [
        {
            "id": f"{key}:{number}", "complete_date": day.start + timedelta(hours=15), "location_code": f"S{number}",
            "total": 10.0, "tenders": [], "items": [], "discounts": [],
        }
        for number in range(sites)
    ]  # fmt: skip
    columns = [_column(field, rows) for field in TRANSACTIONS]
    hashes = [f"{number:032x}" for number in range(sites * 8)]
    windows = [{"start": f"{day.start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{day.end:%Y-%m-%dT%H:%M:%SZ}", "site": None,
                "total": sites, "cut_off": 0, "hashes": hashes}]  # fmt: skip
    metadata = {"account": _ACCOUNT, "site_code": "", "timezone": "UTC", "windows": orjson.dumps(windows).decode(),
             "sites": "null", "superseded": "0", "loaded_at": day.end.isoformat()}  # fmt: skip
    lake.land(ASSET, pa.Table.from_arrays(columns, schema=TRANSACTIONS), partition=key, metadata=metadata)


_PLAIN: dict[pa.DataType, Any] = {pa.string(): "Sale", pa.int64(): 0, pa.float64(): 0.0, pa.bool_(): False}


def _column(field: pa.Field, rows: list[dict[str, Any]]) -> pa.Array:
    """One column of such rows; what they do not say is plain."""
    plain = None if field.nullable else _PLAIN.get(field.type)
    return pa.array([row.get(field.name, plain) for row in rows], field.type)


def look_at_files(sites: int, days: int) -> FilesFigures:
    """Compute a mart of so many days, and look at it as the automation does; called in a fresh process."""
    from sonnys_pipeline.marts.incremental.inputs import MartInputs, metadata_of  # noqa: PLC0415 - brings Dagster along
    from sonnys_pipeline.marts.incremental.staleness import stale_days  # noqa: PLC0415
    from sonnys_pipeline.orchestration.assets.marts import KPI_TABLES  # noqa: PLC0415
    from sonnys_pipeline.orchestration.checks.all_days import not_landed  # noqa: PLC0415

    table = KPI_TABLES[0]
    first = date(2024, 9, 1)
    keys = [(first + timedelta(days=number)).isoformat() for number in range(days)]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        lake.land("sites", _sites([f"S{number}" for number in range(sites)]))
        for key in keys:
            land_small_day(lake, key, sites)
        inputs = MartInputs(lake, "UTC")
        mart = inputs.count(table.function, keys)
        read_from = inputs.require(table.recipe, keys)
        for at, (key, partitions) in enumerate(read_from.items()):
            rows = mart.table.slice(at * len(mart.table) // days, len(mart.table) // days)
            rows = rows.set_column(1, "business_date", pa.repeat(pa.scalar(date.fromisoformat(key)), len(rows)))
            metadata = metadata_of("", inputs.recorded_inputs(table.recipe, key, partitions))
            lake.land(table.recipe.asset, rows, partition=key, metadata=metadata)
        started = time.perf_counter()
        found = stale_days(lake, MartInputs(lake, "UTC"), table.recipe, keys)
        looked = time.perf_counter()
        assert not found.days, found
        assert not not_landed(lake, first, first + timedelta(days=days))
        watched = time.perf_counter()
        read = lake.read(table.recipe.asset, keys).num_rows
        return FilesFigures(sites, days, looked - started, watched - looked, time.perf_counter() - watched, read)


def weigh_process(accounts: int) -> ProcessFigures:
    """Import what a run imports, and share a budget's file among accounts; called in a fresh process."""
    from sonnys_pipeline.orchestration.build import build_defs  # noqa: PLC0415 - brings Dagster along

    build_defs()
    resident = psutil.Process().memory_info().rss / 2**20
    places = 10
    with tempfile.TemporaryDirectory() as folder:
        budgets = [RequestBudget(f"id-{number}", url=f"sqlite:///{folder}/budget.sqlite") for number in range(accounts)]

        def spend(budget: RequestBudget) -> None:
            for _ in range(places):
                assert budget.try_acquire() == 0

        threads = [threading.Thread(target=spend, args=(budget,)) for budget in budgets]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent = time.perf_counter() - started
        for budget in budgets:
            budget.close()
    return ProcessFigures(resident, 1000 * spent / (places * accounts), accounts)
