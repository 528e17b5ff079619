"""KT-04: the asset, job and sensor of the day so far: declared by the setting, one look at a time, no alert storm."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from sonnys_pipeline.orchestration.assets import transactions_today as asset
from sonnys_pipeline.orchestration.automation import looks
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.conftest import Pipeline

KEY = dg.AssetKey("transactions_today")


@pytest.fixture
def today(open_pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A pipeline that looks at the day so far, of three sites, in the real present."""
    monkeypatch.setenv("SONNYS_TODAY_EVERY", "600")
    monkeypatch.setenv("SONNYS_MAX_RETRIES", "0")
    return open_pipeline(now=datetime.now(UTC), sites=3, rows_per_day=1200)


def look(pipeline: Pipeline) -> dg.ExecuteInProcessResult:
    return pipeline.run("transactions_today")


def findings(result: dg.ExecuteInProcessResult) -> list[tuple[bool, str | None]]:
    return [(one.passed, one.description) for one in result.get_asset_check_evaluations()]


def test_nothing_is_declared_without_the_setting(pipeline: Pipeline) -> None:
    """Looking costs requests, so nobody looks unless it was asked for."""
    defs = build_defs()
    assert KEY not in defs.resolve_asset_graph().get_all_asset_keys()
    assert "looks_at_today" not in {sensor.name for sensor in defs.sensors or ()}


def test_a_look_is_a_materialization_with_figures(today: Pipeline) -> None:
    """Beside its own page; landed days are not touched, and nothing downstream of them runs."""
    result = look(today)
    assert result.success
    assert findings(result) == [(True, "up to date")]
    (record,) = today.materializations("transactions_today")
    assert record.asset_materialization is not None
    metadata = record.asset_materialization.metadata
    assert metadata["requests"].value >= 6
    assert metadata["new_rows"].value == metadata["dagster/row_count"].value
    assert "cars" in str(metadata["day_so_far"].value)
    assert (today.lake.root / "daily_report" / "today.html").exists()
    assert today.lake.partitions("transactions") == []


def test_a_failed_look_is_no_failed_run_and_told_once(today: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within an hour it is not even a finding; after that the same one, until a look works again."""
    look(today)
    today.simulator.set_faults(Faults(server_errors=1000))
    failed = look(today)
    assert failed.success
    assert findings(failed) == [(True, "up to date")]
    assert len(today.materializations("transactions_today")) == 1

    later = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr(asset, "_now", lambda: later)
    told = [findings(look(today)) for _ in range(2)]
    ((passed, text),) = told[0]
    assert not passed
    assert text is not None
    assert "ServerError" in text
    assert told[0] == told[1]
    today.simulator.set_faults()
    assert findings(look(today)) == [(True, "up to date")]


def test_a_lake_that_cannot_be_written_is_a_finding(today: Pipeline) -> None:
    """Not a failed run every ten minutes."""
    look(today)
    (today.lake.root / "transactions_today" / "part-0.parquet").unlink()
    (today.lake.root / "transactions_today").rmdir()
    (today.lake.root / "transactions_today").write_text("in the way")
    result = look(today)
    assert result.success
    ((passed, text),) = findings(result)
    assert not passed
    assert "transactions_today" in str(text)


def test_the_sensor_looks_every_ten_minutes_one_at_a_time(today: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while a look runs, and not before the next one is due; a late look is followed at once."""
    (sensor,) = [one for one in build_defs().sensors or () if one.name == "looks_at_today"]
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 60
    clock = 1_790_000_000.0

    def ask(cursor: str | None) -> tuple[int, str | None]:
        monkeypatch.setattr(looks.time, "time", lambda: clock)
        context = dg.build_sensor_context(today.instance, cursor=cursor)
        found = sensor(context)
        return int(isinstance(found, dg.RunRequest)), context.cursor

    asked, cursor = ask(None)
    assert asked == 1
    clock += 599
    assert ask(cursor) == (0, cursor)
    clock += 1
    run = today.instance.create_run_for_job(
        build_defs().resolve_job_def("look_at_today"), status=dg.DagsterRunStatus.STARTED
    )
    assert ask(cursor) == (0, cursor)
    today.instance.report_run_canceled(run)
    asked, after = ask(cursor)
    assert (asked, after) == (1, str(clock))


def test_each_account_is_looked_at_if_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Under its prefix; the setting may be one account's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONNYS_ACCOUNTS", "north,south")
    for name in ("NORTH", "SOUTH"):
        monkeypatch.setenv(f"SONNYS_{name}__API_ID", name)
        monkeypatch.setenv(f"SONNYS_{name}__API_KEY", f"key of {name}")
    monkeypatch.setenv("SONNYS_NORTH__TODAY_EVERY", "900")
    defs = build_defs()
    assert [sensor.name for sensor in defs.sensors or () if "looks" in sensor.name] == ["north_looks_at_today"]
    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert {key for key in keys if key.endswith("transactions_today")} == {"north/transactions_today"}
