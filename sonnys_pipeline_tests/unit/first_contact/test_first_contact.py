"""LV-05: what evidence means, which instant is tried, what is remembered of it and used. Nothing is sent."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sonnys_pipeline.client import SonnysClient, TransactionJobItem
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.extract.events import JOB_SECONDS, LISTS_NEED_SITE, LOAD_JOB_NEEDS_SITE
from sonnys_pipeline.extract.job_timing import first_guess
from sonnys_pipeline.extract.scheduler import LoaderOptions, Schedule
from sonnys_pipeline.first_contact import Evidence, answers_of
from sonnys_pipeline.first_contact.answers import Answer
from sonnys_pipeline.first_contact.evidence import AskedJob, Ends, Instant, Page, choose_instant, empty_second
from sonnys_pipeline.first_contact.keeping import check_first_contact, remember
from sonnys_pipeline.first_contact.shapes import absent_names, refused_field, shapes_of, unknown_names
from sonnys_pipeline.landing.account_sites import ALL_AT_ONCE, LoadBy, LoadJobNeedsSiteError, SpanCounter, account_sites
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.support.scripted_executor import options, scripted_executors

SECOND = 1_000_000
NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()) * SECOND
INSTANT = Instant("7:1", NOON + 250_000, NOON - 60 * SECOND, NOON + 60 * SECOND, NOON + 10 * SECOND)


def listed(*offsets: float) -> list[dict[str, Any]]:
    """Rows of a list, so many seconds after noon."""
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    return [
        {"transId": f"{number}:1", "date": (noon + timedelta(seconds=offset)).isoformat().replace("+00:00", "Z")}
        for number, offset in enumerate(offsets)
    ]


def answer(name: str, found: Evidence, clock_difference: float | None = 0.5) -> Answer:
    """One of the answers."""
    return next(one for one in answers_of(found, clock_difference) if one.name == name)


# Which instant.


def test_a_row_on_a_whole_second_is_preferred() -> None:
    """It needs no fraction that the API might cut off, and its ranges are asked for in whole seconds."""
    chosen = choose_instant(listed(0.2, 10.3, 20.4, 100.0, 300.6))
    assert chosen is not None
    assert (chosen.row_id, chosen.at) == ("3:1", NOON + 100 * SECOND)
    assert chosen.ends_on_it == {"startDate": NOON // SECOND, "endDate": NOON // SECOND + 100}
    assert chosen.ends_after_it["endDate"] == NOON // SECOND + 101


def test_else_one_in_the_first_half_of_its_second() -> None:
    """Rounded as well as cut off, its instant would move before the row: the control would show it."""
    chosen = choose_instant(listed(0.9, 10.25, 20.75, 30.8, 40.7))
    assert chosen is not None
    assert chosen.row_id == "1:1"
    assert chosen.ends_on_it["endDate"] == f"{NOON // SECOND + 10}.25"
    assert chosen.ends_after_it["endDate"] == f"{NOON // SECOND + 10}.251"
    assert chosen.starts_on_it["startDate"] == f"{NOON // SECOND + 10}.25"


def test_ranges_reach_a_minute_at_least_and_half_a_day_at_most() -> None:
    """One row alone has room on both sides; weeks between rows do not make windows that no load job takes."""
    alone, far = choose_instant(listed(0.25)), choose_instant(listed(-900_000.3, 0.25, 900_000.3))
    assert alone is not None
    assert far is not None
    assert (alone.start, alone.end) == (NOON - 60 * SECOND, NOON + 60 * SECOND)
    assert (far.start, far.end) == (NOON - 43_200 * SECOND, NOON + 43_200 * SECOND)
    assert choose_instant([]) is None


def test_the_empty_second_has_no_row_beside_it() -> None:
    """Whether its ends are included must not matter."""
    rows = listed(*(0.1 + second for second in range(60)), 64.5, 100.2)
    chosen = choose_instant(rows)
    assert chosen is not None
    start = int(str(empty_second(chosen)["startDate"])) - NOON // SECOND
    taken = {*range(60), 64, 100}
    assert not {start - 1, start, start + 1} & taken


# What it means.


@pytest.mark.parametrize(
    ("on_end", "on_start", "control", "value"),
    [
        (True, True, None, "both"),
        (True, False, None, "end"),
        (False, True, True, "start"),
        (False, False, True, "neither"),
        (False, True, False, None),  # cut to whole seconds: the start would hold it anyway
        (False, True, None, None),
        (None, True, None, None),
        (True, None, None, None),
    ],
)
def test_ends_are_told_only_when_the_control_holds_the_row(
    on_end: bool | None, on_start: bool | None, control: bool | None, value: str | None
) -> None:
    """An API that cuts fractions off would look as if it left the end out: that is not known, and no guess is made."""
    found = Evidence(instant=INSTANT, list_ends=Ends(on_end, on_start, control))
    told = answer("list_ends", found)
    assert told.value == value
    assert bool(told.reason) is (value is None)


def test_ends_stay_open_where_lists_and_jobs_tell_different_instants() -> None:
    """A list that cuts its instants to seconds says nothing about the end of a job's range."""
    cut = {"id": "7:1", "completeDate": "2026-03-10T12:00:00.750Z"}
    job = AskedJob("h", 0.0, 0.0, passed_at=1.0, page=Page([cut], "number", whole=True))
    found = Evidence(instant=INSTANT, jobs={"end": job}, job_ends=Ends(False, True, True))
    assert answer("job_ends", found).value is None
    assert "different instants" in answer("job_ends", found).reason


def test_another_hash_for_the_same_criteria_is_told() -> None:
    """The simulator gives the same one; an API may not."""
    found = Evidence(jobs={"end": AskedJob("first", 0.0, 0.0)}, second_hash="second")
    assert answer("same_hash", found).value is False
    assert answer("same_hash", replace(found, second_hash="first")).value is True


def test_nothing_known_is_null_with_a_reason_everywhere() -> None:
    """Not one guess."""
    answers = answers_of(Evidence(), None)
    assert {one.value for one in answers} == {None}
    assert all(one.reason for one in answers)


@pytest.mark.parametrize(("total", "kind"), [(None, "null"), (0, "zero"), (3, "number"), ("left out", "absent")])
def test_totals_are_told_apart(total: object, kind: str) -> None:
    """Null, zero, a number, and none at all."""
    data = {"transactions": [], **({} if total == "left out" else {"total": total})}
    assert Page.read(data, "transactions").total == kind


# Shapes.


def test_shapes_are_names_and_counts(make_row: Any) -> None:
    """Nested fields too; a key that is no field's name may be somebody's, and is not told."""
    rows = [make_row("1:1", customerName=""), make_row("2:1", customerName=None, notes={"José Núñez": 1})]
    shapes = shapes_of(rows)
    assert shapes["customerName"] == {"empty text": 1, "null": 1}
    assert shapes["tenders.amount"] == {"number": 2}
    assert shapes["notes.(other)"] == {"whole number": 1}
    assert "José" not in str(shapes)


def test_names_are_compared_with_the_models(make_row: Any) -> None:
    """Both spellings of a discount's amount are known; lists that are always empty say nothing of their fields."""
    row = make_row("1:1")
    del row["transactionStatus"]
    row["items"][0]["shade"] = "blue"
    assert unknown_names(TransactionJobItem, shapes_of([row])) == ["items.shade"]
    assert absent_names(TransactionJobItem, shapes_of([row])) == ["transactionStatus"]
    row["discount"] = [{"discountName": "x", "discountAmount": 1.0, "appliedToItemName": "y"}]
    assert unknown_names(TransactionJobItem, shapes_of([row])) == ["items.shade"]
    assert absent_names(TransactionJobItem, shapes_of([row])) == [
        "discount.discountCode", "discount.discountSku", "transactionStatus",
    ]  # fmt: skip


def test_a_refused_field_is_named_without_its_value(make_row: Any) -> None:
    """And without its place in the list."""
    row = make_row("1:1")
    row["items"][0]["net"] = "José"
    assert refused_field(TransactionJobItem, [row]) == "items.net"
    assert refused_field(TransactionJobItem, [make_row("1:1")]) is None


# What is remembered, and used.


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    """A ledger."""
    with open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as opened:
        yield opened


@pytest.fixture
def client() -> Iterator[SonnysClient]:
    """One whose requests would all fail."""
    with SonnysClient("nobody", "nothing", base_url="http://127.0.0.1:9/v1", max_retries=0) as opened:
        yield opened


def test_what_is_unknown_now_does_not_replace_what_was_known(jobs: JobService) -> None:
    """A run that learned less leaves the ledger as it was."""
    known = [Answer(LISTS_NEED_SITE, "?", False), Answer(JOB_SECONDS, "?", {"first_guess": 4.0, "at_most": 9.0})]
    remember(jobs, "digest", known, Evidence())
    remember(jobs, "digest", [Answer(LISTS_NEED_SITE, "?", None, reason="why"), *known[1:]], Evidence())
    kept = {name: one.content for name, one in jobs.knowledge.recall_all("digest").items()}
    assert kept == {LISTS_NEED_SITE: False, JOB_SECONDS: 4.0}


@pytest.mark.parametrize(("remembered", "by_site"), [(None, False), (False, False), (True, True)])
def test_lists_remembered_not_to_need_a_site_do_not_name_one(
    jobs: JobService, client: SonnysClient, tmp_path: Path, remembered: bool | None, by_site: bool
) -> None:
    """False is no, for the loader and for counts, as if nothing were remembered."""
    if remembered is not None:
        jobs.knowledge.remember("account", LISTS_NEED_SITE, remembered)
    assert SpanCounter(jobs, client, "account", ["MAIN"])._by_site is by_site
    with scripted_executors(jobs, tmp_path) as make:
        executor = make()
        loader = super(type(executor), executor)._make_loader(jobs.knowledge.recall_all("account"), None)  # type: ignore[arg-type]
    assert loader._options.lists_need_site is by_site


@pytest.mark.parametrize(("remembered", "first"), [(None, 2.0), (10.0, 8.0)])
def test_remembered_job_times_are_the_first_guess_of_the_next_run(
    jobs: JobService, tmp_path: Path, remembered: float | None, first: float
) -> None:
    """A little less than what was remembered, so that it can shrink again; left out, the poll interval."""
    if remembered:
        jobs.knowledge.remember("account", JOB_SECONDS, remembered)
    with scripted_executors(jobs, tmp_path) as make:
        executor = make()
        loader = super(type(executor), executor)._make_loader(jobs.knowledge.recall_all("account"), None)  # type: ignore[arg-type]
        assert Schedule((), loader._budget.rate, loader._options).times.expected_ready_age == first
        assert loader.job_seconds is None


@pytest.mark.parametrize("nonsense", [0, -1.0, float("inf"), "soon"])
def test_a_remembered_time_that_cannot_be_one_is_no_guess(nonsense: Any) -> None:
    """The database may have been written by another version."""
    assert first_guess(2.0, nonsense) == 2.0
    assert LoaderOptions().job_seconds is None


def test_load_jobs_that_this_key_refuses_are_refused_before_a_request(jobs: JobService, client: SonnysClient) -> None:
    """With the remedy; a site code names the site, and what was learned anew replaces what was known."""
    everything = {"load_by": LoadBy.ALL}
    jobs.knowledge.remember("account", LOAD_JOB_NEEDS_SITE, True)
    with pytest.raises(LoadJobNeedsSiteError, match="SONNYS_LOAD_BY=site"):
        account_sites(jobs, client, Source("account"), **everything)
    assert account_sites(jobs, client, Source("account", "MAIN"), **everything).codes == ("MAIN",)
    jobs.knowledge.remember("account", LOAD_JOB_NEEDS_SITE, False)
    assert account_sites(jobs, client, Source("account"), **everything) is ALL_AT_ONCE
    assert options(Path()).load_by is LoadBy.ALL


def test_doctor_says_how_old_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its own age; nothing known is no problem."""
    settings = Settings(api_id=SecretStr("id"), api_key=SecretStr("key"), state_dir=tmp_path / "state")
    assert "not done yet" in check_first_contact(settings).detail
    with open_ledger(f"sqlite:///{settings.state_dir / 'ledger.sqlite'}") as opened:
        opened.knowledge.remember(settings.api_id_digest, JOB_SECONDS, 3.25)
        opened.knowledge.remember(settings.api_id_digest, LISTS_NEED_SITE, False)
    later = datetime.now(UTC) + timedelta(days=12, hours=1)
    monkeypatch.setattr("sonnys_pipeline.first_contact.keeping.utc_now", lambda: later)
    found = check_first_contact(settings)
    assert (found.state, found.subject) == ("ok", "first contact")
    assert "lists need not name a site (12 days ago)" in found.detail
    assert "load jobs take some 3.2 s (12 days ago)" in found.detail
