"""`client.recurring_accounts`, `client.washbooks` and `client.giftcards`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sonnys_pipeline.client.lists.models import (
    GiftCard,
    ModifiedAccount,
    RecurringAccount,
    RecurringAccountDetail,
    StatusChange,
    Washbook,
    WashbookDetail,
)
from sonnys_pipeline.client.lists.spans import ONE_MONTH, SIX_MONTHS, cut
from sonnys_pipeline.client.resource import Resource

_RECURRING = "/recurring/account"
#: Rows of a page of status changes, the most that the API takes (contract, "Lists").
_STATUS_PAGE = 1000
#: Far longer than any history: status changes may be asked for at once.
_ANY_SPAN = timedelta(days=36_500)


class RecurringAccounts(Resource):
    """Memberships: who signed up, what changed, what was charged. Spans are aware times, both ends included."""

    def list(self, *, start: datetime, end: datetime, **params: object) -> list[RecurringAccount]:
        """Accounts that signed up in a span, in short; one request per 100 and 180 days (RS-01).

        Args:
            start: not more than six months ago, unless this key's API lists older ones.
            end: the last moment.
            **params: `customerId`, `itemId`, `recurringAccountStatus` (the number of a status), `site`.

        Raises:
            IncompleteResultError: there are fewer rows than `total` promised.
            UnparsableRowError: a row does not fit its model.
            ValidationError: the API refuses the span.
            ValueError: the span ends before it begins, or has no zone.
        """
        spans = _spans(start, end, SIX_MONTHS, params)
        return self._in_spans(f"{_RECURRING}/list", "accounts", RecurringAccount, spans, lambda one: one.id)

    def details(self, *, start: datetime, end: datetime, **params: object) -> list[RecurringAccountDetail]:  # type: ignore[valid-type]  # the method `list` hides the type
        """Accounts that signed up in a span, in full; one request per 100 and 28 days. Errors as of `list`."""
        path = f"{_RECURRING}/details/list"
        spans = _spans(start, end, ONE_MONTH, params)
        return self._in_spans(path, "accounts", RecurringAccountDetail, spans, lambda one: one.id)

    def status_changes(self, *, start: datetime, end: datetime, **params: object) -> list[StatusChange]:  # type: ignore[valid-type]  # as above
        """Changes of status in a span of any length and age; one request per 1,000. Errors as of `list`."""
        path = f"{_RECURRING}/status-list"
        spans = _spans(start, end, _ANY_SPAN, {"limit": _STATUS_PAGE, **params})
        return self._in_spans(path, "accounts", StatusChange, spans, _change)

    def modifications(self, *, start: datetime, end: datetime, **params: object) -> list[ModifiedAccount]:  # type: ignore[valid-type]  # as above
        """Accounts that were modified in a span, in full, with what was changed. Errors as of `list`.

        One request per 100 and 180 days. `params`: `modifications` (the number of a kind), `sites` (codes, by commas).
        """
        path = f"{_RECURRING}/modifications"
        accounts: dict[str, ModifiedAccount] = {}
        for span in _spans(start, end, SIX_MONTHS, params):
            for one in self._list_all(path, "accounts", ModifiedAccount, span, lambda one: one.id):
                before = accounts[one.id].modifications if one.id in accounts else []
                both = [*before, *(new for new in one.modifications if new not in before)]
                accounts[one.id] = one.model_copy(update={"modifications": both})
        return [*accounts.values()]

    def count(self, *, start: datetime, end: datetime, **params: object) -> int:
        """How many accounts signed up in a span of at most 180 days, by one request."""
        return self._count(f"{_RECURRING}/list", _spans(start, end, _ANY_SPAN, params)[0])

    def count_status_changes(self, *, start: datetime, end: datetime, **params: object) -> int:
        """How many changes of status there were in a span, by one request."""
        return self._count(f"{_RECURRING}/status-list", _spans(start, end, _ANY_SPAN, {"limit": 100, **params})[0])

    def get(self, account_id: str) -> RecurringAccountDetail:
        """One account in full; `NotFoundError` if the id is unknown."""
        return self._get_one(_RECURRING, account_id, RecurringAccountDetail, "/detail")


class Washbooks(Resource):
    """Prepaid accounts, `GET /washbook/account/list` and `/washbook/account/{id}/detail`."""

    def list(self, *, start: datetime, end: datetime, **params: object) -> list[Washbook]:
        """Accounts that were sold in a span; one request per 100 and 180 days. Errors as of `RecurringAccounts.list`.

        `params`: `accountStatus` (`active` or `inactive`), `customerId`, `itemId`, `site`.
        """
        spans = _spans(start, end, SIX_MONTHS, params)
        return self._in_spans("/washbook/account/list", "accounts", Washbook, spans, lambda one: one.id)

    def count(self, *, start: datetime, end: datetime, **params: object) -> int:
        """How many accounts were sold in a span of at most 180 days, by one request."""
        return self._count("/washbook/account/list", _spans(start, end, _ANY_SPAN, params)[0])

    def get(self, account_id: str) -> WashbookDetail:
        """One account in full; `NotFoundError` if the id is unknown."""
        return self._get_one("/washbook/account", account_id, WashbookDetail, "/detail")


class GiftCards(Resource):
    """`GET /giftcard-liablilty` (spelled so)."""

    def list(self, *, start: datetime, end: datetime, **params: object) -> list[GiftCard]:
        """Gift cards that were sold in a span; one request per 100 and 180 days. Errors as of `RecurringAccounts.list`.

        `params`: `prepaidNumber`, `site`.
        """
        spans = _spans(start, end, SIX_MONTHS, params)
        return self._in_spans("/giftcard-liablilty", "giftcards", GiftCard, spans, lambda one: one.giftcard_id)

    def count(self, *, start: datetime, end: datetime, **params: object) -> int:
        """How many gift cards were sold in a span of at most 180 days, by one request."""
        return self._count("/giftcard-liablilty", _spans(start, end, _ANY_SPAN, params)[0])


def _spans(start: datetime, end: datetime, longest: timedelta, params: dict[str, object]) -> list[dict[str, Any]]:
    return [{"startDate": first, "endDate": last, **params} for first, last in cut(start, end, longest)]


def _change(one: StatusChange) -> str:
    return repr((one.washbook_account_id, one.status_date, one.old_status, one.new_status))
