"""The API's responses as typed objects (LJ-02; contract, "A row").

Limits are plausible ones that every table, sum and report can hold. Only the API's field names are accepted, and a
field in two spellings is refused.

Accepted quirks, from the contract: unset optional strings are `""` (read as `None`); v2 flags and `transactionStatus`
may be missing; a discount's amount is `discount` or `discountAmount`; null discounts are an empty list; enumerations
grow, so tenders, types and statuses are plain strings; unknown fields are kept (`model_extra`) and counted by
`unknown_fields`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, get_args

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
from sonnys_pipeline.client.spelling import normalize_field_names

#: Unset optional strings come as `""` from the live API.
OptionalText = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
#: Dollars, positive or negative: far above any ticket, below a gift card number typed as an amount. A billion of them
#: still fit the decimals that sums are made in.
MAX_AMOUNT = 10_000_000
#: Pieces of one item, positive or negative.
MAX_QUANTITY = 1_000_000
#: Ticket and site numbers, counted from 1 in each database; exact as a double.
MAX_NUMBER = 1_000_000_000_000_000


def refuse_bool(value: object) -> object:
    """For numbers: JSON's true is no 1."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not a flag")  # noqa: TRY004 - pydantic turns ValueError into its own
    return value


#: Dollars as a double, in the lake too; sums use exact decimals.
Dollars = Annotated[float, BeforeValidator(refuse_bool), Field(allow_inf_nan=False, ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
Quantity = Annotated[int, BeforeValidator(refuse_bool), Field(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
Number = Annotated[int, BeforeValidator(refuse_bool), Field(ge=-MAX_NUMBER, le=MAX_NUMBER)]
RowId = Annotated[str, Field(min_length=1)]


class ApiModel(BaseModel):
    """Base of every response: camelCase on the wire, unknown fields kept, instances frozen."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_camel, serialization_alias=to_camel),
        validate_by_name=True,
        validate_by_alias=True,
        extra="allow",
        frozen=True,
    )


class Tender(ApiModel):
    """A payment of (a part of) a transaction, in dollars; `total` = `amount` + `change`, `change` being negative."""

    tender: str
    tender_sub_type: OptionalText = None
    amount: Dollars
    change: Dollars
    total: Dollars
    reference_number: OptionalText = None
    credit_card_last_four: OptionalText = None
    credit_card_expiration_date: OptionalText = None


class LineItem(ApiModel):
    """One item of a ticket, in dollars; `quantity` is a count."""

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
    """A discount; `discount` is its amount in dollars."""

    discount_name: str
    discount_sku: OptionalText = None
    applied_to_item_name: OptionalText = None
    discount: Annotated[Dollars, Field(validation_alias=AliasChoices("discount", "discountAmount"))]
    discount_code: OptionalText = None


class Transaction(ApiModel):
    """A transaction in detail, as returned by `GET /transaction/{id}`; `complete_date` is aware."""

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
    """A row of a load job: the detail plus v2 fields, which live rows often lack (contract, "A row")."""

    is_recurring_plan_sale: bool | None = None
    is_recurring_plan_redemption: bool | None = None
    transaction_status: OptionalText = None


class TransactionListItem(ApiModel):
    """A row of `GET /transaction`; `total` in dollars."""

    trans_number: Number
    trans_id: RowId
    total: Dollars
    date: AwareDatetime


class TransactionV2ListItem(TransactionListItem):
    """A row of `GET /transaction/version-2` (cached by the API for 10 minutes)."""

    customer_id: OptionalText = None
    is_recurring_plan_sale: bool | None = None
    is_recurring_plan_redemption: bool | None = None
    transaction_status: OptionalText = None


class Site(ApiModel):
    """A physical or virtual (e-commerce) site (contract, `GET /site/list`).

    `code` and `timezone` may be missing; a null `name` is empty, so that one site does not make the list unreadable.
    """

    site_id: Annotated[Number | None, Field(validation_alias=AliasChoices("siteID", "siteId"))] = None
    code: OptionalText = None
    name: Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
    timezone: OptionalText = None


ModelT = TypeVar("ModelT", bound=ApiModel)


@cache
def _list_adapter(model: type[ApiModel]) -> TypeAdapter[Any]:
    """Made once: it takes as long as to parse a page of rows."""
    return TypeAdapter(list[model])  # type: ignore[valid-type]


def parse_rows(model: type[ModelT], rows: Sequence[Mapping[str, Any]], *, page_hash: str | None = None) -> list[ModelT]:
    """Raw rows as models, in order (LJ-02); `UnparsableRowError` for the first invalid one, with `page_hash`."""
    spelled = []
    for row in rows:
        try:
            spelled.append(normalize_field_names(model, row))
        except UnparsableRowError as twice:
            raise UnparsableRowError(_id_of(row), twice.field, twice.reason, rows, page_hash) from None
    try:
        parsed: list[ModelT] = _list_adapter(model).validate_python(spelled, by_alias=True, by_name=False)
    except PydanticValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        position, *path = first["loc"] or (0,)
        field = ".".join(str(step) for step in path) or "(the row itself)"
        raise UnparsableRowError(
            _id_of(rows[int(position)]), field, first["msg"], rows, page_hash
        ) from None  # pydantic's text quotes input values, which hold personal data
    return parsed


def _id_of(row: object) -> str | None:
    row_id = row.get("id", row.get("transId")) if isinstance(row, Mapping) else None
    return str(row_id) if isinstance(row_id, str | int | float) else None


@cache
def _parts_of(model: type[ApiModel]) -> frozenset[str]:
    """Fields that hold objects with fields of their own, as a list or one."""
    return frozenset(
        name
        for name, info in model.model_fields.items()
        if any(isinstance(kind, type) and issubclass(kind, ApiModel) for kind in get_args(info.annotation))
    )


def extra_of(item: ApiModel) -> dict[str, Any]:
    """The fields of one row that no model knows, nested ones by list and position: `{"items": {"0": {"new": 1}}}`."""
    found: dict[str, Any] = dict(item.__pydantic_extra__ or {})
    for name in _parts_of(type(item)):
        value = getattr(item, name)
        if isinstance(value, ApiModel):
            value = [value]
        nested = {
            str(position): dict(part.__pydantic_extra__)
            for position, part in enumerate(value or ())
            if part.__pydantic_extra__
        }
        if nested:
            found[name] = nested
    return found


def unknown_fields(items: Iterable[ApiModel]) -> Counter[str]:
    """Count fields that no model knows, by dotted name (`items.newField`), to detect API changes."""
    counted: Counter[str] = Counter()
    for item in items:
        parts = _parts_of(type(item))
        for name, value in extra_of(item).items():
            if name in parts:
                counted.update(f"{name}.{field}" for part in value.values() for field in part)
            else:
                counted[name] += 1
    return counted
