"""Who may ask, what they may see, and how often.

Belongs here: credentials, sites, the request budget. Does not belong here: what is asked for (`criteria.py`).
Sources: CONTRACT.md, "Reaching it", "The request budget", "Errors".
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from sonnys_pipeline.simulator.config import Account
from sonnys_pipeline.simulator.errors import ApiError

API_ID_HEADER = "X-Sonnys-API-ID"
API_KEY_HEADER = "X-Sonnys-API-Key"
SITE_HEADER = "X-Sonnys-Site-Code"


class AccessControl:
    """Checks credentials and sites against the accounts.

    Args:
        accounts: their API ids must differ.
        codes: the codes of all sites of the chain.

    Raises:
        ValueError: two accounts share an API id, or one names a site that does not exist.
    """

    def __init__(self, accounts: Iterable[Account], codes: Iterable[str]) -> None:
        self._codes = frozenset(codes)
        self._accounts: dict[str, Account] = {}
        for account in accounts:
            if account.api_id in self._accounts:
                raise ValueError(f"two accounts have the API id {account.api_id!r}")
            if unknown := (account.sites or frozenset()) - self._codes:
                raise ValueError(f"account {account.api_id!r} names sites that do not exist: {sorted(unknown)}")
            self._accounts[account.api_id] = account

    def authenticate(self, headers: Mapping[str, str]) -> Account:
        """The account behind a request's headers (a mapping that ignores case).

        Raises:
            ApiError: 403, with the type that the contract names for the reason.
        """
        api_id, api_key = headers.get(API_ID_HEADER), headers.get(API_KEY_HEADER)
        if not api_id or not api_key:
            raise ApiError("MissingClientCredentialsError")
        account = self._accounts.get(api_id)
        if account is None or account.api_key != api_key:
            raise ApiError("BadClientCredentialsError")
        if account.environment == "production":
            raise ApiError("MismatchCredentialsError")
        if not account.licensed:
            raise ApiError("NotAuthorizedError")
        return account

    def visible_sites(self, account: Account, header: str | None, argument: str | None) -> frozenset[str]:
        """The codes of the sites that a request reads; an empty header or argument counts as not sent.

        Raises:
            ApiError: 403 for a site that may not be read, 422 for a `site` argument that names none.
        """
        allowed = self._codes if account.sites is None else account.sites
        if header:
            if header not in self._codes:
                raise ApiError("BadSiteCredentialsError")
            if header not in allowed:
                raise ApiError("NotAuthorizedSiteCredentialsError")
            if argument and argument != header:
                raise ApiError("NotAuthorizedSiteArgsError")
            return frozenset({header})
        if argument:
            if argument not in self._codes:
                raise ApiError("PayloadValidationError", messages=[f"site: no site has the code {argument!r}."])
            if argument not in allowed:
                raise ApiError("NotAuthorizedSiteArgsError")
            return frozenset({argument})
        return allowed


class RequestBudget:
    """Counts requests in blocks, per API id. Thread-safe.

    A block opens with its first request and lasts `block_seconds`; within it `limit` requests are served. The next
    request after its end opens a new one.

    Args:
        limit: requests per block.
        block_seconds: on the stopwatch that `take` is given.
        count_refused: whether refused requests count too. It changes the tally only: a block is never lengthened.
    """

    def __init__(self, limit: int, block_seconds: float, *, count_refused: bool = False) -> None:
        self.limit = limit
        self.block_seconds = block_seconds
        self._count_refused = count_refused
        self._lock = threading.Lock()
        self._blocks: dict[str, tuple[float, int]] = {}

    def take(self, api_id: str, at: float) -> bool:
        """Whether the request arriving at stopwatch time `at` is within the budget; counts it."""
        with self._lock:
            opened, used = self._blocks.get(api_id, (at, 0))
            if at - opened >= self.block_seconds:
                opened, used = at, 0
            granted = used < self.limit
            self._blocks[api_id] = (opened, used + (granted or self._count_refused))
            return granted

    def used(self, api_id: str, at: float) -> int:
        """Requests counted in the block that is open at `at`; 0 when none is."""
        with self._lock:
            opened, used = self._blocks.get(api_id, (at, 0))
            return used if at - opened < self.block_seconds else 0

    def clear(self) -> None:
        """Close all blocks."""
        with self._lock:
            self._blocks.clear()
