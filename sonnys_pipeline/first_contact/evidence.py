"""The responses to the questions, and the instant for testing the ends of ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json

from sonnys_pipeline.client import ResponseFormatError, Site
from sonnys_pipeline.client.resource import PAGE_SIZE, read_rows, unwrap_data

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
#: Shortest and longest range on one side of the instant, in microseconds.
_SHORTEST, _LONGEST = 60 * _SECOND, 12 * 3600 * _SECOND


@dataclass(frozen=True)
class Page:
    """One page of rows, of a list or of a load job.

    Attributes:
        rows: decoded.
        total: `null`, `zero`, `absent`, `number` or `not found (404)`.
        whole: whether these are all rows of the range.
    """

    rows: Sequence[Mapping[str, Any]]
    total: str
    whole: bool

    @classmethod
    def read(cls, data: Mapping[str, Any], key: str) -> Page:
        """Read the `data` object of a response, with the rows at `key`.

        Raises:
            ResponseFormatError: they are not a list of objects.
        """
        rows = read_rows(data, key, "first contact")
        if not all(isinstance(row, Mapping) for row in rows):
            raise ResponseFormatError("a row is not an object")
        total = data.get("total", "absent")
        said = "null" if total is None else "absent" if total == "absent" else "number" if total else "zero"
        return cls(rows, said, total == len(rows) or (said != "number" and len(rows) < PAGE_SIZE))

    @property
    def ids(self) -> frozenset[Any]:
        """Ids of the rows."""
        return frozenset(row.get("id", row.get("transId")) for row in self.rows)


@dataclass(frozen=True)
class Instant:
    """A row and the ranges around it, in microseconds since the Unix epoch.

    Attributes:
        row_id: the row.
        at: its instant in the list.
        start: start of the range that ends at it, a whole second.
        end: end of the range that starts at it, a whole second.
        empty: a second without rows in the list.
    """

    row_id: str
    at: int
    start: int
    end: int
    empty: int

    @property
    def ends_on_it(self) -> dict[str, object]:
        """`startDate` and `endDate` of the range that ends at the row."""
        return span(self.start, self.at)

    @property
    def ends_after_it(self) -> dict[str, object]:
        """The next longer range, which has the row unless the API rounds times."""
        return span(self.start, self.at + (_SECOND if self.at % _SECOND == 0 else 1000))

    @property
    def starts_on_it(self) -> dict[str, object]:
        """The range that starts at the row."""
        return span(self.at, self.end)


@dataclass
class AskedJob:
    """A submitted load job; ages in seconds.

    Attributes:
        job_hash: its hash.
        sent_at: when it was submitted, on the monotonic clock.
        submitted_at: when the response with the hash came.
        working_at: age at the last poll that answered `working`; 0.0 without one.
        passed_at: age at the poll that answered `pass`, if any.
        page: its rows.
        fail_fields: names of the fields of a `fail`, if any.
    """

    job_hash: str
    sent_at: float
    submitted_at: float
    working_at: float = 0.0
    passed_at: float | None = None
    page: Page | None = None
    fail_fields: Sequence[str] | None = None


@dataclass
class Ends:
    """Whether a range includes the row at its end, and at its start.

    `control`: whether a longer range includes it; only requested if the first one did not.
    """

    on_end: bool | None = None
    on_start: bool | None = None
    control: bool | None = None


@dataclass
class Evidence:
    """All responses; None where there is none, with the reason in `failures` by question.

    Attributes:
        narrowed: whether SONNYS_SITE_CODE limits every request.
        sites: the listed sites.
        list_refused: whether a list without a site was refused for that reason.
        job_refused: whether a load job without a site was.
        listed: the page of rows from which the instant was chosen.
        instant: for testing the ends.
        version_2: the same rows in version-2.
        list_ends, job_ends: see `Ends`.
        empty_list: a list of a second without rows.
        jobs: the load jobs `end`, `start`, `empty` and `control`.
        second_hash: the hash of `end`, submitted again.
        statuses: statuses of load jobs.
        leaves_room: whether a full block on one endpoint left room on another.
        failures: why a question has no evidence.
    """

    narrowed: bool = False
    sites: Sequence[Site] | None = None
    list_refused: bool | None = None
    job_refused: bool | None = None
    listed: Page | None = None
    instant: Instant | None = None
    version_2: Page | None = None
    list_ends: Ends = field(default_factory=Ends)
    job_ends: Ends = field(default_factory=Ends)
    empty_list: Page | None = None
    jobs: dict[str, AskedJob] = field(default_factory=dict)
    second_hash: str | None = None
    statuses: set[str] = field(default_factory=set)
    leaves_room: bool | None = None
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def knows_anything(self) -> bool:
        """Whether any question was answered."""
        known = (self.sites, self.list_refused, self.job_refused, self.listed, self.leaves_room)
        return any(one is not None for one in known)

    @property
    def job_rows(self) -> list[Mapping[str, Any]]:
        """Rows of all load jobs, each once."""
        pages = [job.page for job in self.jobs.values() if job.page is not None]
        return list({row.get("id"): row for page in pages for row in page.rows}.values())


def choose_instant(rows: Sequence[Mapping[str, Any]]) -> Instant | None:
    """Choose a row for testing the ends, with a range on both sides; None without rows.

    Prefers a row at a whole second, which needs no fractions; then one in the first half of its second, from which
    rounding would move away. Of these the middle one, so that both ranges have rows.

    Raises:
        ResponseFormatError: an instant cannot be read.
    """
    known = sorted((_instant(row.get("date")), str(row.get("transId"))) for row in rows)
    if not known:
        return None
    places = sorted(range(len(known)), key=lambda place: abs(place - len(known) // 2))
    at, row_id = known[min(places, key=lambda place: _preference(known[place][0]))]
    first, last = _whole(known[0][0]), _whole(known[-1][0]) + _SECOND
    start = min(max(first, _whole(at) - _LONGEST), _whole(at) - _SHORTEST)
    end = max(min(last, _whole(at) + _LONGEST), _whole(at) + _SHORTEST)
    taken = {moment // _SECOND for moment, _ in known}
    seconds = range(start // _SECOND, end // _SECOND)
    # With empty neighbours, so that it does not matter whether the ends of the second are included.
    free = (one for one in seconds if not taken & {one - 1, one, one + 1})
    return Instant(row_id, at, start, end, next(free, start // _SECOND) * _SECOND)


def span(start: int, end: int) -> dict[str, object]:
    """`startDate` and `endDate` in Unix seconds, with decimals if needed."""
    return {"startDate": _unix(start), "endDate": _unix(end)}


def empty_second(instant: Instant) -> dict[str, object]:
    """The range of the second without rows."""
    return span(instant.empty, instant.empty + _SECOND)


def data_of(body: bytes) -> dict[str, Any]:
    """The `data` object of a response.

    Raises:
        ResponseFormatError: there is none, such as in a gateway's page with status 200.
    """
    try:
        answer = from_json(body)
    except ValueError:
        raise ResponseFormatError("the answer is not JSON") from None
    return unwrap_data(answer, "first contact")


def moment_of(row: Mapping[str, Any]) -> int | None:
    """The instant of a job row in microseconds, if it can be read."""
    try:
        return _instant(row.get("completeDate"))
    except ResponseFormatError:
        return None


def _instant(text: object) -> int:
    try:
        return (datetime.fromisoformat(str(text)) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError):
        raise ResponseFormatError("a row's instant cannot be read") from None


def _preference(at: int) -> int:
    fraction = at % _SECOND
    return 0 if fraction == 0 else 1 if fraction < _SECOND // 2 else 2


def _whole(at: int) -> int:
    return at // _SECOND * _SECOND


def _unix(at: int) -> int | str:
    seconds, fraction = divmod(at, _SECOND)
    return f"{seconds}.{fraction:06d}".rstrip("0") if fraction else seconds
