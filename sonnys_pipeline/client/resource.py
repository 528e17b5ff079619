"""What the API's resources (`client.transactions`, `client.sites`) have in common: envelope and paging."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sonnys_pipeline.client.errors import IncompleteResultError, NotFoundError, OversizeError, ResponseFormatError
from sonnys_pipeline.client.models import ListItemT, parse_rows
from sonnys_pipeline.client.transport import Response
from sonnys_pipeline.runtime.quoting import word

#: Rows a page, the most that the API gives (contract, "Batch jobs"); left out, it answers 10.
PAGE_SIZE = 100
#: Rows that an answer may promise at most; a month of the largest chain has a tenth of it, and more cannot be read.
LARGEST_TOTAL = 100_000_000
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

    def _list_all(self, path: str, key: str, model: type[ListItemT], params: Mapping[str, Any]) -> list[ListItemT]:
        """Every row of a paged list endpoint, each id once; `offset` is a page number from 1 (contract, "Batch jobs").

        The API's own `EntityNotFoundError` says that nothing matches: an empty list (contract, "Errors"). A row that
        two pages bring is one row, as the page that was read later has it.

        Raises:
            IncompleteResultError: when the rows are not as many as `total` says (`count_copies`).
            UnparsableRowError: when a row does not fit the model.
        """
        where = f"GET {path}"
        criteria = {"limit": PAGE_SIZE, **params}
        limit = whole_number(criteria["limit"], "limit")
        pages: list[list[ListItemT]] = []
        known: set[str] = set()
        while True:
            try:
                data = self._data("GET", path, params={**criteria, "offset": len(pages) + 1})
            except NotFoundError as nothing:
                if not pages and nothing.type == NO_RESULTS:
                    return []
                raise
            found = found_rows(data, key, where, limit)
            total = read_total(data, found, where, limit)
            pages.append(parse_rows(model, found))
            before = len(known)
            known.update(row.trans_id for row in pages[-1])
            # A page that is not full, or brings nothing new, is the last: asking on would not end.
            if len(known) >= total or len(found) < limit or len(known) == before:
                rows = [row for page in pages for row in page]
                count_copies([[row.trans_id for row in page] for page in pages], total, rows.__getitem__, where)
                return list({row.trans_id: row for row in rows}.values())


def unwrapped(answer: object, where: str) -> dict[str, Any]:
    """The `data` object in an answer's envelope.

    Raises:
        ResponseFormatError: when there is none.
    """
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise ResponseFormatError(f"{where}: the answer has no `data` object")
    return data


def found_rows(data: Mapping[str, Any], key: str, where: str, limit: int = PAGE_SIZE) -> list[Any]:
    """The rows of an answer; null beside a null `total` is none (contract, L2 and L3).

    Raises:
        OversizeError: when they are more than were asked for.
        ResponseFormatError: when they are no list.
    """
    if key in data and data[key] is None and "total" in data and data["total"] is None:
        return []
    rows: list[Any] = required(data, key, list, where)
    if len(rows) > limit:
        raise OversizeError(f"{where}: {len(rows):,} rows came on a page, and {limit:,} were asked for")
    return rows


def read_total(data: Mapping[str, Any], rows: Sequence[Any], where: str, limit: int = PAGE_SIZE) -> int:
    """How many rows an inquiry has, over all pages: the one reader of `total`, for load jobs and lists.

    Args:
        data: the `data` object of an answer.
        rows: the rows that stand in it.
        where: what was asked, for the error.
        limit: rows that were asked for at most.

    Returns:
        `total`. Null without rows is 0 (contract, L2 and L3); left out beside a page that is not full, the rows of it.

    Raises:
        ResponseFormatError: for anything else that is no whole number from 0 to `LARGEST_TOTAL`.
    """
    if "total" not in data and len(rows) < limit:
        return len(rows)
    if data.get("total") is None and "total" in data and not rows:
        return 0
    total: int = required(data, "total", int, where)
    if not 0 <= total <= LARGEST_TOTAL:
        raise ResponseFormatError(f"{where}: `total` should be from 0 to {LARGEST_TOTAL:,}, and is not")
    return total


def required(data: Mapping[str, Any], key: str, kind: type[Any], where: str) -> Any:  # noqa: ANN401 - as typed by `kind`
    """A field that the contract promises.

    Raises:
        ResponseFormatError: when it is missing or of another kind (a bool is no int).
    """
    value = data.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ResponseFormatError(f"{where}: `{key}` should be {kind.__name__}, not {type(value).__name__}")
    return value


def count_copies(pages: Sequence[Sequence[str]], total: int, content: Callable[[int], object], where: str) -> int:
    """How many rows are copies of others, where all that `total` promises has come.

    A row may stand on two pages when rows arrive between them: then the distinct ids are `total`. The API may also list
    a row twice with equal content and count it twice: then the rows, copies included, are `total`. Only copies on one
    page are taken for that. A row that stands on two pages may have been pushed over by one that nobody has read, while
    `total` grew by it: such a span is not complete, and is read again in another way.

    Args:
        pages: ids of the rows, page by page.
        total: rows that the API promises.
        content: what stands in the row at a position, counted over all pages.
        where: what was asked, for the error.

    Returns:
        Copies that `total` counts; 0 where it counts each id once.

    Raises:
        IncompleteResultError: for anything else. It names the id of two different rows, where that is why.
    """
    first: dict[str, tuple[int, int]] = {}
    repeated: list[tuple[str, int, int]] = []
    position = 0
    for number, ids in enumerate(pages):
        for row_id in ids:
            if first.setdefault(row_id, (number, position)) != (number, position):
                repeated.append((row_id, number, position))
            position += 1
    if len(first) == total:
        return 0
    if position == total and all(first[row_id][0] == number for row_id, number, _ in repeated):
        differing = next((row_id for row_id, _, place in repeated if content(place) != content(first[row_id][1])), None)
        if differing is None:
            return len(repeated)
        where = f"{where}, where two different rows have the id {word(differing)}"
    raise IncompleteResultError(total, len(first), where)


def whole_number(value: object, name: str) -> int:
    """A page number or size that a caller gave, which paging has to calculate with.

    Raises:
        ValueError: for anything else; it names the parameter.
    """
    if isinstance(value, int | str) and str(value).isdecimal():
        return int(value)
    raise ValueError(f"{name} must be a whole number, not {value!r}")
