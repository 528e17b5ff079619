"""BM-09, LJ-09: failures and failed checks become one readable message each: once, and without secrets."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster_shared.error import SerializableErrorInfo

from sonnys_pipeline.orchestration.automation.alerts import alerts_sensor
from sonnys_pipeline.orchestration.automation.delivery import DeliveryError
from sonnys_pipeline.orchestration.automation.messages import together
from sonnys_pipeline.orchestration.automation.mornings import LANDS_ALL_TAG, MORNING_TAG
from sonnys_pipeline.orchestration.checks.evaluations import ABOUT


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory."""
    with dg.DagsterInstance.ephemeral() as memory:
        yield memory


class Inbox:
    """Takes messages, or refuses the first ones."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.messages: list[str] = []

    def __call__(self, message: str) -> None:
        if self.refusals:
            self.refusals -= 1
            raise DeliveryError("the webhook answered 503")
        self.messages.append(message)


class Listener:
    """The sensor, look after look, as the daemon calls it."""

    def __init__(self, instance: dg.DagsterInstance, inbox: Inbox | None) -> None:
        self._instance, self._cursor = instance, None
        self.now = datetime(2026, 3, 13, 8, tzinfo=UTC)
        self._sensor = alerts_sensor(lambda: inbox, now=lambda: self.now)
        self.look()

    def look(self) -> str:
        """What the sensor says of its look."""
        with dg.build_sensor_context(self._instance, cursor=self._cursor) as context:
            result = self._sensor.evaluate_tick(context)
        self._cursor = result.cursor
        return result.skip_message or ""


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-03-01"))
def rows(context: dg.AssetExecutionContext) -> None:
    """Fails on the tenth."""
    if context.partition_key == "2026-03-10":
        raise dg.Failure("2026-03-10 was not landed: ServerError: 503; run it again when the API works")


@dg.asset_check(asset=rows)
def sound() -> dg.AssetCheckResult:
    """Never is."""
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.WARN, description="2026-03-11: 2 ids are odd: 876:1, 877:1"
    )


def run(instance: dg.DagsterInstance, day: str, *checks: dg.AssetChecksDefinition) -> dg.ExecuteInProcessResult:
    return dg.materialize([rows, *checks], partition_key=day, instance=instance, raise_on_error=False)


def test_a_failed_run_is_told_once(instance):
    """The message names assets, day, reason, remedy and run; the next look has nothing to report."""
    inbox = Inbox()
    listener = Listener(instance, inbox)
    failed = run(instance, "2026-03-10")

    assert "1 message sent" in listener.look()
    assert "nothing" in listener.look()

    (message,) = inbox.messages
    assert "2026-03-10 failed" in message
    assert "2026-03-10 was not landed: ServerError: 503; run it again" in message
    assert f"/runs/{failed.run_id}" in message
    assert message.count("was not landed") == 1


def test_a_run_that_succeeds_with_a_failed_check_is_told(instance):
    """A check that only warns: its name, severity and the ids that it names are in the message."""
    inbox = Inbox()
    listener = Listener(instance, inbox)
    assert run(instance, "2026-03-11", sound).success

    listener.look()

    (message,) = inbox.messages
    assert "rows.sound (WARN)" in message
    assert "876:1, 877:1" in message
    assert "2026-03-11 succeeded" in message


def test_a_good_run_is_not_told(instance):
    """Silence means that all is well."""
    inbox = Inbox()
    listener = Listener(instance, inbox)
    assert run(instance, "2026-03-12").success

    assert "nothing" in listener.look()
    assert inbox.messages == []


def test_what_ended_before_is_history(instance):
    """A sensor that is switched on for the first time does not retell the past."""
    run(instance, "2026-03-10")
    inbox = Inbox()
    listener = Listener(instance, inbox)

    listener.look()

    assert inbox.messages == []


def test_what_was_not_delivered_is_tried_again_in_order(instance):
    """Two refusals: neither of two messages is lost, none comes twice, the older one first."""
    inbox = Inbox(refusals=2)
    listener = Listener(instance, inbox)
    first = run(instance, "2026-03-10")
    second = run(instance, "2026-03-11", sound)

    assert "not delivered" in listener.look()
    assert "not delivered" in listener.look()
    assert inbox.messages == []
    assert "2 messages sent as one" in listener.look()

    (message,) = inbox.messages
    assert 0 < message.index(first.run_id) < message.index(second.run_id)


def test_a_finding_that_stays_is_told_once(instance):
    """KT-05: the same finding again is no news; that it is well again is, once; and so is the next time."""
    inbox, state = Inbox(), {"passed": False}

    @dg.asset_check(asset=rows, name="sound")
    def changing() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=state["passed"], description="2 ids are odd")

    listener = Listener(instance, inbox)
    for passed, told in ((False, 1), (False, 1), (True, 2), (True, 2), (False, 3)):
        state["passed"] = passed
        run(instance, "2026-03-12", changing)
        listener.look()
        assert len(inbox.messages) == told
    assert "succeeded\n- check rows.sound is well again" in inbox.messages[1]


def found(by_day: dict[str, list[str]], note: str = "") -> dg.AssetChecksDefinition:
    """A check that finds this, as those of the pipeline do."""

    @dg.asset_check(asset=rows, name="sound")
    def by_days() -> dg.AssetCheckResult:
        problems = dg.MetadataValue.json(by_day)
        return dg.AssetCheckResult(passed=not by_day, description=f"{by_day}{note}", metadata={"problems": problems})

    return by_days


def test_a_finding_about_a_day_is_told_once(instance):
    """KT-05: notes of the run change, another day is added, a run of other days passes: only the added day is news."""
    inbox = Inbox()
    listener = Listener(instance, inbox)
    odd = {"2026-03-11": ["1 id is odd"]}
    more = {**odd, "2026-03-12": ["2 ids are odd"]}

    for day, check, told in (
        ("2026-03-11", found(odd, note="; 3 overpayments"), 1),
        ("2026-03-11", found(odd, note="; 4 overpayments"), 1),
        ("2026-03-09", found({}), 1),
        ("2026-03-12", found(more), 2),
        ("2026-03-12", found({}), 2),
        ("2026-03-11", found({}), 3),
    ):
        run(instance, day, check)
        listener.look()
        assert len(inbox.messages) == told, (day, inbox.messages[-1])
    assert "is well again" in inbox.messages[-1]


@dg.job
def daily_transactions() -> None:
    """Never executed: its runs end as the tests say."""


def morning(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, lands_all: bool = True) -> None:
    """A run of the morning that ends so."""
    tags = {MORNING_TAG: "2026-03-12", **({LANDS_ALL_TAG: "true"} if lands_all else {})}
    started = instance.create_run_for_job(daily_transactions, tags=tags)
    kind = dg.DagsterEventType.RUN_FAILURE if status is dg.DagsterRunStatus.FAILURE else dg.DagsterEventType.RUN_SUCCESS
    event = dg.DagsterEvent(kind.value, started.job_name, message="the API was away")
    instance.report_dagster_event(event, started.run_id)


def watch(instance: dg.DagsterInstance, listener: Listener, missing: Sequence[str]) -> None:
    """The check of missing days, as the watch schedule runs it, and a look."""

    @dg.asset_check(asset=dg.AssetKey("transactions"))
    def freshness() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=not missing, description=f"missing: {missing}", metadata={ABOUT: "all days"})

    dg.materialize([freshness], instance=instance, selection=dg.AssetSelection.checks(freshness))
    listener.look()


def test_a_morning_that_fails_for_hours_is_told_once(instance):
    """KT-05: the first failure, not the six retries, nor the check that misses the day; then that it is well again."""
    inbox = Inbox()
    listener = Listener(instance, inbox)
    for _ in range(7):
        morning(instance, dg.DagsterRunStatus.FAILURE)
        listener.look()
        watch(instance, listener, ["2026-03-12"])
    assert len(inbox.messages) == 1
    assert "daily_transactions failed" in inbox.messages[0]
    assert "the API was away" in inbox.messages[0]

    morning(instance, dg.DagsterRunStatus.SUCCESS, lands_all=False)  # one of two holes
    listener.look()
    assert len(inbox.messages) == 1
    morning(instance, dg.DagsterRunStatus.SUCCESS)
    listener.look()
    watch(instance, listener, [])
    assert len(inbox.messages) == 2
    assert "daily_transactions is well again; 7 runs failed since 2026-03-13" in inbox.messages[1]

    watch(instance, listener, ["2026-03-13"])  # missing without a failed run: the daemon was away
    assert "missing: ['2026-03-13']" in inbox.messages[2]


def test_what_stays_open_is_in_one_summary_a_day(instance):
    """KT-05: from half past eight on, what was told before that day; nothing on days without."""
    inbox = Inbox()
    listener = Listener(instance, inbox)
    run(instance, "2026-03-12", found({"2026-03-12": ["1 id is odd"]}))
    morning(instance, dg.DagsterRunStatus.FAILURE)
    listener.look()
    listener.now += timedelta(hours=1)
    listener.look()
    assert len(inbox.messages) == 1

    for hours in (22, 1, 1, 10):  # 07:00, 08:00, 09:00, 19:00
        listener.now += timedelta(hours=hours)
        listener.look()
    assert len(inbox.messages) == 2
    assert inbox.messages[1].startswith("Still open on 2026-03-14")
    assert "- daily_transactions has failed since 2026-03-13 (1 run)" in inbox.messages[1]
    assert "- since 2026-03-13: check rows.sound" in inbox.messages[1]

    run(instance, "2026-03-12", found({}))
    morning(instance, dg.DagsterRunStatus.SUCCESS)
    listener.look()
    listener.now += timedelta(days=1)
    listener.look()
    assert len(inbox.messages) == 3


def test_a_long_look_is_one_message_that_a_chat_takes(instance):
    """Ten runs ended since the last look: one message of bounded length, which counts what finds no room."""
    text = together([f"run {number} " + "x" * 1000 for number in range(10)])

    assert len(text) < 4000
    assert "and 7 more: see /runs" in text


def test_a_backfill_that_dagster_gave_up_is_told(instance):
    """It ended without a run that would have told; with Dagster's reason."""
    inbox = Inbox()
    listener = Listener(instance, inbox)
    error = SerializableErrorInfo("CodeLocationGone: not there", [], None)
    given_up = PartitionBackfill(
        "backfill", BulkActionStatus.FAILED, from_failure=False, tags={}, backfill_timestamp=1.0, error=error,
        backfill_end_timestamp=2.0,
    )  # fmt: skip
    instance.add_backfill(given_up)

    listener.look()
    listener.look()

    (message,) = inbox.messages
    assert "CodeLocationGone: not there" in message
    assert "/runs/b/backfill" in message


def test_a_message_that_is_never_taken_does_not_hold_up_the_others(instance, monkeypatch):
    """After its attempts are used up, the next message gets its turn."""
    monkeypatch.setattr("sonnys_pipeline.orchestration.automation.alerts._MOST_ATTEMPTS", 3)
    inbox = Inbox(refusals=3)
    listener = Listener(instance, inbox)
    run(instance, "2026-03-10")
    second = run(instance, "2026-03-11", sound)

    for _ in range(3):
        listener.look()

    (message,) = inbox.messages
    assert second.run_id in message


def test_without_a_webhook_the_log_is_told(instance, capfd):
    """No address is set: the message stands in the sensor's log."""
    listener = Listener(instance, None)
    run(instance, "2026-03-10")

    assert "1 message sent" in listener.look()
    assert "run it again when the API works" in "".join(capfd.readouterr())
