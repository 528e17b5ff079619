"""LV-01: whoever lands days lands the list of sites, too, where it is missing or old."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from sonnys_pipeline.client import APIConnectionError, Site, SonnysClient, TransactionJobItem
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.landing.account_sites import keep_sites
from sonnys_pipeline.landing.sites.history import ensure_sites, land_sites
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.service import JobService, open_ledger

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NEW = [Site(code="A", name="A", timezone="America/Chicago"), Site(name="Office")]
OLD = NEW[:1]


class FakeClient:
    """Lists sites, or does not answer."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers, self.lists, self.sites = answers, 0, self

    def list(self) -> list[Site]:
        self.lists += 1
        if not self.answers:
            raise APIConnectionError("no answer from the API")
        return NEW


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", now=lambda: NOW) as service:
        yield service


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def ensure(lake: Lake, jobs: JobService, fake: FakeClient, *, is_narrowed: bool = False) -> list[str | None]:
    ensure_sites(lake, jobs, cast("SonnysClient", fake), Source("digest", "MAIN" if is_narrowed else ""), NOW)
    codes: list[str | None] = lake.read("sites")["code"].to_pylist() if lake.has("sites") else []
    return codes


def test_a_list_that_is_missing_is_asked_for_and_kept(lake: Lake, jobs: JobService) -> None:
    """One request; the next run within the hour sees the same list."""
    fake = FakeClient()
    assert ensure(lake, jobs, fake) == ["A", None]
    assert ensure(lake, jobs, fake) == ["A", None]
    assert fake.lists == 1
    assert jobs.knowledge.recall("digest", "sites") is not None


def test_the_list_that_named_the_load_jobs_is_landed(lake: Lake, jobs: JobService) -> None:
    """No second request."""
    keep_sites(jobs, "digest", NEW)
    fake = FakeClient()
    assert ensure(lake, jobs, fake) == ["A", None]
    assert fake.lists == 0


def test_a_list_that_is_old_is_landed_anew(lake: Lake, jobs: JobService) -> None:
    land_sites(lake, OLD, NOW - timedelta(hours=23))
    assert ensure(lake, jobs, FakeClient()) == ["A"]
    land_sites(lake, OLD, NOW - timedelta(hours=25))
    assert ensure(lake, jobs, FakeClient()) == ["A", None]


def test_a_list_of_one_site_takes_no_other_lists_place(lake: Lake, jobs: JobService) -> None:
    """`SONNYS_SITE_CODE` narrows the API's answer, and not what is known of the others."""
    land_sites(lake, OLD, NOW - timedelta(days=9))
    assert ensure(lake, jobs, FakeClient(), is_narrowed=True) == ["A"]
    assert jobs.knowledge.recall("digest", "sites") is None


def test_an_api_that_is_away_costs_the_list_only(
    lake: Lake, jobs: JobService, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """The days of the run are landed; the log says what to type."""
    assert ensure(lake, jobs, FakeClient(answers=False)) == []
    assert "dg launch --assets sites" in caplog.text


def test_rows_that_land_after_the_list_say_since_when_a_new_site_is_there(
    lake: Lake, jobs: JobService, make_item: Callable[..., TransactionJobItem]
) -> None:
    """The asset `sites` may be made before the days of the same morning."""
    land_sites(lake, OLD, NOW - timedelta(days=9))
    new = Site(code="B", name="Birch", timezone="America/Chicago")
    land_sites(lake, [*OLD, new], NOW - timedelta(hours=1))
    item = make_item("1:1", locationCode="B", completeDate="2026-03-08T18:00:00Z")
    lake.land("transactions", to_table([item], TRANSACTIONS), partition="2026-03-08")
    ensure(lake, jobs, FakeClient())
    assert lake.read("sites")["valid_from"].to_pylist() == [None, date(2026, 3, 8)]
