"""Errors of the floors below, as Dagster shows them: what failed, on which day, what to do about it."""

import dagster as dg

from sonnys_pipeline.client import (
    APIConnectionError,
    AuthError,
    IncompleteResultError,
    JobFailedError,
    RateLimitError,
    ServerError,
    SonnysError,
    UnparsableRowError,
)
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.settings import SettingsError

#: What the floors below raise on purpose.
EXPECTED = (SonnysError, LakeError, SettingsError)
#: What a later attempt of the same run may find healed (BM-02).
_MAY_HEAL = (APIConnectionError, IncompleteResultError, JobFailedError, RateLimitError, ServerError)


def as_failure(error: Exception, day: str | None = None) -> dg.Failure:
    """A failure that names the day and the remedy; personal data and credentials are not in it."""
    metadata: dict[str, dg.MetadataValue] = {"error": dg.MetadataValue.text(type(error).__name__)}
    if day:
        metadata["day"] = dg.MetadataValue.text(day)
    if isinstance(error, UnparsableRowError):
        metadata["row_id"] = dg.MetadataValue.text(str(error.row_id))
        metadata["field"] = dg.MetadataValue.text(error.field)
    if isinstance(error, AuthError):
        metadata["type"] = dg.MetadataValue.text(str(error.type))
    where = f"{day} was not landed: " if day else ""
    return dg.Failure(f"{where}{error}", metadata=metadata, allow_retries=isinstance(error, _MAY_HEAL))
