"""Errors of the rooms below as Dagster shows them: what failed, on which day, what to do."""

from dataclasses import asdict

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from sonnys_pipeline.backfill.executor import ExecutionResult
from sonnys_pipeline.client import (
    APIConnectionError,
    APITimeoutError,
    BudgetUnavailableError,
    IncompleteResultError,
    JobFailedError,
    NotFoundError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    SonnysError,
)
from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.extract.retry_policy import JobOverdueError, TotalMovedError
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.ledger.errors import LedgerError, LedgerUnavailableError
from sonnys_pipeline.orchestration.events.metadata import run_metadata
from sonnys_pipeline.runtime.private_folder import StateUnwritableError

#: Errors that the rooms below raise on purpose.
EXPECTED = (SonnysError, LakeError, SettingsError, LedgerError, StateUnwritableError)
#: Names of errors that a retry may not meet again (BM-02), as the ledger and the audit keep them.
_MAY_HEAL = frozenset(
    kind.__name__
    for kind in (
        APIConnectionError, APITimeoutError, BudgetUnavailableError, IncompleteResultError, JobFailedError,
        JobOverdueError, LedgerUnavailableError, NotFoundError, RateLimitError, ResponseFormatError, ServerError,
        TotalMovedError,
    )
)  # fmt: skip
#: Failed days named in a message.
_NAMED_DAYS = 20


def as_failure(error: Exception, day: str | None = None) -> dg.Failure:
    """A failure with day and remedy, without personal data or credentials."""
    metadata: dict[str, dg.MetadataValue] = {"error": dg.MetadataValue.text(type(error).__name__)}
    if day:
        metadata["day"] = dg.MetadataValue.text(day)
    where = f"{day} was not landed: " if day else ""
    return dg.Failure(f"{where}{error}", metadata=metadata, allow_retries=type(error).__name__ in _MAY_HEAL)


def incomplete_run(result: ExecutionResult) -> dg.Failure:
    """A run that did not land all of its days: names failed days, why it stopped, and how to continue."""
    lines = [
        f"{failed.day} was not landed: {failed.error}: {failed.message}" for failed in result.failures[:_NAMED_DAYS]
    ]
    if len(result.failures) > _NAMED_DAYS:
        lines.append(f"and {len(result.failures) - _NAMED_DAYS} more days")
    if result.stopped and not result.failures:
        lines.append(f"the run stopped: {result.stopped}")
    lines.append(
        f"{result.successful} day(s) landed and stay landed, {result.failed} failed, {result.pending} not begun. "
        'When the cause is gone, "Re-execute from failure" goes on with those that are missing.'
    )
    metadata = {
        **run_metadata(result),
        "failed_days": dg.MetadataValue.json([asdict(failed) for failed in result.failures]),
        "stopped": dg.MetadataValue.text(result.stopped or "after its last day"),
    }
    # A retry policy must not restart a run that stopped itself, was cancelled or lost its job.
    may_heal = not result.stopped and all(failed.error in _MAY_HEAL for failed in result.failures)
    return dg.Failure("\n".join(lines), metadata=metadata, allow_retries=may_heal)


def run_failure(error: BaseException) -> BaseException:
    """The failure for an error of the rooms below; any other error unchanged.

    An interrupt becomes a failure too: unchanged, a retry policy would run a terminated run again; swallowed, it would
    count as success.
    """
    if isinstance(error, EXPECTED):
        return as_failure(error)
    if isinstance(error, DagsterExecutionInterruptedError | KeyboardInterrupt):
        return dg.Failure(
            'The run was terminated. What is landed stays landed. In the UI "Re-execute from failure" goes on where it '
            "was; a new run of the same days reads all of them again.",
            allow_retries=False,
        )
    return error


def is_retried(context: dg.AssetExecutionContext, error: BaseException) -> bool:
    """Whether the step's retry policy repeats it after this error."""
    step = context.get_step_execution_context()
    policy = step.op_retry_policy
    if policy is None or step.retry_mode.disabled or context.retry_number >= policy.max_retries:
        return False
    return error.allow_retries if isinstance(error, dg.Failure) else isinstance(error, Exception)
