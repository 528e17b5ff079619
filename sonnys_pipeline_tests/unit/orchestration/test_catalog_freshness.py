"""KT-03: Dagster itself says when a morning's days are late, as its own daemon evaluates it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions import freshness_evaluator
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.loader import LoadingContextForTest

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.build import build_defs

CHICAGO = ZoneInfo("America/Chicago")
#: The materializations of these tests are made at the real present, so their morning is the last real one.
TODAY = (datetime.now(UTC) - timedelta(hours=12)).astimezone(CHICAGO).date()
NOON = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=CHICAGO)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory."""
    with dg.DagsterInstance.ephemeral() as memory:
        yield memory


def policies() -> dict[str, dg.FreshnessPolicy | None]:
    """The policy of each asset."""
    defs = build_defs(settings=Settings(timezone="America/Chicago"))
    specs = [spec for asset in defs.assets or () for spec in asset.specs]
    return {spec.key.to_user_string(): spec.freshness_policy for spec in specs}


def state(
    instance: dg.DagsterInstance, asset: str, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> FreshnessState:  # fmt: skip
    """What Dagster's daemon makes of an asset's policy at a moment."""
    monkeypatch.setattr(freshness_evaluator, "get_current_datetime", lambda zone: now.astimezone(ZoneInfo(zone)))
    policy = policies()[asset]
    evaluator = freshness_evaluator.FRESHNESS_EVALUATORS_BY_POLICY_TYPE[type(policy)]()
    node = SimpleNamespace(key=dg.AssetKey(asset), freshness_policy_or_from_metadata=policy)
    return asyncio.run(evaluator.evaluate_freshness(LoadingContextForTest(instance), node))


def test_whatever_a_morning_makes_has_a_deadline():
    """Landed days, tables, marts and pages by noon in the zone of the partitions; lists within a day and a bit."""
    found = policies()

    daily = {name for name, policy in found.items() if policy == found["transactions"]}
    assert daily >= {"transactions", "transaction_states", "line_items", "site_day_kpis", "daily_report"}
    assert (
        found["items"]
        == found["customers"]
        == found["sites"]
        == dg.FreshnessPolicy.time_window(timedelta(hours=36), timedelta(hours=26))
    )
    # What is written when there is something to write is never late.
    lists = {"sites", "items", "customers", "employees", "recurring_accounts", "washbooks", "giftcards"}
    assert {name for name, policy in found.items() if policy is None} == found.keys() - daily - lists
    assert found["transactions"] == dg.FreshnessPolicy.cron("0 12 * * *", timedelta(hours=6), "America/Chicago")


@pytest.mark.parametrize("asset", ["transactions", "site_day_kpis"])
def test_an_asset_is_late_when_a_morning_was_missed(instance, monkeypatch, asset):
    """Materialized since six: fresh until the next noon; nothing since that noon's six o'clock: late until it is."""
    instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=str(TODAY - timedelta(days=1))))

    assert state(instance, asset, NOON + timedelta(hours=1), monkeypatch) is FreshnessState.PASS
    # Some 24 hours after this materialization, but before the next noon: the next morning may still be at work.
    assert state(instance, asset, NOON + timedelta(hours=23), monkeypatch) is FreshnessState.PASS
    assert state(instance, asset, NOON + timedelta(days=2, hours=1), monkeypatch) is FreshnessState.FAIL
