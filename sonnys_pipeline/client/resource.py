"""Base of the API's resources (`client.transactions`, `client.sites`): envelope and paging."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol
from urllib.parse import quote

from sonnys_pipeline.client.errors import IncompleteResultError, NotFoundError, OversizeError, ResponseFormatError
from sonnys_pipeline.client.models import ModelT, parse_rows
from sonnys_pipeline.client.transport import Response
from sonnys_pipeline.runtime.in_flight import in_flight
from sonnys_pipeline.runtime.quoting import word

#: Rows per page, the API's maximum; its default is 10 (contract, "Batch jobs").
PAGE_SIZE = 100
#: Requests of one list that are under way together; the shared budget decides when each is sent.
AT_ONCE = 8
#: Pages that `total` may announce at once: it may be wrong.
_AHEAD = 64
#: Limit of `total`: ten times a month of the largest chain.
MAX_TOTAL = 100_000_000
#: Error type of an empty result, and of an expired hash (contract, "Errors").
NO_RESULTS = "EntityNotFoundError"


class Pipeline(Protocol):
    """What a resource needs of its client."""

    max_retries: int
    hash_lifetime: float

    def _request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Response: ...


class Resource:
    """A group of endpoints of one client."""

    def __init__(self, client: Pipeline) -> None:
        self._client = client

    def _data(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return unwrap_data(self._client._request(method, path, params=params).json(), f"{method} {path}")  # noqa: SLF001 - LJ-09

    def _list_all(
        self,
        path: str,
        key: str,
        model: type[ModelT],
        params: Mapping[str, Any],
        identity: Callable[[ModelT], str],
    ) -> list[ModelT]:
        """Every row of a paged list, each `identity` once; `offset` is a page number (contract, "Batch jobs")."""
        where = f"GET {path}"
        criteria = {"limit": PAGE_SIZE, **params}
        limit = parse_whole_number(criteria["limit"], "limit")

        def read(number: int) -> tuple[list[ModelT], int]:
            try:
                data = self._data("GET", path, params={**criteria, "offset": number})
            except NotFoundError as nothing:
                if number == 1 and nothing.type == NO_RESULTS:
                    return [], 0
                raise
            rows = read_rows(data, key, where, limit)
            return parse_rows(model, rows), read_total(data, rows, where, limit)

        pages: list[list[ModelT]] = []
        ids: list[list[str]] = []
        known: set[str] = set()
        ahead = 1
        while True:
            for page, total in in_flight(read, range(len(pages) + 1, len(pages) + 1 + ahead), AT_ONCE):
                pages.append(page)
                before = len(known)
                ids.append(list(map(identity, page)))
                known.update(ids[-1])
                # A page that is not full, or has no new rows, is the last one; otherwise the loop might not end.
                if len(known) >= total or len(page) < limit or len(known) == before:
                    return _whole(pages, ids, total, where)
            # What `total` announces is asked for together.
            ahead = min(max(1, math.ceil(total / limit) - len(pages)), _AHEAD)

    def _get_one(self, path: str, entity_id: str, model: type[ModelT], suffix: str = "") -> ModelT:
        """One entity in detail; `NotFoundError` if the id is unknown."""
        return parse_rows(model, [self._data("GET", f"{path}/{quote(entity_id, safe=':')}{suffix}")])[0]

    def _count(self, path: str, params: Mapping[str, Any]) -> int:
        """How many rows a list has, by one request for its shortest page."""
        where = f"GET {path}"
        try:
            data = self._data("GET", path, params={"limit": 1, "offset": 1, **params})
        except NotFoundError as nothing:
            if nothing.type == NO_RESULTS:
                return 0
            raise
        return 0 if data.get("total") is None and "total" in data else required(data, "total", int, where)

    def _in_spans(
        self,
        path: str,
        key: str,
        model: type[ModelT],
        spans: Sequence[Mapping[str, Any]],
        identity: Callable[[ModelT], str],
    ) -> list[ModelT]:
        """Every row of one or more spans of a paged list, each `identity` once; the last one wins."""

        def read(span: Mapping[str, Any]) -> list[ModelT]:
            return self._list_all(path, key, model, span, identity)

        first, *others = spans
        if not others:
            return read(first)
        # The first one alone: the API may refuse them all.
        found = [read(first), *in_flight(read, others, AT_ONCE)]
        return list({identity(row): row for rows in found for row in rows}.values())


def _whole(
    pages: Sequence[Sequence[ModelT]], ids: Sequence[Sequence[str]], total: int, where: str
) -> list[ModelT]:  # fmt: skip
    """The rows of all pages, each id once. Raises IncompleteResultError if they are not `total`."""
    rows = [row for page in pages for row in page]
    count_copies(ids, total, rows.__getitem__, where)
    return list(dict(zip(chain.from_iterable(ids), rows, strict=True)).values())


def unwrap_data(answer: object, where: str) -> dict[str, Any]:
    """The `data` object of a response; `ResponseFormatError` if it has none."""
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise ResponseFormatError(f"{where}: the answer has no `data` object")
    return data


def read_rows(data: Mapping[str, Any], key: str, where: str, limit: int = PAGE_SIZE) -> list[Any]:
    """The rows of a response; null rows with a null `total` mean none (contract, L2 and L3)."""
    if key in data and data[key] is None and "total" in data and data["total"] is None:
        return []
    rows: list[Any] = required(data, key, list, where)
    if len(rows) > limit:
        raise OversizeError(f"{where}: the page has {len(rows):,} rows, but {limit:,} were requested")
    return rows


def read_total(data: Mapping[str, Any], rows: Sequence[Any], where: str, limit: int = PAGE_SIZE) -> int:
    """Rows of the whole query, over all pages; `rows` are those of this page, `limit` the most requested.

    A null `total` without rows is 0 (contract, L2 and L3); a missing one on a page that is not full is its row count.
    """
    if "total" not in data and len(rows) < limit:
        return len(rows)
    if data.get("total") is None and "total" in data and not rows:
        return 0
    total: int = required(data, "total", int, where)
    if not 0 <= total <= MAX_TOTAL:
        raise ResponseFormatError(f"{where}: `total` should be a number from 0 to {MAX_TOTAL:,}")
    return total


def required(data: object, key: str, kind: type[Any], where: str) -> Any:  # noqa: ANN401 - as typed by `kind`
    """A field that the contract promises; `ResponseFormatError` if missing or of another type (a bool is no int)."""
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ResponseFormatError(f"{where}: `{key}` should be {kind.__name__}, not {type(value).__name__}")
    return value


def count_copies(pages: Sequence[Sequence[str]], total: int, content: Callable[[int], object], where: str) -> int:
    """How many rows are copies that `total` counts; `IncompleteResultError` if the rows do not make `total`.

    A row may be on two pages when rows arrive in between: then the distinct ids are `total`. The API may also list and
    count a row twice with equal content: then all rows are `total`. Only copies on one page are accepted as such, since
    a row on two pages may hide one that was never read.

    `pages` are ids, page by page; `content` returns the row at a position, counted over all pages.
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


def parse_whole_number(value: object, name: str) -> int:
    """A page number or size given by a caller; `ValueError` if it is not a whole number."""
    if isinstance(value, int | str) and str(value).isdecimal():
        return int(value)
    raise ValueError(f"{name} must be a whole number, not {value!r}")
