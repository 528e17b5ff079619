"""DG-01, DG-03, LJ-09: what the API refuses: a clear error with its remedy, no credential shown, nothing lost.

A failed run spends no more than it must: what is refused once is not asked again (BM-02).
"""

from pathlib import Path

import dagster as dg
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.simulator import Account

DAY = "2026-03-10"


def everything_written(folder: Path) -> bytes:
    """All files below a folder, as bytes; landed rows aside, which are compressed."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("missing", ["SONNYS_API_ID", "SONNYS_API_KEY"])
def test_missing_credentials_end_a_run_without_a_request(pipeline, monkeypatch, missing):
    """The failure names the variable, and the API is not asked."""
    monkeypatch.delenv(missing)

    assert f"{missing} not set" in pipeline.failure(pipeline.run("transactions", days=DAY))
    assert pipeline.simulator.stats().requests == 0


@pytest.mark.parametrize("empty", ["SONNYS_API_ID", "SONNYS_API_KEY"])
def test_empty_credentials_name_the_variable_and_where_to_put_it(pipeline, monkeypatch, empty):
    """A variable that is set to nothing, as in a copied .env.example, is as good as missing."""
    monkeypatch.setenv(empty, "")

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert f"{empty} not set" in failure
    assert ".env" in failure
    assert pipeline.simulator.stats().requests == 0


def test_wrong_credentials_cost_one_request_and_are_not_shown(pipeline, monkeypatch, tmp_path, capfd):
    """The API's own word and the variables to look at; the key is in no event, log, or file, and is sent once."""
    monkeypatch.setenv("SONNYS_API_KEY", "wrong-key-that-must-not-show")

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert "BadClientCredentialsError" in failure
    assert "SONNYS_API_KEY" in failure
    assert pipeline.simulator.stats().by_status == {"403": 1}
    shown = capfd.readouterr()
    everything = f"{pipeline.record()}{shown.out}{shown.err}".encode() + everything_written(tmp_path)
    assert b"BadClientCredentialsError" in everything
    assert b"wrong-key-that-must-not-show" not in everything
    assert b"id-that-must-not-show-0815" not in everything


def test_a_key_of_another_environment_is_told_apart(open_pipeline, monkeypatch):
    """A production key on the sandbox: the failure says which of the 403s it was, and to look at the address."""
    pipeline = open_pipeline(accounts=(Account(api_id="prod-id", api_key="prod-key", environment="production"),))
    monkeypatch.setenv("SONNYS_API_ID", "prod-id")
    monkeypatch.setenv("SONNYS_API_KEY", "prod-key")

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert "MismatchCredentialsError" in failure
    assert "SONNYS_BASE_URL" in failure


def test_a_run_that_succeeds_shows_no_credentials_either(pipeline, tmp_path, capfd):
    """Events, run configuration, tags, logs, files and state of a good run hold neither id nor key."""
    assert pipeline.run("transactions", "site_day_kpis", days=DAY).success
    assert pipeline.run("sites").success

    shown = capfd.readouterr()
    everything = f"{pipeline.record()}{shown.out}{shown.err}".encode() + everything_written(tmp_path)
    assert b"ASSET_MATERIALIZATION" in everything
    assert b"key-that-must-not-show-4711" not in everything
    assert b"id-that-must-not-show-0815" not in everything


@pytest.mark.parametrize("variable", ["SONNYS_BUDGET_URL", "SONNYS_LEDGER_URL"])
def test_a_store_that_cannot_be_used_is_named_without_its_password(pipeline, monkeypatch, variable):
    """An address of a kind that nobody knows: the variable and what to write instead, and the API is not asked."""
    monkeypatch.setenv(variable, "gopher://user:password-that-must-not-show@store.invalid/x")

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert variable in failure
    assert "sqlite:///" in failure
    assert "password-that-must-not-show" not in pipeline.record()
    assert pipeline.simulator.stats().requests == 0


def test_an_unknown_site_names_the_variable(pipeline, monkeypatch):
    """SONNYS_SITE_CODE that no site has: one request, the API's word, the variable."""
    monkeypatch.setenv("SONNYS_SITE_CODE", "NOWHERE")

    failure = pipeline.failure(pipeline.run("transactions", days=DAY))

    assert "BadSiteCredentialsError" in failure
    assert "SONNYS_SITE_CODE" in failure
    assert pipeline.simulator.stats().by_status == {"403": 1}
    assert pipeline.lake.partitions("transactions") == []


def test_a_site_narrows_the_day_to_its_own_rows(open_pipeline, monkeypatch):
    """SONNYS_SITE_CODE of a site that exists: its rows land, all of them, and no other site's."""
    pipeline = open_pipeline(sites=3)
    monkeypatch.setenv("SONNYS_SITE_CODE", "MAIN")

    assert pipeline.run("transactions", days=DAY).success
    landed = pipeline.lake.read("transactions", [DAY])
    assert set(landed["location_code"].to_pylist()) == {"MAIN"}
    world = pipeline.simulator.world
    expected = [row_id for row_id in pipeline.expected_ids(DAY) if world.find(row_id)[2]["locationCode"] == "MAIN"]
    assert pipeline.landed_ids(DAY) == expected
    assert 0 < len(expected) < len(pipeline.expected_ids(DAY))


def test_a_day_older_than_the_api_keeps_leaves_what_has_landed(pipeline, monkeypatch):
    """Landed while it could be read, asked for again when too old: the API's words, and the same file."""
    monkeypatch.setenv("SONNYS_START_DATE", "2025-09-01")
    assert pipeline.run("transactions", days="2025-09-25").success
    before = pipeline.lake.path("transactions", "2025-09-25").read_bytes()
    pipeline.simulator.advance(10 * 86_400)

    failure = pipeline.failure(pipeline.run("transactions", days="2025-09-25"))

    assert "2025-09-25 was not landed" in failure
    assert "must not be more than 6 months ago" in failure
    assert "six months" in failure
    assert pipeline.lake.path("transactions", "2025-09-25").read_bytes() == before
    assert pipeline.times_materialized() == {"2025-09-25": 1}


def test_a_day_that_the_api_calls_future_does_not_land(pipeline):
    """A partition that is over here and not there (clocks, zones): the API's words, one request beside the sites'."""
    failure = pipeline.failure(pipeline.run("transactions", days="2026-03-20"))

    assert "endDate: must not be in the future" in failure
    assert pipeline.simulator.stats().by_status == {"200": 1, "422": 1}
    assert pipeline.lake.partitions("transactions") == []


@pytest.mark.parametrize("day", ["2999-01-01", "2025-12-31"])
def test_a_day_that_is_no_partition_is_refused_before_a_run(pipeline, day):
    """In the future, or before SONNYS_START_DATE: Dagster refuses the key by name, and nobody is asked."""
    with pytest.raises(dg.DagsterUnknownPartitionError, match=day):
        pipeline.run("transactions", days=day)
    assert pipeline.instance.get_runs_count() == 0
    assert pipeline.simulator.stats().requests == 0


def test_run_configuration_goes_before_the_environment(pipeline, monkeypatch):
    """How long to wait, and how often to try, from the run's own configuration, whatever the environment says."""
    monkeypatch.setenv("SONNYS_POLL_INTERVAL", "600")
    run_config = {"resources": {"sonnys": {"config": {"poll_interval": 0.01, "job_timeout": 5.0}}}}

    assert pipeline.run("transactions", days=DAY, run_config=run_config).success
    assert pipeline.landed_ids(DAY) == pipeline.expected_ids(DAY)


@pytest.mark.parametrize(
    ("resource", "field", "value"),
    [
        ("sonnys", "base_url", "http://127.0.0.1:9/v1"),
        ("sonnys", "api_id", "somebody-else"),
        ("sonnys", "api_key", {"env": "HOME"}),
        ("sonnys", "site_code", "MAIN"),
        ("sonnys", "budget_url", "memory:"),
        ("sonnys", "rate_limit", "1000/1"),
        ("lake", "data_url", "/tmp/elsewhere"),
    ],
)
def test_no_run_says_where_credentials_travel_and_files_lie(pipeline, resource, field, value):
    """Refused before a run, by the name of the field: nobody is asked, nothing is written."""
    run_config = {"resources": {resource: {"config": {field: value}}}}

    with pytest.raises(dg.DagsterInvalidConfigError, match=field):
        pipeline.run("transactions", days=DAY, run_config=run_config)
    assert pipeline.simulator.stats().requests == 0
    assert pipeline.lake.partitions("transactions") == []


def test_resources_can_be_replaced(pipeline, monkeypatch, tmp_path):
    """`build_defs(resource_overrides)`: a client and a lake of the caller's own, with nothing in the environment."""
    for name in ("API_ID", "API_KEY", "BASE_URL", "DATA_URL"):
        monkeypatch.delenv(f"SONNYS_{name}")
    own = SonnysResource(
        api_id=pipeline.simulator.config.api_id,
        api_key=pipeline.simulator.config.api_key,
        base_url=pipeline.simulator.base_url,
    )
    resources = {"sonnys": own, "lake": LakeResource(data_url=str(tmp_path / "elsewhere"))}

    assert pipeline.run("transactions", days=DAY, resources=resources).success
    assert Lake(tmp_path / "elsewhere").partitions("transactions") == [DAY]
    assert pipeline.lake.partitions("transactions") == []
