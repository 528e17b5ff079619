"""DG-02, DG-03, LJ-05: days become files, and each day has exactly one materialization with all that it cost.

The window of a day asks for both ends, so the next day's midnight row comes along: `api_total` is one more than the
rows that land.
"""

import re
from datetime import date

import pytest

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.support.workspaces import ledger_of

METADATA = {
    "dagster/partition_row_count",
    "dagster/column_schema",
    "path",
    "size",
    "pages",
    "api_total",
    "requests",
    "seconds_waited_for_budget",
    "sales_total",
    "unknown_fields",
    "loaded_at",
    "windows",
}
RANGE = ("2026-03-10", "2026-03-13")
DAYS = ["2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13"]


def redeemed(row) -> bool:
    """Whether a row is a member's wash, paid for by the plan: no sale. Live rows often lack the newer flag."""
    newer = row["is_recurring_plan_redemption"]
    return row["is_recurring_redemption"] if newer is None else newer


def test_one_partition(open_pipeline):
    """One materialization, whose metadata tells rows, pages, cost, place, columns, window and sales of the day."""
    # Of 10,000 requests in a third of a second, a run of five seconds takes a share that is rounded to nothing.
    pipeline = open_pipeline(midnight_row=True, rate_limit=200)
    result = pipeline.run("transactions", days="2026-03-10")

    assert result.success
    (record,) = pipeline.materializations("transactions")
    assert record.partition_key == "2026-03-10"
    metadata = {name: value.value for name, value in record.asset_materialization.metadata.items()}
    assert metadata.keys() >= METADATA
    assert next(iter(metadata)) == "last_30_days_requests"
    rows = pipeline.lake.read("transactions", ["2026-03-10"])
    stats = pipeline.simulator.stats()
    assert sorted(rows["id"].to_pylist()) == pipeline.expected_ids("2026-03-10")
    assert metadata["dagster/partition_row_count"] == 120
    assert metadata["api_total"] == 121
    assert metadata["pages"] == stats.submissions == 2
    assert metadata["requests"] == stats.requests - 1, "the list of sites is asked for before the days"
    assert metadata["seconds_waited_for_budget"] >= 0
    rate = Settings.load().rate_limit
    assert metadata["minutes_of_budget"] == rate.minutes_of_budget(metadata["requests"])
    assert 0 < metadata["run/share_of_budget"] <= 1
    assert f"highest {metadata['requests']} on 2026-03-10; 29 days not known" in metadata["last_30_days_requests"]
    assert metadata["sales_total"] == pytest.approx(sum(row["total"] for row in rows.to_pylist() if not redeemed(row)))
    assert metadata["unknown_fields"] == {}
    assert metadata["windows"] == "2026-03-10T00:00:00Z/2026-03-11T00:00:00Z"
    path = pipeline.lake.path("transactions", "2026-03-10")
    assert metadata["path"] == str(path)
    assert metadata["size"] == f"{path.stat().st_size:,} bytes"
    columns = [column.name for column in metadata["dagster/column_schema"].columns]
    assert ["date", *columns] == rows.column_names


def test_range_is_one_run_with_one_materialization_a_day(pipeline):
    """Four days in one run: the rows of each day once, the midnight rows in one day only, one event each."""
    result = pipeline.run("transactions", days=RANGE)

    assert result.success
    assert pipeline.times_materialized() == dict.fromkeys(DAYS, 1)
    assert {record.run_id for record in pipeline.materializations("transactions")} == {result.run_id}
    for day in DAYS:
        assert pipeline.landed_ids(day) == pipeline.expected_ids(day)
    plots = {
        record.partition_key: "last_30_days_requests" in record.asset_materialization.metadata
        for record in pipeline.materializations("transactions")
    }
    assert plots == {**dict.fromkeys(DAYS, False), DAYS[-1]: True}
    assert len(set(pipeline.landed_ids(*DAYS))) == len(pipeline.landed_ids(*DAYS)) == 480
    instants = pipeline.lake.read("transactions", DAYS, ["complete_date"])
    on_midnight = [
        (day.isoformat(), instant.isoformat())
        for day, instant in zip(*(column.to_pylist() for column in instants.columns), strict=True)
        if instant.time().isoformat() == "00:00:00"
    ]
    assert on_midnight == [(day, f"{day}T00:00:00+00:00") for day in DAYS]


def test_a_run_ends_with_a_table_and_bears_its_job(pipeline, capfd):
    """Days, rows, pages and requests, and their sums; the ledger's job is a tag, for `sonnys backfill status`."""
    result = pipeline.run("transactions", days=RANGE)

    said = "".join(capfd.readouterr())
    stats = pipeline.simulator.stats()
    rows = sum(pipeline.lake.rows("transactions", day) for day in DAYS)
    for day in DAYS:
        assert re.search(rf"^{day} +{pipeline.lake.rows('transactions', day)} +\d+ +\d+$", said, re.MULTILINE)
    of_days = stats.requests - 1  # the list of sites is asked for before the days
    assert re.search(rf"^all +{rows} +{stats.submissions} +{of_days}$", said, re.MULTILINE)
    assert f"{len(DAYS)} of {len(DAYS)} days landed" in said
    with ledger_of(Settings.load()) as jobs:
        (job,) = jobs.list_jobs()
    run = pipeline.instance.get_run_by_id(result.run_id)
    assert run.tags["sonnys/job"] == job.id


def test_range_runs_again_over_what_has_landed(pipeline):
    """A second run over the range is one more materialization each, and the same rows."""
    pipeline.run("transactions", days=RANGE)
    before = pipeline.landed_ids(*DAYS)

    assert pipeline.run("transactions", days=RANGE).success
    assert pipeline.times_materialized() == dict.fromkeys(DAYS, 2)
    assert pipeline.landed_ids(*DAYS) == before


def test_failure_in_mid_range_keeps_what_has_landed(pipeline):
    """A day whose jobs fail ends the run by name; days that landed keep their file and one event each."""
    pipeline.simulator.set_faults(Faults(fail_dates=frozenset({date(2026, 3, 13)})))

    failure = pipeline.failure(pipeline.run("transactions", days=RANGE))

    assert "Batch job failed" in failure
    assert "2026-03-13 was not landed" in failure
    assert "2026-03-12 was not landed" not in failure
    assert "Re-execute" in failure
    landed = pipeline.lake.partitions("transactions")
    assert "2026-03-10" in landed
    assert "2026-03-13" not in landed
    assert pipeline.times_materialized() == dict.fromkeys(landed, 1)

    pipeline.simulator.set_faults()
    assert pipeline.run("transactions", days=RANGE).success
    assert pipeline.times_materialized() == {day: 2 if day in landed else 1 for day in DAYS}
    assert pipeline.landed_ids(*DAYS) == sorted(row_id for day in DAYS for row_id in pipeline.expected_ids(day))


def test_day_without_a_row_is_a_file_without_rows(open_pipeline):
    """A closed day lands as an explicit empty partition: columns, no rows, a materialization that says 0."""
    pipeline = open_pipeline(closed=frozenset({date(2026, 3, 11)}), faults=Faults(empty_as_404=True))

    assert pipeline.run("transactions", days="2026-03-11").success
    (record,) = pipeline.materializations("transactions")
    assert record.asset_materialization.metadata["dagster/partition_row_count"].value == 0
    assert pipeline.lake.read("transactions", ["2026-03-11"]).num_rows == 0


def test_new_fields_of_the_api_are_kept_and_counted(open_pipeline):
    """A field that no model knows shows in the metadata with its count, and its value stays in the file."""
    pipeline = open_pipeline(faults=Faults(unknown_field=-1))

    assert pipeline.run("transactions", days="2026-03-11").success
    (record,) = pipeline.materializations("transactions")
    assert record.asset_materialization.metadata["unknown_fields"].value == {"loyaltyTier": 120}
    assert set(pipeline.lake.read("transactions", ["2026-03-11"])["extra"].to_pylist()) == {'{"loyaltyTier": "gold"}'}
