"""DG-02, DG-05: tables and KPI marts: files, figures, metadata; business days that lack a partition are named.

What is counted is tested with the analytics; here, that the right rows reach them and that nothing is counted by half.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.marts.incremental.inputs import MISSING

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
TABLES = ("line_items", "tenders", "discounts")
MARTS = ("site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix")


@pytest.fixture
def pipeline(open_pipeline: Callable[..., Any]):
    """One site, in Chicago, with 120 rows on each UTC day, and no other in the list."""
    return open_pipeline(sites=1, codeless_site=False)


@pytest.fixture
def landed(pipeline, beginning):
    """Three days of one site in Chicago, in partitions of UTC days, and the site list."""
    selection = dg.AssetSelection.assets("transactions", "sites").without_checks()
    assert beginning.of(pipeline, lambda: pipeline.run(selection=selection, days=DAYS).success)
    return pipeline


def metadata_of(pipeline, asset: str) -> dict[str, dict[str, Any]]:
    """Metadata of each partition's latest materialization."""
    return {
        record.partition_key: {name: value.value for name, value in record.asset_materialization.metadata.items()}
        for record in reversed(pipeline.materializations(asset))
    }


def test_tables_lay_the_lists_flat(landed):
    """One run, a file a day each: as many rows as the lists of the transactions have parts, and no request spent."""
    before = landed.simulator.stats().requests

    assert landed.run(*TABLES, days=DAYS).success

    rows = landed.lake.read("transactions", EACH)
    for name, plural in (("line_items", "items"), ("tenders", "tenders"), ("discounts", "discounts")):
        expected = dict.fromkeys(EACH, 0)
        for day, parts in zip(rows["date"].to_pylist(), rows[plural].to_pylist(), strict=True):
            expected[day.isoformat()] += len(parts or ())
        assert landed.times_materialized(name) == dict.fromkeys(EACH, 1)
        shown = {day: found["dagster/partition_row_count"] for day, found in metadata_of(landed, name).items()}
        assert shown == {day: landed.lake.rows(name, day) for day in EACH} == expected
    assert sum(landed.lake.rows("line_items", day) for day in EACH) > 300
    assert landed.simulator.stats().requests == before


def test_marts_count_whole_business_days_and_name_the_others(landed):
    """Chicago's 10th and 11th lie in two UTC days each; its 12th reaches into a day that is not landed: it is named."""
    result = landed.run(*MARTS, days=DAYS)

    assert result.success
    for name in MARTS:
        assert landed.times_materialized(name) == dict.fromkeys(EACH, 1)
    table = landed.lake.read("site_day_kpis", EACH)
    counted = {(row["site"], row["business_date"].isoformat()) for row in table.to_pylist()}
    assert counted == {("MAIN", "2026-03-10"), ("MAIN", "2026-03-11")}
    found = metadata_of(landed, "site_day_kpis")
    plots = {day: [name for name in shown if name.startswith("last_30_days_")] for day, shown in found.items()}
    assert plots == {EACH[0]: [], EACH[1]: [], EACH[2]: ["last_30_days_total_cars", "last_30_days_sales"]}
    assert "Cars a day, 2026-02-11 to 2026-03-12: lowest" in found[EACH[-1]]["last_30_days_total_cars"]
    assert found["2026-03-11"]["read_from"] == "2026-03-11, 2026-03-12"
    assert found["2026-03-11"]["missing"] == []
    (missing,) = found["2026-03-12"]["missing"]
    assert "MAIN 2026-03-12" in missing
    assert "2026-03-13" in missing
    (check,) = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "every_site_counted" and one.partition is None
    ]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert missing in check.description


def test_the_first_landed_day_is_no_finding_where_it_begins_earlier(landed):
    """A site east of the pipeline's zone has hours of it in the day before, which nobody has asked for: a note."""
    listed = pa.table({"code": ["MAIN"], "name": ["Main Street"], "timezone": ["Europe/Berlin"]})
    landed.lake.land("sites", listed)

    result = landed.run("site_day_kpis", days=(EACH[0], EACH[1]))

    (check,) = [
        one
        for one in result.get_asset_check_evaluations()
        if one.check_name == "every_site_counted" and one.partition is None
    ]
    assert check.passed
    assert "the first landed day, which begins earlier at other sites, is not whole" in check.description
    assert "transactions not landed: 2026-03-09" in check.description


def test_a_day_is_counted_as_soon_as_its_neighbour_is_landed(landed):
    """The day after lands: the same business day is now whole, and has the transactions of its own hours."""
    assert landed.run("site_day_kpis", days="2026-03-12").success
    assert landed.run(days="2026-03-13", selection=dg.AssetSelection.assets("transactions").without_checks()).success

    assert landed.run("site_day_kpis", days="2026-03-12").success

    (row,) = landed.lake.read("site_day_kpis", ["2026-03-12"]).to_pylist()
    assert row["business_date"] == date(2026, 3, 12)
    assert 0 < row["transactions"] < 240
    assert metadata_of(landed, "site_day_kpis")["2026-03-12"]["missing"] == []


def test_marts_agree_with_each_other_and_with_their_metadata(landed):
    """Cars and sales of a site's day are the sums of its hours; what the UI shows is what is in the file."""
    assert landed.run(*MARTS, days=DAYS).success

    days = landed.lake.read("site_day_kpis", EACH).to_pylist()
    hours = landed.lake.read("site_hour_kpis", EACH).to_pylist()
    for row in days:
        own = [hour for hour in hours if hour["business_date"] == row["business_date"]]
        assert len(own) == 24
        assert sum(hour["cars"] for hour in own) == row["total_cars"] > 0
        assert sum(hour["sales"] for hour in own) == row["sales"]
        shown = metadata_of(landed, "site_day_kpis")[row["business_date"].isoformat()]
        assert shown["total_cars"] == row["total_cars"]
        assert shown["sales"] == pytest.approx(float(row["sales"]))
        assert f"| MAIN | {row['total_cars']:,} |" in shown["sites"]
        assert shown["dagster/partition_row_count"] == 1


def test_without_a_site_list_days_are_the_pipelines(pipeline):
    """`sites` is not landed: every site follows the pipeline's zone, each day is whole, and the metadata says so."""
    assert pipeline.run(days=DAYS, selection=dg.AssetSelection.assets("transactions").without_checks()).success
    pipeline.lake.path("sites").unlink()  # whoever lands days lands the list with them

    assert pipeline.run("site_day_kpis", days=DAYS).success

    rows = pipeline.lake.read("site_day_kpis", EACH).to_pylist()
    assert [(row["business_date"].isoformat(), row["transactions"]) for row in rows] == [(day, 120) for day in EACH]
    assert all("not landed" in found["zones"] for found in metadata_of(pipeline, "site_day_kpis").values())


def test_a_day_without_transactions_is_refused_by_name(landed):
    """Nothing of the business day can be counted: the run fails, names the day, and lands no empty file."""
    result = landed.run("site_day_kpis", days="2026-03-15")

    failure = landed.failure(result)
    assert "not landed: 2026-03-15" in failure
    assert not landed.lake.path("site_day_kpis", "2026-03-15").exists()


def test_a_file_that_holds_some_sites_counts_for_those_only(open_pipeline: Callable[..., Any]):
    """The 11th is landed for Harbor alone: days of MAIN that reach into it are named, not counted as zero."""
    pipeline = open_pipeline(sites=2)
    assert pipeline.run("transactions", "sites", days=DAYS).success
    path = pipeline.lake.path("transactions", "2026-03-11")
    whole = pipeline.lake.read("transactions", ["2026-03-11"]).drop_columns("date")
    metadata = pipeline.lake.metadata("transactions", "2026-03-11")
    harbor = whole.filter(pa.compute.equal(whole["location_code"], "Harbor"))
    path.unlink()
    pipeline.lake.land("transactions", harbor, partition="2026-03-11", metadata={**metadata, "sites": '["Harbor"]'})

    assert pipeline.run(days=DAYS, selection=dg.AssetSelection.assets("site_day_kpis").without_checks()).success

    counted = {
        (row["site"], row["business_date"].isoformat()) for row in pipeline.lake.read("site_day_kpis", EACH).to_pylist()
    }
    assert counted == {("Harbor", "2026-03-10"), ("Harbor", "2026-03-11")}
    assert "MAIN 2026-03-10" in pipeline.lake.metadata("site_day_kpis", "2026-03-10")[MISSING]
