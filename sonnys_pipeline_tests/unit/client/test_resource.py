"""RS-02: the pages of a list are asked for together, as far as `total` announces them."""

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic_core import to_json

from sonnys_pipeline.client import IncompleteResultError, NotFoundError
from sonnys_pipeline.client.lists.people import Customers
from sonnys_pipeline.client.resource import AT_ONCE
from sonnys_pipeline.client.transport import Response


class Paged:
    """A client whose list of customers has `rows`; `totals` says another total on some pages.

    With `together`, each page after the first is answered when that many requests wait.
    """

    max_retries, hash_lifetime = 0, 1200.0

    def __init__(self, rows: int, *, totals: Mapping[int, int] | None = None, together: int = 1) -> None:
        self.rows, self.totals = rows, totals or {}
        self.asked: list[int] = []
        self._waiting = threading.Barrier(together)

    def _request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Response:
        number = int((params or {})["offset"])
        self.asked.append(number)
        if number > 1:
            self._waiting.wait(30)
        ids = range((number - 1) * 100, min(number * 100, self.rows))
        if not ids:
            raise NotFoundError(404, "EntityNotFoundError", ("Nothing was found.",))
        found = [{"customerId": str(one)} for one in ids]
        return Response(200, to_json({"data": {"customers": found, "total": self.totals.get(number, self.rows)}}))


def test_pages_are_asked_for_together() -> None:
    """Eight requests wait for each other; each page is asked for once, and the rows are in order."""
    client = Paged(1_650, together=AT_ONCE)
    assert [one.customer_id for one in Customers(client).list()] == [str(number) for number in range(1_650)]
    assert sorted(client.asked) == list(range(1, 18))


def test_pages_that_appear_meanwhile_are_read() -> None:
    """The total grows while pages are read."""
    client = Paged(450, totals={1: 250, 2: 250, 3: 450})
    assert len(Customers(client).list()) == 450
    assert client.asked.count(1) == 1
    assert sorted(client.asked) == [1, 2, 3, 4, 5]


def test_a_total_that_announces_too_many_pages_costs_few_requests() -> None:
    """Nothing behind a page that is not full is asked for, but what was under way."""
    client = Paged(350, totals=dict.fromkeys(range(1, 9), 10_000_000))
    with pytest.raises(IncompleteResultError):
        Customers(client).list()
    assert len(client.asked) <= 64 + 1
