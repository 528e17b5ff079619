"""Recurring accounts, washbooks and gift cards: lists by sign-up date, which may hide what is older than six months.

What the list no longer has is carried from the history. Recurring accounts and washbooks are read again by number when
something is known to have changed; for gift cards the API has no such endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sonnys_pipeline.client.lists.models import (
    ModifiedAccount,
    RecurringAccount,
    RecurringAccountDetail,
    StatusChange,
    WashbookDetail,
)
from sonnys_pipeline.client.lists.spans import SIX_MONTHS
from sonnys_pipeline.lake.schema import EXTRA_COLUMN, row_of
from sonnys_pipeline.landing.dimensions.asking import Asking, is_older
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS, GIFT_CARDS, READ_AT, WASHBOOKS

#: Statuses after which an account has ended, and those of one that may be charged or used again at any time.
ENDED, GOES_ON = frozenset({"Cancelled", "Expired"}), frozenset({"Active", "Suspended"})
#: Metadata: numbers of older accounts that are still to be read, as JSON.
UNREAD = "unread"
#: Time that two readings overlap: a change may be listed late.
_OVERLAP = timedelta(days=2)
_ACCOUNT_AGE, _WASHBOOK_AGE = timedelta(days=28), timedelta(days=7)
#: Begin of the status list: it takes any span.
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Accounts:
    """Rows of accounts, and numbers of older ones that are not read yet."""

    rows: list[dict[str, Any]]
    unread: tuple[str, ...] = field(default=())

    @property
    def metadata(self) -> dict[str, str]:
        """What the next reading has to know."""
        return {UNREAD: json.dumps(self.unread)}


def read_accounts(asking: Asking, landed: Mapping[str, str]) -> Accounts:
    """The present memberships; `landed` is the metadata of the history.

    Older ones than the API lists are found by their changes of status, which it lists for any time, and then read by
    number: at the first reading those that have not ended, afterwards those that changed, that were to be charged, or
    that were read four weeks ago.
    """
    before = asking.current("id")
    accounts = asking.client.recurring_accounts
    read_short: Callable[..., Sequence[RecurringAccount]] = accounts.list
    read_full: Callable[..., Sequence[RecurringAccountDetail]] = accounts.details
    short, _ = asking.since_the_first(read_short)
    full, _ = asking.since_the_first(read_full)
    listed = {one.id: one for one in short}
    rows = {one.id: _account(one, listed.get(one.id), before.get(one.id), asking.now) for one in full}
    for one in short:  # an account that was opened between the two requests
        rows.setdefault(one.id, _account(None, one, before.get(one.id), asking.now))
    wanted = list(dict.fromkeys([*_changed(asking, landed), *_due(before, asking.now)]))
    wanted = [name for name in wanted if name not in rows]
    found = asking.details(accounts.get, wanted)
    for name, detail in found.items():
        if detail is not None:
            rows[name] = _account(detail, None, before.get(name), asking.now)
    gone = {name for name, detail in found.items() if detail is None}
    carried = [row for name, row in before.items() if name not in rows and name not in gone]
    unread = tuple(name for name in wanted if name not in found and name not in before)
    return Accounts([*rows.values(), *_listed_columns(carried, ACCOUNTS.listed.names)], unread)


def _changed(asking: Asking, landed: Mapping[str, str]) -> Iterable[str]:
    """Numbers of accounts whose status changed since the last reading, newest first, then those left over by it."""
    start = _FIRST if asking.is_first else datetime.fromisoformat(landed["read_at"]) - _OVERLAP
    read_changes: Callable[..., Sequence[StatusChange]] = asking.client.recurring_accounts.status_changes
    read_modified: Callable[..., Sequence[ModifiedAccount]] = asking.client.recurring_accounts.modifications
    status: dict[str, tuple[datetime, str]] = {}
    for change in asking.whole(read_changes, start=start, end=asking.now):
        known = status.get(change.washbook_account_id)
        if change.status_date is not None and (known is None or change.status_date >= known[0]):
            status[change.washbook_account_id] = (change.status_date, change.new_status or "")
    newest = sorted(status, key=lambda name: status[name][0], reverse=True)
    if asking.is_first:
        # One whose payment failed more than six months ago will not come back without a change.
        lately = asking.now - SIX_MONTHS
        return [name for name in newest if status[name][1] in GOES_ON or _is_open(status[name], lately)]
    modified = asking.whole(read_modified, start=max(start, asking.now - SIX_MONTHS), end=asking.now)
    return [*newest, *(one.id for one in modified), *json.loads(landed.get(UNREAD, "[]"))]


def _is_open(status: tuple[datetime, str], since: datetime) -> bool:
    return status[1] not in ENDED and status[0] >= since


def _due(before: Mapping[str, dict[str, Any]], now: datetime) -> Iterable[str]:
    """Accounts that were to be charged since they were read, then those that were read long ago; none that ended."""
    open_ones = {name: row for name, row in before.items() if row["status"] not in ENDED}
    charged = [
        name
        for name, row in open_ones.items()
        if row["next_bill_date"] is not None and row["next_bill_date"] <= now.date() and _read_before_today(row, now)
    ]
    old = [name for name, row in open_ones.items() if is_older(row[READ_AT], _ACCOUNT_AGE, now)]
    return [*charged, *old]


def _read_before_today(row: dict[str, Any], now: datetime) -> bool:
    return row[READ_AT] is None or row[READ_AT].date() < now.date()


def _account(
    detail: RecurringAccountDetail | None,
    listed: RecurringAccount | None,
    before: Mapping[str, Any] | None,
    now: datetime,
) -> dict[str, Any]:
    """One row of what the two lists, or the detail, and the history have."""
    row: dict[str, Any] = {name: before[name] if before else None for name in ACCOUNTS.listed.names}
    row |= {"tags": row["tags"] or [], "vehicles": row["vehicles"] or [], READ_AT: now}
    row |= {name: row[name] or [] for name in ("recurring_statuses", "recurring_billings")}
    if detail is not None:
        found = row_of(detail)
        customer = found.pop("customer") or {}
        row |= {name: value for name, value in found.items() if name in row}
        row |= {"status": found["current_recurring_status_name"], "customer_id": customer.get("id")}
    if listed is not None:
        names = ("id", "name", "sign_up_date", "cancel_date", "billing_site_code")
        row |= {name: getattr(listed, name) for name in names}
        row["customer_id"] = listed.customer_id or row["customer_id"]
        row["status"] = listed.status_name or row["status"] if detail is None else row["status"]
        extra = [text for text in (row[EXTRA_COLUMN], row_of(listed)[EXTRA_COLUMN]) if text]
        row[EXTRA_COLUMN] = json.dumps({k: v for text in extra for k, v in json.loads(text).items()}) if extra else None
    starts = [since["date"] for since in row["recurring_statuses"] if since["date"] is not None]
    row["sign_up_date"] = row["sign_up_date"] or min(starts, default=None)
    return row


def read_washbooks(asking: Asking) -> list[dict[str, Any]]:
    """Prepaid accounts; those that are no longer listed are read by number once a week while they are active."""
    before = asking.current("id")
    found, _ = asking.since_the_first(asking.client.washbooks.list)
    rows = {one.id: {**row_of(one), READ_AT: asking.now} for one in found}
    others = {name: row for name, row in before.items() if name not in rows}
    wanted = [
        name
        for name, row in others.items()
        if (row["status"] or "").casefold() != "inactive" and is_older(row[READ_AT], _WASHBOOK_AGE, asking.now)
    ]
    get: Callable[[str], WashbookDetail] = asking.client.washbooks.get
    for name, detail in asking.details(get, wanted).items():
        row = others.pop(name)
        if detail is not None:
            new = row_of(detail)
            customer = new.pop("customer") or {}
            kept = {column: new[column] for column in ("name", "balance", "status", EXTRA_COLUMN)}
            rows[name] = {**row, **kept, "customer_id": customer.get("id"), READ_AT: asking.now}
    return [*rows.values(), *_listed_columns(others.values(), WASHBOOKS.listed.names)]


def read_gift_cards(asking: Asking) -> list[dict[str, Any]]:
    """Gift cards; those that are no longer listed stay as they were read last."""
    before = asking.current("giftcard_id")
    found, since = asking.since_the_first(asking.client.giftcards.list)
    rows = {one.giftcard_id: {**row_of(one), READ_AT: asking.now} for one in found}
    carried = [
        row
        for name, row in before.items()
        if name not in rows and (row["complete_date"] is None or row["complete_date"] < since)
    ]
    return [*rows.values(), *_listed_columns(carried, GIFT_CARDS.listed.names)]


def _listed_columns(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the history as rows of the list."""
    columns = list(names)
    return [{name: row.get(name) for name in columns} for row in rows]
