"""What Dagster's catalog says of the assets beside their own descriptions: owners, tags, deadlines, landed columns."""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache

import dagster as dg
import pyarrow as pa

from sonnys_pipeline.calendar.mornings import DAILY_HOUR
from sonnys_pipeline.lake.query.examples import example_of
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.landing.dimensions.tables import DIMENSIONS, ITEMS
from sonnys_pipeline.landing.facts.tables import FACTS, READ_FACTS
from sonnys_pipeline.landing.sites.versions import SITES
from sonnys_pipeline.marts.columns import descriptions_of

OWNER = "team:sonnys-pipeline"
#: Local hour until which a morning's days, and what is computed from them, are expected: the run of 500 sites takes all
#: morning. A materialization counts from the morning's hour on, so that no backfill of the evening before does.
_EXPECTED_UNTIL = 12
#: Time after which a list is old, and very old: each morning reads it.
_WARN, _FAIL = timedelta(hours=26), timedelta(hours=36)
#: Which assets ask the API, so that to materialize one spends requests.
_ASKS_THE_API = frozenset(
    {
        "transactions",
        "transactions_today",
        "transaction_states",
        "sites",
        *(one.asset for one in (*DIMENSIONS, *READ_FACTS)),
    }
)
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
        *(one.asset for one in (*DIMENSIONS, *FACTS) if one is not ITEMS),
    }
)

#: Marts that follow lists, which are read at other times of a day than its transactions, or not at all: never late.
_FOLLOWS_LISTS = frozenset({"labor_daily", "giftcard_liability"})

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
    "name": "Name of the site, item or account.",
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
    "first_name": "First name; personal.",
    "last_name": "Last name; personal.",
    "phone_number": "Phone number; personal.",
    "customer_number": "Number that the operator gave the customer; personal.",
    "is_active": "Whether the customer is active.",
    "created_date": "When the customer was created, in UTC.",
    "modified_date": "When the customer was last modified, in UTC; null: never.",
    "company_name": "Company of the customer, from the detail; personal.",
    "loyalty_number": "Loyalty number, from the detail; personal.",
    "address1": "Address, from the detail; personal.",
    "address2": "Second line of the address; personal.",
    "city": "City; personal.",
    "state": "State; personal.",
    "country": "Country; personal.",
    "postal_code": "Postal code; personal.",
    "email": "E-mail address, from the detail; personal.",
    "phone": "Phone number of the employee; personal.",
    "birth_date": "Date of birth, from the detail; personal.",
    "allow_sms": "Whether the customer allows text messages, from the detail.",
    "recurring_sms_signup_date": "When the customer agreed to messages about a membership, in UTC.",
    "loyalty_sms_signup_date": "When the customer agreed to messages about loyalty, in UTC.",
    "detail_read_at": "When the detail was read, in UTC; null: not yet, so its columns are unknown.",
    "employee_id": "Number of the employee.",
    "active": "Whether the employee is active.",
    "start_date": "First day of work.",
    "start_date_change": "First day of work as it was changed; null if it never was.",
    "plan_name": "Plan of the membership.",
    "billing_site_code": "Code of the site that the membership is billed by.",
    "creation_site_code": "Code of the site where the membership was sold.",
    "sign_up_date": "When the account was opened, in UTC.",
    "cancel_date": "When the account was cancelled, in UTC; null if it was not.",
    "status": "Status of the account, such as Active, Suspended or Cancelled.",
    "billing_amount": "Amount of a charge in dollars.",
    "is_on_trial": "Whether the membership is on trial.",
    "trial_amount": "Amount of a trial in dollars.",
    "is_suspended": "Whether the membership is suspended.",
    "suspended_until": "Day on which the suspension ends; null if none is set.",
    "additional_tag_price": "Price of another tag in dollars.",
    "tags": "Tags on vehicles: number and whether enabled; personal.",
    "vehicles": "Vehicles and plates; personal.",
    "next_bill_date": "Day of the next charge, as last read.",
    "last_bill_date": "Day of the last charge, as last read.",
    "recurring_statuses": "Statuses and when each began, as last read.",
    "recurring_billings": "Charges: amount in dollars, time, card digits, as last read; by day in recurring_billings.",
    "balance": "Washes that are left.",
    "billing_site_id": "The API's number of the site.",
    "giftcard_id": "The API's number of the gift card.",
    "site_code": "Code of the site (sites.code).",
    "washbook_account_id": "Number of the membership (recurring_accounts.id).",
    "recurring_id": "The API's second number of the membership.",
    "old_status": "Status before.",
    "new_status": "Status after.",
    "status_date": "When the status changed, in UTC.",
    "employee_name": "Name of the employee; personal.",
    "week": "Week of pay that the API puts the shift in.",
    "clock_in": "Beginning of the shift, in UTC.",
    "clock_out": "End of the shift, in UTC; null while it is open.",
    "regular_rate": "Pay for an hour, in dollars; null under SONNYS_PAY=drop.",
    "regular_hours": "Hours paid at the regular rate.",
    "overtime_eligible": "Whether overtime is paid.",
    "overtime_rate": "Pay for an hour of overtime, in dollars; null under SONNYS_PAY=drop.",
    "overtime_hours": "Hours paid as overtime.",
    "was_modified": "Whether the entry was corrected.",
    "modification_timestamp": "When the entry was corrected, in UTC.",
    "was_created_in_back_office": "Whether the entry was made in BackOffice instead of at the clock.",
    "timestamp": "When the plan was offered, in UTC.",
    "adp_id": "Number of the employee in payroll; personal.",
    "is_converted": "Whether the offer was taken.",
    "item_id": "The API's number of the plan offered.",
    "item_name": "The plan offered.",
    "item_price": "Price of the plan offered, in dollars.",
    "terminal_name": "Terminal at which it was offered.",
    "account_id": "Number of the membership (recurring_accounts.id).",
    "amount_charged": "Charge in dollars.",
    "charged_at": "When the membership was charged, in UTC.",
    "last_four_cc": "Last digits of the card; personal.",
    "credit_card_expiration_date": "Expiry of the card; personal.",
    "value": "What the gift card was sold for, in dollars.",
    "amount_used": "What was used of the gift card, in dollars.",
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
    **{one.asset: one.schema for one in DIMENSIONS},
    **{one.asset: one.schema for one in FACTS},
}
#: How a definition is known, as a column's description begins in the files.
_KNOWN_BY = {
    "V": "checked against a production BackOffice",
    "B": "compared with one day of BackOffice",
    "R": "compared with a month of another system",
    "F": "a formula of the trade",
    "O": "our own definition",
}
#: What begins an example query in a description.
_QUERY = "\n\n```sql\n"
_STATUS = re.compile(r"^\[([A-Z])\] (.*)$", re.DOTALL)


def column_texts(schema: pa.Schema) -> dict[str, str]:
    """Column name → what the catalog says of it; those of nobody's words are left out."""
    found = {name: LANDED_COLUMNS[name] for name in schema.names if name in LANDED_COLUMNS}
    return found | {name: _in_words(text) for name, text in descriptions_of(schema).items()}


def table_schema(schema: pa.Schema) -> dg.TableSchema:
    """Arrow columns as Dagster's table schema, each with what is said of it."""
    texts = column_texts(schema)
    is_history = "valid_from" in schema.names  # an id has a row for each version
    return dg.TableSchema(
        [
            dg.TableColumn(
                name=field.name,
                type="list of structs" if pa.types.is_list(field.type) else str(field.type),
                description=texts.get(field.name),
                constraints=dg.TableColumnConstraints(
                    nullable=field.nullable, unique=field.name == "id" and not is_history
                ),
            )
            for field in schema
        ]
    )


def in_words(spec: dg.AssetSpec) -> str:
    """What an asset is, without the example query that the catalog shows below."""
    return (spec.description or "").partition(_QUERY)[0]


def in_catalog(
    assets: Iterable[dg.AssetsDefinition], *, lake_format: str = "parquet", engine: str = "duckdb"
) -> list[dg.AssetsDefinition]:
    """The assets with owners, tags and deadlines, and landed ones with their columns before anything is landed.

    Their kinds name the format and the engine that are set (SONNYS_LAKE_FORMAT, SONNYS_ENGINE).
    """
    kinds = {"parquet": lake_format, "duckdb": engine}
    return [asset.map_asset_specs(lambda spec: _described(spec, kinds)) for asset in assets]


def _described(spec: dg.AssetSpec, kinds: Mapping[str, str]) -> dg.AssetSpec:
    name = spec.key.path[-1]
    tags = {
        "source": "sonnys",
        "requests": "spends" if name in _ASKS_THE_API else "none",
        "personal_data": "by_policy" if name in _PERSONAL else "none",
    }
    columns = _LANDED.get(name)
    more: dict[str, dg.MetadataValue] = {}
    if columns is not None:
        more["dagster/column_schema"] = dg.MetadataValue.table_schema(table_schema(columns))
    if "html" not in spec.kinds:  # as `sonnys sql` calls it
        place = ".".join(spec.key.path)
        more["dagster/table_name"] = dg.MetadataValue.text(place)
        if query := example_of(name, place):
            # A sentence comes last, so that a user's own words after it stay outside the query.
            asked = f"{spec.description}{_QUERY}{query}\n```\n\nAsk it with `sonnys sql`."
            spec = spec.replace_attributes(description=asked)
    spec = spec.replace_attributes(kinds={kinds.get(kind, kind) for kind in spec.kinds})
    described = spec.merge_attributes(owners=[OWNER], tags=tags, metadata=more)
    late = _freshness_policy(spec)
    return described if late is None else described.replace_attributes(freshness_policy=late)


def _freshness_policy(spec: dg.AssetSpec) -> dg.FreshnessPolicy | None:
    """When Dagster calls an asset late, whichever partition was the last: the check `freshness` names missing days."""
    days = spec.partitions_def
    if not isinstance(days, dg.TimeWindowPartitionsDefinition):
        is_daily = spec.key.path[-1] in {"sites", *(one.asset for one in DIMENSIONS)}
        return dg.FreshnessPolicy.time_window(fail_window=_FAIL, warn_window=_WARN) if is_daily else None
    if spec.key.path[-1] in _FOLLOWS_LISTS:
        return None
    return _daily_deadline(days.timezone)


@cache
def _daily_deadline(timezone: str) -> dg.FreshnessPolicy:
    """One for all assets: to check its schedule, Dagster goes through a thousand days each time."""
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"0 {_EXPECTED_UNTIL} * * *",
        lower_bound_delta=timedelta(hours=_EXPECTED_UNTIL - DAILY_HOUR),
        timezone=timezone,
    )


def _in_words(text: str) -> str:
    """A description whose status is said in words instead of a letter."""
    found = _STATUS.match(text)
    if found is None:
        return text
    return f"{found[2]} ({_KNOWN_BY.get(found[1], found[1])})"
