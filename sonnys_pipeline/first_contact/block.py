"""Find out, by a full block, whether each endpoint has its own request budget ([?] of the contract)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sonnys_pipeline.client import RateLimitError, Transactions
from sonnys_pipeline.first_contact.asking import Asker
from sonnys_pipeline.first_contact.evidence import data_of

#: Requests of a block (contract, "The request budget").
BLOCK = 20
#: Concurrent requests, so that the block is full before it ends.
_AT_ONCE = 4


class NoFullBlockError(Exception):
    """The requests did not fill one block, so the test is not conclusive."""


def block_leaves_room(asker: Asker, a_row: Mapping[str, object]) -> bool:
    """Whether a full block on `/site/list` leaves room for `/transaction`; sends 21 or 22 requests, one gets a 429.

    A pause for everybody who shares the budget lets open blocks end; then 20 requests fill one block, unless another
    program uses it, too. `a_row` are criteria of a list.

    Raises:
        NoFullBlockError: the test is not conclusive.
        APIError: a request fails, such as with a 429 before the block is full.
        BoundSpentError: the maximum number of requests is too small.
    """
    budget = asker.client.budget
    if budget.rate.requests < BLOCK:
        raise NoFullBlockError(f"SONNYS_RATE_LIMIT must allow {BLOCK} requests in a block for this")
    budget.cool_down()
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda _: asker.send("block", lambda api: api.list_sites()), range(BLOCK)))
        leaves_room = _has_room(asker, lambda api: data_of(api.list_body(**a_row)))
        # The block is still full if its own endpoint refuses a request after the other one answered.
        full = not leaves_room or not _has_room(asker, lambda api: api.list_sites())
    finally:
        budget.cool_down()
    if not full:
        raise NoFullBlockError(f"{BLOCK} requests did not fill a block in time, so the test is not conclusive")
    return leaves_room


def _has_room(asker: Asker, call: Callable[[Transactions], object]) -> bool:
    try:
        asker.send("block", call, paced=False)
    except RateLimitError:
        return False
    return True
