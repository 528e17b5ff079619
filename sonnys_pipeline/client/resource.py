"""What the API's resources (`client.transactions`, `client.sites`) have in common: envelope and paging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sonnys_pipeline.client.errors import IncompleteResultError, NotFoundError, ResponseFormatError
from sonnys_pipeline.client.models import ModelT, parse_rows
from sonnys_pipeline.client.transport import Response

#: Rows a page, the most that the API gives (contract, "Batch jobs"); left out, it answers 10.
PAGE_SIZE = 100
#: The API's word for "this inquiry has no results"; an expired hash is answered with it too.
NO_RESULTS = "EntityNotFoundError"


class Pipeline(Protocol):
    """What a resource needs of its client: one way to the API, and how long to be patient."""

    max_retries: int
    hash_lifetime: float

    def _request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Response: ...


class Resource:
    """One group of endpoints, bound to a client."""

    def __init__(self, client: Pipeline) -> None:
        """Bind to the client whose one HTTP pipeline every call goes through (LJ-09)."""
        self._client = client

    def _data(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask, and take the `data` object out of the answer's envelope.

        Raises:
            ResponseFormatError: when the answer has no `data` object.
        """
        return unwrapped(self._client._request(method, path, params=params).json(), f"{method} {path}")  # noqa: SLF001 - LJ-09

    def _list_all(self, path: str, key: str, model: type[ModelT], params: Mapping[str, Any]) -> list[ModelT]:
        """Every row of a paged list endpoint; `offset` is a page number from 1 (contract, "Batch jobs").

        The API's own `EntityNotFoundError` says that nothing matches: an empty list (contract, "Errors").

        Raises:
            IncompleteResultError: when the pages end before `total` is reached.
            UnparsableRowError: when a row does not fit the model.
        """
        rows: list[ModelT] = []
        page = 1
        while True:
            try:
                data = self._data("GET", path, params={"limit": PAGE_SIZE, **params, "offset": page})
            except NotFoundError as nothing:
                if page == 1 and nothing.type == NO_RESULTS:
                    return []
                raise
            found = required(data, key, list, path)
            total = required(data, "total", int, path)
            rows += parse_rows(model, found)
            if len(rows) >= total:
                return rows
            if not found:
                raise IncompleteResultError(total, len(rows), f"GET {path}")
            page += 1


def unwrapped(answer: object, where: str) -> dict[str, Any]:
    """The `data` object in an answer's envelope.

    Raises:
        ResponseFormatError: when there is none.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise ResponseFormatError(f"{where}: the answer has no `data` object")
    return data


def required(data: Mapping[str, Any], key: str, kind: type[Any], where: str) -> Any:  # noqa: ANN401 - as typed by `kind`
    """A field that the contract promises.

    Raises:
        ResponseFormatError: when it is missing or of another kind (a bool is no int).
    """
    value = data.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ResponseFormatError(f"{where}: `{key}` should be {kind.__name__}, not {type(value).__name__}")
    return value
