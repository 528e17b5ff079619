"""DG-02, LJ-05: whole days over real HTTP into the lake: every row on exactly one day, complete, or nothing at all."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import APIError, IncompleteResultError, JobFailedError, SonnysClient, UnparsableRowError
from sonnys_pipeline.extract.events import FailedDay
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.extract.worker_pool import ThreadWorkerPool
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.landing.quarantine import set_aside
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.marts.kpis import daily_sales, sales_total
from sonnys_pipeline.simulator import Faults, Simulator

Start = Callable[..., Simulator]
Connect = Callable[..., SonnysClient]
SOURCE = Source("account")
DAYS = ["2026-03-09", "2026-03-10", "2026-03-11"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def outcome_of(
    client: SonnysClient,
    key: str,
    zone: str = "UTC",
    site: str | None = None,
    max_retries: int = 5,
    sites: Sequence[str] = (),
) -> LoadedDay | FailedDay:
    """What becomes of one day, read alone: whole, for one site, or site by site."""
    options = LoaderOptions(
        poll_interval=0.01, job_timeout=20, hash_lifetime=client.hash_lifetime, max_retries=max_retries
    )
    loader = Loader(client.unthrottled(), client.budget, ThreadWorkerPool(8), options)
    (outcome,) = loader.load([DayRequest(Day.of(key, zone), site, sites=sites)])
    return outcome


def read(
    client: SonnysClient, key: str, zone: str = "UTC", site: str | None = None, sites: Sequence[str] = ()
) -> LoadedDay:
    """One day, whole."""
    outcome = outcome_of(client, key, zone, site, sites=sites)
    assert isinstance(outcome, LoadedDay), outcome
    return outcome


def error_of(client: SonnysClient, key: str, max_retries: int = 5) -> APIError:
    """Why one day failed."""
    outcome = outcome_of(client, key, max_retries=max_retries)
    assert isinstance(outcome, FailedDay), outcome
    return outcome.error


def ids(loaded: LoadedDay) -> list[str]:
    """Ids of a loaded day, in the API's order."""
    found: list[str] = loaded.table["id"].to_pylist()
    return found


def truth(simulator: Simulator, key: str, zone: str = "UTC", site: str | None = None) -> list[str]:
    """Ids of a day, straight from the simulated chain, cut half-open here and not by the code under test."""
    day = Day.of(key, zone)
    rows = simulator.world.rows(day.start, day.end, site)
    return [row["id"] for row in rows if datetime.fromisoformat(row["completeDate"]) < day.end]


def test_each_row_lands_on_exactly_one_day(start_simulator: Start, connect: Connect, lake: Lake) -> None:
    """Three days of 799 rows, one of them each midnight: 800 come with the end included, 799 land, none twice."""
    simulator = start_simulator(rows_per_day=799, midnight_row=True)
    client = connect(simulator)
    for key in DAYS:
        loaded = read(client, key)
        assert (loaded.total, loaded.table.num_rows) == (800, 799)
        land_day(lake, loaded, source=SOURCE)
    table = lake.read("transactions", DAYS)
    assert Counter(table["id"].to_pylist()).most_common(1)[0][1] == 1
    for key in DAYS:
        assert sorted(lake.read("transactions", [key])["id"].to_pylist()) == sorted(truth(simulator, key))
        metadata = lake.metadata("transactions", key)
        (window,) = json.loads(metadata["windows"])
        assert (metadata["rows"], window["total"], window["cut_off"], len(window["hashes"])) == ("799", 800, 1, 8)
    on_midnight = [row["date"] for row in table.to_pylist() if row["complete_date"].time() == time()]
    assert [day.isoformat() for day in on_midnight] == DAYS


def test_the_last_second_of_a_day_is_not_missed(start_simulator: Start, connect: Connect, lake: Lake) -> None:
    """Rows at 23:59:59.0 … .999 belong to the day that ends, the one at 00:00:00.000 to the next."""
    simulator = start_simulator(rows_per_day=20)
    midnight = datetime(2026, 3, 11, tzinfo=UTC)
    late = {}
    for milliseconds in (-1000, -400, -1, 0):
        (row_id,) = simulator.world.add_late_rows(midnight + timedelta(milliseconds=milliseconds))
        late[milliseconds] = row_id
    client = connect(simulator)
    for key in ("2026-03-10", "2026-03-11"):
        land_day(lake, read(client, key), source=SOURCE)
    before = set(lake.read("transactions", ["2026-03-10"])["id"].to_pylist())
    after = set(lake.read("transactions", ["2026-03-11"])["id"].to_pylist())
    assert {late[-1000], late[-400], late[-1]} <= before
    assert late[0] in after
    assert (len(before), len(after), before & after) == (23, 21, set())


@pytest.mark.parametrize(
    ("keys", "now", "windows"),
    [
        (["2026-03-07", "2026-03-08", "2026-03-09"], datetime(2026, 3, 20, 12, tzinfo=UTC), [1, 1, 1]),
        (["2026-10-31", "2026-11-01", "2026-11-02"], datetime(2026, 11, 20, 12, tzinfo=UTC), [1, 2, 1]),
    ],
    ids=["23 hours", "25 hours"],
)
def test_days_on_which_clocks_change(
    start_simulator: Start, connect: Connect, lake: Lake, keys: list[str], now: datetime, windows: list[int]
) -> None:
    """America/Chicago in March and November: days of 23 and 25 hours are whole, and nothing lands twice around them."""
    simulator = start_simulator(rows_per_day=240, midnight_row=True, now=now)
    # A row exactly where the two windows of the long day meet, and one on each end of the changed day.
    changed = Day.of(keys[1], "America/Chicago")
    for instant in {changed.start, changed.windows[0].end, changed.end}:
        simulator.world.add_late_rows(instant)
    client = connect(simulator)
    for key, count in zip(keys, windows, strict=True):
        loaded = read(client, key, "America/Chicago")
        assert len(loaded.windows) == count
        land_day(lake, loaded, source=SOURCE)
        assert sorted(lake.read("transactions", [key])["id"].to_pylist()) == sorted(
            truth(simulator, key, "America/Chicago")
        )
    ids = lake.read("transactions", keys)["id"].to_pylist()
    assert len(ids) == len(set(ids)) > 600


def test_one_site_alone(start_simulator: Start, connect: Connect) -> None:
    """A site narrows the day to its own rows."""
    simulator = start_simulator(rows_per_day=60, sites=3)
    loaded = read(connect(simulator), "2026-03-10", site="HARBOR")
    assert ids(loaded) == truth(simulator, "2026-03-10", site="HARBOR")
    assert set(loaded.table["location_code"].to_pylist()) == {"Harbor"}, "as the API's rows write it"
    assert loaded.site == "HARBOR"


def test_what_a_day_cost_is_known(start_simulator: Start, connect: Connect) -> None:
    """Requests and load jobs of the day, as the server counted them."""
    simulator = start_simulator(rows_per_day=230)
    client = connect(simulator)
    client.sites.list()
    loaded = read(client, "2026-03-10")
    stats = simulator.stats()
    assert loaded.requests == stats.requests - 1
    assert len(set(loaded.job_hashes)) == stats.submissions == 3


@pytest.mark.parametrize("fault", ["short_page", "duplicate_rows", "moving_total"])
def test_a_window_that_does_not_add_up_is_read_again(start_simulator: Start, connect: Connect, fault: str) -> None:
    """Once is healed: the window is read in halves, with criteria that the API has nothing cached for."""
    simulator = start_simulator(rows_per_day=200, faults=Faults(**{fault: 1}))
    loaded = read(connect(simulator), "2026-03-10")
    assert sorted(ids(loaded)) == sorted(truth(simulator, "2026-03-10"))
    assert len(ids(loaded)) == (201 if fault == "moving_total" else 200)
    assert [window.window.end - window.window.start for window in loaded.windows] == [timedelta(hours=12)] * 2
    assert simulator.stats().requests <= 2 * 2 + 2 * 4 + 4  # twice the pages, and a few polls that ask too early


@pytest.mark.parametrize(
    ("fault", "rows", "max_retries"),
    [
        ("short_page", 900, 2),
        ("moving_total", 900, 1),
        ("duplicate_rows", 800, 0),  # harmless in halves: their last page has room for the row that is pushed out
    ],
)
def test_an_incomplete_day_fails(
    start_simulator: Start, connect: Connect, fault: str, rows: int, max_retries: int
) -> None:
    """What never adds up is an error that names a window of the day; when it is over, the day is whole."""
    simulator = start_simulator(rows_per_day=rows, faults=Faults(**{fault: -1}))
    client = connect(simulator)
    error = error_of(client, "2026-03-10", max_retries)
    assert isinstance(error, IncompleteResultError)
    assert "window 2026-03-10T" in str(error)
    assert error.promised != error.received
    simulator.set_faults()
    simulator.advance(1201)
    assert ids(read(client, "2026-03-10")) == truth(simulator, "2026-03-10")


def test_a_failed_job_lands_nothing(start_simulator: Start, connect: Connect, lake: Lake) -> None:
    """Every job of the day fails, again and in halves: nothing comes of it, and the day that was landed stays."""
    simulator = start_simulator(rows_per_day=250)
    client = connect(simulator)
    land_day(lake, read(client, "2026-03-10"), source=SOURCE)
    simulator.reset()
    simulator.set_faults(Faults(fail_dates=frozenset({date(2026, 3, 10)})))
    assert isinstance(error_of(client, "2026-03-10"), JobFailedError)
    assert lake.rows("transactions", "2026-03-10") == 250


@pytest.mark.parametrize("fault", ["fail_jobs", "sticky_fail_jobs"])
def test_a_job_that_fails_once_is_healed(start_simulator: Start, connect: Connect, fault: str) -> None:
    """Submitted again; where the API has cached the failure, with other criteria."""
    simulator = start_simulator(rows_per_day=250, faults=Faults(**{fault: 1}))
    loaded = read(connect(simulator), "2026-03-10")
    assert ids(loaded) == truth(simulator, "2026-03-10")
    assert len(loaded.windows) == (2 if fault == "sticky_fail_jobs" else 1)


def test_an_empty_day_that_answers_404_is_empty(start_simulator: Start, connect: Connect) -> None:
    """LJ-10: the list endpoint confirms that there is nothing; no hash is waited for."""
    simulator = start_simulator(rows_per_day=0, faults=Faults(empty_as_404=True))
    loaded = read(connect(simulator), "2026-03-10")
    assert (loaded.table.num_rows, loaded.job_hashes) == (0, ())
    assert simulator.stats().lists == 1


def test_a_day_that_turns_empty_is_refused(start_simulator: Start, connect: Connect, lake: Lake) -> None:
    """Decision 5: an empty re-read does not replace landed rows; an empty day lands where nothing was."""
    full = connect(start_simulator(rows_per_day=20))
    empty = connect(start_simulator(rows_per_day=0))
    land_day(lake, read(full, "2026-03-10"), source=SOURCE)
    with pytest.raises(RowsWouldVanishError):
        land_day(lake, read(empty, "2026-03-10"), source=SOURCE)
    assert land_day(lake, read(empty, "2026-03-11"), source=SOURCE).rows == 0
    assert lake.rows("transactions", "2026-03-10") == 20


def test_reading_again_takes_up_what_changed(start_simulator: Start, connect: Connect, lake: Lake) -> None:
    """Late and edited rows appear when the day is read again after the cache has expired."""
    simulator = start_simulator(rows_per_day=40)
    client = connect(simulator)
    before = read(client, "2026-03-10").table
    land_day(lake, read(client, "2026-03-10"), source=SOURCE)
    start = datetime(2026, 3, 10, tzinfo=UTC)
    (late,) = simulator.world.add_late_rows(start + timedelta(hours=12))
    (edited,) = simulator.world.edit_rows(start, start + timedelta(days=1))
    simulator.advance(1201)
    land_day(lake, read(client, "2026-03-10"), source=SOURCE)
    after = {row["id"]: row["total"] for row in lake.read("transactions", ["2026-03-10"]).to_pylist()}
    known = {row["id"]: row["total"] for row in before.to_pylist()}
    assert set(after) - set(known) == {late}
    assert {row_id for row_id in known if after[row_id] != known[row_id]} == {edited}


def test_a_new_field_is_landed_and_counted(start_simulator: Start, connect: Connect, lake: Lake) -> None:
    """A field that no document knows lands as JSON beside the columns, and is counted."""
    simulator = start_simulator(rows_per_day=150, faults=Faults(unknown_field=1))
    loaded = read(connect(simulator), "2026-03-10")
    land_day(lake, loaded, source=SOURCE)
    extra = lake.read("transactions", ["2026-03-10"], ["extra"])["extra"]
    assert Counter(extra.to_pylist()) == {'{"loyaltyTier": "gold"}': 100, None: 50}
    assert loaded.unknown_fields == {"loyaltyTier": 100}


def test_a_bad_row_is_set_aside_with_its_page(start_simulator: Start, connect: Connect, tmp_path: Path) -> None:
    """The whole raw page is kept for inspection, under day and hash."""
    simulator = start_simulator(rows_per_day=30, faults=Faults(malformed_rows=1))
    error = error_of(connect(simulator), "2026-03-10")
    assert isinstance(error, UnparsableRowError)
    path = set_aside(tmp_path, "2026-03-10", error)
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert [row["id"] for row in kept["rows"]] == truth(simulator, "2026-03-10")
    assert (kept["row_id"], kept["field"]) == (kept["rows"][0]["id"], "total")
    assert kept["rows"][0]["total"] == "abc"
    assert kept["job_hash"] in path.name


def test_sales_of_a_lifelike_day_agree_with_the_chain(start_simulator: Start, connect: Connect, lake: Lake) -> None:
    """KPIS "Sales" and "Total cars", counted a second time by plain Python over the chain's own rows."""
    simulator = start_simulator(sites=2)
    loaded = read(connect(simulator), "2026-03-10", "America/Chicago", sites=("MAIN", "HARBOR"))
    table = loaded.table
    land_day(lake, loaded, source=SOURCE)
    day = Day.of("2026-03-10", "America/Chicago")
    rows = simulator.world.rows(day.start, day.end - timedelta(milliseconds=1))
    sales: Counter[str] = Counter()
    cars: Counter[str] = Counter()
    for row in rows:
        redemption = row.get("isRecurringPlanRedemption", row["isRecurringRedemption"])
        wash = any(item["department"] == "Wash" and not item["isVoided"] for item in row["items"])
        cars[row["locationCode"]] += bool(redemption or wash)
        sales[row["locationCode"]] += 0 if redemption else round(row["total"] * 100)
    counted = daily_sales(lake.read("transactions", ["2026-03-10"])).to_pylist()
    assert {row["site"]: row["sales"] for row in counted} == {
        site: Decimal(cents) / 100 for site, cents in sales.items()
    }
    assert {row["site"]: row["cars"] for row in counted} == dict(cars)
    assert sales_total(table) == pytest.approx(sum(sales.values()) / 100, abs=0.005)
