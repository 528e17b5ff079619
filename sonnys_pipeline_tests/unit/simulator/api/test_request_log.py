"""The log of requests and its counts.

Covers what BM-07, BM-09 and the demo read from a simulator: requests, polls, 429s, first and last request.
"""

from __future__ import annotations

import pytest

from sonnys_pipeline.simulator import RequestRecord
from sonnys_pipeline.simulator.api.request_log import RequestLog


def record(operation: str, status: int = 200, outcome: str = "ok", at: float = 5.0) -> RequestRecord:
    return RequestRecord(
        at=at, elapsed=at, api_id="id", method="GET", path="/v1", query="", operation=operation, status=status,
        outcome=outcome,
    )  # fmt: skip


@pytest.fixture
def log(hand_clock):
    return RequestLog(hand_clock, wall=lambda: 77.0)


def test_a_new_log_is_empty(log):
    stats = log.stats()
    assert (stats.requests, stats.first_request_at, stats.last_request_at, stats.by_status) == (0, None, None, {})
    assert log.records() == ()


def test_counts_follow_operations_and_outcomes(log):
    log.add(record("submit", at=2.0), job_created=True)
    log.add(record("submit", outcome="cached", at=1.0))
    log.add(record("poll", outcome="working"))
    log.add(record("poll", outcome="pass", at=9.0), rows=100)
    log.add(record("poll", outcome="fail"))
    log.add(record("list", 429, "RequestRateExceedError"))
    log.add(record("sites", 0, "drop_after"))
    stats = log.stats()
    assert (stats.requests, stats.submissions, stats.jobs_created) == (7, 2, 1)
    assert (stats.polls, stats.working_polls, stats.passed_polls, stats.failed_polls) == (3, 1, 1, 1)
    assert (stats.lists, stats.rate_limited, stats.dropped, stats.rows_served) == (1, 1, 1, 100)
    assert stats.by_status == {"0": 1, "200": 5, "429": 1}
    assert (stats.first_request_at, stats.last_request_at) == (1.0, 9.0)
    assert [entry.operation for entry in log.records()][:2] == ["submit", "submit"]


def test_clearing_starts_over(log):
    log.add(record("poll"))
    log.clear()
    assert log.records() == ()
    assert log.stats().requests == 0


def test_arrivals_carry_both_times(log, hand_clock):
    hand_clock.pass_by(3)
    assert log.arrival() == (77.0, 1003.0)


def test_records_and_counts_are_plain_data(log):
    assert record("poll").as_dict()["operation"] == "poll"
    assert log.stats().as_dict()["requests"] == 0
