"""What can go wrong between us and the ledger (JS-01…JS-07).

```
LedgerError
├── LedgerUnavailableError    the store cannot be reached, read or written
├── LedgerVersionError        the ledger was written by a newer version of this package
├── UnknownStoredValueError   a value in the ledger that this version does not know; refused rather than guessed at
├── UnknownJobError           no such job
├── AmbiguousJobError         several jobs have ids that begin so
├── UnknownRowError           no such row
├── DuplicateRowError         a day (and site) twice in one job
├── ClosedJobError            rows for a job that has ended
├── InvalidStateTransition    a status that cannot follow the present one
├── PlanError                 a plan that cannot be kept or approved
│   ├── NotApprovedError      a job that demands approval, and has none
│   └── PlanDriftError        what would run is not what was planned
├── JobModeLockedError        a mode that cannot be changed while the job is executed
├── JobLeasedError            another executor holds the job
└── LeaseLostError            the lease that one leaned on is another's, or nobody's, by now
```

No error here holds a store's URL, because a URL may hold a password; `where` is host and database, or a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any


class LedgerError(Exception):
    """Base of the ledger's errors; what the ledger said before, it still says."""


class LedgerUnavailableError(LedgerError):
    """The store cannot be reached, read or written; the message says which, and what to look at.

    Attributes:
        connection_lost: whether the server is away, and what was asked may be asked again.
    """

    connection_lost = False


class LedgerVersionError(LedgerError):
    """The ledger's schema is newer than this code; nothing was touched.

    Attributes:
        where: the ledger.
        found: its revision.
        known: the newest revision that this code knows.
    """

    def __init__(self, where: str, found: str, known: str) -> None:
        """Build the error."""
        self.where, self.found, self.known = where, found, known
        super().__init__(
            f"the ledger {where} has schema {found}, and this version knows schemas up to {known}: it was written by a "
            "newer sonnys-pipeline. Upgrade this installation, or point SONNYS_LEDGER_URL at another ledger."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.where, self.found, self.known)


class UnknownStoredValueError(LedgerError):
    """A status or mode stands in the ledger that this version does not know."""


class UnknownJobError(LedgerError):
    """No job has this id.

    Attributes:
        job_id: what was asked for.
    """

    def __init__(self, job_id: str) -> None:
        """Build the error."""
        self.job_id = job_id
        super().__init__(f"the ledger has no job {job_id!r}; `sonnys backfill list` shows those it has")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.job_id,)


#: Jobs that a message names.
MOST_NAMED = 5


class AmbiguousJobError(LedgerError):
    """Several jobs have ids that begin so.

    Attributes:
        text: what was asked for.
        found: ids that begin with it, newest first.
    """

    def __init__(self, text: str, found: Sequence[str]) -> None:
        """Build the error."""
        self.text, self.found = text, tuple(found)
        more = " and others" if len(found) > MOST_NAMED else ""
        super().__init__(f"{text!r} is the beginning of {', '.join(found[:MOST_NAMED])}{more}: write more of the id")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.text, self.found)


class UnknownRowError(LedgerError):
    """No row has this id, or none any more.

    Attributes:
        row_id: what was asked for.
    """

    def __init__(self, row_id: int) -> None:
        """Build the error."""
        self.row_id = row_id
        super().__init__(f"the ledger has no row {row_id}; its job may have been deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.row_id,)


class DuplicateRowError(LedgerError):
    """A day, or a day and site, stands twice in a job; no row of the call was created.

    Attributes:
        day: `YYYY-MM-DD`.
        site: site code, or `None` for all sites.
    """

    def __init__(self, day: str, site: str | None) -> None:
        """Build the error for the first duplicate."""
        self.day, self.site = day, site
        at = f" at site {site}" if site else ""
        super().__init__(f"{day}{at} stands twice in one job; name each day (and site) once")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.day, self.site)


class ClosedJobError(LedgerError):
    """A job that has ended takes no more rows; create another job for them."""


class InvalidStateTransition(LedgerError):  # noqa: N818 - the name that JS-02 fixes
    """A status that cannot follow the present one; nothing was changed.

    Attributes:
        current_state: what the job, or row, is.
        attempted_state: what it was to become.
        allowed_transitions: what it could become instead.
    """

    def __init__(
        self, current_state: StrEnum, attempted_state: StrEnum, allowed_transitions: Iterable[StrEnum], what: str = ""
    ) -> None:
        """Build the error; `what` names the job or row for a person."""
        self.current_state = current_state
        self.attempted_state = attempted_state
        self.allowed_transitions = frozenset(allowed_transitions)
        self.what = what
        allowed = " or ".join(sorted(self.allowed_transitions)) or "nothing else"
        super().__init__(
            f"{what + ' ' if what else ''}is {current_state} and cannot become {attempted_state}; "
            f"it can become {allowed}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.current_state, self.attempted_state, self.allowed_transitions, self.what)


class JobLeasedError(LedgerError):
    """Another executor holds the job (JS-06).

    Attributes:
        job_id: the job.
        owner: who holds it.
        until: aware UTC instant at which the lease ends unless its owner renews it.
    """

    def __init__(self, job_id: str, owner: str, until: datetime) -> None:
        """Build the error."""
        self.job_id, self.owner, self.until = job_id, owner, until
        super().__init__(
            f"job {job_id} is executed by {owner}, whose lease ends at {until:%Y-%m-%dT%H:%M:%SZ} unless renewed: "
            "wait for it or stop it; if it is dead, try again after that time"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.job_id, self.owner, self.until)


class LeaseLostError(LedgerError):
    """The lease is not ours any more: stop working on the job at once, and change nothing of it.

    Attributes:
        job_id: the job.
        owner: who believed to hold it.
        holder: who holds it now; `None` when nobody does.
    """

    def __init__(self, job_id: str, owner: str, holder: str | None) -> None:
        """Build the error."""
        self.job_id, self.owner, self.holder = job_id, owner, holder
        super().__init__(
            f"{owner} has lost the lease on job {job_id} to {holder or 'nobody'}; this executor stops, "
            "what it has landed stays and a resume continues from there"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.job_id, self.owner, self.holder)


class PlanError(LedgerError):
    """A plan cannot be kept, approved or run as it is."""


class NotApprovedError(PlanError):
    """The job demands approval and has none; the message says what to type (BX-03)."""


class PlanDriftError(PlanError):
    """What would run now is not what was planned; the message says what changed (BX-03)."""


class JobModeLockedError(LedgerError, ValueError):
    """The mode of a job that is being executed (BX-04).

    Attributes:
        job_id: the job.
        owner: who executes it.
    """

    def __init__(self, job_id: str, owner: str) -> None:
        """Build the error."""
        self.job_id, self.owner = job_id, owner
        super().__init__(f"job {job_id} is executed by {owner}: its mode cannot change before that has ended")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.job_id, self.owner)
