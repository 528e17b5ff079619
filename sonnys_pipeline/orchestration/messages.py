"""One readable message for a run that failed, or whose checks found something: what, which days, why, what to do.

Belongs here: a run's record → text. Does not belong here: when it is sent, and where to (`alerts.py`).
"""

import json
import re
from collections.abc import Iterator, Sequence

import dagster as dg

from sonnys_pipeline.client.quoting import printable_lines
from sonnys_pipeline.orchestration.verdicts import ABOUT, RANGE

#: What begins a call (`@channel`), the address behind a text (`[text](address)`), and a bare address.
_CALLS = re.compile(r"@(?=\w)|\](?=\()|:(?=//)")
_PARTITION = "dagster/partition"
#: Characters of one part, and of a message as a whole: chat servers cut or refuse what is much longer.
_PART, _MESSAGE = 1200, 3500
_STATUS = {
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "was terminated",
    dg.DagsterRunStatus.SUCCESS: "succeeded, and its checks found something",
}


def message_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """What a person should know of a run that has ended; `None` where all is well.

    Args:
        instance: that remembers the run's events.
        run: a run that failed, was terminated, or succeeded.
    """
    failures, checks = list(_failures(instance, run)), list(_failed_checks(instance, run))
    if run.status is dg.DagsterRunStatus.SUCCESS and not checks:
        return None
    head = f"{_what(run)} {_STATUS.get(run.status, str(run.status.value).lower())}"
    where = f"Run {run.run_id[:8]}: /runs/{run.run_id}"
    body = printable_lines("\n".join([*failures, *checks]))
    room = _MESSAGE - len(head) - len(where)
    return "\n".join([head, _cut(body, room), where] if body else [head, where])


def for_chat(message: str) -> str:
    """A message in which a chat server finds no markup: it calls nobody, hides no link and shows no picture.

    What a run failed with, and what checks found, quotes text that others wrote. `&`, `<` and `>` are escaped as Slack
    asks for; an `@` that could call somebody, and the address of a link, are broken by a space that has no width.
    """
    text = message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CALLS.sub("\\g<0>\N{ZERO WIDTH SPACE}", text)


def _what(run: dg.DagsterRun) -> str:
    """The job, or the assets that were chosen by hand, and the days."""
    if not run.job_name.startswith("__"):
        name = run.job_name
    else:
        chosen = sorted(key.to_user_string() for key in run.asset_selection or ())
        name = ", ".join(chosen) or "a run"
    days = _days(run)
    return f"{name} of {days}" if days else name


def _days(run: dg.DagsterRun) -> str | None:
    first, last = (run.tags.get(tag) for tag in RANGE)
    return run.tags.get(_PARTITION) or (f"{first} … {last}" if first != last else first)


def _failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    """Why each failed step failed, in the step's own words; what ended the run, where no step did."""
    found = False
    for event in _events(instance, run, dg.DagsterEventType.STEP_FAILURE):
        data = event.step_failure_data
        own = data.user_failure_data.description if data.user_failure_data else None
        said = own or (data.error.message if data.error else "") or "no reason was given"
        found = True
        yield f"- {event.step_key}: {_cut(said.strip(), _PART)}"
    if not found and run.status is dg.DagsterRunStatus.FAILURE:
        for event in _events(instance, run, dg.DagsterEventType.RUN_FAILURE):
            yield f"- {_cut((event.message or 'no reason was given').strip(), _PART)}"


def _failed_checks(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    """What each failed check found in the run as a whole; its evaluations of single days are a part of that."""
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        beside_the_point = ABOUT in evaluation.metadata and _days(run) is not None
        if evaluation.passed or evaluation.partition is not None or beside_the_point:
            continue
        kind = "blocking check" if evaluation.blocking else "check"
        name = f"{evaluation.asset_key.to_user_string()}.{evaluation.check_name}"
        yield f"- {kind} {name} ({evaluation.severity.value}): {_cut(_problems(evaluation), _PART)}"


def _problems(evaluation: dg.AssetCheckEvaluation) -> str:
    if evaluation.description:
        return evaluation.description
    problems = evaluation.metadata.get("problems")
    return json.dumps(problems.value) if problems is not None else "it says no more"


def _events(
    instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType
) -> Sequence[dg.DagsterEvent]:  # fmt: skip
    entries = instance.all_logs(run.run_id, of_type=kind)
    return [entry.dagster_event for entry in entries if entry.dagster_event is not None]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 2]} …"
