"""The API's answers as typed objects (LJ-02; contract, "A row").

Bounds are plausible ones: what a row may hold, every table, sum and report behind it can hold. Names are those of the
wire alone; a field that a row has twice, in two spellings, is refused, since one of the two would win unseen.

Quirks accepted, each from the contract: unset optional strings come as `""` (they become `None`); the v2 flags and
`transactionStatus` may be missing; a discount's amount is called `discount` or `discountAmount`; a list of discounts
that is null is empty; enumerations grow,
so tenders, types and statuses are plain strings; fields unknown to us are kept (`model_extra`) and counted by
`unknown_fields`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasChoices,
    AliasGenerator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
)
from pydantic import ValidationError as PydanticValidationError
from pydantic.alias_generators import to_camel

from sonnys_pipeline.client.errors import UnparsableRowError
from sonnys_pipeline.client.spelling import in_one_spelling

#: Unset optional strings come as `""` from the live API.
OptionalText = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
#: Dollars that an amount may have, either way. No ticket of a car wash comes near; the number of a gift card typed as
#: an amount does not pass for one. Sums stay far inside the decimals that they are made in: a billion of it are 10^16.
LARGEST_AMOUNT = 10_000_000
#: Pieces of one thing on a ticket, either way.
LARGEST_QUANTITY = 1_000_000
#: Numbers of tickets and sites, which count up from 1 in each database; whole also where JSON readers take doubles.
LARGEST_NUMBER = 1_000_000_000_000_000


def _no_flag(value: object) -> object:
    """A flag is no number, although Python takes it for one."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not a flag")  # noqa: TRY004 - pydantic turns ValueError into its own
    return value


#: Dollars, as the API's JSON number; the lake keeps the same double, sums are made in exact decimals.
Dollars = Annotated[float, BeforeValidator(_no_flag), Field(allow_inf_nan=False, ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT)]
Quantity = Annotated[int, BeforeValidator(_no_flag), Field(ge=-LARGEST_QUANTITY, le=LARGEST_QUANTITY)]
Number = Annotated[int, BeforeValidator(_no_flag), Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
RowId = Annotated[str, Field(min_length=1)]


class ApiModel(BaseModel):
    """Base of every answer: camelCase on the wire, unknown fields kept, instances frozen."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_camel, serialization_alias=to_camel),
        validate_by_name=True,
        validate_by_alias=True,
        extra="allow",
        frozen=True,
    )


class Tender(ApiModel):
    """How (a part of) a transaction was paid; `total` = `amount` + `change`, change being negative. Dollars."""

    tender: str
    tender_sub_type: OptionalText = None
    amount: Dollars
    change: Dollars
    total: Dollars
    reference_number: OptionalText = None
    credit_card_last_four: OptionalText = None
    credit_card_expiration_date: OptionalText = None


class LineItem(ApiModel):
    """One thing on the ticket. Dollars, except `quantity` (a count)."""

    name: str
    sku: OptionalText = None
    department: str
    quantity: Quantity
    gross: Dollars
    net: Dollars
    discount: Dollars
    tax: Dollars
    additional_fee: Dollars
    is_voided: bool


class Discount(ApiModel):
    """One discount given; `discount` is its amount in dollars."""

    discount_name: str
    discount_sku: OptionalText = None
    applied_to_item_name: OptionalText = None
    discount: Annotated[Dollars, Field(validation_alias=AliasChoices("discount", "discountAmount"))]
    discount_code: OptionalText = None


class Transaction(ApiModel):
    """A transaction in detail, as `GET /transaction/{id}` answers it. `id` is the key; `complete_date` is aware."""

    id: RowId
    number: Number
    type: str
    complete_date: AwareDatetime
    location_code: str
    sales_device_name: OptionalText = None
    total: Dollars
    tenders: list[Tender]
    items: list[LineItem]
    customer_name: OptionalText = None
    customer_id: OptionalText = None
    vehicle_license_plate: OptionalText = None
    employee_cashier: OptionalText = None
    employee_greeter: OptionalText = None
    discounts: Annotated[
        list[Discount],
        BeforeValidator(lambda value: [] if value is None else value),
        Field(validation_alias=AliasChoices("discount", "discounts"), serialization_alias="discount"),
    ] = []
    is_recurring_payment: bool
    is_recurring_redemption: bool
    is_recurring_sale: bool
    is_prepaid_redemption: bool
    is_prepaid_sale: bool


class TransactionJobItem(Transaction):
    """A row of a load job: the detail plus v2-style fields, which live rows often lack (contract, "A row")."""

    is_recurring_plan_sale: bool | None = None
    is_recurring_plan_redemption: bool | None = None
    transaction_status: OptionalText = None


class TransactionListItem(ApiModel):
    """A row of `GET /transaction`: number, id, total in dollars, instant."""

    trans_number: Number
    trans_id: RowId
    total: Dollars
    date: AwareDatetime


class TransactionV2ListItem(TransactionListItem):
    """A row of `GET /transaction/version-2` (the API caches its answers for 10 minutes)."""

    customer_id: OptionalText = None
    is_recurring_plan_sale: bool | None = None
    is_recurring_plan_redemption: bool | None = None
    transaction_status: OptionalText = None


class Site(ApiModel):
    """A physical or virtual (e-commerce) site (contract, `GET /site/list`).

    `code` and `timezone` may be missing; a `name` that is null is empty, so that it hides no other site.
    """

    site_id: Annotated[Number | None, Field(validation_alias=AliasChoices("siteID", "siteId"))] = None
    code: OptionalText = None
    name: Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
    timezone: OptionalText = None


ModelT = TypeVar("ModelT", bound=ApiModel)
ListItemT = TypeVar("ListItemT", bound=TransactionListItem)

_list_adapters: dict[type[ApiModel], TypeAdapter[Any]] = {}


def parse_rows(model: type[ModelT], rows: Sequence[Mapping[str, Any]], *, page_hash: str | None = None) -> list[ModelT]:
    """Validate many raw rows at once (LJ-02).

    Args:
        model: which kind of row.
        rows: decoded JSON objects.
        page_hash: load job that brought them, for the error.

    Returns:
        One model a row, in the same order.

    Raises:
        UnparsableRowError: for the first row that the model refuses; it names the row's id and the field.
    """
    adapter = _list_adapters.setdefault(model, TypeAdapter(list[model]))  # type: ignore[valid-type]
    spelled = []
    for row in rows:
        try:
            spelled.append(in_one_spelling(model, row))
        except UnparsableRowError as twice:
            raise UnparsableRowError(_id_of(row), twice.field, twice.reason, rows, page_hash) from None
    try:
        parsed: list[ModelT] = adapter.validate_python(spelled, by_alias=True, by_name=False)
    except PydanticValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        position, *path = first["loc"] or (0,)
        field = ".".join(str(step) for step in path) or "(the row itself)"
        raise UnparsableRowError(
            _id_of(rows[int(position)]), field, first["msg"], rows, page_hash
        ) from None  # pydantic's text quotes input values, which hold personal data
    return parsed


def _id_of(row: object) -> str | None:
    """The id of a row that is refused, as far as it can be read: a text or number, whatever else stands there."""
    row_id = row.get("id", row.get("transId")) if isinstance(row, Mapping) else None
    return str(row_id) if isinstance(row_id, str | int | float) else None


def extra_of(item: ApiModel) -> dict[str, Any]:
    """The fields of one row that no model knows, nested ones included; `{}` where there are none.

    Unknown fields of a nested object stand under its list's name and position: `{"items": {"0": {"new": 1}}}`.
    """
    found: dict[str, Any] = dict(item.__pydantic_extra__ or {})
    if isinstance(item, Transaction):
        for name in ("tenders", "items", "discounts"):
            nested = {
                str(position): dict(part.__pydantic_extra__)
                for position, part in enumerate(getattr(item, name))
                if part.__pydantic_extra__
            }
            if nested:
                found[name] = nested
    return found


def unknown_fields(items: Iterable[ApiModel]) -> Counter[str]:
    """Count fields that no model knows, by dotted name (`items.newField`), so that an API change shows."""
    counted: Counter[str] = Counter()
    for item in items:
        for name, value in extra_of(item).items():
            if name in {"tenders", "items", "discounts"} and name in type(item).model_fields:
                counted.update(f"{name}.{field}" for part in value.values() for field in part)
            else:
                counted[name] += 1
    return counted
