"""Failures and failed checks, told to somebody: to the log, and to a webhook where one is set (`SONNYS_WEBHOOK_URL`).

A sensor of our own, not Dagster's for run failures: one look serves failed runs and those that succeeded with a failed
check, and a message that could not be delivered is tried again at the next look instead of being lost.

Belongs here: which runs are told, and delivery. Does not belong here: the words (`messages.py`).
"""

import json
from collections.abc import Callable, Iterator

import dagster as dg
import requests

from sonnys_pipeline.orchestration.messages import for_chat, message_of
from sonnys_pipeline.settings import Settings, SettingsError

#: Seconds between looks.
_INTERVAL = 30
#: Runs that one look tells of; the others wait for the next one.
_MOST_RUNS = 20
#: Looks at which one message is tried: an hour of them.
_MOST_ATTEMPTS = 120
#: Seconds to connect, and to answer.
_TIMEOUT = (5.0, 10.0)

#: Takes a message to where it is read.
Deliver = Callable[[str], None]


class DeliveryError(Exception):
    """A message was not taken; the address, which is a secret, is not in the error."""


def alerts_sensor(open_delivery: Callable[[], Deliver | None] | None = None) -> dg.SensorDefinition:
    """Tells of each run that ended badly, or whose checks found something, once.

    Args:
        open_delivery: gives what takes messages beside the log, or `None`; left out, the webhook of the settings.
    """

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=_INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="One message for each run that failed or whose checks found something: to the log, and to "
        "SONNYS_WEBHOOK_URL where it is set.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if context.cursor is None:
            # What ended before anybody listened is history, not news.
            return dg.SensorResult(skip_reason="listening from now on", cursor=_last_event(context.instance))
        try:
            deliver = (open_delivery or _webhook)()
        except SettingsError as error:
            context.log.warning("messages go to the log only: %s", error)
            deliver = None
        told, cursor, attempts = 0, *_place(context.cursor)
        for storage_id, run in _ended_runs(context.instance, cursor):
            if message := message_of(context.instance, run):
                if not attempts:
                    context.log.warning("%s", message)
                try:
                    if deliver is not None:
                        deliver(message)
                    told += 1
                except DeliveryError as error:
                    if attempts + 1 < _MOST_ATTEMPTS:
                        context.log.warning("run %s: not told yet, tried again at the next look: %s", run.run_id, error)
                        return dg.SensorResult(skip_reason=f"not delivered: {error}", cursor=f"{cursor}/{attempts + 1}")
                    # One message that the other side will never take must not hold up all that come after it.
                    context.log.warning("run %s: given up after %d attempts: %s", run.run_id, _MOST_ATTEMPTS, error)
            cursor, attempts = storage_id, 0
        return dg.SensorResult(skip_reason=_told(told), cursor=f"{cursor}/0")

    return alerts


def webhook(url: str) -> Deliver:
    """Posts `{"text": …}`, as Slack, Mattermost and Teams' workflows take it; redirects are not followed.

    Nothing in the text is markup to them, and nothing of `~/.netrc` goes along: the address alone lets one post.
    """

    def deliver(message: str) -> None:
        try:
            answer = requests.post(
                url,
                data=json.dumps({"text": for_chat(message)}).encode(),
                headers={"Content-Type": "application/json"},
                timeout=_TIMEOUT,
                allow_redirects=False,
                auth=lambda request: request,  # or the library would look into ~/.netrc
            )
        except requests.RequestException as error:
            # Its text would have the address in it.
            raise DeliveryError(f"the webhook could not be reached ({type(error).__name__})") from None
        if not 200 <= answer.status_code < 300:
            raise DeliveryError(f"the webhook answered {answer.status_code}; look at SONNYS_WEBHOOK_URL")

    return deliver


def _told(messages: int) -> str:
    """Said of a look, since a sensor without runs to ask for has to give a reason."""
    return {0: "nothing to tell", 1: "1 message told"}.get(messages, f"{messages} messages told")


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


def _last_event(instance: dg.DagsterInstance) -> str:
    found = (
        record.storage_id
        for wanted in _filters()
        for record in instance.fetch_run_status_changes(wanted, limit=1).records
    )
    return str(max(found, default=0))


def _filters(after: int | None = None) -> Iterator[dg.RunStatusChangeRecordsFilter]:
    yield dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_FAILURE, after_storage_id=after)
    yield dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_SUCCESS, after_storage_id=after)
    yield dg.RunStatusChangeRecordsFilter(dg.DagsterEventType.RUN_CANCELED, after_storage_id=after)


def _place(cursor: str) -> tuple[int, int]:
    """The last event that was told of, and how often the next one was tried."""
    event, _, attempts = cursor.partition("/")
    return int(event), int(attempts or 0)
