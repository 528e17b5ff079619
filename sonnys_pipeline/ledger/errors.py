"""The ledger's errors (JS-01…JS-07).

No error holds a store's URL, which may contain a password; `where` is host and database, or a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any


class LedgerError(Exception):
    """Base of the ledger's errors; the ledger is unchanged."""


class LedgerUnavailableError(LedgerError):
    """The store cannot be reached, read or written; if `connection_lost`, the server is away and a retry may help."""

    connection_lost = False


class LedgerVersionError(LedgerError):
    """The ledger's schema revision (`found`) is newer than this code knows (`known`); nothing changed."""

    def __init__(self, where: str, found: str, known: str) -> None:
        self.where, self.found, self.known = where, found, known
        super().__init__(
            f"the ledger {where} has schema {found}, and this version knows schemas up to {known}: it was written by a "
            "newer sonnys-pipeline. Upgrade this installation, or point SONNYS_LEDGER_URL at another ledger."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.where, self.found, self.known)


class UnknownStoredValueError(LedgerError):
    """The ledger holds a status or mode that this version does not know."""


class UnknownJobError(LedgerError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        super().__init__(f"the ledger has no job {job_id!r}; `sonnys backfill list` shows all jobs")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id,)


#: Jobs named in a message.
MOST_NAMED = 5


class AmbiguousJobError(LedgerError):
    """Several jobs (`found`, newest first) have ids that begin with `text`."""

    def __init__(self, text: str, found: Sequence[str]) -> None:
        self.text, self.found = text, tuple(found)
        more = " and others" if len(found) > MOST_NAMED else ""
        super().__init__(f"{text!r} matches several jobs: {', '.join(found[:MOST_NAMED])}{more}; type more of the id")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text, self.found)


class UnknownRowError(LedgerError):
    """No row has this id."""

    def __init__(self, row_id: int) -> None:
        self.row_id = row_id
        super().__init__(f"the ledger has no row {row_id}; its job may have been deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.row_id,)


class DuplicateRowError(LedgerError):
    """A day (and site, `None` for all sites) is in one job twice; no row of the call was created."""

    def __init__(self, day: str, site: str | None) -> None:
        self.day, self.site = day, site
        at = f" at site {site}" if site else ""
        super().__init__(f"{day}{at} is listed twice in one job; list each day (and site) once")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.day, self.site)


class ClosedJobError(LedgerError):
    """A job that has ended accepts no more rows."""


class InvalidStateTransition(LedgerError):  # noqa: N818 - the name that JS-02 fixes
    """A status that cannot follow the present one; nothing was changed. `what` names the job or row in the message."""

    def __init__(
        self, current_state: StrEnum, attempted_state: StrEnum, allowed_transitions: Iterable[StrEnum], what: str = ""
    ) -> None:
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
        return type(self), (self.current_state, self.attempted_state, self.allowed_transitions, self.what)


class JobLeasedError(LedgerError):
    """Another executor holds the job (JS-06), until the aware UTC instant `until` unless it renews the lease."""

    def __init__(self, job_id: str, owner: str, until: datetime) -> None:
        self.job_id, self.owner, self.until = job_id, owner, until
        super().__init__(
            f"job {job_id} is executed by {owner}, whose lease ends at {until:%Y-%m-%dT%H:%M:%SZ} unless renewed: "
            "wait for it or stop it; if it is dead, try again after that time"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id, self.owner, self.until)


class LeaseLostError(LedgerError):
    """The lease now belongs to `holder` (`None`: nobody): stop working on the job at once, and change nothing in it."""

    def __init__(self, job_id: str, owner: str, holder: str | None) -> None:
        self.job_id, self.owner, self.holder = job_id, owner, holder
        super().__init__(
            f"{owner} has lost the lease on job {job_id} to {holder or 'nobody'}; this executor stops; "
            "landed days stay, and a resume continues from there"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id, self.owner, self.holder)


class PlanError(LedgerError):
    """A plan cannot be stored, approved or run."""


class NotApprovedError(PlanError):
    """The job requires approval and has none; the message says what to type (BX-03)."""


class PlanDriftError(PlanError):
    """What would run now is not what was planned; the message says what changed (BX-03)."""


class JobModeLockedError(LedgerError, ValueError):
    """The mode of a job cannot change while `owner` executes it (BX-04)."""

    def __init__(self, job_id: str, owner: str) -> None:
        self.job_id, self.owner = job_id, owner
        super().__init__(f"job {job_id} is executed by {owner}: its mode cannot change until that ends")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_id, self.owner)
