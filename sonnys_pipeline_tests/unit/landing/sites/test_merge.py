"""LV-01: a list joined with the history of the sites; what begins, ends or renews a site, and what is asked."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import pytest

from sonnys_pipeline.client import Site
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.landing.sites.answers import UnknownSiteError, different_sites, same_site, zone_of_site
from sonnys_pipeline.landing.sites.evidence import LandedEvidence
from sonnys_pipeline.landing.sites.history import LandedSites
from sonnys_pipeline.landing.sites.merge import Merged, SiteMerge, is_much_shorter
from sonnys_pipeline.landing.sites.versions import Version, table_of, versions_of

CHICAGO, TOKYO = "America/Chicago", "Asia/Tokyo"
NOON = datetime(2026, 3, 10, 18, tzinfo=UTC)
TODAY, TOMORROW = date(2026, 3, 10), date(2026, 3, 12)  # in Tokyo it is the 11th already
A, B = Site(site_id=1, code="A", name="Ash", timezone=CHICAGO), Site(code="B", name="Birch", timezone=CHICAGO)
OFFICE = Site(name="Office")


class Rows:
    """What landed rows say, as each test needs it."""

    def __init__(self, first: datetime | None = None, *, alike: Collection[frozenset[str]] = ()) -> None:
        self.first, self.alike = first, alike

    def first_row(self, names: Collection[str], before: date) -> datetime | None:
        return self.first

    def unread_since(self, names: Collection[str], today: date) -> date:
        return today - timedelta(days=1)

    def is_one_site(self, old: Collection[str], new: Collection[str]) -> bool:
        return frozenset({*old, *new}) in self.alike


def merged(known: Collection[Version], *listed: Site, rows: Rows | None = None, days: int = 0) -> Merged:
    return SiteMerge(list(known), NOON + timedelta(days=days), rows or Rows()).merge(listed)


def told(merge: Merged) -> list[tuple[str | None, str | None, date | None, date | None]]:
    return [(one.listed.code, one.listed.timezone, one.valid_from, one.valid_to) for one in merge.versions]


FIRST = merged([], A, B, OFFICE).versions


def test_the_first_list_holds_for_all_the_past() -> None:
    assert told(merged([], A, B)) == [("A", CHICAGO, None, None), ("B", CHICAGO, None, None)]


def test_the_same_list_again_changes_nothing() -> None:
    """In another order and in another case, too; only the spelling is remembered."""
    assert merged(FIRST, OFFICE, B, A).versions == FIRST
    again = merged(FIRST, A, B.model_copy(update={"code": "b"}), OFFICE)
    assert again.changes == ()
    assert again.versions[1].spellings == ("B", "b")


@pytest.mark.parametrize(
    ("gone", "known", "refused"),
    [(1, 1, True), (1, 2, False), (2, 2, True), (2, 3, True), (2, 8, False), (5, 19, True)],
)
def test_a_list_may_lack_one_site_or_a_quarter(gone: int, known: int, refused: bool) -> None:
    """An empty list is always refused."""
    assert is_much_shorter(gone, known) == refused


def test_a_much_shorter_list_is_taken_when_a_person_says_so() -> None:
    with pytest.raises(RowsWouldVanishError, match="lacks 2 of 3 known sites"):
        merged(FIRST, A)
    taken = SiteMerge(FIRST, NOON, Rows()).merge([A], accepted=True)
    assert [one.valid_to is None for one in taken.versions] == [True, False, False]


def test_a_site_that_leaves_ends_where_it_was_read_last_and_may_come_back() -> None:
    """The days between are not counted as 0."""
    left = merged(FIRST, A, OFFICE)
    assert told(left)[1] == ("B", CHICAGO, None, TODAY - timedelta(days=1))
    back = merged(left.versions, A, B, OFFICE, days=5)
    assert told(back)[1:3] == [
        ("B", CHICAGO, None, TODAY - timedelta(days=1)),
        ("B", CHICAGO, TODAY + timedelta(days=5), None),
    ]
    assert len({one.site for one in back.versions}) == 3


def test_a_new_site_begins_with_its_first_row() -> None:
    """It may have landed before the site was listed, in the evening of the day before by the site's clocks."""
    new = Site(code="C", name="Cedar", timezone=CHICAGO)
    assert told(merged(FIRST, A, B, OFFICE, new))[-1] == ("C", CHICAGO, TODAY, None)
    rows = Rows(datetime(2026, 3, 8, 3, tzinfo=UTC))
    assert told(merged(FIRST, A, B, OFFICE, new, rows=rows))[-1] == ("C", CHICAGO, date(2026, 3, 7), None)


def test_a_zone_that_a_new_site_lacked_holds_since_it_is_there() -> None:
    """It was not counted for want of it."""
    new = Site(code="C", name="Cedar")
    first = merged(FIRST, A, B, OFFICE, new)
    zoned = merged(first.versions, A, B, OFFICE, new.model_copy(update={"timezone": TOKYO}), days=3)
    assert told(zoned)[-1] == ("C", TOKYO, TODAY, None)


def test_a_zone_that_changes_holds_from_tomorrow_and_one_that_is_lost_stays() -> None:
    other = A.model_copy(update={"timezone": TOKYO})
    moved = merged(FIRST, other, B, OFFICE)
    assert told(moved)[:2] == [("A", CHICAGO, None, TOMORROW), ("A", TOKYO, TOMORROW, None)]
    assert "sonnys sites zone A Asia/Tokyo" in moved.changes[0]
    lost = merged(FIRST, A.model_copy(update={"timezone": None}), B, OFFICE)
    assert lost.versions == FIRST


@pytest.mark.parametrize("now", [
    Site(site_id=1, code="NEW", name="Other", timezone=CHICAGO), Site(code="NEW", name="ash", timezone=CHICAGO),
], ids=["number", "name"])  # fmt: skip
def test_a_code_that_changes_is_one_site_by_number_or_name(now: Site) -> None:
    renamed = merged(FIRST, now, B, OFFICE)
    own = [one for one in renamed.versions if one.site == "a"]
    assert (own[0].listed.code, own[-1].listed.code, own[-1].valid_from) == ("A", "NEW", TODAY)
    assert renamed.questions == ()


NEW = Site(site_id=9, code="NEW", name="Other", timezone=CHICAGO)


def test_a_code_that_changes_is_one_site_by_its_terminals_at_once_or_later() -> None:
    """Rows under the new code land after the list is read; until then it is asked."""
    rows = Rows(alike=[frozenset({"a", "new"})])
    at_once = merged(FIRST, NEW, B, OFFICE, rows=rows)
    assert [one.listed.code for one in at_once.versions if one.site == "a"][:1] == ["A"]
    assert at_once.questions == ()
    asked = merged(FIRST, NEW, B, OFFICE)
    assert asked.questions == (("A", "NEW"),)
    later = merged(asked.versions, NEW, B, OFFICE, rows=rows, days=1)
    assert [one.listed.code for one in later.versions if one.site == "a"] == ["A", "NEW"]
    assert later.questions == ()


def test_a_person_answers() -> None:
    """The same site, or two; neither is asked again."""
    asked = merged(FIRST, NEW, B, OFFICE)
    landed, rows = LandedSites(asked.versions, questions=asked.questions), LandedEvidence.__new__(LandedEvidence)
    assert "sonnys sites same A NEW" in landed.problems[0]
    joined = same_site(landed, rows, "a", "new", NOON)
    assert [one.listed.code for one in joined.versions if one.site == "a"] == ["A", "NEW"]
    assert merged(joined.versions, NEW, B, OFFICE, days=1).questions == joined.questions == ()
    two = different_sites(landed, "A", "NEW")
    again = SiteMerge(two.versions, NOON, Rows(alike=[frozenset({"a", "new"})]), two.different).merge([NEW, B, OFFICE])
    assert again.questions == two.questions == ()
    assert len({one.site for one in again.versions}) == 4
    with pytest.raises(UnknownSiteError, match="sonnys sites list"):
        different_sites(landed, "A", "NOWHERE")


def test_a_zone_that_a_person_says_outlives_the_list() -> None:
    """Always, or since a day; the list goes on saying the other one."""
    landed, rows = LandedSites(FIRST), LandedEvidence.__new__(LandedEvidence)
    said = zone_of_site(landed, rows, "a", TOKYO, None)
    assert merged(said.versions, A, B, OFFICE).versions == said.versions
    assert said.versions[0].listed.timezone == TOKYO
    since = zone_of_site(landed, rows, "a", TOKYO, date(2026, 3, 1))
    assert [(one.listed.timezone, one.valid_from) for one in since.versions[:2]] == [
        (CHICAGO, None), (TOKYO, date(2026, 3, 1)),
    ]  # fmt: skip
    with pytest.raises(UnknownSiteError, match="IANA"):
        zone_of_site(landed, rows, "a", "Mars/Olympus", None)


def test_a_file_of_before_histories_is_one_list() -> None:
    """A site in two spellings is one (L7), and what is written is read."""
    twice = merged([], A, A.model_copy(update={"code": "a", "timezone": None}), OFFICE)
    assert len(twice.versions) == 2
    table = table_of(twice.versions)
    assert versions_of(table) == list(twice.versions)
    old = table.select(["site_id", "code", "name", "timezone", "extra"])
    assert told(merged(versions_of(old), A, OFFICE)) == told(twice)
