"""The world: deterministic, both ends included, exact counts, found by id, amended after the fact.

Covers the contract, "Batch jobs" (ends of a window), "A row" (the key, late and edited rows), "Lists"
(virtual sites), "Time" (local days of 23 and 25 hours); the load for BM-10 (gaps, opening days) and JS/BX rows.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonnys_pipeline.simulator import World
from sonnys_pipeline.simulator.edits import Edit
from sonnys_pipeline.simulator.world.demand import is_closed

MILLISECOND = timedelta(milliseconds=1)
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
SHARED = World(seed=7)


def utc_day(world: World, day: datetime) -> list[dict]:
    return list(world.rows(day, day + timedelta(days=1) - MILLISECOND))


def instant(row: dict) -> datetime:
    return datetime.fromisoformat(row["completeDate"])


def test_equal_seeds_give_equal_rows_in_any_order_of_asking():
    forwards, backwards = World(seed=11), World(seed=11)
    days = [MONDAY + timedelta(days=offset) for offset in range(5)]
    first = {day: utc_day(forwards, day) for day in days}
    assert {day: utc_day(backwards, day) for day in reversed(days)} == first
    assert utc_day(World(seed=12), MONDAY) != first[MONDAY]


def test_rows_are_sorted_unique_and_have_contract_ids():
    rows = SHARED.rows(MONDAY, MONDAY + timedelta(days=14))
    keys = [(row["completeDate"], row["id"]) for row in rows]
    assert len(rows) > 5_000
    assert keys == sorted(keys)
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(re.fullmatch(r"\d+:\d+", row["id"]) for row in rows)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["completeDate"]) for row in rows)


def test_both_ends_of_a_window_are_included():
    row = utc_day(SHARED, MONDAY)[100]
    exact = SHARED.rows(instant(row), instant(row))
    assert row in exact
    assert row not in SHARED.rows(instant(row) + MILLISECOND, instant(row) + timedelta(hours=1))
    assert row not in SHARED.rows(instant(row) - timedelta(hours=1), instant(row) - MILLISECOND)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 86_400_000), st.integers(0, 86_400_000), st.sampled_from([None, "MAIN", "SUNSET"]))
def test_neighbouring_windows_lose_and_repeat_nothing(first_ms, second_ms, site):
    low, high = sorted((first_ms, second_ms))
    cut, end = MONDAY + low * MILLISECOND, MONDAY + high * MILLISECOND
    left = SHARED.rows(MONDAY, cut, site)
    right = SHARED.rows(cut + MILLISECOND, end + MILLISECOND, site)
    assert [*left, *right] == list(SHARED.rows(MONDAY, end + MILLISECOND, site))


def test_naive_datetimes_are_refused():
    with pytest.raises(ValueError, match="time zone"):
        SHARED.rows(datetime(2026, 11, 2), MONDAY)  # noqa: DTZ001 the naive one is the point


def test_a_site_filter_takes_only_its_rows_and_knows_its_sites():
    every = utc_day(SHARED, MONDAY)
    end = MONDAY + timedelta(days=1) - MILLISECOND
    by_site = {site.code: SHARED.rows(MONDAY, end, site.code) for site in SHARED.sites}
    assert sum(map(len, by_site.values())) == len(every)
    assert all(row["locationCode"] == code for code, rows in by_site.items() for row in rows)
    with pytest.raises(KeyError):
        SHARED.rows(MONDAY, MONDAY, "NOWHERE")


def test_the_first_sites_lie_in_several_time_zones():
    zones = [site.timezone for site in World(sites=4).sites[:4]]
    assert zones == ["America/Chicago", "America/New_York", "America/Los_Angeles", "America/Phoenix"]


@pytest.mark.no_cover
@pytest.mark.parametrize(("api", "more"), [("live", 2), ("documented", 0)])
def test_a_long_chain_has_distinct_codes_names_and_rows(api, more):
    world = World(sites=30, api=api)
    codes = {site.code.casefold() for site in world.sites}
    assert len(codes) == len({site.name for site in world.sites}) == 30 + more
    assert len({row["locationCode"] for row in utc_day(world, MONDAY)}) == 30


def test_live_codes_come_in_mixed_case_and_are_found_without_it():
    """L7."""
    world = World(sites=11)
    assert [site.code for site in world.sites[:11]] == [
        "MAIN", "Harbor", "SUNSET", "Mesa", "SUMMIT", "Lake", "PINE", "Bayou", "S009", "St010", "S011",
    ]  # fmt: skip
    documented = [site.code for site in World(sites=11, api="documented").sites]
    assert documented == [
        "MAIN", "HARBOR", "SUNSET", "MESA", "SUMMIT", "LAKE", "PINE", "BAYOU", "S009", "S010", "S011",
    ]  # fmt: skip
    assert world.site("harbor") is world.site("HARBOR") is world.sites[1]
    assert world.day("HARBOR", MONDAY.date()) == world.day("Harbor", MONDAY.date()) != []


def test_the_live_chain_has_a_virtual_site_and_one_without_a_code_that_sell_nothing():
    world = World(sites=2)
    assert [(site.code, site.name, site.timezone) for site in world.sites[2:]] == [
        ("ECOMM", "Online Store", None),
        ("", "Head Office", "America/Chicago"),
    ]
    assert {row["locationCode"] for row in utc_day(world, MONDAY)} == {"MAIN", "Harbor"}
    assert [site.code for site in World(sites=2, virtual_site=False, codeless_site=False).sites] == ["MAIN", "Harbor"]


def test_a_site_without_a_code_can_sell():
    world = World(codeless_rows=True, rows_per_day=300)
    codes = Counter(row["locationCode"] for row in utc_day(world, MONDAY))
    assert codes.total() == 300
    assert codes[""] == len(world.rows(MONDAY, MONDAY + timedelta(days=1), "")) > 3
    assert World(api="documented", codeless_rows=True).sites[-1].name == "Head Office"
    with pytest.raises(ValueError, match="codeless_site"):
        World(api="documented", virtual_site=True, codeless_site=True)


@pytest.mark.parametrize("settings", [{}, {"rows_per_day": 200}], ids=["demand", "rows_per_day"])
def test_an_unlisted_site_has_exactly_its_rows_beside_all_others(settings):
    world, without = World(unlisted_site_rows=17, **settings), World(**settings)
    rows = utc_day(world, MONDAY)
    assert [row for row in rows if row["locationCode"] != "Annex"] == utc_day(without, MONDAY)
    assert len(rows) == len(utc_day(without, MONDAY)) + 17
    assert world.sites == without.sites
    unlisted = next(row for row in rows if row["locationCode"] == "Annex")
    found = world.find(unlisted["id"])
    assert found is not None
    assert found[2] == unlisted


def test_the_virtual_site_has_no_washes():
    """In the document's profile its code is empty."""
    for world in (World(sites=2, api="documented", virtual_site=True), World(sites=2, virtual_rows=True)):
        virtual = world.sites[2]
        rows = world.day(virtual.code, MONDAY.date())
        assert (virtual.timezone, virtual.is_virtual) == (None, True)
        assert len(rows) > 5
        assert not any(item["department"] == "Wash" for row in rows for item in row["items"])
    assert World(sites=2, api="documented", virtual_site=True).sites[2].code == ""


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 101, 2500])
def test_rows_per_day_is_exact_for_every_utc_day(count):
    world = World(rows_per_day=count)
    for offset in range(4):
        day = MONDAY + timedelta(days=offset)
        assert len(utc_day(world, day)) == count
        assert not world.rows(day, day), "no row at midnight unless asked for"
    assert len(world.rows(MONDAY, MONDAY + timedelta(days=1))) == count, "the included end adds none"


@pytest.mark.parametrize("count", [1, 250])
def test_the_midnight_row_is_one_of_the_rows_per_day(count):
    world = World(rows_per_day=count, midnight_row=True)
    for offset in range(3):
        day = MONDAY + timedelta(days=offset)
        assert len(utc_day(world, day)) == count
        assert [row["completeDate"] for row in world.rows(day, day)] == [f"{day:%Y-%m-%d}T00:00:00.000Z"]
    assert len(world.rows(MONDAY, MONDAY + timedelta(days=1))) == count + 1, "and the next midnight's"


@pytest.mark.parametrize(
    "arguments",
    [
        {"rows_per_day": -1},
        {"rows_per_day": 900_000},
        {"midnight_row": True},
        {"sites": 0},
        {"opened": {"NOWHERE": date(2026, 1, 1)}},
        {"closed": {"NOWHERE": [date(2026, 1, 1)]}},
        {"unlisted_site_rows": -1},
    ],
)
def test_contradictory_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=r"must|needs|between|nowhere"):
        World(**arguments)


def test_sites_have_no_rows_before_they_opened():
    opening = date(2026, 10, 20)
    world = World(opened={"MAIN": opening, "HARBOR": date(2026, 10, 28)})
    counts = Counter(row["locationCode"] for row in world.rows(MONDAY - timedelta(days=30), MONDAY - timedelta(days=6)))
    assert counts["MAIN"]
    assert counts["SUNSET"] > counts["MAIN"]
    assert not counts["Harbor"]
    assert not world.rows(datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 20, tzinfo=UTC), "MAIN")
    assert not World(opened=opening).rows(datetime(2015, 1, 1, tzinfo=UTC), datetime(2026, 10, 19, tzinfo=UTC))


def test_christmas_a_maintenance_day_and_named_days_are_closed():
    world = World(closed=[date(2026, 11, 4)])
    assert not world.day("MAIN", date(2025, 12, 25))
    assert not world.day("HARBOR", date(2026, 11, 4))
    assert world.day("HARBOR", date(2026, 11, 3))
    days = [date(2026, 1, 1) + timedelta(days=offset) for offset in range(365)]
    calendars = {site.code: [day for day in days if is_closed(SHARED.seed, site, day)] for site in world.sites[:3]}
    assert [len(closed) for closed in calendars.values()] == [7, 7, 7], "six maintenance days and Christmas"
    assert calendars["MAIN"] != calendars["Harbor"]
    assert not SHARED.day("MAIN", calendars["MAIN"][0])
    assert SHARED.day("MAIN", calendars["MAIN"][0] + timedelta(days=1))


def test_one_site_is_closed_on_days_of_its_own():
    tuesday = MONDAY + timedelta(days=1)
    world = World(closed={"HARBOR": [MONDAY.date()]})
    assert not world.day("Harbor", MONDAY.date())
    assert world.day("Harbor", tuesday.date())
    assert world.day("MAIN", MONDAY.date())
    exact = World(closed={"harbor": [MONDAY.date()]}, opened={"SUNSET": tuesday.date()}, rows_per_day=90)
    assert {row["locationCode"] for row in utc_day(exact, MONDAY)} == {"MAIN"}
    assert {row["locationCode"] for row in utc_day(exact, tuesday)} == {"MAIN", "Harbor", "SUNSET"}
    assert len(utc_day(exact, MONDAY)) == 90, "the open sites have the day's rows"


def test_days_and_hours_differ_as_a_car_washs_do():
    weeks = [MONDAY + timedelta(days=offset) for offset in range(56)]
    counts = [len(SHARED.day("MAIN", day.date())) for day in weeks]
    by_weekday = [sorted(counts[weekday::7])[4] for weekday in range(7)]
    assert by_weekday[5] > by_weekday[0] * 1.2, "Saturdays are busy"
    assert min(filter(None, counts)) < max(counts) / 2, "rain keeps cars away"
    cars = [row for row in SHARED.day("MAIN", date(2026, 11, 7)) if not row["isRecurringPayment"]]
    hours = Counter(instant(row).astimezone(ZoneInfo("America/Chicago")).hour for row in cars)
    assert hours[13] > hours[7]
    assert not hours[5]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 11, 2), 24)])
def test_local_days_follow_the_clock_changes(day, hours):
    zone = ZoneInfo("America/Chicago")
    start = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    rows = SHARED.day("MAIN", day)
    assert rows
    assert list(SHARED.rows(start, start + timedelta(hours=hours) - MILLISECOND, "MAIN")) == list(rows)
    assert all(instant(row).astimezone(zone).date() == day for row in rows)
    opening = min(instant(row).astimezone(zone).hour for row in rows if not row["isRecurringPayment"])
    assert opening == 7


@pytest.mark.parametrize("world", [SHARED, World(rows_per_day=500)], ids=["demand", "rows_per_day"])
def test_some_rows_fall_into_the_last_second_of_a_utc_day(world):
    last_second = [
        row
        for offset in range(20)
        for row in world.rows(
            MONDAY + timedelta(days=offset, hours=24, seconds=-1) + MILLISECOND,
            MONDAY + timedelta(days=offset, hours=24) - MILLISECOND,
        )
    ]
    assert last_second
    assert any(not row["completeDate"].endswith(".000Z") for row in last_second)


def test_rows_are_found_by_id_and_nothing_else_is():
    row = utc_day(SHARED, MONDAY)[42]
    found = SHARED.find(row["id"])
    assert found is not None
    assert found[2] == row
    unknown_ids = ("0:1", "1:99", "1:0", "x:1", "", ":", "1", f"0{row['id']}", "9" * 40 + ":1", "99999999999:1", "٣:1")
    for unknown in unknown_ids:
        assert SHARED.find(unknown) is None


def test_late_rows_appear_in_order_and_go_when_forgotten():
    world = World(rows_per_day=100)
    before = utc_day(world, MONDAY)
    noon = MONDAY + timedelta(hours=12)
    ids = world.add_late_rows(noon, 3, "HARBOR")
    after = utc_day(world, MONDAY)
    assert len(set(ids)) == 3
    assert [row for row in after if row["id"] not in ids] == before
    assert [row["completeDate"] for row in after] == sorted(row["completeDate"] for row in after)
    late = world.find(ids[0])
    assert late is not None
    assert (instant(late[2]), late[2]["locationCode"]) == (noon, "Harbor")
    world.forget_edits()
    assert utc_day(world, MONDAY) == before
    assert world.find(ids[0]) is None


def test_edited_rows_change_their_total_and_still_add_up():
    world = World(rows_per_day=100)
    before = {row["id"]: row for row in utc_day(world, MONDAY)}
    end = MONDAY + timedelta(days=1)
    first, second = world.edit_rows(MONDAY, end, 2), world.edit_rows(MONDAY, end, 1)
    after = {row["id"]: row for row in utc_day(world, MONDAY)}
    changed = {row_id for row_id in after if after[row_id] != before[row_id]}
    assert changed == {*first, *second}
    assert len(changed) == 3
    for row_id in changed:
        assert after[row_id]["total"] == pytest.approx(before[row_id]["total"] + 1)
        assert sum(tender["total"] for tender in after[row_id]["tenders"]) == pytest.approx(after[row_id]["total"])
        found = world.find(row_id)
        assert found is not None
        assert found[2] == after[row_id]


@pytest.mark.parametrize("edit", [Edit.VOID, Edit.STATUS, Edit.CUSTOMER, Edit.TENDER])
def test_an_edited_row_changes_what_the_edit_names_and_adds_up(edit):
    """KT-02: edits of every kind can be made, of rows of any age, by id or by period."""
    changed = {
        Edit.VOID: {"items", "tenders", "total", "transactionStatus"},
        Edit.STATUS: {"transactionStatus"},
        Edit.CUSTOMER: {"customerId"},
        Edit.TENDER: {"tenders"},
    }
    world = World(rows_per_day=100)
    before = {row["id"]: row for row in utc_day(world, MONDAY)}
    (row_id,) = world.edit_rows(MONDAY, MONDAY + timedelta(hours=23), edit=edit, site="Harbor")
    after = {row["id"]: row for row in utc_day(world, MONDAY)}
    assert [one for one in after if after[one] != before[one]] == [row_id]
    assert {name for name in after[row_id] if after[row_id][name] != before[row_id][name]} == changed[edit]
    assert after[row_id]["locationCode"] == "Harbor"
    assert sum(tender["total"] for tender in after[row_id]["tenders"]) == pytest.approx(after[row_id]["total"])
    world.forget_edits()
    assert utc_day(world, MONDAY) == list(before.values())


def test_deleted_rows_are_gone_and_moved_ones_stand_in_one_day():
    """KT-02: a late row can be edited too; a deleted one is found nowhere, a moved one in its new day alone."""
    world = World(rows_per_day=100)
    tuesday = MONDAY + timedelta(days=1)
    (late,) = world.add_late_rows(MONDAY + timedelta(hours=12))
    (deleted,) = world.edit_rows(MONDAY, MONDAY + timedelta(hours=23), edit=Edit.DELETE)
    world.edit_row(late, Edit.MOVE, timedelta(days=1))
    monday, rows = utc_day(world, MONDAY), utc_day(world, tuesday)
    assert {deleted, late}.isdisjoint(row["id"] for row in monday)
    assert [row["completeDate"] for row in rows] == sorted(row["completeDate"] for row in rows)
    assert len(monday) == 99
    assert len(rows) == 101
    assert world.find(deleted) is None
    found = world.find(late)
    assert found is not None
    assert instant(found[2]) == tuesday + timedelta(hours=12)
    world.edit_row(late, Edit.DELETE)
    assert len(utc_day(world, tuesday)) == 100
    with pytest.raises(KeyError):
        world.edit_row(late, Edit.TOTAL)


def test_caches_stay_bounded_and_answers_right(monkeypatch):
    monkeypatch.setattr("sonnys_pipeline.simulator.world.chain._CACHED_ROWS", 1000)
    world = World(rows_per_day=400)
    first = utc_day(world, MONDAY)
    for offset in range(1, 5):
        utc_day(world, MONDAY + timedelta(days=offset))
    assert sum(map(len, world._days.values())) <= 1000
    assert sum(map(len, world._windows.values())) <= 1000
    assert utc_day(world, MONDAY) == first


def test_a_site_that_is_renamed_has_the_same_rows_under_another_code():
    """In the list, in spans, by id and in late rows; undone with the other edits."""
    world = World(seed=7, sites=2, rows_per_day=40)
    before = utc_day(world, MONDAY)
    [late] = world.add_late_rows(MONDAY + timedelta(hours=12), 1, "Harbor")
    world.rename_site("Harbor", "Quay")
    after = {row["id"]: row for row in utc_day(world, MONDAY)}
    assert "Quay" in {site.code for site in world.sites}
    for row in before:
        code = "Quay" if row["locationCode"] == "Harbor" else row["locationCode"]
        assert after[row["id"]] == {**row, "locationCode": code}
    assert after[late]["locationCode"] == "Quay"
    found = world.find(late)
    assert found is not None
    assert found[2]["locationCode"] == "Quay"
    assert {row["locationCode"] for row in world.rows(MONDAY, MONDAY + timedelta(days=1), "Quay")} == {"Quay"}
    world.forget_edits()
    assert utc_day(world, MONDAY) == before


def test_a_list_may_be_another_than_the_sites_that_have_rows():
    """Shorter, empty, or with other zones."""
    world = World(seed=7, sites=3, rows_per_day=40)
    before, first = utc_day(world, MONDAY), world.sites
    world.list_sites(first[:1])
    assert world.sites == first[:1]
    assert utc_day(world, MONDAY) == before
    world.forget_edits()
    assert world.sites == first
