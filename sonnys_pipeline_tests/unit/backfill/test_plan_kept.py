"""BX-03: the plan as it was kept: its fingerprint, what has changed since, and what may run without being asked."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.backfill.manifest.manifest import ManifestError
from sonnys_pipeline.backfill.plan import (
    Plan,
    Scope,
    differences,
    make_plan,
    refuse_unapproved,
)
from sonnys_pipeline.ledger.errors import NotApprovedError, PlanDriftError, PlanError
from sonnys_pipeline.ledger.models import Job, JobMode, JobRow, PlanRecord, RowSpec
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.support.plans import LONG_AGO, NOW, OF_TWO_SITES, PLAN, RATE, SCOPE, planned, record_of
from sonnys_pipeline_tests.unit.conftest import specs

# -- the fingerprint ---------------------------------------------------------------------------------------------------


def variants(value: Any) -> Iterator[Any]:
    """Every value that differs from this one, a frozen record, in one place, however deep."""
    for field in fields(value):
        part = getattr(value, field.name)
        changed: list[Any]
        if isinstance(part, int):
            changed = [not part if isinstance(part, bool) else part + 1]
        elif part is None or isinstance(part, str):
            changed = ["2026-05-05" if field.name == "day" else f"{part}x"]
        elif isinstance(part, tuple) and all(isinstance(item, str) for item in part):
            changed = [(*part, "x")]
        elif isinstance(part, tuple):
            changed = [part[:-1], part[::-1]] if len(part) > 1 else [()]
            for at, item in enumerate(part):
                changed += [(*part[:at], other, *part[at + 1 :]) for other in variants(item)]
        else:
            changed = list(variants(part))
        yield from (replace(value, **{field.name: other}) for other in changed)


def test_the_fingerprint_covers_all_of_the_plan() -> None:
    """Whatever part of it were another, however deep, the fingerprint were another too."""
    found = list(variants(PLAN))
    assert len(found) > 30
    prints = {plan.fingerprint for plan in found}
    assert PLAN.fingerprint not in prints
    assert len(prints) == len(found)


def test_the_same_plan_has_the_same_fingerprint_in_every_process() -> None:
    """Whatever the order of its sets and hashes is there."""
    code = "from sonnys_pipeline_tests.support.plans import PLAN; print(PLAN.fingerprint)"
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == PLAN.fingerprint


def test_a_plan_comes_back_as_it_was_kept() -> None:
    """All of it, names of any kind included: a path may hold bytes that are no text."""
    odd = replace(PLAN, manifest="/plans/d\udce9s\0\N{SNOWMAN}.csv")
    for plan in (PLAN, odd):
        plan.content.encode("ascii")  # what every database can hold
        assert Plan.read(record_of(plan)) == plan


def test_a_plan_that_was_changed_in_the_ledger_is_refused() -> None:
    """A day more, a smaller bill, or an account: the fingerprint tells, and the message what to do."""
    kept = json.loads(PLAN.content)
    kept["rows"][0]["rows"] = 1
    with pytest.raises(
        PlanDriftError, match=f"job-1 does not match its fingerprint {PLAN.fingerprint[:12]}.*new preview"
    ):
        Plan.read(record_of(PLAN, content=json.dumps(kept)))


def test_a_plan_older_than_the_policy_on_personal_data_kept_all_of_it() -> None:
    """It is read, not taken for one that was changed."""
    kept = json.loads(PLAN.content)
    del kept["scope"]["pii"]
    content = json.dumps(kept)
    older = replace(record_of(PLAN, content=content), fingerprint=hashlib.sha256(content.encode()).hexdigest())
    assert Plan.read(older) == PLAN


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"scope": {}}', PLAN.content[:-9]])
def test_a_plan_that_cannot_be_read_is_refused(content: str) -> None:
    """By the job's name, with a remedy; not by a traceback."""
    with pytest.raises(PlanError, match=r"job-1 cannot be read.*new preview"):
        Plan.read(record_of(PLAN, content=content))


# -- the plan and the present ------------------------------------------------------------------------------------------


@pytest.fixture
def rows_of(ledger: JobService) -> Callable[[list[RowSpec]], list[JobRow]]:
    """Rows as the ledger would have them."""
    return lambda wanted: ledger.get_rows(ledger.create_job("a job", rows=wanted).id)


RowsOf = Callable[[list[RowSpec]], list[JobRow]]


def test_nothing_has_changed(rows_of: RowsOf) -> None:
    """Days that are too old stand in the job, too; they were skipped, not forgotten."""
    requested = specs(5)
    plan = planned(requested, first_kept=date(2026, 1, 3))
    assert differences(plan, SCOPE, rows_of(requested)) == []


@pytest.mark.parametrize(
    ("field", "other", "said"),
    [
        ("account", "fe", "the account (SONNYS_API_ID) was '0123456789abcdef', is 'fe'"),
        ("base_url", "http://127.0.0.1:1/v1", "SONNYS_BASE_URL was 'https://api.test/v1', is 'http://127.0.0.1:1/v1'"),
        ("site_code", "MAIN", "SONNYS_SITE_CODE was '(none)', is 'MAIN'"),
        ("timezone", "America/Chicago", "SONNYS_TIMEZONE was 'UTC', is 'America/Chicago'"),
        ("data_url", "/elsewhere", "SONNYS_DATA_URL was '/data', is '/elsewhere'"),
        ("pii", "drop", "SONNYS_PII was 'keep', is 'drop'"),
    ],
)
def test_another_configuration_is_told_by_its_variable(rows_of: RowsOf, field: str, other: str, said: str) -> None:
    """What it was, and what it is; each part of the scope is compared."""
    assert field in {part.name for part in fields(Scope)}
    now = replace(SCOPE, **{field: other})
    assert differences(planned(specs(2)), now, rows_of(specs(2))) == [said]


def test_every_part_of_the_scope_is_compared(rows_of: RowsOf) -> None:
    """A part that is added is not forgotten here."""
    before = make_plan(
        specs(1), OF_TWO_SITES, RATE, size=lambda _: 250, landed_rows=lambda _: None, first_kept=LONG_AGO
    )
    other = replace(Scope(*(f"{name.name}!" for name in fields(Scope))), sites=("MAIN",))
    assert len(differences(before, other, rows_of(specs(1)))) == len(fields(Scope))


def test_a_site_that_is_new_is_read_and_one_that_is_gone_is_not_passed_over(rows_of: RowsOf) -> None:
    """LV-01: a run of more sites is what was approved; days that lack a site are not. Codes compare without case."""
    plan = planned(specs(1), scope=OF_TWO_SITES)
    more = replace(OF_TWO_SITES, sites=("main", "EAST", "NEW"))
    assert differences(plan, more, rows_of(specs(1))) == []
    less = replace(OF_TWO_SITES, sites=("MAIN",))
    assert differences(plan, less, rows_of(specs(1))) == ["the API no longer lists these sites: EAST"]
    assert plan.fingerprint != replace(plan, scope=more).fingerprint


def test_days_that_came_and_went_are_named(rows_of: RowsOf) -> None:
    """With their sites; five of them, and how many more there are."""
    plan = planned([*specs(2), RowSpec("2026-01-09", "MAIN")])
    assert differences(plan, SCOPE, rows_of([*specs(2), RowSpec("2026-01-09", "EAST")])) == [
        "the job has besides 2026-01-09 of site EAST",
        "the job lacks 2026-01-09 of site MAIN",
    ]
    assert differences(planned(specs(1)), SCOPE, rows_of(specs(8))) == [
        "the job has besides 2026-01-02, 2026-01-03, 2026-01-04, 2026-01-05, 2026-01-06 and 2 more"
    ]


def test_a_manifest_that_asks_for_other_days_is_told(rows_of: RowsOf, tmp_path: Path) -> None:
    """Days that were left out or too old are its days, too; results in its columns are no change."""
    path = tmp_path / "days.csv"
    path.write_text("date,note\n2026-01-01,a\n2026-01-02,b\n2026-01-03,c\n")
    requested = specs(3)
    plan = planned(
        requested,
        first_kept=date(2026, 1, 2),
        landed_rows=lambda spec: 5 if spec.day == "2026-01-02" else None,
        missing_only=True,
        manifest=path,
    )
    rows = rows_of([requested[0], requested[2]])
    assert differences(plan, SCOPE, rows) == []
    path.write_text("date,note\n2026-01-01,other\n2026-01-03,words\n2026-01-02,and order\n")
    assert differences(plan, SCOPE, rows) == []
    path.write_text("date,note\n2026-01-01,a\n2026-01-02,b\n2026-02-03,c\n")
    assert differences(plan, SCOPE, rows) == [f"{path} has besides 2026-02-03", f"{path} lacks 2026-01-03"]
    path.unlink()
    with pytest.raises(ManifestError, match="does not exist"):
        differences(plan, SCOPE, rows)


# -- what may run ------------------------------------------------------------------------------------------------------


@pytest.fixture
def job(ledger: JobService) -> Job:
    return ledger.create_job("a job", rows=specs(1))


APPROVED = record_of(PLAN, approved_fingerprint=PLAN.fingerprint, approved_by="me", approved_at=NOW)


@pytest.mark.parametrize("record", [None, record_of(PLAN), APPROVED])
def test_auto_runs_unasked(job: Job, record: PlanRecord | None) -> None:
    """With an approved plan, with another one, or with none."""
    refuse_unapproved(job, record, JobMode.AUTO, [])


def test_confirm_runs_what_was_approved(job: Job) -> None:
    """And nothing else: no plan, one without approval, one that was approved in another form; each with its remedy."""
    refuse_unapproved(job, APPROVED, JobMode.CONFIRM, [])
    with pytest.raises(NotApprovedError, match=f"no plan.*sonnys backfill preview.*run {job.id} --mode auto"):
        refuse_unapproved(job, None, JobMode.CONFIRM, [])
    for record in (record_of(PLAN), replace(APPROVED, approved_fingerprint="another")):
        with pytest.raises(NotApprovedError, match=f"not approved; type: sonnys backfill approve {job.id}"):
            refuse_unapproved(job, record, JobMode.CONFIRM, [])


@pytest.mark.parametrize("mode", list(JobMode))
@pytest.mark.parametrize("record", [record_of(PLAN), APPROVED])
def test_what_has_changed_runs_in_no_mode(job: Job, mode: JobMode, record: PlanRecord) -> None:
    """Approved or not, asked or not: what runs is what was previewed; all that changed is said."""
    with pytest.raises(PlanDriftError, match=f"job {job.id} has changed since it was planned: this; that.*new preview"):
        refuse_unapproved(job, record, mode, ["this", "that"])
