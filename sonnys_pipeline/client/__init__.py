"""The Sonny's Data API, usable alone: a client, its typed answers and its errors. Knows nothing of Dagster."""

from sonnys_pipeline.client.budget import RequestBudget, RequestRate
from sonnys_pipeline.client.client import PRODUCTION_URL, SonnysClient
from sonnys_pipeline.client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthError,
    IncompleteResultError,
    JobFailedError,
    NotFoundError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    SonnysError,
    UnknownJobStatusError,
    UnparsableRowError,
    ValidationError,
)
from sonnys_pipeline.client.models import (
    Discount,
    LineItem,
    Site,
    Tender,
    Transaction,
    TransactionJobItem,
    TransactionListItem,
    TransactionV2ListItem,
)
from sonnys_pipeline.client.sites import Sites
from sonnys_pipeline.client.transactions import JobData, JobPage, JobStatus, Transactions

__all__ = [
    "PRODUCTION_URL",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AuthError",
    "Discount",
    "IncompleteResultError",
    "JobData",
    "JobFailedError",
    "JobPage",
    "JobStatus",
    "LineItem",
    "NotFoundError",
    "RateLimitError",
    "RequestBudget",
    "RequestRate",
    "ResponseFormatError",
    "ServerError",
    "Site",
    "Sites",
    "SonnysClient",
    "SonnysError",
    "Tender",
    "Transaction",
    "TransactionJobItem",
    "TransactionListItem",
    "TransactionV2ListItem",
    "Transactions",
    "UnknownJobStatusError",
    "UnparsableRowError",
    "ValidationError",
]
