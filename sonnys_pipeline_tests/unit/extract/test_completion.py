"""LV-01, LV-03, LV-04, LV-05: what a day whose rows are there still needs before it is whole."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.calendar.windows import Day, Window
from sonnys_pipeline.client import AuthError, ServerError, Site, ValidationError
from sonnys_pipeline.extract.completion import Completion
from sonnys_pipeline.extract.events import LISTS_NEED_SITE, LoadObserver
from sonnys_pipeline.extract.listing import CountWork, SitesWork, StatesWork
from sonnys_pipeline.extract.pages.assemble import CountProof, LoadedWindow
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.extract.pages.states import StatesPage, StatesReader
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.extract.state import DayWork, ListWork
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.lake.states import TRANSACTION_STATES

DAY = Day.of("2026-03-10")
LONG_DAY = Day.of("2026-11-01", "America/Chicago")
NEEDS_SITE = ValidationError(422, "PayloadValidationError", ("site: Only 1 site can be selected.",))


class Notes(LoadObserver):
    """What the observer was told."""

    def __init__(self) -> None:
        self.learnt: list[tuple[str, object]] = []
        self.new_sites: list[list[str]] = []

    def learned(self, name: str, value: object) -> None:
        self.learnt.append((name, value))

    def sites_appeared(self, day: str, sites: Sequence[Site], new: Sequence[str]) -> None:
        assert day == DAY.key
        self.new_sites.append(list(new))


def rows(site: str, count: int, window: Window, **columns: Any) -> pa.Table:
    """So many rows of a site, all in the middle of a window."""
    noon = window.start + (window.end - window.start) / 2
    given = {
        "id": [f"{site}{number}:{window.start.day}" for number in range(count)],
        "complete_date": [noon] * count,
        "location_code": [site] * count,
        **{name: [value] * count for name, value in columns.items()},
    }
    arrays = [pa.array(given.get(field.name, [None] * count), field.type) for field in TRANSACTIONS]
    return pa.Table.from_arrays(arrays, schema=pa.schema([field.with_nullable(True) for field in TRANSACTIONS]))


def give(day: DayWork, found: dict[str | None, int], cut_off: int = 0, **columns: Any) -> None:
    """The load jobs of every window that is open have brought so many rows a site; of halves the first has them all."""
    given = set()
    for work in day.windows:
        if work.loaded is None:
            key = work.site, work.window.start.day
            table = rows(work.site or "X", 0 if key in given else found[work.site], work.window, **columns)
            given.add(key)
            work.loaded = LoadedWindow(
                work.window, table.num_rows + cut_off, ("h",), table, cut_off=cut_off, site=work.site
            )


def day_of(*sites: str, day: Day = DAY, site: str | None = None) -> DayWork:
    return DayWork.begin(DayRequest(day, site, sites=sites), 0.0)


def completion(*, proof: bool = True, states: str = "off", needs_site: bool = False, most: int = 20) -> Completion:
    options = LoaderOptions(proof=proof, states=states, lists_need_site=needs_site)
    return Completion(options, Notes(), StatesReader(Privacy()), max_counts=most)


def notes(of: Completion) -> Notes:
    assert isinstance(of._observer, Notes)
    return of._observer


def asked(day: DayWork) -> list[tuple[str, str | None]]:
    return [(type(work).__name__, work.site) for work in day.lists]


def answer(day: DayWork, *answers: Any) -> None:
    """Answer the open questions, in order."""
    questions: list[ListWork] = list(day.lists)
    for work, said in zip(questions, answers, strict=True):
        work.on_response(work.jobs[0], said)


def state_page(*ids: str, total: int | None = None) -> StatesPage:
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    found = [
        {"transaction_id": one, "transaction_status": "Completed", "total": 1.0, "read_at": at, "date": at}
        for one in ids
    ]
    schema = TRANSACTION_STATES.append(pa.field("date", pa.timestamp("us", tz="UTC"), nullable=False))
    return StatesPage(len(ids) if total is None else total, pa.Table.from_pylist(found, schema))


def test_a_day_is_counted_once_over_all_sites() -> None:
    """One request proves the sum of the sites."""
    rules, day = completion(), day_of("A", "B")
    assert not rules.advance(day)  # no rows yet
    assert asked(day) == []
    give(day, {"A": 3, "B": 4})
    assert not rules.advance(day)
    assert asked(day) == [("CountWork", None)]
    answer(day, 7)
    assert rules.advance(day)
    assert day.proof == CountProof(7, 7)


def test_without_the_proof_nothing_is_asked() -> None:
    rules, day = completion(proof=False), day_of("A", "B")
    give(day, {"A": 3, "B": 4})
    assert rules.advance(day)
    assert day.proof is None


@pytest.mark.parametrize(("counted", "whole"), [(6, False), (7, True), (8, True), (9, True), (10, False)])
def test_rows_on_the_windows_end_may_be_counted_or_not(counted: int, whole: bool) -> None:
    """Whether a range's end is included is not known ([?]); two sites cut one row each off."""
    rules, day = completion(), day_of("A", "B")
    give(day, {"A": 3, "B": 4}, cut_off=1)
    rules.advance(day)
    answer(day, counted)
    assert rules.advance(day) is whole


def test_a_day_of_two_windows_is_counted_by_both() -> None:
    """A local day of 25 hours; each window may have its own difference."""
    rules, day = completion(), day_of("A", "B", day=LONG_DAY)
    give(day, {"A": 2, "B": 1})
    rules.advance(day)
    assert asked(day) == [("CountWork", None), ("CountWork", None)]
    answer(day, 3, 2)
    assert not rules.advance(day)


def test_a_site_that_is_new_is_read_and_named() -> None:
    """The count has more; the list has a site that was not there when the run began."""
    rules, day = completion(), day_of("A")
    day = day_of("A", "B")
    give(day, {"A": 3, "B": 4})
    rules.advance(day)
    answer(day, 9)
    assert not rules.advance(day)
    assert asked(day) == [("SitesWork", None)]
    answer(day, [Site(code="a", name="A"), Site(code="B", name="B"), Site(code="NEW", name="New"), Site(name="Office")])
    assert not rules.advance(day)
    assert notes(rules).new_sites == [["NEW"]]
    assert [work.site for work in day.windows] == ["A", "B", "NEW"]
    give(day, {"NEW": 2})
    assert not rules.advance(day)
    answer(day, 9)
    assert rules.advance(day)
    assert day.proof == CountProof(9, 9)


def test_a_site_that_moved_is_read_again_alone() -> None:
    """A row that came between reading and counting: the sites are counted, and the one that differs is read again."""
    rules, day = completion(), day_of("A", "B")
    give(day, {"A": 3, "B": 4})
    rules.advance(day)
    answer(day, 8)
    rules.advance(day)
    answer(day, [Site(code="A", name="A"), Site(code="B", name="B")])
    assert not rules.advance(day)
    assert asked(day) == [("CountWork", "A"), ("CountWork", "B")]
    answer(day, 3, 5)
    assert not rules.advance(day)
    # In halves: the API would answer the same criteria from its cache.
    assert [work.site for work in day.windows if work.loaded is None] == ["B", "B"]
    give(day, {"B": 5})
    assert not rules.advance(day)
    assert asked(day) == [("CountWork", None)]
    answer(day, 8)
    assert rules.advance(day)
    assert day.proof == CountProof(8, 8)


def test_what_nothing_explains_is_told() -> None:
    """Every site agrees with its own count, and the day has two rows more: they are at no site that is named."""
    rules, day = completion(), day_of("A", "B")
    give(day, {"A": 3, "B": 4})
    rules.advance(day)
    answer(day, 9)
    rules.advance(day)
    answer(day, [Site(code="A", name="A"), Site(code="B", name="B")])
    rules.advance(day)
    answer(day, 3, 4)
    assert rules.advance(day)
    assert day.proof is not None
    assert (day.proof.counted, day.proof.rows, day.proof.missing) == (9, 7, 2)
    assert "missing from /site/list" in day.proof.note


def test_a_day_that_moves_all_the_time_is_given_up() -> None:
    """Read three times, and never what the count says."""
    rules, day = completion(), day_of("A")
    reads = 0
    while not rules.advance(day):
        if not day.has_rows:
            give(day, {"A": 3})
            reads += 1
        for work in day.lists:
            work.on_response(work.jobs[0], [Site(code="A", name="A")] if isinstance(work, SitesWork) else 4)
    assert reads == 3
    assert day.proof is not None
    assert day.proof.missing == 1
    assert "kept changing" in day.proof.note


def test_lists_that_need_a_site_are_counted_site_by_site() -> None:
    """Refused once, remembered, and from then on each site is named."""
    rules, day = completion(), day_of("A", "B")
    give(day, {"A": 3, "B": 4})
    rules.advance(day)
    assert rules.on_refusal(day.lists[0], NEEDS_SITE)
    assert notes(rules).learnt == [(LISTS_NEED_SITE, True)]
    assert not rules.advance(day)
    assert asked(day) == [("CountWork", "A"), ("CountWork", "B")]
    answer(day, 3, 4)
    assert rules.advance(day)
    assert day.proof == CountProof(7, 7)
    other = day_of("A", "B")
    give(other, {"A": 1, "B": 1})
    rules.advance(other)
    assert asked(other) == [("CountWork", "A"), ("CountWork", "B")]
    assert len(notes(rules).learnt) == 1


def test_counting_many_sites_one_by_one_is_not_worth_it() -> None:
    """More than a block of requests a day: said, and left to each site's own total."""
    rules, day = completion(needs_site=True, most=2), day_of("A", "B", "C")
    give(day, {"A": 1, "B": 1, "C": 1})
    assert rules.advance(day)
    assert day.proof is not None
    assert day.proof.counted is None
    assert "3 sites" in day.proof.note


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [(ValidationError(422, "PayloadValidationError", ("no",)), True), (AuthError(403, None, ()), False),
     (ServerError(500, None, ()), False)],
)  # fmt: skip
def test_a_count_that_cannot_be_had(error: Any, goes_on: bool) -> None:
    """An API that refuses to count leaves its reason; one that is broken fails the day, which is tried again later."""
    rules, day = completion(), day_of("A")
    give(day, {"A": 3})
    rules.advance(day)
    assert rules.on_refusal(day.lists[0], error) is goes_on
    assert rules.advance(day) is goes_on


def test_states_are_read_where_rows_lack_them() -> None:
    """`auto`: the day's states in one list, joined with its rows."""
    rules, day = completion(proof=False, states="auto"), day_of("A", "B")
    give(day, {"A": 2, "B": 1})
    assert not rules.advance(day)
    assert asked(day) == [("StatesWork", None)]
    answer(day, state_page("A0:10", "A1:10", "B0:10", "GONE:10"))
    assert rules.advance(day)
    assert day.states is not None
    assert (day.states.table.num_rows, day.states.without_row, day.states.rows_without) == (4, 1, 0)


@pytest.mark.parametrize(("states", "read"), [("auto", False), ("on", True), ("off", False)])
def test_rows_that_carry_their_states_need_no_list(states: str, read: bool) -> None:
    columns = {"is_recurring_plan_sale": False, "is_recurring_plan_redemption": False, "transaction_status": "N/A"}
    rules, day = completion(proof=False, states=states), day_of("A")
    give(day, {"A": 2}, **columns)
    assert rules.advance(day) is not read


def test_an_empty_day_has_no_states() -> None:
    rules, day = completion(proof=False, states="auto"), day_of("A")
    give(day, {"A": 0})
    assert rules.advance(day)


def test_states_that_cannot_be_read_do_not_hold_the_rows_up() -> None:
    """The day goes on with a reason in their place."""
    rules, day = completion(proof=False, states="on"), day_of("A")
    give(day, {"A": 2})
    rules.advance(day)
    assert rules.on_refusal(day.lists[0], ServerError(500, "ServerUnexpectedFailure", ("broken",)))
    assert rules.advance(day)
    assert day.states is None
    assert "broken" in day.states_note


def test_states_without_rows_are_read_alone() -> None:
    """For days that were landed without them."""
    rules = completion(states="auto")
    day = DayWork.begin(DayRequest(DAY, sites=("A", "B"), reads="states"), 0.0)
    assert not rules.advance(day)
    assert [type(work) for work in day.lists] == [StatesWork]
    answer(day, state_page("A0:10"))
    assert rules.advance(day)
    assert day.states is not None
    assert day.states.table["transaction_id"].to_pylist() == ["A0:10"]


@pytest.mark.parametrize(("site", "named"), [("A", "A"), (None, None)])
def test_one_site_that_is_wanted_alone_is_counted_by_its_name(site: str | None, named: str | None) -> None:
    """A list that has but one site is no reason: a second one that has opened since would be missed."""
    rules, day = completion(), day_of("A", site=site)
    give(day, {"A": 3})
    rules.advance(day)
    assert asked(day) == [("CountWork", named)]


def test_questions_know_their_audit_names() -> None:
    assert {kind.operation for kind in (CountWork, SitesWork, StatesWork)} == {"count", "sites", "states"}
