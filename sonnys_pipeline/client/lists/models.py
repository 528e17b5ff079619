"""Rows of the lists (vendor's document, corrected by the contract's L11 to L15).

Money in dollars, times aware UTC. Null: not said. Unknown fields are kept, as in every model.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, AliasGenerator, BeforeValidator, ConfigDict, Field

from sonnys_pipeline.client.lists.fields import Day, Flag, Moment, Price, Quantity, Status, TextId, WholeNumber
from sonnys_pipeline.client.models import ApiModel, OptionalText, RowId

#: An id that some lists write as a number.
Key = Annotated[RowId, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


def _listed(value: object) -> object:
    return [] if value is None else value


class Item(ApiModel):
    """What is sold at a site, with its price there."""

    sku: OptionalText = None
    name: str
    department_name: OptionalText = None
    price_at_site: Price = None
    cost_per_item: Price = None
    is_prompt_for_price: Flag = None
    site_location: OptionalText = None


class Customer(ApiModel):
    """A customer in the list; never modified: `modified_date` is null (L11)."""

    customer_id: Key
    first_name: OptionalText = None
    last_name: OptionalText = None
    phone_number: OptionalText = None
    customer_number: OptionalText = None
    is_active: Flag = None
    created_date: Moment = None
    modified_date: Moment = None


class Address(ApiModel):
    """Where a customer lives."""

    address1: OptionalText = None
    address2: OptionalText = None
    city: OptionalText = None
    state: OptionalText = None
    country: OptionalText = None
    postal_code: OptionalText = None


class CustomerDetail(ApiModel):
    """A customer in full."""

    id: Key
    number: OptionalText = None
    first_name: OptionalText = None
    last_name: OptionalText = None
    company_name: OptionalText = None
    loyalty_number: OptionalText = None
    address: Address | None = None
    phone: OptionalText = None
    email: OptionalText = None
    birth_date: Day = None
    is_active: Flag = None
    allow_sms: Flag = None
    recurring_sms_signup_date: Moment = None
    loyalty_sms_signup_date: Moment = None
    modify_date: Moment = None


class Employee(ApiModel):
    """An employee in the list."""

    employee_id: Key
    first_name: OptionalText = None
    last_name: OptionalText = None


class EmployeeDetail(Employee):
    """An employee in full."""

    active: Flag = None
    start_date: Day = None
    start_date_change: Day = None
    phone: OptionalText = None
    email: OptionalText = None


class ClockEntry(ApiModel):
    """Work of an employee from `clock_in` to `clock_out` (null: still open), in hours and dollars an hour.

    `week` is the pay week that the API puts it in, such as `2021-01-08 - 2021-01-14`.
    """

    employee_id: Key
    week: OptionalText = None
    clock_in: Moment
    clock_out: Moment = None
    regular_rate: Price = None
    regular_hours: Quantity = None
    overtime_eligible: Flag = None
    overtime_rate: Price = None
    overtime_hours: Quantity = None
    was_modified: Flag = None
    modification_timestamp: Moment = None
    was_created_in_back_office: Flag = None
    site_code: OptionalText = None


class RecurringAccount(ApiModel):
    """A membership in the list; `status` is the number of `status_name`."""

    id: Key
    name: OptionalText = None
    balance: Quantity = None
    sign_up_date: Moment = None
    cancel_date: Moment = None
    billing_site_id: TextId = None
    customer_id: TextId = None
    status: WholeNumber = None
    status_name: Status = None
    billing_site_code: OptionalText = None


class Tag(ApiModel):
    """A tag on a vehicle."""

    id: TextId = None
    number: TextId = None
    enabled: Flag = None


class Vehicle(ApiModel):
    """A vehicle of an account."""

    id: TextId = None
    plate: OptionalText = None


class AccountCustomer(ApiModel):
    """The customer of an account."""

    id: TextId = None
    number: TextId = None
    first_name: OptionalText = None
    last_name: OptionalText = None


class StatusSince(ApiModel):
    """A status of an account, and when it began."""

    status: Status = None
    date: Moment = None


class Billing(ApiModel):
    """A charge of an account."""

    amount_charged: Price = None
    date: Moment = None
    last_four_cc: Annotated[OptionalText, Field(validation_alias="lastFourCC")] = None
    credit_card_expiration_date: OptionalText = None


class RecurringAccountDetail(ApiModel):
    """A membership in full, with its statuses and charges."""

    id: Key
    is_on_trial: Flag = None
    trial_amount: Price = None
    billing_site_code: OptionalText = None
    creation_site_code: OptionalText = None
    next_bill_date: Day = None
    last_bill_date: Day = None
    tags: Annotated[list[Tag], BeforeValidator(_listed)] = Field(default_factory=list)
    vehicles: Annotated[list[Vehicle], BeforeValidator(_listed)] = Field(default_factory=list)
    billing_amount: Price = None
    is_suspended: Flag = None
    suspended_until: Day = None
    current_recurring_status_name: Status = None
    plan_name: OptionalText = None
    customer: AccountCustomer | None = None
    recurring_statuses: Annotated[list[StatusSince], BeforeValidator(_listed)] = Field(default_factory=list)
    recurring_billings: Annotated[list[Billing], BeforeValidator(_listed)] = Field(default_factory=list)
    additional_tag_price: Price = None


class Modification(ApiModel):
    """What was changed on an account; the live API and its document name the fields differently (L12)."""

    name: Annotated[OptionalText, Field(validation_alias=AliasChoices("name", "modificationType"))] = None
    date: Annotated[Moment, Field(validation_alias=AliasChoices("date", "modificationDate"))] = None
    comment: Annotated[OptionalText, Field(validation_alias=AliasChoices("comment", "modificationComment"))] = None


class ModifiedAccount(RecurringAccountDetail):
    """A membership in full, and what was changed on it in a span."""

    modifications: Annotated[list[Modification], BeforeValidator(_listed)] = Field(default_factory=list)


class StatusChange(ApiModel):
    """A change of a membership's status; this list alone spells its fields with underscores."""

    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=str, serialization_alias=str))

    washbook_account_id: Key
    recurring_id: TextId = None
    old_status: Status = None
    new_status: Status = None
    status_date: Moment = None
    employee_name: OptionalText = None
    site_code: OptionalText = None


class Washbook(ApiModel):
    """A prepaid account in the list; `balance` counts washes."""

    id: Key
    name: OptionalText = None
    balance: Quantity = None
    sign_up_date: Moment = None
    cancel_date: Moment = None
    billing_site_id: TextId = None
    customer_id: TextId = None
    status: OptionalText = None


class RecurringInfo(ApiModel):
    """How a prepaid account is billed, if it is."""

    current_billable_amount: Price = None
    next_bill_date: Day = None
    last_bill_date: Day = None
    is_on_trial: Flag = None
    remaining_trial_periods: Quantity = None


class WashbookDetail(ApiModel):
    """A prepaid account in full."""

    id: Key
    name: OptionalText = None
    balance: Quantity = None
    customer: AccountCustomer | None = None
    status: OptionalText = None
    recurring_info: RecurringInfo | None = None
    tags: Annotated[list[Tag], BeforeValidator(_listed)] = Field(default_factory=list)
    vehicles: Annotated[list[Vehicle], BeforeValidator(_listed)] = Field(default_factory=list)


class GiftCard(ApiModel):
    """A gift card: what it was sold for and what was used of it; live cards may have no date (L11)."""

    giftcard_id: Key
    number: TextId = None
    site_code: OptionalText = None
    complete_date: Moment = None
    value: Price = None
    amount_used: Price = None


class SalesOutcome(ApiModel):
    """An offer of a plan by the sales advisor, and whether it was taken."""

    timestamp: Moment
    employee_id: TextId = None
    adp_id: TextId = None
    employee_name: OptionalText = None
    site_id: TextId = None
    site: OptionalText = None
    is_converted: Flag = None
    item_id: TextId = None
    item_name: OptionalText = None
    item_price: Price = None
    terminal_name: OptionalText = None
