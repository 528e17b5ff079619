"""The faults' model and counters, and rows that appear or change later.

Covers the names and counts that tests of BM-02, BM-06, LJ-10 and the contract's unknowns rely on.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import ValidationError

from sonnys_pipeline.simulator import Faults, Operation, SimulatorConfig, SimulatorState
from sonnys_pipeline.simulator.api.criteria import Criteria
from sonnys_pipeline.simulator.faults import COUNTED_FAULTS, FaultInjector
from sonnys_pipeline.simulator.world.chain import epoch_ms

DAY = date(2026, 11, 3)
MIDNIGHT = datetime(2026, 11, 3, tzinfo=UTC)
CONFIG = SimulatorConfig(rows_per_day=50, now=datetime(2026, 11, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    "wrong",
    [
        '{"server_error": 1}',
        '{"server_errors": -2}',
        '{"server_errors": 1.5}',
        '{"server_errors": "1"}',
        '{"server_errors": true}',
        '{"fail_dates": ["someday"]}',
        '{"on": {"fail_jobs": "poll"}}',
        '{"on": {"server_errors": "sometimes"}}',
        '{"slow_seconds": -1}',
    ],
)
def test_what_is_not_understood_is_refused(wrong):
    with pytest.raises(ValidationError):
        Faults.model_validate_json(wrong)


def test_faults_survive_json():
    faults = Faults(server_errors=2, fail_dates=["2026-11-03"], on={"server_errors": "poll"}, late_rows={DAY: 2})
    assert Faults.model_validate_json(faults.model_dump_json()) == faults


def test_every_counted_fault_is_a_field_and_documented():
    assert set(Faults.model_fields) > COUNTED_FAULTS
    documented = Faults.__doc__ or ""
    assert [name for name in Faults.model_fields if f"{name}:" not in documented and name != "on"] == []


def test_a_count_is_used_up_one_by_one():
    injector = FaultInjector(Faults(server_errors=2))
    assert [injector.take("server_errors") for _ in range(4)] == [True, True, False, False]
    assert injector.remaining() == {}


def test_minus_one_never_runs_out():
    injector = FaultInjector(Faults(fail_jobs=-1))
    assert all(injector.take("fail_jobs") for _ in range(100))
    assert injector.remaining() == {"fail_jobs": -1}


def test_a_limit_spares_other_operations():
    injector = FaultInjector(Faults(server_errors=1, drop_after=1, on={"server_errors": "poll"}))
    assert not injector.take("server_errors", Operation.SUBMIT)
    assert injector.take("server_errors", Operation.POLL)
    assert injector.take("drop_after", Operation.SUBMIT), "without a limit any operation will do"


def test_a_limit_to_any_is_no_limit():
    injector = FaultInjector(Faults(server_errors=1, on={"server_errors": Operation.ANY}))
    assert injector.take("server_errors", Operation.LIST)


def test_setting_faults_starts_their_counts_anew():
    injector = FaultInjector(Faults(server_errors=1))
    injector.take("server_errors")
    injector.set(Faults(server_errors=1, fail_jobs=1))
    assert injector.remaining() == {"server_errors": 1, "fail_jobs": 1}
    assert injector.faults.fail_jobs == 1


def test_an_unknown_name_is_a_programming_error():
    with pytest.raises(KeyError):
        FaultInjector(Faults()).take("gremlins")


def count(state: SimulatorState) -> int:
    return len(state.world.rows(MIDNIGHT, MIDNIGHT + timedelta(days=1)))


def total(state: SimulatorState) -> float:
    return round(sum(row["total"] for row in state.world.rows(MIDNIGHT, MIDNIGHT + timedelta(days=1))), 2)


def test_late_rows_appear_at_once_and_go_with_a_reset():
    state = SimulatorState(CONFIG)
    state.set_faults(Faults(late_rows={DAY: 2}))
    assert count(state) == 52
    state.set_faults(Faults())
    assert count(state) == 52, "they stay when faults are taken back"
    state.reset()
    assert count(state) == 50


def test_late_rows_wait_for_readings_of_their_day():
    state = SimulatorState(CONFIG)
    state.set_faults(Faults(late_rows={DAY: 1}, late_after_reads=2))
    day = Criteria(epoch_ms(MIDNIGHT), epoch_ms(MIDNIGHT) + 1000, frozenset({"MAIN"}), 100, 1)
    other_day = Criteria(epoch_ms(MIDNIGHT) - 1000, epoch_ms(MIDNIGHT) - 1, frozenset({"MAIN"}), 100, 1)
    second_page = Criteria(day.start_ms, day.end_ms, day.sites, 100, 2)
    counts = []
    for criteria in (day, other_day, second_page, day):
        state.amendments.record_read(criteria)
        counts.append(count(state))
    assert counts == [50, 50, 50, 51]


def test_edited_rows_change_their_total_and_not_their_number():
    state = SimulatorState(CONFIG)
    before = total(state)
    state.set_faults(Faults(edited_rows={DAY: 3}))
    assert count(state) == 50
    assert total(state) == round(before + 3, 2)
    state.reset()
    assert total(state) == before


def test_edits_of_every_kind_hold_for_their_day_until_a_reset():
    """KT-02: each fault edits rows of its own; the number of rows shows what came, went and moved."""
    state = SimulatorState(CONFIG)
    before = list(state.world.rows(MIDNIGHT, MIDNIGHT + timedelta(days=1)))
    names = ("edited_rows", "voided_rows", "reopened_rows", "customer_rows", "repaid_rows", "deleted_rows")
    state.set_faults(Faults(**{name: {DAY: 1} for name in names}, moved_rows={DAY: 1}, moved_by_days=-1))
    after = {row["id"]: row for row in state.world.rows(MIDNIGHT, MIDNIGHT + timedelta(days=1))}
    gone = [row["id"] for row in before if row["id"] not in after]
    assert len(gone) == 2
    assert len([row for row in before if row["id"] in after and row != after[row["id"]]]) == 5
    moved = {row["id"] for row in state.world.rows(MIDNIGHT - timedelta(days=1), MIDNIGHT)} & set(gone)
    assert len(moved) == 1
    state.reset()
    assert list(state.world.rows(MIDNIGHT, MIDNIGHT + timedelta(days=1))) == before


def test_faults_of_the_configuration_hold_from_the_start_and_after_a_reset():
    state = SimulatorState(CONFIG.model_copy(update={"faults": Faults(late_rows={DAY: 1}, server_errors=1)}))
    assert count(state) == 51
    state.injector.take("server_errors")
    state.reset()
    assert count(state) == 51
    assert state.injector.remaining() == {"server_errors": 1}
