"""The questions of first contact, their cost, and the order of asking.

The order saves requests: one page of a site's list gives the exact instant of a row, for testing the ends of ranges;
load jobs run while lists are read, and answer several questions at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sonnys_pipeline.client import APIConnectionError, APIError, APIStatusError, AuthError, NotFoundError, Transactions
from sonnys_pipeline.client.resource import NO_RESULTS, PAGE_SIZE
from sonnys_pipeline.client.site_codes import named_codes
from sonnys_pipeline.first_contact.asking import Asker, BoundSpentError, reason_of, word
from sonnys_pipeline.first_contact.block import NoFullBlockError, block_leaves_room
from sonnys_pipeline.first_contact.evidence import (
    AskedJob,
    Ends,
    Evidence,
    Instant,
    Page,
    choose_instant,
    data_of,
    empty_second,
    span,
)

#: Maximum number of requests, including retries, without those of a spent block.
MOST_REQUESTS = 24
#: Sites whose lists are searched for a row.
_MOST_SITES = 3
#: Days in the list of a site: less than any month.
_DAYS = 27
#: Factor between two waits for a load job.
_BACKOFF_FACTOR = 2.5


@dataclass(frozen=True)
class Question:
    """A question: its name, its text, and its fewest and most requests, without retries."""

    name: str
    asks: str
    least: int
    most: int


QUESTIONS = (
    Question("sites", "the list of sites: codes, spellings, and the server's clock", 1, 1),
    Question("list_without_site", "a list without a site: is it refused?", 1, 1),
    Question("rows", "one page of a site's list, to get the exact instant of a row", 1, _MOST_SITES),
    Question("version_2", "the same rows in version-2: which fields do they have?", 1, 1),
    Question("job_without_site", "a load job without a site: is it refused?", 1, 1),
    Question("jobs", "load jobs that end and start on that instant, one of an empty second, one submitted twice", 4, 4),
    Question("list_ends", "lists that end and start on that instant: are both ends included?", 2, 3),
    Question("empty_list", "a list of an empty second: is its total null?", 1, 1),
    Question("job_data", "the results of the load jobs, and how long they take", 3, 7),
    Question("job_control", "one more load job, if the row at the end was missing", 0, 2),
)
SPEND_A_BLOCK = Question("block", "a full block on one endpoint, then another endpoint; causes one 429", 21, 22)


def most_requests(*, spend_a_block: bool) -> int:
    """Maximum number of requests."""
    return MOST_REQUESTS + (SPEND_A_BLOCK.most if spend_a_block else 0)


def ask_all(
    asker: Asker,
    *,
    site_code: str = "",
    spend_a_block: bool = False,
    poll_interval: float = 2.0,
    timeout: float = 300.0,
) -> Evidence:
    """Ask every question.

    Args:
        asker: sends the requests.
        site_code: SONNYS_SITE_CODE; empty for all sites.
        spend_a_block: also ask whether a full block on one endpoint leaves room on another.
        poll_interval: seconds before the first poll of a load job.
        timeout: seconds that load jobs may take.

    Raises:
        AuthError: the API refuses the credentials or the site.
        APIConnectionError: the API did not respond at all.
        BudgetUnavailableError: the budget's store does not answer.
    """
    return _Contact(asker, site_code, poll_interval, timeout).ask(spend_a_block=spend_a_block)


class _Contact:
    """One run through the questions."""

    def __init__(self, asker: Asker, site_code: str, poll_interval: float, timeout: float) -> None:
        self._asker = asker
        self._site_code = site_code
        self._ripe = poll_interval
        self._timeout = timeout
        self._site: str | None = site_code or None
        self.found = Evidence(narrowed=bool(site_code))

    def ask(self, *, spend_a_block: bool) -> Evidence:
        found = self.found
        with self._question("sites", fatal=(AuthError,)):
            found.sites = self._asker.ask("sites", lambda api: api.list_sites())
        with self._question("list_without_site", fatal=(AuthError,)):
            found.list_refused = self._refused(
                "list_without_site", lambda api: data_of(api.list_body(**self._month(), limit=1))
            )
        with self._question("rows"):
            self._find_rows()
        instant = found.instant
        if instant is not None:
            with self._question("version_2"):
                found.version_2 = self._list("version_2", span(instant.start, instant.end), version_2=True)
        with self._question("job_without_site"):
            somewhere = instant.ends_on_it if instant else {**self._month(), "startDate": self._until() - 3600}
            found.job_refused = self._refused("job_without_site", lambda api: api.submit_job(**_first_page(somewhere)))
        if instant is not None:
            self._ask_about(instant)
        if spend_a_block:
            with self._question("block"):
                a_row = {**self._month(), "limit": 1, "site": self._site}
                found.leaves_room = block_leaves_room(self._asker, a_row)
        return found

    def _ask_about(self, instant: Instant) -> None:
        found = self.found
        with self._question("jobs"):
            found.jobs["end"] = self._submit("jobs", instant.ends_on_it)
            found.second_hash = self._submit("jobs", instant.ends_on_it).job_hash
            found.jobs["start"] = self._submit("jobs", instant.starts_on_it)
            found.jobs["empty"] = self._submit("jobs", empty_second(instant))
        with self._question("list_ends"):
            self._ask_list_ends(instant, found.list_ends)
        with self._question("empty_list"):
            found.empty_list = self._list("empty_list", empty_second(instant))
        for job in list(found.jobs.values()):
            with self._question("job_data"):
                self._await("job_data", job)
        ends, jobs = found.job_ends, found.jobs
        ends.on_end, ends.on_start = (_shown(instant, jobs.get(name)) for name in ("end", "start"))
        if ends.on_end is False:
            with self._question("job_control"):
                jobs["control"] = self._submit("job_control", instant.ends_after_it)
                self._await("job_control", jobs["control"])
            ends.control = _shown(instant, jobs.get("control"))

    @contextmanager
    def _question(self, name: str, *, fatal: tuple[type[APIError], ...] = ()) -> Iterator[None]:
        """Record a failure for this question only, unless it would affect all others, too."""
        try:
            yield
        except (APIError, BoundSpentError, NoFullBlockError) as error:
            silent = isinstance(error, APIConnectionError) and not self._asker.answered
            if isinstance(error, fatal) or silent:
                raise
            self.found.failures[name] = reason_of(error)

    # Lists.

    def _until(self) -> int:
        """End of the requested range: an hour ago by the server's clock, where rows no longer change."""
        now = self._asker.now() - timedelta(seconds=self._asker.clock_difference or 0.0)
        return int(now.timestamp()) // 3600 * 3600 - 3600

    def _month(self) -> dict[str, object]:
        until = self._until()
        return {"startDate": until - _DAYS * 86_400, "endDate": until}

    def _find_rows(self) -> None:
        """Find the first site with rows; sites without a time zone (e-commerce) come last."""
        listed = sorted(self.found.sites or (), key=lambda site: site.timezone is None)
        codes = [self._site_code] if self._site_code else named_codes(listed)[:_MOST_SITES]
        sites: list[str | None] = [*codes] or [None]
        for site in sites:
            self._site = site
            self.found.listed = self._list("rows", self._month())
            self.found.instant = choose_instant(self.found.listed.rows)
            if self.found.instant is not None:
                return
        self.found.failures["rows"] = f"no row in {_DAYS} days at the {len(sites)} sites that were read"

    def _list(self, what: str, period: Mapping[str, object], *, version_2: bool = False) -> Page:
        params = {**_first_page(period), "site": self._site}

        def call(api: Transactions) -> bytes:
            return api.list_v2_body(**params) if version_2 else api.list_body(**params)

        try:
            return Page.read(data_of(self._asker.ask(what, call)), "transactions")
        except NotFoundError as nothing:
            if nothing.type != NO_RESULTS:
                raise
            return Page((), "not found (404)", whole=True)

    def _refused(self, what: str, call: Callable[[Transactions], object]) -> bool:
        """Whether a request without a site is refused for that reason."""
        try:
            self._asker.ask(what, call)
        except APIStatusError as refused:
            if isinstance(refused, NotFoundError) and refused.type == NO_RESULTS:
                return False
            if not refused.concerns_site or isinstance(refused, AuthError):
                raise
            return True
        return False

    def _ask_list_ends(self, instant: Instant, ends: Ends) -> None:
        ends.on_end = _holds(instant, self._list("list_ends", instant.ends_on_it))
        if ends.on_end is False:
            ends.control = _holds(instant, self._list("list_ends", instant.ends_after_it))
        ends.on_start = _holds(instant, self._list("list_ends", instant.starts_on_it))

    # Load jobs.

    def _submit(self, what: str, period: Mapping[str, object]) -> AskedJob:
        params = {**_first_page(period), "site": self._site}
        job_hash = self._asker.ask(what, lambda api: api.submit_job(**params))
        return AskedJob(job_hash, self._asker.sent_at, self._asker.clock())

    def _await(self, what: str, job: AskedJob) -> None:
        """Poll until the job has ended; later jobs use the waiting time learned from earlier ones."""
        asker = self._asker
        while True:
            asker.sleep(max(0.0, job.submitted_at + self._ripe - asker.clock()))
            try:
                data = data_of(asker.ask(what, lambda api: api.get_job_body(job.job_hash)))
            except NotFoundError as nothing:
                if nothing.type != NO_RESULTS or job is not self.found.jobs.get("empty"):
                    raise
                job.passed_at, job.page = asker.clock() - job.sent_at, Page((), "not found (404)", whole=True)
                return
            status = data.get("status")
            self.found.statuses.add(word(status) or "(other)")
            if status == "pass":
                job.passed_at, job.page = asker.clock() - job.sent_at, Page.read(data, "data")
                return
            if status == "fail":
                job.fail_fields = sorted(word(name) or "(other)" for name in data)
                self.found.failures[what] = "a load job failed"
                return
            job.working_at = asker.sent_at - job.submitted_at
            if job.working_at >= self._timeout:
                self.found.failures[what] = f"a load job was not ready after {self._timeout:g} s"
                return
            self._ripe = min(job.working_at * _BACKOFF_FACTOR, self._timeout)


def _first_page(period: Mapping[str, object]) -> dict[str, object]:
    return {**period, "limit": PAGE_SIZE, "offset": 1}


def _holds(instant: Instant, page: Page) -> bool | None:
    """Whether the row is in a range; None if the page is incomplete and lacks it."""
    return True if instant.row_id in page.ids else False if page.whole else None


def _shown(instant: Instant, job: AskedJob | None) -> bool | None:
    return None if job is None or job.page is None else _holds(instant, job.page)
