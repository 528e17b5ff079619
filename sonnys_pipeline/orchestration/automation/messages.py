"""Readable messages about failed runs, failed checks and backfills: what, why, what to do."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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


def message_of(instance: dg.DagsterInstance, run: dg.DagsterRun, findings: Sequence[str], well: Sequence[str]) -> str:
    """What a person should know about a run that ended.

    Args:
        instance: where its events are.
        run: the run.
        findings: what its checks newly found, in sentences.
        well: what is well again, in sentences.
    """
    is_only_well = run.status is dg.DagsterRunStatus.SUCCESS and not findings
    status = "succeeded" if is_only_well else _STATUS.get(run.status, str(run.status.value).lower())
    head = f"{subject_of(run)} {status}"
    if run.tags.get(WILL_RETRY_TAG) == "true":
        head += "; Dagster will retry it"
    where = f"Run {run.run_id[:8]}: /runs/{run.run_id}"
    body = printable_lines("\n".join([*_failures(instance, run), *(f"- {line}" for line in (*findings, *well))]))
    room = _MESSAGE - len(head) - len(where)
    return "\n".join([head, cut(body, room), where] if body else [head, where])


def for_chat(message: str) -> str:
    """A message without markup for a chat server: it mentions nobody, hides no link and shows no picture.

    Errors and findings quote foreign text. `&`, `<` and `>` are escaped as Slack requires; an `@` that could mention
    somebody, and the address of a link, are broken by a zero-width space.
    """
    text = message.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CALLS.sub("\\g<0>\N{ZERO WIDTH SPACE}", text)


def subject_of(run: dg.DagsterRun) -> str:
    """The job, or the assets that were chosen by hand, and the days."""
    if not run.job_name.startswith("__"):
        name = run.job_name
    else:
        chosen = sorted(key.to_user_string() for key in run.asset_selection or ())
        name = ", ".join(chosen) or "a run"
    first, last = days_of(run)
    days = first if first == last else f"{first} … {last}"
    return f"{name} of {days}" if days else name


def days_of(run: dg.DagsterRun) -> tuple[str, str] | tuple[None, None]:
    """First and last day of a run; `None` twice if it has none."""
    first, last = (run.tags.get(tag) or run.tags.get(_PARTITION) for tag in RANGE)
    return (first, last) if first is not None and last is not None else (None, None)


def _failures(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    """Why each failed step failed, in the step's own words; what ended the run, where no step did."""
    found = False
    for event in _events(instance, run, dg.DagsterEventType.STEP_FAILURE):
        data = event.step_failure_data
        own = data.user_failure_data.description if data.user_failure_data else None
        said = own or (data.error.message if data.error else "") or "no reason was given"
        found = True
        yield f"- {event.step_key}: {cut(said.strip(), _PART)}"
    if not found and run.status is dg.DagsterRunStatus.FAILURE:
        for event in _events(instance, run, dg.DagsterEventType.RUN_FAILURE):
            yield f"- {cut((event.message or 'no reason was given').strip(), _PART)}"


@dataclass(frozen=True)
class CheckResult:
    """What one check of a run found in the run as a whole.

    Attributes:
        name: asset and check.
        problems: by day; the key is empty for what is not about single days. Empty if the check passed.
        text: all of them in a sentence, with the severity.
        is_about_all_days: whether it looks at all landed days, whatever the days of its run.
    """

    name: str
    problems: Mapping[str, str]
    text: str
    is_about_all_days: bool


def check_results(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[CheckResult]:
    """What the checks of a run found; evaluations of single days are a part of that."""
    found = []
    for event in _events(instance, run, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        evaluation = event.asset_check_evaluation_data
        if evaluation.partition is not None:
            continue
        name = f"{evaluation.asset_key.to_user_string()}.{evaluation.check_name}"
        kind = "blocking check" if evaluation.blocking else "check"
        text = f"{kind} {name} ({evaluation.severity.value}): {cut(_problems(evaluation), _PART)}"
        problems = {} if evaluation.passed else _problems_by_day(evaluation)
        found.append(CheckResult(name, problems, text, ABOUT in evaluation.metadata))
    return found


def _problems_by_day(evaluation: dg.AssetCheckEvaluation) -> Mapping[str, str]:
    """As `checks/evaluations.py` writes them; without notes, which change with every run."""
    value = getattr(evaluation.metadata.get("problems"), "value", None)
    if isinstance(value, dict) and value:
        return {str(day): json.dumps(problems) for day, problems in value.items()}
    return {"": _problems(evaluation)}


def backfill_message(backfill: PartitionBackfill) -> str:
    """What a person should know about a backfill that Dagster gave up without a run that reports it."""
    said = " ".join((backfill.error.message if backfill.error else "no reason was given").split())
    where = f"/runs/b/{backfill.backfill_id}"
    return f"Dagster gave up backfill {backfill.backfill_id}; launch it again\n- {cut(said, _PART)}\n{where}"


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


def cut(text: str, most: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 2]} …"
