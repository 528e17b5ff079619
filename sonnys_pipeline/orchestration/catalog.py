"""What Dagster's catalog says of the assets beside their own descriptions: owners, tags, deadlines, landed columns."""

import re
from collections.abc import Iterable
from datetime import timedelta

import dagster as dg
import pyarrow as pa

from sonnys_pipeline.calendar.mornings import DAILY_HOUR
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.landing.dimensions.landing import ITEMS
from sonnys_pipeline.landing.sites.versions import SITES
from sonnys_pipeline.marts.columns import descriptions_of

OWNER = "team:sonnys-pipeline"
#: Local hour until which a morning's days, and what is computed from them, are expected: the run of 500 sites takes all
#: morning. A materialization counts from the morning's hour on, so that no backfill of the evening before does.
_EXPECTED_UNTIL = 12
#: Time after which a list is old, and very old: each morning reads it.
_WARN, _FAIL = timedelta(hours=26), timedelta(hours=36)
#: Which assets ask the API, so that to materialize one spends requests.
_ASKS_THE_API = frozenset({"transactions", "transactions_today", "transaction_states", "sites", ITEMS.asset})
#: Assets with a row of theirs for each row, item or payment of the API; names and plates are kept as the policy says.
_PERSONAL = frozenset(
    {
        "transactions",
        "transactions_today",
        "transaction_states",
        "transaction_changes",
        "line_items",
        "tenders",
        "discounts",
    }
)

#: Columns as the API sends them, in words.
LANDED_COLUMNS = {
    "id": "Key of the transaction, such as 876:1001; each is in one day only.",
    "number": "Number of the ticket, as printed on the receipt.",
    "type": "Sale, Return or Rewash; the API may add others.",
    "complete_date": "When the ticket was completed, in UTC.",
    "location_code": "Code of the site (sites.code); empty for a virtual one.",
    "sales_device_name": "Terminal that made the sale.",
    "total": "Total of the ticket in dollars; negative for a refund.",
    "tenders": "Payments: tender, amount, change and total in dollars, last digits of a card. One row each in tenders.",
    "items": "What was sold: name, department, quantity, gross, net, discount and tax. One row each in line_items.",
    "customer_name": "Name of the customer; personal.",
    "customer_id": "The operator's id of the customer; personal.",
    "vehicle_license_plate": "License plate; personal.",
    "employee_cashier": "Cashier of the ticket; personal.",
    "employee_greeter": "Greeter; personal.",
    "discounts": "Discounts given: name, code and amount in dollars. One row each in discounts.",
    "is_recurring_payment": "Whether a membership was charged.",
    "is_recurring_redemption": "Whether a member's wash was redeemed.",
    "is_recurring_sale": "Whether a membership was sold.",
    "is_prepaid_redemption": "Whether a prepaid wash was redeemed.",
    "is_prepaid_sale": "Whether prepaid washes were sold.",
    "is_recurring_plan_sale": "Whether a plan was sold, including upgrades; null if the API does not send it.",
    "is_recurring_plan_redemption": "Whether a plan's wash was redeemed; null if the API does not send it.",
    "transaction_status": "Completed, Voided, In-Progress and so on; null if the API does not send it.",
    "site_id": "The API's number of the site; null if it has none.",
    "code": "Code of the site, as in transactions.location_code; empty for a virtual one.",
    "name": "Name of the site or item.",
    "timezone": "Time zone of the site, which decides on its business days; null if the API does not send it.",
    "spellings": "All ways in which lists have written the code.",
    "valid_from": "First business day that this row holds for; null: always.",
    "valid_to": "First business day that this row no longer holds for; null: it is current.",
    "is_current": "Whether this row is of the present list.",
    "because": "Why this row began: a list, landed rows, or a person.",
    "listed_timezone": "Time zone in the newest list, which a person may have corrected.",
    "sku": "Number of the item; null if it has none.",
    "department_name": "Department, as in line_items.department.",
    "price_at_site": "Price at the site in dollars; null if the API does not send it.",
    "cost_per_item": "What one piece costs the operator, in dollars; null if the API does not send it.",
    "is_prompt_for_price": "Whether the price is entered at the sale.",
    "site_location": "Code of the site (sites.code).",
    "transaction_id": "Key of the transaction (transactions.id).",
    "read_at": "When this was read from the API, in UTC.",
    "day": "Day (partition) of the row that changed.",
    "site": "Code of the site (sites.code); in sites its key, which stays when the code changes.",
    "change": "added, removed, moved_in, moved_out (from or to other_day) or edited.",
    "field": "What was edited; of a row that came or went its total, of one that moved its completion.",
    "old": "Value before, as text; lists as JSON without personal fields; null if there was none.",
    "new": "Value after, likewise.",
    "other_day": "Day that a moved row came from or went to.",
    "first_seen": "When the read that found the change ended, in UTC.",
    "previous_read_at": "When the landed day was read before, in UTC; the change came in between.",
    "hours_after_day": "Hours from the end of the day to first_seen.",
    "found_by": "Look that found it: morning, full, states, count, or re-read for any other read.",
    "pii": "Policy on personal data of the values: keep, hash or drop.",
    "pii_key": "Fingerprint of the key of hashed values; empty without one.",
    "extra": "Fields that the API has added since, as JSON; null if there are none.",
}
#: Columns of landed assets, shown before anything is landed.
_LANDED = {
    "transactions": TRANSACTIONS,
    "transactions_today": TRANSACTIONS,
    "sites": SITES,
    ITEMS.asset: ITEMS.schema,
}
#: How a definition is known, as a column's description begins in the files.
_KNOWN_BY = {
    "V": "checked against a production BackOffice",
    "B": "compared with one day of BackOffice",
    "R": "compared with a month of another system",
    "F": "a formula of the trade",
    "O": "our own definition",
}
_STATUS = re.compile(r"^\[([A-Z])\] (.*)$", re.DOTALL)


def column_texts(schema: pa.Schema) -> dict[str, str]:
    """Column name → what the catalog says of it; those of nobody's words are left out."""
    found = {name: LANDED_COLUMNS[name] for name in schema.names if name in LANDED_COLUMNS}
    return found | {name: _in_words(text) for name, text in descriptions_of(schema).items()}


def table_schema(schema: pa.Schema) -> dg.TableSchema:
    """Arrow columns as Dagster's table schema, each with what is said of it."""
    texts = column_texts(schema)
    return dg.TableSchema(
        [
            dg.TableColumn(
                name=field.name,
                type="list of structs" if pa.types.is_list(field.type) else str(field.type),
                description=texts.get(field.name),
                constraints=dg.TableColumnConstraints(nullable=field.nullable, unique=field.name == "id"),
            )
            for field in schema
        ]
    )


def in_catalog(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets with owners, tags and deadlines, and landed ones with their columns before anything is landed."""
    return [asset.map_asset_specs(_described) for asset in assets]


def _described(spec: dg.AssetSpec) -> dg.AssetSpec:
    name = spec.key.path[-1]
    tags = {
        "source": "sonnys",
        "requests": "spends" if name in _ASKS_THE_API else "none",
        "personal_data": "by_policy" if name in _PERSONAL else "none",
    }
    columns = _LANDED.get(name)
    more = {} if columns is None else {"dagster/column_schema": dg.MetadataValue.table_schema(table_schema(columns))}
    described = spec.merge_attributes(owners=[OWNER], tags=tags, metadata=more)
    late = _freshness_policy(spec)
    return described if late is None else described.replace_attributes(freshness_policy=late)


def _freshness_policy(spec: dg.AssetSpec) -> dg.FreshnessPolicy | None:
    """When Dagster calls an asset late, whichever partition was the last: the check `freshness` names missing days."""
    days = spec.partitions_def
    if not isinstance(days, dg.TimeWindowPartitionsDefinition):
        is_daily = spec.key.path[-1] in {"sites", ITEMS.asset}
        return dg.FreshnessPolicy.time_window(fail_window=_FAIL, warn_window=_WARN) if is_daily else None
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"0 {_EXPECTED_UNTIL} * * *",
        lower_bound_delta=timedelta(hours=_EXPECTED_UNTIL - DAILY_HOUR),
        timezone=days.timezone,
    )


def _in_words(text: str) -> str:
    """A description whose status is said in words instead of a letter."""
    found = _STATUS.match(text)
    if found is None:
        return text
    return f"{found[2]} ({_KNOWN_BY.get(found[1], found[1])})"
