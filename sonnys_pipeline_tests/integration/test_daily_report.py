"""DG-02, DG-03, KPIS: the asset `daily_report`: its page, its metadata, when it follows, what it refuses."""

import re
from datetime import UTC, datetime

import dagster as dg
import pytest

from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.report import follow_the_marts
from sonnys_pipeline.orchestration.resources import LakeResource

DAYS = ("2026-03-09", "2026-03-12")
EACH = ["2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12"]


@pytest.fixture
def landed(pipeline):
    """Four landed days and the list of sites, whose zones are not the pipeline's."""
    assert pipeline.run("transactions", days=DAYS).success
    assert pipeline.run("sites").success
    return pipeline


def page(pipeline, day: str) -> str:
    return (pipeline.lake.root / "daily_report" / f"date={day}" / "report.html").read_text(encoding="utf-8")


def metadata(pipeline, day: str) -> dict[str, object]:
    """Of the newest materialization of a day."""
    records = [record for record in pipeline.materializations("daily_report") if record.partition_key == day]
    return {name: value.value for name, value in records[0].asset_materialization.metadata.items()}


def test_a_day_is_a_page_and_a_materialization(landed):
    """The page is complete in itself; the UI has its headline numbers as a table, its path, and how much was found."""
    requests = landed.simulator.stats().requests

    assert landed.run("daily_report", days="2026-03-11").success

    text = page(landed, "2026-03-11")
    assert "Wednesday, March 11, 2026" in text
    assert "Main Street" in text
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?:""", text)
    assert landed.times_materialized("daily_report") == {"2026-03-11": 1}
    found = metadata(landed, "2026-03-11")
    assert found["path"] == str(landed.lake.root / "daily_report" / "date=2026-03-11" / "report.html")
    assert found["bytes"] == len(text.encode())
    assert "| Cars |" in found["report"]
    assert found["errors"] == found["missing_sites"] == 0
    assert found["has_figures"] is True
    assert landed.simulator.stats().requests == requests


def test_a_range_is_one_run(landed):
    """One page and one materialization a day."""
    assert landed.run("daily_report", days=DAYS).success

    assert landed.times_materialized("daily_report") == dict.fromkeys(EACH, 1)
    assert len({page(landed, day) for day in EACH}) == 4


def test_a_day_that_ends_in_the_next_partition_says_so(landed):
    """The evening of the last day is not landed: a page that names what is missing, and no figures from half a day."""
    assert landed.run("daily_report", days="2026-03-12").success

    found = metadata(landed, "2026-03-12")
    assert found["has_figures"] is False
    assert found["errors"] == 1
    assert found["missing_sites"] == 3
    assert "transactions of 2026-03-13 are not landed" in page(landed, "2026-03-12")


def test_a_report_that_is_made_again_has_what_was_landed_since(landed):
    """The same day, whole now, replaces the page."""
    assert landed.run("daily_report", days="2026-03-12").success
    assert landed.run("transactions", days="2026-03-13").success
    assert landed.run("daily_report", days="2026-03-12").success

    assert metadata(landed, "2026-03-12")["has_figures"] is True
    assert "not landed" not in page(landed, "2026-03-12").partition("Last 30 days")[0]


def test_a_day_that_is_not_landed_is_named(landed):
    """Nothing of the day is there: a failure with the remedy, and no page."""
    failure = landed.failure(landed.run("daily_report", days="2026-03-15"))

    assert "transactions: not landed: 2026-03-15; materialize it first" in failure
    assert not (landed.lake.root / "daily_report").exists()


def test_transactions_marts_and_report_in_one_run(pipeline):
    """What the daily job does: a range, everything downstream; the page is made after the rows it is made of."""
    assert pipeline.run("transactions", "sites", "site_day_kpis", "daily_report", days=DAYS).success

    assert pipeline.times_materialized("daily_report") == dict.fromkeys(EACH, 1)
    assert metadata(pipeline, "2026-03-11")["has_figures"] is True
    assert dg.AssetKey("daily_report") in (
        build_defs().resolve_job_def("daily_transactions").asset_layer.executable_asset_keys
    )


def test_figures_are_those_of_the_mart(landed):
    """The report counts the rows itself, with the mart's function: cars of all sites are the same."""
    assert landed.run("site_day_kpis", "daily_report", days="2026-03-10").success

    mart = landed.lake.read("site_day_kpis", ["2026-03-10"])
    cars = sum(mart["total_cars"].to_pylist())
    assert cars > 0
    assert f"| Cars | {cars} |" in metadata(landed, "2026-03-10")["report"]


def test_reports_follow_the_marts_of_the_last_days_only(instance):
    """Yesterday's mart is made: so is its report. One of a year ago: it is not, so a backfill makes no 365 pages."""
    days = dg.DailyPartitionsDefinition("2025-01-01")

    @dg.asset(partitions_def=days)
    def site_day_kpis() -> None: ...

    @dg.asset(partitions_def=days, deps=[site_day_kpis], automation_condition=follow_the_marts())
    def daily_report() -> None: ...

    defs = dg.Definitions([site_day_kpis, daily_report])

    def evaluate(minute, cursor=None):
        now = datetime(2026, 3, 20, 8, minute, tzinfo=UTC)
        return dg.evaluate_automation_conditions(
            defs, instance, dg.AssetSelection.all(), cursor=cursor, evaluation_time=now
        )  # fmt: skip

    quiet = evaluate(0)
    for day in ("2025-03-19", "2026-03-10", "2026-03-18", "2026-03-19"):
        instance.report_runless_asset_event(dg.AssetMaterialization("site_day_kpis", partition=day))
    news = evaluate(1, quiet.cursor)
    after = evaluate(2, news.cursor)
    for asset in ("site_day_kpis", "daily_report"):
        instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition="2026-03-17"))
    together = evaluate(3, after.cursor)

    assert quiet.total_requested == 0
    assert news.get_requested_partitions(daily_report.key) == {"2026-03-18", "2026-03-19"}
    assert after.total_requested == 0
    assert together.total_requested == 0  # the daily job has made both


def test_the_lake_of_a_resource_is_the_one_that_is_read(landed, tmp_path):
    """A lake that is configured elsewhere has nothing landed."""
    elsewhere = {"lake": LakeResource(data_url=str(tmp_path / "elsewhere"))}

    assert "not landed" in landed.failure(landed.run("daily_report", days="2026-03-11", resources=elsewhere))
