"""BX-02, BX-03: from what a person asks for to a pending job with a plan; whatever is wrong leaves no job behind."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.manifest.manifest import Manifest
from sonnys_pipeline.backfill.options import ExecutorOptions
from sonnys_pipeline.backfill.plan import Plan, differences
from sonnys_pipeline.backfill.preview import Request, RequestedDaysError, days_between, preview
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import AuthError, SonnysClient
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.ledger.errors import DuplicateRowError
from sonnys_pipeline.ledger.models import JobMode, JobStatus, RowSpec, RowStatus
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.workspaces import workspace_of
from sonnys_pipeline_tests.unit.conftest import specs
from sonnys_pipeline_tests.unit.landing.test_transactions import loaded_day

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
FIRST_KEPT = "2025-09-21"


class Desk:
    """Where a person asks: a ledger, an empty lake, and the simulated API with 250 transactions a day."""

    def __init__(self, ledger: JobService, simulator: Simulator, client: SonnysClient, folder: Path) -> None:
        self.ledger = ledger
        self.simulator = simulator
        self.client = client
        self.lake = Lake(folder / "data")
        self.options = ExecutorOptions("UTC", folder / "state", LoaderOptions(), Source("account"))

    @property
    def workspace(self) -> Workspace:
        return workspace_of(jobs=self.ledger, client=self.client, lake=self.lake, options=self.options)

    def ask(self, request: Request) -> tuple[str | None, Plan]:
        job, plan = preview(request, self.workspace, command="sonnys backfill preview …", now=NOW)
        return (job.id if job else None), plan

    def land(self, *days: str) -> None:
        """These days are landed, without a row."""
        for day in days:
            land_day(self.lake, loaded_day(day=Day.of(day)), source=Source("account"))

    @property
    def requests(self) -> int:
        return self.simulator.stats().requests


@pytest.fixture
def desk(
    ledger: JobService,
    tmp_path: Path,
    start_simulator: Callable[..., Simulator],
    connect: Callable[..., SonnysClient],
) -> Desk:
    simulator = start_simulator(rows_per_day=250, now=NOW, sites=3)
    return Desk(ledger, simulator, connect(simulator), tmp_path)


def test_a_preview_makes_a_pending_job_with_its_plan(desk: Desk) -> None:
    """It demands approval; name and command say what it is; the plan in the ledger is the one that was shown."""
    job_id, plan = desk.ask(Request(specs(3)))
    assert job_id is not None
    job = desk.ledger.get_job(job_id)
    assert (job.status, job.mode, job.total_days) == (JobStatus.PENDING, JobMode.CONFIRM, 3)
    assert (job.name, job.original_command) == ("backfill 2026-01-01 … 2026-01-03", "sonnys backfill preview …")
    assert [RowSpec(row.day, row.site) for row in desk.ledger.get_rows(job_id)] == specs(3)
    record = desk.ledger.plans.get(job_id)
    assert record is not None
    assert not record.is_approved
    assert Plan.read(record) == plan
    assert differences(plan, desk.workspace.scope(), desk.ledger.get_rows(job_id)) == []


def test_twenty_requests_size_it(desk: Desk) -> None:
    """One each, by the list endpoint; the answers are those of the API, to the row."""
    _, plan = desk.ask(Request(specs(50)))
    assert desk.requests == 20
    assert [row.rows for row in plan.rows] == [250] * 50
    assert (plan.estimate.rows, plan.estimate.pages, plan.estimate.requests) == (12_500, 150, 300)


def test_one_site_is_sized_alone(desk: Desk) -> None:
    """Its rows of a day are part of the day's; the job's name has the site."""
    sites = [site.code for site in desk.client.sites.list() if site.code]
    day, rows = Day.of("2026-01-01"), []
    for site in sites:
        job_id, plan = desk.ask(Request(days_between("2026-01-01", "2026-01-01", site)))
        assert job_id is not None
        assert desk.ledger.get_job(job_id).name.endswith(f", site {site}")
        assert plan.rows[0].rows == len(desk.simulator.world.rows(day.start, day.end, site))
        rows.append(plan.rows[0].rows)
    assert 0 < max(rows) < 250
    assert sum(rows) <= 251  # a row on the midnight after counts as well


def test_a_day_of_25_hours_is_sized_by_one_request(desk: Desk) -> None:
    """The list endpoint takes more than 24 hours; the plan has two pages at least for it."""
    desk.options = replace(desk.options, timezone="America/Chicago")
    _, plan = desk.ask(Request([RowSpec("2025-11-02")]))
    assert desk.requests == 1
    day = Day.of("2025-11-02", "America/Chicago")
    assert plan.rows[0].rows == len(desk.simulator.world.rows(day.start, day.end))
    assert plan.rows[0].pages == 4


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([RowSpec("2026-03-19"), RowSpec("2026-03-20")], "is not over yet in UTC: ask for days up to 2026-03-19"),
        ([RowSpec("2027-01-01")], "2027-01-01 is not over yet in UTC"),
        ([RowSpec("2025-09-20"), RowSpec("2020-01-01")], f"keeps six months: ask for days from {FIRST_KEPT} on"),
    ],
)  # fmt: skip
def test_days_that_cannot_be_read_are_refused(desk: Desk, rows: list[RowSpec], said: str) -> None:
    """Not over yet, or all too old: what to ask for instead; no request is spent, no job is left."""
    with pytest.raises(RequestedDaysError, match=said):
        desk.ask(Request(rows))
    assert desk.requests == 0
    assert desk.ledger.list_jobs() == []


def test_the_last_day_is_the_zones(desk: Desk) -> None:
    """At noon of the 20th in UTC it is the 21st on Kiritimati, and the 20th is over there; in Chicago it is not."""
    desk.options = replace(desk.options, timezone="Pacific/Kiritimati")
    assert desk.ask(Request([RowSpec("2026-03-20")]))[0] is not None
    desk.options = replace(desk.options, timezone="America/Chicago")
    with pytest.raises(RequestedDaysError, match="up to 2026-03-19"):
        desk.ask(Request([RowSpec("2026-03-20")]))


def test_days_that_are_too_old_are_skipped_rows(desk: Desk) -> None:
    """They stand in the job with the reason, so that a CSV's every line gets an answer; the others are pending."""
    job_id, plan = desk.ask(Request(days_between("2025-09-19", "2025-09-22")))
    assert job_id is not None
    assert [(row.day, row.status, row.error_message) for row in desk.ledger.get_rows(job_id)] == [
        ("2025-09-19", RowStatus.SKIPPED, f"the API no longer has this day; it keeps days from {FIRST_KEPT} on"),
        ("2025-09-20", RowStatus.SKIPPED, f"the API no longer has this day; it keeps days from {FIRST_KEPT} on"),
        ("2025-09-21", RowStatus.PENDING, None),
        ("2025-09-22", RowStatus.PENDING, None),
    ]
    assert [spec.day for spec in plan.too_old] == ["2025-09-19", "2025-09-20"]
    assert desk.requests == 2


def test_only_missing_days(desk: Desk) -> None:
    """Landed days are no rows of the job; where none is missing there is no job, and no request."""
    desk.land("2026-01-01", "2026-01-03")
    job_id, plan = desk.ask(Request(specs(4), missing_only=True))
    assert job_id is not None
    assert [row.day for row in desk.ledger.get_rows(job_id)] == ["2026-01-02", "2026-01-04"]
    assert [spec.day for spec in plan.left_out] == ["2026-01-01", "2026-01-03"]
    before = desk.requests
    desk.land("2026-01-02", "2026-01-04")
    job_id, plan = desk.ask(Request(specs(4), missing_only=True))
    assert (job_id, plan.rows, len(plan.left_out)) == (None, (), 4)
    assert desk.requests == before
    assert len(desk.ledger.list_jobs()) == 1


def test_what_is_too_old_or_landed_leaves_nothing(desk: Desk) -> None:
    """Some days too old, the others there: no job either."""
    desk.land("2025-09-21")
    assert desk.ask(Request(days_between("2025-09-20", "2025-09-21"), missing_only=True))[0] is None
    assert desk.ledger.list_jobs() == []


def test_the_order_of_a_csv_is_kept(desk: Desk, tmp_path: Path) -> None:
    """Whoever wrote it may have wanted the newest first; plan and job know the file."""
    path = tmp_path / "days.csv"
    path.write_text("date\n2026-02-03\n2026-01-05\n2026-01-31\n")
    manifest = Manifest.read(path)
    job_id, plan = desk.ask(Request(manifest.requests, manifest=manifest))
    assert job_id is not None
    asked_for = ["2026-02-03", "2026-01-05", "2026-01-31"]
    assert [row.day for row in plan.rows] == asked_for
    assert [row.day for row in desk.ledger.get_rows(job_id)] == asked_for
    job = desk.ledger.get_job(job_id)
    assert (plan.manifest, job.description) == (str(path), str(path))
    assert job.name == "backfill 2026-01-05 … 2026-02-03"


def test_an_api_that_refuses_leaves_no_job(desk: Desk) -> None:
    """Wrong credentials show at the first day that is sized."""
    with SonnysClient("nobody", "nothing", base_url=desk.client.base_url, budget=desk.client.budget) as stranger:
        desk.client = stranger
        with pytest.raises(AuthError):
            desk.ask(Request(specs(3)))
    assert desk.ledger.list_jobs() == []


def test_a_site_that_is_unknown_is_told_with_its_line(desk: Desk, tmp_path: Path) -> None:
    """The owner of a long file should not have to search; no job is left."""
    path = tmp_path / "days.csv"
    path.write_text(f"date,site\n2026-01-01,{desk.client.sites.list()[0].code}\n2026-01-02,NOWHERE\n")
    manifest = Manifest.read(path)
    with pytest.raises(RequestedDaysError, match=r"days\.csv, line 3: the API does not know site 'NOWHERE'"):
        desk.ask(Request(manifest.requests, manifest=manifest))
    assert desk.ledger.list_jobs() == []


def test_a_day_twice_leaves_no_job(desk: Desk) -> None:
    """The ledger refuses it, with its name."""
    with pytest.raises(DuplicateRowError, match="2026-01-01"):
        desk.ask(Request([*specs(2), *specs(1)]))
    assert desk.ledger.list_jobs() == []


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_a_plan_that_cannot_be_kept_leaves_no_job(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """Without its plan nobody could approve it."""

    def fail(*_: object, **__: object) -> None:
        raise kind

    monkeypatch.setattr(desk.ledger.plans, "save", fail)
    with pytest.raises(kind):
        desk.ask(Request(specs(2)))
    assert desk.ledger.list_jobs() == []


def test_days_between_are_all_of_them() -> None:
    """Both ends included, over the leap day, each with the site; one day is a span too."""
    assert [spec.day for spec in days_between("2028-02-28", "2028-03-01")] == ["2028-02-28", "2028-02-29", "2028-03-01"]
    assert days_between("2026-01-01", "2026-01-01", "MAIN") == [RowSpec("2026-01-01", "MAIN")]
    year = days_between("2026-01-01", "2026-12-31")
    assert [date.fromisoformat(spec.day).timetuple().tm_yday for spec in year] == list(range(1, 366))


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-01-02", "2026-01-01", "the dates are reversed: 2026-01-02 is after 2026-01-01"),
        ("2026-02-30", "2026-03-01", "'2026-02-30' is not a day; write YYYY-MM-DD"),
        ("2026-01-01", "20260102", "'20260102' is not a day; write YYYY-MM-DD"),
        ("yesterday", "2026-01-01", "'yesterday' is not a day"),
        ("", "2026-01-01", "'' is not a day"),
        ("2026-W01-1", "2026-01-01", "'2026-W01-1' is not a day"),
        ("2016-01-01", "2026-01-08", "are 3,661 days; ask for 3,660 at most"),
        ("0001-01-01", "9998-12-31", "are 3,651,694 days; ask for 3,660 at most"),
    ],
)
def test_what_is_no_span_is_refused(start: str, end: str, said: str) -> None:
    """Reversed, no date, or a date in another form: which, and how to write it."""
    started = time.perf_counter()
    with pytest.raises(RequestedDaysError, match=said):
        days_between(start, end)
    assert time.perf_counter() - started < 1  # nothing is built of 9,998 years
