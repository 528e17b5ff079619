"""DG-02, KPIS: Spark counts the same marts as DuckDB, three sites and 35 days, equal to the cent.

Spark runs in local mode, in a Java process of its own, which all tests of this module share. The rows and lists are
those of the simulator's world, without HTTP; they have a clock change, two time zones, an online store, late and edited
rows, states, and amounts out of range, and what `support/landed_lists.py` adds.
"""

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from math import inf, nan
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from sonnys_pipeline.client.models import Site, TransactionJobItem, parse_rows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.dialect import to_spark
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine, open_session
from sonnys_pipeline.lake.engines.spark import SparkEngine
from sonnys_pipeline.lake.errors import EngineError
from sonnys_pipeline.lake.iceberg.options import Iceberg
from sonnys_pipeline.lake.schema import TRANSACTIONS, arrow_schema, to_table
from sonnys_pipeline.lake.sql import open_tables
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.marts.digests import site_day_digests
from sonnys_pipeline.marts.flat_tables import discounts, line_items, tenders
from sonnys_pipeline.marts.frequency.inputs import WindowInputs
from sonnys_pipeline.marts.frequency.washes import member_washes, wash_frequency
from sonnys_pipeline.marts.incremental.inputs import MartInputs, Recipe
from sonnys_pipeline.marts.kpis import site_day_kpis, site_hour_kpis
from sonnys_pipeline.marts.members.cohorts import membership_cohorts
from sonnys_pipeline.marts.members.landed import LandedMembers
from sonnys_pipeline.marts.members.movement import membership_movement
from sonnys_pipeline.marts.memberships import membership_daily
from sonnys_pipeline.marts.mixes import discount_mix, item_mix, tender_mix
from sonnys_pipeline.marts.people.entries import read_entries
from sonnys_pipeline.marts.people.inputs import LaborInputs
from sonnys_pipeline.marts.people.liability_inputs import LiabilityInputs
from sonnys_pipeline.marts.so_far import site_hours_so_far
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline_tests.support.landed_lists import land_lists
from sonnys_pipeline_tests.support.servers import program

pytestmark = pytest.mark.spark

FIRST, DAYS = date(2026, 2, 15), 35  # clocks are put forward on 2026-03-08
DATES = [(FIRST + timedelta(days=number)).isoformat() for number in range(DAYS)]
BUSINESS_DATES = [date.fromisoformat(day) for day in DATES]
MARTS = [
    site_day_kpis,
    site_hour_kpis,
    membership_daily,
    item_mix,
    tender_mix,
    discount_mix,
    partial(site_hours_so_far, until={"MAIN": datetime(2026, 3, 9, 18, tzinfo=UTC)}),
    member_washes,
]


def flat(table: Callable[..., pa.Table]) -> Callable[[Lake, Engine], pa.Table]:
    """A flat table of all days."""
    recipe = Recipe(table.__name__, "", by_site_day=False)
    return lambda lake, engine: table(MartInputs(lake, "UTC", engine=engine).rows(recipe, DATES))


def frequency(lake: Lake, engine: Engine) -> pa.Table:
    """Of a day whose 30 days are landed, and of one that looks back on days before the first."""
    days = [DATES[10], DATES[34]]
    inputs = WindowInputs(lake, "UTC")
    return wash_frequency(inputs.washes(days), map(date.fromisoformat, days), inputs.notes(days), engine)


def movement(lake: Lake, engine: Engine) -> pa.Table:
    """Of all days, with the accounts that no list has."""
    made = membership_movement(LandedMembers(lake, "UTC").members(DATES), BUSINESS_DATES, engine)
    return made.table


def cohorts(lake: Lake, engine: Engine) -> pa.Table:
    """Of all months, with both counts of what is in no cohort."""
    landed = LandedMembers(lake, "UTC")
    made = membership_cohorts(landed.all_members(), landed.charges(), BUSINESS_DATES[-1], engine)
    counts = (made.undated_accounts, made.charges_without_cohort)
    assert min(counts) > 0
    return made.table.append_column("counts", pa.array([str(counts)] * made.table.num_rows))


#: Marts that have inputs of their own.
OTHERS = {
    "line_items": flat(line_items),
    "tenders": flat(tenders),
    "discounts": flat(discounts),
    "wash_frequency": frequency,
    "labor_daily": lambda lake, engine: LaborInputs(lake, "UTC").count(DATES, engine),
    "giftcard_liability": lambda lake, engine: LiabilityInputs(lake, "UTC").count(DATES, engine),
    "membership_movement": movement,
    "membership_cohorts": cohorts,
}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The active session, small; the engine uses it because no other is named."""
    program("java", "openjdk-17-jre-headless")
    configured = {
        "spark.driver.bindAddress": "127.0.0.1",
        # The rows are few: to compile less is faster, and to look for filters that follow from others takes longer than
        # what they spare. Files are listed here, not by a job of 36 tasks, and plans are described in short. What is
        # compiled stays: with Java's 48 MB for it, a fifth of the time went into dropping and compiling again.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC "
        "-Xms1g -Xmn512m",
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.leafNodeDefaultParallelism": "1",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "1000",
        "spark.sql.ui.explainMode": "simple",
        "spark.sql.adaptive.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    ctrl_c = signal.getsignal(signal.SIGINT)
    session = SparkSession.builder.master("local[2]").config(map=configured).getOrCreate()
    signal.signal(signal.SIGINT, ctrl_c)  # for the tests that come after: Spark has set a handler of its own
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """36 partitions, of which the first lacks a column of later versions, and ten have states; the lists."""
    world = World(seed=11, sites=3, api="documented", virtual_site=True)
    world.add_late_rows(datetime(2026, 3, 8, 7, 59, 59, 980_000, tzinfo=UTC), 40, "MAIN")
    world.edit_rows(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), 25)
    landed = Lake(tmp_path_factory.mktemp("date=here [x]"))
    land_lists(landed, World(seed=11, sites=3, api="documented", accounts_per_site=300), BUSINESS_DATES)
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    for number in range(DAYS + 1):
        since = start + timedelta(days=number)
        rows = list(world.rows(since, since + timedelta(days=1) - timedelta(milliseconds=1)))
        table = to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS)
        if number == 20:
            table = with_amounts_out_of_range(table)
        if number % 4 == 1:
            landed.land(STATES, states_of(table), partition=since.date().isoformat())
            table = table.set_column(
                table.schema.get_field_index("transaction_status"), TRANSACTIONS.field("transaction_status"),
                pa.nulls(table.num_rows, pa.string()),
            )  # fmt: skip
        landed.land("transactions", table, partition=since.date().isoformat())
    first = landed.path("transactions", DATES[0])
    pq.write_table(pq.read_table(first).drop_columns(["is_recurring_plan_sale", "sales_device_name"]), first)
    sites = [Site(code=one.code, name=one.name, timezone=one.timezone, site_id=one.site_id) for one in world.sites]
    landed.land("sites", to_table(sites, arrow_schema(Site)))
    counted = MartInputs(landed, "UTC").count(site_day_kpis, DATES[2:]).table
    for day in DATES[2:]:
        of_day = counted.filter(pc.equal(counted["business_date"], pa.scalar(date.fromisoformat(day))))
        landed.land("site_day_kpis", of_day, partition=day)
    return landed


def with_amounts_out_of_range(table: pa.Table) -> pa.Table:
    """As earlier versions landed them: five totals, and one item."""
    rows = table.to_pylist()
    for number in range(5):
        rows[number]["total"] = 20_000_000.0
    next(row for row in rows[5:] if row["items"])["items"][0]["net"] = 20_000_000.0
    return pa.Table.from_pylist(rows, TRANSACTIONS)


def states_of(table: pa.Table) -> pa.Table:
    """What `version-2` says of the rows: twice, and the newer answer counts."""
    read_at = datetime(2026, 6, 1, tzinfo=UTC)
    rows = [
        {
            "transaction_id": row["id"],
            "transaction_status": None if age and number % 3 else ("Voided" if age else row["transaction_status"]),
            "total": row["total"],
            "read_at": read_at - timedelta(hours=age),
        }
        for number, row in enumerate(table.select(["id", "transaction_status", "total"]).to_pylist())
        for age in (0, 1)
    ]
    return pa.Table.from_pylist(rows, TRANSACTION_STATES)


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: getattr(mart, "func", mart).__name__)
def test_marts_are_equal_on_both_engines(spark: SparkSession, lake: Lake, mart) -> None:
    """Every row and column, in the same order, and the days that are missing: to the cent."""
    if mart is site_hour_kpis:
        mart = partial(mart, clocked=read_entries(lake, DATES))
    counted = MartInputs(lake, "UTC").count(mart, DATES)
    found = MartInputs(lake, "UTC", engine=SparkEngine()).count(mart, DATES)
    assert counted.table.num_rows >= DAYS * 3
    assert_equal(found.table, counted.table)
    assert found.missing == counted.missing


def test_marts_of_iceberg_tables_are_equal(spark: SparkSession, lake: Lake, tmp_path: Path) -> None:
    """EC-02: Spark reads the current files of a lake of tables, of replaced days too, which lie in other folders."""
    days = DATES[:8]
    tables = Lake(tmp_path, lake_format=Iceberg())
    for day in [*days, days[0]]:
        tables.land("transactions", pq.read_table(lake.path("transactions", day), partitioning=None), partition=day)
    for day in (day for day in days if lake.has(STATES, day)):
        tables.land(STATES, lake.read(STATES, [day]), partition=day)
    tables.land("sites", lake.read("sites"))
    for mart in (site_day_kpis, item_mix):
        counted = MartInputs(lake, "UTC").count(mart, days[1:-1]).table
        found = MartInputs(tables, "UTC", engine=SparkEngine()).count(mart, days[1:-1]).table
        assert counted.num_rows >= 3 * 6
        assert_equal(found, counted)


@pytest.mark.parametrize("mart", OTHERS)
def test_marts_with_inputs_of_their_own_are_equal_on_both_engines(spark: SparkSession, lake: Lake, mart: str) -> None:
    """Every row and column, in the same order: to the cent, and the reasons of unknown figures word for word."""
    counted = OTHERS[mart](lake, DUCKDB)
    assert counted.num_rows >= DAYS
    assert_equal(OTHERS[mart](lake, SparkEngine()), counted)


def assert_equal(found: pa.Table, counted: pa.Table) -> None:
    """Column by column, so that a difference is named."""
    for name in counted.column_names:
        assert found[name].to_pylist() == counted[name].to_pylist(), name
    assert found.schema == counted.schema


def test_the_days_have_what_makes_counting_hard(lake: Lake) -> None:
    """Else the test above would prove less than it says."""
    table = MartInputs(lake, "UTC").count(site_day_kpis, DATES).table
    reasons = " ".join(filter(None, table["unknown"].to_pylist()))
    assert "beyond 10,000,000 dollars" in reasons
    assert "is_recurring_plan_sale: " in reasons
    assert "sales_device_name: no row of this day has it" in reasons
    assert sum(filter(None, table["voided_transactions"].to_pylist())) > 50


def test_dollars_are_the_same(spark: SparkSession) -> None:
    """Doubles become the same cents, whatever the API sends: halves, too, and what is no amount is null."""
    amounts = [cents / 100 for cents in range(-20_000, 20_000, 7)]
    amounts += [0.125, 1.005, 2.675, -1.005, 10_000_000.0, 9_999_999.99, 1e300, nan, inf, None]
    table = pa.table({"amount": pa.array(amounts, pa.float64())})
    query = "SELECT dollars_of(amount) AS dollars, is_beyond(amount) AS beyond FROM amounts"
    with open_tables({"amounts": table}) as connection:
        expected = connection.sql(query).to_arrow_table().to_pylist()
    spark.createDataFrame(table).createOrReplaceTempView("amounts")
    assert spark.sql(to_spark(query)).toArrow().to_pylist() == expected


def test_a_users_own_views_stay(spark: SparkSession, lake: Lake) -> None:
    """A session of the same application is used, not the user's own."""
    spark.sql("SELECT 1 AS mine").createOrReplaceTempView("transactions")
    with open_session(SparkEngine().rows(lake, DATES[:1], ())) as session:
        session.define("counted", "SELECT id FROM transactions")
    assert spark.table("transactions").columns == ["mine"]


def test_what_only_duckdb_counts_is_refused(spark: SparkSession, lake: Lake) -> None:
    """Digests of another engine would make every mart stale."""
    with pytest.raises(EngineError, match="HASH"):
        MartInputs(lake, "UTC", engine=SparkEngine()).count(site_day_digests, DATES[:1])


def test_a_damaged_file_is_an_error_of_the_lake(spark: SparkSession, tmp_path: Path) -> None:
    """In one line, with the remedy."""
    landed = Lake(tmp_path)
    landed.land("transactions", TRANSACTIONS.empty_table(), partition=DATES[0])
    landed.path("transactions", DATES[0]).write_bytes(b"PAR1 damaged PAR1")
    with pytest.raises(EngineError, match=r"Spark failed .*SONNYS_ENGINE=duckdb") as raised:
        MartInputs(landed, "UTC", engine=SparkEngine()).count(tender_mix, DATES[:1])
    assert "\n" not in str(raised.value)
