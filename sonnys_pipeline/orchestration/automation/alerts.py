"""Notifications of failures and failed checks: in the log, and to a webhook if one is set (`SONNYS_WEBHOOK_URL`).

A sensor of our own, since Dagster's for run failures does not cover successful runs with a failed check, or backfills
that ended without a run. One look sends one message; a message that could not be delivered is tried again at the next
look. A break gets one message, and one more when it is well again (KT-05). One message a day lists what stays open.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, time
from typing import Self
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus, PartitionBackfill

from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.orchestration.automation.delivery import Deliver, DeliveryError, webhook
from sonnys_pipeline.orchestration.automation.messages import backfill_message, together
from sonnys_pipeline.orchestration.automation.standing import Standing

#: Seconds between looks.
_INTERVAL = 30
#: Runs reported per look; the others wait for the next one.
_MOST_RUNS = 20
#: Time of the daily message about what is still open: half an hour after the first check of the day.
_SUMMARY = time(8, 30)
#: Attempts to deliver a message: an hour of them.
_MOST_ATTEMPTS = 120


@dataclass(frozen=True)
class _Place:
    """The sensor's cursor.

    Attributes:
        event: the last end of a run that was handled.
        backfill: instant of the last handled end of a backfill, in seconds since 1970.
        attempts: of the next message.
        summary: day of the last summary, `YYYY-MM-DD`.
        standing: what is broken and was told.
    """

    event: int
    backfill: float = 0.0
    attempts: int = 0
    summary: str = ""
    standing: Standing = field(default_factory=Standing)

    @classmethod
    def of(cls, cursor: str) -> Self:
        found = json.loads(cursor)
        return cls(**{**found, "standing": Standing(**found["standing"])})

    def __str__(self) -> str:
        return json.dumps(asdict(self))


def alerts_sensor(
    open_delivery: Callable[[], Deliver | None] | None = None,
    timezone: str = "UTC",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    name: str = "alerts",
) -> dg.SensorDefinition:
    """Tells what broke or is well again since the last look.

    Args:
        open_delivery: replaces the webhook.
        timezone: IANA name of the zone whose mornings have the summary.
        now: gives an aware instant.
        name: of the sensor.
    """

    @dg.sensor(
        name=name,
        minimum_interval_seconds=_INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports what broke and what is well again, once each, and what is still open once a day: to the "
        "log, and to SONNYS_WEBHOOK_URL if it is set.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if context.cursor is None:
            # What ended before anybody listened is history, not news.
            begin = _Place(_last_event(context.instance), _last_failed_backfill(context.instance))
            return dg.SensorResult(skip_reason="will report runs that end from now on", cursor=str(begin))
        try:
            deliver = (open_delivery or _webhook)()
        except SettingsError as error:
            context.log.warning("messages go to the log only: %s", error)
            deliver = None
        place = _Place.of(context.cursor)
        news = _news(context.instance, place, now().astimezone(ZoneInfo(timezone)))
        told = 0
        while parts := [text for text, _ in news if text]:
            if not place.attempts:
                context.log.warning("%s", together(parts))
            try:
                if deliver is not None:
                    deliver(together(parts))
                told = len(parts)
                break
            except DeliveryError as error:
                if place.attempts + 1 < _MOST_ATTEMPTS:
                    context.log.warning("not delivered yet, will try again: %s", error)
                    again = replace(place, attempts=place.attempts + 1)
                    return dg.SensorResult(skip_reason=f"not delivered: {error}", cursor=str(again))
                # One message that the other side will never take must not hold up all that come after it.
                first = next(number for number, (text, _) in enumerate(news) if text)
                context.log.warning("given up after %d attempts (%s): %s", _MOST_ATTEMPTS, error, news[first][0])
                place, news = news[first][1], news[first + 1 :]
        after = replace(news[-1][1] if news else place, attempts=0)
        return dg.SensorResult(skip_reason=_told(told), cursor=str(after))

    return alerts


def _news(instance: dg.DagsterInstance, place: _Place, now: datetime) -> list[tuple[str | None, _Place]]:
    """What has ended since, each with what is to be told of it, if anything, and the place behind it."""
    found: list[tuple[str | None, _Place]] = []
    today = now.date().isoformat()
    for storage_id, run in _ended_runs(instance, place.event):
        standing, text = place.standing.after(instance, run, today)
        place = replace(place, event=storage_id, attempts=0, standing=standing)
        found.append((text, place))
    for backfill in _failed_backfills(instance, place.backfill):
        place = replace(place, backfill=backfill.backfill_end_timestamp or place.backfill, attempts=0)
        found.append((backfill_message(backfill), place))
    if now.time() >= _SUMMARY and place.summary != today:
        place = replace(place, summary=today, attempts=0)
        found.append((place.standing.summary(today), place))
    return found


def _told(things: int) -> str:
    """Said of a look, since a sensor without runs to ask for has to give a reason."""
    return {0: "nothing to report", 1: "1 message sent"}.get(things, f"{things} messages sent as one")


def _webhook() -> Deliver | None:
    url = Settings.load().webhook_url
    return webhook(url.get_secret_value()) if url else None


def _ended_runs(instance: dg.DagsterInstance, after: int) -> Iterator[tuple[int, dg.DagsterRun]]:
    """Runs that ended after an event, in the order of their ends, with the event that ended each."""
    ends = sorted(
        (record.storage_id, record.run_id)
        for wanted in _filters(after)
        for record in instance.fetch_run_status_changes(wanted, limit=_MOST_RUNS, ascending=True).records
    )
    for storage_id, run_id in ends[:_MOST_RUNS]:
        if (run := instance.get_run_by_id(run_id)) is not None:
            yield storage_id, run


def _failed_backfills(instance: dg.DagsterInstance, after: float) -> list[PartitionBackfill]:
    """Backfills that Dagster itself gave up since an instant; those whose runs failed are told of by their runs."""
    found = instance.get_backfills(filters=BulkActionsFilter(statuses=[BulkActionStatus.FAILED]), limit=_MOST_RUNS)
    ended = [one for one in found if one.error is not None and (one.backfill_end_timestamp or 0.0) > after]
    return sorted(ended, key=lambda one: one.backfill_end_timestamp or 0.0)


def _last_failed_backfill(instance: dg.DagsterInstance) -> float:
    return max((one.backfill_end_timestamp or 0.0 for one in _failed_backfills(instance, 0.0)), default=0.0)


def _last_event(instance: dg.DagsterInstance) -> int:
    found = (
        record.storage_id
        for wanted in _filters()
        for record in instance.fetch_run_status_changes(wanted, limit=1).records
    )
    return max(found, default=0)


def _filters(after: int | None = None) -> Iterator[dg.RunStatusChangeRecordsFilter]:
    yield dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=after)
    yield dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_SUCCESS, after_storage_id=after)
    yield dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_CANCELED, after_storage_id=after)
