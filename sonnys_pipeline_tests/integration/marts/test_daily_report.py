"""DG-02, DG-03, KPIS: the asset `daily_report`: its page, its metadata, when it follows, what it refuses."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.report.daily import inputs_digest_of
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs

DAYS = ("2026-03-09", "2026-03-12")
EACH = ["2026-03-09", "2026-03-10", "2026-03-11", "2026-03-12"]


def land(pipeline, beginning) -> bool:
    """Land four days and the list of sites, whose zones are not the pipeline's."""
    runs = (lambda: materialize(pipeline, "transactions", days=DAYS), lambda: materialize(pipeline, "sites"))
    return beginning.of(pipeline, lambda: all(run() for run in runs))


def materialize(pipeline, *assets: str, days: str | tuple[str, str] | None = None) -> bool:
    """Whether a run of assets without their checks succeeds."""
    selection = dg.AssetSelection.assets(*assets).without_checks()
    return pipeline.run(selection=selection, days=days).success


@pytest.fixture
def landed(pipeline, beginning):
    """Four landed days and the list of sites."""
    assert land(pipeline, beginning)
    return pipeline


@pytest.fixture
def reported(pipeline, beginning):
    """The same, with `site_day_kpis` and the pages, whose files are those that the daily job leaves."""

    def report() -> bool:
        return land(pipeline, beginning) and materialize(pipeline, "site_day_kpis", "daily_report", days=DAYS)

    assert beginning.of(pipeline, report, stage="reported")
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


def test_a_day_that_ends_in_the_next_partition_says_so(open_pipeline):
    """The evening of the last day is not landed: a page that names what is missing, and no figures from half a day."""
    landed = open_pipeline(midnight_row=True, sites=3)
    assert materialize(landed, "transactions", days=DAYS)
    assert landed.run("daily_report", days="2026-03-12").success

    found = metadata(landed, "2026-03-12")
    assert found["has_figures"] is False
    assert found["errors"] == 1
    assert found["missing_sites"] == 3
    assert "transactions of 2026-03-13 are not landed" in page(landed, "2026-03-12")


def test_a_report_that_is_made_again_has_what_was_landed_since(landed):
    """The same day, whole now, replaces the page."""
    assert landed.run("daily_report", days="2026-03-12").success
    assert materialize(landed, "transactions", days="2026-03-13")
    assert landed.run("daily_report", days="2026-03-12").success

    assert metadata(landed, "2026-03-12")["has_figures"] is True
    assert "not landed" not in page(landed, "2026-03-12").partition("Week and month to date")[0]


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
        built_defs().resolve_job_def("daily_transactions").asset_layer.executable_asset_keys
    )


def test_figures_are_those_of_the_mart(landed):
    """The report counts the rows itself, with the mart's function: cars of all sites are the same."""
    assert landed.run("site_day_kpis", "daily_report", days="2026-03-10").success

    mart = landed.lake.read("site_day_kpis", ["2026-03-10"])
    cars = sum(mart["total_cars"].to_pylist())
    assert cars > 0
    assert f"| Cars | {cars} |" in metadata(landed, "2026-03-10")["report"]


class Daemon:
    """Evaluates the condition of the report, tick after tick, in the morning of the 14th or of another day."""

    def __init__(self, pipeline, now: datetime = datetime(2026, 3, 14, 12, tzinfo=UTC)) -> None:
        self._pipeline = pipeline
        self._now = now
        self._cursor = None

    def tick(self) -> list[str]:
        """Requested days."""
        result = dg.evaluate_automation_conditions(
            built_defs(),
            self._pipeline.instance,
            asset_selection=dg.AssetSelection.assets("daily_report"),
            cursor=self._cursor,
            evaluation_time=self._now,
        )
        self._cursor = result.cursor
        return sorted(result.get_requested_partitions(dg.AssetKey("daily_report")))


def late_row(pipeline, *, hour: int) -> None:
    """One more row on the 11th, at noon or later in UTC: landed, and counted in the mart of its day."""
    pipeline.simulator.advance(1300)  # hashes expire: what is read again is read anew
    pipeline.simulator.world.add_late_rows(datetime(2026, 3, 11, hour, tzinfo=UTC))
    assert materialize(pipeline, "transactions", days="2026-03-11")
    assert materialize(pipeline, "site_day_kpis", days="2026-03-11")


def test_reports_follow_the_marts_of_the_last_days_only(landed):
    """Each mart has its report, once; 35 days later the two oldest have none, so a backfill makes no 365 pages."""
    daemon = Daemon(landed)
    assert daemon.tick() == []

    assert materialize(landed, "site_day_kpis", days=DAYS)

    assert daemon.tick() == EACH
    assert daemon.tick() == []  # asked for once, whatever becomes of the run
    assert Daemon(landed, datetime(2026, 4, 15, 12, tzinfo=UTC)).tick() == EACH[2:]
    assert landed.run("daily_report", days=DAYS).success
    assert daemon.tick() == []


def test_pages_follow_the_days_that_they_compare_with(reported):
    """A day is corrected after its pages and later ones were made: they are made anew, together, and no earlier one.

    Before, a page followed its own day only, and went on to compare with the old figure.
    """
    daemon = Daemon(reported)
    old = {day: page(reported, day) for day in EACH}

    late_row(reported, hour=18)  # on the 11th

    assert daemon.tick() == EACH[2:]
    assert reported.run("daily_report", days=(EACH[2], EACH[3])).success
    assert daemon.tick() == []
    sales = sum(reported.lake.read("site_day_kpis", ["2026-03-11"])["sales"].to_pylist())
    shown = f"Wed, Mar 11: ${sales.quantize(Decimal(1), ROUND_HALF_UP):,}"
    assert shown in page(reported, "2026-03-12")
    assert shown not in old["2026-03-12"]
    assert page(reported, EACH[1]) == old[EACH[1]]


def test_pages_do_not_follow_rows_that_change_no_figure_of_theirs(reported):
    """A customer's name on the 10th is corrected: its own page is made again, later ones are not."""
    daemon = Daemon(reported)
    rows = reported.lake.read("transactions", ["2026-03-10"]).drop_columns("date")
    at = rows.column_names.index("customer_name")
    named = rows.set_column(at, rows.schema.field(at), pa.array(["Corrected"] * len(rows)))
    reported.lake.land(
        "transactions", named, partition="2026-03-10", metadata=reported.lake.metadata("transactions", "2026-03-10")
    )

    assert reported.run("site_day_kpis", days=("2026-03-09", "2026-03-11")).success

    assert "2026-03-10" in (asked := daemon.tick())
    assert "2026-03-12" not in asked


def test_a_report_follows_other_rows_and_no_others(reported):
    """Nothing for a mart that is made again of the same rows, or together with its report; one page for a late row."""
    daemon = Daemon(reported)
    assert daemon.tick() == []

    assert reported.run("site_day_kpis", days=DAYS).success
    assert daemon.tick() == []
    late_row(reported, hour=18)

    assert daemon.tick() == EACH[2:]
    assert reported.run("daily_report", days=(EACH[2], EACH[3])).success
    assert daemon.tick() == []


def test_a_mart_that_is_made_while_the_report_is_made_is_followed(reported):
    """A late row is counted after the report has read and before it says so: its event does not make it handled."""
    daemon = Daemon(reported)
    late_row(reported, hour=18)
    assert daemon.tick() == EACH[2:]
    with dg.DagsterInstance.ephemeral() as elsewhere:
        assert replace(reported, instance=elsewhere).run("daily_report", days=(EACH[2], EACH[3])).success

    late_row(reported, hour=19)
    reported.instance.report_runless_asset_event(dg.AssetMaterialization("daily_report", partition="2026-03-11"))

    assert daemon.tick() == EACH[2:]
    assert daemon.tick() == []


def test_a_damaged_mart_keeps_no_other_report_from_following(landed):
    """Garbage in one mart's place is logged; the days beside it are asked for, and a page needs no mart."""
    assert materialize(landed, "site_day_kpis", days=DAYS)
    landed.lake.path("site_day_kpis", "2026-03-11").write_bytes(b"not parquet at all")

    assert Daemon(landed).tick() == ["2026-03-09", "2026-03-10", "2026-03-12"]
    assert landed.run("daily_report", days="2026-03-11").success
    assert inputs_digest_of(landed.lake, "2026-03-11") == ""


def test_the_lake_of_a_resource_is_the_one_that_is_read(landed, tmp_path):
    """A lake that is configured elsewhere has nothing landed."""
    elsewhere = {"lake": LakeResource(data_url=str(tmp_path / "elsewhere"))}

    assert "not landed" in landed.failure(landed.run("daily_report", days="2026-03-11", resources=elsewhere))
