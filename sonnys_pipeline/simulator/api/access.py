"""Authentication, visible sites, and the request budget (contract, "Reaching it", "The request budget", "Errors")."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from sonnys_pipeline.simulator.api.errors import ApiError
from sonnys_pipeline.simulator.config import Account

API_ID_HEADER = "X-Sonnys-API-ID"
API_KEY_HEADER = "X-Sonnys-API-Key"
SITE_HEADER = "X-Sonnys-Site-Code"


class AccessControl:
    """Checks credentials and sites; `ignore_case`: whether site codes compare without case (L7).

    Raises:
        ValueError: two accounts share an API id, or one names an unknown site.
    """

    def __init__(self, accounts: Iterable[Account], codes: Iterable[str], *, ignore_case: bool = False) -> None:
        self._ignore_case = ignore_case
        self.know(codes)
        self._accounts: dict[str, Account] = {}
        for account in accounts:
            if account.api_id in self._accounts:
                raise ValueError(f"two accounts have the API id {account.api_id!r}")
            if unknown := {code for code in account.sites or () if self._key(code) not in self._codes}:
                raise ValueError(f"account {account.api_id!r} names sites that do not exist: {sorted(unknown)}")
            self._accounts[account.api_id] = account

    def know(self, codes: Iterable[str]) -> None:
        """Replace the codes of all sites."""
        self._codes = {self._key(code): code for code in codes}

    def rename(self, code: str, new_code: str) -> None:
        """Know a site by another code."""
        self.know([*(one for one in self._codes.values() if self._key(one) != self._key(code)), new_code])

    def authenticate(self, headers: Mapping[str, str]) -> Account:
        """The account of a request's headers; `ApiError` 403 with the contract's type for the reason."""
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
        """Codes of the sites that a request reads; an empty header or argument counts as not sent.

        Raises:
            ApiError: 403 for a forbidden site, 422 for an unknown `site` argument.
        """
        allowed = self._allowed(account)
        if header:
            code = self._codes.get(self._key(header))
            if code is None:
                raise ApiError("BadSiteCredentialsError")
            if code not in allowed:
                raise ApiError("NotAuthorizedSiteCredentialsError")
            if argument and self._key(argument) != self._key(header):
                raise ApiError("NotAuthorizedSiteArgsError")
            return frozenset({code})
        if argument:
            code = self._codes.get(self._key(argument))
            if code is None:
                raise ApiError("PayloadValidationError", messages=[f"site: no site has the code {argument!r}."])
            if code not in allowed:
                raise ApiError("NotAuthorizedSiteArgsError")
            return frozenset({code})
        return allowed

    def sees_several(self, account: Account) -> bool:
        """Whether the account sees more than one site with a code."""
        return len(self._allowed(account) - {""}) > 1

    def _allowed(self, account: Account) -> frozenset[str]:
        if account.sites is None:
            return frozenset(self._codes.values())
        return frozenset(self._codes[self._key(code)] for code in account.sites)

    def _key(self, code: str) -> str:
        return code.casefold() if self._ignore_case else code


class RequestBudget:
    """Counts requests in blocks per holder (an API id). Thread-safe.

    A block opens with its first request and lasts `block_seconds`; within it `limit` requests are served.

    Args:
        limit: requests per block.
        block_seconds: seconds of the stopwatch.
        count_refused: refused requests count too.
        refused_lengthens: a refused request restarts the block's seconds.
    """

    def __init__(
        self, limit: int, block_seconds: float, *, count_refused: bool = False, refused_lengthens: bool = False
    ) -> None:
        self.limit = limit
        self.block_seconds = block_seconds
        self._count_refused = count_refused
        self._refused_lengthens = refused_lengthens
        self._lock = threading.Lock()
        self._blocks: dict[str, tuple[float, int]] = {}

    def acquire(self, holder: str, at: float) -> bool:
        """Count a request at stopwatch time `at`; return whether it is within the budget."""
        with self._lock:
            opened, used = self._blocks.get(holder, (at, 0))
            if at - opened >= self.block_seconds:
                opened, used = at, 0
            granted = used < self.limit
            if not granted and self._refused_lengthens:
                opened = at
            self._blocks[holder] = (opened, used + (granted or self._count_refused))
            return granted

    def used(self, holder: str, at: float) -> int:
        """Requests counted in the block that is open at `at`."""
        with self._lock:
            opened, used = self._blocks.get(holder, (at, 0))
            return used if at - opened < self.block_seconds else 0

    def clear(self) -> None:
        """Close all blocks."""
        with self._lock:
            self._blocks.clear()
