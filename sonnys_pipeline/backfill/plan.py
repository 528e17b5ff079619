"""Plans: what a job would read, its cost, and whether it is still what was approved (BX-02, BX-03).

A plan is frozen. Its fingerprint covers its whole content; approval stores the fingerprint, and a run compares it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import cycle
from pathlib import Path
from statistics import fmean
from typing import Any

from sonnys_pipeline.backfill.manifest.manifest import Manifest
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.client.site_codes import is_in
from sonnys_pipeline.ledger.errors import NotApprovedError, PlanDriftError, PlanError
from sonnys_pipeline.ledger.models import Job, JobMode, JobRow, PlanRecord, RowSpec
from sonnys_pipeline.runtime.text import first_few

TRANSACTIONS = "transactions"
#: Rows that a preview sizes with one cheap request each (BX-02).
SAMPLE_ROWS = 20
#: One submission and one fetch; the loader needs less than 1 % more.
REQUESTS_PER_PAGE = 2
#: Days named in a message about changes.
_NAMED = 5


@dataclass(frozen=True)
class Scope:
    """What days are read from and landed in; nothing here is secret.

    Attributes:
        account: digest of the API id.
        site_code: the site header; empty for none.
        pii: policy on personal data, and fingerprint of the key for hashes. Older plans without it kept all.
        load_by: whether load jobs name a site. Older plans without it named none.
        sites: codes that load jobs name; empty where they name none.
        proof: whether the API's own count of each day is compared.
        states: whether `version-2` is read: `auto`, `on` or `off`.
        resource: what is read: transactions, or an asset that a list of the API lands as.
    """

    account: str
    base_url: str
    site_code: str
    timezone: str
    data_url: str
    pii: str = "keep"
    load_by: str = "all"
    sites: tuple[str, ...] = ()
    proof: bool = False
    states: str = "off"
    resource: str = TRANSACTIONS


#: Names of the parts for messages.
_SCOPE_NAMES = {
    "account": "the account (SONNYS_API_ID)",
    "base_url": "SONNYS_BASE_URL",
    "site_code": "SONNYS_SITE_CODE",
    "timezone": "SONNYS_TIMEZONE",
    "data_url": "SONNYS_DATA_URL",
    "pii": "SONNYS_PII",
    "load_by": "SONNYS_LOAD_BY",
    "proof": "SONNYS_PROOF",
    "states": "SONNYS_STATES",
    "resource": "what is read",
}


@dataclass(frozen=True)
class PlannedRow:
    """A day to be read.

    Attributes:
        day: `YYYY-MM-DD`.
        site: one site's code; `None` for all.
        rows: its transactions, counted by the API where `sized`, else estimated.
        pages: load jobs for them.
        landed_rows: landed transactions that would be replaced; `None` where nothing is landed.
    """

    day: str
    site: str | None
    rows: int
    pages: int
    sized: bool
    landed_rows: int | None


@dataclass(frozen=True)
class Estimate:
    """What a plan will cost if no one else uses the budget; `lists`: the `requests` to list endpoints."""

    rows: int
    pages: int
    requests: int
    seconds: int
    lists: int = 0


@dataclass(frozen=True)
class Plan:
    """What was previewed.

    Attributes:
        too_old: requested days that the API no longer keeps; they are not read.
        left_out: requested days already landed, where only missing ones were wanted.
        manifest: absolute path of the CSV that asked for them.
    """

    scope: Scope
    rows: tuple[PlannedRow, ...]
    too_old: tuple[RowSpec, ...]
    left_out: tuple[RowSpec, ...]
    manifest: str | None
    estimate: Estimate

    @property
    def content(self) -> str:
        """The plan as JSON text, equal for equal plans; ASCII, since a database may refuse parts of a path."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the content."""
        return _digest(self.content)

    @property
    def sized(self) -> tuple[PlannedRow, ...]:
        """The rows that the API has counted."""
        return tuple(row for row in self.rows if row.sized)

    @classmethod
    def read(cls, record: PlanRecord) -> Plan:
        """The plan kept in the ledger; `PlanError` when it cannot be read or does not match its fingerprint."""
        try:
            kept: dict[str, Any] = json.loads(record.content)
            plan = cls(
                Scope(**{**kept["scope"], "sites": tuple(kept["scope"].get("sites", ()))}),
                tuple(PlannedRow(**row) for row in kept["rows"]),
                tuple(RowSpec(**spec) for spec in kept["too_old"]),
                tuple(RowSpec(**spec) for spec in kept["left_out"]),
                kept["manifest"],
                Estimate(**kept["estimate"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise PlanError(f"the plan of job {record.job_id} cannot be read ({error}); make a new preview") from error
        # Digest of the stored text: a plan of an older version lacks fields that were added since.
        if _digest(record.content) != record.fingerprint:
            raise PlanDriftError(
                f"the plan of job {record.job_id} does not match its fingerprint {record.fingerprint[:12]}: "
                "the ledger was changed by hand; make a new preview"
            )
        return plan


def make_plan(  # a pure function: what it would ask of the world is handed in
    requested: Sequence[RowSpec],
    scope: Scope,
    rate: RequestRate,
    *,
    size: Callable[[RowSpec], int],
    landed_rows: Callable[[RowSpec], int | None],
    first_kept: date,
    missing_only: bool = False,
    manifest: Path | None = None,
) -> Plan:
    """Size 20 rows with the API, spread over sites, weekdays and the whole span, and estimate the rest (BX-02).

    `requested` are days (and sites) in order, each once and over by now. `size` asks for the transactions of a row, at
    most `SAMPLE_ROWS` times; `landed_rows` makes no request. Days before `first_kept` become `too_old`.
    """
    too_old = [spec for spec in requested if date.fromisoformat(spec.day) < first_kept]
    landed = {spec: landed_rows(spec) for spec in requested if date.fromisoformat(spec.day) >= first_kept}
    left_out = [spec for spec, rows in landed.items() if missing_only and rows is not None]
    to_read = [spec for spec, rows in landed.items() if not (missing_only and rows is not None)]
    known = {spec: size(spec) for spec in sample(to_read)}
    guess = estimator(known)
    rows = tuple(
        PlannedRow(
            spec.day,
            spec.site,
            rows=known[spec] if spec in known else guess(spec),
            pages=pages_of(
                known[spec] if spec in known else guess(spec),
                spec.day,
                scope.timezone,
                sites=1 if spec.site else len(scope.sites),
            ),
            sized=spec in known,
            landed_rows=landed[spec],
        )
        for spec in to_read
    )
    path = str(manifest.absolute()) if manifest else None
    return Plan(scope, rows, tuple(too_old), tuple(left_out), path, _bill(rows, scope, rate))


def sample(rows: Sequence[RowSpec]) -> list[RowSpec]:
    """The rows to size, in order: every site and weekday in turn, each spread over its span."""
    if len(rows) <= SAMPLE_ROWS:
        return list(rows)
    groups: dict[tuple[int, str | None], list[RowSpec]] = defaultdict(list)
    sites = {site: number for number, site in enumerate(dict.fromkeys(spec.site for spec in rows))}
    for spec in rows:
        # Sites start with different weekdays, so that many sites together cover all of them.
        weekday = date.fromisoformat(spec.day).weekday()
        groups[(weekday + sites[spec.site]) % 7, spec.site].append(spec)
    turns = sorted(groups, key=lambda group: (group[0], sites[group[1]]))
    share = Counter[tuple[int, str | None]]()
    for group in cycle(turns):
        if share.total() == SAMPLE_ROWS:
            break
        if share[group] < len(groups[group]):
            share[group] += 1
    # One row from each equal part of a group, further along in the part for each group, to cover the whole span.
    chosen = {
        groups[group][int((number + (turn + 0.5) / len(turns)) * len(groups[group]) / share[group])]
        for turn, group in enumerate(turns)
        for number in range(share[group])
    }
    return [spec for spec in rows if spec in chosen]


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode("ascii", "replace")).hexdigest()


def pages_of(rows: int, day: str, timezone: str, *, sites: int = 1) -> int:
    """Load jobs for so many transactions: 100 a page, at least one page per window of the day and per site.

    With several sites, the last page of each is half full on average.
    """
    windows = len(Day.of(day, timezone).windows)
    if sites <= 1:
        return max(0, math.ceil(rows / PAGE_SIZE) - 1) + windows
    return max(sites * windows, round(rows / PAGE_SIZE + sites * windows / 2))


def list_requests_of(rows: int, day: str, scope: Scope) -> int:
    """Requests to list endpoints: the day's count, and its states at 100 a page.

    Live rows lack their states (contract, L4), so `auto` is assumed to read them.
    """
    windows = len(Day.of(day, scope.timezone).windows)
    states = max(windows, math.ceil(rows / PAGE_SIZE)) if scope.states != "off" and rows else 0
    return windows * scope.proof + states


def _bill(rows: Collection[PlannedRow], scope: Scope, rate: RequestRate) -> Estimate:
    pages = sum(row.pages for row in rows)
    lists = sum(list_requests_of(row.rows, row.day, scope) for row in rows)
    requests = pages * REQUESTS_PER_PAGE + lists
    # The first block is free at once; each further one opens when the previous one ends.
    blocks = max(0, math.ceil(requests / rate.requests) - 1)
    return Estimate(sum(row.rows for row in rows), pages, requests, math.ceil(blocks * rate.seconds), lists)


def estimator(known: dict[RowSpec, int]) -> Callable[[RowSpec], int]:
    """Rows of a day not sized: the mean of its site's same weekdays, else of its site, else of all sized days."""
    by_weekday: dict[tuple[str | None, int], list[int]] = defaultdict(list)
    by_site: dict[str | None, list[int]] = defaultdict(list)
    for spec, rows in known.items():
        by_weekday[spec.site, date.fromisoformat(spec.day).weekday()].append(rows)
        by_site[spec.site].append(rows)

    def guess(spec: RowSpec) -> int:
        weekday = by_weekday.get((spec.site, date.fromisoformat(spec.day).weekday()))
        return round(fmean(weekday or by_site.get(spec.site) or known.values()))

    return guess


def differences(plan: Plan, scope: Scope, rows: Sequence[JobRow]) -> list[str]:
    """What would run now, by the present `scope`, but was not planned, or the reverse, in words."""
    found = []
    before, now = asdict(plan.scope), asdict(scope)
    for name, called in _SCOPE_NAMES.items():
        if before[name] != now[name]:
            found.append(f"{called} was {before[name] or '(none)'!r}, is {now[name] or '(none)'!r}")
    # A new site is read too, and named; a site that is gone would be missing from every day.
    if gone := [code for code in plan.scope.sites if not is_in(code, scope.sites)]:
        found.append(f"the API no longer lists these sites: {', '.join(gone)}")
    planned = {(row.day, row.site) for row in plan.rows} | {(spec.day, spec.site) for spec in plan.too_old}
    found += _changed_days("the job", planned, {(row.day, row.site) for row in rows})
    if plan.manifest is not None:
        asked = {(spec.day, spec.site) for spec in Manifest.read(Path(plan.manifest)).requests}
        found += _changed_days(plan.manifest, planned | {(spec.day, spec.site) for spec in plan.left_out}, asked)
    return found


def _changed_days(where: str, planned: set[tuple[str, str | None]], present: set[tuple[str, str | None]]) -> list[str]:
    parts = [("has besides", present - planned), ("lacks", planned - present)]
    return [f"{where} {verb} {_named(days)}" for verb, days in parts if days]


def _named(days: Collection[tuple[str, str | None]]) -> str:
    names = sorted(f"{day} of site {site}" if site else day for day, site in days)
    return first_few(names, _NAMED)


def refuse_unapproved(job: Job, record: PlanRecord | None, mode: JobMode, changed: Sequence[str]) -> None:
    """Refuse a job that changed since it was planned, or lacks the approval that its mode requires (BX-03)."""
    if changed:
        raise PlanDriftError(
            f"job {job.id} has changed since it was planned: {'; '.join(changed)}. Undo the "
            "change, or make a new preview"
        )
    if mode is JobMode.AUTO:
        return
    if record is None:
        raise NotApprovedError(
            f"job {job.id} has no plan to approve; make one with: sonnys backfill preview, "
            f"or run it without approval: sonnys backfill run {job.id} --mode auto"
        )
    if not record.is_approved:
        raise NotApprovedError(f"job {job.id} is not approved; type: sonnys backfill approve {job.id}")
