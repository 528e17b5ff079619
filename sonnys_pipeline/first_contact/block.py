"""Whether each endpoint has a request budget of its own, which only a full block can tell ([?] of the contract)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sonnys_pipeline.client import RateLimitError, Transactions
from sonnys_pipeline.first_contact.asking import Asker
from sonnys_pipeline.first_contact.evidence import data_of

#: Requests of a block (contract, "The request budget").
BLOCK = 20
#: Requests under way at once, so that the block is full before it ends.
_AT_ONCE = 4


class NoFullBlockError(Exception):
    """The requests did not make one full block, so that nothing follows from what came after them."""


def block_leaves_room(asker: Asker, a_row: Mapping[str, object]) -> bool:
    """Whether a full block on `/site/list` leaves room for `/transaction`; 21 or 22 requests, one of them a 429.

    A pause of a block, for everybody who shares the budget, lets every open block end; then 20 requests are one block,
    unless a stranger spends it, too.

    Args:
        asker: sends.
        a_row: criteria of a list.

    Raises:
        NoFullBlockError: when nothing follows.
        APIError: when a request fails, such as with a 429 before the block is full.
        BoundSpentError: when the bound is too small.
    """
    budget = asker.client.budget
    if budget.rate.requests < BLOCK:
        raise NoFullBlockError(f"SONNYS_RATE_LIMIT must allow {BLOCK} requests in a block for this")
    budget.cool_down()
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda _: asker.send("block", lambda api: api.list_sites()), range(BLOCK)))
        leaves_room = _has_room(asker, lambda api: data_of(api.list_body(**a_row)))
        # That the block is full, and not over, is known once its own endpoint refuses, after the other one answered.
        full = not leaves_room or not _has_room(asker, lambda api: api.list_sites())
    finally:
        budget.cool_down()
    if not full:
        raise NoFullBlockError(f"{BLOCK} requests did not fill a block in time: nothing follows from what came after")
    return leaves_room


def _has_room(asker: Asker, call: Callable[[Transactions], object]) -> bool:
    try:
        asker.send("block", call, paced=False)
    except RateLimitError:
        return False
    return True
