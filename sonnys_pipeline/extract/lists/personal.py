"""Which fields of the lists are about people, which are pay, and which are neither (docs/personal-data.md).

Numbers that tables are joined by stay: of employees, accounts, gift cards. That of a customer is personal, as in
transactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sonnys_pipeline.client.lists.models import (
    AccountCustomer,
    Address,
    Billing,
    ClockEntry,
    Customer,
    CustomerDetail,
    Employee,
    EmployeeDetail,
    GiftCard,
    Item,
    Modification,
    ModifiedAccount,
    RecurringAccount,
    RecurringAccountDetail,
    RecurringInfo,
    SalesOutcome,
    StatusChange,
    StatusSince,
    Tag,
    Vehicle,
    Washbook,
    WashbookDetail,
)
from sonnys_pipeline.client.models import ApiModel

_EMPLOYEE = ("first_name", "last_name")
#: Fields about a person, their means of payment or vehicle, per model; those that are not text become null.
PERSONAL: Mapping[type[ApiModel], tuple[str, ...]] = MappingProxyType(
    {
        Customer: ("customer_id", "first_name", "last_name", "phone_number", "customer_number"),
        CustomerDetail: (
            "id", "number", "first_name", "last_name", "company_name", "loyalty_number", "phone", "email", "birth_date",
        ),
        Address: ("address1", "address2", "city", "state", "country", "postal_code"),
        Employee: _EMPLOYEE,
        EmployeeDetail: (*_EMPLOYEE, "phone", "email"),
        RecurringAccount: ("customer_id",),
        AccountCustomer: ("id", "number", "first_name", "last_name"),
        Tag: ("id", "number"),
        Vehicle: ("id", "plate"),
        Billing: ("last_four_cc", "credit_card_expiration_date"),
        Modification: ("comment",),
        StatusChange: ("employee_name",),
        Washbook: ("customer_id",),
        GiftCard: ("number",),
        SalesOutcome: ("employee_name", "adp_id"),
    }
)  # fmt: skip
_ACCOUNT = ("id", "billing_site_code", "creation_site_code", "current_recurring_status_name", "plan_name")
#: All other text.
IMPERSONAL: Mapping[type[ApiModel], tuple[str, ...]] = MappingProxyType(
    {
        Item: ("sku", "name", "department_name", "site_location"),
        Employee: ("employee_id",),
        EmployeeDetail: ("employee_id",),
        ClockEntry: ("employee_id", "week", "site_code"),
        RecurringAccount: ("id", "name", "billing_site_id", "status_name", "billing_site_code"),
        RecurringAccountDetail: _ACCOUNT,
        ModifiedAccount: _ACCOUNT,
        StatusSince: ("status",),
        Modification: ("name",),
        StatusChange: ("washbook_account_id", "recurring_id", "old_status", "new_status", "site_code"),
        Washbook: ("id", "name", "billing_site_id", "status"),
        WashbookDetail: ("id", "name", "status"),
        GiftCard: ("giftcard_id", "site_code"),
        SalesOutcome: ("employee_id", "site_id", "site", "item_id", "item_name", "terminal_name"),
    }
)  # fmt: skip
#: Models of the lists without text of their own.
WITHOUT_TEXT = (RecurringInfo,)
#: What an employee is paid, per model (`SONNYS_PAY`).
PAY: Mapping[type[ApiModel], tuple[str, ...]] = MappingProxyType({ClockEntry: ("regular_rate", "overtime_rate")})
