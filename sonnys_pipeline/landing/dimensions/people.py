"""Customers and employees: their lists, and details of those that changed.

A detail costs a request each. Of customers it is read once a customer is new or has changed; of an employee, whose list
shows names only, also once a week.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pyarrow.compute as pc

from sonnys_pipeline.client.lists.models import Address, Customer, CustomerDetail, EmployeeDetail
from sonnys_pipeline.extract.lists.policy import FORGOTTEN
from sonnys_pipeline.lake.schema import EXTRA_COLUMN, row_of
from sonnys_pipeline.landing.dimensions.asking import Asking, is_older
from sonnys_pipeline.landing.dimensions.tables import CUSTOMER_DETAIL, DETAIL_READ_AT, EMPLOYEES

_EMPLOYEE_DETAIL_AGE = timedelta(days=7)
_OF_THE_ADDRESS = tuple(Address.model_fields)
_OF_THE_LIST = tuple(Customer.model_fields)


def read_customers(asking: Asking, *, with_details: bool, every_detail: bool = False) -> list[dict[str, Any]]:
    """The present customers, without forgotten ones.

    `with_details` is False where the policy on personal data hides the numbers that details are asked by.
    `every_detail` reads that of each customer, not only of those who changed since the history began.
    """
    before, rows = asking.current("customer_id"), []
    for listed in asking.whole(asking.client.customers.list):
        if listed.customer_id.startswith(FORGOTTEN):
            continue
        known = before.get(listed.customer_id) or dict.fromkeys(CUSTOMER_DETAIL.names)
        detail = {name: known[name] for name in CUSTOMER_DETAIL.names}
        if not _is_as_before(row := row_of(listed), known):
            detail[DETAIL_READ_AT] = None
        rows.append(row | detail)
    if with_details:
        wanted = {row["customer_id"]: row for row in rows if row[DETAIL_READ_AT] is None}
        if not every_detail:
            began = pc.min(asking.history["valid_from"]).as_py()
            wanted = {name: row for name, row in wanted.items() if _has_changed(row, before.get(name), began)}
        found = asking.details(asking.client.customers.get, wanted)
        for name, one in found.items():
            wanted[name] |= {**(_detail(one) if one else {}), DETAIL_READ_AT: asking.now}
    return rows


def _is_as_before(row: dict[str, Any], known: dict[str, Any]) -> bool:
    return all(name in known and known[name] == row[name] for name in _OF_THE_LIST)


def _has_changed(row: dict[str, Any], known: dict[str, Any] | None, began: date | None) -> bool:
    """Whether a customer is new or another than when the history began; `began` is None at the first reading."""
    if began is None:
        return False
    return known is None or not _is_as_before(row, known) or known["valid_from"] > began


def _detail(one: CustomerDetail) -> dict[str, Any]:
    """The columns of a detail; unknown fields of it replace those of the list's row."""
    row = row_of(one)
    address = row.pop("address") or {}
    found = {name: row[name] for name in CUSTOMER_DETAIL.names if name in row}
    found |= {name: address.get(name) for name in _OF_THE_ADDRESS}
    return found | ({EXTRA_COLUMN: row[EXTRA_COLUMN]} if row[EXTRA_COLUMN] else {})


def read_employees(asking: Asking) -> list[dict[str, Any]]:
    """The present employees; a detail is read of new ones, those with another name, and each once a week."""
    before, rows = asking.current("employee_id"), {}
    oldest: list[tuple[Any, str]] = []
    for listed in asking.client.employees.list():
        known = before.get(listed.employee_id) or dict.fromkeys(EMPLOYEES.listed.names)
        row = {name: known[name] for name in EMPLOYEES.listed.names} | row_of(listed)
        has_other_name = any(known[name] != row[name] for name in ("first_name", "last_name"))
        rows[listed.employee_id] = row
        if has_other_name or is_older(row[DETAIL_READ_AT], _EMPLOYEE_DETAIL_AGE, asking.now):
            never = row[DETAIL_READ_AT] is None
            oldest.append(((not never, str(row[DETAIL_READ_AT])), listed.employee_id))
    get: Callable[[str], EmployeeDetail] = asking.client.employees.get
    for name, one in asking.details(get, [name for _, name in sorted(oldest)]).items():
        found = row_of(one) if one else {}
        rows[name] |= {**found, DETAIL_READ_AT: asking.now}
    return [*rows.values()]
