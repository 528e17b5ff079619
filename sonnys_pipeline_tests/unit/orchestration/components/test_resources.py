"""EC-01: the resources of a component: settings from code, kept in a run, with nothing secret shown."""

from dagster._core.execution.build_resources import build_resources

from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.components.resources import GivenLakeResource, GivenSonnysResource

NORTH = GivenSettings.of("north", api_id="id", api_key="secret", data_url="lake", state_dir="state")


def test_a_run_gets_the_settings_and_may_change_what_it_may_change():
    """Dagster makes new resources for a run: the settings go along, and polls may be other ones, credentials not."""
    wanted = {"sonnys": GivenSonnysResource.of(NORTH), "lake": GivenLakeResource.of(NORTH)}
    with build_resources(wanted, resource_config={"sonnys": {"config": {"poll_interval": 0.5}}}) as made:
        settings = made.sonnys.settings()
        workspace = Account("north").workspace(made.lake, made.sonnys)

    assert (settings.poll_interval, settings.api_key.get_secret_value()) == (0.5, "secret")
    assert workspace.settings.poll_interval == 0.5
    assert str(workspace.lake.root) == str(made.lake.open_lake().root)
    assert str(workspace.lake.root).endswith("/lake/north")
    assert made.lake.settings().state_dir == NORTH.state_dir
    assert made.lake.accounts() == ()
    assert "secret" not in f"{made.sonnys!r} {made.lake!r}"
