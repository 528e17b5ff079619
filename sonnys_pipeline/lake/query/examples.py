"""A question to each table, in SQL for `sonnys sql`: what a person sees first who looks at the table in a catalog."""

from collections.abc import Mapping

#: By table, whose name in the query is `{table}`: with its account, where there are several.
EXAMPLES: Mapping[str, str] = {
    "transactions": """
SELECT date, location_code, count(*) AS transactions, sum(total) AS total
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "transactions_today": """
SELECT location_code, count(*) AS transactions, max(complete_date) AS newest
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "transaction_states": """
SELECT date, transaction_status, count(DISTINCT transaction_id) AS transactions
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "transaction_changes": """
SELECT day, change, count(DISTINCT transaction_id) AS transactions, max(hours_after_day) AS hours_after_day
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "sites": """
SELECT code, name, timezone, valid_from
FROM {table} WHERE is_current ORDER BY code""",
    "items": """
SELECT department_name, name, site_location, price_at_site
FROM {table} WHERE is_current ORDER BY ALL""",
    "customers": """
SELECT date_trunc('month', created_date) AS month, count(*) AS customers
FROM {table} WHERE is_current GROUP BY ALL ORDER BY ALL""",
    "employees": """
SELECT active, count(*) AS employees, min(start_date) AS first_start
FROM {table} WHERE is_current GROUP BY ALL""",
    "recurring_accounts": """
SELECT plan_name, status, count(*) AS accounts
FROM {table} WHERE is_current GROUP BY ALL ORDER BY ALL""",
    "recurring_status_changes": """
SELECT date, new_status, count(*) AS changes
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "recurring_billings": """
SELECT date, billing_site_code, count(*) AS charges, sum(amount_charged) AS charged
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "washbooks": """
SELECT name, status, count(*) AS washbooks, sum(balance) AS washes_left
FROM {table} WHERE is_current GROUP BY ALL ORDER BY ALL""",
    "giftcards": """
SELECT site_code, sum(value) AS sold, sum(amount_used) AS used
FROM {table} WHERE is_current GROUP BY ALL ORDER BY ALL""",
    "clock_entries": """
SELECT date, site_code, sum(regular_hours + overtime_hours) AS hours
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "sales_outcomes": """
SELECT date, site, count(*) AS offers, count_if(is_converted) AS taken
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "line_items": """
SELECT site, department, name, sum(quantity) AS pieces, sum(net) AS net
FROM {table} WHERE NOT is_voided GROUP BY ALL ORDER BY net DESC""",
    "tenders": """
SELECT date, site, tender, sum(total) AS total
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "discounts": """
SELECT discount_name, count(*) AS times, sum(discount) AS discount
FROM {table} GROUP BY ALL ORDER BY discount DESC""",
    "site_day_kpis": """
SELECT business_date, site, total_cars, sales, average_ticket, unknown
FROM {table} ORDER BY ALL""",
    "site_hour_kpis": """
SELECT hour, sum(cars) AS cars, sum(sales) AS sales
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "item_mix": """
SELECT item, sum(quantity) AS pieces, sum(net) AS net
FROM {table} GROUP BY ALL ORDER BY net DESC""",
    "membership_daily": """
SELECT business_date, site, new_memberships, member_share, conversion_rate
FROM {table} ORDER BY ALL""",
    "membership_movement": """
SELECT business_date, sum(joined) AS joined, sum(left_voluntary + left_involuntary) AS gone, sum(active) AS active
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "membership_cohorts": """
SELECT cohort, months_since, sum(still_active) / sum(signed_up) AS still_active
FROM {table} GROUP BY ALL ORDER BY ALL""",
    "wash_frequency": """
SELECT member_washes, count(*) AS members, avg(days_between) AS days_between
FROM {table} WHERE business_date = (SELECT max(business_date) FROM {table}) GROUP BY ALL ORDER BY ALL""",
    "labor_daily": """
SELECT business_date, site, labor_hours, labor_cost, cars_per_labor_hour, unknown
FROM {table} ORDER BY ALL""",
    "giftcard_liability": """
SELECT business_date, site, liability, washes_outstanding
FROM {table} ORDER BY ALL""",
}


def example_of(table: str, place: str) -> str | None:
    """The question to a table of this name, which is called `place` in it; None for one that has none."""
    query = EXAMPLES.get(table)
    return None if query is None else query.strip().format(table=place)
