"""KT-01, KT-02: sweeps of landed days on the simulator, over HTTP: what they find, repair, cost and keep."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.lake.changes import landed_changes
from sonnys_pipeline.lake.transactions import WHOLE_READ_AT
from sonnys_pipeline.landing.verified import Result, verifications
from sonnys_pipeline.revisit.result import SweepResult
from sonnys_pipeline.revisit.sweep import plan_sweep
from sonnys_pipeline.revisit.verify import Sweep
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline.simulator.edits import Edit
from sonnys_pipeline_tests.support.pipelines.revisits import Revisits, simulator_for_revisits

#: Days in the lake, from yesterday back.
LANDED = 60


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Revisits]:
    """Three sites, sixty landed days of 250 rows each; tests undo their edits by a repair."""
    with simulator_for_revisits(rows_per_day=250) as simulator:
        revisits = Revisits.open(simulator, tmp_path_factory.mktemp("revisits"))
        with revisits.workspace:
            revisits.place([revisits.day(age) for age in range(LANDED, 0, -1)])
            yield revisits


def edit(revisits: Revisits, age: int, kind: Edit, *, to_age: int | None = None, site: str | None = None) -> str:
    """Edit one row of a day; returns its id."""
    start = datetime.fromisoformat(revisits.day(age)).replace(tzinfo=UTC)
    by = timedelta(days=age - (age if to_age is None else to_age))
    (row_id,) = revisits.simulator.world.edit_rows(start, start + timedelta(hours=23), 1, edit=kind, by=by, site=site)
    return row_id


def results(found: SweepResult) -> dict[str, Result]:
    """The days that differed."""
    return {one.day: one.result for one in found.looked if one.result is not Result.SAME}


def test_sixty_days_unchanged_cost_a_request_a_day_or_a_hundred_rows(landed: Revisits) -> None:
    """KT-01: counts: 1 request a day; version-2: at most 1.02 requests for 100 rows; no day is written."""
    lake = landed.workspace.lake
    files = {day: lake.version("transactions", day) for day in lake.partitions("transactions")}
    landed.workspace.sites()
    landed.simulator.state.log.clear()
    counted = landed.sweep(Look.COUNT)
    assert (len(counted.looked), counted.requests, counted.different) == (LANDED, LANDED, [])
    assert landed.requests() == {"/transaction": LANDED}
    landed.simulator.state.log.clear()
    listed = landed.sweep(Look.STATES)
    assert (len(listed.looked), listed.different, listed.success) == (LANDED, [], True)
    assert listed.requests == landed.requests()["/transaction/version-2"] <= 1.02 * LANDED * 250 / 100
    assert files == {day: lake.version("transactions", day) for day in files}


@pytest.mark.parametrize(
    ("kind", "by", "note"),
    [
        (Edit.TOTAL, Look.STATES, "1 total changed"),
        (Edit.VOID, Look.STATES, "1 total changed"),
        (Edit.STATUS, Look.STATES, "1 status changed"),
        (Edit.CUSTOMER, Look.STATES, "1 customer changed"),
        (Edit.DELETE, Look.STATES, "1 removed"),
        (Edit.DELETE, Look.COUNT, "1 removed"),
        (Edit.TENDER, Look.FULL, "1 other fields changed"),
        (Edit.STATUS, Look.FULL, "1 status changed"),
    ],
)
def test_an_edit_is_found_and_its_site_alone_is_read_again(landed: Revisits, kind: Edit, by: Look, note: str) -> None:
    """KT-02: every kind of edit that a look can see, by id; the day is whole and right afterwards."""
    day = landed.day(40)
    row_id = edit(landed, 40, kind, site="Harbor")
    landed.simulator.state.log.clear()
    found = landed.sweep(by, start=date.fromisoformat(day), end=date.fromisoformat(day))
    (looked,) = found.looked
    assert looked.note.startswith(note)
    assert row_id in looked.note
    assert (looked.difference.sites, found.repaired, found.success) == ({"Harbor"}, (day,), True)
    read = [record.query for record in landed.simulator.log if record.operation == "submit"]
    if by is not Look.FULL:
        assert read, "the site is read by load jobs"
        assert all("site=Harbor" in query for query in read)
    assert landed.differing([day]) == []
    assert landed.workspace.lake.metadata("transactions", day)["sites"] == "null"
    metadata = landed.workspace.lake.metadata("transactions", day)
    assert metadata[WHOLE_READ_AT] < metadata["loaded_at"], "the other sites were not read again"
    changes = landed_changes(landed.workspace.lake).to_pylist()
    assert {row["found_by"] for row in changes if row["transaction_id"] == row_id} == {by.value}
    assert landed.sweep(Look.FULL, start=date.fromisoformat(day), end=date.fromisoformat(day)).different == []


def test_a_count_does_not_see_a_total_and_states_do_not_see_a_tender(landed: Revisits) -> None:
    """KT-01: what the weaker looks do not promise; the stronger one finds it."""
    total, tender = landed.day(41), landed.day(42)
    edit(landed, 41, Edit.TOTAL)
    edit(landed, 42, Edit.TENDER)
    span = {"start": date.fromisoformat(tender), "end": date.fromisoformat(total)}
    assert landed.sweep(Look.COUNT, **span).different == []
    assert landed.sweep(Look.STATES, **span).different == [total]
    assert landed.sweep(Look.FULL, **span).different == [tender]


def test_a_moved_row_takes_its_other_day_along(landed: Revisits) -> None:
    """KT-02: whichever of the two days is looked at, both are read again, and the row is in one of them."""
    lake, seen = landed.workspace.lake, date.fromisoformat(landed.day(20))
    both = sorted([landed.day(20), landed.day(50)])
    for from_age, to_age in ((20, 50), (50, 20)):
        row_id = edit(landed, from_age, Edit.MOVE, to_age=to_age)
        found = landed.sweep(Look.STATES, start=seen, end=seen)
        assert (found.different, found.repaired) == (both, tuple(both))
        assert all("moved to or from" in one.note for one in found.looked)
        days = [day for day in both if row_id in lake.read("transactions", [day], ["id"])["id"].to_pylist()]
        assert days == [landed.day(to_age)]
        assert landed.differing(both) == []


def test_all_sites_of_a_day_that_a_moved_row_pulls_in_are_looked_at(landed: Revisits) -> None:
    """KT-02: only the moved row's site of it is read for the move; a change at another site is found all the same."""
    first, second = [site.code for site in landed.simulator.world.sites if site.code and site.timezone][:2]
    seen, pulled = date.fromisoformat(landed.day(22)), landed.day(52)
    edit(landed, 22, Edit.MOVE, to_age=52, site=first)
    edit(landed, 52, Edit.TOTAL, site=second)
    found = landed.sweep(Look.STATES, start=seen, end=seen)
    assert set(found.repaired) == {landed.day(22), pulled}
    assert landed.differing([landed.day(22), pulled]) == []


def test_without_repair_a_difference_is_told_and_stays_due(landed: Revisits) -> None:
    """KT-02: nothing is written to the day; a person sees what differs; the next sweep by the policy looks again."""
    day = landed.day(30)
    edit(landed, 30, Edit.TOTAL)
    landed.sweep(Look.STATES, repair=False, end=date.fromisoformat(landed.day(36)))
    only = {"start": date.fromisoformat(day), "end": date.fromisoformat(day)}
    found = landed.sweep(Look.STATES, repair=False, **only)
    assert (found.different, found.repaired, found.success) == ([day], (), False)
    assert landed.differing([day]) == [day]
    lake, zone = landed.workspace.lake, landed.workspace.options.timezone
    looks = verifications(lake, zone, [day])
    assert looks.complete_as_of(day) is None
    assert landed.sweep(Look.COUNT, repair=False, **only).different == []
    assert verifications(lake, zone, [day]).complete_as_of(day) is None, "a count does not see that it is gone"
    again = landed.sweep(None, **only)
    assert (again.repaired, again.success) == ((day,), True)
    verified = verifications(lake, zone, [day]).complete_as_of(day)
    assert verified is not None
    assert (verified.look, verified.result) == (Look.STATES, Result.REPAIRED)
    assert "1 total changed" in verified.note


def test_a_killed_sweep_goes_on_with_the_days_that_were_not_looked_at(landed: Revisits) -> None:
    """KT-01: what was looked at is kept while the sweep runs."""
    began = landed.workspace.now()
    plan = plan_sweep(landed.workspace, date(2026, 1, 1), landed.today, by=Look.COUNT)
    seen = []

    def die(_: object) -> None:
        seen.append(1)
        if len(seen) == 45:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Sweep(landed.workspace, on_look=die).run(plan, repair=False)
    rest = plan_sweep(landed.workspace, date(2026, 1, 1), landed.today, by=Look.COUNT, since=began)
    assert len(rest.looks) == LANDED - 45
    assert Sweep(landed.workspace).run(rest, repair=False).requests == LANDED - 45
    assert plan_sweep(landed.workspace, date(2026, 1, 1), landed.today, by=Look.COUNT, since=began).looks == ()


def test_days_that_cannot_be_compared_are_named(landed: Revisits) -> None:
    """KT-01: a day of some sites only is skipped with the reason, and none is lost silently."""
    day, lake = landed.day(55), landed.workspace.lake
    rows, kept = lake.read("transactions", [day]).drop_columns("date"), lake.metadata("transactions", day)
    lake.land("transactions", rows, partition=day, metadata={**kept, "sites": '["MAIN"]'})
    try:
        plan = plan_sweep(landed.workspace, date(2026, 1, 1), landed.today, by=Look.COUNT)
    finally:
        lake.land("transactions", rows, partition=day, metadata=kept)
    assert day not in [one.day.key for one in plan.looks]
    assert "only MAIN landed" in plan.skipped[day]


def test_lists_that_need_a_site_are_asked_site_by_site(tmp_path: Path) -> None:
    """KT-01: on such keys each look names the site, which is learned once; the comparison is the same."""
    with simulator_for_revisits(lists_need_site=True) as simulator:
        revisits = Revisits.open(simulator, tmp_path)
        with revisits.workspace:
            revisits.place([revisits.day(age) for age in range(6, 0, -1)])
            edit(revisits, 3, Edit.DELETE, site="SUNSET")
            counted = revisits.sweep(Look.COUNT)
            assert (counted.different, counted.repaired) == ([revisits.day(3)], (revisits.day(3),))
            listed = revisits.sweep(Look.STATES)
            assert (listed.different, listed.requests) == ([], 3 * 3), "three sites, of 720 rows together"


def test_a_list_that_the_api_does_not_give_is_a_failed_day(landed: Revisits) -> None:
    """KT-01: what could not be looked at is named, is no success, and stays due."""
    day = landed.day(33)
    landed.simulator.set_faults(Faults(html_answers=-1, on={"html_answers": "list"}))
    try:
        found = landed.sweep(Look.COUNT, start=date.fromisoformat(day), end=date.fromisoformat(day))
    finally:
        landed.simulator.set_faults()
    assert not found.success
    assert found.looked == ()
    assert found.failed or found.stopped
