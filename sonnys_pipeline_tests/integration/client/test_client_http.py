"""LJ-01 … LJ-08 once more, word by word, over real HTTP against the simulator; troubles are next door."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sonnys_pipeline.client import (
    APIError,
    APITimeoutError,
    IncompleteResultError,
    JobFailedError,
    LoadJobStatus,
    NotFoundError,
    SonnysClient,
    TransactionJobItem,
    UnparsableRowError,
    ValidationError,
)
from sonnys_pipeline.simulator import Faults, Simulator

Start = Callable[..., Simulator]
Connect = Callable[..., SonnysClient]
DAY = datetime(2026, 3, 10, tzinfo=UTC)
FAST = {"poll_interval": 0.01, "timeout": 20.0}


def span(hours: float = 24, start: datetime = DAY) -> dict[str, int]:
    """A window as the API takes it, both ends included."""
    return {"startDate": int(start.timestamp()), "endDate": int((start + timedelta(hours=hours)).timestamp())}


def truth(simulator: Simulator, hours: float = 24, site: str | None = None) -> list[str]:
    """Ids of the simulated chain, straight from its world."""
    return [row["id"] for row in simulator.world.rows(DAY, DAY + timedelta(hours=hours), site)]


def test_one_call_brings_the_whole_window(start_simulator: Start, connect: Connect) -> None:
    """LJ-01, LJ-02, LJ-05: 250 rows in three pages, each row once, in order, as models, equal to the chain's own."""
    simulator = start_simulator(rows_per_day=250)
    rows = connect(simulator).transactions.load_job(**FAST, **span())
    assert [row.id for row in rows] == truth(simulator)
    assert len(rows) == 250
    assert {type(row) for row in rows} == {TransactionJobItem}
    submitted = [record for record in simulator.log if record.operation == "submit"]
    assert [record.query.split("&")[-2:] for record in submitted] == [["limit=100", f"offset={n}"] for n in (1, 2, 3)]
    assert simulator.stats().passed_polls == 3


def test_it_waits_while_the_api_works(start_simulator: Start, connect: Connect) -> None:
    """LJ-03: `working` is polled again, under the same hash, until it passes."""
    simulator = start_simulator(rows_per_day=5, job_seconds=(10, 10))
    assert len(connect(simulator).transactions.load_job(**FAST, **span())) == 5
    stats = simulator.stats()
    assert stats.working_polls >= 1
    assert (stats.submissions, stats.passed_polls) == (1, 1)


def test_the_deadline_is_looked_at_after_a_poll(start_simulator: Start, connect: Connect) -> None:
    """LJ-03, LJ-04: `timeout=0` polls once; a job that is not ready then is an error that names the timeout."""
    simulator = start_simulator(rows_per_day=5, faults=Faults(endless_jobs=1))
    with pytest.raises(APITimeoutError, match="timeout of 0 s"):
        connect(simulator).transactions.load_job(poll_interval=0.01, timeout=0, **span())
    assert simulator.stats().polls == 1


def test_an_endless_job_ends(start_simulator: Start, connect: Connect) -> None:
    """LJ-04: past the deadline it is given up, after more than one poll."""
    simulator = start_simulator(rows_per_day=5, faults=Faults(endless_jobs=1))
    with pytest.raises(APITimeoutError, match=r"0\.2 s"):
        connect(simulator).transactions.load_job(poll_interval=0.02, timeout=0.2, **span())
    assert simulator.stats().polls > 1


def test_a_failed_job_is_an_error(start_simulator: Start, connect: Connect) -> None:
    """LJ-04: with the fixed words, hash, criteria and body; nothing is submitted again by itself."""
    simulator = start_simulator(rows_per_day=5, faults=Faults(fail_jobs=1))
    client = connect(simulator)
    with pytest.raises(APIError, match="Batch job failed") as caught:
        client.transactions.load_job(**FAST, **span())
    assert isinstance(caught.value, JobFailedError)
    assert caught.value.params == {**span(), "limit": 100, "offset": 1}
    assert caught.value.body["status"] == "fail"
    assert simulator.stats().submissions == 1
    assert len(client.transactions.load_job(**FAST, **span())) == 5


@pytest.mark.parametrize(
    ("faults", "rows", "short_by"),
    # A page that is not full is the last one: what stands behind it is not asked for any more.
    [(Faults(short_page=1), 250, 151), (Faults(duplicate_rows=1), 200, 1), (Faults(moving_total=1), 250, 1)],
    ids=["short", "duplicate", "moving"],
)
def test_rows_that_do_not_add_up(
    start_simulator: Start, connect: Connect, faults: Faults, rows: int, short_by: int
) -> None:  # fmt: skip
    """LJ-05: a short page, a page that repeats, a total that moves: an error that says by how much, no short list."""
    simulator = start_simulator(rows_per_day=rows, faults=faults)
    with pytest.raises(IncompleteResultError, match=rf"\(-{short_by}\)"):
        connect(simulator).transactions.load_job(**FAST, **span())


def test_an_explicit_page_alone(start_simulator: Start, connect: Connect) -> None:
    """LJ-05: page 2 of three is 100 rows, and one submission."""
    simulator = start_simulator(rows_per_day=250)
    rows = connect(simulator).transactions.load_job(**FAST, **span(), offset=2)
    assert [row.id for row in rows] == truth(simulator)[100:200]
    assert simulator.stats().submissions == 1


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        (span(25), "24 hours"),
        (span(24, datetime(2026, 3, 20, tzinfo=UTC)), "future"),
        (span(24, datetime(2025, 9, 1, tzinfo=UTC)), "6 months"),
        ({"startDate": "yesterday"}, "Unix timestamp"),
        ({**span(), "limit": 101}, "limit: must be between 1 and 100"),
        ({**span(), "offset": 0}, "offset: is a page number"),
        ({**span(), "site": "NOWHERE"}, "NOWHERE"),
    ],
)
def test_the_apis_own_refusal(start_simulator: Start, connect: Connect, criteria: dict[str, Any], said: str) -> None:
    """LJ-06: what the API refuses comes through as its own 422, after one request, and is not tried again."""
    simulator = start_simulator()
    with pytest.raises(ValidationError, match=said) as caught:
        connect(simulator).transactions.load_job(**FAST, **criteria)
    assert (caught.value.status, caught.value.type) == (422, "PayloadValidationError")
    assert simulator.stats().requests == 1


def test_many_jobs_in_flight(start_simulator: Start, connect: Connect) -> None:
    """LJ-07: submit six windows first, then collect them; each hash has its own rows."""
    simulator = start_simulator(rows_per_day=60, job_seconds=(2, 4))
    client = connect(simulator)
    windows = [span(4, DAY + timedelta(hours=4 * part)) for part in range(6)]
    hashes = [client.transactions.submit_job(limit=100, offset=1, **window) for window in windows]
    assert len(set(hashes)) == 6
    ids: list[str] = []
    for job_hash in hashes:
        while (data := client.transactions.get_job_data(job_hash)).status is LoadJobStatus.WORKING:
            time.sleep(0.01)
        assert data.status is LoadJobStatus.PASS
        assert data.total == len(data.rows)
        ids += [item.id for item in data.parse()]
    assert sorted(ids) == sorted(truth(simulator))


def test_a_client_is_shared_by_threads(start_simulator: Start, connect: Connect) -> None:
    """LJ-07, LJ-09: four threads on one client: each gets its own window whole, and every request is counted."""
    simulator = start_simulator(rows_per_day=120)
    client = connect(simulator)
    found: dict[int, int] = {}

    def load(part: int) -> None:
        found[part] = len(client.transactions.load_job(**FAST, **span(24, DAY - timedelta(days=part))))

    threads = [threading.Thread(target=load, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == dict.fromkeys(range(4), 120)
    assert client.requests_sent == simulator.stats().requests


def test_lists_and_details(start_simulator: Start, connect: Connect) -> None:
    """LJ-08: every list is read to its end, and agrees with the chain; `get` brings one of them whole."""
    simulator = start_simulator(rows_per_day=230, sites=3, virtual_site=True)
    transactions = connect(simulator).transactions
    expected = truth(simulator)
    assert [row.trans_id for row in transactions.list(**span())] == expected
    v2 = transactions.list_v2(**span())
    assert [row.trans_id for row in v2] == expected
    assert {row.is_recurring_plan_sale for row in v2} == {True, False}
    washes = {row.trans_id for row in transactions.list_by_type("wash", **span())}
    assert set() < washes < set(expected)
    assert transactions.count(**span()) == 230
    assert transactions.count(**span(), site="MAIN") == len(truth(simulator, site="MAIN"))
    one = transactions.get(expected[7])
    assert (one.id, len(one.items) > 0) == (expected[7], True)


@pytest.mark.parametrize(
    ("api", "listed"),
    [
        ("live", [("Harbor", "America/New_York"), ("ECOMM", None), (None, "America/Chicago")]),
        ("documented", [("HARBOR", "America/New_York"), (None, None)]),
    ],
)
def test_sites(start_simulator: Start, connect: Connect, api: str, listed: list[tuple[str | None, str | None]]) -> None:
    """LJ-08: all sites with their zones; a site may have no code, and the virtual one has no zone."""
    sites = connect(start_simulator(api=api, sites=2, virtual_site=True)).sites.list()
    assert [(site.code, site.timezone) for site in sites] == [("MAIN", "America/Chicago"), *listed]


@pytest.mark.parametrize("as_404", [True, False])
def test_nothing_is_an_empty_list(start_simulator: Start, connect: Connect, as_404: bool) -> None:
    """LJ-08, LJ-10: an empty window, said with a 404 or with `total` 0, is an empty list by every way."""
    faults = Faults(empty_as_404=as_404, empty_list_as_404=as_404)
    transactions = connect(start_simulator(closed=frozenset({DAY.date()}), rows_per_day=9, faults=faults)).transactions
    assert transactions.load_job(**FAST, **span()) == []
    assert transactions.list(**span()) == transactions.list_v2(**span()) == transactions.list_by_type("wash") == []
    assert transactions.count(**span()) == 0


def test_an_unknown_id_is_an_error(start_simulator: Start, connect: Connect) -> None:
    """LJ-08: `get` has nothing to return."""
    with pytest.raises(NotFoundError) as caught:
        connect(start_simulator()).transactions.get("0:1")
    assert caught.value.type == "EntityNotFoundError"


def test_a_row_that_is_no_row(start_simulator: Start, connect: Connect) -> None:
    """LJ-02: a bad amount names id and field, and the window is not returned without that row."""
    simulator = start_simulator(rows_per_day=30, faults=Faults(malformed_rows=1))
    with pytest.raises(UnparsableRowError) as caught:
        connect(simulator).transactions.load_job(**FAST, **span())
    assert (caught.value.row_id, caught.value.field) == (truth(simulator)[0], "total")


@pytest.mark.parametrize(
    ("api", "named"), [("live", [{"site": "MAIN"}, {"site": "harbor"}, {"site": "ECOMM"}]), ("documented", [{}])]
)
def test_every_row_of_a_real_day_is_understood(
    start_simulator: Start, connect: Connect, api: str, named: list[dict[str, str]]
) -> None:
    """LJ-02: a lifelike day of every kind of sale: no field unknown, no quirk refused."""
    simulator = start_simulator(api=api, sites=2, virtual_site=True, virtual_rows=True)
    transactions = connect(simulator).transactions
    rows = [row for site in named for row in transactions.load_job(**FAST, **span(), **site)]
    assert sorted(row.id for row in rows) == sorted(truth(simulator))
    assert len({row.type for row in rows}) == 3
    assert not any(row.model_extra for row in rows)
    assert any(row.complete_date.date() == date(2026, 3, 10) for row in rows)
