"""RS-03, DG-02: a day of `wash_frequency` is made of 30 days, and is stale when one of these changes."""

import json
import shutil
from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY, WASH_FREQUENCY_ASSET
from sonnys_pipeline.marts.frequency.inputs import WASH_FREQUENCY_RECIPE, WindowInputs
from sonnys_pipeline.marts.frequency.washes import missing_in, wash_frequency
from sonnys_pipeline.marts.incremental.inputs import metadata_of
from sonnys_pipeline.marts.incremental.staleness import stale_days
from sonnys_pipeline_tests.support.tickets import rows, sites, ticket

UTC_ZONE = "UTC"
FIRST = date(2026, 2, 1)
LANDED = [FIRST + timedelta(days=number) for number in range(40)]
LAST = LANDED[-1]
NAMES = [day.isoformat() for day in LANDED]


def day_of(day: date, customer: str | None = "7:1", **fields: Any) -> pa.Table:
    """A partition with one member wash."""
    fields |= {"isRecurringRedemption": True, "isRecurringPlanRedemption": True, "customerId": customer}
    return rows(ticket(day.toordinal(), f"{day}T18:00:00Z", total=0.0, tenders=[], **fields))


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Landed once; tests get copies."""
    found = Lake(tmp_path_factory.mktemp("landed"))
    found.land("sites", sites(MAIN=UTC_ZONE))
    land(found, LANDED)
    return Path(str(found.root))


@pytest.fixture
def lake(landed: Path, tmp_path: Path) -> Lake:
    """40 days with a wash each, at one site."""
    return Lake(shutil.copytree(landed, tmp_path / "data"))


def land(lake: Lake, days: Collection[date], customer: str | None = "7:1", **metadata: str) -> None:
    promised = {"windows": json.dumps([{"site": None, "total": 1, "cut_off": 0}]), "timezone": UTC_ZONE}
    for day in days:
        lake.land("transactions", day_of(day, customer), partition=day.isoformat(), metadata=promised | metadata)


def make(lake: Lake, days: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Lands the mart as its asset does; the rows of each day."""
    inputs, wanted = WindowInputs(lake, UTC_ZONE), list(days)
    read_from = inputs.require(WASH_FREQUENCY_RECIPE, wanted)
    digests = inputs.digests(WASH_FREQUENCY_RECIPE, wanted)
    washes, notes = inputs.washes(wanted), inputs.notes(wanted)
    found = wash_frequency(washes, [date.fromisoformat(day) for day in wanted], notes)
    made: dict[str, list[dict[str, Any]]] = {}
    for day in wanted:
        on = date.fromisoformat(day)
        table = found.filter(pc.equal(found["business_date"], pa.scalar(on)))
        recorded = inputs.recorded_inputs(WASH_FREQUENCY_RECIPE, day, read_from[day])
        kept = metadata_of(digests[day], recorded, missing_in(washes, on))
        lake.land(WASH_FREQUENCY_ASSET, table, partition=day, metadata=kept)
        made[day] = table.to_pylist()
    return made


def stale(lake: Lake) -> list[str]:
    found = stale_days(lake, WindowInputs(lake, UTC_ZONE), WASH_FREQUENCY_RECIPE, NAMES)
    assert found.problems == ()
    return list(found.days)


def test_a_day_is_read_from_thirty_days(lake: Lake) -> None:
    """Its own and the 29 before it, as far as they are landed; a day that is not landed cannot be made."""
    found = WindowInputs(lake, UTC_ZONE).landed_for(WASH_FREQUENCY_RECIPE, [NAMES[4], NAMES[-1], "2026-04-01"])
    assert found == {NAMES[4]: NAMES[:5], NAMES[-1]: NAMES[-30:], "2026-04-01": []}


def test_only_whole_windows_have_figures(lake: Lake) -> None:
    """The 30th landed day is the first one."""
    made = make(lake, NAMES)
    assert [rows[0]["member_washes"] for rows in made.values()] == [None] * 29 + [30] * 11
    assert str(made[NAMES[28]][0]["unknown"]).endswith("transactions not landed for all sites: 2026-01-31")


def test_a_changed_day_reaches_the_days_that_look_back_on_it(lake: Lake) -> None:
    """The day itself and the 29 after it; nothing for a file with the same rows."""
    assert stale(lake) == NAMES
    make(lake, NAMES)
    assert stale(lake) == []
    land(lake, [LANDED[5]])  # read again, without news
    assert stale(lake) == []
    land(lake, [LANDED[5]], customer="8:1")
    assert stale(lake) == NAMES[5:35]
    make(lake, NAMES[5:35])
    assert stale(lake) == []


def test_a_day_that_lands_late_completes_those_after_it(lake: Lake, tmp_path: Path) -> None:
    """Figures that were null become known."""
    lake.remove("transactions", NAMES[20])
    made = make(lake, [name for name in NAMES if name != NAMES[20]])
    assert {row["member_washes"] for name in NAMES[30:] for row in made[name]} == {None}
    land(lake, [LANDED[20]])
    assert stale(lake) == NAMES[20:]
    assert make(lake, NAMES[39:])[NAMES[39]][0]["member_washes"] == 30


def test_another_zone_of_the_site_reaches_every_day(lake: Lake) -> None:
    """Washes fall on other days."""
    make(lake, NAMES[30:])
    lake.land("sites", sites(MAIN="Pacific/Auckland"))
    assert set(NAMES[30:]) <= set(stale(lake))


def test_under_drop_there_is_no_row_of_a_member(lake: Lake) -> None:
    """One row counts the washes, and says why it is alone."""
    land(lake, LANDED, customer=None, pii="drop", pii_key="")
    assert make(lake, NAMES[-1:])[NAMES[-1]] == [
        {
            **dict.fromkeys(WASH_FREQUENCY.names),
            "business_date": LAST,
            "member_washes": 30,
            "unknown": "customer_id: these washes name no customer; "
            "customer_id: days landed under SONNYS_PII=drop keep no customers",
        }
    ]


def test_days_of_different_policies_are_named(lake: Lake) -> None:
    """A hash does not join with the number that it hides; hashes of one key do."""
    land(lake, LANDED, customer="h:1", pii="hash", pii_key="a")
    assert [row["unknown"] for row in make(lake, NAMES[-1:])[NAMES[-1]]] == [None]
    land(lake, LANDED[-3:], customer="7:1", pii="keep", pii_key="")
    note = "customer_id: days were landed under different policies or keys, so one member may have two rows"
    made = make(lake, NAMES[-1:])[NAMES[-1]]
    assert [(row["customer_id"], row["member_washes"], row["unknown"]) for row in made] == [
        ("7:1", 3, note), ("h:1", 27, note),
    ]  # fmt: skip
