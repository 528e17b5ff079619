"""BX-02, BX-03, BX-05, RS-02: lists are previewed, approved, run, resumed and billed as days of transactions are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.cli.output import FAILED, NOT_APPROVED, WRONG_USAGE
from sonnys_pipeline.client.lists.people import Employees
from sonnys_pipeline.client.transport import HttpTransport
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, last_days

DAYS = last_days(15)
SPAN = ("--start", DAYS[0], "--end", DAYS[-1])


def approved(desk: Desk, resource: str, *options: str) -> str:
    job = str(desk.asks("preview", "--resource", resource, *options)["job_id"])
    desk.types("approve", job)
    return job


@pytest.mark.parametrize("resource", ["clock_entries", "recurring_status_changes", "sales_outcomes"])
def test_days_of_a_list_cost_what_was_approved(desk: Desk, resource: str) -> None:
    """The estimate, the bill, the audit and the API's own log agree; every day is landed."""
    planned = desk.asks("preview", "--resource", resource, *SPAN)
    assert [row["day"] for row in planned["rows"]] == DAYS
    desk.types("run", planned["job_id"], exit_code=NOT_APPROVED)
    assert desk.lake.partitions(resource) == []
    desk.types("approve", planned["job_id"])
    before = desk.requests
    ended = desk.asks("run", planned["job_id"])
    assert ended["success"]
    assert ended["job"]["requests"] == planned["estimated"]["requests"] == desk.requests - before
    assert desk.lake.partitions(resource) == DAYS
    assert ended["job"]["rows"] == sum(desk.lake.rows(resource, day) for day in DAYS) > 0
    shown = desk.asks("status", planned["job_id"])
    assert (shown["status"], shown["rows"], shown["pending_rows"]) == ("completed", ended["job"]["rows"], 0)


@pytest.mark.parametrize("resource", ["customers", "employees", "items", "giftcards", "washbooks"])
def test_a_history_is_read_whole(desk: Desk, resource: str) -> None:
    """Without days; a day is refused."""
    desk.types("preview", "--resource", resource, *SPAN, exit_code=WRONG_USAGE)
    planned = desk.asks("preview", "--resource", resource)
    assert planned["total_rows"] == 1
    desk.types("approve", planned["job_id"])
    ended = desk.asks("run", planned["job_id"])
    assert ended["job"]["rows"] == planned["estimated"]["rows"] == desk.lake.rows(resource)
    # Whether older accounts are listed is asked besides.
    assert 0 <= ended["job"]["requests"] - planned["estimated"]["requests"] <= 1


def test_what_a_list_takes_is_said(desk: Desk) -> None:
    """Lists by day need days, and no list takes a site, a CSV or `--missing-only`."""
    desk.types("preview", "--resource", "clock_entries", exit_code=WRONG_USAGE)
    for option in (("--site", "MAIN"), ("--missing-only",)):
        desk.types("preview", "--resource", "clock_entries", *SPAN, *option, exit_code=WRONG_USAGE)
    desk.types("preview", "--resource", "transaction_notes", *SPAN, exit_code=WRONG_USAGE)


class Killed(BaseException):
    """The process ends here."""


def test_a_killed_job_resumes_without_asking_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fortnights stay, its answers are kept, and the bill has every request once."""
    planned = desk.asks("preview", "--resource", "clock_entries", *SPAN)
    desk.types("approve", planned["job_id"])
    send, left, asked = HttpTransport.send, [planned["estimated"]["requests"] - 4], list[str]()

    def send_or_die(self: HttpTransport, method: str, path: str, params: Any) -> Any:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        asked.append(f"{path} {sorted((params or {}).items())}")
        return send(self, method, path, params)

    monkeypatch.setattr(HttpTransport, "send", send_or_die)
    with pytest.raises(Killed):
        desk.types("run", planned["job_id"], exit_code=None)
    assert 0 < len(desk.lake.partitions("clock_entries")) < len(DAYS)
    left[0] = 1000
    ended = desk.asks("resume", planned["job_id"])
    assert ended["success"]
    assert len(asked) == planned["estimated"]["requests"] == ended["job"]["requests"]
    # Each fortnight begins with the list of employees.
    assert {one for one in asked if asked.count(one) > 1} == {"/employee []"}
    assert desk.lake.partitions("clock_entries") == DAYS


def test_a_list_that_cannot_be_read_fails_with_its_reason(desk: Desk) -> None:
    """And goes on when it is resumed."""
    job = approved(desk, "sales_outcomes", *SPAN)
    desk.simulator.set_faults(Faults(server_errors=-1))
    ended = desk.asks("run", job, exit_code=FAILED)
    assert (ended["status"], ended["failures"][0]["error"]) == ("failed", "ServerError")
    desk.simulator.set_faults(Faults())
    assert desk.asks("resume", job)["success"]


def test_a_day_that_would_be_emptied_fails_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows stay and its row says why; the other days are landed, and every request is billed once."""
    assert desk.asks("run", approved(desk, "clock_entries", "--start", DAYS[0], "--end", DAYS[0]))["success"]
    rows, entries, lost = desk.lake.rows("clock_entries", DAYS[0]), Employees.clock_entries, DAYS[0]

    def without(self: Employees, employee_id: str, **span: Any) -> Any:
        return [one for one in entries(self, employee_id, **span) if f"{one.clock_in:%Y-%m-%d}" > lost]

    monkeypatch.setattr(Employees, "clock_entries", without)
    before = desk.requests
    job = approved(desk, "clock_entries", *SPAN)
    planned = desk.requests - before
    ended = desk.asks("run", job, "--on-error", "continue", exit_code=FAILED)
    assert [(one["day"], one["error"]) for one in ended["failures"]] == [(DAYS[0], "RowsWouldVanishError")]
    assert "accept_empty" in ended["failures"][0]["message"]
    assert desk.lake.partitions("clock_entries") == DAYS
    assert desk.lake.rows("clock_entries", DAYS[0]) == rows > 0
    assert ended["job"]["requests"] == desk.requests - before - planned


def test_a_changed_policy_is_not_what_was_approved(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    job = approved(desk, "employees")
    monkeypatch.setenv("SONNYS_PII", "drop")
    refused = desk.types("run", job, exit_code=NOT_APPROVED)
    assert "SONNYS_PII" in refused.stderr
    assert not desk.lake.has("employees")


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def test_dagster_is_told(desk: Desk, instance: dg.DagsterInstance) -> None:
    """At once, and by `reconcile` what it was not told."""
    ended = desk.asks("run", approved(desk, "sales_outcomes", *SPAN))
    assert ended["dagster"]["lists"] == [f"sales_outcomes {day}" for day in DAYS]
    assert instance.get_materialized_partitions(dg.AssetKey("sales_outcomes")) == set(DAYS)
    ended = desk.asks("run", approved(desk, "employees"))
    assert ended["dagster"]["lists"] == ["employees"]
    instance.wipe_assets([dg.AssetKey("employees"), dg.AssetKey("sales_outcomes")])
    said = desk.asks("reconcile")
    assert said["lists"] == [*(f"sales_outcomes {day}" for day in DAYS), "employees"]
    assert desk.asks("reconcile")["lists"] == []
