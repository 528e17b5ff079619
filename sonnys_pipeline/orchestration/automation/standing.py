"""What alerts have reported as broken: each break gets one message, and one more when it is well again (KT-05)."""

import hashlib
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Self

import dagster as dg

from sonnys_pipeline.orchestration.automation.messages import (
    CheckResult,
    check_results,
    cut,
    days_of,
    message_of,
    subject_of,
)
from sonnys_pipeline.orchestration.automation.mornings import LANDS_ALL_TAG, MORNING_TAG

#: Days after which a finding about one day, or a failure of a run that is not the morning's, is no longer listed.
_FORGOTTEN = timedelta(days=14)
#: Characters of a finding in the summary.
_LINE = 300
#: The check that a failed morning fails too: the failure has been told.
_FRESHNESS, _DAILY = "transactions.freshness", "daily_transactions"


@dataclass
class Standing:
    """What is broken.

    Attributes:
        checks: for each check its days with problems (an empty key if not about single days), each with a digest of
            the problems and the day since when they are known.
        texts: the last message about each check.
        runs: for each job, or assets and days, that failed: the day since when, and how many runs failed.
    """

    checks: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    runs: dict[str, tuple[str, int]] = field(default_factory=dict)

    def after(self, instance: dg.DagsterInstance, run: dg.DagsterRun, today: str) -> tuple[Self, str | None]:
        """The state after a run has ended, and the message about it; `None` if there is no news."""
        standing = deepcopy(self)
        is_news, well = standing.note_run(run, today)
        findings = []
        for result in check_results(instance, run):
            is_new, is_well = standing.note_check(result, run, today)
            findings += [result.text] if is_new else []
            well += [f"check {result.name} is well again"] if is_well else []
        if not (is_news or findings or well):
            return standing, None
        return standing, message_of(instance, run, findings, well)

    def summary(self, today: str) -> str | None:
        """What is still open and was told before today, in one message; `None` if there is nothing."""
        lines = [
            f"- {subject} has failed since {since} ({times} {'run' if times == 1 else 'runs'})"
            for subject, (since, times) in sorted(self.runs.items())
            if since < today
        ]
        for check, days in sorted(self.checks.items()):
            since = min(since for _, since in days.values())
            if since < today:
                lines.append(f"- since {since}: {cut(self.texts[check], _LINE)}")
        return "\n".join([f"Still open on {today}; each was reported when it began:", *lines]) if lines else None

    def note_run(self, run: dg.DagsterRun, today: str) -> tuple[bool, list[str]]:
        """Note the end of a run: whether it is news, and what is well again by it, in sentences."""
        self._forget(today)
        is_morning = MORNING_TAG in run.tags
        subject = run.job_name if is_morning else subject_of(run)
        if run.status is dg.DagsterRunStatus.FAILURE:
            since, times = self.runs.get(subject, (today, 0))
            self.runs[subject] = (since, times + 1)
            return times == 0, []
        if run.status is dg.DagsterRunStatus.CANCELED:
            return True, []
        if subject in self.runs and (not is_morning or LANDS_ALL_TAG in run.tags):
            since, times = self.runs.pop(subject)
            return False, [f"{subject} is well again; {times} {'run' if times == 1 else 'runs'} failed since {since}"]
        return False, []

    def note_check(self, result: CheckResult, run: dg.DagsterRun, today: str) -> tuple[bool, bool]:
        """Note the result of a check: whether its finding is new, and whether it is well again."""
        before = self.checks.get(result.name, {})
        first, last = days_of(run)
        if result.problems and (self._is_told_by_its_run(result.name) or (result.is_about_all_days and first)):
            return False, False  # a run over some days is not about all days
        seen = {day for day in before if not day or first is None or last is None or first <= day <= last}
        digests = {day: hashlib.sha256(text.encode()).hexdigest()[:12] for day, text in result.problems.items()}
        found = {day: (digest, before[day][1] if day in before else today) for day, digest in digests.items()}
        # The same problem on another day, such as a field that the API has renamed, is no news.
        is_new = not set(digests.values()) <= {digest for digest, _ in before.values()}
        if now := {day: known for day, known in before.items() if day not in seen} | found:
            self.checks[result.name] = now
        else:
            self.checks.pop(result.name, None)
        if is_new:
            self.texts[result.name] = result.text
        elif not now:
            self.texts.pop(result.name, None)
        return is_new, bool(before) and not now

    def _is_told_by_its_run(self, check: str) -> bool:
        """Whether a check of missing days fails because of a failed morning that was told."""
        if not check.endswith(_FRESHNESS):
            return False
        account = check.removesuffix(_FRESHNESS).strip("/")
        return (f"{account}_{_DAILY}" if account else _DAILY) in self.runs

    def _forget(self, today: str) -> None:
        limit = (date.fromisoformat(today) - _FORGOTTEN).isoformat()
        for check, days in list(self.checks.items()):
            kept = {day: known for day, known in days.items() if not day or known[1] >= limit}
            if kept:
                self.checks[check] = kept
            else:
                del self.checks[check]
        for subject in [subject for subject, (since, _) in self.runs.items() if " of " in subject and since < limit]:
            del self.runs[subject]
