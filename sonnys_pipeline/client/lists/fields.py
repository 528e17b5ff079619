"""How the lists write times, prices, flags and statuses, as types (contract, L11 to L15)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator, Field

from sonnys_pipeline.client.models import Dollars, Number, refuse_bool

_GROUPED = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
_UNIX_TIME = re.compile(r"\d{1,11}", re.ASCII)
_WITHOUT_ZONE = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d+)?", re.ASCII)
#: Statuses of a recurring account, as the vendor's document numbers them from 1.
STATUSES = (
    "Active", "Payment Failed", "Payment CC Expired", "Payment Retries Exceeded", "Suspended", "Expired", "Cancelled",
    "Declined", "Authorizer Error", "Cleared Tokens", "Changed Authorizer", "Payment CC Update Started",
    "Payment CC Update Declined", "Authorizer communication error", "Unknown error error",
)  # fmt: skip
_BY_FOLDED = {status.casefold(): status for status in STATUSES} | {"canceled": "Cancelled"}


def _unset(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _number(value: object) -> object:
    """Text such as `1,099.50` as a number; separators elsewhere than before three digits stay and are refused."""
    value = _unset(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _GROUPED.fullmatch(text):
        text = text.replace(",", "")
    if not _NUMBER.fullmatch(text):
        raise ValueError("should be a number, with commas only between thousands")
    return float(text)


def _moment(value: object) -> object:
    """A time without zone is UTC (vendor's document); digits are Unix seconds, as in sales outcomes."""
    value = _unset(value)
    if isinstance(value, str) and _UNIX_TIME.fullmatch(value):
        return datetime.fromtimestamp(int(value), UTC)
    if isinstance(value, str) and _WITHOUT_ZONE.fullmatch(value):
        return f"{value}Z"
    if isinstance(value, int | float):
        raise ValueError("should be a time as text")  # noqa: TRY004 - pydantic turns ValueError into its own
    return value


def _day(value: object) -> object:
    """A date, also where a time of midnight stands behind it."""
    value = _unset(value)
    if isinstance(value, str):
        return re.sub(r"[ T]00:00:00(\.0+)?Z?$", "", value)
    if isinstance(value, int | float):
        raise ValueError("should be a date as text")  # noqa: TRY004 - pydantic turns ValueError into its own
    return value


def _flag(value: object) -> object:
    value = _unset(value)
    said = {"true": True, "false": False}.get(value.casefold()) if isinstance(value, str) else value
    return value if said is None else said


def _status(value: object) -> object:
    """One spelling of each known status: lists write `Active`, `ACTIVE`, `Canceled` (contract, L15)."""
    value = _unset(value)
    return _BY_FOLDED.get(value.casefold(), value) if isinstance(value, str) else value


def _whole_text(value: object) -> object:
    """An id that is a number in one list and text in another."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _unset(value)


#: Dollars, also as text with thousands separators (contract, L13); null: not said.
Price = Annotated[Dollars | None, BeforeValidator(_number)]
_Amount = Annotated[float, BeforeValidator(refuse_bool), Field(allow_inf_nan=False, ge=-1e9, le=1e9)]
#: Hours, washes and the like, also as text.
Quantity = Annotated[_Amount | None, BeforeValidator(_number)]
WholeNumber = Annotated[Number | None, BeforeValidator(_number)]
Moment = Annotated[AwareDatetime | None, BeforeValidator(_moment)]
Day = Annotated[date | None, BeforeValidator(_day)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Status = Annotated[str | None, BeforeValidator(_status)]
TextId = Annotated[str | None, BeforeValidator(_whole_text)]
