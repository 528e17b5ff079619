"""LJ-04, LJ-09: the tree of errors, the public names, and errors that cross a process boundary."""

import pickle

import pytest

import sonnys_pipeline.client as client_package
from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthError,
    BudgetUnavailableError,
    IncompleteResultError,
    JobFailedError,
    NotFoundError,
    OversizeError,
    RateLimitError,
    RedirectedError,
    ResponseFormatError,
    ServerError,
    SonnysError,
    UnknownJobStatusError,
    UnparsableRowError,
    ValidationError,
)

TREE = {
    SonnysError: Exception,
    BudgetUnavailableError: SonnysError,
    APIError: SonnysError,
    APIConnectionError: APIError,
    APITimeoutError: APIConnectionError,
    RedirectedError: APIConnectionError,
    APIStatusError: APIError,
    AuthError: APIStatusError,
    NotFoundError: APIStatusError,
    ValidationError: APIStatusError,
    RateLimitError: APIStatusError,
    ServerError: APIStatusError,
    ResponseFormatError: APIError,
    UnparsableRowError: ResponseFormatError,
    OversizeError: ResponseFormatError,
    UnknownJobStatusError: ResponseFormatError,
    JobFailedError: APIError,
    IncompleteResultError: APIError,
}

ERRORS = [
    BudgetUnavailableError("away"),
    APIConnectionError("dropped"),
    APITimeoutError("slow"),
    RedirectedError("elsewhere"),
    AuthError(403, "BadClientCredentialsError", ("no",), "body"),
    NotFoundError(404, "EntityNotFoundError", ("nothing",)),
    ValidationError(422, "PayloadValidationError", ("a", "b")),
    RateLimitError(429, None, (), "<html>"),
    ServerError(500, "ServerUnexpectedFailure", ("Oh.", "support code 7")),
    APIStatusError(418, None, ()),
    ResponseFormatError("not JSON"),
    OversizeError("too much"),
    UnparsableRowError("1:1", "items.0.net", "Input should be a valid number", [{"id": "1:1"}], "h1"),
    JobFailedError("h1", {"startDate": 1}, {"status": "fail"}),
    UnknownJobStatusError("queued"),
    IncompleteResultError(150, 147, "window w"),
]


def test_the_tree_is_pinned() -> None:
    """Callers catch by class: each error's parent is a promise."""
    assert {kind: kind.__bases__ for kind in TREE} == {kind: (parent,) for kind, parent in TREE.items()}


def test_the_tree_has_no_other_errors() -> None:
    """A new error is added to the tree's docstring and to this list, on purpose."""
    found = {SonnysError}
    while more := {child for kind in found for child in kind.__subclasses__()} - found:
        found |= more
    assert {kind for kind in found if kind.__module__.startswith("sonnys_pipeline.client")} == set(TREE)


def test_the_docstring_draws_the_tree() -> None:
    """The module's docstring is the tree: every class stands in it."""
    from sonnys_pipeline.client import errors

    assert errors.__doc__ is not None
    for kind in TREE:
        assert kind.__name__ in errors.__doc__


def test_public_names_are_pinned() -> None:
    """What the package promises; sorted, and all of it there."""
    assert client_package.__all__ == [
        "PRODUCTION_URL",
        "APIConnectionError",
        "APIError",
        "APIStatusError",
        "APITimeoutError",
        "AuthError",
        "BudgetUnavailableError",
        "ClockEntry",
        "Customer",
        "CustomerDetail",
        "Customers",
        "Discount",
        "Employee",
        "EmployeeDetail",
        "Employees",
        "GiftCard",
        "GiftCards",
        "IncompleteResultError",
        "Item",
        "Items",
        "JobData",
        "JobFailedError",
        "JobPage",
        "LineItem",
        "LoadJobStatus",
        "ModifiedAccount",
        "NotFoundError",
        "OversizeError",
        "RateLimitError",
        "RecurringAccount",
        "RecurringAccountDetail",
        "RecurringAccounts",
        "RedirectedError",
        "RequestBudget",
        "RequestRate",
        "ResponseFormatError",
        "SalesOutcome",
        "SalesOutcomes",
        "ServerError",
        "Site",
        "Sites",
        "SonnysClient",
        "SonnysError",
        "StatusChange",
        "Tender",
        "Transaction",
        "TransactionJobItem",
        "TransactionListItem",
        "TransactionV2ListItem",
        "Transactions",
        "UnknownJobStatusError",
        "UnparsableRowError",
        "ValidationError",
        "Washbook",
        "WashbookDetail",
        "Washbooks",
    ]
    assert all(hasattr(client_package, name) for name in client_package.__all__)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling(error: APIError) -> None:
    """A worker process hands its error over whole: class, message and every attribute."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


BAD = "\x1b[2J\x07\x9b1m\u202e\ud83d\r\n\x1b]8;;https://evil.test\x1b\\\\x"


@pytest.mark.parametrize(
    "error",
    [
        ResponseFormatError(f"load job {BAD}: not JSON"),
        AuthError(403, BAD, (BAD, BAD), BAD),
        UnparsableRowError(BAD * 100, BAD, BAD, [], BAD),
        JobFailedError(BAD),
        IncompleteResultError(1, 2, BAD),
        RedirectedError(f"redirected to {BAD}"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_message_acts_on_a_terminal(error: APIError) -> None:
    """Whatever a server wrote stands in one line, with every control, mark and half character spelled out."""
    text = str(error)
    assert text.isprintable()
    assert "\\x1b[2J" in text
    assert len(text) < 1500


def test_a_failed_job_says_which() -> None:
    """LJ-04: the argument is exactly the fixed words; the text adds hash and criteria."""
    error = JobFailedError("h1", {"startDate": 1, "endDate": 2})
    assert error.args == ("Batch job failed",)
    assert str(error) == "Batch job failed (hash h1, {'startDate': 1, 'endDate': 2})"
    assert str(JobFailedError("h1")) == "Batch job failed (hash h1)"


@pytest.mark.parametrize(("promised", "received", "difference"), [(150, 147, "-3"), (100, 101, "+1")])
def test_an_incomplete_result_says_by_how_much(promised: int, received: int, difference: str) -> None:
    """LJ-05: promised, received, the difference with its sign, the window, and what to do."""
    text = str(IncompleteResultError(promised, received, "window w"))
    assert text.startswith(
        f"window w: the API promised {promised} rows and {received} distinct rows came ({difference})"
    )
    assert "run it again later" in text


@pytest.mark.parametrize("kind", [AuthError, NotFoundError, ValidationError, RateLimitError, ServerError])
def test_each_status_error_says_what_to_do(kind: type[APIStatusError]) -> None:
    """An error carries what a person needs to act: each kind has a remedy of its own."""
    assert kind.remedy != APIStatusError.remedy
    assert str(kind(1, None, ())).endswith(kind.remedy)


@pytest.mark.parametrize(
    ("error_type", "remedy"),
    [
        ("InvalidPayloadRequestTimestampError", "clock of this machine is more than 5 minutes off"),
        ("UnexpectedFailure", "Try again later; ask Sonny's helpdesk"),
        ("PayloadValidationError", ValidationError.remedy),
        (None, ValidationError.remedy),
    ],
)
def test_a_refused_request_says_what_to_do_by_its_type(error_type: str | None, remedy: str) -> None:
    """A wrong clock or a failure of the API is not mended by asking for other days; the remedy survives pickling."""
    error = ValidationError(400, error_type, ("no",))
    assert remedy in str(error)
    assert remedy in error.remedy
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes
