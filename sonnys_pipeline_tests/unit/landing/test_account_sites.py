"""LV-01: which sites are read, asked for once an hour, and how spans are counted over them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from sonnys_pipeline.client import Site, SonnysClient, ValidationError
from sonnys_pipeline.extract.events import LISTS_NEED_SITE
from sonnys_pipeline.landing.account_sites import (
    ALL_AT_ONCE,
    LoadBy,
    NoNamedSiteError,
    SpanCounter,
    account_sites,
    keep_sites,
    sites_of,
)
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.service import JobService, open_ledger

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
LISTED = [Site(code="JOLIET", name="Joliet"), Site(code="BurbT2", name="Burbank"), Site(code="", name="Head Office")]
REFUSED = ValidationError(422, "PayloadValidationError", ("site: Only 1 site can be selected.",))


class FakeClient:
    """Sites and counts, and how often each was asked for."""

    def __init__(self, listed: list[Site], *, needs_site: bool = False) -> None:
        self.listed, self.needs_site = listed, needs_site
        self.asked: list[str | None] = []
        self.lists = 0
        self.sites = self.transactions = self

    def list(self) -> list[Site]:
        self.lists += 1
        return self.listed

    def count(self, site: str | None = None, **_: object) -> int:
        self.asked.append(site)
        if site is None and self.needs_site:
            raise REFUSED
        return 7 if site is None else 3


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    clock = [NOW]
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}", now=lambda: clock[0]) as service:
        yield service


def client(fake: FakeClient) -> SonnysClient:
    return cast("SonnysClient", fake)


def asked(jobs: JobService, fake: FakeClient, **given: Any) -> Any:
    source = Source("digest", given.pop("site_code", ""))
    return account_sites(jobs, client(fake), source, **{"load_by": LoadBy.SITE, "now": NOW, **given})


def test_the_list_is_asked_for_once_an_hour(jobs: JobService) -> None:
    """A plan, a run and a resume within the hour see the same sites, whatever the API lists meanwhile."""
    fake = FakeClient(LISTED)
    first = asked(jobs, fake)
    fake.listed = [site for site in LISTED if site.code != "BurbT2"]
    assert asked(jobs, fake, now=NOW + timedelta(minutes=59)) == first
    assert (first.codes, first.unnamed) == (("JOLIET", "BurbT2"), ("Head Office",))
    assert fake.lists == 1
    assert asked(jobs, fake, now=NOW + timedelta(minutes=61)).codes == ("JOLIET",)
    assert fake.lists == 2
    assert asked(jobs, fake, now=NOW + timedelta(days=9), as_kept=True).codes == ("JOLIET",)
    assert fake.lists == 2


def test_a_list_from_the_future_is_not_believed(jobs: JobService) -> None:
    """A clock that was wrong would otherwise keep it for ever."""
    keep_sites(jobs, "digest", LISTED[:1])
    assert asked(jobs, FakeClient(LISTED), now=NOW - timedelta(hours=2)).codes == ("JOLIET", "BurbT2")


def test_each_api_id_has_its_own(jobs: JobService) -> None:
    keep_sites(jobs, "another", LISTED)
    fake = FakeClient(LISTED)
    asked(jobs, fake)
    assert fake.lists == 1


def test_what_the_settings_say_needs_no_list(jobs: JobService) -> None:
    """One site, or load jobs that name none."""
    fake = FakeClient(LISTED)
    assert asked(jobs, fake, site_code="WEST").codes == ("WEST",)
    assert asked(jobs, fake, load_by=LoadBy.ALL) == ALL_AT_ONCE
    assert fake.lists == 0


def test_a_site_without_a_code() -> None:
    """One alone need not be named; of several somebody has to be."""
    assert sites_of([Site(code="", name="Only")]).codes == ()
    with pytest.raises(NoNamedSiteError, match="none of the 2 sites"):
        sites_of([Site(code="", name="One"), Site(name="Two")])


def test_a_site_is_spelt_as_the_list_has_it() -> None:
    found = sites_of(LISTED)
    assert (found.spelt("joliet"), found.spelt("elsewhere")) == ("JOLIET", "elsewhere")


def test_a_span_is_counted_at_once_where_that_is_allowed(jobs: JobService) -> None:
    fake = FakeClient(LISTED)
    counter = SpanCounter(jobs, client(fake), "digest", ("JOLIET", "BurbT2"))
    assert (counter.count({"startDate": 1, "endDate": 2}), fake.asked) == (7, [None])
    assert counter.count({"startDate": 1, "endDate": 2}, "JOLIET") == 3


def test_a_span_is_counted_site_by_site_where_it_is_not(jobs: JobService) -> None:
    """Refused once; remembered for the next command."""
    fake = FakeClient(LISTED, needs_site=True)
    counter = SpanCounter(jobs, client(fake), "digest", ("JOLIET", "BurbT2"))
    assert counter.count({"startDate": 1, "endDate": 2}) == 6
    assert counter.count({"startDate": 1, "endDate": 2}) == 6
    known = jobs.knowledge.recall("digest", LISTS_NEED_SITE)
    assert known is not None
    assert known.content is True
    SpanCounter(jobs, client(fake), "digest", ("JOLIET",)).count({"startDate": 1, "endDate": 2})
    assert fake.asked == [None, "JOLIET", "BurbT2", "JOLIET", "BurbT2", "JOLIET"]


def test_other_refusals_come_through(jobs: JobService) -> None:
    """Nobody knows the sites, so that nobody can be asked one by one."""
    with pytest.raises(ValidationError):
        SpanCounter(jobs, client(FakeClient([], needs_site=True)), "digest", ()).count({})
