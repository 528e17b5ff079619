"""BX-02, BX-03: what a plan says, what it costs, whether it is still true, and what may run without being asked."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.backfill.manifest.manifest import ManifestError
from sonnys_pipeline.backfill.plan import (
    SAMPLE_ROWS,
    Estimate,
    Plan,
    Scope,
    differences,
    estimator,
    make_plan,
    pages_of,
    refuse_unapproved,
    sample,
)
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.ledger.errors import NotApprovedError, PlanDriftError, PlanError
from sonnys_pipeline.ledger.models import Job, JobMode, JobRow, PlanRecord, RowSpec
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.unit.conftest import specs

SCOPE = Scope("0123456789abcdef", "https://api.test/v1", "", "UTC", "/data")
OF_TWO_SITES = replace(SCOPE, load_by="site", sites=("MAIN", "EAST"), proof=True, states="auto")
RATE = RequestRate(20, 15.0)
LONG_AGO = date(2000, 1, 1)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def planned(requested: list[RowSpec], size: Callable[[RowSpec], int] = lambda _: 250, **more: Any) -> Plan:
    """A plan of days of which none is landed, and none too old, unless told otherwise."""
    given_: dict[str, Any] = {"landed_rows": lambda _: None, "first_kept": LONG_AGO, **more}
    return make_plan(requested, given_.pop("scope", SCOPE), given_.pop("rate", RATE), size=size, **given_)


def record_of(plan: Plan, **more: Any) -> PlanRecord:
    """As the ledger would keep it."""
    return replace(PlanRecord("job-1", plan.fingerprint, plan.content, NOW, None, None, None), **more)


@pytest.mark.parametrize("days", [1, 19, 20, 21, 500])
def test_twenty_rows_at_most_are_asked_about(days: int) -> None:
    """Each once, in order, from the whole span; the others are estimates and say so."""
    asked: list[str] = []

    def size(spec: RowSpec) -> int:
        asked.append(spec.day)
        return 250

    plan = planned(specs(days), size)
    assert SAMPLE_ROWS == 20
    assert len(asked) == len(set(asked)) == min(days, 20)
    assert asked == sorted(asked)
    assert [row.day for row in plan.rows] == [spec.day for spec in specs(days)]
    assert [row.day for row in plan.sized] == asked
    assert plan.estimate.rows == 250 * days


def test_the_sample_is_spread_over_span_and_weekdays() -> None:
    """Of half a year not its first 20 days: each month and each weekday is asked about, the latter about equally."""
    asked = [date.fromisoformat(spec.day) for spec in sample(specs(181))]
    assert {day.month for day in asked} == set(range(1, 7))
    assert set(Counter(day.weekday() for day in asked).values()) <= {2, 3}


@pytest.mark.parametrize("sites", [2, 5, 20])
def test_the_sample_is_spread_over_sites(sites: int) -> None:
    """Every site is asked about, about equally often, and not always on the same weekday."""
    days = [spec.day for spec in specs(60)]
    asked = sample([RowSpec(day, f"S{number}") for day in days for number in range(sites)])
    counts = Counter(spec.site for spec in asked)
    assert len(counts) == sites
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len({date.fromisoformat(spec.day).weekday() for spec in asked}) >= min(7, 20 // sites)


def test_a_season_is_seen_by_the_estimate() -> None:
    """Winter days have ten times the rows of summer days: the first 20 days would be ten times off."""

    def size(spec: RowSpec) -> int:
        return 1000 if date.fromisoformat(spec.day).month <= 3 else 100

    plan = planned(specs(181), size)
    true = sum(map(size, specs(181)))
    assert plan.estimate.rows == pytest.approx(true, rel=0.1)


def test_what_was_asked_stands_as_it_was_answered() -> None:
    """No estimate takes its place, however far off the others it is."""
    plan = planned(specs(21), lambda spec: int(spec.day[-2:]) * 10)
    assert [row.rows for row in plan.sized] == [int(row.day[-2:]) * 10 for row in plan.sized]


def test_a_day_is_estimated_by_its_weekday() -> None:
    """A wash has its week: a Saturday to come is taken to be like the Saturdays that were asked about."""

    def size(spec: RowSpec) -> int:
        return 900 + int(spec.day[-2:]) if date.fromisoformat(spec.day).weekday() == 5 else 300

    plan = planned(specs(40, "2026-01-01"), size)
    saturdays = [row for row in plan.rows if date.fromisoformat(row.day).weekday() == 5]
    known = [row.rows for row in saturdays if row.sized]
    assert known
    for row in plan.rows:
        if not row.sized:
            assert row.rows == (round(fmean(known)) if row in saturdays else 300)


def test_a_weekday_that_was_not_asked_about_is_an_average_day() -> None:
    """Of the same site, if one of its days was asked about; else of all."""
    estimate = estimator({RowSpec("2026-01-05", "EAST"): 100, RowSpec("2026-01-05", "WEST"): 400})  # a Monday
    wednesday = [RowSpec("2026-04-01", site) for site in ("EAST", "WEST", "NEW")]
    assert [estimate(spec) for spec in wednesday] == [100, 400, 250]


@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=60),
    rate=st.builds(RequestRate, st.integers(1, 60), st.floats(0.1, 60.0)),
)
def test_the_bill_adds_up(sizes: list[int], rate: RequestRate) -> None:
    """Two requests a page; the first block of them is free to go at once, each further one takes its time.

    An estimate lies between the least and the most that was answered.
    """
    requested = specs(len(sizes))
    answers = dict(zip(requested, sizes, strict=True))
    plan = planned(requested, answers.__getitem__, rate=rate)
    bill = plan.estimate
    assert bill.rows == sum(row.rows for row in plan.rows)
    assert bill.pages == sum(row.pages for row in plan.rows)
    assert bill.requests == 2 * bill.pages
    blocks = -(-bill.requests // rate.requests)
    assert (blocks - 1) * rate.seconds <= bill.seconds < (blocks - 1) * rate.seconds + 1
    known = [row.rows for row in plan.sized]
    assert all(min(known) <= row.rows <= max(known) for row in plan.rows)


@pytest.mark.parametrize(("rows", "pages"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3), (799, 8)])
def test_pages_of_a_day(rows: int, pages: int) -> None:
    """A hundred a page; a day without rows takes one page to find that out."""
    assert pages_of(rows, "2026-03-10", "UTC") == pages


def test_a_day_of_two_windows_takes_a_page_more() -> None:
    """25 hours are two load jobs at least (contract: 24 hours at most); 23 hours are one."""
    assert pages_of(0, "2026-11-01", "America/Chicago") == 2
    assert pages_of(100, "2026-11-01", "America/Chicago") == 2
    assert pages_of(101, "2026-11-01", "America/Chicago") == 3
    assert pages_of(100, "2026-03-08", "America/Chicago") == 1
    chicago = replace(SCOPE, timezone="America/Chicago")
    plan = planned(specs(3, "2026-10-31"), lambda _: 50, scope=chicago)
    assert [row.pages for row in plan.rows] == [1, 2, 1]
    assert plan.estimate == Estimate(150, 4, 8, 0)


def test_days_that_are_too_old_are_named_and_not_asked_about() -> None:
    """The first day that is kept is read; whether older ones are landed does not matter."""
    asked: list[RowSpec] = []
    requested = specs(5)
    plan = planned(
        requested,
        lambda spec: asked.append(spec) or 10,  # type: ignore[func-returns-value]
        first_kept=date(2026, 1, 3),
        landed_rows=lambda _: 7,
    )
    assert plan.too_old == tuple(requested[:2])
    assert asked == requested[2:]
    assert [row.day for row in plan.rows] == ["2026-01-03", "2026-01-04", "2026-01-05"]


def test_only_what_is_missing() -> None:
    """Landed days are left out and named, those without rows too; else they are read again, and the plan says so."""
    landed = {"2026-01-02": 40, "2026-01-04": 0}
    requested = specs(5)
    plan = planned(requested, landed_rows=lambda spec: landed.get(spec.day), missing_only=True)
    assert plan.left_out == (requested[1], requested[3])
    assert [row.day[-2:] for row in plan.rows] == ["01", "03", "05"]
    again = planned(requested, landed_rows=lambda spec: landed.get(spec.day))
    assert again.left_out == ()
    assert [row.landed_rows for row in again.rows] == [None, 40, None, 0, None]


def test_nothing_to_read_is_a_plan_without_a_bill() -> None:
    """All landed, only missing ones wanted: nothing is asked, nothing costs."""

    def size(spec: RowSpec) -> int:
        raise AssertionError(spec)

    plan = planned(specs(3), size, landed_rows=lambda _: 1, missing_only=True)
    assert (plan.rows, plan.estimate) == ((), Estimate(0, 0, 0, 0))


# -- the fingerprint ---------------------------------------------------------------------------------------------------

PLAN = planned(
    [RowSpec("2025-01-01"), *specs(3), RowSpec("2026-02-01", "WÄSCHE")],
    first_kept=date(2026, 1, 1),
    landed_rows=lambda spec: 5 if spec.day == "2026-01-02" else None,
    missing_only=True,
    manifest=Path("/plans/days.csv"),
)


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
    code = "from sonnys_pipeline_tests.unit.backfill.test_plan import PLAN; print(PLAN.fingerprint)"
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
    with pytest.raises(PlanDriftError, match=f"job-1 is not what its fingerprint {PLAN.fingerprint[:12]}.*new preview"):
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
    assert differences(plan, less, rows_of(specs(1))) == ["sites are no longer listed: EAST"]
    assert plan.fingerprint != replace(plan, scope=more).fingerprint


@pytest.mark.parametrize(("sites", "pages"), [((), 3), (("A",), 3), (("A", "B", "C", "D"), 4)])
def test_the_bill_counts_a_page_for_each_site_and_the_lists(sites: tuple[str, ...], pages: int) -> None:
    """250 rows: three pages in one job, half a page more for each site; a count, and three requests of states."""
    scope = replace(OF_TWO_SITES, sites=sites)
    plan = planned(specs(1), scope=scope)
    assert (plan.estimate.pages, plan.estimate.lists) == (pages, 4)
    assert plan.estimate.requests == 2 * pages + 4


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
    with pytest.raises(ManifestError, match="is not there"):
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
    with pytest.raises(PlanDriftError, match=f"job {job.id} is not what was planned: this; that.*new preview"):
        refuse_unapproved(job, record, mode, ["this", "that"])
