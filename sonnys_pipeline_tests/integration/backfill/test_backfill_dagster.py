"""BX-01, DG-02, DG-03: days that the command line lands are seen in Dagster, whole days and days of some sites."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.compute as pc
import pytest

from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.marts import kpis
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.events.runless import TRANSACTIONS, RunlessDays
from sonnys_pipeline.quality.invariants import incomplete_or_repeated
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.conftest import API_ID, API_KEY
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days

FIVE = last_days(5)
CHECK = dg.AssetCheckKey(TRANSACTIONS, "complete_and_unique")
ROWS = 120
NOT_ENDED = "its last reading did not end, so its requests are not recorded"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Dagster instance on disk: making one costs a second, so the tests of this module take turns at it."""
    folder = tmp_path_factory.mktemp("dagster")
    (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return folder


@pytest.fixture
def instance(home: Path, monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Iterator[dg.DagsterInstance]:
    """That instance, without events, as the one that `DAGSTER_HOME` names."""
    assert desk.simulator
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.from_config(str(home)) as opened:
        opened.wipe_assets([TRANSACTIONS])
        yield opened


def materializations(instance: dg.DagsterInstance) -> Sequence[dg.EventLogRecord]:
    return instance.fetch_materializations(TRANSACTIONS, limit=1000).records


def observations(instance: dg.DagsterInstance) -> Sequence[dg.EventLogRecord]:
    return instance.fetch_observations(TRANSACTIONS, limit=1000).records


def days_of(records: Sequence[dg.EventLogRecord]) -> dict[str | None, int]:
    """How many of these events each day has."""
    return dict(Counter(record.partition_key for record in records))


def told(record: dg.EventLogRecord) -> Mapping[str, Any]:
    """The metadata of an event, as plain values."""
    event = record.asset_materialization or record.asset_observation
    assert event is not None
    return {name: value.value for name, value in event.metadata.items()}


def complete_and_unique(instance: dg.DagsterInstance, *days: str) -> bool:
    """Whether the project's check of `transactions` passes for these days, run by Dagster with what it guards."""
    defs = build_defs()
    tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
    result = dg.materialize(
        [*(defs.assets or ()), *(defs.asset_checks or ())],
        selection=dg.AssetSelection.checks(CHECK) | dg.AssetSelection.assets("line_items"),
        resources=dict(defs.resources or {}),
        instance=instance,
        tags=tags,
        raise_on_error=False,
    )
    of_check = [found for found in result.get_asset_check_evaluations() if found.asset_check_key == CHECK]
    assert {found.partition for found in of_check} == {*days, None}
    return result.success


def test_landed_days_are_materialized_once_each(
    desk: Desk, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One event a day, with rows, pages, path, cost and the job that landed it; the document names the days."""
    monkeypatch.setenv("SONNYS_RATE_LIMIT", "10000/3600")  # so that few requests are minutes
    job = desk.approved(FIVE)

    ended = desk.asks("run", job)

    assert ended["dagster"] == {"reported": FIVE, "observed": [], "lists": [], "problems": []}
    found, rate = materializations(instance), RequestRate(10_000, 3600)
    assert days_of(found) == dict.fromkeys(FIVE, 1)
    assert observations(instance) == []
    costs = {cost["day"]: cost for cost in ended["days"]}
    assert ended["spent"]["minutes_of_budget"] == rate.minutes_of_budget(ended["spent"]["requests"]) > 0
    for record in found:
        metadata = told(record)
        assert metadata["dagster/partition_row_count"] == ROWS
        assert metadata["pages"] == 3, "one for each of the three sites"
        assert metadata["path"] == str(desk.lake.path("transactions", str(record.partition_key)))
        assert job in metadata["landed_by"]
        cost = costs[str(record.partition_key)]
        assert metadata["minutes_of_budget"] == cost["minutes_of_budget"] == rate.minutes_of_budget(cost["requests"])
    assert complete_and_unique(instance, FIVE[0], FIVE[1])
    assert desk.asks("reconcile") == {"reported": [], "observed": [], "lists": [], "problems": []}
    assert days_of(materializations(instance)) == dict.fromkeys(FIVE, 1)


def test_a_failing_run_reports_what_it_has_landed_and_a_resume_the_rest(
    desk: Desk, instance: dg.DagsterInstance
) -> None:
    """Two days, then the other three; in the end one event a day. What a day cut short has cost is not known."""
    job = desk.approved(FIVE)
    desk.fail_days(FIVE[2])
    ended = desk.asks("run", job, exit_code=1)
    assert [cost["minutes_of_budget"] is None for cost in ended["days"]] == [False, False, False, True, True]
    assert [cost["unknown"] for cost in ended["days"][3:]] == [NOT_ENDED] * 2
    assert all(cost["requests"] is None for cost in ended["days"][3:])
    assert days_of(materializations(instance)) == dict.fromkeys(FIVE[:2], 1)

    desk.fail_days()
    desk.types("resume", job)

    assert days_of(materializations(instance)) == dict.fromkeys(FIVE, 1)


def test_reconcile_reports_exactly_what_is_missing(
    desk: Desk, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days landed while Dagster was away: those, and only those, are told, with metadata from their files."""
    desk.types("run", desk.approved(FIVE[:2]))
    with monkeypatch.context() as away:
        away.delenv("DAGSTER_HOME")
        ended = desk.types("run", desk.approved(FIVE[2:]))
        assert "Set it, then run: sonnys backfill reconcile" in ended.stderr
    assert days_of(materializations(instance)) == dict.fromkeys(FIVE[:2], 1)

    said = desk.asks("reconcile")

    assert said == {"reported": FIVE[2:], "observed": [], "lists": [], "problems": []}
    found = materializations(instance)
    assert days_of(found) == dict.fromkeys(FIVE, 1)
    assert {told(record)["dagster/partition_row_count"] for record in found} == {ROWS}
    assert {told(record)["pages"] for record in found} == {3}
    assert "5 landed days; 0 more were reported" in desk.types("reconcile").stderr


def test_a_process_killed_between_landing_and_event(
    desk: Desk, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run dies with the third day landed and not told: `reconcile` tells that one; so would the resume."""

    class Killed(BaseException):
        """Nothing catches it, as nothing catches SIGKILL."""

    add = RunlessDays.day_landed

    def die_at_the_third(self: RunlessDays, day: Any) -> None:
        if day.loaded.day.key == FIVE[2]:
            raise Killed
        add(self, day)

    job = desk.approved(FIVE)
    with monkeypatch.context() as dying:
        dying.setattr(RunlessDays, "day_landed", die_at_the_third)
        with pytest.raises(Killed):
            desk.types("run", job)
    assert desk.lake.partitions("transactions") == FIVE[:3]
    assert days_of(materializations(instance)) == dict.fromkeys(FIVE[:2], 1)

    assert desk.asks("reconcile")["reported"] == [FIVE[2]]
    desk.types("resume", job)

    assert days_of(materializations(instance)) == dict.fromkeys(FIVE, 1)


def test_without_an_instance_there_is_a_hint(desk: Desk) -> None:
    """The run lands its days and says what to type; `reconcile` says what to set first: exit code 2."""
    ended = desk.types("run", desk.approved(FIVE[:1]))
    assert "DAGSTER_HOME is not set" in ended.stderr

    (line,) = desk.types("reconcile", exit_code=2).stderr.splitlines()

    assert "export DAGSTER_HOME=" in line


def test_an_instance_that_cannot_be_opened_does_not_stop_a_run(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The days land, exit code 0, and the hint names the folder; `reconcile` fails with it."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))

    ended = desk.types("run", desk.approved(FIVE[:1]))

    assert "nowhere is not a directory" in ended.stderr
    assert desk.lake.partitions("transactions") == FIVE[:1]
    (line,) = desk.types("reconcile", exit_code=1).stderr.splitlines()
    assert line.startswith("Error: DAGSTER_HOME")


def test_one_site_lands_alone(desk: Desk, instance: dg.DagsterInstance) -> None:
    """`--site` on empty days: only its rows, told as observations; the check passes; the days are not materialized."""
    site = desk.simulator.world.sites[1].code

    ended = desk.asks("run", desk.approved(FIVE[:2], "--site", site))

    assert ended["success"]
    for day in FIVE[:2]:
        assert desk.landed_ids(day) == desk.expected_ids(day, site)
        assert set(desk.lake.read("transactions", [day])["location_code"].to_pylist()) == {site}
    assert ended["dagster"] == {"reported": [], "observed": FIVE[:2], "lists": [], "problems": []}
    assert materializations(instance) == []
    found = observations(instance)
    assert days_of(found) == dict.fromkeys(FIVE[:2], 1)
    assert {told(record)["sites"] for record in found} == {site}
    assert complete_and_unique(instance, FIVE[0], FIVE[1])


def test_a_partial_day_is_told_once(desk: Desk, instance: dg.DagsterInstance) -> None:
    """`reconcile` has nothing new to say of it; when another site joins there is something new."""
    first, second = (site.code for site in desk.simulator.world.sites[:2])
    desk.types("run", desk.approved(FIVE[:1], "--site", first))

    assert desk.asks("reconcile")["observed"] == []
    assert days_of(observations(instance)) == {FIVE[0]: 1}

    desk.types("run", desk.approved(FIVE[:1], "--site", second))
    assert [told(record)["sites"] for record in observations(instance)] == [", ".join(sorted((first, second))), first]
    desk.types("run", desk.approved(FIVE[:1]))
    assert days_of(materializations(instance)) == {FIVE[0]: 1}
    assert desk.landed_ids(FIVE[0]) == desk.expected_ids(FIVE[0])


def test_one_site_of_a_whole_day_is_replaced(desk: Desk, instance: dg.DagsterInstance) -> None:
    """On a landed day only that site's rows are read and replaced; the day stays whole, its event tells all."""
    day, site = FIVE[0], desk.simulator.world.sites[1].code
    desk.types("run", desk.approved([day]))
    before = desk.lake.read("transactions", [day])
    desk.simulator.set_faults(Faults(edited_rows={day: 40}))  # a dollar dearer, over all sites
    desk.simulator.advance(1201)  # sooner, the site's job would be the one that the whole day's reading left

    ended = desk.asks("run", desk.approved([day], "--site", site))

    rows = len(desk.expected_ids(day, site))
    assert (ended["success"], ended["spent"]["rows"]) == (True, rows)
    after = desk.lake.read("transactions", [day])
    others = pc.field("location_code") != site
    assert after.filter(others).equals(before.filter(others))
    assert pc.sum(after["total"]).as_py() >= pc.sum(before["total"]).as_py() + 1
    assert desk.landed_ids(day) == desk.expected_ids(day)
    assert days_of(materializations(instance)) == {day: 2}
    latest = told(materializations(instance)[0])
    assert latest["dagster/partition_row_count"] == latest["api_total"] == ROWS
    assert latest["sales_total"] == pytest.approx(kpis.sales_total(after))
    assert incomplete_or_repeated(desk.lake, [day]) == {day: []}
    assert complete_and_unique(instance, day)


def test_neither_key_nor_id_is_anywhere(desk: Desk, instance: dg.DagsterInstance, home: Path, tmp_path: Path) -> None:
    """Every verb: neither stdout nor stderr, ledger, audit, CSV, lake or Dagster's storage has the credentials."""
    (tmp_path / "days.csv").write_text("date\n" + "".join(f"{day}\n" for day in FIVE))
    said = [desk.types("preview", "--from-csv", "days.csv", "--json")]
    job = desk.asks("list")["jobs"][0]["job_id"]
    desk.fail_days(FIVE[2])
    said += [desk.types(verb, job, exit_code=None) for verb in ("run", "approve", "run", "status", "write-back")]
    desk.fail_days()
    desk.simulator.set_faults(None)
    said += [desk.types(verb, job, "--json", exit_code=None) for verb in ("run", "status", "cancel", "resume")]
    said += [desk.types(verb) for verb in ("list", "reconcile")]
    assert desk.asks("status", job)["status"] == "completed"
    assert days_of(materializations(instance)) == dict.fromkeys(FIVE, 1)

    for result in said:
        assert API_KEY not in result.output
        assert API_ID not in result.output
    kept = [path for folder in (tmp_path, home) for path in folder.rglob("*") if path.is_file()]
    suffixes = {path.suffix for path in kept}
    assert suffixes >= {".sqlite", ".ndjson", ".json", ".csv", ".parquet", ".db"}
    for path in kept:
        content = path.read_bytes()
        assert API_KEY.encode() not in content, path
        assert API_ID.encode() not in content, path
