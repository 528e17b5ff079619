"""Three days, one of them answered as hypothesis likes: it lands whole or is refused in one line, and the others land.

Through the real client, loader and landing; the network, the clock and the budget are virtual.
"""

import copy
import json
import logging
import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import APIError, RequestBudget, RequestRate, SonnysClient, UnparsableRowError
from sonnys_pipeline.client.models import MAX_AMOUNT
from sonnys_pipeline.extract.events import FailedDay, LoadingStoppedError
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.landing.quarantine import set_aside
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.marts import flat_tables as tables
from sonnys_pipeline.marts.digests import content_digest
from sonnys_pipeline.marts.kpis import sales_total
from sonnys_pipeline_tests.fuzz.answers import PERSONAL, Sent, Step, steps
from sonnys_pipeline_tests.fuzz.api import DAYS, HOSTILE, HostileApi, sent_ids
from sonnys_pipeline_tests.fuzz.conftest import profile
from sonnys_pipeline_tests.support.virtual_clock import VirtualBudget, VirtualClock, VirtualWorkerPool

SOURCE = Source("account")
POLICIES = {policy: Privacy(policy) for policy in (Policy.KEEP, Policy.DROP)}
#: A message is one line that a person reads.
LONGEST_MESSAGE = 2_000


class Listening(logging.Handler):
    """Keeps what is logged while a case runs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def heard() -> Iterator[Listening]:
    """Everything that the package logs."""
    handler, logger = Listening(), logging.getLogger("sonnys_pipeline")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


@pytest.fixture(scope="module", autouse=True)
def _files_need_not_outlive_a_power_cut() -> Iterator[None]:
    """Writing through to the disk would be most of a case's time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", lambda _: None)
        yield


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """What is answered otherwise, and how we read it."""
    return {
        "policy": draw(st.sampled_from([Policy.KEEP, Policy.DROP, Policy.DROP])),
        "rows": draw(st.sampled_from([0, 1, 3, 3, 101])),
        "operation": draw(st.sampled_from(["poll", "poll", "poll", "poll", "submit", "count", "states"])),
        "times": draw(st.sampled_from([1, 10**9, 10**9])),
        "keeps_pages": draw(st.booleans()),
        "steps": draw(steps),
    }


@profile()
@given(case=cases())
def test_any_answer_lands_whole_or_is_refused(heard: Listening, case: dict[str, Any]) -> None:
    """The day, or row and field, or the page; in one line; nothing personal under `drop`; the other days land."""
    heard.lines.clear()
    api = HostileApi(case["rows"], case["steps"], case["operation"], case["times"])
    privacy = POLICIES[case["policy"]]
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "data")
        outcomes, stopped = load(api, case, privacy)
        told = [str(stopped)] if stopped else []
        for outcome in outcomes:
            if isinstance(outcome, FailedDay):
                event(f"refused: {type(outcome.error).__name__}")
                assert outcome.request.day.key == HOSTILE
                told.append(refused_well(outcome.error))
                if isinstance(outcome.error, UnparsableRowError):
                    aside = set_aside(Path(folder) / "quarantine", HOSTILE, outcome.error)
                    told += [aside.read_text()] if privacy.policy is Policy.DROP else []
            elif outcome.day.key == HOSTILE:
                landed_well(lake, outcome, api, privacy)
            else:
                assert outcome.table.num_rows == case["rows"]
                if case["keeps_pages"]:  # as good as always, and half the time
                    land_day(lake, outcome, source=SOURCE, privacy=privacy)
        honest = {outcome.day.key for outcome in outcomes if isinstance(outcome, LoadedDay)} - {HOSTILE}
        assert honest == set(DAYS) - {HOSTILE}
        if privacy.policy is Policy.DROP:
            for text in [*told, *heard.lines]:
                assert PERSONAL not in text
    assert all(line.isprintable() for line in heard.lines)


@pytest.mark.parametrize(("rows", "hostile_page"), [(1, 1), (101, 2)])
def test_a_list_that_never_fits_together_is_given_up(rows: int, hostile_page: int) -> None:
    """A page lacks a row that its total counts, or has another total than page 1: the day lands without its states."""

    def lie(sent: Sent) -> Sent:
        document = copy.deepcopy(sent.document)
        if document["data"]["offset"] == hostile_page:
            document["data"]["total"] += 1
        return replace(sent, document=document)

    api = HostileApi(rows, [Step("lie", (), lie)], "states")
    outcomes, stopped = load(api, {"operation": "states", "keeps_pages": False}, POLICIES[Policy.KEEP])
    assert stopped is None
    (day,) = (outcome for outcome in outcomes if isinstance(outcome, LoadedDay) and outcome.day.key == HOSTILE)
    assert day.states is None
    assert "total" in day.states_note or "promised" in day.states_note
    assert api.counts["states"] < 40


def load(
    api: HostileApi, case: dict[str, Any], privacy: Privacy
) -> tuple[list[LoadedDay | FailedDay], Exception | None]:
    """What comes out, and why it ended before its days, if it did."""
    clock = VirtualClock()
    options = LoaderOptions(proof=case["operation"] == "count", states="on" if case["operation"] == "states" else "off")
    outcomes: list[LoadedDay | FailedDay] = []
    with (
        RequestBudget("id", RequestRate(10_000, 1)) as budget,
        SonnysClient(
            "id", "key-4711", base_url="https://api.test/v1", budget=budget, quotes_pages=privacy.policy is Policy.KEEP
        ) as client,
    ):
        client._transport._session.mount("https://", api)
        loader = Loader(
            client.unthrottled(),
            VirtualBudget(clock),
            VirtualWorkerPool(clock),
            options,
            reader=PageReader(privacy, case["keeps_pages"], clock.now),
            clock=clock,
            now=clock.now,
            jitter=random.Random(1).random,
        )
        try:
            for outcome in loader.load(DayRequest(Day.of(key)) for key in DAYS):
                outcomes.append(outcome)  # noqa: PERF402 - what came before it was stopped counts
        except LoadingStoppedError as stopped:
            event("stopped")
            return outcomes, stopped
    return outcomes, None


def refused_well(error: APIError) -> str:
    """One line that says what and where, all the way down; what of it could be shown to somebody."""
    texts = []
    one: BaseException | None = error
    while one is not None:
        texts.append(str(one))
        one = one.__cause__
    said = texts[0]
    assert said.isprintable(), said
    assert 0 < len(said) < LONGEST_MESSAGE
    assert "Traceback" not in said
    if isinstance(error, UnparsableRowError):
        assert error.field
        assert said.startswith("row ")
        assert "of load job" in said or "transId" in said or error.page_hash is None
    else:
        where = ("load job", "window", "GET /", "POST /", "HTTP ", "hash", "submit:", "poll:", "states", "site")
        assert any(word in said for word in where), said
    return " ".join(texts)


def landed_well(lake: Lake, loaded: LoadedDay, api: HostileApi, privacy: Privacy) -> None:
    """All that was sent and promised, each id once, of this day; and whatever reads it afterwards can."""
    event(f"landed, {'changed' if loaded.repeats or loaded.replaced_text or loaded.unknown_fields else 'plain'}")
    ids = loaded.table["id"].to_pylist()
    assert len(set(ids)) == len(ids) == sum(window.total - window.cut_off for window in loaded.windows)
    page_hashes = [job_hash for window in loaded.windows for job_hash in window.job_hashes]
    served = set().union(*(sent_ids(api.served[job_hash]) for job_hash in page_hashes if job_hash in api.served))
    if api.operation == "poll" and not any("\ufffd" in row_id for row_id in ids):
        assert set(ids) <= served
    try:
        land_day(lake, loaded, source=SOURCE, privacy=privacy)
    except LakeError as refusal:
        event(f"not landed: {type(refusal).__name__}")
        assert str(refusal).isprintable()  # noqa: PT017 - one of two good ends
        return
    read = lake.read("transactions", [HOSTILE])
    assert sorted(read["id"].to_pylist()) == sorted(ids)
    assert abs(sales_total(read)) <= MAX_AMOUNT * max(1, len(ids))
    assert content_digest(loaded.table)
    for flat in (tables.line_items, tables.tenders, tables.discounts):
        assert flat(loaded.table).num_rows >= 0
    for text in loaded.table["extra"].to_pylist():
        json.loads(text or "{}", parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    if privacy.policy is Policy.DROP:
        personal = ("customer_name", "customer_id", "vehicle_license_plate", "employee_cashier", "employee_greeter")
        assert all(loaded.table[name].null_count == len(ids) for name in personal)
        assert PERSONAL not in json.dumps(loaded.table["extra"].to_pylist())
        for window in loaded.windows:
            assert all(PERSONAL.encode() not in page.body for page in window.raw_pages)


def test_the_suite_sees_what_it_is_for(heard: Listening) -> None:
    """Without a change each day lands; so a case that refuses everything cannot pass for a good one."""
    api = HostileApi(101, [Step("none", (), lambda sent: sent)])
    case = {"operation": "states", "keeps_pages": True}
    outcomes, stopped = load(api, case, Privacy(Policy.DROP))
    assert stopped is None
    assert [outcome.table.num_rows for outcome in outcomes if isinstance(outcome, LoadedDay)] == [101] * 3
