"""Load jobs, one per page: they run for a while, pass or fail, and expire (contract, "Batch jobs", L2, L4, L18)."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic_core import to_json

from sonnys_pipeline.simulator.api.criteria import Criteria
from sonnys_pipeline.simulator.api.lists import as_of, detail, renamed
from sonnys_pipeline.simulator.clock import SimulatorClock
from sonnys_pipeline.simulator.faults import FaultInjector
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.row_parts import Row


class Ending(StrEnum):
    """How a job ends; decided at its start."""

    SUCCESS = "pass"
    FAIL_ONCE = "fail once"
    """fails; the next submission of the same criteria starts a new job"""
    FAIL_STICKY = "fail sticky"
    """fails; the criteria stay failed while the hash lives"""
    FAIL_DATE = "fail date"
    """fails for as long as `Faults.fail_dates` names the day"""
    NEVER = "never"


@dataclass(slots=True)
class Job:
    """One page of one window. Times are stopwatch seconds; `total` is of the whole window, None if it is empty."""

    hash: str
    api_id: str
    criteria: Criteria
    ready_at: float
    expires_at: float
    ending: Ending
    total: int | None
    row_count: int
    _rows: Sequence[Row]
    pending_until: float = 0.0
    _encoded: bytes | None = None

    def status(self, at: float) -> str:
        """`pending`, `working`, `pass` or `fail` at stopwatch time `at`."""
        if at < self.pending_until:
            return "pending"
        if self.ending is Ending.NEVER or at < self.ready_at:
            return "working"
        return "pass" if self.ending is Ending.SUCCESS else "fail"

    def passed_body(self) -> bytes:
        """JSON body of a passed job; encoded once, then the rows are released."""
        if self._encoded is None:
            self._encoded = self._body("pass", self._rows, self.total)
            self._rows = ()
        return self._encoded

    def pending_body(self, status: str) -> bytes:
        """JSON body of any other status: no rows, total 0."""
        return self._body(status, (), 0)

    def bare_body(self, status: str) -> bytes:
        """JSON body with hash and status only."""
        return to_json({"data": {"hash": self.hash, "status": status}})

    def _body(self, status: str, rows: Sequence[Row], total: int | None) -> bytes:
        page, limit = (None, None) if total is None else (self.criteria.page, self.criteria.limit)
        data = {"hash": self.hash, "status": status, "data": rows, "offset": page, "limit": limit, "total": total}
        return to_json({"data": data})


class JobBoard:
    """All jobs of all accounts. Thread-safe. Seconds are of API time.

    Args:
        world: source of the rows.
        clock: scales running times and hash life.
        injector: current faults.
        seed: determines running times, with the hash.
        job_seconds: shortest and longest running time.
        hash_seconds: life of a hash from its submission.
        stable_hashes: a renewed job keeps its hash.
        live: rows lack the newer fields (L4), and an empty window has null for offset, limit and total (L2).
        pending_status: a job is `pending` in the first half of its running time (L18).
    """

    def __init__(  # the keywords are fields of `SimulatorConfig`
        self,
        world: World,
        clock: SimulatorClock,
        injector: FaultInjector,
        *,
        seed: int = 7,
        job_seconds: tuple[float, float] = (1.0, 4.0),
        hash_seconds: float = 1200.0,
        stable_hashes: bool = False,
        live: bool = True,
        pending_status: bool = False,
    ) -> None:
        self._live = live
        self._pending_status = pending_status
        self._world = world
        self._clock = clock
        self._injector = injector
        self._seed = seed
        self._job_seconds = job_seconds
        self._life = clock.scaled(hash_seconds)
        self._stable_hashes = stable_hashes
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget all jobs."""
        with self._lock:
            self._by_hash: dict[str, Job] = {}
            self._by_criteria: dict[tuple[str, Criteria], Job] = {}
            self._generations: dict[tuple[str, Criteria], int] = {}

    def submit(self, api_id: str, criteria: Criteria) -> tuple[Job, bool]:
        """The job for these criteria, and whether it was started now."""
        at = self._clock.elapsed()
        key = (api_id, criteria)
        with self._lock:
            self._forget_expired(at)
            known = self._by_criteria.get(key)
            if known is not None and not self._needs_restart(known, at):
                return known, False
            if known is not None:
                self._forget(known)
            generation = self._generations.get(key, -1) + 1
            self._generations[key] = generation
            job = self._start(api_id, criteria, 0 if self._stable_hashes else generation, generation, at)
            self._by_criteria[key] = self._by_hash[job.hash] = job
            return job, True

    def poll(self, api_id: str, job_hash: str) -> Job | None:
        """The live job of that hash and account, if any."""
        at = self._clock.elapsed()
        with self._lock:
            self._forget_expired(at)
            job = self._by_hash.get(job_hash)
            if job is None or job.api_id != api_id:
                return None
            if self._injector.take("expire_hashes_early"):
                self._forget(job)
                return None
            return job

    def _needs_restart(self, job: Job, at: float) -> bool:
        if job.ending is Ending.FAIL_ONCE:
            return job.status(at) == "fail"
        return job.ending is Ending.FAIL_DATE and job.criteria.start.date() not in self._injector.faults.fail_dates

    def _start(self, api_id: str, criteria: Criteria, hash_generation: int, generation: int, at: float) -> Job:
        what = (api_id, criteria.start_ms, criteria.end_ms, sorted(criteria.sites), criteria.limit, criteria.page)
        job_hash = hashlib.md5(f"{what}/{hash_generation}".encode(), usedforsecurity=False).hexdigest()
        seconds = random.Random(f"{self._seed}/{what}/{generation}").uniform(*self._job_seconds)
        ending = self._ending(criteria)
        rows, total = self._capture(criteria) if ending is Ending.SUCCESS else ((), 0)
        running = self._clock.scaled(seconds)
        return Job(
            hash=job_hash,
            api_id=api_id,
            criteria=criteria,
            ready_at=at + running,
            expires_at=at + self._life,
            ending=ending,
            total=None if self._live and ending is Ending.SUCCESS and total == 0 else total,
            row_count=len(rows),
            _rows=rows,
            pending_until=at + running / 2 if self._pending_status else 0.0,
        )

    def _ending(self, criteria: Criteria) -> Ending:
        if criteria.start.date() in self._injector.faults.fail_dates:
            return Ending.FAIL_DATE
        if self._injector.take("fail_jobs"):
            return Ending.FAIL_ONCE
        if self._injector.take("sticky_fail_jobs"):
            return Ending.FAIL_STICKY
        return Ending.NEVER if self._injector.take("endless_jobs") else Ending.SUCCESS

    def _capture(self, criteria: Criteria) -> tuple[Sequence[Row], int]:
        """Rows of the page, and the row count of the window."""
        take, page, limit = self._injector.take, criteria.page, criteria.limit
        if page > 1 and take("moving_total"):
            self._world.add_late_rows(_near_the_start(criteria), site=min(criteria.sites))
        entries = self._world.window(criteria.start_ms, criteria.end_ms, criteria.sites)
        first = (page - 1) * limit
        # Job rows of the documented profile have the newer fields.
        shape = detail if self._live else dict
        names = self._injector.faults.renamed_fields
        rows = [renamed(shape(row), names) for row in as_of(entries[first : first + limit], self._clock.now())]
        if not rows:
            return rows, len(entries)
        if page > 1 and take("duplicate_rows"):
            rows = [shape(entries[first - 1][2]), *rows][:limit]
        if take("malformed_rows"):
            rows[0] = {**rows[0], "total": "abc"}
        if take("unknown_field"):
            rows = [{**row, "loyaltyTier": "gold"} for row in rows]
        if take("short_page"):
            rows = rows[:-1]
        return rows, len(entries)

    def _forget_expired(self, at: float) -> None:
        # All lives are equal, so the first job in the dictionary expires first.
        while self._by_hash and (oldest := next(iter(self._by_hash.values()))).expires_at <= at:
            self._forget(oldest)

    def _forget(self, job: Job) -> None:
        del self._by_hash[job.hash]
        key = (job.api_id, job.criteria)
        if self._by_criteria.get(key) is job:
            del self._by_criteria[key]


def _near_the_start(criteria: Criteria) -> datetime:
    return criteria.start + timedelta(milliseconds=(criteria.end_ms - criteria.start_ms) // 10)
