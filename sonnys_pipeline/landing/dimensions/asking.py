"""How a list is read whole: with or without sites, as far back as the API lists it, a detail where one is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa

from sonnys_pipeline.client import NotFoundError, SonnysClient, ValidationError
from sonnys_pipeline.client.lists.spans import SIX_MONTHS
from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.client.resource import AT_ONCE
from sonnys_pipeline.runtime.in_flight import in_flight

RowT = TypeVar("RowT", bound=ApiModel)
#: Half-years without rows after which nothing older is expected.
_EMPTY_SPANS = 4
#: Half-years that are asked for at most.
_MOST_SPANS = 80


@dataclass(frozen=True)
class Asking:
    """What a reading needs.

    Attributes:
        client: its answers are kept until the reading is landed.
        sites: codes to read by, where the API refuses lists without a site ([?]).
        now: when the reading began, aware UTC.
        history: what is landed of the list.
        most_details: details that cost a request each, in one reading; others follow with the next ones.
    """

    client: SonnysClient
    sites: Callable[[], Sequence[str | None]]
    now: datetime
    history: pa.Table
    most_details: int

    @property
    def is_first(self) -> bool:
        """Whether nothing is landed yet."""
        return bool(self.history.num_rows == 0)

    def current(self, key: str) -> dict[str, dict[str, Any]]:
        """The present rows of the history by a column."""
        return {row[key]: row for row in self.history.filter(self.history["is_current"]).to_pylist()}

    def whole(self, read: Callable[..., Sequence[RowT]], **params: object) -> list[RowT]:
        """A whole list by a client's method, see `read_list`."""
        return read_list(lambda **more: read(**params, **more), self.sites)

    def since_the_first(self, read: Callable[..., Sequence[RowT]]) -> tuple[list[RowT], datetime]:
        """All that a list by sign-up date has, and the time from which on it was listed.

        A list takes starts within six months. Whether this key's API lists older ones is tried ([?]); if it does, they
        are read back to where four half-years in a row have none.
        """
        start = self.now - SIX_MONTHS
        found, empty = self.whole(read, start=start, end=self.now), 0
        for _ in range(_MOST_SPANS):
            try:
                older = self.whole(read, start=start - SIX_MONTHS, end=start)
            except ValidationError:
                return found, start
            start -= SIX_MONTHS
            found += older
            empty = 0 if older else empty + 1
            if empty == _EMPTY_SPANS:
                break
        return found, start

    def details(self, get: Callable[[str], RowT], ids: Iterable[str]) -> dict[str, RowT | None]:
        """Details by id, as many as one reading may ask for; None for an entity that is gone."""

        def detail(wanted: str) -> RowT | None:
            try:
                return get(wanted)
            except NotFoundError:
                return None

        wanted = list(islice(dict.fromkeys(ids), self.most_details))
        return dict(zip(wanted, in_flight(detail, wanted, AT_ONCE), strict=True))


def read_list(
    read: Callable[..., Sequence[RowT]], sites: Callable[[], Sequence[str | None]]
) -> list[RowT]:  # fmt: skip
    """A whole list: in one go, or site by site where the API refuses that (contract, [?]: lists without `site`).

    `read` is a client's method, `sites` gives the codes to read by.
    """
    try:
        return list(read())
    except ValidationError as refused:
        if not refused.concerns_site:
            raise
    return [row for code in sites() if code is not None for row in read(site=code)]


def is_older(moment: datetime | None, than: timedelta, now: datetime) -> bool:
    """Whether something was read longer ago than that, or never."""
    return moment is None or now - moment >= than
