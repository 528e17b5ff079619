"""The API, the budget and the network on a virtual clock: hours of loading in seconds of testing."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pydantic_core import to_json

from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    NotFoundError,
    RateLimitError,
    RequestRate,
    ServerError,
    Site,
    ValidationError,
)
from sonnys_pipeline.extract.worker_pool import CallResult

EPOCH = datetime(2026, 7, 1, tzinfo=UTC)


class VirtualClock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def now(self):
        return EPOCH + timedelta(days=60, seconds=self.seconds)


class VirtualBudget:
    """The sliding log of departures, margin included, on the virtual clock."""

    def __init__(self, clock, rate=None):
        self.clock, self.rate = clock, rate or RequestRate()
        self.block = self.rate.seconds + self.rate.arrival_margin
        self.departures = deque(maxlen=self.rate.requests)
        self.cool_until = 0.0

    def try_acquire(self):
        now = self.clock()
        if now < self.cool_until:
            return self.cool_until - now
        if len(self.departures) == self.rate.requests and now < self.departures[0] + self.block:
            return self.departures[0] + self.block - now
        self.departures.append(now)
        return 0.0

    def cool_down(self):
        self.cool_until = self.clock() + self.block


class VirtualWorkerPool:
    """Carries calls to the API at half the latency and answers back after the whole of it."""

    def __init__(self, clock, latency=lambda: 0.05):
        self.clock, self.latency = clock, latency
        self.order = itertools.count()
        self.under_way = []
        self.closed = False
        self.size = 32

    def start(self, key, call: Callable[[], object]):
        try:
            answer = CallResult(key, call(), None)
        except Exception as error:  # noqa: BLE001 - like the real one: whatever a call raises is its answer
            answer = CallResult(key, None, error)
        heapq.heappush(self.under_way, (self.clock() + self.latency(), next(self.order), answer))

    def wait(self, seconds):
        assert seconds is not None or self.under_way, "the loader would wait for ever"
        until = float("inf") if seconds is None else self.clock() + seconds
        if self.under_way and self.under_way[0][0] <= until:
            self.clock.seconds = max(self.clock.seconds, self.under_way[0][0])
        else:
            self.clock.seconds = until
        found = []
        while self.under_way and self.under_way[0][0] <= self.clock():
            found.append(heapq.heappop(self.under_way)[2])
        return found

    def wake(self):
        pass

    def close(self):
        self.closed = True


def iso(instant):
    """Unix seconds as the API writes them."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def answer(job_hash, status, **page):
    """The body of an answer of get-job-data."""
    return to_json({"data": {"hash": job_hash, "status": status, **page}})


def row_of(instant, site="MAIN", sites=()):
    """A row of an account with these sites; its id names the instant and the site."""
    number = sites.index(site) + 1 if sites else 1
    return {
        "id": f"{round(instant * 1000)}:{number}", "number": 1, "type": "Sale", "completeDate": iso(instant),
        "locationCode": site, "salesDeviceName": "POS1", "total": 10.0, "tenders": [], "items": [],
        "discount": [],
        "isRecurringPayment": False, "isRecurringRedemption": False, "isRecurringSale": False,
        "isPrepaidRedemption": False, "isPrepaidSale": False,
    }  # fmt: skip


@lru_cache(512)
def rows_as_json(rows, sites):
    """JSON of a page's rows. Tests load the same days: most pages are asked for by several of them."""
    return to_json([row_of(*row, sites) for row in rows])


@dataclass
class VirtualJob:
    """One load job of the fake API."""

    params: dict
    submitted: float
    ready: float
    fails: bool = False


@dataclass
class VirtualApi:
    """Rows of a chain that has `rows_per_day` of them, evenly over each UTC day; faults by probability, seeded.

    `sites`: rows a day of each site by code, or what tells them for a number of days since 1970. With several of them
    load jobs have to name one (contract, L1); lists have to only with `lists_need_site` ([?]). `unlisted`: of them
    those that `/site/list` does not name.
    """

    clock: VirtualClock
    rows_per_day: int = 800
    sites: Mapping[str, int | Callable[[int], int]] = field(default_factory=dict)
    needs_site: bool = True
    lists_need_site: bool = False
    unlisted: frozenset[str] = frozenset()
    job_seconds: tuple[float, float] = (1.0, 4.0)
    seed: int = 1
    rate: RequestRate = field(default_factory=RequestRate)
    hash_lifetime: float = 1200.0
    fault_shares: dict = field(default_factory=dict)
    most_faults: int = 10**9

    def __post_init__(self):
        self.random = random.Random(self.seed)
        self.jobs: dict[str, VirtualJob] = {}
        self.by_criteria: dict[tuple, str] = {}
        self.counts: Counter[str] = Counter()
        self.arrivals: list[float] = []
        self.block_opened, self.block_count = -1e9, 0
        self.faults_left = self.most_faults
        self.spans: dict[tuple[int, int, str | None], list[tuple[float, str]]] = {}

    def instants(self, start, end, site=None):
        """Unix second and site of each row from start to end, both included; a site's first of a day is on midnight."""
        known = self.spans.get((start, end, site))
        if known is None:
            days = range(start // 86400, end // 86400 + 1)
            chain = self.sites or {"MAIN": self.rows_per_day}
            found = [
                (day * 86400 + index * 86400 / rows, code)
                for day in days
                for code, told in chain.items()
                if site is None or code.lower() == site.lower()
                for rows in [told(day) if callable(told) else told]
                for index in range(rows)
            ]
            known = sorted(one for one in found if start <= one[0] <= end)
            self.spans[(start, end, site)] = known
        return known

    def row(self, instant, site="MAIN"):
        """A row; its id names the instant and the site."""
        return row_of(instant, site, tuple(self.sites))

    def refuse_without_site(self, needed, params):
        """422, as on a key of several sites."""
        if needed and len(self.sites) > 1 and not params.get("site"):
            raise ValidationError(422, "PayloadValidationError", ("site: Only 1 site can be selected.",))

    def page_of(self, params):
        """Rows of a page, and how many there are in all."""
        instants = self.instants(params["startDate"], params["endDate"], params.get("site"))
        page, limit = params["offset"], params["limit"]
        return instants[(page - 1) * limit : page * limit], len(instants)

    def submit_job(self, **params):
        self.arrive("submit")
        self.refuse_without_site(self.needs_site, params)
        key = tuple(sorted(params.items()))
        known = self.by_criteria.get(key)
        if known is None or self.clock() - self.jobs[known].submitted >= self.hash_lifetime:
            known = f"h{len(self.jobs)}"
            ready = self.clock() + self.random.uniform(*self.job_seconds)
            endless = self.fault("endless")
            self.jobs[known] = VirtualJob(params, self.clock(), 1e12 if endless else ready, self.fault("fail"))
            self.by_criteria[key] = known
        self.lose_answer()
        return known

    def get_job_body(self, job_hash):
        self.arrive("poll")
        job = self.jobs[job_hash]
        if self.clock() - job.submitted >= self.hash_lifetime or self.fault("early_404"):
            job.submitted = -1e9
            raise NotFoundError(404, "EntityNotFoundError", ("nothing",))
        self.lose_answer()
        if self.clock() < job.ready:
            self.counts["working"] += 1
            return answer(job_hash, "working")
        if job.fails:
            return answer(job_hash, "fail")
        rows, total = self.page_of(job.params)
        moved = 1 if self.fault("moved_total") else 0
        if not total:  # L2
            return answer(job_hash, "pass", data=[], offset=None, limit=None, total=None)
        passed = answer(job_hash, "pass").removesuffix(b"}}")
        listed = rows_as_json(tuple(rows), tuple(self.sites))
        return b'%b,"data":%b,"limit":100,"total":%d}}' % (passed, listed, total + moved)

    def count(self, **params):
        self.arrive("count")
        self.refuse_without_site(self.lists_need_site, params)
        self.lose_answer()
        return len(self.instants(params["startDate"], params["endDate"], params.get("site")))

    def list_v2_body(self, **params):
        self.arrive("states")
        self.refuse_without_site(self.lists_need_site, params)
        self.lose_answer()
        rows, total = self.page_of(params)
        listed = [
            {
                "transNumber": 1, "transId": self.row(*row)["id"], "total": 10.0, "date": iso(row[0]),
                "customerId": None, "isRecurringPlanSale": False, "isRecurringPlanRedemption": False,
                "transactionStatus": "Completed",
            }
            for row in rows
        ]  # fmt: skip
        return to_json({"data": {"transactions": listed, "offset": params["offset"], "limit": 100, "total": total}})

    def list_sites(self):
        self.arrive("sites")
        self.lose_answer()
        return [Site(code=code, name=code) for code in self.sites if code not in self.unlisted]

    def fault(self, name):
        if self.faults_left > 0 and self.random.random() < self.fault_shares.get(name, 0.0):
            self.faults_left -= 1
            self.counts[f"fault:{name}"] += 1
            return True
        return False

    def arrive(self, operation):
        now = self.clock()
        if now >= self.block_opened + self.rate.seconds:
            self.block_opened, self.block_count = now, 0
        self.block_count += 1
        self.counts["requests"] += 1
        self.arrivals.append(now)
        if self.block_count > self.rate.requests:
            self.counts["429"] += 1
            raise RateLimitError(429, "RequestRateExceedError", ("too many",))
        self.counts[operation] += 1
        if self.fault("429"):
            raise RateLimitError(429, "RequestRateExceedError", ("storm",))
        self.raise_fault("500", ServerError(500, "ServerUnexpectedFailure", ("broken",)))
        self.raise_fault("drop_before", APIConnectionError("dropped"))

    def lose_answer(self):
        self.raise_fault("drop_after", APIConnectionError("dropped"))

    def raise_fault(self, name, error: APIError):
        if self.fault(name):
            raise error
