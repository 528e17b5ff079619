"""DG-02: the blocking check of `transactions` reads landed files again, and stops what stands downstream of a bad one.

Each test lands three good days, changes a file behind the pipeline's back, and runs the check with `site_day_kpis`.
"""

from collections.abc import Callable

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
CHECK_AND_DOWNSTREAM = dg.AssetSelection.checks(
    dg.AssetCheckKey(dg.AssetKey("transactions"), "complete_and_unique")
) | dg.AssetSelection.assets("site_day_kpis")


@pytest.fixture
def landed(pipeline, beginning):
    """The pipeline with three landed days."""
    assert beginning.of(pipeline, lambda: pipeline.run("transactions", days=DAYS).success)
    return pipeline


def change(landed, day: str, changed: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite a landed file; what it says about itself stays."""
    path = landed.lake.path("transactions", day)
    with pq.ParquetFile(path) as file:
        table = file.read()
    pq.write_table(changed(table).replace_schema_metadata(table.schema.metadata), path)


def evaluations(result) -> tuple[dict[str, bool], dg.AssetCheckEvaluation]:
    """Whether each day is complete and unique, and the evaluation of the run as a whole."""
    found = [one for one in result.get_asset_check_evaluations() if one.check_name == "complete_and_unique"]
    (whole,) = [evaluation for evaluation in found if evaluation.partition is None]
    return {evaluation.partition: evaluation.passed for evaluation in found if evaluation.partition}, whole


def blocked(landed, result) -> bool:
    """Whether nothing was computed downstream, and the check's step is what failed."""
    failed = [event.step_key for event in result.all_events if event.is_step_failure]
    assert failed == ["transactions_complete_and_unique"]
    return not result.success and not landed.times_materialized("site_day_kpis")


def test_good_days_pass_and_downstream_runs(landed):
    """Nothing changed: an evaluation for each day and one for the run, all passed, and `site_day_kpis` is computed."""
    result = landed.run(selection=CHECK_AND_DOWNSTREAM, days=DAYS)

    assert result.success
    by_day, whole = evaluations(result)
    assert by_day == dict.fromkeys(EACH, True)
    assert whole.passed
    assert whole.blocking
    assert landed.times_materialized("site_day_kpis") == dict.fromkeys(EACH, 1)


def test_repeated_ids_are_named(landed):
    """Two rows stand twice in a file: their day fails and names both ids, the others pass, downstream waits."""
    change(landed, "2026-03-11", lambda table: pa.concat_tables([table, table.slice(5, 2)]))
    repeated = landed.lake.read("transactions", ["2026-03-11"], ["id"])["id"].to_pylist()[5:7]

    result = landed.run(selection=CHECK_AND_DOWNSTREAM, days=DAYS)

    by_day, whole = evaluations(result)
    assert by_day == {"2026-03-10": True, "2026-03-11": False, "2026-03-12": True}
    assert not whole.passed
    assert whole.severity is dg.AssetCheckSeverity.ERROR
    assert "2026-03-11" in whole.description
    assert all(row_id in whole.description for row_id in repeated)
    assert blocked(landed, result)


def test_a_missing_row_is_counted(landed):
    """A file lacks one of the rows that the API promised: its day fails and says by how many."""
    change(landed, "2026-03-12", lambda table: table.slice(1))

    result = landed.run(selection=CHECK_AND_DOWNSTREAM, days=DAYS)

    by_day, whole = evaluations(result)
    assert by_day == {"2026-03-10": True, "2026-03-11": True, "2026-03-12": False}
    assert "119 rows, but the API promised 120 (-1)" in whole.description
    assert blocked(landed, result)


def test_an_id_on_two_days_is_named_on_both(landed):
    """A row of one day stands in the next one, too: both days fail and name its id."""
    (stray,) = landed.lake.read("transactions", ["2026-03-10"], ["id"]).slice(7, 1)["id"].to_pylist()

    def swap_in(table: pa.Table) -> pa.Table:
        names = pa.chunked_array([pa.concat_arrays([pa.array([stray]), table["id"].combine_chunks().slice(1)])])
        return table.set_column(0, table.schema.field("id"), names)

    change(landed, "2026-03-11", swap_in)
    result = landed.run(selection=CHECK_AND_DOWNSTREAM, days=DAYS)

    by_day, whole = evaluations(result)
    assert by_day == {"2026-03-10": False, "2026-03-11": False, "2026-03-12": True}
    assert whole.description.count(stray) == 2
    assert blocked(landed, result)


def test_many_bad_ids_are_counted_and_not_all_listed(landed):
    """A day that stands twice in its own file says how many ids that are, and lists only some of them."""
    change(landed, "2026-03-10", lambda table: pa.concat_tables([table, table]))

    result = landed.run(selection=CHECK_AND_DOWNSTREAM, days="2026-03-10")

    _, whole = evaluations(result)
    assert "120 ids" in whole.description
    assert "100 more" in whole.description
    assert blocked(landed, result)


def test_a_file_that_is_no_parquet_fails_by_its_path(landed):
    """Garbage in a file's place: the check fails, names the file, and nothing is computed from it."""
    path = landed.lake.path("transactions", "2026-03-11")
    path.write_bytes(b"not parquet at all")

    result = landed.run(selection=CHECK_AND_DOWNSTREAM, days=DAYS)

    assert str(path) in landed.failure(result)
    assert blocked(landed, result)
