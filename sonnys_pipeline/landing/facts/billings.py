"""Charges of memberships by day, from the landed history: the API lists them with the accounts only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import midnight
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS
from sonnys_pipeline.landing.facts.land import DaySource, DaysRefusedError, LandedDay, SitePlaces, by_day, land_days
from sonnys_pipeline.landing.facts.tables import BILLINGS

_COLUMNS = ("id", "customer_id", "billing_site_code", "plan_name", "recurring_billings", "valid_from")


def land_billings(
    lake: Lake, of: DaySource, days: Sequence[date], *, accept_empty: bool = False
) -> dict[date, LandedDay]:
    """Land the charges of some days, as the newest reading of each account has them.

    Raises:
        NotLandedError: `recurring_accounts` is not landed, or was read before a day had ended.
        DaysRefusedError: days would lose all of their charges; the others are landed.
        OtherSourceError, LakeError: as `land_day`.
    """
    if not lake.has(ACCOUNTS.asset):
        raise NotLandedError(f"{ACCOUNTS.asset}: not landed; materialize it first")
    read_at = _read_at(lake)
    last = max(days)
    if read_at < midnight(last + timedelta(days=1), of.timezone):
        raise NotLandedError(
            f"{BILLINGS.asset} {last}: {ACCOUNTS.asset} was read before that day had ended; materialize it again first"
        )
    found = by_day(_charges(lake.read(ACCOUNTS.asset, columns=_COLUMNS)), BILLINGS, SitePlaces(lake, of.timezone))
    wanted = {day: found.get(day, []) for day in days}
    landed, refused = land_days(lake, BILLINGS, wanted, of, read_at=read_at, accept_empty=accept_empty)
    if refused:
        raise DaysRefusedError(landed, refused)
    return landed


def _charges(accounts: pa.Table) -> list[dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for row in accounts.to_pylist():
        known = newest.get(row["id"])
        if known is None or known["valid_from"] <= row["valid_from"]:
            newest[row["id"]] = row
    return [
        {
            "account_id": row["id"],
            "customer_id": row["customer_id"],
            "billing_site_code": row["billing_site_code"],
            "plan_name": row["plan_name"],
            "amount_charged": charge["amount_charged"],
            "charged_at": charge["date"],
            "last_four_cc": charge["last_four_cc"],
            "credit_card_expiration_date": charge["credit_card_expiration_date"],
            "extra": None,
        }
        for row in newest.values()
        for charge in row["recurring_billings"] or ()
    ]


def _read_at(lake: Lake) -> datetime:
    try:
        return datetime.fromisoformat(lake.metadata(ACCOUNTS.asset)["read_at"])
    except (KeyError, ValueError) as error:
        path = lake.path(ACCOUNTS.asset)
        raise LakeError(f"{path} does not say when it was read; materialize {ACCOUNTS.asset} again") from error
