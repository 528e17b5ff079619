"""Tickets that a person can count: rows on the wire with few fields said, as the lake hands them out."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic.alias_generators import to_camel

from sonnys_pipeline.client import Site, TransactionJobItem
from sonnys_pipeline.client.models import MAX_AMOUNT
from sonnys_pipeline.lake.schema import TRANSACTIONS, arrow_schema, to_table
from sonnys_pipeline.lake.states import TRANSACTION_STATES

Part = dict[str, Any]


def line(department: str = "Wash", price: float = 10.0, **fields: Any) -> Part:
    """One item, of a price that is all of `gross` and `net`."""
    return {
        "name": department, "sku": None, "department": department, "quantity": 1, "gross": price, "net": price,
        "discount": 0.0, "tax": 0.0, "additionalFee": 0.0, "isVoided": False, **fields,
    }  # fmt: skip


def paid(total: float = 10.0, kind: str = "Cash", sub_type: str | None = None) -> Part:
    """One tender."""
    return {"tender": kind, "tenderSubType": sub_type, "amount": total, "change": 0.0, "total": total}


def off(amount: float, name: str = "Early Bird", **fields: Any) -> Part:
    """One discount."""
    return {"discountName": name, "discount": amount, "appliedToItemName": "Wash", "discountCode": "EARLY", **fields}


def ticket(number: int, at: str, site: str = "MAIN", total: float = 10.0, **fields: Any) -> TransactionJobItem:
    """A settled retail wash for ten dollars in a lane, but for the fields given, by their names on the wire."""
    row = {
        "id": f"{number}:1",
        "number": number,
        "type": "Sale",
        "completeDate": at,
        "locationCode": site,
        "salesDeviceName": "Lane 1",
        "total": total,
        "tenders": [paid(total)],
        "items": [line(price=total)],
        "discount": [],
        "isRecurringPayment": False,
        "isRecurringRedemption": False,
        "isRecurringSale": False,
        "isPrepaidRedemption": False,
        "isPrepaidSale": False,
        "isRecurringPlanSale": False,
        "isRecurringPlanRedemption": False,
        "transactionStatus": "Completed",
        **fields,
    }
    return _as_an_older_version_read_it(row)


def _as_an_older_version_read_it(row: Part) -> TransactionJobItem:
    """A ticket whose amounts may be absurd: older versions let them into the lake, where they still lie."""

    def plausible(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: plausible(value) for name, value in part.items()}
        if isinstance(part, list):
            return [plausible(value) for value in part]
        return 0.0 if isinstance(part, float) and abs(part) > MAX_AMOUNT else part

    def restored(model: Any, wire: Part) -> Any:
        amounts = {
            name: wire[to_camel(name)]
            for name in type(model).model_fields
            if isinstance(wire.get(to_camel(name)), float)
        }
        lists = {
            name: [restored(part, known) for part, known in zip(getattr(model, name), wire[key], strict=True)]
            for name, key in (("items", "items"), ("tenders", "tenders"), ("discounts", "discount"))
            if isinstance(model, TransactionJobItem)
        }
        return model.model_copy(update={**amounts, **lists})

    ticket_: TransactionJobItem = restored(TransactionJobItem.model_validate(plausible(row)), row)
    return ticket_


def rows(*tickets: TransactionJobItem) -> pa.Table:
    """As landed, without the partition's day."""
    return to_table(tickets, TRANSACTIONS)


def states(*known: Part) -> pa.Table:
    """What `/transaction/version-2` says of some tickets: `number`, and whatever else is known of each."""
    nothing = dict.fromkeys(TRANSACTION_STATES.names)
    read_at = datetime(2026, 3, 12, tzinfo=UTC)
    found = [
        {**nothing, "transaction_id": f"{one['number']}:1", "total": 10.0, "read_at": read_at, **one} for one in known
    ]
    return pa.Table.from_pylist(found, TRANSACTION_STATES)


def states_of(rows: pa.Table, *, read_at: datetime = datetime(2026, 3, 20, tzinfo=UTC)) -> pa.Table:
    """What `version-2` would say of rows that carry the fields."""
    own = rows.select(
        ["id", "customer_id", "is_recurring_plan_sale", "is_recurring_plan_redemption", "transaction_status", "total"]
    )
    named = own.rename_columns(["transaction_id", *own.column_names[1:]])
    moment = pa.repeat(pa.scalar(read_at, pa.timestamp("us", tz="UTC")), rows.num_rows)
    return named.append_column("read_at", moment).cast(TRANSACTION_STATES)


def without_v2(table: pa.Table) -> pa.Table:
    """The same rows as they come live: without plan flags and status (contract, L4)."""
    for name in ("is_recurring_plan_sale", "is_recurring_plan_redemption", "transaction_status"):
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.nulls(table.num_rows, field.type))
    return table


def sites(**zones: str | None) -> pa.Table:
    """The site list: code → time zone."""
    found = [Site(code=code, name=code.title(), timezone=zone) for code, zone in zones.items()]
    return to_table(found, arrow_schema(Site))


def with_online_store(listed: pa.Table) -> pa.Table:
    """The same list, and the e-commerce site, which has neither code nor zone."""
    store = to_table([Site.model_validate({"code": "", "name": "Online", "timezone": None})], listed.schema)
    return pa.concat_tables([listed, store])
