"""Readable messages about failed runs, failed checks and backfills: what, why, what to do."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.storage.tags import WILL_RETRY_TAG

from sonnys_pipeline.orchestration.checks.evaluations import ABOUT, RANGE
from sonnys_pipeline.runtime.quoting import printable_lines

#: The start of a mention (`@channel`), of a link's address (`[text](address)`), and a bare address.
_CALLS = re.compile(r"@(?=\w)|\](?=\()|:(?=//)")
_PARTITION = "dagster/partition"
#: Longest part, and longest message, in characters: chat servers cut or refuse longer ones.
_PART, _MESSAGE = 1200, 3500
_STATUS = {
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "was terminated",
    dg.DagsterRunStatus.SUCCESS: "succeeded, and its checks found something",
}


def message_of(instance: dg.DagsterInstance, run: dg.DagsterRun, known: Mapping[str, str] | None = None) -> str | None:
    """What a person should know about a run that ended; `None` if all is well or nothing is new.

    `known` has each check's last reported finding by name; another finding is reported again.
    """
    told = known or {}
    found = findings_of(instance, run)
    checks = [f"- {problem}" for name, problem in found if problem is not None and told.get(name) != problem]
    failures = list(_failures(instance, run))
    if run.status is dg.DagsterRunStatus.SUCCESS and not checks:
        return None
    head = f"{_what(run)} {_STATUS.get(run.status, str(run.status.value).lower())}"
    if run.tags.get(WILL_RETRY_TAG) == "true":
        head += "; Dagster will retry it"
    where = f"Run {run.run_id[:8]}: /runs/{run.run_id}"
    body = printable_lines("\n".join([*failures, *checks]))
    room = _MESSAGE - len(head) - len(where)
    return "\n".join([head, _cut(body, room), where] if body else [head, where])


def for_chat(message: str) -> str:
    """A message without markup for a chat server: it mentions nobody, hides no link and shows no picture.

    Errors and findings quote foreign text. `&`, `<` and `>` are escaped as Slack requires; an `@` that could mention
    somebody, and the address of a link, are broken by a zero-width space.
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


def findings_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[tuple[str, str | None]]:
    """What each check of a run found in the run as a whole, by its name; `None` where it passed.

    Evaluations of single days are a part of that; a check of all days is beside the point of a run over some of them.
    """
    found: list[tuple[str, str | None]] = []
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        beside_the_point = ABOUT in evaluation.metadata and _days(run) is not None
        if evaluation.partition is not None or beside_the_point:
            continue
        name = f"{evaluation.asset_key.to_user_string()}.{evaluation.check_name}"
        if evaluation.passed:
            found.append((name, None))
            continue
        kind = "blocking check" if evaluation.blocking else "check"
        found.append((name, f"{kind} {name} ({evaluation.severity.value}): {_cut(_problems(evaluation), _PART)}"))
    return found


def backfill_message(backfill: PartitionBackfill) -> str:
    """What a person should know about a backfill that Dagster gave up without a run that reports it."""
    said = " ".join((backfill.error.message if backfill.error else "no reason was given").split())
    where = f"/runs/b/{backfill.backfill_id}"
    return f"Dagster gave up backfill {backfill.backfill_id}; launch it again\n- {_cut(said, _PART)}\n{where}"


def together(messages: Sequence[str]) -> str:
    """Several messages as one, within the length that chat servers accept; omitted ones are counted."""
    text = ""
    for number, message in enumerate(messages):
        if text and len(text) + len(message) > _MESSAGE:
            return f"{text}\n\nand {len(messages) - number} more: see /runs"
        text += f"\n\n{message}" if text else message
    return text


def _problems(evaluation: dg.AssetCheckEvaluation) -> str:
    if evaluation.description:
        return evaluation.description
    problems = evaluation.metadata.get("problems")
    return json.dumps(problems.value) if problems is not None else "no description"


def _events(
    instance: dg.DagsterInstance, run: dg.DagsterRun, kind: dg.DagsterEventType
) -> Sequence[dg.DagsterEvent]:  # fmt: skip
    entries = instance.all_logs(run.run_id, of_type=kind)
    return [entry.dagster_event for entry in entries if entry.dagster_event is not None]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 2]} …"
