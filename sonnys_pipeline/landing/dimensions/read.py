"""Read one of the lists and land it; a reading that was killed continues with the pages that it has (RS-02)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from sonnys_pipeline.client import IncompleteResultError, SonnysClient
from sonnys_pipeline.extract.lists.kept import KeptAnswers, Watch
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.lake.schema import row_of
from sonnys_pipeline.landing.dimensions.accounts import Accounts, read_accounts, read_gift_cards, read_washbooks
from sonnys_pipeline.landing.dimensions.asking import Asking
from sonnys_pipeline.landing.dimensions.cleaned import under_policy
from sonnys_pipeline.landing.dimensions.landing import LandedReading, Reading, land_reading, landed_history
from sonnys_pipeline.landing.dimensions.people import read_customers, read_employees
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS, CUSTOMERS, EMPLOYEES, ITEMS, WASHBOOKS, Dimension
from sonnys_pipeline.landing.transactions import Source

#: Parts of the request budget while others use it, since what lands days goes first, and while nobody does.
SHARE, ALONE = 0.25, 0.9
#: Details that cost a request each, in one reading.
MOST_DETAILS = 500
_DROPPED = "drop"


@dataclass(frozen=True)
class ListSource:
    """Where lists come from.

    Attributes:
        client: of the account.
        sites: codes to read by, where a list needs a site.
        policy: on personal data and pay.
        watch: receives each request.
    """

    client: SonnysClient
    sites: Callable[[], Sequence[str | None]]
    source: Source
    timezone: str
    policy: ListPolicy
    watch: Watch = field(default_factory=Watch)

    def kept(self, lake: Lake, asset: str, now: datetime) -> KeptAnswers:
        """The answers of an unfinished reading of this account, or none yet."""
        whose = {
            "account": self.source.api_id_digest, "site_code": self.source.site_code, "url": self.client.base_url,
        }  # fmt: skip
        return KeptAnswers(lake.storage, asset, self.policy, now, whose, self.watch)


@dataclass(frozen=True)
class ListRead:
    """A landed reading, with the requests that it has cost, answers that were kept before, and rows left for later."""

    landed: LandedReading
    read_at: datetime
    requests: int
    known_before: int
    unread: int


def read_and_land(
    lake: Lake,
    dimension: Dimension,
    of: ListSource,
    now: datetime,
    *,
    accept_shorter: bool = False,
    every_detail: bool = False,
) -> ListRead:
    """Read a list and join it with its history; two readings of one list wait for each other.

    Raises:
        SonnysError: the API refuses, or cannot be reached; what was answered is kept for six hours.
        OtherSourceError, RowsWouldVanishError, LakeError: as `land_reading`.
    """
    with lake.writing(f"{dimension.asset}-reading"):
        kept = of.kept(lake, dimension.asset, now)
        known_before = kept.known
        client = of.client.beside_others(SHARE, ALONE).through(kept)
        history = landed_history(lake, dimension)
        landed = lake.metadata(dimension.asset) if history.num_rows else {}
        history = under_policy(history, dimension, landed, of.policy.privacy)
        most = 10**9 if every_detail else MOST_DETAILS
        asking = Asking(client, of.sites, kept.begun_at, history, most)
        try:
            rows, unread = _rows(dimension, asking, landed, of.policy, every_detail=every_detail)
        except IncompleteResultError:
            kept.clear()  # pages of before and after an interruption may not fit
            raise
        table = pa.Table.from_pylist(rows, dimension.listed)
        metadata = {**of.policy.metadata, **unread.metadata}
        read = Reading(table, kept.begun_at, of.timezone, of.source, metadata)
        try:
            done = land_reading(lake, dimension, read, of.policy.privacy, accept_shorter=accept_shorter)
        except RowsWouldVanishError:
            kept.clear()  # the next reading looks at the API again
            raise
        kept.clear()
    return ListRead(done, kept.begun_at, client.requests_sent, known_before, len(unread.unread))


def _rows(
    dimension: Dimension, asking: Asking, landed: Mapping[str, str], policy: ListPolicy, *, every_detail: bool
) -> tuple[list[dict[str, Any]], Accounts]:
    pii = policy.metadata["pii"]
    if dimension is ITEMS:
        return [row_of(one) for one in asking.whole(asking.client.items.list)], Accounts([])
    if dimension is CUSTOMERS:
        if pii == _DROPPED:  # nothing of a customer would be left
            return [], Accounts([])
        return read_customers(asking, with_details=pii == "keep", every_detail=every_detail), Accounts([])
    if dimension is EMPLOYEES:
        return read_employees(asking), Accounts([])
    if dimension is ACCOUNTS:
        accounts = read_accounts(asking, landed)
        return accounts.rows, accounts
    return (read_washbooks if dimension is WASHBOOKS else read_gift_cards)(asking), Accounts([])
