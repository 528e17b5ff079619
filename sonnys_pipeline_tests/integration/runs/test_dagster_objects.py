"""DG-02, DG-05: everything that reads and writes the lake, with the lake on a real S3 server instead of in a folder.

What it costs in requests to the store stands here, too: docs/object-storage.md quotes it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.marts.incremental.inputs import MartInputs
from sonnys_pipeline.marts.incremental.staleness import stale_days
from sonnys_pipeline.orchestration.assets.flat_tables import FLAT_TABLES
from sonnys_pipeline.orchestration.assets.marts import KPI_TABLES
from sonnys_pipeline.orchestration.partitions import daily_partitions
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.integration.conftest import USUAL, Pipeline, pipeline_on
from sonnys_pipeline_tests.support.forwarder import Forwarder
from sonnys_pipeline_tests.support.pipelines.snapshots import _copy as copy_memory
from sonnys_pipeline_tests.support.servers import PASSWORD, S3Server, forget_s3_clients, s3_settings

pytestmark = pytest.mark.s3
logger = logging.getLogger(__name__)
DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
MARTS = ("site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix")


TABLES = ("line_items", "tenders", "discounts")


@pytest.fixture(scope="module")
def origin(
    s3_server: S3Server, simulators_of_module: Callable[..., Simulator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Three days, and the list of sites, landed in a bucket."""
    simulator, bucket = simulators_of_module(**USUAL, sites=2), s3_server.new_bucket()
    with dg.DagsterInstance.ephemeral() as memory:
        with pytest.MonkeyPatch.context() as patch:
            point_to(s3_server.port, patch)
            made = pipeline_on(simulator, memory, tmp_path_factory.mktemp("landed"), patch, f"{bucket}/lake")
            assert made.run("transactions", "sites", days=DAYS).success
        yield made


@pytest.fixture(scope="module")
def counted_origin(
    origin: Pipeline, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """The same with tables and marts."""
    bucket = s3_server.copied_bucket(bucket_of(origin))
    with dg.DagsterInstance.ephemeral() as memory:
        copy_memory(origin.instance, memory)
        with pytest.MonkeyPatch.context() as patch:
            point_to(s3_server.port, patch)
            folder = tmp_path_factory.mktemp("counted")
            made = pipeline_on(origin.simulator, memory, folder, patch, f"{bucket}/lake")
            assert made.run(*TABLES, *MARTS, days=DAYS).success
        yield made


def point_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let S3 clients use the server on this port."""
    for name, value in s3_settings(port).items():
        monkeypatch.setenv(name, value)
    forget_s3_clients()


def bucket_of(pipeline: Pipeline) -> str:
    """The URL of the bucket that its lake is in."""
    return str(pipeline.lake.root).removesuffix("/lake")


@pytest.fixture
def seen(s3_server: S3Server, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forwarder]:
    """The way to the store, which sees what passes."""
    with Forwarder(s3_server.port) as way:
        point_to(way.port, monkeypatch)
        yield way


@pytest.fixture
def copy(
    seen: Forwarder,
    s3_server: S3Server,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Pipeline], Pipeline]:
    """Opens a pipeline with copies of all that another one has: objects, state, and what is remembered of its runs."""

    def copied(source: Pipeline) -> Pipeline:
        bucket = s3_server.copied_bucket(bucket_of(source))
        copytree(source.state, tmp_path / "state")
        copy_memory(source.instance, instance)
        return pipeline_on(source.simulator, instance, tmp_path, monkeypatch, f"{bucket}/lake")

    return copied


@pytest.fixture
def landed(copy: Callable[[Pipeline], Pipeline], origin: Pipeline) -> Pipeline:
    """Three days with 120 rows each, and the list of sites."""
    return copy(origin)


@pytest.fixture
def counted(copy: Callable[[Pipeline], Pipeline], counted_origin: Pipeline) -> Pipeline:
    """The same with tables and marts."""
    return copy(counted_origin)


def requests_of(seen: Forwarder) -> Counter[str]:
    """How many requests of each kind have passed; listings by themselves."""
    kinds = ("LIST" if "list-type=2" in one.path else one.method for one in seen.requests)
    found = Counter(kinds)
    seen.forget()
    return found


def test_a_day_costs_four_puts_and_some_looks(landed, origin: Pipeline, seen: Forwarder) -> None:
    """Landed whole, with its states, both archives, checks and metadata; what a day more costs is counted.

    Five of the looks are at the journal of files replaced as one (KT-02): before zones, moved rows, the day and its
    states, and what is recorded in Dagster. Five are at the sites' history, whose file each landing may extend. Three
    are at the list of forgotten customers: at the start, and before rows and states are landed.
    """
    for day in EACH:
        assert landed.landed_ids(day) == landed.expected_ids(day)
    assert landed.lake.partitions("transactions_raw") == EACH
    assert landed.times_materialized() == dict.fromkeys(EACH, 1)
    record = landed.record()
    assert f"{origin.lake.root}/transactions/date=2026-03-10/part-0.parquet" in record  # where they were landed
    assert PASSWORD not in record
    # Whoever has landed a day knows its footers.
    landed.lake.metadata("sites")
    for asset in ("transactions", "transaction_states", "transactions_raw", "transaction_states_raw"):
        for day in EACH:
            landed.lake.metadata(asset, day)
    requests_of(seen)
    assert landed.run("transactions", days="2026-03-13", selection=dg.AssetSelection.assets(
        "transactions").without_checks()).success  # fmt: skip
    found = requests_of(seen)
    logger.info("a day landed: %s", found)
    assert found["PUT"] == 4, "rows and states, and the pages of each"
    assert found.total() <= 28


def test_tables_marts_and_the_report_are_made(counted, seen: Forwarder) -> None:
    """Each as from a folder; what one of each costs is counted."""
    for asset in (*TABLES, *MARTS):
        assert counted.lake.partitions(asset) == EACH
    cars = counted.lake.read("site_day_kpis", EACH)
    assert sum(cars["transactions"].to_pylist()) > 100
    requests_of(seen)
    assert counted.run("site_day_kpis", days="2026-03-11").success
    found = requests_of(seen)
    logger.info("a mart's day: %s", found)
    assert found["PUT"] == 1
    assert counted.run("daily_report", days="2026-03-11").success
    page = counted.lake.page("daily_report", "report.html", partition="2026-03-11")
    assert page is not None
    assert b"made beside" in page[-200:]
    logger.info("a report: %s", requests_of(seen))


def test_a_look_without_news_asks_for_lists(counted, seen: Forwarder) -> None:
    """What the sensor does every half minute: some requests for each asset, however many days there are.

    Beside the lists: one for the journal of files replaced as one (KT-02), three for the sites.
    """

    def look() -> list[tuple[str, ...]]:
        lake = counted.lake.snapshot()
        inputs = MartInputs(lake, "UTC")
        recipes = [table.recipe for table in (*KPI_TABLES, FLAT_TABLES[0])]
        return [stale_days(lake, inputs, recipe, EACH).days for recipe in recipes]

    assert look() == [()] * 5
    requests_of(seen)
    assert look() == [()] * 5
    found = requests_of(seen)
    logger.info("a look at five assets: %s", found)
    assert found["LIST"] <= 10  # states and clock entries are looked at, too
    assert found.total() <= 15  # three for clock entries, of which none are landed


def test_inputs_come_in_every_form(landed) -> None:
    """As pandas, a DuckDB relation and a Polars frame, by annotation."""
    partitions = daily_partitions(Settings.load())
    expected = len(EACH) * 120

    @dg.asset(partitions_def=partitions)
    def own(transactions: pd.DataFrame) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": len(transactions)})

    @dg.asset(partitions_def=partitions)
    def queried(transactions: duckdb.DuckDBPyRelation) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": transactions.aggregate("count(*)").fetchall()[0][0]})

    @dg.asset(partitions_def=partitions)
    def lazy(transactions: pl.LazyFrame) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": transactions.select(pl.len()).collect().item()})

    assert landed.run(own, queried, lazy, days=DAYS).success
    for asset in ("own", "queried", "lazy"):
        (record, *_) = landed.materializations(asset)
        assert record.asset_materialization.metadata["rows"].value == expected


def test_the_command_line_works_on_it(landed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`sonnys report`, `replay` and `doctor`: the page's URL, the same bytes, the rights that are there."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    run = CliRunner().invoke
    reported = run(main, ["report", "--date", "2026-03-11"])
    assert reported.exit_code == 0, reported.output
    assert f"{landed.lake.root}/daily_report/date=2026-03-11/report.html" in reported.stdout
    before = {day: landed.lake.version("transactions", day) for day in EACH}
    landed.lake.remove("transactions", EACH[0])
    replayed = run(main, ["replay"])
    assert replayed.exit_code == 0, replayed.output
    assert "1 written, 2 unchanged" in replayed.stdout
    assert {day: landed.lake.version("transactions", day) for day in EACH} == before
    assert list((tmp_path / "state" / "locks").iterdir())
    doctor = run(main, ["doctor"])
    assert f"{landed.lake.root}: objects can be written, read, listed and deleted" in " ".join(doctor.stdout.split())
    assert PASSWORD not in doctor.output
    offline = run(main, ["doctor", "--offline"])
    assert "skipped (--offline)" in offline.stdout


def test_doctor_tells_what_a_store_refuses(landed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is not there is a problem with a remedy, and hides no other check."""
    monkeypatch.setenv("SONNYS_DATA_URL", "s3://no-such-bucket-here/lake")
    found = CliRunner().invoke(main, ["doctor"])
    assert found.exit_code == 1
    said = " ".join(found.stdout.split())
    assert "no-such-bucket-here" in said
    assert "bucket does not exist" in said
    assert "fix what the store reports" in said
