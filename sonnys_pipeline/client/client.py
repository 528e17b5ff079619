"""`SonnysClient`: credentials, one HTTP pipeline, the API's resources (LJ-09)."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Protocol

from pydantic import SecretStr

from sonnys_pipeline.client.errors import APIConnectionError, APIError, RateLimitError, RedirectedError, ServerError
from sonnys_pipeline.client.lists.accounts import GiftCards, RecurringAccounts, Washbooks
from sonnys_pipeline.client.lists.items import Items
from sonnys_pipeline.client.lists.outcomes import SalesOutcomes
from sonnys_pipeline.client.lists.people import Customers, Employees
from sonnys_pipeline.client.rate_limit.limiter import RequestBudget
from sonnys_pipeline.client.rate_limit.share import ALONE, BudgetShare
from sonnys_pipeline.client.sites import Sites
from sonnys_pipeline.client.transactions import Transactions
from sonnys_pipeline.client.transport import HttpTransport, Response
from sonnys_pipeline.runtime.closing import Closing

logger = logging.getLogger(__name__)

PRODUCTION_URL = "https://trigonapi.sonnyscontrols.com/v1"
#: Ceiling of the wait before a repeated request, in multiples of the first one.
BACKOFF_CEILING = 32

#: Idempotent POSTs: the same criteria within 20 minutes give the same job (contract, "Batch jobs").
_IDEMPOTENT = frozenset({("POST", "/transaction/load-job")})


class Answers(Protocol):
    """What lies between a client's resources and the API."""

    def answer(self, path: str, params: Mapping[str, Any], ask: Callable[[], Response]) -> Response:
        """The response to a GET request; `ask` sends it."""


class SonnysClient(Closing):
    """A client of the Sonny's Data API, bound to one API id; a context manager, safe to share between threads.

    ```python
    with SonnysClient(api_id, api_key) as client:
        rows = client.transactions.load_job(startDate=1762732800, endDate=1762819200)
    ```
    """

    def __init__(  # one keyword per option, as HTTP clients have it
        self,
        api_id: str,
        api_key: str | SecretStr,
        site_code: str | None = None,
        *,
        base_url: str = PRODUCTION_URL,
        budget: RequestBudget | None = None,
        owns_budget: bool = False,
        max_retries: int = 5,
        backoff: float = 1.0,
        connect_timeout: float = 10.0,
        read_timeout: float = 60.0,
        hash_lifetime: float = 1200.0,
        quotes_pages: bool = True,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Create a client; sends nothing.

        Args:
            api_id: the operator's API id.
            api_key: its secret key.
            site_code: header that restricts every response to one site.
            base_url: API root; `https`, or `http` on loopback.
            budget: shared request budget; default one in memory, shared by this process's clients of the same id.
            owns_budget: whether closing the client closes `budget`.
            max_retries: repetitions of a request after 429, 5xx, a time-out or a dropped connection (BM-02).
            backoff: seconds before the first repetition; doubles each time, with jitter.
            connect_timeout: seconds to connect.
            read_timeout: seconds without a byte of the response.
            hash_lifetime: seconds that the API keeps a load job's data.
            quotes_pages: whether errors quote bodies that are not JSON, such as a gateway's page.
            sleep: how to wait, in seconds.
            jitter: a random number in [0, 1).

        Raises:
            ValueError: for missing or unusable credentials, or a URL that would send them unencrypted.
        """
        key = api_key if isinstance(api_key, SecretStr) else SecretStr(api_key)
        if not api_id or not key.get_secret_value():
            raise ValueError("credentials are missing: set SONNYS_API_ID and SONNYS_API_KEY")
        headers: dict[str, SecretStr | str] = {
            "X-Sonnys-API-ID": SecretStr(api_id),
            "X-Sonnys-API-Key": key,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        if site_code:
            headers["X-Sonnys-Site-Code"] = site_code
        self._transport = HttpTransport(
            base_url,
            headers,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            quotes_pages=quotes_pages,
        )
        self._own_budget = owns_budget or budget is None
        self.budget = budget or RequestBudget(api_id)
        self.max_retries = max_retries
        self.backoff = backoff
        self.hash_lifetime = hash_lifetime
        self._sleep = sleep
        self._jitter = jitter
        self._counter_lock = threading.Lock()
        self._requests = 0
        self._budget_wait = 0.0
        self._permits: RequestBudget | BudgetShare = self.budget
        self._answers: Answers | None = None
        self._open_resources()

    def _open_resources(self) -> None:
        self.customers = Customers(self)
        self.employees = Employees(self)
        self.giftcards = GiftCards(self)
        self.items = Items(self)
        self.recurring_accounts = RecurringAccounts(self)
        self.sales_outcomes = SalesOutcomes(self)
        self.sites = Sites(self)
        self.transactions = Transactions(self)
        self.washbooks = Washbooks(self)

    def beside_others(self, share: float, alone: float = ALONE) -> SonnysClient:
        """This client for work that must not delay other work: a `share` of the request budget while others send.

        `share` and `alone`, the part while nobody else sends, are fractions. Both use the same connections and count
        the requests of their own; close this one only.
        """
        other = self._other()
        other._permits = BudgetShare(self.budget, share, alone=alone, sleep=self._sleep)  # noqa: SLF001 - a copy of our own
        return other

    def through(self, answers: Answers) -> SonnysClient:
        """This client, with each answer of a list or detail passing `answers`, which may know it already.

        As `beside_others`: same connections and budget, requests counted apart; close this client only.
        """
        other = self._other()
        other._answers = answers  # noqa: SLF001 - a copy of our own
        return other

    def _other(self) -> SonnysClient:
        other = copy(self)
        other._counter_lock, other._requests, other._budget_wait = threading.Lock(), 0, 0.0  # noqa: SLF001
        other._open_resources()  # noqa: SLF001
        return other

    @property
    def base_url(self) -> str:
        """API root."""
        return self._transport.base_url

    @property
    def requests_sent(self) -> int:
        """Requests sent by this client so far, retries included."""
        return self._requests

    @property
    def budget_wait(self) -> float:
        """Seconds that requests have waited for the budget, summed over threads."""
        return self._budget_wait

    @property
    def server_date(self) -> str | None:
        """`Date` header of the last response; `None` if it had none."""
        return self._transport.server_date

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._transport.base_url!r})"

    def close(self) -> None:
        """Close every connection, and the budget if the client owns it."""
        self._transport.close()
        if self._own_budget:
            self.budget.close()

    def unthrottled(self) -> Transactions:
        """The transaction endpoints without budget and retries, for the loader, which does both itself."""
        return Transactions(_Unthrottled(self._transport, self.hash_lifetime))

    def _request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Response:
        """The only way to the API: budget, exchange, retries, each counted in the budget (LJ-09)."""
        if self._answers is None or method != "GET":
            return self._ask(method, path, params)
        return self._answers.answer(path, params or {}, lambda: self._ask(method, path, params))

    def _ask(self, method: str, path: str, params: Mapping[str, Any] | None) -> Response:
        attempt = 0
        while True:
            try:
                return self._exchange(method, path, params)
            except APIError as error:
                if attempt >= self.max_retries or not is_retryable(error, method, path):
                    raise
                pause = self.backoff_pause(attempt)
                attempt += 1
                logger.warning(
                    "%s %s: %s; attempt %d of %d in %.1f s",
                    method, path, type(error).__name__, attempt + 1, self.max_retries + 1, pause,
                )  # fmt: skip
                self._sleep(pause)

    def _exchange(self, method: str, path: str, params: Mapping[str, Any] | None) -> Response:
        waited = self._permits.acquire()
        with self._counter_lock:
            self._requests += 1
            self._budget_wait += waited
        try:
            return self._transport.send(method, path, params)
        except RateLimitError:
            self._permits.cool_down()
            raise

    def backoff_pause(self, attempt: int) -> float:
        """Seconds before repetition `attempt` (from 0): exponential, capped, with 50 % jitter."""
        ceiling = self.backoff * min(1 << attempt, BACKOFF_CEILING)
        return ceiling * (0.5 + 0.5 * self._jitter())


class _Unthrottled:
    max_retries = 0

    def __init__(self, transport: HttpTransport, hash_lifetime: float) -> None:
        self._transport = transport
        self.hash_lifetime = hash_lifetime

    def _request(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Response:
        return self._transport.send(method, path, params)


def is_retryable(error: APIError, method: str, path: str) -> bool:
    """Whether a request may be sent again (BM-02): after 429, and after 5xx or no response if it is idempotent."""
    if isinstance(error, RateLimitError):
        return True  # the API did not process it
    idempotent = method == "GET" or (method, path) in _IDEMPOTENT
    return idempotent and isinstance(error, ServerError | APIConnectionError) and not isinstance(error, RedirectedError)
