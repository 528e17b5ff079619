"""DG-02, BM-09: checks that warn, checks that ask the API, and the two that protect from silent loss.

Each test changes landed files behind the pipeline's back, or the moment, and looks at what the checks say.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.checks.all_days import watch_checks
from sonnys_pipeline.orchestration.partitions import daily_partitions
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.simulator import Faults

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
TRANSACTIONS = dg.AssetKey("transactions")


def checks(*names: str) -> dg.AssetSelection:
    return dg.AssetSelection.checks(*(dg.AssetCheckKey(TRANSACTIONS, name) for name in names))


@pytest.fixture
def landed(pipeline, beginning):
    """Three good days."""
    selection = dg.AssetSelection.assets("transactions").without_checks()
    assert beginning.of(pipeline, lambda: pipeline.run(selection=selection, days=DAYS).success)
    return pipeline


def change(landed, day: str, changed: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite a landed file; what it says about itself stays."""
    path = landed.lake.path("transactions", day)
    with pq.ParquetFile(path) as file:
        table = file.read()
    pq.write_table(changed(table).replace_schema_metadata(table.schema.metadata), path)


def all_settled(table: pa.Table) -> pa.Table:
    """Every row has a final status."""
    column = table.schema.get_field_index("transaction_status")
    return table.set_column(column, table.schema.field(column), pa.array(["Completed"] * table.num_rows))


def with_column(name: str, place: int, value: object) -> Callable[[pa.Table], pa.Table]:
    """Puts one value in a row."""

    def put(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        values[place] = value
        column = table.schema.get_field_index(name)
        return table.set_column(column, table.schema.field(name), pa.array(values, table.schema.field(name).type))

    return put


def said(result, name: str) -> tuple[dict[str, bool], dg.AssetCheckEvaluation]:
    """Whether each day passed, and the evaluation of the run as a whole."""
    found = [one for one in result.get_asset_check_evaluations() if one.check_name == name]
    (whole,) = [one for one in found if one.partition is None]
    return {one.partition: one.passed for one in found if one.partition}, whole


def test_good_days_pass_every_check(landed):
    """These checks speak of each day and of the run; none spends a request, and those that would say nothing."""
    before = landed.simulator.stats().requests
    result = landed.run(selection=dg.AssetSelection.checks_for_assets("transactions"), days=DAYS)

    assert result.success
    for name in ("tenders_add_up", "items_add_up", "known_values", "usual_volume", "all_sites", "known_fields",
                 "filled_columns"):  # fmt: skip
        by_day, whole = said(result, name)
        assert by_day == dict.fromkeys(EACH, True), (name, whole.description)
        assert whole.passed
        assert not whole.blocking
    spoke = {one.check_name for one in result.get_asset_check_evaluations()}
    assert spoke.isdisjoint({"same_ids_as_listed", "washes_agree"})
    assert landed.simulator.stats().requests == before


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("tenders_add_up", "total", 987.65),
        ("items_add_up", "total", 987.65),
        ("known_values", "type", "Barter"),
    ],
)
def test_an_odd_row_is_named_and_blocks_nothing(landed, name, column, value):
    """One row of the 11th is odd: that day and the run fail with a warning that names its id; the run succeeds."""
    change(landed, "2026-03-11", with_column("transaction_status", 7, "Completed"))
    change(landed, "2026-03-11", with_column(column, 7, value))
    row_id = landed.lake.read("transactions", ["2026-03-11"], ["id"])["id"].to_pylist()[7]

    result = landed.run(selection=checks(name), days=DAYS)

    assert result.success
    by_day, whole = said(result, name)
    assert not by_day["2026-03-11"]
    assert not whole.passed
    assert whole.severity is dg.AssetCheckSeverity.WARN
    assert row_id in str(whole.metadata["problems"].value["2026-03-11"])


def test_a_row_of_another_day_blocks(landed):
    """A row that was completed on the day before would be counted twice, or never: downstream waits."""
    change(landed, "2026-03-11", with_column("complete_date", 7, datetime(2026, 3, 10, 23, 59, tzinfo=UTC)))
    row_id = landed.lake.read("transactions", ["2026-03-11"], ["id"])["id"].to_pylist()[7]

    result = landed.run(
        selection=checks("inside_the_day") | dg.AssetSelection.assets("line_items"), days=DAYS
    )  # fmt: skip

    assert not result.success
    by_day, whole = said(result, "inside_the_day")
    assert by_day == {"2026-03-10": True, "2026-03-11": False, "2026-03-12": True}
    assert row_id in whole.description
    assert whole.severity is dg.AssetCheckSeverity.ERROR
    assert not landed.times_materialized("line_items")


def test_a_thin_day_is_noticed(landed):
    """A tenth of the rows that five Tuesdays had: the warning says how many are usual."""
    whole = landed.lake.read("transactions", ["2026-03-10"]).drop_columns("date")
    metadata = landed.lake.metadata("transactions", "2026-03-10")
    for weeks in range(1, 6):
        day = (date(2026, 3, 10) - timedelta(weeks=weeks)).isoformat()
        landed.lake.land("transactions", whole, partition=day, metadata=metadata)
    landed.lake.land("transactions", whole.slice(0, 12), partition="2026-03-10", metadata=metadata)

    result = landed.run(selection=checks("usual_volume"), days=DAYS)

    by_day, evaluation = said(result, "usual_volume")
    assert by_day == {"2026-03-10": False, "2026-03-11": True, "2026-03-12": True}
    assert "12 rows" in evaluation.description
    assert "Tuesday" in evaluation.description


def test_a_day_of_some_sites_is_named(landed):
    """The 12th is landed for MAIN only, one of two sites: the warning names site and remedy."""
    listed = landed.lake.read("sites")
    (main,) = [site for site in listed.to_pylist() if site["code"] == "MAIN"]
    both = [main, {**main, "site": "other", "code": "OTHER", "spellings": ["OTHER"]}]
    landed.lake.land("sites", pa.Table.from_pylist(both, listed.schema))
    rows = landed.lake.read("transactions", ["2026-03-12"]).drop_columns("date")
    metadata = landed.lake.metadata("transactions", "2026-03-12")
    landed.lake.land("transactions", rows, partition="2026-03-12", metadata={**metadata, "sites": '["MAIN"]'})

    by_day, whole = said(landed.run(selection=checks("all_sites"), days=DAYS), "all_sites")

    assert by_day == {"2026-03-10": True, "2026-03-11": True, "2026-03-12": False}
    assert "landed for MAIN only" in whole.description


def test_run_by_itself_a_check_looks_at_all_landed_days(landed):
    """Dagster's button "Execute" starts a check without partitions; it says one thing of all days."""
    result = landed.run(selection=checks("complete_and_unique", "known_values"))

    assert result.success
    for name in ("complete_and_unique", "known_values"):
        by_day, whole = said(result, name)
        assert by_day == {}
        assert whole.metadata["looked_at"].value == f"{len(EACH)} days"


@pytest.mark.parametrize("days", [None, DAYS], ids=["by itself", "with its asset"])
def test_the_latest_evaluation_is_the_one_of_the_run(landed, days):
    """What the UI shows as a check's result, and paints red: not the last day, which passes."""
    first = landed.lake.path("transactions", EACH[0])
    with pq.ParquetFile(first) as file:
        table = file.read()
    pq.write_table(table.slice(1), first)
    asset = dg.AssetSelection.assets("site_day_kpis") if days else dg.AssetSelection.assets()

    result = landed.run(selection=checks("complete_and_unique") | asset, days=days)

    assert not result.success
    key = dg.AssetCheckKey(dg.AssetKey("transactions"), "complete_and_unique")
    latest = landed.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert latest.status.value == "FAILED"
    assert latest.partition is None


def test_the_api_is_asked_when_it_is_switched_on(landed):
    """One day by chance: the API lists the ids that are landed; a row that is not landed is named by both."""
    config = {"ops": {"transactions_reconcile_with_api": {"config": {"enabled": True, "days": 3}}}}
    selection = checks("same_ids_as_listed", "washes_agree")
    good = landed.run(selection=selection, days=DAYS, run_config=config)
    assert said(good, "same_ids_as_listed")[0] == dict.fromkeys(EACH, True)
    assert said(good, "washes_agree")[0] == dict.fromkeys(EACH, True)

    rows = landed.lake.read("transactions", ["2026-03-11"])
    washes = [any(item["department"] == "Wash" and not item["is_voided"] for item in items or ())
              for items in rows["items"].to_pylist()]  # fmt: skip
    place = washes.index(True)
    row_id = rows["id"].to_pylist()[place]
    change(landed, "2026-03-11", lambda table: pa.concat_tables([table.slice(0, place), table.slice(place + 1)]))
    bad = landed.run(selection=selection, days=DAYS, run_config=config)

    for name in ("same_ids_as_listed", "washes_agree"):
        by_day, whole = said(bad, name)
        assert by_day == {"2026-03-10": True, "2026-03-11": False, "2026-03-12": True}
        assert row_id in whole.description


@pytest.mark.parametrize(("api", "unknown"), [("documented", ["status"]), ("live", [])])
def test_a_renamed_field_is_noticed(open_pipeline, api, unknown):
    """DG-02: `transactionStatus` becomes `status`: in the rows it is unknown, in `version-2` it is missing."""
    days = [f"2026-03-{day}" for day in range(10, 14)]
    pipeline = open_pipeline(api=api)
    assert pipeline.run("transactions", days=(days[0], days[2])).success
    pipeline.simulator.set_faults(Faults(renamed_fields={"transactionStatus": "status"}))

    result = pipeline.run("transactions", days=days[3])

    assert result.success
    _, filled = said(result, "filled_columns")
    _, known = said(result, "known_fields")
    assert not filled.passed
    assert "2026-03-13: null in every row, and filled on the days before: transaction_status" in filled.description
    assert known.passed is (not unknown)
    assert all(name in known.description for name in unknown)


def test_a_landed_day_with_an_old_total_is_named(landed):
    """KT-02: a row that was edited after its day was landed has the same id; its total is compared too."""
    start = datetime(2026, 3, 11, tzinfo=UTC)
    (row_id,) = landed.simulator.world.edit_rows(start, start + timedelta(hours=23))
    config = {"ops": {"transactions_reconcile_with_api": {"config": {"enabled": True, "days": 3}}}}

    result = landed.run(selection=checks("same_ids_as_listed"), days=DAYS, run_config=config)

    by_day, whole = said(result, "same_ids_as_listed")
    assert by_day == {"2026-03-10": True, "2026-03-11": False, "2026-03-12": True}
    assert f"landed with another total than the API lists: 1 id: {row_id}" in whole.description


def test_the_job_reconcile_with_api_is_switched_on(landed):
    """Without partitions it takes one landed day, and names it."""
    before = landed.simulator.stats().requests
    job = build_defs().resolve_job_def("reconcile_with_api")

    result = job.execute_in_process(instance=landed.instance)

    _, whole = said(result, "same_ids_as_listed")
    assert whole.metadata["looked_at"].value in EACH
    assert whole.passed
    assert landed.simulator.stats().requests > before


def watched(pipeline, now: datetime, start: date = date(2026, 3, 1)) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks of all days say at a moment."""
    partitions = daily_partitions(Settings(start_date=start))
    result = dg.materialize(
        watch_checks(partitions, lambda: now),
        selection=dg.AssetSelection.all_asset_checks(),
        resources={"lake": LakeResource()},
        instance=pipeline.instance,
    )
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


@pytest.mark.parametrize(
    ("now", "fresh"),
    [
        (datetime(2026, 3, 13, 7, 59, tzinfo=UTC), True),  # the morning's run of the 13th may still be at work
        (datetime(2026, 3, 13, 8, tzinfo=UTC), True),
        (datetime(2026, 3, 14, 7, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 14, 8, tzinfo=UTC), False),
    ],
)
def test_a_missing_yesterday_is_noticed(landed, now, fresh):
    """From two hours after the morning's run on; the warning names the day, the latest one, and what to look at."""
    found = watched(landed, now)["freshness"]

    assert found.passed is fresh
    assert found.severity is dg.AssetCheckSeverity.WARN
    if not fresh:
        assert "2026-03-13 is not landed" in found.description
        assert "latest: 2026-03-12" in found.description


def test_days_about_to_leave_the_api_are_named_in_time(landed):
    """Two weeks before the API forgets them: the days that are not landed, and until when they are there."""
    assert watched(landed, datetime(2026, 8, 14, 12, tzinfo=UTC))["ageing"].metadata["days"].value == []
    found = watched(landed, datetime(2026, 8, 27, 12, tzinfo=UTC))["ageing"]

    assert not found.passed
    assert found.metadata["days"].value == [f"2026-03-{day:02d}" for day in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13)]
    assert "2026-03-01" in found.description
    assert "Backfill now" in found.description


def test_a_hole_in_the_landed_range_is_never_green(landed):
    """KT-03: yesterday is landed, a day between two landed ones is not: both checks name it, and the command."""
    landed.lake.remove("transactions", "2026-03-11")

    found = watched(landed, datetime(2026, 3, 13, 12, tzinfo=UTC))

    for name in ("freshness", "ageing"):
        assert not found[name].passed
        assert found[name].metadata["missing"].value == ["2026-03-11"]
        assert "2026-03-11" in found[name].description
        command = "sonnys backfill preview --start 2026-03-11 --end 2026-03-11 --missing-only"
        assert command in found[name].description


def test_mornings_without_a_daemon_are_never_green(landed):
    """KT-03: nine days after the last landed one: both checks name them; a missing yesterday alone is not old yet."""
    missing = [f"2026-03-{day}" for day in range(13, 22)]

    found = watched(landed, datetime(2026, 3, 22, 12, tzinfo=UTC))

    assert found["freshness"].metadata["missing"].value == missing
    assert found["ageing"].metadata["missing"].value == missing[:-1]
    assert not found["freshness"].passed
    assert not found["ageing"].passed
    assert watched(landed, datetime(2026, 3, 14, 12, tzinfo=UTC))["ageing"].passed


def test_a_row_that_stands_in_two_days_is_named(landed):
    """KT-02: no run has both days; the check names row, both days, and the one to read again, and blocks nothing."""
    assert watched(landed, datetime(2026, 3, 13, 12, tzinfo=UTC))["one_day_each"].passed
    moved = landed.lake.read("transactions", ["2026-03-10"]).drop_columns("date").slice(3, 1)
    change(landed, "2026-03-12", lambda table: pa.concat_tables([table, moved.cast(table.schema)]))
    (row_id,) = moved["id"].to_pylist()

    found = watched(landed, datetime(2026, 3, 13, 12, tzinfo=UTC))["one_day_each"]

    assert not found.passed
    assert not found.blocking
    assert found.metadata["ids"].value == [row_id]
    stale = min(("2026-03-10", "2026-03-12"), key=lambda day: landed.lake.metadata("transactions", day)["loaded_at"])
    assert f"{row_id} in 2026-03-10 and 2026-03-12): read {stale} again" in found.description


def test_a_row_that_nobody_has_read_again_is_named(landed):
    """Unsettled for more than a week, of whichever day: the warning names the row and the day to read again."""
    for day in EACH:
        change(landed, day, all_settled)
    assert watched(landed, datetime(2026, 3, 25, 12, tzinfo=UTC))["settled"].passed
    change(landed, "2026-03-11", with_column("transaction_status", 7, "Suspended"))
    row_id = landed.lake.read("transactions", ["2026-03-11"], ["id"])["id"].to_pylist()[7]

    young = watched(landed, datetime(2026, 3, 17, 12, tzinfo=UTC))["settled"]
    found = watched(landed, datetime(2026, 3, 25, 12, tzinfo=UTC))["settled"]

    assert young.passed
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert (found.metadata["days"].value, found.metadata["ids"].value) == (["2026-03-11"], [row_id])
    assert "read 2026-03-11 again" in found.description


def test_before_the_first_day_there_is_nothing_to_miss(pipeline):
    """A start in the future: both pass."""
    found = watched(pipeline, datetime(2026, 3, 1, 12, tzinfo=UTC), start=date(2026, 3, 5))

    assert found["freshness"].passed
    assert found["ageing"].passed
